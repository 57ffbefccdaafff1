#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO over websocket and RFC 6455 by a client that breaks each rule of
# it in turn: close codes, reasons, and that only this session suffers.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(\&echo, server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_max_payload 1000;
        }
CONF

my $ph = '{"_placeholder":true,"num":0}';

sub session (%o) {
    my $ws = $t->websocket(worker => 0, %o);
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

# Sends what $code sends; the server must close with $close and $reason.
sub closes ($name, $close, $reason, $code, %o) {
    my $ws = session(%o);
    $code->($ws);
    like($ws->closed // 'open', qr/^(?:$close)$/, "$name: close code");
    $ws->send_frame(8, $ws->{close} ? $ws->{close}{payload} : '');
    ok($ws->{conn}->closed, "$name: connection closed");
    like($b->reason($ws->{id}) // 'none', qr/^(?:$reason)$/,
        "$name: reason");
    ok(eventually(sub {
        !$t->session_alive($ws->{sid}, $t->path, 'polling') }),
        "$name: sid unknown");
}

my $ws = session();
ok($ws->{id}, 'connected');
$ws->send('42["m","text"]');
is($ws->recv, '42["echo","text"]', 'eio 101: text echo');
$ws->send("451-[\"m\",$ph]", \"\0\1\xff\x04");
is($ws->recv, "451-[\"echo\",$ph]", 'eio 101: binary echo, header');
my $f = $ws->frame;
is($f->{op}, 2, 'eio 101: binary frame');
is($f->{payload}, "\0\1\xff\x04", 'eio 101: raw bytes');

$ws->send("451-[\"m\",$ph]", \'');
is($ws->recv, "451-[\"echo\",$ph]", 'eio 102: empty binary, header');
$f = $ws->frame;
is("$f->{op} $f->{payload}", '2 ', 'eio 102: empty binary frame');

$ws->send("451-[\"m\",$ph]", 'bAQI=');
is($ws->recv, "451-[\"echo\",$ph]", 'eio 104: text b..., header');
$f = $ws->frame;
is($f->{op} . unpack('H*', $f->{payload}), '20102',
    'eio 104: counts as binary');

$ws->send_raw(frame(1, '42["m",', fin => 0) . frame(9, 'p1')
    . frame(0, '"frag', fin => 0) . frame(9, '') . frame(0, 'mented"]'));

# RFC 6455 5.5.3: of several pings only the last one needs its pong.
my @pongs;
push @pongs, $f->{payload} while ($f = $ws->frame) && $f->{op} == 10;
like(join('|', map { "<$_>" } @pongs), qr/^(?:<p1>\|)?<>$/,
    'eio 105: pings between fragments');
is($f->{payload}, '42["echo","fragmented"]', 'eio 105: reassembled');
$ws->send_raw(frame(1, '42[', fin => 0) . frame(9, 'p2'));
$f = $ws->frame;
is("$f->{op} $f->{payload}", '10 p2', 'eio 105: pong before the message');
$ws->send_frame(0, '"m"]');
is($ws->recv, '42["echo"]', 'eio 105: then its end');

$ws->send_raw(frame(1, '', fin => 0) . frame(0, '42["m"', fin => 0)
    . frame(0, '', fin => 0) . frame(0, ']', fin => 1));
is($ws->recv, '42["echo"]', 'eio 105: empty fragments');

$ws->send_frame(1, "42[\"m\",\"\xe4\xb8\xad\"]", slow => 1);
is($ws->recv, "42[\"echo\",\"\xe4\xb8\xad\"]",
    'a frame byte by byte');

$ws->send_raw(frame(1, "42[\"m\",\"\xe4", fin => 0)
    . frame(0, "\xb8", fin => 0) . frame(0, "\xad\"]"));
is($ws->recv, "42[\"echo\",\"\xe4\xb8\xad\"]",
    'a character over three fragments');

$ws->send_frame(10, 'unsolicited');
$ws->send('1');
$ws->send('42["m"]');
is($ws->recv, '42["echo"]', 'eio 107: 1 ignored, as is a lone pong');

$ws->send_frame(9, 'x' x 125);
is($ws->frame->{payload}, 'x' x 125, 'a ping of 125 bytes');

my ($status, $a) = $t->publish(
    [ map { { sid => $ws->{id}, event => "e$_" } } 1 .. 50 ], worker => 1);
is_deeply([map { $ws->recv } 1 .. 50], [map { "42[\"e$_\"]" } 1 .. 50],
    'eio 111: many at once: in order, one frame each');

ok($ws->close(1000), 'eio 107: client closes');
is($ws->closed, 1000, 'eio 107: Close echoed');
is($b->reason($ws->{id}), 'transport close', 'eio 107: reason');

# The request and the first frames in one write.
$ws = $t->websocket(after => frame(1, '40') . frame(9, 'early'));
is($ws->status, 101, 'frames right behind the request');
ok($ws->open_packet, 'open');
my %got = map { $_->{op} => $_->{payload} } map { $ws->frame // () } 1, 2;
like($got{1}, qr/^40\{/, 'CONNECT is not lost');
is($got{10}, 'early', 'nor a ping');

closes('eio 106: bad type', '', 'parse error', sub ($w) { $w->send('x') });
closes('eio 106: empty text', '', 'parse error', sub ($w) { $w->send('') });
closes('eio 114: server close', '', 'forced close',
    sub ($w) { $w->send('4abc') });

$ws = session();
$ws->{conn}->reset;
like($b->reason($ws->{id}), qr/^transport (?:close|error)$/,
    'eio 108: reset: reason');
ok(eventually(sub { !$t->session_alive($ws->{sid}, $t->path, 'polling') }),
    'eio 108: session gone');

$ws = session();
$ws->{conn}->close;
like($b->reason($ws->{id}), qr/^transport (?:close|error)$/,
    'eio 108: closed without Close: reason');

$ws = session(path => '/small/?EIO=4&transport=websocket');
my $fit = '42["m","' . 'x' x 990 . '"]';
$ws->send($fit);
is($ws->recv, '42["echo","' . 'x' x 990 . '"]', 'eio 109: exact limit');

my %small = (path => '/small/?EIO=4&transport=websocket');
my $err = 'transport error';
closes('eio 109: one byte more', 1009, $err,
    sub ($w) { $w->send($fit . ' ') }, %small);
closes('eio 109: in fragments', 1009, $err, sub ($w) {
    $w->send_raw(frame(1, $fit, fin => 0) . frame(0, ' ', fin => 1))
}, %small);
closes('eio 109: declared length alone', 1009, $err,
    sub ($w) { $w->send_raw(frame(1, '', len => 2 ** 62)) }, %small);
closes('RFC 6455 5.2: length with the highest bit', '1002|1009', $err,
    sub ($w) { $w->send_raw("\x81\xff\xff" . "\xff" x 7 . "\1\2\3\4") });
closes('eio 110: invalid UTF-8', 1007, $err,
    sub ($w) { $w->send("42[\"m\",\"\xff\"]") });
closes('eio 110: UTF-8 cut at the end', 1007, $err,
    sub ($w) { $w->send("42[\"m\",\"\xe4\xb8") });
closes('eio 110: unmasked', 1002, $err,
    sub ($w) { $w->send_frame(1, '42["m"]', mask => 0) });
closes('eio 110: RSV2', 1002, $err,
    sub ($w) { $w->send_frame(1, '42["m"]', rsv => 2) });
closes('eio 110: RSV3', 1002, $err,
    sub ($w) { $w->send_frame(1, '42["m"]', rsv => 1) });
closes('eio 112: RSV1 without extension', 1002, $err,
    sub ($w) { $w->send_frame(1, '42["m"]', rsv => 4) });
closes("RFC 6455 5.2: opcode $_", 1002, $err,
    sub ($w) { $w->send_frame($_, '42["m"]') }) for 3, 7, 11, 15;
closes('RFC 6455 5.5: fragmented ping', 1002, $err,
    sub ($w) { $w->send_frame(9, 'x', fin => 0) });
closes('RFC 6455 5.5: ping of 126 bytes', 1002, $err,
    sub ($w) { $w->send_frame(9, 'x' x 126) });
closes('RFC 6455 5.4: continuation of nothing', 1002, $err,
    sub ($w) { $w->send_frame(0, '42["m"]') });
closes('RFC 6455 5.4: new message within a message', 1002, $err,
    sub ($w) { $w->send_frame(1, '42[', fin => 0); $w->send('42["m"]') });
closes('RFC 6455 5.5.1: Close of one byte', 1002, $err,
    sub ($w) { $w->send_frame(8, 'x') });

$ws = $t->websocket(headers => { 'Sec-WebSocket-Extensions' =>
    'permessage-deflate; client_max_window_bits' });
is($ws->status, 101, 'eio 112: offer of deflate');
ok(!exists $ws->{res}{headers}{'sec-websocket-extensions'},
    'eio 112: ignored');

$ws = session();
$ws->send('42["m","still served"]');
is($ws->recv, '42["echo","still served"]', 'others do not notice');
$ws->close;

$t->finish;
