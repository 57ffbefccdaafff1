#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A worker dies in the middle of a hold in a zone with recovery, where sockets
# stay for a while, and messages are logged.  Fails as worker_killed_hold.t, or
# if who comes back gets a message twice, or misses one without being told that
# he is new.  DEATHS=30 for more stores of each operation.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/to_json/;
use Test::SocketIO::Deaths;

my $w = Test::SocketIO::Deaths->new(zone => '8m recovery=2s');
my $t = $w->t;
my ($x, $own) = (0, 0);

sub open_there ($worker) {
    my $s = $t->websocket(worker => $worker);
    $s->open_packet;
    return $s;
}

# A socket in a room of its own that has got "y" 1, and may come back.
sub ready ($worker) {
    my $s = open_there($worker);
    $s->{room} = "own" . ++$own;
    $s->send('40' . to_json({ rooms => [$s->{room}] }));
    @$s{qw/id pid/} = $s->next_packet =~ /"sid":"(.*?)","pid":"(.*?)"/;
    say_y($s, 1);
    ($s->{offset}) = $s->next_packet =~ /"([\w-]{11})"\]$/;
    return $s;
}

sub say_y ($s, $n) {
    $w->publish({ room => $s->{room}, event => 'y', args => [$n] });
}

sub connect_again ($s, $old) {
    $s->send('40' . to_json({ map { $_ => $old->{$_} } qw/pid offset/ }));
}

# On a worker that lives: it has missed "y" 2, or is told to be new.
sub comes_back ($old) {
    my $s = open_there($w->other(1));
    my @got;

    connect_again($s, $old);
    $s->send('429["sync"]');
    while (defined(my $p = $s->next_packet(5))) {
        last if $p eq '439[]';
        push @got, $p =~ s/,"[\w-]{11}"\]$/]/r;
    }
    $s->{conn}->close;

    my ($id) = map { /^40.*"sid":"(.*?)"/ ? $1 : () } @got;
    my $y = join ' ', map { /^42\["y",(\d+)\]$/ ? $1 : () } @got;

    return "not connected: @got" unless defined $id;
    return undef if $y eq ($id eq $old->{id} ? '2' : '');
    return ($id eq $old->{id} ? 'old' : 'new') . ": @got";
}

# Its end is told to the backend, and it is lost, by the worker that dies.
$w->deaths('loss', fate => 'gone', make => sub { ready($w->victim) },
    act => sub ($s) { $s->{conn}->close },
    after => sub ($s) {
        $w->b->reason($s->{id}) // return 'no disconnect';
        say_y($s, 2);
        return comes_back($s);
    });

# It comes back there.
$w->deaths('recovery', fate => 'gone', make => sub {
    my $old = ready($w->other(0));
    $old->{conn}->close;
    $w->b->reason($old->{id});
    say_y($old, 2);

    my $s = open_there($w->victim);
    $s->{old} = $old;
    return $s;
}, act => sub ($s) {
    connect_again($s, $s->{old});
    $s->next_packet(5) for 1 .. 2;
}, after => sub ($s) { comes_back($s->{old}) });

# A message that is logged, or nobody is told that it was all.
$w->deaths('emit', make => sub {
    my $s = ready($w->other(0));
    $s->{conn_there} = $w->conn;
    $s->{conn}->close;
    $w->b->reason($s->{id});
    return $s;
}, act => sub ($s) {
    $t->publish([{ room => 'all', event => 'x', args => [++$x] },
        { room => 'all', event => 'x', args => [++$x] }],
        conn => $s->{conn_there});
}, after => sub ($s) {
    say_y($s, 2);
    return comes_back($s);
});

$w->finish('log', 'message', 'node', 'room', qr/bytes_\d+/);
