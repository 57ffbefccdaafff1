#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Events in both directions: what passes unchanged, what closes, and order.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/from_json/;

my $t = Test::SocketIO->new(workers => 2);
$t->run_echo(socketio => 'socketio_namespaces / /custom;');

sub ws () { return $t->connected('websocket') }

sub poll () { return $t->connected('polling') }

my %by = (websocket => ws(), polling => poll());

sub echoes ($json, $name, $expect = $json) {
    for my $how (sort keys %by) {
        $by{$how}->send("42$json");
        is($by{$how}->next_packet, "42$expect", "$name, $how");
    }
}

# The same values, however they are written.
sub means ($args, $name) {
    for my $how (sort keys %by) {
        $by{$how}->send("42[\"echo\",$args]");
        my $p = $by{$how}->next_packet // '';
        is_deeply($p =~ /^42(.*)$/s ? from_json($1) : $p,
            ['echo', @{from_json("[$args]")}], "$name, $how");
    }
}

sub closes ($packet, $name, @after) {
    my $ws = ws();
    $ws->send($packet, @after);
    is($ws->closed, '', "$name closes");
}

echoes('["echo",1,"2",{"3":[true]}]', 'sio 41: arguments');
echoes('["echo"]', 'sio 42: only a name');
echoes('["echo",null,false,[[[]]],{"b":{},"a":[]},"",0,-1,1.5]',
    'sio 43: values');
means('-1.5e-7,1e+21,5e-324,1.7976931348623157e+308,9007199254740992',
    'sio 43: numbers as JavaScript writes them');
means('12345678901234568', 'sio 43: a number beyond 2^53');
echoes("[\"echo\",\"utf8 \xe2\x80\x94 string\",\"\xf0\x9f\x98\x80\","
    . "\"\xd0\xb6\"]", 'sio 44: multibyte');
means('"\ud83d\ude00\u00e9"', 'sio 44: escaped');
means('"a\u001eb"', 'sio 45: escaped record separator');
means('"\"\\\\\/\b\f\n\r\t\u0001\u001f\u007f"', 'all escapes');
means('"a\u0000b"', 'an escaped zero');
means('{"__proto__":1,"\u0000":2,"":3}', 'sio 128: odd keys');
echoes('[1]', 'sio 46: a number as name', '["echo"]');
echoes('["error","x"]', 'sio 48: error', '["echo","x"]');
echoes('["__proto__",1]', 'sio 128: __proto__', '["echo",1]');

closes("42[\"$_\"]", "sio 47: reserved name $_") for qw/connect
    connect_error disconnect disconnecting newListener removeListener/;
closes($_, "sio 49: $_") for '42{}', '42[]', '42[null]', '42[{}]', '42"x"',
    '42["hello"', '42["a"]x', '42[true]', '42[["a"]]', "42[\"a\n\"]",
    '42["\x"]', '42["a",]', '42["a",01]', '42["\ud800', '42["a" 1]';
closes('42abc["message-with-ack",1]', 'sio 50: ack id not a number');
closes($_, "sio 51: $_") for '4', '47', '49', '4abc', '4-1';
closes('44{"message":"x"}', 'sio 52: CONNECT_ERROR from a client');
closes($_, "sio 53: $_") for '41{}', '41"x"';
closes('4299999999999999999999["m"]', 'ack id beyond 2^53');

# Beyond 2^63, as JavaScript writes what it has there.
for my $how (sort keys %by) {
    $by{$how}->send('42["echo",12345678901234567000]');
    my $p = $by{$how}->next_packet // '';
    my $v = $p =~ /^42(.*)$/s ? from_json($1)->[1] : 0;
    cmp_ok($v, '==', 12345678901234567000,
        "sio 43: an integer beyond 2^63, $how");
}

# Order, across a change of transport.
my $p = poll();
ok($p->send(map { "42[\"m\",$_]" } 1 .. 200), 'sio 54: 200 in one POST');
ok($p->send(map { "42[\"m\",$_]" } 201 .. 400), 'sio 54: and 200 more');
my @got = $p->collect(400);
is_deeply(\@got, [map { "42[\"echo\",$_]" } 1 .. 400],
    'sio 54: order by polling');

ok($p->send(map { "42[\"m\",$_]" } 1 .. 100), 'sio 54: before the upgrade');
my $ws = $t->websocket(sid => $p->{sid}, worker => 1);
$ws->send('2probe', '5', map { "42[\"m\",$_]" } 101 .. 600);
@got = splice @{$p->{queue}};
while (@got < 600) {
    my $x = $ws->next_packet // last;
    push @got, $x unless $x eq '3probe';
}
is_deeply(\@got, [map { "42[\"echo\",$_]" } 1 .. 600],
    'sio 54: order across the upgrade');

$ws = ws();
my $big = 'x' x 999_900;
$ws->send("42[\"m\",\"$big\"]");
ok(($ws->next_packet(10) // '') eq "42[\"echo\",\"$big\"]",
    'sio 55: JSON just below maxPayload');
my $ph = '{"_placeholder":true,"num":0}';
my $bin = join '', map { chr($_ % 256) } 1 .. 600_000;
$ws->send("451-[\"m\",$ph]", \$bin);
is($ws->next_packet(10), "451-[\"echo\",$ph]", 'sio 55: large binary');
ok($ws->frame(10)->{payload} eq $bin, 'sio 55: intact');

for my $name (qw/connect connect_error disconnect disconnecting newListener
    removeListener/)
{
    my ($status, $a) = $t->publish({ all => \1, event => $name });
    is($status, 400, "sio 56: publishing $name");
    ok(!$a->{ok}, 'sio 56: is refused');
}

$p = poll();
ok($p->send('41', '42["m"]'), 'sio 58: event after DISCONNECT, one payload');
ok($p->sio_connect, 'sio 58: is dropped, the session lives');
$ws = ws();
$ws->send('41');
$ws->send_frame(9, 'between');
is($ws->frame->{payload}, 'between', 'sio 58: DISCONNECT was read');
$ws->send('42["m"]');
is($ws->closed, '', 'sio 58: in a later frame closes');

$t->finish;
