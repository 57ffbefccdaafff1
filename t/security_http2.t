#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# HTTP/2 as no client writes it: headers that would be another request in
# HTTP/1, bodies of another length than they say, websockets, streams that are
# reset as fast as they are made.  Fails if one of them is taken for something
# else than it is, or takes more with it than its stream and its session.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Attack;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

if (qx{${\ Test::SocketIO::nginx() } -V 2>&1} !~ /http_v2_module/) {
    plan(skip_all => 'nginx is without HTTP/2');
}

my $port = $t->port(1);

$t->run_echo(server => QUICK . "listen 127.0.0.1:$port http2 reuseport;",
    socketio => 'socketio_connect_timeout 2s;');
besieged($t);

my $q = 'EIO=4&transport=polling';
my %status = (0x88, 200, 0x89, 204, 0x8a, 206, 0x8b, 304, 0x8c, 400, 0x8d, 404,
    0x8e, 500);

sub h2frame ($type, $flags, $stream, $payload = '') {
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}

sub text ($s) {
    my $n = length $s;
    return pack('C', $n) . $s if $n < 127;
    $n -= 127;
    my $out = "\x7f";
    while ($n >= 128) {
        $out .= chr($n % 128 + 128);
        $n = int $n / 128;
    }
    return $out . chr($n) . $s;
}

sub fields (@h) {
    my $out = '';
    while (my ($k, $v) = splice @h, 0, 2) {
        $out .= "\0" . text($k) . text($v);
    }
    return $out;
}

sub basic ($method, $path) {
    return (':method', $method, ':scheme', 'http', ':authority',
        "127.0.0.1:$port", ':path', $path);
}

sub h2 () {
    my $c = $t->connect(port => $port);
    $c->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . h2frame(4, 0, 0));
    return { c => $c, next => 1 };
}

# Sends a request: its stream.
sub ask ($h, $fields, $body = undef, %o) {
    my $id = $h->{next};
    $h->{next} += 2;
    $h->{c}->send(h2frame(1, defined $body || $o{open} ? 4 : 5, $id, $fields)
        . (defined $body ? h2frame(0, $o{open} ? 0 : 1, $id, $body) : ''));
    return $id;
}

# The status of a stream, "reset", or "gone" with the connection, and its body.
sub answer ($h, $id, $timeout = 5) {
    my ($status, $body) = ('', '');

    my $r = $h->{c}->_until($timeout, sub {
        my $c = $h->{c};
        while (length $c->{in} >= 9) {
            my ($n, $type, $flags, $stream)
                = unpack 'NCCN', "\0" . substr $c->{in}, 0, 9;
            return undef if length $c->{in} < 9 + $n;
            my $p = substr $c->{in}, 9, $n;
            substr $c->{in}, 0, 9 + $n, '';
            return 'gone' if $type == 7;
            next if $stream != $id;
            return 'reset' if $type == 3;
            if ($type == 1) {
                $p =~ s/^\x20//;
                $status = $status{ord $p} // substr $p, 2, 3;
            }
            $body .= $p if $type == 0;
            return $status if $flags & 1;
        }
        return undef;
    });

    return ($r // ($h->{c}{eof} ? 'gone' : 'none'), $body);
}

sub session ($h) {
    my ($status, $body) = answer($h, ask($h, fields(basic('GET',
        "/socket.io/?$q"))));
    my ($sid) = $body =~ /"sid":"([^"]+)"/;
    return $sid;
}

