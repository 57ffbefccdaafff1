#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Past vulnerabilities of websocket implementations, replayed: opening
# handshakes without what they should have, frames that break RFC 6455, lengths
# that lie, floods of fragments and of control frames, deflate bombs.  Fails if
# one of them costs more than its own connection: a worker, its time, its
# memory, or a byte of what it had in memory before.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Attack;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;
*deflated = \&Test::SocketIO::WebSocket::deflated;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);

$t->run_echo(server => QUICK . <<'CONF');
        location /deflate/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_deflate on threshold=1;
        }
CONF

besieged($t);

sub ends ($id, $what, $code, $bytes, %o) {
    my $w = $t->connected('websocket', %o);
    $w->send_raw($bytes);
    is_deeply([$w->transcript], ["close:$code", 'eof'], "$id: $what");
}

# Reserved bits, and all else that is wrong with a frame.
ends('CVE-2022-21676', "reserved bits $_", 1002, frame(1, '42["m"]',
    rsv => $_)) for 1 .. 7;
ends('CVE-2022-21676', "reserved bits 4 on opcode $_", 1002,
    frame($_, '', rsv => 4)) for 0, 2, 8, 9, 10;
ends('CVE-2022-21676', "opcode $_", 1002, frame($_, 'x')) for 3 .. 7, 11 .. 15;
ends('CVE-2022-21676', 'no mask', 1002, frame(1, '42["m"]', mask => 0));
ends('CVE-2022-21676', "a long control frame $_", 1002,
    frame($_, 'x' x 126)) for 8 .. 10;
ends('CVE-2022-21676', "a part of a control frame $_", 1002,
    frame($_, 'x', fin => 0)) for 8 .. 10;
ends('CVE-2022-21676', 'nothing to go on with', 1002, frame(0, 'x'));
ends('CVE-2022-21676', 'a message inside of another', 1002,
    frame(1, 'x', fin => 0) . frame(1, 'x'));
ends('CVE-2022-21676', 'one byte of a code', 1002, frame(8, "\x03"));
ends('CVE-2022-21676', "code $_", 1002, frame(8, pack 'n', $_))
    for 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535;
ends('CVE-2022-21676', 'a reason that is not UTF-8', 1002,
    frame(8, pack('n', 1000) . "\xff"));
unharmed('CVE-2022-21676');

# A length in 63 bits is compared before anything is done for it.
{
    my $before = cpu();
    ends('CVE-2025-1695', "a length of $_->[0]", $_->[1],
        "\x81\xff" . pack('Q>', $_->[0]) . 'mask' . 'x' x 100)
        for [1_000_001, 1009], [0xffffffff, 1009], [1 << 32, 1009],
            [(1 << 63) - 1, 1009], [1 << 63, 1002], [~0, 1002];
    ends('CVE-2025-1695', 'a length in more bytes than needed', 1002,
        "\x81\xff" . pack('Q>', 7) . "\0\0\0\0" . '42["m"]');
    cmp_ok(cpu() - $before, '<', 2, 'CVE-2025-1695: without spinning');
}
unharmed('CVE-2025-1695');

# Any part of the opening handshake may be missing, or there twice.
{
    my %all = (Upgrade => 'websocket', Connection => 'Upgrade',
        'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version' => '13');
    my @names = sort keys %all;
    my @bad;

    for my $set (0 .. 2 ** @names - 1) {
        my @h = map { $set & 1 << $_ ? ($names[$_] => $all{$names[$_]}) : () }
            0 .. $#names;
        for my $host ([], [host => undef]) {
            my $r = $t->http('GET', '/socket.io/?EIO=4&transport=websocket',
                headers => \@h, @$host);
            my $expect = @$host || $set != 2 ** @names - 1 ? 400 : 101;
            push @bad, "@h @$host: " . ($r ? $r->{status} : 'none')
                if !$r || $r->{status} != $expect;
        }
    }

    for my $h ([Upgrade => ''], [Upgrade => ','], [Upgrade => 'websocket,'],
        [Upgrade => 'h2c'], [Upgrade => 'x' x 7000], [Connection => ''],
        ['Sec-WebSocket-Key' => ''], ['Sec-WebSocket-Key' => '=' x 24],
        ['Sec-WebSocket-Key' => 'A' x 7000], ['Sec-WebSocket-Version' => ''],
        ['Sec-WebSocket-Version' => '9' x 7000])
    {
        my $r = $t->http('GET', '/socket.io/?EIO=4&transport=websocket',
            headers => { %all, @$h });
        push @bad, "@$h: " . ($r ? $r->{status} : 'none')
            if !$r || $r->{status} != 400;
    }

    my $many = [(map { ("X-$_" => 'x' x 80) } 1 .. 1000), %all];
    my $r = $t->http('GET', '/socket.io/?EIO=4&transport=websocket',
        headers => $many);
    push @bad, 'a thousand headers: ' . ($r ? $r->{status} : 'none')
        if $r && $r->{status} != 400;
    $r = $t->http('GET', '/socket.io/?EIO=4&transport=websocket',
        headers => [(map { ("X-$_" => 'x') } 1 .. 150), %all]);
    push @bad, 'headers enough: ' . ($r ? $r->{status} : 'none')
        if !$r || $r->{status} != 101;

    ok(!@bad, 'CVE-2024-37890: handshakes without this or that') or diag(@bad);
}
unharmed('CVE-2024-37890');

