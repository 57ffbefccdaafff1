#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# permessage-deflate as a client that breaks its rules meets it: what is agreed
# on, messages of all sizes and in all pieces, bombs, RFC 7692.  A server that
# keeps its state from message to message, inflates without bounds, or believes
# RSV1 where it may not be, fails here.

use v5.36;
use lib 't/lib';
use Compress::Raw::Zlib ();
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;
*deflated = \&Test::SocketIO::WebSocket::deflated;
*inflated = \&Test::SocketIO::WebSocket::inflated;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);
my $b = $t->run_hook(\&echo,
    http => 'socketio_deflate on threshold=100; socketio_ping_interval 1h;',
    server => <<'CONF');
        location /off/ {
            socketio test;
            socketio_hook /_hook;
            socketio_deflate off;
        }
        location /small/ {
            socketio test;
            socketio_hook /_hook;
            socketio_max_payload 1000;
        }
        location /w9/ {
            socketio test;
            socketio_hook /_hook;
            socketio_deflate on window=9;
        }
        location /w15/ {
            socketio test;
            socketio_hook /_hook;
            socketio_deflate on threshold=1 window=15;
        }
CONF

my $ours = 'permessage-deflate; server_no_context_takeover'
    . '; client_no_context_takeover';
my $query = '?EIO=4&transport=websocket';