my $h = h2();
my $sid = session($h);
ok($sid, 'a session by HTTP/2');
my $url = "/socket.io/?$q&sid=$sid";
is((answer($h, ask($h, fields(basic('POST', $url)), '40')))[1], 'ok', 'a POST');
like((answer($h, ask($h, fields(basic('GET', $url)))))[1], qr/^40\{/, 'a GET');

# What is no request, or would be two
my @basic = basic('POST', $url);
my $smuggled = "GET /_status HTTP/1.1\r\nHost: x\r\n\r\n";
for my $case (
    ['no path', [@basic[0 .. 5]]],
    ['no method', [@basic[2 .. 7]]],
    ['two paths', [@basic, ':path', '/_status']],
    ['two methods', [@basic, ':method', 'GET']],
    ['a pseudo header that is none', [@basic, ':transport', 'websocket']],
    ['a path of two', [@basic[0 .. 5], ':path', "$url HTTP/1.1\r\nX: y"]],
    ['a path without a slash', [@basic[0 .. 5], ':path', 'socket.io/']],
    ['an empty path', [@basic[0 .. 5], ':path', '']],
    ['a method of two', [':method', "POST /_status HTTP/1.1\r\nX: y",
        @basic[2 .. 7]]],
    ['a name in capitals', [@basic, 'X-A', 'b']],
    ['a name with a colon', [@basic, 'a:b', 'c']],
    ['a name with a break', [@basic, "a\r\nb", 'c']],
    ['a value with a break', [@basic, 'a', "b\r\n\r\n$smuggled"]],
    ['a value with a zero', [@basic, 'a', "b\0"]],
    ['a length that is none', [@basic, 'content-length', 'x']],
    ['two lengths', [@basic, 'content-length', 1, 'content-length', 2]],
    ['too much', [@basic, 'content-length', 1]],
    ['too little', [@basic, 'content-length', 100]],
    ['a websocket', [basic('GET', '/socket.io/?EIO=4&transport=websocket'),
        'upgrade', 'websocket', 'connection', 'upgrade', 'sec-websocket-key',
        'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version', 13]],
    ['an upgrade', [basic('GET', $url =~ s/polling/websocket/r),
        'upgrade', 'websocket', 'sec-websocket-version', 13]],
    ['a CONNECT', [':method', 'CONNECT', ':protocol', 'websocket', @basic[2 .. 7],
        'sec-websocket-version', 13]])
{
    my ($what, $fields) = @$case;
    my $g = h2();
    my ($status, $body) = answer($g, ask($g, fields(@$fields), '42["m"]'));
    like($status, qr/^(?:400|405|reset|gone)$/, "$what is refused");
    unlike($body, qr/sessions/, "$what: nothing else is said");
}
{
    my $g = h2();
    my ($status) = answer($g, ask($g, fields(@basic, 'transfer-encoding',
        'chunked'), "7\r\n42[\"m\"]\r\n0\r\n\r\n"));
    like($status, qr/^(?:[245]\d\d|reset|gone)$/,
        'chunks are the body, if anything');
}
unharmed('what is no request');

# The session that all of them named may be gone; others are not.
$h = h2();
$sid = session($h);
$url = "/socket.io/?$q&sid=$sid";
answer($h, ask($h, fields(basic('POST', $url)), '40'));
like((answer($h, ask($h, fields(basic('GET', $url)))))[1], qr/^40/, 'another');
is((answer($h, ask($h, fields(basic('POST', $url), map { (cookie => "c$_=1") }
    1 .. 100), '42["m"]')))[0], 200, 'cookies in crumbs');
like((answer($h, ask($h, fields(basic('GET', $url)))))[1], qr/"echo"/, 'echo');

# Streams that are reset, as fast as can be: GETs that wait, POSTs that do not
# end, handshakes whose answer nobody wants.
for my $kind ('GET', 'POST', 'handshake', 'websocket') {
    my $g = h2();
    my @sids = map { session($g) } 1 .. 20;
    my $out = '';

    for my $n (0 .. 199) {
        my $path = "/quick/?$q" . ($kind =~ /^[GP]/
            ? '&sid=' . $sids[$n % 20] : '');
        $path =~ s/quick/socket.io/ if $kind =~ /^[GP]/;
        $path =~ s/polling/websocket/ if $kind eq 'websocket';
        my $post = $kind eq 'POST';
        $out .= h2frame(1, $post ? 4 : 5, $g->{next},
            fields(basic($post ? 'POST' : 'GET', $path)))
            . ($post ? h2frame(0, 0, $g->{next}, '4') : '')
            . h2frame(3, 0, $g->{next}, pack 'N', 8);
        $g->{next} += 2;
    }

    $g->{c}->send($out);
    answer($g, ask($g, fields(basic('GET', '/pid'))));
    $kind eq 'GET' ? $g->{c}->reset : $g->{c}->close;
    unharmed("$kind, reset 200 times");
}

clean(lingering => 1);
$t->finish;