# Lists in headers, which a regular expression may take years for.
{
    my $before = cpu();
    my @bad;

    for my $value ('b' . ' ' x 7000 . 'x', ',' x 7000, ' ,' x 3500,
        'a,' x 3500, '"' . '\\' x 7000, ('(' x 7000), "a\t" x 3500)
    {
        for my $name ('Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions',
            'Connection')
        {
            my $w = $t->websocket(headers => { $name => $name eq 'Connection'
                ? "$value, Upgrade" : $value },
                path => '/deflate/?EIO=4&transport=websocket');
            push @bad, $name . $w->status if $w->status !~ /^(?:101|400)$/
                || $w->{res}{headers}{'sec-websocket-protocol'};
            $w->{conn}->close;
        }
    }

    ok(!@bad, 'CVE-2021-32640: lists without end in headers') or diag("@bad");
    cmp_ok(cpu() - $before, '<', 2, 'CVE-2021-32640: in linear time');
}
unharmed('CVE-2021-32640');

# What is sent was written before: echoes of all lengths around those where
# the form of a frame changes, and Close frames.
{
    my $w = $t->connected('websocket');
    my @bad;

    for my $n (0 .. 125) {
        my $bytes = chr($n) x $n;
        $w->send_frame(9, $bytes);
        my $f = $w->frame // last;
        push @bad, "pong of $n" if $f->{op} != 10 || $f->{payload} ne $bytes;
    }

    for my $n (10 .. 150, 65500 .. 65560) {
        my $text = '42["' . '*' x $n . '"]';
        $w->send('42["m","' . '*' x $n . '"]');
        my $f = $w->frame // last;
        push @bad, "echo of $n"
            if $f->{payload} ne '42["echo","' . '*' x $n . '"]';
    }

    is($w->closed(0), undef, 'CVE-2026-45736: the session lives');
    for my $bytes ('', pack('n', 1000), pack('n', 4999) . 'x' x 123) {
        my $c = $t->connected('websocket');
        $c->send_frame(8, $bytes);
        my $f = $c->frame;
        push @bad, 'close: ' . unpack 'H*', $f->{payload}
            if $f->{payload} ne substr $bytes, 0, 2;
    }

    ok(!@bad, 'CVE-2026-45736: not a byte of other memory') or diag("@bad");
}

