#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# RFC 6455 on the wire, after the categories of the Autobahn test suite, with
# its numbers in the names:
#
#   1  framing            here
#   2  pings and pongs    here; of several in one write only the last needs its
#                         pong (5.5.3), which Autobahn does not demand either
#   3  reserved bits      here
#   4  reserved opcodes   here
#   5  fragments          here
#   6  UTF-8              t/ws_utf8.t
#   7  close              here; deadlines and peers that vanish: t/ws_close.t
#   9  limits             t/ws_limits.t, with 10.1.1, a message in many frames
#   12, 13  compression   not here
#
# t/unit/ws_message_test.c has the same of the parser alone, cut at every byte.
#
# Autobahn wants an echo server.  Here an event named "echo" comes back as it
# was sent, so a text of n bytes is an event with a long argument, and a binary
# message is its attachment.  What is no event can only be refused: 1.1.1, text
# of no bytes, is an error of Engine.IO, "close" without a code.
#
# Fails if anything is accepted that the RFC forbids or the other way round, if
# a close code is wrong, or if TCP ends with a reset instead of in good order.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO ();
use Test::SocketIO::WebSocket ();
use Time::HiRes qw/sleep/;

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(alarm => 120);
$t->run_echo;

# Frames by the names of the RFC; with a _ more of the message will follow.
sub text    ($p = '', %o) { return frame(1, $p, %o) }
sub text_   ($p = '', %o) { return frame(1, $p, fin => 0, %o) }
sub binary  ($p = '', %o) { return frame(2, $p, %o) }
sub binary_ ($p = '', %o) { return frame(2, $p, fin => 0, %o) }
sub cont    ($p = '', %o) { return frame(0, $p, %o) }
sub cont_   ($p = '', %o) { return frame(0, $p, fin => 0, %o) }
sub closing ($p = '', %o) { return frame(8, $p, %o) }
sub ping    ($p = '', %o) { return frame(9, $p, %o) }
sub pong    ($p = '', %o) { return frame(10, $p, %o) }

sub code ($n, $reason = '') { return pack('n', $n) . $reason }

# An event that comes back, with the argument $arg or of $n bytes.
sub event ($arg) { return qq(42["echo","$arg"]) }
sub sized ($n)   { return event('*' x ($n - length event(''))) }

my $header = '451-["echo",{"_placeholder":true,"num":0}]';
my $hello = event('Hello, world!');
my @two = ('42["echo","frag', 'ment"]');
my $two = join '', @two;

# The frames in one write; in a write each; in pieces of $chop bytes.
sub sends ($ws, $chop, @frames) {
    my $c = $ws->{conn};
    return $c->send(join '', @frames) unless $chop;
    return $c->send_slowly(join('', @frames), $chop, 0.0003)
        if $chop ne 'frames';
    for (@frames) {
        $c->send($_);
        sleep 0.002;
    }
}

# All that the server says to these frames, and to a Close behind them unless
# they have one or are reason enough for the server's.  A reference among them
# is waited for: what it says to those before it.
sub says ($chop, $name, $end, @frames) {
    my $ws = $t->connected('websocket');
    my (@expected, @got, @part);

    for my $f (@frames) {
        if (!ref $f) {
            push @part, $f;
            next;
        }
        sends($ws, $chop, splice @part);
        my $said = $ws->frame;
        push @got, $said ? Test::SocketIO::WebSocket::said($said) : 'nothing';
        push @expected, $$f;
    }

    sends($ws, $chop, @part);
    my $mine = $end eq 'close:1000' && !grep { !ref && /^\x88/ } @frames;
    push @got, $ws->transcript($mine ? 0 : undef);

    is_deeply(\@got, [@expected, $end, 'eof'], $name)
        or diag(join "\n", map { substr $_, 0, 100 } @got);
}

sub echoes ($chop, $name, @frames) {
    return says($chop, $name, 'close:1000', @frames);
}

sub refuses ($chop, $name, @frames) {
    return says($chop, $name, 'close:1002', @frames);
}

# 1: framing.

says(0, 'autobahn 1.1.1: text of nothing: no packet, but no error of RFC 6455',
    'close', text(''));

my %size = (2 => 125, 3 => 126, 4 => 127, 5 => 128, 6 => 65535, 7 => 65536);

