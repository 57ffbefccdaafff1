#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# How much a websocket takes, after categories 9 and 10 of the Autobahn test
# suite: big messages, many frames, many messages, and where it ends: 1009
# beyond "socketio_max_payload", 1008 beyond 1024 frames of a message (Autobahn
# has cases with 65536 of them).  And what the worker keeps meanwhile: of what
# was only announced nothing, of pings that nobody reads the pongs of, one.
#
# See t/ws_rfc6455.t for the other categories.

use v5.36;
use lib 't/lib';
use Socket qw/SOL_SOCKET SO_RCVBUF/;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;
*said = \&Test::SocketIO::WebSocket::said;

my $t = Test::SocketIO->new(alarm => 240);
$t->run_echo(zone => '96m',
    socketio => 'socketio_max_payload 16m; socketio_send_queue 4096 20m;',
    server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_max_payload 1000;
        }
        location /usual/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
        }
CONF

my %small = (path => '/small/?EIO=4&transport=websocket');
my %usual = (path => '/usual/?EIO=4&transport=websocket');
my $header = '451-["echo",{"_placeholder":true,"num":0}]';

sub sized ($n) { return '42["echo","' . '*' x ($n - 13) . '"]' }

# $bytes in frames of $size.
sub frames ($op, $bytes, $size) {
    my $n = length $bytes;
    my $out = '';
    for (my $i = 0; $i < $n; $i += $size) {
        $out .= frame($i ? 0 : $op, substr($bytes, $i, $size),
            fin => $i + $size >= $n, key => 'abcd');
    }
    return $out;
}

sub same ($got, $expected, $name) {
    ok(length $got == length $expected && $got eq $expected, $name)
        or diag(length($got) . ': ' . substr($got, 0, 80));
}

