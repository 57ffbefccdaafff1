#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# UTF-8 in text messages, RFC 6455, 8.1, after category 6 of the Autobahn test
# suite (its sets are those of Markus Kuhn's UTF-8 decoder test), each
#
#   alone        invalid: 1007; valid: it is no Engine.IO packet, and that is
#                another error, Close without a code
#   in an event  invalid: 1007; valid: it comes back
#   in frames    of one byte each, the same
#   fail-fast    invalid: up to the bad byte all is well, and with that byte the
#                connection is failed, in the middle of a frame or of a message
#
# Fails if the check waits for the end of anything, starts anew with a frame or
# a read, or judges binary messages; if it is looser or stricter than RFC 3629.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO ();
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;
*said = \&Test::SocketIO::WebSocket::said;

my $t = Test::SocketIO->new(alarm => 120);
$t->run_echo;

my $kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
my @starts = ([0xc0, 0xde], [0xe0, 0xee], [0xf0, 0xf6], [0xf8, 0xfa],
    [0xfc, 0xfc]);
my @missing = map { [/../g] } qw/c0 e080 f08080 f8808080 fc80808080
    df efbf f7bfbf fbbfbfbf fdbfbfbfbf/;

sub hex_ (@h) { return map { pack 'H*', $_ } @h }

# Number of the case without "6.", what it is, and its strings.
my @sets = (
    [5, 'valid', (map { "hello${_}world" }
        "\x24", "\xc2\xa2", "\xe2\x82\xac", "\xf0\xa4\xad\xa2"), $kosme],
    [6, 'prefixes', map { substr $kosme, 0, $_ } 1 .. length $kosme],
    [7, 'first of a length', hex_(qw/00 c280 e0a080 f0908080/)],
    [8, 'first of 5 and 6', hex_(qw/f888808080 fc8480808080/)],
    [9, 'last of a length', hex_(qw/7f dfbf efbfbf f48fbfbf/)],
    [10, 'last of 4, 5, 6', hex_(qw/f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf/)],
    [11, 'boundaries', hex_(qw/ed9fbf ee8080 efbfbd f48fbfbf f4908080/)],
    [12, 'continuations', hex_(qw/80 bf 80bf 80bf80 80bf80bf 80bf80bf80
        80bf80bf80bf/), join '', map { chr } 0x80 .. 0xbe],
    [13, 'lonely starts',
        map { join '', map { chr($_) . ' ' } $_->[0] .. $_->[1] } @starts],
    [14, 'last byte missing', map { pack 'H*', join '', @$_ } @missing],
    [15, 'all of these', pack 'H*', join '', map { @$_ } @missing],
    [16, 'impossible', hex_(qw/fe ff fefeffff/)],
    [17, 'overlong /', hex_(qw/c0af e080af f08080af f8808080af
        fc80808080af/)],
    [18, 'longest overlong', hex_(qw/c1bf e09fbf f08fbfbf f887bfbfbf
        fc83bfbfbfbf/)],
    [19, 'overlong NUL', hex_(qw/c080 e08080 f0808080 f880808080
        fc8080808080/)],
    [20, 'surrogate', hex_(qw/eda080 edadbf edae80 edafbf edb080 edbe80
        edbfbf/)],
    [21, 'surrogates', map { my $high = $_; map { pack 'H*', "$high$_" }
        qw/edb080 edbfbf/ } qw/eda080 edadbf edae80 edafbf/],
    [22, 'no characters', hex_(qw/efbfbe efbfbf/, map { my $n = $_;
        map { unpack 'H*', pack 'CCCC', 0xf0 | $n >> 2, 0x8f | ($n & 3) << 4,
            0xbf, $_ } 0xbe, 0xbf } 1 .. 16)],
    [23, 'specials', map { "\xef\xbf$_" } map { chr } 0xb9 .. 0xbf],
);

# What Autobahn says is valid, and nothing else.
my %valid = map { $_ => 1 } 5, 7, 9, 22, 23,
    qw/6.2 6.5 6.7 6.9 6.11 11.1 11.2 11.3 11.4/;

# RFC 3629, 4, to the letter: whole characters, and then what may yet be one.
my $tail = qr/[\x80-\xbf]/;
my $char = qr/[\x00-\x7f] | [\xc2-\xdf]$tail | \xe0[\xa0-\xbf]$tail
    | [\xe1-\xec\xee\xef]$tail$tail | \xed[\x80-\x9f]$tail
    | \xf0[\x90-\xbf]$tail$tail | [\xf1-\xf3]$tail$tail$tail
    | \xf4[\x80-\x8f]$tail$tail/x;