for my $n (sort keys %size) {
    my $text = sized($size{$n});
    echoes(0, "autobahn 1.1.$n: text of $size{$n}", text($text),
        \"text:$text");
}

for my $n (1, sort keys %size) {
    my $size = $size{$n} // 0;
    my $bytes = join '', map { chr($_ * 7 & 255) } 1 .. $size;
    echoes(0, "autobahn 1.2.$n: binary of $size", text($header),
        binary($bytes), \"text:$header", \"binary:$bytes");
}

for ([997, 65536], [2, 256], [1, 128]) {
    my ($chop, $n) = @$_;
    my $text = sized($n);
    my $bytes = "\xfe\0" x ($n / 2);
    echoes($chop, "autobahn 1.1.8: text of $n in pieces of $chop",
        text($text), \"text:$text");
    echoes($chop, "autobahn 1.2.8: binary of $n in pieces of $chop",
        text($header), binary($bytes), \"text:$header", \"binary:$bytes");
}

my $one = event('1');
my $another = event('2');
echoes(0, 'messages in one write', text($one), text($another),
    \"text:$one", \"text:$another");
echoes(0, 'RFC 6455 5.3: a mask of zeros', text($hello, key => "\0" x 4),
    \"text:$hello");
refuses(0, 'RFC 6455 5.1: no mask', text($hello, mask => 0));
refuses(0, 'RFC 6455 5.1: a ping without mask', ping('x', mask => 0));
refuses(0, 'RFC 6455 5.1: no mask behind an event', text($hello),
    \"text:$hello", text($hello, mask => 0));
refuses(0, 'RFC 6455 5.2: 16 bits for a length of 125',
    "\x81\xfe" . pack('n', 125) . "\0" x 129);
refuses(0, 'RFC 6455 5.2: 64 bits for a length of 65535',
    "\x81\xff" . pack('Q>', 65535) . "\0" x 4);
refuses(0, 'RFC 6455 5.2: a length of 64 bits', "\x82\xff\x80" . "\0" x 11);

# 2: pings and pongs.

my $odd = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
my $long = "\xfe" x 125;

echoes(0, 'autobahn 2.1: empty ping', ping(''), \'pong:');
echoes(0, 'autobahn 2.2: ping', ping('Hello, world!'), \'pong:Hello, world!');
echoes(0, 'autobahn 2.3: ping, not text', ping($odd), \"pong:$odd");
echoes(0, 'autobahn 2.4: ping of 125', ping($long), \"pong:$long");
refuses(0, 'autobahn 2.5: ping of 126', ping("$long\xfe"));
refuses(0, 'autobahn 2.5: ping of 65536', ping("\xfe" x 65536));
echoes(1, 'autobahn 2.6: ping of 125 byte by byte', ping($long),
    \"pong:$long");
echoes(2, 'autobahn 2.6: in pieces of 2', ping($long), \"pong:$long");
echoes(0, 'autobahn 2.7: a pong without a ping', pong(''));
echoes(0, 'autobahn 2.8: the same with a payload', pong('unsolicited'));
echoes(0, 'autobahn 2.8: pong of 125', pong($long));
refuses(0, 'RFC 6455 5.5: pong of 126', pong("$long\xfe"));
echoes(0, 'autobahn 2.9: a pong, then a ping', pong('unsolicited'),
    ping('mine'), \'pong:mine');
echoes(0, 'autobahn 2.10: ten pings, each waited for',
    map { (ping("payload-$_"), \"pong:payload-$_") } 0 .. 9);
echoes(1, 'autobahn 2.11: the same byte by byte',
    map { (ping("payload-$_"), \"pong:payload-$_") } 0 .. 9);

for my $chop (0, 'frames', 1) {
    my $ws = $t->connected('websocket');
    sends($ws, $chop, map { ping("payload-$_") } 0 .. 9);
    my ($last, @odd) = (-1);

    while ($last != 9) {
        my $f = $ws->frame // last;
        my $said = Test::SocketIO::WebSocket::said($f);
        push @odd, $said unless $said =~ /^pong:payload-(\d)$/ && $1 > $last;
        $last = $1 // 9;
    }

    is_deeply(\@odd, [], "autobahn 2.10: ten pings in a row, by $chop: pongs"
        . ' to some of them in their order');
    is_deeply([$ws->transcript(0)], ['close:1000', 'eof'],
        'autobahn 2.10: the last of them to the last');
}

