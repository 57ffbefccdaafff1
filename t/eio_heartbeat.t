#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Pings and their deadlines, with intervals of 500 ms.  Only lower bounds are
# tight: a loaded machine makes everything late, nothing early.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(undef, socketio => <<'CONF');
            socketio_ping_interval 500ms;
            socketio_ping_timeout 500ms;
CONF

sub since ($start, $low, $name) {
    my $d = time - $start;
    ok($d >= $low && $d < $low + 3, "$name ($d s)");
}

# Sessions whose clients do nothing run beside the others.
my $silent = $t->polling(get_worker => 0, post_worker => 1);
$silent->{start} = time;
$silent->{id} = $silent->sio_connect;

my $start = time;
my $ws = $t->websocket(worker => 0);
$ws->open_packet;
$ws->{id} = $ws->sio_connect;
is($ws->recv, '2', 'eio 116: first ping');
since($start, 0.4, 'eio 116: after pingInterval');
my $pong = time;
$ws->send('3');
is($ws->recv, '2', 'eio 116: second ping');
since($pong, 0.4, 'eio 116: pingInterval after the pong');

my $ping = time;
is($ws->closed, '', 'eio 117: no pong: closed');
since($ping, 0.4, 'eio 117: pingTimeout after the ping');
is($b->reason($ws->{id}), 'ping timeout', 'eio 117: reason');

is($b->reason($silent->{id}), 'ping timeout',
    'eio 128: no GET after the connect: ping timeout');
ok($silent->gone, 'eio 128: session gone');

my $p = $t->polling(get_worker => 0, post_worker => 1);
$start = time;
$p->{id} = $p->sio_connect;
for my $n (1 .. 4) {
    is($p->body, '2', "eio 118: ping $n by the parked GET");
    ok($p->send('3'), 'eio 118: pong');
}
since($start, 1.6, 'eio 118: kept alive beyond interval + timeout');
ok($p->alive, 'eio 118: alive');

is($p->body, '2', 'eio 119: ping');
$ping = time;
is($p->body, '1', 'eio 119: no pong: parked GET gets 1');
since($ping, 0.3, 'eio 119: pingTimeout after the ping');
is($b->reason($p->{id}), 'ping timeout', 'eio 119: reason');
ok($p->gone, 'eio 119: sid unknown');

$p = $t->polling(get_worker => 0, post_worker => 1);
$p->{id} = $p->sio_connect;
$p->get_start;
ok($p->parked(0.2), 'GET parked');
is($p->post('2')->{body}, 'ok', 'eio 120: client sends a ping');
is($p->body, '1', 'eio 120: parked GET gets 1');
is($b->reason($p->{id}), 'transport error', 'eio 120: reason, polling');

$ws = $t->websocket;
$ws->open_packet;
$ws->{id} = $ws->sio_connect;
$ws->send('2');
is($ws->closed, '', 'eio 120: closed, websocket');
is($b->reason($ws->{id}), 'transport error', 'eio 120: reason, websocket');

$ws = $t->websocket;
$ws->open_packet;
$ws->send('3');
$ws->{id} = $ws->sio_connect;
ok($ws->{id}, 'eio 122: unsolicited pong is harmless');
is($ws->recv, '2', 'eio 122: pings go on');
$ws->send('3');
$ws->close;

# An upgrade carries the deadline over: not early, and not never.
$p = $t->polling(get_worker => 0, post_worker => 1);
$p->{id} = $p->sio_connect;
$start = time;
$ws = $t->websocket(sid => $p->{sid}, worker => 1);
$ws->send('2probe');
is($ws->recv, '3probe', 'eio 127: probe');
$ws->send('5');
for my $n (1 .. 3) {
    is($ws->recv, '2', "eio 127: ping $n after the upgrade");
    $ws->send('3');
}
since($start, 1.0, 'eio 127: kept alive');
is($ws->recv, '2', 'eio 127: one more ping');
is($ws->closed, '', 'eio 127: dead peer detected');
is($b->reason($p->{id}), 'ping timeout', 'eio 127: reason');

# The same with the ping outstanding during the switch.
$p = $t->polling(get_worker => 0, post_worker => 1);
$p->{id} = $p->sio_connect;
is($p->body, '2', 'eio 127: ping taken by polling');
$ws = $t->websocket(sid => $p->{sid}, worker => 1);
$ws->send('2probe');
is($ws->recv, '3probe', 'eio 127: probe with a ping outstanding');
$ws->send('5');
is($ws->closed, '', 'eio 127: the outstanding pong is still missed');
is($b->reason($p->{id}), 'ping timeout', 'eio 127: reason');

$t->finish;