# Parts of one byte or none cost more than they carry.
{
    ends('CVE-2026-48779', 'more than 1024 parts', 1008,
        frame(1, '4', fin => 0) . frame(0, 'x', fin => 0) x 1024);
    ends('CVE-2026-48779', 'empty parts', 1008,
        frame(1, '', fin => 0) . frame(0, '', fin => 0) x 1024);

    my $text = '42["' . 'x' x 1000 . '"]';
    my @w = map { $t->connected('websocket') } 1 .. 40;
    my $before = rss();

    for my $w (@w) {
        my $i = 0;
        $w->send_raw(join '', map { frame($i++ ? 0 : 1, $_, fin => 0) }
            split //, $text);
    }

    $_->send_frame(9, 'all read') for @w;
    is(scalar(grep { ($_->frame // {})->{payload} eq 'all read' } @w), 40,
        'CVE-2026-48779: a thousand parts are read');
    cmp_ok(rss() - $before, '<', 40 * 64 * 1024,
        'CVE-2026-48779: they are kept as one');
    $_->send_frame(0, '') for @w;
    is(scalar(grep { ($_->next_packet // '') eq '42["echo"]' } @w), 40,
        'CVE-2026-48779: and are a message in the end');
    $_->close for @w;
}
unharmed('CVE-2026-48779');

# A message without end counts while it comes, and has a deadline.
{
    ends('CVE-2026-62389', 'too much without FIN', 1009,
        frame(1, 'x' x 65000, fin => 0)
        . frame(0, 'x' x 65000, fin => 0) x 16);
    ends('CVE-2026-62389', 'too much is announced', 1009,
        frame(1, 'x' x 65000, fin => 0)
        . frame(0, '', fin => 0, len => 950_000));

    for my $what ('parts of a message', 'bytes of a frame') {
        my $w = quick('websocket');
        my $n = 0;

        $w->send_raw($what =~ /parts/ ? frame(1, '4', fin => 0)
            : "\x81\xfe\xff\xff" . 'mask');
        my $end = eventually(sub {
            $w->send_raw($what =~ /parts/ ? frame(0, 'x', fin => 0) : 'x');
            return defined $w->closed(0.02);
        }, 10);
        ok($end, "CVE-2026-62389: $what without end do not stand for a pong");
    }
}
unharmed('CVE-2026-62389');

# Control frames between the parts of a message, by the thousand.
{
    my $w = $t->connected('websocket');
    my $before = rss();
    my $pings = frame(9, 'x' x 125) x 500;

    $w->send_frame(1, '42["m', fin => 0);
    $w->send_raw($pings . frame(10, 'x' x 125) x 500) for 1 .. 40;
    $w->send_frame(0, '"]');

    my $f;
    1 while ($f = $w->frame) && $f->{op} == 10;
    is($f && $f->{payload}, '42["echo"]',
        'CVE-2026-48779: 40000 control frames inside of a message');
    cmp_ok(rss() - $before, '<', 4 * 1024 * 1024,
        'CVE-2026-48779: which nobody remembers');
    $w->close;
}

# Deflate: all that is small on the wire only.
my $bombs = 'CVE-2018-1000518, CVE-2026-1526, CVE-2026-54490, CVE-2026-54464,'
    . ' CVE-2026-83599';
{
    my %o = (deflate => 1, path => '/deflate/?EIO=4&transport=websocket');
    my $before = rss();
    my $cpu = cpu();

    ends($bombs, "$_ MB in one frame", 1009,
        frame(1, deflated('x' x ($_ * 1_000_000 + 1)), rsv => 4), %o)
        for 1, 10, 50;

    my $bytes = deflated('x' x 20_000_000);
    my $i = 0;
    ends($bombs, 'in small parts', 1009, join('', map {
        frame($i++ ? 0 : 1, $_, rsv => $i == 1 ? 4 : 0, fin => 0)
    } unpack '(a100)*', $bytes) . frame(0, ''), %o);

    ends($bombs, 'stored and deflated at once', 1009,
        frame(2, deflated("\0" x 2_000_000), rsv => 4), %o);

    cmp_ok(rss() - $before, '<', 16 * 1024 * 1024, "$bombs: not inflated");
    cmp_ok(cpu() - $cpu, '<', 3, "$bombs: nor much worked for");

    my $w = $t->connected('websocket', %o);
    $w->send_raw(frame(1, deflated('42["m","' . 'x' x 900_000 . '"]'),
        rsv => 4) x 20);
    my $end = $w->closed(20);
    ok(defined $end, "$bombs: many, each below the limit") or diag('open');
}
unharmed($bombs);

{
    my @bad;
    my $offer = 'permessage-deflate';

    for my $bits ('7', '8', '9', '15', '16', '0', '', '"8"', '08', '-1',
        '99999999999999999999', '1e1', 'x')
    {
        for my $name (qw/server_max_window_bits client_max_window_bits/) {
            my $w = $t->websocket(deflate => "$offer; $name=$bits",
                path => '/deflate/?EIO=4&transport=websocket');
            my $e = $w->{extension} // '';
            push @bad, "$name=$bits: " . $w->status if $w->status !~ /101|400/;
            push @bad, "$name=$bits: $e" if $e ne '' && (!$w->{deflate}
                || $e =~ /bits=(\d+)/ && ($1 < 9 || $1 > 15)
                || $bits !~ /^"?(?:8|9|15)"?$/);
            next if $w->status != 101;
            $w->open_packet;
            $w->send('40');
            push @bad, "$name=$bits: no answer" if !$w->recv;
            $w->{conn}->close;
        }
    }

    ok(!@bad, 'CVE-2026-2229: windows that zlib does not know')
        or diag(join "\n", @bad);

    my %o = (deflate => 1, path => '/deflate/?EIO=4&transport=websocket');
    for my $bytes ('', "\0", "\xff", "\x00\x00\x00\xff\xff" x 3, "\x07",
        'x' x 100, substr(deflated('42["m"]'), 0, 3), "\x01\xff\xff\0\0")
    {
        my $w = $t->connected('websocket', %o);
        $w->send_frame(1, $bytes, rsv => 4);
        my $end = $w->closed;
        push @bad, unpack('H*', $bytes) . ': ' . ($end // 'open')
            if ($end // '') !~ /^(?:1002|1007|)$/;
    }

    ok(!@bad, 'CVE-2026-2229, CVE-2018-1000518: what is not deflated, '
        . 'or is nothing') or diag(join "\n", @bad);
}
unharmed('CVE-2026-2229');

clean();
$t->finish;