# 3: reserved bits.

my $echo = "text:$hello";

refuses(0, 'autobahn 3.1: RSV 1', text($hello, rsv => 1));
refuses(0, 'autobahn 3.2: RSV 2 after a message, then a ping',
    text($hello), \$echo, text($hello, rsv => 2), ping(''));
refuses('frames', 'autobahn 3.3: RSV 3, by frames',
    text($hello), \$echo, text($hello, rsv => 3), ping(''));
refuses(1, 'autobahn 3.4: RSV 4, byte by byte',
    text($hello), \$echo, text($hello, rsv => 4), ping(''));
refuses(0, 'autobahn 3.5: RSV 5, binary', binary($odd, rsv => 5));
refuses(0, 'autobahn 3.6: RSV 6, ping', ping('Hello', rsv => 6));
refuses(0, 'autobahn 3.7: RSV 7, Close', closing('', rsv => 7));
refuses(0, 'RFC 6455 5.2: RSV 4 of a continuation', text_($two[0]),
    cont($two[1], rsv => 4));
refuses(0, 'RFC 6455 5.2: RSV 4 of a pong', pong('', rsv => 4));

# 4: reserved opcodes.

for my $n (3 .. 7, 11 .. 15) {
    my $case = $n < 8 ? '4.1.' . ($n - 2) : '4.2.' . ($n - 10);
    my $chop = $n == 7 || $n == 15 ? 1 : 0;
    my $payload = $n % 2 ? '' : 'reserved opcode payload';
    refuses($chop, "autobahn $case: opcode $n", frame($n, $payload));
    refuses($chop, "autobahn $case: opcode $n after a message, then a ping",
        text($hello), \$echo, frame($n, $hello), ping(''));
    refuses($chop, "autobahn $case: opcode $n within a message",
        text_($two[0]), frame($n, ''), cont($two[1]));
}

# 5: fragments.

my %chop = ('' => 0, ', by frames' => 'frames', ', byte by byte' => 1);
my $mid = 'ping payload';

sub thrice ($code, $first, $what, @frames) {
    for ('', ', by frames', ', byte by byte') {
        $code->($chop{$_}, "autobahn 5.$first: $what$_", @frames);
        $first++;
    }
}

refuses(0, 'autobahn 5.1: ping in fragments',
    ping('fragment1', fin => 0), cont('fragment2'));
refuses(0, 'autobahn 5.2: pong in fragments',
    pong('fragment1', fin => 0), cont('fragment2'));
refuses(0, 'RFC 6455 5.4: Close in fragments',
    closing(code(1000), fin => 0), cont(''));
thrice(\&echoes, 3, 'text in two', text_($two[0]), cont($two[1]),
    \"text:$two");
thrice(\&echoes, 6, 'text in two, a ping between', text_($two[0]),
    ping($mid), \"pong:$mid", cont($two[1]), \"text:$two");
thrice(\&refuses, 9, 'a continuation of nothing, then text',
    cont('non-continuation payload'), text($hello));
thrice(\&refuses, 12, 'the same without FIN',
    cont_('non-continuation payload'), text($hello));
refuses(0, 'autobahn 5.15: a continuation of what is over',
    text_($two[0]), cont($two[1]), \"text:$two", cont_('fragment3'),
    text('fragment4'));
refuses(0, 'autobahn 5.16: continuation without FIN, then text in two, twice',
    (cont_('fragment1'), text_('fragment2'), cont('fragment3')) x 2);
refuses(0, 'autobahn 5.17: continuation with FIN, then text in two, twice',
    (cont('fragment1'), text_('fragment2'), cont('fragment3')) x 2);
refuses(0, 'autobahn 5.18: text in two, both with the opcode of text',
    text_($two[0]), text($two[1]));
refuses(0, 'RFC 6455 5.4: the second with that of binary',
    text_($two[0]), binary($two[1]));

