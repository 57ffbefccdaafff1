#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Payloads of revision 3, byte for byte: text with lengths in UTF-16, base64,
# binary for clients that read it, and what keeps clients 1.x going, which
# take text for UTF-8 encoded twice.  GET and POST on different workers.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Payload qw/text3 binary3 units/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

$t->run_echo(eio => '3 4', socketio => 'socketio_namespaces / *;',
    server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_eio 3;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_max_payload 1000;
        }
        location /raw/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_raw;
            socketio_hook_batch off;
        }
        location = /_raw {
            internal;
            default_type application/json;
            if ($socketio_type = message) {
                return 200 '{"op":"send",$socketio_message}';
            }
            return 204;
        }
CONF

my $text = 'text/plain; charset=UTF-8';
my $octets = 'application/octet-stream';
my $ph = '{"_placeholder":true,"num":0}';
my ($euro, $smile) = ("\xe2\x82\xac", "\xf0\x9f\x98\x80");

sub session (%o) { return $t->connected('polling', eio => 3, %o) }

# Without Socket.IO: what is posted comes back as it is.
sub raw (%o) { return $t->polling(eio => 3, path => '/raw/',
    get_worker => 0, post_worker => 1, %o) }

# One GET: its body, after its type has been looked at.
sub answers ($p, $type, $body, $name) {
    my $r = $p->get;
    is($r->{headers}{'content-type'}, $type, "$name: type");
    is(unpack('H*', $r->{body}), unpack('H*', $body), "$name: bytes");
    is($r->{headers}{'content-length'}, length $body, "$name: length");
    like($r->{headers}{'cache-control'} // '', qr/\bno-store\b/,
        "$name: not cached");
}

sub posts ($p, $body, $name, %o) {
    my $r = $p->post($body, %o);
    is($r->{status}, 200, "$name: POST");
    is($r->{body}, 'ok', "$name: ok");
    is($r->{headers}{'content-type'}, 'text/html', "$name: type of ok");
}

my $p = session();
$p->get_start;
ok($p->parked(0.3), 'eio 43: P3 GET parks');
posts($p, '7:42["m"]', 'eio 41');
answers($p, $text, '10:42["echo"]', 'eio 43: released');

posts($p, '9:42["m",1]9:42["m",2]9:42["m",3]', 'eio 45');
is_deeply([$p->collect(3)], [map { "42[\"echo\",$_]" } 1 .. 3],
    'eio 45: three messages, in order');

# Without an id of the socket: a room of all.
sub push_to_all (@names) {
    $t->publish([map { { all => \1, event => $_ } } @names], worker => 1);
}

push_to_all('a', 'b', 'c');
answers($p, $text, '7:42["a"]7:42["b"]7:42["c"]',
    'eio 44: all that waits in one body');

# A length counts UTF-16.
for my $c (['', 0], ["\xc3\xa9", 1], [$euro, 1], [$smile, 2],
    ["$euro$smile", 3], ["a$smile" . "b$euro", 5])
{
    my ($s, $n) = @$c;
    my $name = "eio 79: $n units";

    my $r = raw();
    posts($r, ($n + 1) . ":4$s", "$name in") if $n;
    answers($r, $octets, binary3("4$s"), "$name, to XHR2") if $n;
    $r = raw(b64 => 1);
    posts($r, ($n + 1) . ":4$s" . ($n + 2) . ":4x$s", "$name in, b64");
    is_deeply([$r->collect(2)], ["4$s", "4x$s"], "$name, b64 out");
}

my $r;

# JSON as ASCII, for all and also for clients that could read binary.
for my $b64 (0, 1) {
    my $name = $b64 ? 'b64' : 'XHR2';
    my $s = session(b64 => $b64);
    posts($s, text3("42[\"m\",\"\xc3\xa9$euro$smile\x7f\"]"), "eio 93 $name");
    answers($s, $text, text3("42[\"echo\",\"\\u00e9\\u20ac\\ud83d\\ude00\x7f"
        . '"]'), "eio 93: escaped, pairs of surrogates, $name");

    # A 4 of units, not of bytes, in what a client sends.
    posts($s, "8:42[\"$smile\"]8:42[\"$smile\"]", "eio 79 $name");
    is_deeply([$s->collect(2)], ['42["echo"]', '42["echo"]'],
        "eio 79: both delivered, $name");

    posts($s, "12:42[\"m\",\"\xff\xc3\"]", "eio 63 $name");
    answers($s, $text, '25:42["echo","\ufffd\ufffd"]',
        "eio 63: what is not UTF-8 counts as U+FFFD, $name");
}