my $part = qr/[\xc2-\xdf] | \xe0[\xa0-\xbf]? | [\xe1-\xec\xee\xef]$tail?
    | \xed[\x80-\x9f]? | \xf0(?:[\x90-\xbf]$tail?)?
    | [\xf1-\xf3](?:$tail$tail?)? | \xf4(?:[\x80-\x8f]$tail?)?/x;

sub judge ($bytes) {
    $bytes =~ /^(?:$char)*+(?:$part)?+/;
    return $bytes =~ /^(?:$char)*+\z/ ? 'valid'
        : $+[0] == length $bytes ? 'cut' : $+[0];
}

# $bytes as frames of one byte each, the last with FIN unless told otherwise.
sub frames ($bytes, $first = 1, $fin = 1) {
    my $n = length $bytes;
    return join '', map {
        frame($_ == 0 ? $first : 0, substr($bytes, $_, 1),
            fin => $fin && $_ == $n - 1) } 0 .. $n - 1;
}

sub says ($name, $bytes, @expected) {
    my $ws = $t->connected('websocket');
    $ws->send_raw($bytes);
    is_deeply([$ws->transcript($expected[0] =~ /^text/ ? 1 : undef)],
        \@expected, $name);
}

sub case ($number, $what, $bytes) {
    my $event = qq(42["echo","$bytes"]);
    my $valid = judge($bytes) eq 'valid';
    my $name = "autobahn 6.$number: $what " . unpack 'H*', $bytes;
    my $no = $valid ? 'close' : 'close:1007';

    my @event = !$valid ? ('close:1007', 'eof')
        : $bytes =~ /[\0-\x1f]/ ? ('close', 'eof')      # no JSON
        : ("text:$event", 'close:1000', 'eof');

    says("$name, alone", frame(1, $bytes), $no, 'eof');
    says("$name, in an event", frame(1, $event), @event);
    says("$name, alone, in frames", frames($bytes), $no, 'eof');
    says("$name, in an event, in frames", frames($event), @event);
}

