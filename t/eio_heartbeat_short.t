#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# An idle worker ticks once a second; a session whose ping is due before must
# not wait for that.  Sessions are opened at four phases of the tick, so that
# one of them is at least 0.75 s before the next.  Fails if opening a session
# does not set the timer anew.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 1);
$t->run_hook(undef, socketio => <<'CONF');
            socketio_ping_interval 200ms;
            socketio_ping_timeout 200ms;
CONF

for my $phase (0 .. 3) {
    sleep 1.25;                         # nothing has a deadline any more

    my $p = $t->polling;
    my $start = time;
    is($p->body, '2', 'ping');
    my $d = time - $start;
    cmp_ok($d, '>', 0.15, "phase $phase: not early ($d s)");
    cmp_ok($d, '<', 0.6, "phase $phase: not with the next tick ($d s)");

    # Exactly as late as it says, even if the wheel comes later.
    sleep 0.45;
    is($p->body, 400, 'no pong: gone for who asks, at once');
}

$t->finish;
