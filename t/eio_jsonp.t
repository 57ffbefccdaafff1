#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Long polling by scripts and forms, of both revisions.  Fails if an answer is
# no JavaScript, or another callback's; if what a form brings is decoded once
# too little or too often; if binary is written as anything but text.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Payload qw/text3 text4 form script/;

binmode Test::More->builder->$_, ':utf8' for qw/output failure_output/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

$t->run_echo(eio => '3 4', server => <<'CONF');
        location /raw/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_raw;
            socketio_hook_batch off;
            socketio_max_payload 2000;
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

my $page = { Referer => 'http://127.0.0.1:' . $t->port . '/' };
my $ph = '{"_placeholder":true,"num":0}';

sub bytes ($s) { utf8::encode($s); return $s }

sub session ($eio, %o) {
    return $t->connected('polling', eio => $eio, jsonp => 0, %o);
}

# Without Socket.IO: what is posted comes back as it is.
sub raw ($eio, %o) {
    return $t->polling(eio => $eio, path => '/raw/', jsonp => 0,
        get_worker => 0, post_worker => 1, %o);
}

# A payload of either revision, of bytes.
sub payload ($eio, @packets) {
    return $eio == 3 ? text3(@packets) : text4(@packets);
}

sub posts ($p, $body, $name, %o) {
    my $r = $p->post($body, %o);
    is($r->{status}, 200, "$name: POST");
    is($r->{body}, 'ok', "$name: ok");
}

# The index: digits, whatever stands between.
my $big = 2 ** 32 - 3;
for my $eio (3, 4) {
    for my $j (['0', '0'], ['7x8', '78'], ['', ''], ['abc', ''], ['007', '7'],
        ['1%5D(alert(1))//', '11'], ['%22%3E%3C9', '9'], ['-5', '5'],
        ['1.5', '15'], ['%EF%BC%91', ''], ["1%0A2", '12'], [$big, $big])
    {
        my ($given, $index) = @$j;
        my $r = $t->http('GET', "/socket.io/?EIO=$eio&transport=polling"
            . "&j=$given", headers => $page);
        my $name = "eio 95: j=$given, revision $eio";
        is($r->{status}, 200, $name);
        is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
            "$name: type");
        is($r->{headers}{'content-length'}, length $r->{body},
            "$name: length");
        ok(!exists $r->{headers}{'x-content-type-options'},
            "$name: browsers may run it");
        my ($got, $open) = script($r->{body});
        is($got, $index, "$name: callback");
        like($open, $eio == 3 ? qr/^\d+:0\{"sid":"/ : qr/^0\{"sid":"/,
            "eio 94, 100: $name: open packet");
    }

    for my $j ($big + 1, $big + 2, $big + 3, '9' x 30) {
        my $r = $t->http('GET', "/socket.io/?EIO=$eio&transport=polling"
            . "&j=$j", headers => $page);
        is($r->{status}, 400, "eio 95: j=$j is too large");
        is($r->{body}, '{"code":3,"message":"Bad request"}', 'code 3');
    }

    like($t->http('GET', "/socket.io/?EIO=$eio&transport=polling&j=1&j=2",
        headers => $page)->{body}, qr/^___eio\[2\]/, 'the last j counts');
}

like(session(3)->{res}{body}, qr/^___eio\[0\]\("\d+:0\{\\"sid\\":\\"
    [A-Za-z0-9_-]{20,}\\",\\"upgrades\\":\[\\"websocket\\"\],
    \\"pingInterval\\":25000,\\"pingTimeout\\":20000\}"\);$/x,
    'eio 94: byte for byte');

# What must not stand in a script, or not in a string of it.
my $odd = join '', map { chr } 0x01 .. 0x1d, 0x1f;
my %texts = (
    'U+2028 and U+2029' => "a\x{2028}b\x{2029}\x{2028}\x{2029}c",
    'their neighbours' => "\x{2027}\x{202a}\x{2020}\x{20a8}\x{e2}\x{80}",
    'quotes' => q(a"b'c"),
    'backslashes' => 'a\\b\\\\c\\n\\"',
    'an end of the script' => '"); alert(1); ("</script>',
    'controls' => $odd,
    'DEL and C1' => "\x7f\x{80}\x{9f}",
    'characters' => 'é€😀',
);

