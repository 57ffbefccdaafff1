#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What nginx does to an answer on its way here: what the README says of
# streaming answers.  Fails if a line waits in some buffer although nginx was
# told to keep none, by the administrator or by the backend.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;
use Test::SocketIO::FastCGI;
use Test::SocketIO::Stream qw/answer hold release ask/;

my $t = Test::SocketIO->new(workers => 2);
my $http = $t->backend(\&answer);
my $fcgi = Test::SocketIO::FastCGI->new($t->dir, 1, \&answer);

# Hook locations, by what they do.
my %hook = (
    'proxy_buffering off' => ['off', <<'CONF'],
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_http_version 1.1;
            proxy_buffering off;
CONF
    'HTTP 1.1' => ['new', <<'CONF'],
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_http_version 1.1;
CONF
    'HTTP 1.0, proxy_buffering off' => ['old', <<'CONF'],
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_buffering off;
CONF
    'proxy_pass' => ['proxy', <<'CONF'],
            proxy_pass http://127.0.0.1:%%B%%/events;
CONF
    'fastcgi_buffering off' => ['fcgi', <<'CONF'],
            fastcgi_pass 127.0.0.1:%%F%%;
            fastcgi_buffering off;
            %%PARAMS%%
CONF
    'fastcgi_keep_conn on' => ['keep', <<'CONF'],
            fastcgi_pass 127.0.0.1:%%F%%;
            fastcgi_keep_conn on;
            %%PARAMS%%
CONF
    'fastcgi_pass' => ['fastcgi', <<'CONF'],
            fastcgi_pass 127.0.0.1:%%F%%;
            %%PARAMS%%
CONF
);

my ($front, $back) = ('', '');
for my $h (values %hook) {
    $front .= "location /$h->[0]/ { socketio test; socketio_hook /_$h->[0]; }\n";
    $back .= "location = /_$h->[0] {\n internal;\n$h->[1]\n}\n";
}

my $params = join ' ', map { "fastcgi_param $_;" }
    'REQUEST_METHOD $request_method', 'REQUEST_URI $request_uri',
    'CONTENT_LENGTH $content_length', 'CONTENT_TYPE $content_type';

$back =~ s/%%PARAMS%%/$params/g;
$back =~ s/%%B%%/$http->port/ge;
$back =~ s/%%F%%/$fcgi->port/ge;

$t->run(<<'CONF', FRONT => $front, BACK => $back);
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 16m;
    socketio_eio 4;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        %%FRONT%%
        %%BACK%%
    }
}
CONF

my @no = (headers => { 'X-Accel-Buffering' => 'no' });

for my $case (
    ['proxy_buffering off', $http],
    ['HTTP 1.1', $http],
    ['proxy_buffering off', $http, chunked => 0],
    ['HTTP 1.0, proxy_buffering off', $http, chunked => 0],
    ['proxy_pass', $http, chunked => 0, @no],
    ['fastcgi_buffering off', $fcgi],
    ['fastcgi_keep_conn on', $fcgi],
    ['fastcgi_pass', $fcgi, @no])
{
    my ($what, $b, %o) = @$case;
    my $name = join ', ', $what,
        defined $o{chunked} ? 'no length' : (), $o{headers} ? 'not to buffer' : ();
    my $path = $hook{$what}[0];

    for my $worker (0, 1) {
        my $ws = $t->websocket(worker => $worker,
            path => "/$path/?EIO=4&transport=websocket");
        $ws->open_packet;
        ok($ws->sio_connect, "$name: connected");

        my @h = (hold, hold);
        ask($b, $ws, \%o, { event => 'a' }, $h[0], { event => 'b' }, $h[1],
            { event => 'c' });
        is($ws->next_packet, '42["a"]', "$name: a line");
        release($b, $h[0]);
        is($ws->next_packet, '42["b"]', "$name: another one");
        release($b, $h[1]);
        is($ws->next_packet, '42["c"]', "$name: the last one");
        $ws->emit('after');
        is($ws->next_packet, '42["echo"]', "$name: the end");
    }
}

# Of FastCGI nginx asks for an end only if the connection is to be kept.
my $ws = $t->websocket(path => '/keep/?EIO=4&transport=websocket');
$ws->open_packet;
$ws->sio_connect;
ask($fcgi, $ws, { once => 200, cut => 1 }, { event => 'a' });
is_deeply([$ws->collect(3)], ['42["a"]', '42["again"]', '42["again2"]'],
    'fastcgi_keep_conn on: cut, asked again');

$t->finish;