my @five = ('42["ec', 'ho","', 'five', '"', ']');
my @nineteen = (text_($five[0]), cont_($five[1]), ping('pongme 1!'),
    \'pong:pongme 1!', cont_($five[2]), cont_($five[3]), ping('pongme 2!'),
    \'pong:pongme 2!', cont($five[4]), \('text:' . join '', @five));

echoes(0, 'autobahn 5.19: text in five, two pings', @nineteen);
echoes('frames', 'autobahn 5.20: the same by frames', @nineteen);
echoes(1, 'eio 105: the same byte by byte', @nineteen);
echoes(0, 'eio 105: binary in four, some of them empty', text($header),
    binary_(''), cont_("\0\1"), cont_(''), cont("\xff"),
    \"text:$header", \"binary:\0\1\xff");
echoes(0, 'eio 105: text in one byte each',
    text_(substr $hello, 0, 1), map({ cont_($_) } split //, substr $hello, 1),
    cont(''), \$echo);

# 7: the Close handshake.

echoes(0, 'autobahn 7.1.1: a message, then Close', text($hello), \$echo);
echoes(0, 'autobahn 7.1.2: two Closes',
    closing(code(1000)), closing(''));
echoes(0, 'autobahn 7.1.3: a ping after it', closing(code(1000)), ping(''));
echoes(0, 'autobahn 7.1.4: text after it',
    closing(code(1000)), text($hello));
echoes('frames', 'autobahn 7.1.4: in writes of their own',
    closing(code(1000)), text($hello), ping('x'), text($hello));
echoes(0, 'autobahn 7.1.5: within a message', text_($two[0]),
    closing(code(1000)), cont($two[1]));
echoes(0, 'autobahn 7.1.6: 256 KB, Close, ping', text(sized(262144)),
    closing(code(1000)), ping(''));
echoes(0, 'autobahn 7.1.6: Close, then 4 MB of what need not be frames',
    closing(code(1000)), "\xff" x 4_000_000);
echoes(0, 'RFC 6455 7.1.1: Close, then 4 MB in frames',
    closing(code(1000)), text(sized(40_000)) x 100);

for my $bad (["\xff" x 2_000_000, 'no frames'],
             [text(sized(20_000)) x 100, 'frames'])
{
    says(0, "RFC 6455 7.1.7: failed, then 2 MB of $bad->[1]", 'close:1002',
        frame(3, ''), $bad->[0]);
}

says(0, 'autobahn 7.3.1: Close without a payload', 'close', closing(''));
refuses(0, 'autobahn 7.3.2: of one byte', closing('a'));
echoes(0, 'autobahn 7.3.3: of a code', closing(code(1000)));
echoes(0, 'autobahn 7.3.4: with a reason',
    closing(code(1000, 'Hello World!')));
echoes(0, 'autobahn 7.3.5: with a reason of 123',
    closing(code(1000, '*' x 123)));
echoes(1, 'autobahn 7.3.5: byte by byte', closing(code(1000, '*' x 123)));
refuses(0, 'autobahn 7.3.6: with a reason of 124',
    closing(code(1000, '*' x 124)));
refuses(0, 'RFC 6455 5.5: Close of 64 bits', closing('', len => 70000));

my $bad = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
refuses(0, 'autobahn 7.5.1: a reason that is not UTF-8',
    closing(code(1000, $bad)));
refuses(0, 'autobahn 7.5.1: nor at its end', closing(code(1000, "x\xce")));
refuses(0, 'autobahn 7.5.1: before its end',
    closing(code(1000, "\xff"), len => 100));

my $n;
says(0, "autobahn 7.7." . ++$n . ": code $_", "close:$_", closing(code($_)))
    for 1000 .. 1003, 1007 .. 1011, 3000, 3999, 4000, 4999;
says(0, "RFC 6455 7.4: code $_, of the registry", "close:$_",
    closing(code($_))) for 1012 .. 1014;

$n = 0;
refuses(0, "autobahn 7.9." . ++$n . ": code $_", closing(code($_, 'why')))
    for 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999;
refuses(0, "RFC 6455 7.4: code $_", closing(code($_)))
    for 1, 1015, 1017, 1099;
refuses(0, "autobahn 7.13.1: code 5000", closing(code(5000)));
refuses(0, "autobahn 7.13.2: code 65535", closing(code(65535)));

$t->finish;
