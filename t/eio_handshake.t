#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The open packet: its form on both transports, what it tells of the
# configuration, ids, and handshakes that nobody follows up.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2);

my $b = $t->run_hook(undef, zone => '16m', server => <<'CONF');
        location /custom/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_ping_interval 7s;
            socketio_ping_timeout 3500ms;
            socketio_max_payload 5000;
        }
        location /polling-only/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_transports polling;
        }
        location /short/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_ping_interval 400ms;
            socketio_ping_timeout 400ms;
        }
CONF

my $id = qr/[A-Za-z0-9_-]{20,}/;
my $r = $t->http('GET', '/socket.io/?EIO=4&transport=polling');

is($r->{status}, 200, 'eio 25: status');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
    'eio 25: type');
like($r->{body}, qr/^0\{"sid":"$id","upgrades":\["websocket"\],
    "pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/x,
    'eio 25, 28: keys in order, upgrades for polling');
is($r->{headers}{'content-length'}, length $r->{body}, 'eio 25: length');
like($r->{headers}{'cache-control'} // '', qr/\bno-store\b/,
    'eio 42: never cached');
ok(!exists $r->{headers}{'set-cookie'}, 'eio 36: cookie off, no header');

my $ws = $t->websocket;
is($ws->status, 101, 'eio 27: 101');
ok($ws->ok, 'eio 27: Upgrade, Connection, Sec-WebSocket-Accept');
like($ws->frame->{payload}, qr/^0\{"sid":"$id","upgrades":\[\],
    "pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/x,
    'eio 27, 28: first frame, no upgrades');

is_deeply($t->polling(path => '/polling-only/')->{open}{upgrades}, [],
    'eio 28: no upgrades without websocket');

$r = $t->http('GET', '/custom/?EIO=4&transport=polling');
like($r->{body}, qr/"pingInterval":7000,"pingTimeout":3500,
    "maxPayload":5000\}$/x, 'eio 29: numbers of the configuration');

my %seen;
for my $worker (0, 1) {
    my $c = $t->connect_to_worker($worker);
    for (1 .. 20) {
        $c->send($c->build('GET', '/socket.io/?EIO=4&transport=polling') x 50);
        for (1 .. 50) {
            my $res = $c->response or last;
            $seen{$1}++ if $res->{body} =~ /^0\{"sid":"($id)"/;
        }
    }
}
is(scalar keys %seen, 2000, 'eio 30: 2000 handshakes, 2000 ids');
my %tail = map { substr($_, -8) => 1 } keys %seen;
ok(keys %tail > 1900, 'eio 30: no counter in their tail');
my %front = map { substr($_, 0, 8) => 1 } keys %seen;
ok(keys %front > 1900, 'eio 30: nor in front');

my $p = $t->polling(query => '&a=b&empty=&token=x%20y');
my $socket = $p->sio_connect;
ok($socket, 'connected');
my ($e) = grep { $_->{sid} eq $socket } $b->wait_events('connect', 1);
my $q = $e->{handshake}{query};
is($q->{a}, 'b', 'eio 34: query reaches the backend');
is($q->{token}, 'x y', 'eio 34: decoded');
is($q->{EIO}, '4', 'sio 31: EIO is there');
is($q->{transport}, 'polling', 'sio 31: transport is there');
unlike($b->read_all, qr/\Q$p->{sid}\E/, 'the session id is never told');

my $c = $t->connect;
my ($one, $two) = map {
    my $res = $t->http('GET', '/socket.io/?EIO=4&transport=polling',
        conn => $c);
    $res->{body} =~ /"sid":"($id)"/;
} 1, 2;
isnt($one, $two, 'eio 38: two handshakes on one connection');
ok($t->session_alive($_), 'eio 38: session lives') for $one, $two;

$c = $t->connect;
$c->request('GET', '/socket.io/?EIO=4&transport=polling', version => '1.0');
$r = $c->response;
is($r->{status}, 200, 'eio 39: HTTP/1.0');
like($r->{body}, qr/^0\{"sid":"($id)".*\}$/, 'eio 39: whole packet');
ok($c->closed, 'eio 39: connection closed');
$r->{body} =~ /"sid":"($id)"/;
ok($t->session_alive($1), 'eio 39: but not the session');

# Asking does not count as polling, so the session ends by its own clock.
my $start = time;
$p = $t->polling(path => '/short/');
ok($p->alive, 'eio 40: alive after the handshake');
ok($p->gone(6), 'eio 40: gone without another poll');
cmp_ok(time - $start, '>=', 0.7, 'eio 40: not before interval + timeout');

$t->finish;
