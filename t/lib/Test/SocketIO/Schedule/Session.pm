package Test::SocketIO::Schedule::Session;

# Copyright (C) the ngx_http_socketio_module authors

# A session of a schedule: what should become of it and what does.  Its steps
# are in Test::SocketIO::Schedule::Steps.

use v5.36;

use Time::HiRes qw/time/;

use Test::SocketIO ();
use Test::SocketIO::Schedule::Steps ();

our @ISA = ('Test::SocketIO::Schedule::Steps');

sub new ($class, $d, %o) {
    my ($get, $post, $ws) = @{$o{workers}};

    my $self = bless {
        d => $d, t => $d->{t}, path => $d->{t}->path, race => 0, room => 1, %o,
        worker => { get => $get, post => $post, ws => $ws },
        faults => [], at => 'begin', number => 0,

        # what it should be
        state => 'open', transport => 'polling', probe => 0, reason => '',

        # what was sent and what came
        emitted => [], got => [], sent => [], maybe => [], echoed => [],
        pings => 0,
    }, $class;

    $self->{dead} = !$self->_begin;

    return $self;
}


sub go ($self, @steps) {
    return if $self->{dead};

    for my $step (@steps) {
        $self->{at} = $step;
        $self->step($step);
        $self->_look unless $self->{race};
    }
}


# The end of it: all that was not as it should be.
sub faults ($self) {
    return @{$self->{faults}} if $self->{dead}++;

    $self->{at} = 'end';
    $self->_finish;
    $self->_account;

    $self->{d}->put_back($self->{worker}{$_}, $self->{$_}) for 'get', 'post';

    return @{$self->{faults}};
}


sub _fault ($self, $what) {
    push @{$self->{faults}}, "at $self->{at}: $what";
    return 0;
}


# Something that is certain if nothing races.
sub _must ($self, $good, $what) {
    return $good || $self->{race} || $self->_fault($what);
}


sub open ($self)      { return $self->{state} eq 'open' }
sub polling ($self)   { return $self->{transport} eq 'polling' }
sub websocket ($self) { return $self->{transport} eq 'websocket' }


sub _end ($self, $reason, $state = 'closed') {
    $self->{reason} = $reason if $self->open;
    $self->{broken} = 1 if $state eq 'closed' && $reason ne '';
    $self->{state} = $state;
}


sub _url ($self, $transport = 'polling') {
    my $sid = defined $self->{sid} ? "&sid=$self->{sid}" : '';
    return "$self->{path}?EIO=4&transport=$transport$sid";
}


sub _conn ($self, $which) {
    my $c = $self->{$which};
    return $c if $c && !$c->{eof} && $c->{sock};
    return $self->{$which} = $self->{d}->conn($self->{worker}{$which});
}


# A request on a connection of its own: its response.
sub _alone ($self, $worker, $method, $url, %o) {
    my $c = $self->{d}->conn($worker);
    $c->request($method, $url, %o);
    my $r = $c->response;
    $self->{d}->put_back($worker, $c) if $r && $r->{keepalive};
    return $r;
}


# The code of an error, if it has one.
sub _code ($self, $r) { return $r->{body} =~ m{^\{"code":(\d)} ? $1 : "" }


sub _begin ($self) {
    my $r = $self->_alone($self->{worker}{get}, 'GET', $self->_url);
    ($self->{sid}) = $r ? $r->{body} =~ /"sid":"([^"]+)"/ : ();
    return $self->_fault('no handshake') unless defined $self->{sid};

    $r = $self->_alone($self->{worker}{post}, 'POST', $self->_url,
        body => '40');
    $r = $self->_alone($self->{worker}{get}, 'GET', $self->_url);
    ($self->{id}) = $r ? $r->{body} =~ /"sid":"([^"]+)"/ : ();
    return $self->_fault('no connect') unless defined $self->{id};

    $self->{d}->join($self->{id}) if $self->{room};

    # Not later: a worker may be stopped then.
    $self->_conn($_) for 'get', 'post';

    return 1;
}


# All that has come meanwhile.
sub _look ($self) {
    $self->{d}->settle;
    $self->_get_look;
    $self->_post_look;
    $self->_ws_look;

    # A ping came, by whatever: so goes the pong, when it can.
    if ($self->{pong} && $self->open) {
        if ($self->{ws} && $self->websocket) {
            $self->{ws}->send('3');
            delete $self->{pong};
        } elsif ($self->polling && !$self->{in_post}) {
            $self->_alone($self->{worker}{post}, 'POST', $self->_url,
                body => '3');
            delete $self->{pong};
        }
    }
}


# The end: what is left must be answered, then the session is used.

# The state as it is: a GET parks, or says why not.
sub _observe ($self) {
    for (1 .. 50) {
        $self->_get;
        $self->{refused} = '';
        $self->{d}->settle;
        $self->_get_look;
        return 'polling' if $self->{in_get};
        return 'websocket' if $self->{refused} eq '3';
        return 'closed' if $self->{refused} eq '1';
    }
    return 'unknown';
}