# The batch of the dossier: text and binary to who reads binary.
$r = raw();
posts($r, text3("4a$euro$smile", \"\x00\x04\xff", '4z'), 'eio 80');
my @got;
for (1 .. 3) {
    my $res = $r->get;
    push @got, Test::SocketIO::Payload::packets($r, $res);
    last if @got == 3;
}
is_deeply(\@got, ["4a$euro$smile", 'bAAT/', '4z'], 'eio 80: all of it');

# In one answer: the three are there before the GET.
for my $case (
    ['eio 80', {}, $octets, "\x00\x09\xff4a$euro$smile"
        . "\x01\x04\xff\x04\x00\x04\xff\x00\x02\xff4z"],
    ['eio 82', { b64 => 1 }, $text, "5:4a$euro${smile}6:b4AAT/2:4z"])
{
    my ($name, $how, $type, $body) = @$case;
    my $s = raw(%$how);
    $t->publish([
        { op => 'send', all => \1, text => "a\x{20ac}\x{1f600}" },
        { op => 'send', all => \1, binary => 'AAT/' },
        { op => 'send', all => \1, text => 'z' }]);
    answers($s, $type, $body, "$name: text and binary");

    $t->publish({ op => 'send', all => \1, text => 'plain' });
    answers($s, $text, '6:4plain', 'eio 81: text alone');
}

# Socket.IO's own binary.
my %binary = (
    'eio 80, XHR2' => [{}, $octets, "\x00\x04\x02\xff451-[\"echo\",$ph]"
        . "\x01\x04\xff\x04\x00\x04\xff"],
    'eio 82, b64' => [{ b64 => 1 }, $text,
        "42:451-[\"echo\",$ph]6:b4AAT/"]);
for my $name (sort keys %binary) {
    my ($how, $type, $body) = @{$binary{$name}};
    my $s = session(%$how);
    posts($s, text3("451-[\"m\",$ph]", \"\x00\x04\xff"), $name);
    answers($s, $type, $body, "$name: header and attachment together");
    posts($s, binary3("451-[\"m\",$ph]", \"\x00\x04\xff"), $name,
        type => $octets);
    answers($s, $type, $body, "$name: posted as a binary payload");
}

# 83, 84: both forms of binary from a client of either kind.
for my $b64 (0, 1) {
    my $name = $b64 ? 'b64' : 'XHR2';
    $r = raw(b64 => $b64);
    posts($r, "\x00\x05\xff4a$euro\x01\x04\xff\x04\x01\x02\x03",
        "eio 83, $name", type => $octets);
    is_deeply([$r->collect(2)], ["4a$euro", 'bAQID'],
        "eio 83: text and bytes, $name");
    posts($r, '6:b4AAT/', "eio 84, $name");
    is_deeply([$r->collect(1)], ['bAAT/'], "eio 84: delivered, $name");
    posts($r, "\x00\x06\xffb4AAT/", "eio 84, $name", type => $octets);
    is_deeply([$r->collect(1)], ['bAAT/'],
        "eio 84: base64 in a binary payload, $name");
    posts($r, '2:b4', "eio 84, $name");
    is_deeply([$r->collect(1)], ['b'], "eio 84: no bytes, $name");
    posts($r, "\x01\x01\xff\x04", "eio 83, $name", type => $octets);
    is_deeply([$r->collect(1)], ['b'], "eio 83: no bytes, $name");
    posts($r, '1:4', "eio 47, $name");
    is_deeply([$r->collect(1)], ['4'], "eio 47: empty message, $name");
}

# 85: several digits.
$r = raw();
for my $n (9, 10, 99, 100, 12345) {
    my $bytes = join '', map { chr $_ % 256 } 1 .. $n - 1;
    my $digits = join '', map { chr } split //, $n;
    posts($r, "\x01$digits\xff\x04$bytes", "eio 85: $n in",
        type => $octets);
    answers($r, $octets, "\x01$digits\xff\x04$bytes", "eio 85: $n out");
}
posts($r, "\x01\x00\x00\x02\xff\x04x", 'leading zeros', type => $octets);
is($r->next_packet, 'beA==', 'leading zeros are a number, too');
posts($r, '002:4x', 'leading zeros');
is($r->next_packet, '4x', 'leading zeros are a number, too');

# 86: nothing is harmless.
for my $nothing (['0:', 'text/plain'], ['0:0:0:', 'text/plain'],
    ['', $octets], ['0:' x 10_000, 'text/plain'])
{
    my ($body, $type) = @$nothing;
    posts($p, $body, 'eio 86: ' . length($body) . " bytes of $type",
        type => $type);
}
posts($p, '0:7:42["m"]0:', 'eio 86: empty packets around one');
answers($p, $text, '10:42["echo"]', 'eio 86: session lives');

