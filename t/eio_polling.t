#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Payloads by polling: parking, batches, encodings, sizes.  GET, POST and the
# publisher are on different workers, so an answer that needs the session's
# own process is not found.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_max_payload 1000;
        }
CONF

sub session (%o) {
    my $p = $t->polling(get_worker => 0, post_worker => 1, %o);
    $p->{id} = $p->sio_connect;
    return $p;
}

my $p = session();
ok($p->{id}, 'connected');

my $r = $p->post('42["hello","x"]');
is($r->{status}, 200, 'eio 41: POST');
is($r->{headers}{'content-type'}, 'text/html', 'eio 41: type');
is($r->{headers}{'content-length'}, 2, 'eio 41: length');
is($r->{body}, 'ok', 'eio 41: POST answers ok');
like($r->{headers}{'cache-control'} // '', qr/\bno-store\b/,
    'eio 42: POST not cached');

$r = $p->get;
is($r->{status}, 200, 'eio 42: GET');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
    'eio 42: type');
is($r->{body}, '42["echo","x"]', 'eio 42: GET after echo');
like($r->{headers}{'cache-control'} // '', qr/\bno-store\b/,
    'eio 42: GET not cached');

$p->get_start;
ok($p->parked(0.4), 'eio 43: GET parks');
my ($status, $a) = $t->publish({ sid => $p->{id}, event => 'go' },
    worker => 1);
is($a->{count}, 1, 'eio 43: published');
is($p->body, '42["go"]', 'eio 43: released by the next packet');

$p->get_start;
ok($p->parked(0.2), 'eio 43: parks again');
ok($p->send('42["m",7]'), 'eio 43: POST while parked');
is($p->body, '42["echo",7]', 'eio 43: released by an echo');

for my $n ('a', 'b', 'c') {
    $t->publish({ sid => $p->{id}, event => $n }, worker => 1);
}
is($p->body, "42[\"a\"]\x1e42[\"b\"]\x1e42[\"c\"]",
    'eio 44: all that waits in one body');

ok($p->send('42["m",1]', '42["m",2]', '42["m",3]'), 'eio 45: three packets');
is_deeply([$p->collect(3)], [map { "42[\"echo\",$_]" } 1 .. 3],
    'eio 45: in order');

my $ph = '{"_placeholder":true,"num":0}';
ok($p->send("451-[\"m\",$ph]", \"\1\2\3\4"), 'eio 46: text and binary');
is_deeply([$p->collect(2)], ["451-[\"echo\",$ph]", 'bAQIDBA=='],
    'eio 46: echoed with the same encoding');

ok($p->send("451-[\"m\",$ph]", \''), 'eio 47: empty binary');
is_deeply([$p->collect(2)], ["451-[\"echo\",$ph]", 'b'],
    'eio 47: echoed as b');

is($p->post('42["m","slow body"]', slow => 3)->{body}, 'ok',
    'eio 48: POST in many segments');
is($p->body, '42["echo","slow body"]', 'eio 48: reassembled');
is($p->post(undef, chunked => ['4', '2["m"', ',"chunk', 'ed"]'])->{body},
    'ok', 'eio 48: chunked POST');
is($p->body, '42["echo","chunked"]', 'eio 48: reassembled');
is($p->post(undef, chunked => [map { chr } unpack 'C*', '42["m","1"]'],
    slow => 1)->{body}, 'ok', 'eio 48: chunks of one byte, byte by byte');
is($p->body, '42["echo","1"]', 'eio 48: reassembled');

my $text = "\xe4\xb8\xad\xe6\x96\x87" x 165_000;
is($p->post("42[\"m\",\"$text\"]", slow => 65_537)->{body}, 'ok',
    'eio 49: 990,000 bytes of Chinese, split within characters');
$r = $p->get(8);
ok($r->{body} eq "42[\"echo\",\"$text\"]", 'eio 49: intact');
is($r->{headers}{'content-length'}, length($text) + 13,
    'eio 71: exact Content-Length');
ok(!exists $r->{headers}{'transfer-encoding'}, 'eio 71: not chunked');

for my $method ('HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS') {
    $r = $p->request($method, $method eq 'HEAD' ? () : (body => ''));
    # Node says 500, which would alarm operators: it is the client's fault.
    is($r->{status}, 400, "eio 59, 60: $method with sid");
    is($r->{body}, '', "eio 59, 60: $method, empty answer");
}
ok($p->alive, 'eio 59: session lives');

my $s = session(path => '/small/');
my $fit = '42["m","' . 'x' x 990 . '"]';
is(length $fit, 1000, 'a body of maxPayload');
is($s->post($fit)->{body}, 'ok', 'eio 61: exactly maxPayload');
is($s->body, '42["echo","' . 'x' x 990 . '"]', 'eio 61: delivered');

$s->get_start;
ok($s->parked(0.2), 'eio 61: parked');
is($s->post('42["m","' . 'x' x 991 . '"]')->{status}, 413,
    'eio 61: one byte more');
ok($s->parked(0.2), 'eio 61: GET still parked');

is($s->post(undef, chunked => ['42["m","', ('x' x 100) x 12, '"]'],
    conn => $t->connect)->{status}, 413, 'eio 62: chunked body that grows');
ok($s->parked(0.2), 'eio 62: nothing delivered');
ok($s->send('42["m","after"]'), 'eio 61, 62: session lives');
is($s->body, '42["echo","after"]', 'eio 61, 62: and works');

ok($p->send("42[\"m\",\"a\xffb\xc3\"]"), 'eio 63: invalid UTF-8');
is($p->body, "42[\"echo\",\"a\xef\xbf\xbdb\xef\xbf\xbd\"]",
    'eio 63: replaced by U+FFFD');

is($p->post('42["m","typed"]', type => undef)->{body}, 'ok',
    'POST without Content-Type is text');
is($p->body, '42["echo","typed"]', 'and delivered');

my $c = $t->connect;
$p->send('42["m",1]');
$c->request('GET', $p->url, headers => { Connection => 'close' });
is($c->response->{body}, '42["echo",1]', 'eio 58: GET, Connection: close');
ok($c->closed, 'eio 58: connection closed');
ok($p->alive, 'eio 58: session lives');

$t->finish;