for my $eio (3, 4) {
    for my $name (sort keys %texts) {
        my $bytes = bytes($texts{$name});
        my $p = raw($eio);
        posts($p, form(payload($eio, "4$bytes")), "eio 96: $name");
        my $r = $p->get;
        my ($j, $got) = script($r->{body});
        ok(defined $got, "eio 96: $name, revision $eio: valid JavaScript");
        is($got // '', payload($eio, "4$bytes"), 'eio 96: the same text');
        unlike($r->{body}, qr/[\x00-\x1f]/, 'eio 96: no control character');
        is($r->{headers}{'content-length'}, length $r->{body},
            'eio 96: length');
    }
}

# The very bytes, where Node's server has two opinions of its own.
my $p = raw(4);
posts($p, form(bytes("4<\x{2028}/é\"\\\x08\t\x01")), 'eio 96');
is($p->body, bytes('___eio[0]("4<\u2028/é\"\\\\\b\t\u0001");'),
    'eio 96: no more escaped than JSON wants, and U+2028');
$p = raw(3);
posts($p, form(text3(bytes("4\x{2029}é"))), 'eio 96');
is($p->body, bytes('___eio[0]("3:4\u2029é");'),
    'eio 96, 79: the length is that of the text');

# Socket.IO to clients 1.x among them: ASCII, escaped twice.
$p = session(3);
posts($p, form(text3(bytes('42["m","é😀"]'))), 'eio 93');
is($p->body, '___eio[0]("31:42[\"echo\",\"\\\\u00e9\\\\ud83d\\\\ude00\"]");',
    'eio 93: JSON as ASCII');
$p = session(4);
posts($p, form(text4(bytes('42["m","é😀"]'))), 'eio 100');
is($p->body, bytes('___eio[0]("42[\"echo\",\"é😀\"]");'),
    'eio 100: revision 4 as it is');

# Forms.  (engine.io, 8): the unescaping is that of Node's server.
my %forms = (
    'd=4a%5Cnb%5C%5Cnc' => "4a\nb\\nc",
    'd=4a+b%2Bc' => '4a b+c',
    'd=4%2b' => '4+',
    'd=4%5C%5C%5Cn' => '4\\\\n',
    'd=4a%0Ab%0D%0Ac' => "4a\nb\r\nc",
    'd=4a%5Cb%5C' => '4a\\b\\',
    'd=4100%25%' => '4100%%',
    'd=4a%zz%4' => '4a%zz%4',
    'x=1&d=4m' => '4m',
    'd=4m&x=1' => '4m',
    '&&d=4m' => '4m',
    '%64=4m' => '4m',
    'd=4m%26d%3D4n' => '4m&d=4n',
    'd=4=' => '4=',
    'd=4%00' => "4\x00",
);

for my $form (sort keys %forms) {
    for my $eio (3, 4) {
        my $s = raw($eio);
        my $body = $eio == 4 ? $form : $form =~ s/\bd=|%64=/
            sprintf '%s%d:', $&, length $forms{$form}/er;
        posts($s, $body, "eio 97: $body");
        my ($j, $got) = script($s->body);
        is($got, payload($eio, $forms{$form}), "eio 97: $body");
    }
}

# What a client writes arrives.  (It does not escape a backslash before a
# newline, so that those two come as one.)
my $hard = bytes('4a\\n' . "\n" . '\\\\n\\' . " \n\n&=+%41 é\x{2028}");
for my $eio (3, 4) {
    my $s = raw($eio);
    posts($s, form(payload($eio, $hard)), "eio 97: a client's escapes");
    is((script($s->body))[1], payload($eio, $hard),
        "eio 97: revision $eio, both ways");
}

# Invalid UTF-8 in a form becomes U+FFFD, and counts as such.
for my $form ("4a\xffb", '4a%FFb') {
    my $s = raw(3);
    posts($s, "d=4:$form", 'eio 63');
    is((script($s->body))[1], "4:4a\xef\xbf\xbdb", 'eio 63: JSONP');
}

# No payload at all.
for my $eio (3, 4) {
    my $s = session($eio);
    for my $body ('', 'x=1', 'D=4x', 'dd=4x', '42["m"]', '&', '=4x', '%') {
        posts($s, $body, "eio 98: '$body', revision $eio");
    }
    ok($s->alive, 'eio 98: session lives');
    posts($s, form(payload($eio, '42["m",1]')), 'eio 98: afterwards');
    is($s->next_packet, '42["echo",1]', 'eio 98: and only that arrived');
}

# Any type, chunks, pieces.
for my $type ('text/plain', 'application/x-www-form-urlencoded;charset=UTF-8',
    undef)
{
    my $s = raw(3);
    posts($s, form(text3('4m')), 'type ' . ($type // 'none'), type => $type);
    is($s->next_packet, '4m', 'is a form all the same');
}
$p = raw(3);
posts($p, form(text3(bytes('4é😀'))), 'eio 48: byte by byte', slow => 1);
is($p->next_packet, bytes('4é😀'), 'eio 48: together');
posts($p, undef, 'eio 48: chunks that cut escapes',
    chunked => ['d', '=3', ':4', '%C', '3%', 'A9x']);
is($p->next_packet, bytes('4éx'), 'eio 48: together');

# The limit is one of bytes of the form.
my $fit = form(text3('4' . 'x' x 1990));
is(length $fit, 2000, 'eio 61: a form of socketio_max_payload') or diag $fit;
posts($p, $fit, 'eio 61: exactly that');
is($p->next_packet, '4' . 'x' x 1990, 'eio 61: arrives');
is($p->post("$fit&", conn => $t->connect)->{status}, 413,
    'eio 61: one byte more');
ok($p->alive, 'eio 61: session lives');

# Binary: text, whatever the client said of itself.
for my $eio (3, 4) {
    my $b = $eio == 3 ? 'b4' : 'b';

    for my $b64 (0, 1) {
        my $name = "eio 99: revision $eio, b64 $b64";
        my $s = session($eio, b64 => $b64);
        posts($s, form(payload($eio, "451-[\"m\",$ph]", \"\x00\x04\xff")),
            $name);
        my $r = $s->get;
        is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
            "$name: type");
        is((script($r->{body}))[1], payload($eio, "451-[\"echo\",$ph]",
            "${b}AAT/"), "$name: base64");
    }

    my $s = raw($eio);
    posts($s, form(payload($eio, "${b}AAT/", '4m', \'')), "eio 99: $eio");
    is_deeply([$s->collect(3)], ['bAAT/', '4m', 'b'], "eio 99: $eio, raw");
}

# Several packets: the separator of revision 4 is a control character.
for my $eio (3, 4) {
    my $s = raw($eio);
    $t->publish([map { { op => 'send', all => \1, text => $_ } }
        'a', "b\n", '"c"']);
    my $body = $s->body;
    is($body, $eio == 3 ? '___eio[0]("2:4a3:4b\n4:4\"c\"");'
        : '___eio[0]("4a\u001e4b\n\u001e4\"c\"");',
        "eio 100: several packets, revision $eio");
    posts($s, form(payload($eio, '4x', '4y', '4z')), 'eio 45');
    is_deeply([$s->collect(3)], ['4x', '4y', '4z'],
        "eio 45: several packets in, revision $eio");
}

# j of later requests changes nothing, as b64 does not.
$p = session(3, jsonp => 5);
$p->{j} = 9;
posts($p, form(text3('42["m"]')), 'another j');
like($p->body, qr/^___eio\[5\]\(/, 'the session keeps its own');
$p->{j} = undef;
posts($p, form(text3('42["m"]')), 'no j');
like($p->body, qr/^___eio\[5\]\(/, 'the session keeps its own');
my $plain = $t->connected('polling', eio => 3);
$plain->{j} = 1;
$plain->{headers} = $page;
posts($plain, '7:42["m"]', 'j for a session without');
is($plain->body, '10:42["echo"]', 'is nothing to it');
$plain = $t->connected('polling', eio => 4);
is($plain->request('GET', query => '&j=99999999999', headers => $page,
    timeout => 0.5), undef, 'nor is one too large: the GET is parked');

# Parked, released, closed, and errors without a callback, as Node has them.
for my $eio (3, 4) {
    my $s = session($eio);
    $s->get_start;
    ok($s->parked(0.2), "eio 43: JSONP GET parks, revision $eio");
    posts($s, form(payload($eio, '42["m"]')), 'eio 43');
    is($s->next_packet, '42["echo"]', 'eio 43: released');
    posts($s, form(payload($eio, '1')), 'eio 64');
    ok($s->gone, 'eio 64: closed');
    my $r = $s->get;
    is($r->{status}, 400, 'eio 5: gone');
    is($r->{body}, '{"code":1,"message":"Session ID unknown"}',
        'eio 5: JSON as ever');
}

# An upgrade: frames know nothing of scripts.
for my $eio (3, 4) {
    my $s = session($eio);
    my $ws = $t->websocket(sid => $s->{sid}, eio => $eio, worker => 1);
    $ws->send('2probe', '5', "451-[\"m\",$ph]", \"\x00\xff");
    is($ws->recv, '3probe', "eio 129: JSONP upgrades, revision $eio");
    is_deeply([$ws->collect(2)], ["451-[\"echo\",$ph]", 'bAP8='],
        'eio 129: binary frames, since this request did not say b64');
    $ws->close;
}

# A large one, of which escapes are most.
$p = session(4);
my $long = '\\"é' x 60_000;
posts($p, form(text4(bytes("42[\"m\",\"$long\"]"))), 'eio 49: large');
my $r = $p->get(10);
is($r->{headers}{'content-length'}, length $r->{body}, 'eio 71: length');
my ($j, $got) = script($r->{body});
ok(($got // '') eq bytes("42[\"echo\",\"$long\"]"), 'eio 49: intact');

$t->finish;
