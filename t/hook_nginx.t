#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What nginx itself may do in the location of a hook: arguments of its address,
# requests that wait for limit_req, subrequests, answers with more headers than
# fit into one part of nginx's list.  Fails if the call's connection, which has
# no socket, does not wake up, sends or reads one, if a header behind the
# twentieth is not seen, or if a call that waits outlives its worker.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2);

my $many = 0;
my $b = $t->backend(sub ($events, $req, $ctl) {
    my ($e) = @$events;
    return reply(status => 503, headers => { 'Retry-After' => 1,
        map { ("A$_" => $_) } 1 .. 40 })
        if $e->{type} eq 'event' && $e->{event} eq 'many' && !$many++;
    return echo($events);
});

sub hook ($name, $lines) {
    return <<"CONF";
        location /$name/ { socketio test; socketio_hook /_$name?a=1&b=%20; }
        location = /_$name {
            internal;
            $lines
            proxy_pass http://127.0.0.1:@{[$b->port]}/$name\$is_args\$args;
        }
CONF
}

$t->run(<<'CONF', HOOKS => join '',
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 1m;
    limit_req_zone $uri zone=slow:32k rate=4r/s;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        %%HOOKS%%
        location = /yes { return 204; }
        location = /no { return 403; }
        location = /more { return 200 "more"; }
    }
}
CONF
    hook('args', ''), hook('delayed', 'limit_req zone=slow burst=20;'),
    hook('limited', 'limit_rate 100;'),
    hook('added', 'add_after_body /more; add_before_body /more; '
        . 'addition_types *;'),
    hook('auth', 'auth_request /yes;'), hook('denied', 'auth_request /no;'));

sub at ($name, %o) { return (path => "/$name/?EIO=4&transport=websocket", %o) }

sub asked ($name) {
    $b->read_all;
    return grep { $_->{uri} =~ m{^/$name\b} } $b->requests;
}

my $w = $t->connected('websocket', at('args'));
ok($w->{id}, 'an address with arguments');
is_deeply([map { $_->{uri} } asked('args')], ['/args?a=1&b=%20'],
    'which the backend gets');
my $start = time;
$w->emit('many', 'x');
is($w->next_packet, '42["echo","x"]', 'an answer of 40 headers: again');
cmp_ok(time - $start, '>', 0.9, 'when the last one, Retry-After, says so');
is(scalar asked('args'), 3, 'and once');

# One each 250 ms, in order.
$start = time;
$w = $t->connected('websocket', at('delayed', worker => 1));
for my $n (1 .. 4) {
    $w->emit('n', $n);
    is($w->next_packet, qq{42["echo",$n]}, "delayed by limit_req: $n");
}
cmp_ok(time - $start, '>', 0.9, 'they have waited');

# What subrequests say is not the answer.
for my $name (qw/limited added auth/) {
    $w = $t->connected('websocket', at($name));
    $w->emit('a', 1);
    is($w->next_packet, '42["echo",1]', "$name: answered");
}

$w = $t->websocket(at('denied'));
$w->open_packet;
$w->send('40');
like($w->next_packet, qr/^44\{"message":/, 'denied: the connect fails');
is(scalar asked('denied'), 0, 'and the backend is not asked');

# A delay is no reason to stay.
$w = $t->connected('websocket', at('delayed', worker => 0));
$w->emit('n', $_) for 1 .. 3;
$t->reload;
is($w->next_packet, qq{42["echo",$_]}, "delayed over a reload: $_") for 1 .. 3;

$t->finish;
