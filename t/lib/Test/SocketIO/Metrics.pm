package Test::SocketIO::Metrics;

# Copyright (C) the ngx_http_socketio_module authors

# A page for Prometheus, read as strictly as its parser and the rules of
# "promtool check metrics" do.
#
#   my $m = Test::SocketIO::Metrics->new($text);
#   is_deeply($m->{faults}, []);
#   $m->{type}{socketio_rooms}, $m->{value}{'socketio_rooms{zone="a"}'},
#   $m->{labels}{socketio_sessions}      # sorted names, joined by ","

use v5.36;

my $string = qr/"(?:[^"\\\n]|\\["\\n])*"/;
my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*=$string/;

my %units = ((map { $_ => $_ } qw/bytes seconds meters grams volts amperes
    joules kelvin celsius metres/), (map { $_ => 'seconds' } qw/minutes hours
    days weeks/), bits => 'bytes');
my $prefix = qr/^(?:pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega
    |mibi|giga|gibi|tera|tebi|peta|pebi)/x;
my $short = qr/_(?:s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?:_|$)/;
my $types = qr/_(?:counter|gauge|summary|histogram|gauge_histogram)(?:_|$)/;


sub new ($class, $text) {
    my $self = bless { faults => [], type => {}, help => {}, value => {},
        labels => {}, order => [] }, $class;

    $self->_fault('the last line has no end') if $text !~ /\n\z/;
    $self->_line($_) for split /\n/, $text;
    $self->_name($_) for @{$self->{order}};
    $self->_histogram($_)
        for grep { $self->{type}{$_} eq 'histogram' } keys %{$self->{type}};

    return $self;
}


sub _fault ($self, $what) {
    push @{$self->{faults}}, $what;
    return;
}


sub _line ($self, $line) {
    if ($line =~ /^# HELP ([a-z_]+) (.+)$/) {
        $self->_fault("$1: a second HELP") if $self->{help}{$1}++;
        push @{$self->{order}}, $self->{at} = $1;
        return;
    }

    if ($line =~ /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/) {
        $self->_fault("$1: a second TYPE") if $self->{type}{$1};
        $self->_fault("$1: TYPE without its HELP before it")
            if $1 ne ($self->{at} // '');
        $self->{type}{$1} = $2;
        return;
    }

    return $self->_fault("not a line: $line")
        if $line !~ /^([a-z_]+)\{($label(?:,$label)*)\} ([0-9]+(?:\.[0-9]+)?)$/;

    my ($name, $labels, $value) = ($1, $2, $3);
    my $family = $name;
    my $at = $self->{at} // '';

    if (($self->{type}{$at} // '') eq 'histogram') {
        $family =~ s/_(?:bucket|sum|count)$//;
        $self->_fault("$name: of a histogram, and none of its own")
            if $family eq $name;
    }

    $self->_fault("$name: not below its HELP and TYPE")
        if $family ne $at || !$self->{type}{$family};
    $self->_fault("$name\{$labels}: twice")
        if exists $self->{value}{"$name\{$labels}"};

    $self->{value}{"$name\{$labels}"} = $value;

    my @names = $labels =~ /([a-zA-Z_][a-zA-Z0-9_]*)=$string/g;
    my %seen;
    $self->_fault("$name: label $_ twice") for grep { $seen{$_}++ } @names;
    $self->_fault("$name: label le")
        if $name !~ /_bucket$/ && grep { $_ eq 'le' } @names;
    $self->_fault("$name: label $_")
        for grep { $_ eq 'quantile' || /[a-z][A-Z]/ || /^__/ } @names;

    my $all = join ',', sort @names;
    my $were = $self->{labels}{$name} //= $all;
    $self->_fault("$name: other labels, $all") if $were ne $all;
    return;
}


# the rules for names
sub _name ($self, $name) {
    my $type = $self->{type}{$name} // return $self->_fault("$name: no TYPE");

    $self->_fault("$name: no samples")
        if !grep { $_ =~ /^\Q$name\E(?:_bucket)?$/ } keys %{$self->{labels}};
    $self->_fault("$name: a counter ends with _total, others do not")
        if ($type eq 'counter') != ($name =~ /_total$/);
    $self->_fault("$name: a suffix of histograms")
        if $name =~ /_(?:bucket|count|sum)$/;
    $self->_fault("$name: its type is no part of a name") if $name =~ $types;
    $self->_fault("$name: a unit is not abbreviated") if $name =~ $short;

    for my $word (split /_/, $name) {
        my $unit = $word =~ s/$prefix//r;
        $self->_fault("$name: not the base unit")
            if $units{$unit} && $units{$unit} ne $word;
    }

    return;
}


sub _histogram ($self, $name) {
    my $last = -1;
    my $sum = 0;

    for my $key (sort { _le($a) <=> _le($b) }
        grep { /^\Q$name\E_bucket\{/ } keys %{$self->{value}})
    {
        $self->_fault("$key: fewer than below it")
            if $self->{value}{$key} < $last;
        $last = $self->{value}{$key};
        $sum = $key if _le($key) eq 9**9**9;
    }

    $self->_fault("$name: no +Inf") if !$sum;

    my ($count) = map { $self->{value}{$_} }
        grep { /^\Q$name\E_count\{/ } keys %{$self->{value}};
    $self->_fault("$name: +Inf is not the count") if ($count // -1) != $last;
    $self->_fault("$name: no sum")
        if !grep { /^\Q$name\E_sum\{/ } keys %{$self->{value}};
    return;
}


sub _le ($key) {
    my ($le) = $key =~ /le="([^"]+)"/;
    return ($le // '') eq '+Inf' ? 9**9**9 : $le;
}

1;
