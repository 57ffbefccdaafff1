#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Which requests an engine path takes, and the exact words of its refusals.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(server => <<'CONF');
        location /polling-only/ {
            socketio test;
            socketio_eio 4;
            socketio_hook off;
            socketio_transports polling;
        }
        location /websocket-only/ {
            socketio test;
            socketio_eio 4;
            socketio_hook off;
            socketio_transports websocket;
        }
CONF

my @message = ('Transport unknown', 'Session ID unknown',
    'Bad handshake method', 'Bad request', 'Forbidden',
    'Unsupported protocol version');

sub get ($query, %o) {
    return $t->http('GET', "/socket.io/$query", %o);
}

sub refused ($r, $code, $name) {
    is($r->{status}, $code == 4 ? 403 : 400, "$name: status");
    is($r->{headers}{'content-type'}, 'application/json', "$name: type");
    is($r->{body}, qq({"code":$code,"message":"$message[$code]"}),
        "$name: body");
}

refused(get('?EIO=4&transport=abc'), 0, 'eio 1: transport=abc');
refused(get(''), 0, 'eio 2: no query');
refused(get('?EIO=4'), 0, 'eio 2: no transport');
refused(get('?EIO=4&transport='), 0, 'eio 2: empty transport');
refused(get('?EIO=4&transport=Polling'), 0, 'eio 1: case matters');

for my $name ('constructor', '__proto__') {
    refused(get("?EIO=4&transport=$name"), 0, "eio 3: transport=$name");

    my $ws = $t->websocket(path => "/socket.io/?EIO=4&transport=$name");
    is($ws->status, 400, "eio 3: transport=$name with Upgrade");
    like($ws->{res}{body}, qr/Transport unknown/, 'eio 3: and says why');
}

refused($t->http('GET', '/polling-only/?EIO=4&transport=websocket'), 0,
    'eio 4: disabled transport');
refused($t->http('GET', '/websocket-only/?EIO=4&transport=polling'), 0,
    'eio 4: disabled polling');
my $ws = $t->websocket(path => '/polling-only/?EIO=4&transport=websocket');
refused($ws->{res}, 0, 'eio 4: websocket disabled, Upgrade');

for my $sid ('test', '__proto__', 'constructor', 'a' x 2000, '%00', '%',
    'A' x 20, 'A' x 24)
{
    refused(get("?EIO=4&transport=polling&sid=$sid"), 1,
        'eio 5: unknown sid ' . substr $sid, 0, 24);
}

my $r = get('?EIO=4&transport=polling&sid=');
is($r->{status}, 200, 'eio 6: empty sid is a new handshake');
like($r->{body}, qr/^0\{"sid":"/, 'eio 6: open packet');

for my $method ('OPTIONS', 'POST', 'PUT') {
    refused($t->http($method, '/socket.io/?EIO=4&transport=polling',
        body => ''), 2, "eio 7: $method without sid");
}
$r = $t->http('HEAD', '/socket.io/?EIO=4&transport=polling');
is($r->{status}, 400, 'eio 7: HEAD without sid');
is($r->{body}, '', 'eio 7: HEAD has no body');

refused(get('?EIO=4&transport=websocket'), 3, 'eio 8: websocket, no Upgrade');

$ws = $t->websocket(headers => { 'Sec-WebSocket-Key' => undef });
is($ws->status, 400, 'eio 9: no Sec-WebSocket-Key');

$ws = $t->websocket(headers => { 'Sec-WebSocket-Key' => 'short' });
is($ws->status, 400, 'eio 9: Sec-WebSocket-Key that is not 16 bytes');

$ws = $t->websocket(headers => { 'Sec-WebSocket-Version' => 12 });
is($ws->status, 400, 'eio 10: wrong Sec-WebSocket-Version');
like($ws->{res}{headers}{'sec-websocket-version'} // '', qr/\b13\b/,
    'eio 10: the supported version is named');

$r = get('?EIO=4&transport=polling', headers => { Origin => "http://a\x01b" });
ok($r->{status} == 400 || $r->{status} == 403,
    'eio 11: control character in Origin');

refused(get('?EIO=3&transport=polling'), 5, 'eio 14: EIO=3');
$ws = $t->websocket(eio => 3);
is($ws->status, 400, 'eio 15: EIO=3 by websocket, no 101');
refused(get('?EIO=abc&transport=polling'), 5, 'eio 16: EIO=abc');
refused(get('?EIO=5&transport=polling'), 5, 'eio 16: EIO=5');
refused(get('?transport=polling'), 5, 'eio 16: no EIO');
refused(get('?EIO=44&transport=polling'), 5, 'eio 16: EIO=44');

my $p = $t->polling(get_worker => 0, post_worker => 1);
ok($p->ok, 'EIO=4 session');
my $sid = $p->{sid};
refused(get("?EIO=3&transport=polling&sid=$sid"), 3,
    'eio 17: EIO=3 for an EIO=4 session');
$ws = $t->websocket(eio => 3, sid => $sid);
is($ws->status, 400, 'eio 17: the same by Upgrade');
refused(get("?EIO=4&transport=websocket&sid=$sid"), 3,
    'eio 18: transport=websocket without Upgrade');
ok($p->sio_connect, 'eio 17, 18: the session lives');

is($t->http('GET', '/socket.io?EIO=4&transport=polling')->{status}, 404,
    'eio 19: without the slash not ours');
$r = get('extra/path?EIO=4&transport=polling');
is($r->{status}, 200, 'eio 20: deeper path');
like($r->{body}, qr/^0\{/, 'eio 20: handshake');
$r = get('?EIO=%34&transport=p%6flling&x=a%20b&y');
is($r->{status}, 200, 'query is decoded, unknown keys are ignored');

my $c = $t->connect;
refused(get('?EIO=4&transport=abc', conn => $c), 0, 'eio 23: error');
is(get('?EIO=4&transport=polling', conn => $c)->{status}, 200,
    'eio 23: next request of the same connection');

$t->finish;
