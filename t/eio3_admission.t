#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Which revision a request may have, where both are accepted and where one is,
# and the handshake of revision 3.  Fails if a session is served to a request
# of the other revision, or ended by it; if lengths count bytes; if a client
# is told what its revision does not know.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Payload qw/units/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

my $b = $t->run_hook(undef, eio => '3 4', server => <<'CONF');
        location /three/ {
            socketio test;
            socketio_eio 3;
            socketio_hook /_hook;
        }
        location /four/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
        }
        location /default/ {
            socketio test;
            socketio_hook off;
        }
        location /custom/ {
            socketio test;
            socketio_eio 4 3;
            socketio_hook off;
            socketio_transports polling;
            socketio_ping_interval 7s;
            socketio_ping_timeout 3500ms;
            socketio_max_payload 5000;
        }
        location /websocket/ {
            socketio test;
            socketio_hook off;
            socketio_transports websocket;
        }
CONF

my %message = (0 => 'Transport unknown', 1 => 'Session ID unknown',
    3 => 'Bad request', 5 => 'Unsupported protocol version');
my $id = qr/[A-Za-z0-9_-]{20,}/;

sub refused ($r, $code, $name) {
    is($r->{status}, 400, "$name: status");
    is($r->{body}, qq({"code":$code,"message":"$message{$code}"}),
        "$name: body");
}

