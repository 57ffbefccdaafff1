#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# "nginx -t" and socketio_protocol: what contradicts it is refused, by the name
# of the directive and its value; what is inherited, and may be meant for
# others, is not.  Fails if a directive without effect is passed over.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new;

# $http, $server: more lines of those blocks; $location: of the location.
sub conf ($location, $server = '', $http = '') {
    my ($rc, $out) = $t->test_conf(<<"CONF");
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    $http
    server {
        listen %%PORT%%;
        $server
        location /raw/ {
            socketio test;
            socketio_hook_timeout 5s;
            $location
        }
        location /sio/ {
            socketio test;
            socketio_protocol socket.io;
            socketio_hook /sio;
        }
    }
}
CONF
    return ($rc, $out);
}

sub good ($name, @conf) {
    my ($rc, $out) = conf(@conf);
    is($rc, 0, $name) or diag($out);
}

sub bad ($name, $like, @conf) {
    my ($rc, $out) = conf(@conf);
    isnt($rc, 0, "$name: refused");
    like($out, $like, $name);
}

my $raw = 'socketio_protocol engine.io;';
my $hook = 'socketio_hook /hook;';
my $where = qr{location "/raw/": };
my $with = qr/ is useless with "socketio_protocol engine\.io"/;

good('both protocols in one server', "$raw $hook");
good('by inheritance', $hook, $raw);
good('no hook', $raw);
good('hook off', "$raw socketio_hook off;");
good('all that fits', "$raw $hook socketio_hook_connect_fail accept;
    socketio_connect_timeout 5s; socketio_limits sessions=9 rooms=3;
    socketio_hook_batch off; socketio_eio 3 4; socketio_transports polling;
    socketio_origins *; socketio_send_queue 9 9k; socketio_hook_queue 9 9k;");

bad('another protocol', qr/invalid value "mqtt"/,
    "socketio_protocol mqtt; $hook");
bad('no protocol', qr/invalid number of arguments in "socketio_protocol"/,
    "socketio_protocol; $hook");
bad('twice', qr/"socketio_protocol" directive is duplicate/,
    "$raw $raw $hook");

bad('socketio_namespaces', qr/$where"socketio_namespaces \/chat"$with/,
    "$raw $hook socketio_namespaces /chat /other;");
bad('socketio_namespaces, the protocol inherited',
    qr/$where"socketio_namespaces \*"$with/,
    "$hook socketio_namespaces *;", $raw);
good('socketio_namespaces, inherited', "$raw $hook",
    'socketio_namespaces / /chat;');
good('socketio_namespaces, for Socket.IO again',
    "socketio_protocol socket.io; $hook socketio_namespaces /chat;", $raw);

bad("socketio_limits $_=", qr/$where"socketio_limits $_="$with/,
    "$raw $hook socketio_limits rooms=2 $_=3;") for qw/namespaces attachments
    attached/;
good('socketio_limits, inherited', "$raw $hook",
    'socketio_limits namespaces=2 attachments=3;');

bad('hook of a namespace',
    qr/$where"socketio_hook \/x \/chat" names a namespace, which "socketio_p/,
    "$raw $hook socketio_hook /x /chat /b;");
bad('hook of any namespace', qr/$where"socketio_hook \/x \*" names/,
    "$raw socketio_hook /x *;");
bad('hook of a namespace, inherited', qr/$where"socketio_hook \/x \/b" names/,
    $raw, "$hook socketio_hook /x /b;");
good('hooks of namespaces elsewhere', "$raw $hook", 'socketio_hook /x /b;');

done_testing();