# 92: the very type.
for my $type ("$octets; charset=utf-8", "$octets;charset=UTF-8",
    'Application/Octet-Stream', "x$octets", 'text/plain', undef)
{
    posts($p, '7:42["m"]', 'eio 92: ' . ($type // 'none'), type => $type);
    answers($p, $text, '10:42["echo"]', 'eio 92: read as text');
}

# A namespace is no JSON: XHR2 gets binary, others the count of UTF-16.
my $nsp = "/caf\xc3\xa9$smile";
my $s = session();
posts($s, text3("40$nsp,"), 'namespace with characters');
answers($s, $octets, binary3("40$nsp,"), 'eio 93: XHR2, the name in binary');
posts($s, text3("42$nsp,[\"m\",\"\xc3\xa9\"]"), 'an event there');
answers($s, $octets, binary3("42$nsp,[\"echo\",\"\\u00e9\"]"),
    'eio 93: XHR2, its JSON escaped all the same');
$s = session(b64 => 1);
posts($s, text3("40$nsp,"), 'namespace with characters, b64');
answers($s, $text, "10:40$nsp,", 'eio 79: b64, the name in UTF-16 units');
posts($s, text3("42$nsp,[\"m\",\"\xc3\xa9\"]"), 'an event there');
answers($s, $text, text3("42$nsp,[\"echo\",\"\\u00e9\"]"),
    'eio 79: b64, JSON escaped');

# b64 counts at the handshake, not afterwards.
$s = session();
$s->{b64} = 1;
posts($s, text3("451-[\"m\",$ph]", \'x'), 'b64 on a later POST');
$s->{b64} = 0;
is($s->get->{headers}{'content-type'}, $octets, 'changes nothing');
$s = session(query => '&b64=');
posts($s, text3("451-[\"m\",$ph]", \'x'), 'b64 without a value');
is($s->get->{headers}{'content-type'}, $octets, 'is none');

# Sizes and pieces.
$s = session();
posts($s, text3("42[\"m\",\"$euro$smile\"]"), 'eio 48: by three bytes',
    slow => 3);
is($s->next_packet, '42["echo","\u20ac\ud83d\ude00"]', 'eio 48: together');
posts($s, binary3("451-[\"m\",$ph]", \"\0\1\xff"), 'eio 48: byte by byte',
    slow => 1, type => $octets);
is_deeply([$s->collect(2)], ["451-[\"echo\",$ph]", 'bAAH/'],
    'eio 48: together');
posts($s, undef, 'eio 48: chunked',
    chunked => ['1', '1:42["m",', "\"\xc3", "\xa9\"", ']']);
is($s->next_packet, '42["echo","\u00e9"]', 'eio 48: together');

my $long = "\xe4\xb8\xad\xf0\x9f\x98\x80" x 130_000;
my $body = text3("42[\"m\",\"$long\"]");
cmp_ok(length $body, '>', 900_000, 'eio 49: a large body');
posts($s, $body, 'eio 49: split within characters', slow => 65_537);
my $res = $s->get(10);
is($res->{headers}{'content-length'}, length $res->{body},
    'eio 71: Content-Length');
my $escaped = '\u4e2d\ud83d\ude00' x 130_000;
ok($res->{body} eq text3("42[\"echo\",\"$escaped\"]"), 'eio 49: intact');

# The limit is one of bytes of the body.
$s = session(path => '/small/');
my $fit = '996:42["m","' . 'x' x (996 - 10) . '"]';
is(length $fit, 1000, 'a body of socketio_max_payload');
posts($s, $fit, 'eio 61: exactly that');
is($s->next_packet, '42["echo","' . 'x' x 986 . '"]', 'eio 61: delivered');
$s->get_start;
ok($s->parked(0.2), 'GET parked');
is($s->post("$fit ", conn => $t->connect)->{status}, 413,
    'eio 61: one byte more');
is($s->post(undef, chunked => ['996:42["m","', ('x' x 100) x 12],
    conn => $t->connect)->{status}, 413, 'eio 62: a chunked one');
is($s->post("\x01\x01\x00\x00\x00\xff\x04" . 'x' x 999, type => $octets,
    conn => $t->connect)->{status}, 413, 'eio 61: a binary one');
ok($s->parked(0.2), 'eio 61: GET still parked');
posts($s, '7:42["m"]', 'eio 61: session lives');
is($s->next_packet, '42["echo"]', 'eio 61: and works');

$t->finish;