sub _finish ($self) {
    my $should = $self->open ? $self->{transport} : 'closed';

    $self->_go_on;
    $self->{d}->settle;
    $self->_post_rest;
    $self->_post_wait if $self->{race};

    # What a GET got is older than what the websocket gets.
    $self->_get_look;
    $self->_ws_look;

    my $is = $self->_observe;

    if ($is ne $should) {
        return $self->_fault("$is, not $should")
            if !grep { $_ eq $is } @{$self->{within} // []};
        $self->{state} = $is eq 'closed' ? 'closed' : 'open';
        $self->{transport} = $is if $is ne 'closed';
        @$self{qw/reason broken/} = ('.*', 1) if $is eq 'closed';
        $self->{broken} = 0 if $is ne 'closed';
        $self->{probe} = 0 if $is ne 'polling';
    }

    # Of a race it is known now where it has led to.
    if ($self->{race}) {
        @$self{qw/reason state/} = ('.*', 'closed') if $is eq 'closed';
        if ($is eq 'polling') {
            delete @{$self->{taken}}{grep { $self->{channel}{$_} eq 'ws' }
                keys %{$self->{taken}}};
            $self->_lost('x');
            $self->{d}->settle;
        }
    }

    $self->{race} = 0;
    $self->{good} = !$self->{broken};

    $self->_finish_polling if $is eq 'polling';
    $self->_finish_websocket if $self->websocket && $self->open;
    $self->_finish_closed;
}


# Until all that is on its way has come.
sub _drain ($self) {
    my $end = time + 5;

    while (time < $end) {
        my $told = $self->{d}->told($self->{id})->{event} // [];
        return 1 if @{$self->{got}} >= @{$self->{emitted}}
            && @$told >= @{$self->{sent}}
            && @{$self->{echoed}} >= @$told;
        $self->_get if $self->polling;
        $self->_look;
    }

    return $self->_fault('messages are missing');
}


sub _play_on ($self, @steps) {
    for my $step (@steps) {
        $self->{at} = "end, $step";
        $self->step($step);
        $self->_look;
    }
}


# An upgrade must be possible, by the probe that is there, or by another.
sub _finish_polling ($self) {
    $self->_play_on('p', 's');
    $self->_drain;

    if ($self->{ws} && !$self->{probe}) {
        $self->_ws_ended('lost probe');
    }
    $self->_leave;

    $self->_play_on($self->{ws} ? () : 'o', '2', '5', 's', 'm');
}


sub _finish_websocket ($self) {
    $self->_play_on('m', 's');
    $self->_drain;

    for ('GET', 'POST') {
        next if $_ eq 'GET' && $self->{in_get};
        my $r = $self->_alone($self->{worker}{get}, $_, $self->_url,
            $_ eq 'POST' ? (body => '42["never"]') : ());
        $self->_must($r && $self->_code($r) eq '3', "$_ after the upgrade");
    }

    $self->_play_on('k');
}


sub _finish_closed ($self) {
    $self->{at} = 'closed';
    return $self->_fault("$self->{state} at the end")
        if $self->{state} ne 'closed';

    $self->_get_look(5);
    $self->_fault('a GET is parked still') if $self->{in_get};
    $self->_post_look(5);
    $self->_fault('a POST is held still') if $self->{in_post};

    if ($self->{ws}) {
        $self->_ws_look(5);
        $self->_fault('websocket not closed') if delete $self->{ws};
    }

    $self->_get;
    $self->_get_look(5);
    $self->_fault('the sid is known') if $self->{refused} ne '1';

    my $d = Test::SocketIO::eventually(sub {
        return $self->{d}->told($self->{id})->{disconnect};
    }) // [];
    $self->_fault('disconnects: ' . join ', ', @$d)
        if @$d != 1 || $d->[0] !~ /^(?:$self->{reason})$/;
}


sub _begins ($all, $some) {
    my @all = @$all[0 .. ($#$some < $#$all ? $#$some : $#$all)];
    return "@all" eq "@$some";
}


# What was sent and what came.
sub _account ($self) {
    my ($emitted, $got, $echoed) = @$self{qw/emitted got echoed/};
    my $told = $self->{d}->told($self->{id})->{event} // [];
    my $kicked = $self->{kicked};
    my %maybe = map { $_ => 1 } @{$self->{maybe}};
    my %times;

    $self->{at} = 'account';
    $times{$_}++ for @$told;

    $self->_fault("emitted @$emitted; got @$got")
        if !_begins($emitted, $got) || ($self->{good} && @$got < @$emitted);

    $self->_fault("hook was told @$told; echoed @$echoed")
        if !_begins($told, $echoed)
            || ($self->{good} && !$kicked && @$echoed < @$told);

    # Those that need not have been taken are left out, then it is exact.
    my @sure = grep { !$maybe{$_} } @$told;
    $self->_fault("sent @{$self->{sent}}; hook was told @$told")
        if "@sure" ne "@{$self->{sent}}" || grep { $_ > 1 } values %times;

    for my $channel ('post', 'ws') {
        my @n = grep { ($self->{channel}{$_} // '') eq $channel } @$told;
        $self->_fault("hook was told by $channel @n")
            if grep { $n[$_] < $n[$_ - 1] } 1 .. $#n;
    }

    my @lost = grep { !$times{$_} } sort keys %{$self->{taken}};
    $self->_fault("lost @lost") if @lost && $self->{good} && !$kicked;
}


1;
