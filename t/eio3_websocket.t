#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Frames that are not those of revision 4: the type in front of binary, and
# base64 for who asked for it, in both revisions, with all kinds in one room.
# Fails if a kind gets the bytes of another one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();
use MIME::Base64 qw/encode_base64/;

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_hook /_hook;
            socketio_max_payload 1000;
        }
CONF

sub ph ($n) { return qq({"_placeholder":true,"num":$n}) }

my $ph = ph(0);

sub session (%o) { return $t->connected('websocket', eio => 3, %o) }

# The next frame, as "op payload".
sub frame_is ($ws, $op, $payload, $name) {
    my $f = $ws->frame;
    is($f ? "$f->{op} " . unpack 'H*', $f->{payload} : 'none',
        "$op " . unpack('H*', $payload), $name);
}

sub closes ($name, $reason, $code, %o) {
    my $ws = session(%o);
    $code->($ws);
    is($ws->closed, '', "$name: close");
    is($b->reason($ws->{id}) // 'none', $reason, "$name: reason");
    ok(eventually(sub {
        !$t->session_alive($ws->{sid}, $t->path, 'polling') }),
        "$name: sid unknown");
}

my $ws = session();
ok($ws->{id}, 'connected');
$ws->send('42["m","text"]');
is($ws->recv, '42["echo","text"]', 'eio 101: text');
$ws->send("42[\"m\",\"\xc3\xa9\xf0\x9f\x98\x80\"]");
frame_is($ws, 1, "42[\"echo\",\"\xc3\xa9\xf0\x9f\x98\x80\"]",
    'eio 101: UTF-8 as it is, for 1.x, too');

# What each kind of websocket sends and gets for bytes.
my %kinds = (
    W3 => [{}, sub ($s) { "\x04$s" }, 2],
    'W3 b64' => [{ query => '&b64=1' }, sub ($s) { 'b4'
        . encode_base64($s, '') }, 1],
    W4 => [{ eio => 4 }, sub ($s) { $s }, 2],
    'W4 b64' => [{ eio => 4, query => '&b64=1' }, sub ($s) { 'b'
        . encode_base64($s, '') }, 1],
);

for my $kind (sort keys %kinds) {
    my ($how, $code, $op) = @{$kinds{$kind}};
    my $s = session(%$how);
    my $eio = $kind =~ /3/ ? 3 : 4;

    for my $bytes ("\0\1\xff\x04", '', "\x04", "\x00", 'b4AAT/', 'x' x 124,
        'x' x 125, 'x' x 126, "\xff" x 65535)
    {
        my $name = "$kind, " . length($bytes) . ' bytes';
        my $own = $code->($bytes);

        $s->send("451-[\"m\",$ph]");
        $s->send_frame($op, $own);
        is($s->recv, "451-[\"echo\",$ph]", "eio 101, 103: $name, header");
        frame_is($s, $op, $own, "eio 101, 103: $name, in and out");
    }

    # Both ways of writing them are read from all.
    my $text = ($eio == 3 ? 'b4' : 'b') . 'AQI=';
    my $raw = ($eio == 3 ? "\x04" : '') . "\1\2";
    for my $in ([1, $text], [2, $raw]) {
        $s->send("451-[\"m\",$ph]");
        $s->send_frame(@$in);
        is($s->recv, "451-[\"echo\",$ph]", "eio 104: $kind, header");
        frame_is($s, $op, $code->("\1\2"), "eio 104: $kind, 01 02");
    }

    # Several attachments, and something behind them.
    $s->send('453-["m",' . join(',', map { ph($_) } 0 .. 2) . ']', \'a', \'',
        \"\x04\x04", '42["m","next"]');
    is_deeply([$s->collect(5)], ['453-["echo",' . join(',', map { ph($_) }
        0 .. 2) . ']', 'bYQ==', 'b', 'bBAQ=', '42["echo","next"]'],
        "eio 111: $kind, in order");

    # In fragments, a ping between.
    my $own = $code->("frag\xffment");
    $s->send("451-[\"m\",$ph]");
    $s->send_raw(join '', frame($op, substr($own, 0, 1), fin => 0),
        frame(0, '', fin => 0), frame(9, 'p'),
        frame(0, substr($own, 1, 3), fin => 0), frame(0, substr $own, 4));
    frame_is($s, 10, 'p', "eio 105: $kind, ping answered");
    is($s->recv, "451-[\"echo\",$ph]", "eio 105: $kind, header");
    frame_is($s, $op, $own, "eio 105: $kind, fragments put together");
    $s->close;
}

# An empty binary frame has no type.
$ws = session();
$ws->send("451-[\"m\",$ph]");
$ws->send_frame(2, '');
$ws->send_frame(2, "\x04x");
is_deeply([$ws->collect(2)], ["451-[\"echo\",$ph]", 'beA=='],
    'eio 102: empty binary frame on W3 is ignored');
$ws->send_frame(2, '');
$ws->send('42["m"]');
is($ws->recv, '42["echo"]', 'eio 102: wherever it comes');

my $w4 = session(eio => 4);
$w4->send("451-[\"m\",$ph]");
$w4->send_frame(2, '');
is_deeply([$w4->collect(2)], ["451-[\"echo\",$ph]", 'b'],
    'eio 102: on W4 it is an attachment');

# Other types in binary frames.
$ws->send_frame(2, "\x02");
is($ws->recv, '3', 'a ping in a binary frame');
$ws->send_frame(2, "\x02probe");
is($ws->recv, '3', 'its data is not echoed');
$ws->send_frame(2, chr) for 0, 1, 3, 5, 6;
$ws->send_frame(1, "b$_") for 0, 1, 3, 5, 6;
$ws->send_frame(1, $_) for 0, 1, 3, 5, 6, '0{"sid":"x"}', '5x';
$ws->send('42["m"]');
is($ws->recv, '42["echo"]', 'eio 107: open, close, pong, upgrade, noop are '
    . 'ignored');
$ws->send_frame(1, 'b2');
is($ws->recv, '3', 'a ping in base64');

closes('eio 106: bad type', 'parse error', sub ($w) { $w->send('x') });
closes('eio 106: 7', 'parse error', sub ($w) { $w->send('7') });
closes('eio 106: empty text', 'parse error', sub ($w) { $w->send('') });
closes('eio 106: b alone', 'parse error', sub ($w) { $w->send('b') });
closes('eio 106: base64 without a type', 'parse error',
    sub ($w) { $w->send("451-[\"m\",$ph]", 'bAQI=') });
closes("eio 106: binary frame of type $_", 'parse error',
    sub ($w) { $w->send_frame(2, chr($_) . 'x') }) for 7, 0x34, 0xff;
closes('sio 77: binary without header', 'forced close',
    sub ($w) { $w->send_frame(2, "\x04x") });
closes('sio 77: base64 without header', 'forced close',
    sub ($w) { $w->send('b4AQI=') });
closes('sio 98: invalid packet', 'forced close', sub ($w) { $w->send('47') });

# The limit counts what came.
my %small = (path => '/small/?EIO=3&transport=websocket');
sub small ($q = '') {
    my $s = $t->websocket(path => '/small/?EIO=3&transport=websocket' . $q);
    $s->open_packet;
    $s->sio_connect;
    return $s;
}
$ws = small();
$ws->send("451-[\"m\",$ph]", \('x' x 999));
is_deeply([map { length } $ws->collect(2)], [length "451-[\"echo\",$ph]",
    1 + 1332], 'eio 109: exactly the limit');
$ws->send("451-[\"m\",$ph]", \('x' x 1000));
is($ws->closed, 1009, 'eio 109: one byte more');

# One message for a room of all kinds, on each worker twice, since it may have
# been made already for the first of a kind.
my @kind = (sort keys %kinds) x 4;
my @room = map { session(%{$kinds{$kind[$_]}[0]}, worker => $_ / 8) }
    0 .. $#kind;
$t->publish({ op => 'join', sid => [map { $_->{id} } @room],
    room => 'kinds' });
for my $bytes ("\x00\x04\xff", '', 'w' x 130, 'v' x 66_000) {
    my ($status, $a) = $t->publish({ room => 'kinds',
        event => 'all', args => [{ _placeholder => \1, num => 0 }, 'x',
            { _placeholder => \1, num => 1 }],
        attachments => [encode_base64($bytes, ''), 'AQ=='] });
    is($a->{count}, scalar @room, 'a message for all of them');

    for my $i (0 .. $#room) {
        my $name = "sio 85, 109: $kind[$i], " . length($bytes) . ' bytes';
        my ($how, $code, $op) = @{$kinds{$kind[$i]}};
        like($room[$i]->recv, qr/^452-\["all",/, "$name: header");
        frame_is($room[$i], $op, $code->($bytes), "$name: first");
        frame_is($room[$i], $op, $code->("\1"), "$name: second");
    }
}

# A peer that does not read, while others of its kind do: what is queued for
# it is its own, however late.
my $big = 'q' x 200_000;
for (1 .. 3) {
    $t->publish({ room => 'kinds', event => 'big',
        args => [{ _placeholder => \1, num => 0 }],
        attachments => [encode_base64($big, '')] });
}
for my $i (reverse 0 .. $#room) {
    my ($how, $code, $op) = @{$kinds{$kind[$i]}};
    for my $round (1 .. 3) {
        is($room[$i]->recv, "451-[\"big\",$ph]", "$kind[$i]: header");
        my $f = $room[$i]->frame;
        ok($f && $f->{op} == $op && $f->{payload} eq $code->($big),
            "$kind[$i]: all of it");
    }
}
$_->close for @room;

$t->finish;