# The connection lives until the byte at $at, and not longer.
sub fails_fast ($name, $bytes, $at) {
    my ($good, $bad) = (substr($bytes, 0, $at), substr $bytes, $at, 1);
    my $key = "\x37\xfa\x21\x3d";
    my $ws = $t->connected('websocket');

    $ws->send_raw(frames($good, 1, 0) . frame(9, 'alive')) if $at;
    is($at ? said($ws->frame // {}) : 'pong:alive', 'pong:alive',
        "$name, message: before that it lives");
    $ws->send_raw(frame($at ? 0 : 1, $bad, fin => 0));
    is_deeply([$ws->transcript], ['close:1007', 'eof'],
        "$name, message: 1007");

    $ws = $t->connected('websocket');
    my $frame = frame(1, "$good$bad" . 'x' x 100, key => $key);
    $ws->send_raw(substr $frame, 0, 6 + $at);
    ok($ws->silent(0.02), "$name, frame: before that it lives");
    $ws->send_raw(substr $frame, 6 + $at, 1);
    is_deeply([$ws->transcript], ['close:1007', 'eof'], "$name, frame: 1007");
}

my %seen;

sub fast ($name, $bytes) {
    my $at = judge($bytes);
    fails_fast("$name: fails at byte $at", $bytes, $at)
        if $at =~ /^\d+$/ && !$seen{substr $bytes, 0, $at + 1}++;
}

# 6.1 - 6.4

says('autobahn 6.1.1: nothing', frame(1, ''), 'close', 'eof');
says('autobahn 6.1.2: nothing, in three frames',
    frame(1, '', fin => 0) . frame(0, '', fin => 0) . frame(0, ''),
    'close', 'eof');

my $event = '42["echo","middle frame payload"]';
says('autobahn 6.1.3: an event between nothing and nothing',
    frame(1, '', fin => 0) . frame(0, $event, fin => 0) . frame(0, ''),
    "text:$event", 'close:1000', 'eof');

my $hello = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1"
    . '-UTF-8!!';
case('2.1', 'Hello', $hello);
$event = qq(42["echo","$hello"]);

for my $at (1 .. length($event) - 1) {
    my ($one, $two) = (substr($event, 0, $at), substr $event, $at);
    says("autobahn 6.2.2: Hello in two frames, cut at $at",
        frame(1, $one, fin => 0) . frame(0, $two),
        "text:$event", 'close:1000', 'eof');
}

case('2.4', 'kosme', $kosme);
case('3.1', 'a surrogate', "$kosme\xed\xa0\x80edited");

my @parts = ($kosme, "\xf4\x90\x80\x80", 'edited');
my $all = join '', @parts;

for my $alive ([1, $parts[1]], [2, "\x90"]) {
    my ($case, $next) = @$alive;
    my $first = $case == 1 ? $parts[0] : "$kosme\xf4";

    my $ws = $t->connected('websocket');
    $ws->send_raw(frame(1, $first, fin => 0));
    ok($ws->silent(0.1), "autobahn 6.4.$case: the first frame is good");
    $ws->send_raw(frame(0, $next, fin => 0));
    is_deeply([$ws->transcript], ['close:1007', 'eof'],
        "autobahn 6.4.$case: the second is not");

    $case += 2;
    $ws = $t->connected('websocket');
    my $frame = frame(1, $all);
    $ws->send_raw(substr $frame, 0, 6 + length $first);
    ok($ws->silent(0.1), "autobahn 6.4.$case: the first piece is good");
    $ws->send_raw(substr $frame, 6 + length $first, length $next);
    is_deeply([$ws->transcript], ['close:1007', 'eof'],
        "autobahn 6.4.$case: the second is not");
}

# 6.5 - 6.23

for my $set (@sets) {
    my ($number, $what, @strings) = @$set;
    my $n = 0;

    for my $bytes (@strings) {
        $n++;
        my $valid = $valid{$number} || $valid{"$number.$n"};
        is(judge($bytes) eq 'valid', !!$valid,
            "autobahn 6.$number.$n: what this test takes it for");
        case("$number.$n", $what, $bytes);
        fast("autobahn 6.$number.$n", $bytes);
        fast("autobahn 6.$number.$n behind good ones", $kosme . $bytes);
    }
}

# Every lead byte, and every second byte behind those that restrict it.
for my $lead (map { chr } 0x80 .. 0xff) {
    my $verdict = judge($lead);
    says(sprintf('RFC 3629: %x and no more', ord $lead), frame(1, $lead),
        'close:1007', 'eof');
}

for my $lead ("\xc2", "\xe0", "\xe1", "\xed", "\xee", "\xf0", "\xf1", "\xf4") {
    for my $second (map { chr } 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0)
    {
        my $bytes = $lead . $second . "\x80" x ($lead ge "\xf0" ? 2
            : $lead ge "\xe0" ? 1 : 0);
        says('RFC 3629: ' . unpack('H*', $bytes), frame(1, $bytes),
            judge($bytes) eq 'valid' ? 'close' : 'close:1007', 'eof');
    }
}

# Bytes that are good in a read of their own are judged with those before.
for my $n (65530 .. 65542) {
    my $long = '42["echo","' . 'x' x ($n - 20) . "\xe2\x82\xac\"]";
    says("a character at the end of $n bytes", frame(1, $long),
        "text:$long", 'close:1000', 'eof');
    substr $long, -4, 1, 'x';
    substr $long, -3, 1, "\x82";
    says("half a one at the end of $n bytes", frame(1, $long),
        'close:1007', 'eof');
}

# Binary messages may be anything.
my $header = '451-["echo",{"_placeholder":true,"num":0}]';
my $ws = $t->connected('websocket');
$ws->send_raw(frame(1, $header) . frame(2, $parts[1]));
is(said($ws->frame // {}), "text:$header", 'not UTF-8 in binary');
is(said($ws->frame // {}), "binary:$parts[1]", 'comes back');
$ws->close;

# Half a character is no state of the connection, but of its message.
$ws = $t->connected('websocket');
$ws->send_raw(frame(1, $header) . frame(2, "\xe2\x82")
    . frame(1, '42["echo"]'));
is_deeply([map { said($ws->frame // {}) } 1 .. 3],
    ["text:$header", "binary:\xe2\x82", 'text:42["echo"]'],
    'half a character in binary, then text');
$ws->close;

$t->finish;
