package Test::SocketIO::Stream;

# Copyright (C) the ngx_http_socketio_module authors

# Words for tests of answers that come line by line.  The client says what the
# backend is to answer: an event "do" has as arguments options of reply() and
# the pieces of its stream.
#
#   a string             as it is, ID being the event's id
#   { event => 'x' }     a command on a line, with the event's id
#   { connect => 'id' }  ... of the first connect of the batch
#   hold                 until release() of what hold() gave
#   { times, size }      so many lines of that size, to nobody
#
# Options: id (the client wants an ack), once => status (what a second request with
# this event gets; 200: "again", "again2" and an ack,
# and a connect is put into the room "again"), and those of reply().

use v5.36;

use Exporter qw/import/;
use Test::More ();
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Backend qw/reply echo/;

our @EXPORT_OK = qw/answer hold release send_do ask of asked/;

my ($word, $number) = ('a', 0);
my %tries;


sub hold () { return { hold => $word++ } }
sub release ($b, @holds) { $b->release($_->{hold}) for @holds }


# The backend.  Other events are echoed; "hold" waits for the word it names.
sub answer ($events, $req, $ctl) {
    my ($do) = grep { ($_->{event} // '') eq 'do' } @$events;
    my ($held) = grep { ($_->{event} // '') eq 'hold' } @$events;

    return reply(hold => $held->{args}[0]{hold}, body => echo($events))
        if $held;
    return echo($events) unless $do;

    my ($o, @pieces) = @{$do->{args}};
    my ($c) = grep { $_->{type} eq 'connect' } @$events;

    if ($o->{once} && $tries{$do->{id}}++) {
        return undef if $o->{once} == 204;
        return reply(status => $o->{once},
            body => { message => 'no more' }) if $o->{once} != 200;
        return [
            $c ? { op => 'accept', id => $c->{id}, rooms => ['again'] } : (),
            { event => 'again', id => $do->{id} },
            { op => 'ack', id => $do->{id}, args => ['again'] },
            { event => 'again2', id => $do->{id} }];
    }

    return reply(%$o, stream => [map { _piece($_, $do, $c) } @pieces]);
}


sub _piece ($p, $e, $c) {
    return $p =~ s/ID/$e->{id}/gr unless ref $p;
    return \"$p->{hold}" if defined $p->{hold};

    if ($p->{times}) {
        my $line = to_json({ room => 'nobody', event => 'long',
            args => ['x' x ($p->{size} - 50)] });
        return map { "$line\n" } 1 .. $p->{times};
    }

    my %p = (id => $e->{id}, %$p);
    $p{id} = $c->{id} if delete $p{connect} && $c;
    return to_json(\%p) . "\n";
}


# Sends a "do": its number.
sub send_do ($s, $o, @pieces) {
    my $n = ++$number;

    $s->send('42' . ($o->{id} // '')
        . to_json(['do', { n => $n, %$o }, @pieces]));
    return $n;
}


# The same, and waits until the backend has it.
sub ask ($b, $s, $o, @pieces) {
    my $n = send_do($s, $o, @pieces);

    asked($b, $n) or Test::More::ok(0, "case $n is asked");
    return $n;
}


# Requests with case $n.
sub of ($b, $n) {
    return grep {
        grep { ($_->{event} // '') eq 'do' && $_->{args}[0]{n} == $n }
            @{$_->{events} // []}
    } $b->requests;
}


sub asked ($b, $n, $times = 1) {
    return eventually(sub { $times <= (my @r = of($b, $n)) }, 10);
}


1;