sub session (%o) {
    my $path = ($o{at} // '/socket.io/') . $query;
    return $t->connected('websocket', deflate => 1, path => $path, %o);
}

# Compressible, of this length.
sub text ($n) {
    state @words = qw/alice bob websocket deflate engine lorem ipsum/;
    my $s = '';
    $s .= $words[rand @words] . int(rand 100) . ' ' while length $s < $n;
    return substr $s, 0, $n;
}

# Sends what $code sends; the server must close with $close and $reason.
sub closes ($name, $close, $code, %o) {
    my $ws = session(%o);
    $code->($ws);
    is($ws->closed // 'open', $close, "$name: $close");
    $ws->send_frame(8, $ws->{close} ? $ws->{close}{payload} : '');
    ok($ws->{conn}->closed, "$name: connection closed");
    is($b->reason($ws->{id}), 'transport error', "$name: reason");
}


# What is agreed on.

sub offers ($name, $offer, $answer, $at = '/socket.io/') {
    my $ws = $t->websocket(deflate => $offer, path => "$at$query");
    is($ws->status, 101, "$name: 101");
    is($ws->{extension}, $answer, "$name: " . ($answer // 'plain'));
    $ws->{conn}->close;
}

offers('eio 112: off: a browser\'s offer',
    'permessage-deflate; client_max_window_bits', undef, '/off/');
offers('eio 112: off: an offer that would be refused', 'permessage-deflate;',
    undef, '/off/');
offers('no offer', '', undef);
offers('eio 113: a browser\'s offer (Node answers without parameters)',
    'permessage-deflate; client_max_window_bits', $ours);
offers('eio 113: an offer without parameters', 'permessage-deflate', $ours);
offers('eio 113: no takeover asked for',
    'permessage-deflate; server_no_context_takeover', $ours);
offers('larger window', 'permessage-deflate; server_max_window_bits=15',
    "$ours; server_max_window_bits=12");
offers('smaller window', 'permessage-deflate; server_max_window_bits=10',
    undef);
offers('smaller window, then none',
    'permessage-deflate; server_max_window_bits=10, permessage-deflate',
    $ours);
offers('smallest window, where it is ours',
    'permessage-deflate; server_max_window_bits=9',
    "$ours; server_max_window_bits=9", '/w9/');
offers('window of 8 bits', 'permessage-deflate; server_max_window_bits=8',
    undef, '/w9/');
offers('unknown parameter', 'permessage-deflate; x=y', undef);
offers('another extension', 'permessage-foo, x-webkit-deflate-frame', undef);
offers('others first, on lines of their own',
    "foo\r\nSec-WebSocket-Extensions: bar; a=\"b, c\"\r\n"
    . 'Sec-WebSocket-Extensions: permessage-deflate', $ours);
offers('7 KB of others first', 'x; y="z", ' x 700 . 'permessage-deflate',
    $ours);

my $ws = $t->websocket(deflate => 'permessage-deflate; =');
is($ws->status, 400, 'malformed: 400');
is($ws->{extension}, undef, 'malformed: no answer');

$ws = $t->websocket;
$ws->open_packet;
ok($ws->sio_connect, 'without an offer');
$ws->send('42["m","' . 'x' x 1000 . '"]');
is($ws->frame->{rsv}, 0, 'without an offer: nothing is compressed');
$ws->send_frame(1, deflated('42["m"]'), rsv => 4);
is($ws->closed, 1002, 'eio 112: without an offer: RSV1 is 1002');


# All sizes, whole and in pieces.

$ws = session();
my @sizes = (0, 1, 16, 64, 87 .. 92, 112 .. 118, 256, 1024, 4095 .. 4097,
    8192, 16384, 32768, 65535, 65536, 131072);

for my $n (@sizes) {
    my $s = text($n);
    my $m = "42[\"m\",\"$s\"]";
    my $answer = "42[\"echo\",\"$s\"]";

    $ws->send($m);
    my $f = $ws->frame // {};
    my $want = length $answer >= 100 ? 4 : 0;
    is($f->{rsv}, $want, "$n bytes: " . ($want ? 'deflated' : 'plain'));
    is($want ? inflated($f->{payload}, 12) : $f->{payload}, $answer,
        "eio 113: $n bytes there and back");
    cmp_ok(length $f->{payload}, '<', length $answer, "$n bytes: smaller")
        if $want;

    $ws->send_frame(1, $m);
    is($ws->recv, $answer, "$n bytes, not compressed by the client");

    my $z = deflated($m);
    for my $piece (grep { $_ < length $z && length($z) / $_ < 1000 }
        1, 7, 100, 1024, 50000)
    {
        my @p = unpack "(a$piece)*", $z;
        $ws->send_raw(join '', map {
            frame($_ ? 0 : 1, $p[$_], rsv => $_ ? 0 : 4, fin => $_ == $#p)
        } 0 .. $#p);
        is($ws->recv, $answer, "$n bytes in frames of $piece");
    }

    for my $level (0, 1, 9) {
        $ws->send_frame(1, deflated($m, -Level => $level), rsv => 4);
        is($ws->recv, $answer, "$n bytes, zlib's level $level");
    }
}

my $ph = '{"_placeholder":true,"num":0}';

for my $n (0, 1, 1000, 60000) {
    my $noise = join '', map { chr int rand 256 } 1 .. $n;

    for my $bytes ($noise, 'x' x $n, text($n)) {
        $ws->send("451-[\"m\",$ph]", \$bytes);
        is($ws->recv, "451-[\"echo\",$ph]", "attachment of $n bytes: header");
        my $f = $ws->frame;
        is($f->{op}, 2, "attachment of $n bytes: binary");
        my $deflated = $n && $bytes ne $noise;
        is($f->{rsv}, $deflated && $n > 100 ? 4 : 0, "attachment of $n bytes: "
            . ($deflated ? 'deflated' : 'plain'));
        ok(($f->{rsv} ? inflated($f->{payload}, 12) : $f->{payload})
            eq $bytes, "attachment of $n bytes: as it was");
    }
}

# More than the backend is sent at a time: some are held.
my @many = map { '42["m","' . text(50 + int rand 1500) . "$_\"]" } 1 .. 600;
my @want = map { s/"m"/"echo"/r } @many;

$ws->send_raw(join '', map {
    my ($m, $z) = ($many[$_], deflated($many[$_]));
    $_ % 3 == 0 ? frame(1, $m)
        : $_ % 3 == 1 ? frame(1, $z, rsv => 4)
        : frame(1, substr($z, 0, 9), fin => 0, rsv => 4)
            . frame(9, "ping$_") . frame(0, substr $z, 9)
} 0 .. $#many);
is_deeply([ $ws->collect(600) ], \@want,
    '600 in one write, plain, deflated and in fragments: in order');

$ws->send_frame(1, deflated('42["m","slow"]'), rsv => 4, slow => 1);
is($ws->recv, '42["echo","slow"]', 'byte by byte');


# Fragments and control frames.

my $z = deflated('42["m","fragmented"]');
$ws->send_raw(frame(1, '', fin => 0, rsv => 4) . frame(9, 'one')
    . frame(0, substr($z, 0, 5), fin => 0) . frame(10, 'pong')
    . frame(0, '', fin => 0) . frame(9, 'two')
    . frame(0, substr($z, 5), fin => 0) . frame(0, ''));

my @pongs;
my $f;
push @pongs, $f while ($f = $ws->frame) && $f->{op} == 10;
is($pongs[-1]{payload}, 'two', 'control frames between the fragments');
is_deeply([ map { $_->{rsv} } @pongs ], [ map { 0 } @pongs ],
    'pongs are not deflated');
is($f->{payload}, '42["echo","fragmented"]', 'put together and inflated');

$ws->send_raw(frame(1, '42["m",', fin => 0) . frame(0, '1]'));
is($ws->recv, '42["echo",1]', 'a message of plain fragments');

closes('RSV1 on a continuation', 1002, sub ($w) {
    $w->send_raw(frame(1, substr($z, 0, 5), fin => 0, rsv => 4)
        . frame(0, substr($z, 5), rsv => 4));
});
closes('RSV1 on a continuation alone', 1002, sub ($w) {
    $w->send_raw(frame(1, '42[', fin => 0) . frame(0, '"m"]', rsv => 4));
});
closes('RSV1 on a ping', 1002, sub ($w) { $w->send_frame(9, '', rsv => 4) });
closes('RSV1 on a pong', 1002, sub ($w) { $w->send_frame(10, '', rsv => 4) });
closes('RSV1 on a Close', 1002,
    sub ($w) { $w->send_frame(8, pack('n', 1000), rsv => 4) });
closes("RSV bits $_", 1002,
    sub ($w) { $w->send_frame(1, $z, rsv => $_) }) for 5, 6, 2, 1;


# RFC 7692, 7.2.3, and what is no message.

my %blocks = (
    'stored block'         => "\x00\x07\x00\xf8\xff42[\"m\"]\x00",
    'stored, BFINAL'       => "\x01\x07\x00\xf8\xff42[\"m\"]\x00",
    'two stored blocks'    => "\x00\x03\x00\xfc\xff42["
                            . "\x00\x04\x00\xfb\xff\"m\"]\x00",
    'empty blocks between' => "\x00\x03\x00\xfc\xff42[" . "\0\0\0\xff\xff" x 9
                            . "\x01\x04\x00\xfb\xff\"m\"]\x00",
);

for my $name (sort keys %blocks) {
    $ws->send_frame(1, $blocks{$name}, rsv => 4);
    is($ws->recv, '42["echo"]', $name);
}

my $stream = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15);
my @two = map {
    $stream->deflate('42["m","again"]', my $x);
    $stream->flush(my $y, Compress::Raw::Zlib::Z_SYNC_FLUSH);
    substr $x . $y, 0, -4
} 1, 2;

closes('context takeover, though it was refused', 1007, sub ($w) {
    $w->send_frame(1, $two[0], rsv => 4);
    is($w->recv, '42["echo","again"]', 'the first is none');
    $w->send_frame(1, $two[1], rsv => 4);
});

my $long = deflated('42["m","' . text(5000) . '"]');

closes('garbage', 1007, sub ($w) { $w->send_frame(1, "\xff\xfe", rsv => 4) });
closes('text with RSV1', 1007,
    sub ($w) { $w->send_frame(1, '42["m"]', rsv => 4) });
closes('binary garbage', 1007,
    sub ($w) { $w->send_frame(2, "\x07", rsv => 4) });
closes('cut short', 1007,
    sub ($w) { $w->send_frame(1, substr($long, 0, -1), rsv => 4) });
closes('cut in half', 1007, sub ($w) {
    $w->send_frame(1, substr($long, 0, length($long) / 2), rsv => 4)
});
closes('not cut at all', 1007,
    sub ($w) { $w->send_frame(1, "$z\0\0\xff\xff", rsv => 4) });
closes('garbage behind BFINAL', 1007, sub ($w) {
    $w->send_frame(1, "\x01\x07\x00\xf8\xff42[\"m\"]\xff", rsv => 4)
});
closes('eio 110: inflated text is not UTF-8', 1007, sub ($w) {
    $w->send_frame(1, deflated("42[\"m\",\"\xff\"]"), rsv => 4)
});
closes('eio 110: UTF-8 cut at the end', 1007,
    sub ($w) { $w->send_frame(1, deflated("42[\"m\",\"\xe4\xb8"), rsv => 4) });

$ws->send("42[\"m\",\"\xe4\xb8\xad\"]");
is($ws->recv, "42[\"echo\",\"\xe4\xb8\xad\"]", 'UTF-8 is');


# Limits hold for what comes out.

my $small = session(at => '/small/');
my $fit = '42["m","' . text(990) . '"]';
$small->send($fit);
is($small->recv, $fit =~ s/"m"/"echo"/r, 'eio 109: exact limit, inflated');
$small->send_frame(1, deflated($fit, -Level => 0), rsv => 4);
is($small->recv, $fit =~ s/"m"/"echo"/r,
    'eio 109: exact limit, deflated to more than that');

closes('eio 109: one byte more, inflated', 1009,
    sub ($w) { $w->send("$fit ") }, at => '/small/');
closes('eio 109: one byte more, in fragments', 1009, sub ($w) {
    my $z = deflated("$fit ");
    $w->send_raw(frame(1, substr($z, 0, 50), rsv => 4, fin => 0)
        . frame(0, substr $z, 50));
}, at => '/small/');
closes('eio 109: deflated to more than anything could be', 1009, sub ($w) {
    $w->send_frame(1, "\0\0\0\xff\xff" x 300 . "\0", rsv => 4)
}, at => '/small/');
closes('eio 109: fragments that come to more', 1009, sub ($w) {
    $w->send_raw(frame(1, '', rsv => 4, fin => 0)
        . frame(0, "\0\0\0\xff\xff" x 10, fin => 0) x 30)
}, at => '/small/');
closes('eio 109: a bomb of 100 MB', 1009, sub ($w) {
    state $bomb = do {
        my $d = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15,
            -AppendOutput => 1, -Level => 9);
        my $out = '';
        $d->deflate("\0" x 1000000, $out) for 1 .. 100;
        $d->flush($out, Compress::Raw::Zlib::Z_SYNC_FLUSH);
        substr $out, 0, -4
    };
    $w->send_frame(2, $bomb, rsv => 4)
});
closes('more than 256 KB of nothing', 1009,
    sub ($w) { $w->send('42["m","' . 'x' x 270000 . '"]') });

$ws->send('42["m","' . 'x' x 260000 . '"]');
is($ws->recv, '42["echo","' . 'x' x 260000 . '"]', 'less is nothing bad');

my $list = '42["m",' . join(',', map { qq({"at":0,"id":$_,"name":null}) }
    1 .. 25000) . ']';
cmp_ok(length $list, '>', 600000, 'a list of the same objects');
$ws->send($list);
ok(($ws->recv(20) // '') eq $list =~ s/"m"/"echo"/r, 'and its 700 KB');


# Few bytes that become many: 45 MB of a packet that does nothing, by each of
# six.  All of it is there when the worker wakes up, a ping of a seventh last,
# which is answered long before the others have come to their end.
my ($pid) = $t->worker_pids;
my ($light, @heavy) = map { session() } 0 .. 6;

kill 'STOP', $pid;
$_->send_raw(frame(1, deflated('3' . 'x' x 65000, -Level => 9), rsv => 4)
    x 700 . frame(9, 'end')) for @heavy;
$light->send_frame(9, 'light');
kill 'CONT', $pid;

is(($light->frame(20) // {})->{payload}, 'light', 'inflated in turns');
ok($heavy[5]{conn}->silent(0.01), 'which are not over');
is(($_->frame(20) // {})->{payload}, 'end', 'nothing is lost') for @heavy;
$heavy[0]->send('42["m","after it"]');
is($heavy[0]->recv, '42["echo","after it"]', 'and it goes on');


# The server's own frames, windows.

my $w15 = $t->websocket(deflate => 1, path => "/w15/$query");
is($w15->frame->{rsv}, 0, 'the open packet is not deflated');
$w15->sio_connect;

my $half = join '', map { sprintf '%08x', rand 2 ** 32 } 1 .. 250;
my %len;

for my $bits (9, 15) {
    my $w = $bits == 9 ? session(at => '/w9/') : $w15;
    $w->send("42[\"m\",\"$half$half\"]");
    my $f = $w->frame;
    is($f->{rsv}, 4, "window of $bits bits: deflated");
    is(inflated($f->{payload}, $bits), "42[\"echo\",\"$half$half\"]",
        "window of $bits bits: enough to inflate with");
    $len{$bits} = length $f->{payload};
}

cmp_ok($len{15}, '<', 0.7 * $len{9}, 'a larger window finds more');

$ws->send('42["m","still served"]');
is($ws->recv, '42["echo","still served"]', 'others do not notice');
ok($ws->close(1000), 'polite end');

$t->finish;