# The bytes of the frames of a text of that length, and of a binary message.
sub echoes ($name, $code, $n) {
    my $text = sized($n);
    my $ws = $t->connected('websocket');
    $ws->send_raw($code->(1, $text));
    same(said($ws->frame(30) // {}), "text:$text", "$name, text");

    my $bytes = pack('N', 0xfeedbeef) x ($n / 4);
    $ws->send_raw(frame(1, $header) . $code->(2, $bytes));
    same(said($ws->frame(30) // {}), "text:$header", "$name, binary: header");
    same(said($ws->frame(30) // {}), "binary:$bytes", "$name, binary");
    $ws->close;
}

sub ends ($name, $code, $bytes, %o) {
    my $ws = $t->connected('websocket', %o);
    $ws->send_raw($bytes);
    is_deeply([$ws->transcript], ["close:$code", 'eof'], $name);
}

my ($kb, $mb) = (1024, 1024 ** 2);

# 9.1, 9.2: 64 KB to 16 MB.
my $case = 1;
for my $n (64 * $kb, 256 * $kb, $mb, 4 * $mb, 8 * $mb, 16 * $mb) {
    echoes('autobahn 9.1 and 9.2.' . $case++ . ": $n bytes",
        sub ($op, $bytes) { return frame($op, $bytes) }, $n);
}

# 9.3, 9.4: 4 MB in frames of 64 bytes to 4 MB.
$case = 1;
for my $size (map { 64 * 4 ** $_ } 0 .. 8) {
    my $n = 4 * $mb / $size;
    my $name = 'autobahn 9.3 and 9.4.' . $case++ . ": $n frames";

    if ($n <= 1024) {
        echoes($name, sub ($op, $bytes) { return frames($op, $bytes, $size) },
            4 * $mb);
        next;
    }

    # Not all of it: behind the first that is too many nobody needs to listen.
    my $some = sized(4 * $mb);
    ends("$name, text", 1008,
        substr frames(1, $some, $size), 0, 1100 * ($size + 8));
}

# 9.5, 9.6: 1 MB in pieces.
$case = 1;
for my $chop (64, 128, 256, 512, 1024, 2048) {
    my $name = 'autobahn 9.5.' . $case++ . ": 1 MB in pieces of $chop";
    my $text = sized($mb);
    my $ws = $t->connected('websocket');
    $ws->{conn}->send_slowly(frame(1, $text), $chop, 0);
    same(said($ws->frame(30) // {}), "text:$text", $name);
    $ws->close;
}

# 9.7, 9.8: a thousand messages; more than the backend's queue takes, so the
# websocket is not read from meanwhile.
$case = 1;
for my $n (0, 16, 64, 256, 1024, 4096) {
    my $text = $n < 16 ? '42["echo"]' : sized($n);
    my $bytes = 'b' x $n;
    my $name = ".$case: 1000 messages of $n";
    my (%got, $ws);

    $ws = $t->connected('websocket');
    $ws->send_raw(frame(1, $text, key => 'abcd') x 1000);
    $got{said($ws->frame(30) // {})}++ for 1 .. 1000;
    is_deeply(\%got, { "text:$text" => 1000 }, "autobahn 9.7$name, text");

    %got = ();
    my $both = frame(1, $header, key => 'abcd')
        . frame(2, $bytes, key => 'abcd');
    $ws->send_raw($both x 1000);
    $got{said($ws->frame(30) // {})}++ for 1 .. 2000;
    is_deeply(\%got, { "text:$header" => 1000, "binary:$bytes" => 1000 },
        "autobahn 9.8$name, binary");
    $ws->close;
    $case++;
}

echoes('autobahn 10.1.1: 65536 in frames of 1300',
    sub ($op, $bytes) { return frames($op, $bytes, 1300) }, 65536);

# Exactly the limit.
for my $size (1000, 999, 500, 1) {
    my $ws = $t->connected('websocket', %small);
    my $text = sized(1000);
    my $pings = frame(9, 'x' x 125) x 2;
    $ws->send_raw(frames(1, $text, $size));
    same(said($ws->frame(30) // {}), "text:$text",
        "the most bytes, in frames of $size");
    $ws->send_raw(frame(1, $header) . frames(2, 'x' x 1000, $size));
    same(said($ws->frame(30) // {}), "text:$header", '... binary: header');
    same(said($ws->frame(30) // {}), 'binary:' . 'x' x 1000, '... binary');
    $ws->close;
}

# One more: with its frame's header, before a byte of it.
ends('a byte too many', 1009, substr(frame(1, sized(1001)), 0, 8), %small);
ends('a byte too many, binary', 1009,
    frame(1, $header) . substr(frame(2, 'x' x 1001), 0, 8), %small);
ends("in frames of $_", 1009, frames(1, sized(1001), $_), %small)
    for 1000, 999, 500, 1;
ends('in a frame that is not the last', 1009,
    frame(1, sized(1000), fin => 0) . frame(0, 'x', fin => 0), %small);
ends('announced: 2 ** 32', 1009, frame(2, '', len => 2 ** 32), %small);
ends('announced: 2 ** 63 - 1', 1009,
    "\x82\xff\x7f" . "\xff" x 7 . "\0" x 4, %small);
ends('announced: 2 ** 63 - 1, and a sum that would wrap', 1009,
    frame(2, 'xx', fin => 0) . "\x80\xff\x7f" . "\xff" x 7 . "\0" x 4, %small);

# Frames: 1024 of a message, empty or not, and any number of pings between.
my $event = sized(500);
my @one = split //, $event;

sub pieces ($n, $between = '') {
    return frame(1, $one[0], fin => 0)
        . join('', map { $between . frame(0, $_, fin => 0) }
            @one[1 .. $#one], ('') x ($n - @one - 1))
        . $between . frame(0, '');
}

my $ws = $t->connected('websocket');
$ws->send_raw(pieces(1024) . pieces(1024));
is_deeply([map { said($ws->frame(30) // {}) } 1, 2], [("text:$event") x 2],
    '1024 frames of a message, and of the next');
$ws->send_raw(pieces(1024, frame(10, 'pong')));
is(said($ws->frame(30) // {}), "text:$event", 'pongs between do not count');
$ws->close;
ends('1025 frames', 1008, pieces(1025));
ends('1025 frames, of binary', 1008,
    frame(2, '', fin => 0) . frame(0, '', fin => 0) x 1024);

# Memory of the worker, in bytes.
my ($worker) = $t->worker_pids;

sub rss () {
    open my $f, '<', "/proc/$worker/statm" or die "statm: $!";
    my @pages = split / /, scalar <$f>;
    return $pages[1] * 4096;
}

sub settled () {
    $t->http('GET', '/pid');
    return rss();
}

my $asan = ($ENV{ASAN_OPTIONS} // '') ne '';    # has memory of its own

SKIP: {
    skip 'memory under a sanitizer is another', 4 if $asan;

    my $before = settled();
    my @ws = map { $t->connected('websocket', %usual) } 1 .. 100;
    my $open = settled();
    $_->send_raw(substr frame(1, sized(1_000_000)), 0, 30) for @ws;
    cmp_ok(settled() - $open, '<', 10 * $mb,
        '100 messages of 1 MB, of which 20 bytes are there');
    $_->{conn}->close for @ws;

    @ws = map { $t->connected('websocket', %usual) } 1 .. 100;
    $open = settled();
    $_->send_raw(frame(1, '4', fin => 0) . frame(0, '2', fin => 0) x 1000)
        for @ws;
    cmp_ok(settled() - $open, '<', 10 * $mb, '100 of 1001 bytes in frames');
    $_->{conn}->close for @ws;

    @ws = map { $t->connected('websocket', %usual) } 1 .. 20;
    $open = settled();
    $_->send_raw(frames(1, sized(990_000), 1000) =~ s/.{1000}\z//sr) for @ws;
    cmp_ok(settled() - $open, '<', 20 * 1.5 * $mb,
        '20 of nearly 1 MB each: not more than that');
    $_->{conn}->close for @ws;
    ok(eventually(sub { settled() < $before + 15 * $mb }),
        'and it is given back');
}

# 80000 pings and nobody reads: 10 MB of pongs, more than the kernel holds.
my $n = 80;
$ws = $t->connected('websocket', %usual);
setsockopt $ws->{conn}{sock}, SOL_SOCKET, SO_RCVBUF, 65536;

my $open = settled();
for my $thousand (0 .. $n - 1) {
    $ws->send_raw(join '', map {
        frame(9, sprintf('%06d', $thousand * 1000 + $_) . 'x' x 119)
    } 1 .. 1000);
}
cmp_ok(settled() - $open, '<', 5 * $mb, '80000 pings: one pong is kept')
    unless $asan;

my ($last, $odd, $pongs) = (0, 0, 0);
while ($last < $n * 1000) {
    my $f = $ws->frame // last;
    my ($i) = $f->{payload} =~ /^(\d{6})x{119}$/;
    $odd++ if $f->{op} != 10 || !$i || $i <= $last;
    $last = $i // $n * 1000;
    $pongs++;
}
is($odd, 0, 'each pong is a whole one and newer than that before');
cmp_ok($last, '==', $n * 1000, 'the last is to the last ping');
cmp_ok($pongs, '<', $n * 1000, 'not all were kept');
$ws->send('42["echo"]');
is($ws->next_packet, '42["echo"]', 'and the session goes on');
$ws->close;

$t->finish;
