#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The harness against stock nginx: a client that misreads a response, or a
# backend that loses a request, would make every other test lie.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/reply/;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2, modules => 0);

my $b = $t->backend(sub ($events, $req, $ctl) {
    return reply(status => 503, headers => { 'X-Mode' => 'down' })
        if $ctl->{down};
    return reply(hold => 'gate', body => 'late') if $req->{uri} eq '/hold';
    return reply(pieces => ['ab', 'c']) if $req->{uri} eq '/pieces';
    return { n => scalar @$events };
});

$t->run(<<'CONF', B => $b->port);
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location = /head {
            add_header X-A 1;
            add_header X-A 2;
            return 200 body;
        }
        location / {
            proxy_pass http://127.0.0.1:%%B%%;
            proxy_http_version 1.1;
        }
    }
}
CONF

my @pids = $t->worker_pids;
is(scalar @pids, 2, 'two workers');

for my $n (0, 1) {
    my $c = $t->connect_to_worker($n);
    $c->request('GET', '/pid');
    is($c->response->{body}, $pids[$n], "connection to worker $n");
}

my $r = $t->http('GET', '/head');
is($r->{headers}{'x-a'}, "1\n2", 'repeated headers');
is($t->http('HEAD', '/head')->{body}, '', 'HEAD has no body');

my $c = $t->connect;
$c->send($c->build('GET', '/head') x 2);
is($c->response->{body}, 'body', 'first of two pipelined');
is($c->response->{body}, 'body', 'second of two pipelined');

is(from_json($t->http('POST', '/e', body => '[1,2,3]')->{body})->{n}, 3,
    'backend answers by a function');
is(from_json($t->http('POST', '/e', chunked => ['[1', ',2]'])->{body})->{n}, 2,
    'chunked request');
is(from_json($t->http('POST', '/e', body => '[1]', slow => 7)->{body})->{n}, 1,
    'request in pieces');
is($t->http('GET', '/pieces')->{body}, 'abc', 'chunked response');

my @q = $b->requests;
is(scalar @q, 4, 'backend recorded every request');
is($q[0]{body}, '[1,2,3]', 'with its body');
is_deeply($q[0]{events}, [1, 2, 3], 'and that decoded');

$b->set(down => 1);
is($t->http('POST', '/e', body => '[]')->{status}, 503, 'backend told to fail');
$b->set(down => 0);

$c = $t->connect;
$c->request('GET', '/hold');
ok($c->silent(0.3), 'held answer');
$b->release('gate');
is($c->response->{body}, 'late', 'released answer');

my $port = $b->port;
$b->stop;
is($t->http('GET', '/e')->{status}, 502, 'backend stopped');
$b->start;
is($b->port, $port, 'backend back on its port');
is($t->http('POST', '/e', body => '[]')->{status}, 200, 'and answers');

my $f = Test::SocketIO::WebSocket::frame_bytes(1, 'Hello',
    key => "\x37\xfa\x21\x3d");
is(unpack('H*', $f), '818537fa213d7f9f4d5158', 'RFC 6455 5.7 masked Hello');
is(unpack('H*', Test::SocketIO::WebSocket::frame_bytes(2, 'x' x 256,
    mask => 0)), '827e0100' . '78' x 256, 'RFC 6455 5.7 256 bytes');

my @old = $t->reload;
is_deeply(\@old, \@pids, 'reload names the old workers');
isnt(($t->worker_pids)[0], $pids[0], 'new workers');

kill 'KILL', ($t->worker_pids)[0];
ok(eventually(sub { $t->log_lines(qr/exited on signal 9/) }), 'log is read');
is(scalar($t->bad_log_lines), 1, 'an alert is seen');
$t->allow_log(qr/exited on signal 9/);
is(scalar(() = $t->bad_log_lines), 0, 'unless it is allowed');
ok(eventually(sub { 2 == $t->worker_pids }), 'worker comes back');

my ($rc, $out) = $t->test_conf("%%TEST_GLOBALS%%\nevents { }\nnope;\n");
isnt($rc, 0, 'nginx -t refuses');
like($out, qr/unknown directive "nope"/, 'and says why');

$t->finish;
