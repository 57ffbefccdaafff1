#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A backend of nothing but nginx: variables of the hook location with batches
# off, and the two set_ directives.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/from_json eventually/;

my $t = Test::SocketIO->new(workers => 2);

$t->run(<<'CONF');
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    log_format sio '$socketio_sid|$socketio_transport|$socketio_eio|'
                   '$socketio_reason|$socketio_error|$request';
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_namespaces / /chat "/quo\"te";
            access_log %%DIR%%/logs/access.log sio;
        }
        location = /_hook {
            internal;
            default_type application/json;
            set_socketio_json $room $socketio_args 0.room;
            set_socketio_json $token $socketio_handshake auth.token;
            set_socketio_json $deep $socketio_args 0.a.1;
            set_socketio_quote $qroom $room;
            set_socketio_quote $qtoken $token;
            set_socketio_quote $qdeep $deep;
            set_socketio_quote $qevent $socketio_event;
            set_socketio_quote $qnsp $socketio_nsp;

            if ($token = "bad") {
                return 200 '{"op":"reject","message":$qtoken}';
            }
            if ($socketio_type = connect) {
                return 200 '{"op":"accept","data":{"token":$qtoken},"rooms":["lobby"]}';
            }
            if ($socketio_event = join) {
                return 200 '[{"op":"join","room":$qroom},{"op":"ack","args":[$qroom,$qdeep]}]';
            }
            if ($socketio_event = vars) {
                return 200 '{"event":"vars","args":[{
                    "type":"$socketio_type","event":$qevent,"nsp":$qnsp,
                    "args":$socketio_args,"data":$socketio_data,
                    "attachments":$socketio_attachments,
                    "handshake":$socketio_handshake,"ack":"$socketio_ack",
                    "sid":"$socketio_sid","id":"$socketio_id",
                    "transport":"$socketio_transport","eio":"$socketio_eio",
                    "remote":"$remote_addr"}]}';
            }
            if ($socketio_event = "chat message") {
                return 200 '{"room":"lobby","event":"chat message",
                    "args":$socketio_args,
                    "attachments":$socketio_attachments}';
            }
            if ($socketio_type = event) {
                return 200 '{"event":"other","args":[$qevent]}';
            }
            return 204;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

sub ws () {
    my $ws = $t->websocket;
    $ws->open_packet;
    return $ws;
}

sub vars ($s) {
    my $p = $s->next_packet // return {};
    $p =~ /^42(?:\/[^,]*,)?(\[.*\])$/s or return {};
    return (from_json($1) // [])->[1];
}

my $ws = ws();
ok(!$ws->sio_connect('/', { token => 'bad' }), 'reject');
is($ws->{refused}, '44{"message":"bad"}', 'with its message');

my $id = $ws->sio_connect('/', { token => "t\"\\x\x{e9}" });
ok($id, 'accept');

$ws->send('42["vars",1,{"x":"y"}]');
my $v = vars($ws);
is($v->{type}, 'event', '$socketio_type');
is($v->{event}, 'vars', '$socketio_event');
is($v->{nsp}, '/', '$socketio_nsp');
is_deeply($v->{args}, [1, { x => 'y' }], '$socketio_args');
is_deeply($v->{attachments}, [], '$socketio_attachments is never empty');
is_deeply($v->{data}, { token => "t\"\\x\x{e9}" },
    '$socketio_data; set_socketio_json and set_socketio_quote of any text');
is($v->{handshake}, undef, '$socketio_handshake is null but at a connect');
is($v->{ack}, '', '$socketio_ack');
is($v->{sid}, $id, '$socketio_sid is the socket');
ok(length $v->{id}, '$socketio_id');
is($v->{transport}, 'websocket', '$socketio_transport');
is($v->{eio}, '4', '$socketio_eio');
is($v->{remote}, '127.0.0.1', '$remote_addr is the client');

$ws->send('427["vars"]');
$v = vars($ws);
is($v->{ack}, '1', '$socketio_ack: wanted');
is_deeply($v->{args}, [], '$socketio_args of no arguments');

$ws->send('451-["vars",{"_placeholder":true,"num":0}]', \"\1\2\3");
$v = vars($ws);
is_deeply($v->{attachments}, ['AQID'], '$socketio_attachments');
is_deeply($v->{args}, [{ _placeholder => JSON::PP::true, num => 0 }],
    'with their placeholders');

ok($ws->sio_connect('/chat'), 'namespace');
$ws->send('42/chat,["vars"]');
is(vars($ws)->{nsp}, '/chat', '$socketio_nsp');
ok($ws->sio_connect('/quo"te'), 'namespace with a quote');
$ws->send('42/quo"te,["vars"]');
is(vars($ws)->{nsp}, '/quo"te', '$socketio_nsp through set_socketio_quote');

$ws->send('421["join",{"room":"r\"1","a":[0,{"b":"c"}]}]');
is($ws->next_packet, '431["r\"1","{\"b\":\"c\"}"]',
    'set_socketio_json: a string bare, an object as JSON');
$ws->send('422["join",{"room":"r2"}]');
is($ws->next_packet, '432["r2",""]', 'set_socketio_json: nothing is empty');
$ws->send('423["join",{"room":"r3","a":[0,12.5]}]');
is($ws->next_packet, '433["r3","12.5"]', 'set_socketio_json: a number');

for my $room ('r"1', 'r2', 'r3', 'lobby') {
    my ($status, $a) = $t->publish({ op => 'count', room => $room });
    is($a->{count}, 1, "room $room");
}

# Text of a client never becomes JSON of its own.
my $evil = 'x"}],"op":"disconnect","all":true,"y":["';
$ws->emit($evil);
is($ws->next_packet, '42["other",' . Test::SocketIO::to_json($evil) . ']',
    'set_socketio_quote keeps a hostile name a name');
$ws->send('42["a\nb\u0000c\"d"]');
my $p = $ws->next_packet;
like($p, qr/^42\["other","/, 'control characters in a name');
ok(from_json(substr $p, 2), 'are valid JSON afterwards');

my $other = ws();
ok($other->sio_connect, 'second client');
$ws->send('42["chat message","hi"]');
is($_->next_packet, '42["chat message","hi"]', 'chat') for $ws, $other;

# The access log: the line of a websocket when it ends, the secret never.
$t->http('GET', '/socket.io/?EIO=4&transport=nope');
my $poll = $t->polling;
$ws->close;
ok(eventually(sub { $t->read_file('logs/access.log') =~ /\|websocket\|4\|/ }),
    'log: websocket');
my $log = $t->read_file('logs/access.log');
like($log, qr/\|polling\|4\|/, 'log: polling');
my ($refused) = $log =~ /^(.*transport=nope.*)$/m;
ok(length((split /\|/, $refused // '')[4] // ''), 'log: $socketio_error');

$poll->sio_connect;
$poll->send('42["x"]');
eventually(sub { $t->read_file('logs/access.log') =~ /POST/ });
$log = $t->read_file('logs/access.log');
$log .= $t->read_file('logs/error.log') unless $ENV{TEST_NGINX_DEBUG};
unlike($log, qr/\Q$poll->{sid}\E/, 'the session id is in no log');
like($log, qr/sid=\*\*\*/, 'but overwritten');

$t->finish;