sub refused_ws ($ws, $code, $name) {
    is($ws->status, 400, "$name: no 101");
    like($ws->{res}{body} // '', qr/\Q$message{$code}\E/, "$name: says why");
    ok($ws->{conn}->closed, "$name: closed");
}

# What each location takes.
my %takes = ('/socket.io/' => [3, 4], '/three/' => [3], '/four/' => [4],
    '/default/' => [3, 4]);

for my $path (sort keys %takes) {
    my %ok = map { $_ => 1 } @{$takes{$path}};

    for my $eio (3, 4) {
        my $name = "eio 14: EIO=$eio, $path";
        my $r = $t->http('GET', "$path?EIO=$eio&transport=polling");
        my $ws = $t->websocket(path => "$path?EIO=$eio&transport=websocket");

        if (!$ok{$eio}) {
            refused($r, 5, $name);
            refused_ws($ws, 5, $name =~ s/14/15/r);
            next;
        }

        is($r->{status}, 200, $name);
        like($r->{body}, $eio == 3 ? qr/^\d+:0\{/ : qr/^0\{/, $name);
        is($ws->status, 101, "$name: websocket");
        like($ws->recv // '', qr/^0\{/, "$name: websocket is opened");
        $ws->{conn}->close;
    }

    # Node takes whatever is not 4 for 3.
    for my $query ('', 'EIO=', 'EIO=abc', 'EIO=5', 'EIO=33', 'EIO=03',
        'EIO=3%00', 'EIO=%203', 'EIO=3&EIO=5', 'eio=3')
    {
        refused($t->http('GET', "$path?transport=polling&$query"), 5,
            "eio 16: '$query', $path");
        refused_ws($t->websocket(path => "$path?transport=websocket&$query"),
            5, "eio 16: '$query', $path, websocket");
    }
}

is($t->http('GET', '/three/?EIO=4&transport=polling&EIO=3')->{status}, 200,
    'of two EIO the last one counts');
refused($t->http('GET', '/three/?EIO=3&transport=polling&EIO=4'), 5,
    'of two EIO the last one counts');
is($t->http('GET', '/three/?EIO=%33&transport=polling')->{status}, 200,
    'EIO is decoded');
refused($t->http('GET', '/three/?EIO=3&transport=abc'), 0,
    'eio 1: revision 3');
refused($t->http('GET', '/three/?EIO=3&transport=websocket'), 3,
    'eio 8: revision 3');

# A session and requests of another revision than its own.
for my $own (3, 4) {
    my $p = $t->connected('polling', eio => $own);
    my $sid = $p->{sid};
    my $other = 7 - $own;

    $p->get_start;
    ok($p->parked(0.2), "P$own: GET parked");

    for my $query ("EIO=$other", '', 'EIO=', 'EIO=5') {
        my $name = "eio 17: P$own session, '$query'";
        my $path = "/socket.io/?transport=polling&sid=$sid&$query";

        refused($t->http('GET', $path, worker => $_), 3, "$name, GET")
            for 0, 1;
        refused($t->http('POST', $path, worker => $_, body => $own == 3
            ? '42["m"]' : '7:42["m"]'), 3, "$name, POST") for 0, 1;
        refused_ws($t->websocket(path => "/socket.io/?transport=websocket"
            . "&sid=$sid&$query"), 3, ($own == 3 ? 'eio 146' : 'eio 17')
            . ": P$own session, '$query', websocket");
    }

    refused($t->http('GET',
        "/socket.io/?EIO=$own&transport=websocket&sid=$sid"), 3,
        "eio 18: P$own session, websocket without Upgrade");
    refused($t->http('GET', "/socket.io/?EIO=$own&transport=abc&sid=$sid"), 0,
        "eio 18: P$own session, unknown transport");
    refused($t->http('GET', "/$_/?EIO=$own&transport=polling&sid=$sid"), 1,
        "a P$own session is of its location alone") for 'three', 'four';

    ok($p->parked(0.2), "eio 17: P$own, its GET is still parked");
    my ($status, $a) = $t->publish({ sid => $p->{id}, event => 'lives' });
    is($a->{count}, 1, "eio 17: P$own, session lives");
    is($p->next_packet, '42["lives"]', "eio 17: P$own, and its GET works");
    ok($p->send('42["m"]'), "eio 17: P$own, POST works");

    # ... and of a websocket.
    my $ws = $t->connected('websocket', eio => $own);
    my $second = $t->websocket(eio => $other, sid => $ws->{sid});
    refused_ws($second, 3, "eio 17: W$own session, EIO=$other");
    $second = $t->websocket(eio => $own, sid => $ws->{sid});
    is($second->status, 101, "eio 148: W$own session, a second websocket");
    is($second->closed, '', 'eio 148: closed');
    $t->publish({ sid => $ws->{id}, event => 'lives' });
    is($ws->next_packet, '42["lives"]', "eio 17, 148: W$own, session lives");
}

is(scalar(grep { $_->{event} eq 'm' } $b->events('event')), 2,
    'eio 17: nothing of the refused requests was delivered');

# Handshakes.
my $r = $t->http('GET', '/socket.io/?EIO=3&transport=polling');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
    'eio 26: type');
is($r->{headers}{'content-length'}, length $r->{body}, 'eio 26: length');
like($r->{headers}{'cache-control'} // '', qr/\bno-store\b/,
    'eio 42: never cached');
my ($n, $packet) = $r->{body} =~ /^(\d+):(.*)$/s;
is($n, units($packet // ''), 'eio 26: counts the packet');
like($packet, qr/^0\{"sid":"$id","upgrades":\["websocket"\],
    "pingInterval":25000,"pingTimeout":20000\}$/x,
    'eio 26, 28, 29: open packet without maxPayload');

$r = $t->http('GET', '/socket.io/?EIO=3&transport=polling&b64=1');
like($r->{body}, qr/^\d+:0\{"sid":"/, 'eio 26: with b64');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
    'eio 26: with b64: type');

my $ws = $t->websocket(eio => 3);
my $f = $ws->frame;
is($f->{op}, 1, 'eio 27: text frame');
like($f->{payload}, qr/^0\{"sid":"$id","upgrades":\[\],
    "pingInterval":25000,"pingTimeout":20000\}$/x,
    'eio 27, 28: W3, no upgrades');
is($ws->recv, '40', 'sio 22: W3 is connected without asking');
$ws->{conn}->close;

$r = $t->http('GET', '/custom/?EIO=3&transport=polling');
like($r->{body}, qr/^\d+:0\{"sid":"$id","upgrades":\[\],
    "pingInterval":7000,"pingTimeout":3500\}$/x,
    'eio 28, 29: numbers of the configuration, no upgrades');
$r = $t->http('GET', '/custom/?EIO=4&transport=polling');
like($r->{body}, qr/"upgrades":\[\],.*"maxPayload":5000\}$/,
    'eio 29: revision 4 of the same location has maxPayload');
refused($t->http('GET', '/websocket/?EIO=3&transport=polling'), 0,
    'eio 4: P3 where polling is off');
$ws = $t->websocket(path => '/websocket/?EIO=3&transport=websocket');
is($ws->status, 101, 'eio 4: W3 there');
ok($ws->open_packet, 'eio 4: opened');
is($ws->recv, '40', 'eio 4: and connected');
$ws->{conn}->close;

my $p = $t->polling(eio => 3, get_worker => 0, post_worker => 1);
is_deeply($p->{queue}, [], 'eio 32: nothing but the open packet');
is($p->body, '2:40', 'eio 32: the connect in the next poll');

for my $method ('OPTIONS', 'POST', 'PUT', 'HEAD') {
    $r = $t->http($method, '/socket.io/?EIO=3&transport=polling', body => '');
    is($r->{status}, 400, "eio 7: $method without sid, revision 3");
}

for my $method ('PUT', 'DELETE', 'PATCH', 'OPTIONS') {
    is($p->request($method, body => '')->{status}, 400,
        "eio 59: $method with a P3 sid");
}
ok($p->alive, 'eio 59: session lives');

# Two on one connection, of two revisions.
my $c = $t->connect;
my @sids = map {
    $t->http('GET', "/socket.io/?EIO=$_&transport=polling", conn => $c)
        ->{body} =~ /"sid":"($id)"/;
} 3, 4, 3;
is(scalar(keys %{{ map { $_ => 1 } @sids }}), 3,
    'eio 38: three handshakes on one connection');
ok($t->session_alive($_), 'eio 38: session lives') for @sids;

# The backend is told which.
for my $eio (3, 4) {
    for my $how ('polling', 'websocket') {
        my $case = "$eio$how";
        my $s = $how eq 'polling' ? $t->polling(eio => $eio, query =>
            "&case=$case") : $t->websocket(eio => $eio, query =>
            "&case=$case");
        $s->open_packet if $how eq 'websocket';
        ok($s->sio_connect, "P$eio: connected, $how");
        my $sid = $b->socket($case);
        my ($e) = grep { $_->{sid} eq ($sid // '') } $b->events('connect');
        is($e->{handshake}{eio}, $eio, "handshake.eio, $how");
        is($e->{handshake}{query}{EIO}, $eio, 'sio 31: query has EIO');
        is($e->{handshake}{transport}, $how, 'handshake.transport');
    }
}
unlike($b->read_all, qr/\Q$p->{sid}\E/, 'the session id is never told');

$t->finish;
