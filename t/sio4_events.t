#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Events and acks of Socket.IO protocol 4, on each transport and encoding of
# revision 3.  Fails if JSON changes on its way, if ASCII for polling says
# something else than what was sent, or if binary loses its header.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Backend qw/echo/;
use MIME::Base64 qw/encode_base64/;

binmode Test::More->builder->$_, ':utf8' for qw/output failure_output/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# Most is echoed by nginx, which knows nothing of JSON but where it ends; a
# second location has a backend that tells what it got.
my $b = $t->backend(\&echo);
$t->run_echo(eio => '3 4', socketio => 'socketio_namespaces / /custom;',
    server => <<"CONF" . <<'CONF2');
        location = /_backend {
            internal;
            proxy_pass http://127.0.0.1:${\$b->port}/events;
        }
CONF
        location /backend/ {
            socketio test;
            socketio_hook /_backend;
        }
CONF2

my $n = 0;
my %kinds = (W3 => ['websocket'], 'W3 b64' => ['websocket', query => '&b64=1'],
    XHR2 => ['polling'], 'P3 b64' => ['polling', b64 => 1],
    JSONP => ['polling', jsonp => 0]);

# By nginx's echo, or known to the backend.
sub connected ($kind, $backend = 0) {
    my ($transport, %o) = @{$kinds{$kind}};
    my $path = $backend ? '/backend/' : '/socket.io/';
    my $case = $kind =~ tr/ //dr . ++$n;
    $o{query} = "&case=$case" . ($o{query} // '');

    my $s = $transport eq 'polling'
        ? $t->polling(eio => 3, path => $path, worker => 0, post_worker => 1,
            %o)
        : $t->websocket(path => "$path?EIO=3&transport=websocket$o{query}",
            worker => 1);
    $s->open_packet if $transport eq 'websocket';
    ok($s->sio_connect, "connected, $kind");
    $s->{id} = $b->socket($case) if $backend;
    return $s;
}

sub ph ($n) { return qq({"_placeholder":true,"num":$n}) }

sub bytes ($s) { utf8::encode($s); return $s }

# As polling has it: all but ASCII as \u, in UTF-16.
sub ascii ($s) {
    return $s =~ s/([^\x00-\x7f])/
        ord $1 < 0x10000 ? sprintf '\u%04x', ord $1
        : sprintf '\u%04x\u%04x', 0xd800 + (ord($1) - 0x10000 >> 10),
            0xdc00 + (ord($1) - 0x10000 & 0x3ff)/gexr;
}

for my $kind (sort keys %kinds) {
    my $s = connected($kind);
    my $polling = !$s->{conn};

    # What goes in and what comes back, if it is not the same.
    my $echo = sub ($name, $args, $expect = $args, $nsp = '') {
        my $out = $expect eq '' ? '' : ",$expect";
        $s->send(bytes("42$nsp\[\"m\"" . ($args eq '' ? '' : ",$args")
            . ']'));
        is($s->next_packet, bytes('42' . $nsp . '["echo"'
            . ($polling ? ascii($out) : $out) . ']'), "$name, $kind");
    };

    $echo->('sio 41: compact JSON', '1,"2",{"3":[true]}');
    $echo->('sio 42: a name alone', '');
    $echo->('sio 43: null, false, nested, empty',
        'null,false,[],{},"",[[null]],{"":""}');
    $echo->('sio 44: two bytes', '"é ñ ÿ \u0080"');
    $echo->('sio 44: three bytes', '"utf8 — string €中\u2028"');
    $echo->('sio 44: four bytes', '"😀𝒳\u{10ffff}"' =~ s/\\u\{10ffff\}/
        chr 0x10ffff/er);
    $echo->('sio 44: names of members', '{"é":{"😀":"中"}}');
    $echo->('sio 44: the ends of the planes', '"' . join('', map { chr }
        0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000,
        0x10ffff) . '"');
    $echo->('sio 44: what was escaped stays so',
        '"\u00e9\ud83d\ude00\n\\\\é"');
    $echo->('sio 45: a separator of the other revision', '"a\u001eb"');
    $echo->('numbers as they are', '1e300,-0,0.10,12345678901234567890,1E+2');
    $echo->('what looks like a packet', '"42[\\"x\\"]","1:1","b4AQ=="');

    # Names that clients of today must not use.
    for my $name (qw/connect connect_error disconnect disconnecting
        newListener removeListener error/)
    {
        $s->send("42[\"$name\",1]");
        is($s->next_packet, '42["echo",1]', "sio 47, 48: $name, $kind");
    }
    $s->send('42[1,"x"]', '42[-1.5]');
    is_deeply([$s->collect(2)], ['42["echo","x"]', '42["echo"]'],
        "sio 46: numbers are names, $kind");
    # Acks.
    my $ack = sub ($name, $packet, $id, $args = undef) {
        $s->send(bytes($packet));
        my @got = $s->collect(2);
        is($got[1], "43$id", "$name, $kind");
    };
    $ack->('sio 59: ack', '42456["m",1,"2",{"3":[false]}]',
        '456[1,"2",{"3":[false]}]');
    $ack->('sio 60: id 0, no arguments', '420["ack"]', '0[]');
    $ack->('sio 60: the largest id', '429007199254740991["ack"]',
        '9007199254740991[]');
    $ack->('sio 59: characters', '421["m","é😀"]',
        $polling ? '1["\u00e9\ud83d\ude00"]' : bytes('1["é😀"]'));

    $s->send('431["x"]', '43999[]', '430["y"]', '42["after"]');
    is($s->next_packet, '42["echo"]',
        "sio 64: acks nobody asked for are ignored, $kind");
    $s->send('461-1[' . ph(0) . ']', \"\1", '42["after"]');
    is($s->next_packet, '42["echo"]', "sio 64: also binary ones, $kind");

    # Namespaces.
    $s->send('40/custom');
    is($s->next_packet, '40/custom,', "custom namespace, $kind");
    $echo->('sio 61: in a namespace', '"z"', '"z"', '/custom,');
    $ack->('sio 61: ack there', '42/custom,9["ack","z"]', '/custom,9["z"]');
    $echo->('sio 44: characters there', '"é"', '"é"', '/custom,');

    # Binary.
    my $b64 = sub ($bin) { 'b' . encode_base64($bin, '') };
    my $binary = sub ($name, $header, $args, @bins) {
        my $n = @bins;
        $s->send(bytes("45$n-$header\[\"m\",$args]"), map { \$_ } @bins);
        my $out = $polling ? ascii($args) : $args;
        my @expect = (bytes("45$n-" . ($header =~ s/\d+$//r)
            . "[\"echo\",$out]"), map { $b64->($_) } @bins);
        push @expect, bytes("46$n-$header\[$out]"), map { $b64->($_) } @bins
            if $header =~ /\d$/;
        is_deeply([$s->collect(scalar @expect)], \@expect, "$name, $kind");
    };

    $binary->('sio 85, 86: one attachment', '', ph(0), "\0\x04\xff");
    $binary->('sio 85, 86: two, one of them empty', '', ph(0) . ',' . ph(1),
        '', "\x04");
    $binary->('sio 72: out of order', '', ph(1) . ',"é",' . ph(0), 'a', 'b');
    $binary->('sio 80: ten', '', join(',', map { ph($_) } 0 .. 9),
        map { chr } 1 .. 10);
    $binary->('sio 66, 67: with an ack', '7', ph(0), "\xff");
    $binary->('sio 66, 67: with an ack, in a namespace', '/custom,12',
        '{"é":' . ph(0) . '}', "\xfe");
    $binary->('large', '', ph(0), "\x00\xff" x 40_000);

    if ($polling) {
        ok($s->send('451-["m",' . ph(0) . ']'), "sio 82: header, $kind");
        ok($s->send('2', '3', '6'), 'sio 88: heartbeats in between');
        ok($s->send(\'x', '42["next"]'), 'sio 82: attachment, next POST');
        is_deeply([$s->collect(3)], ['451-["echo",' . ph(0) . ']', 'beA==',
            '42["echo"]'], "sio 82: together, $kind");
    } else {
        $s->send('451-["m",' . ph(0) . ']', '2', '3', \'x');
        is_deeply([$s->collect(2)], ['451-["echo",' . ph(0) . ']', 'beA=='],
            "sio 88: heartbeats in between, $kind");
    }

    # The flag "binary" of clients 2.x, of what is not.
    $s->send('450-["m",1]', '450-/custom,7["m",{"_placeholder":true,"num":0}]');
    is_deeply([$s->collect(3)], ['42["echo",1]', '42/custom,["echo",'
        . ph(0) . ']', '43/custom,7[' . ph(0) . ']'],
        "sio 81: no attachments announced, $kind");

    # Order.
    my @all = map { "42[\"m\",$_]" } 1 .. 300;
    $s->send(splice @all, 0, 100) for 1 .. 3;
    is_deeply([$s->collect(300)], [map { "42[\"echo\",$_]" } 1 .. 300],
        "sio 54: 300 events in order, $kind");
}

# As a backend gets them, and its answers.
for my $kind (sort keys %kinds) {
    my $s = connected($kind, 1);
    my @names = (qw/connect connect_error disconnect disconnecting
        newListener removeListener error é😀/, 1, -1.5);

    $s->send(map { /^-?\d/ ? "42[$_]" : bytes("42[\"$_\"]") } @names);
    $s->send('451-["bin",' . ph(0) . ']', \"\0\x04\xff");
    my @e;
    eventually(sub { @names < (@e = grep { $_->{sid} eq $s->{id} }
        $b->events('event')) });
    is(to_json([map { $_->{event} } @e]), to_json([map { "$_" } @names, 'bin']),
        "sio 46, 47: names, $kind");
    is_deeply($e[-1]{attachments}, ['AAT/'], "sio 85, 86: bytes, $kind");
    is_deeply([map { $_->{seq} } @e], [1 .. @e], "in order, $kind");

    # Errors end it.
    $s->send('452-["m"]', \'x', '42["n"]');
    is($b->reason($s->{id}), 'forced close',
        "sio 78: text while attachments are missing, $kind");
}

for my $kind (sort keys %kinds) {
    for my $bad ([\'x'], ['45["x"]', \'x'], ['45-["x"]', \'x'],
        ['450-["x"'], ['4511-["x"]', \'x'], ['451-["m"]', \'x', \'y'],
        ['451-["m",{"_placeholder":true,"num":1}]', \'x'])
    {
        my $s = connected($kind, 1);
        $s->send(@$bad);
        is($b->reason($s->{id}), 'forced close', 'sio 75-81: '
            . (ref $bad->[0] ? 'binary alone' : $bad->[0]) . ", $kind");
    }
}

# What a backend may not emit, to whomever.
my $ws = connected('W3', 1);
my ($status, $a) = $t->publish({ sid => $ws->{id}, event => 'connect' });
is($a->{error}, 'reserved_event', 'sio 56: a reserved name');

# Volatile: only for a GET that waits, or a socket that can be written to.
my $p = connected('XHR2', 1);
$t->publish({ sid => $p->{id}, event => 'lost', volatile => \1 });
$t->publish({ sid => $p->{id}, event => 'kept' });
is($p->next_packet, '42["kept"]', 'sio 113: volatile without a GET');
$p->get_start;
ok($p->parked(0.2), 'GET parked');
$t->publish({ sid => $p->{id}, event => 'now', volatile => \1 });
is($p->next_packet, '42["now"]', 'sio 113: with one');

$t->finish;
