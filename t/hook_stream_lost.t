#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Answers that come line by line, to batches with connects, and those that do
# not come to their end.  Fails if a line overtakes the answer to a connect, if
# half an answer lets a client in, or if what is lost with a connection, a
# worker or the time there is, is not asked for again, or is for ever.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Stream qw/answer hold release send_do ask of asked/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->backend(\&answer);

my $conf = <<'CONF';
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 16m;
    socketio_eio 4;
    socketio_hook_timeout 30s;
    socketio_hook_lanes 1;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
        }
        location /short/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 3s;
        }
        location /let/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 3s;
            socketio_hook_connect_fail accept;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_read_timeout 30s;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

$t->run($conf, B => $b->port);

sub ws ($worker = 0, $path = '/socket.io/') {
    my $ws = $t->websocket(worker => $worker,
        path => "$path?EIO=4&transport=websocket");
    $ws->open_packet;
    return $ws;
}

sub connected (@o) {
    my $ws = ws(@o);
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

# The worker has read what this websocket has sent so far.
sub seen ($ws) {
    $ws->send_frame(9, 'seen');
    is($ws->frame->{op}, 10, 'together: read');
}

# A batch of an event with this answer and a connect, gathered behind a request
# in flight, of which the lane has one: both clients, and the case.
sub together ($path, @do) {
    my $ws = connected(0, $path);
    my $new = ws(0, $path);
    my $h = hold;

    $ws->emit('hold', $h);
    ok(eventually(sub { grep { $_->{event} eq 'hold'
        && $_->{sid} eq $ws->{id} } $b->events('event') }),
        'together: in flight');

    my $n = send_do($ws, @do);
    $new->send('40');
    seen($_) for $ws, $new;
    release($b, $h);
    is($ws->next_packet, qq(42["echo",{"hold":"$h->{hold}"}]),
        'together: let go');
    ok(asked($b, $n), 'together: asked');

    my ($r) = of($b, $n);
    is_deeply([sort map { $_->{type} } @{$r->{events}}], [qw/connect event/],
        'together: one batch');
    return ($ws, $new, $n);
}

sub attempts ($n) {
    return [map { $_->{headers}{'x-socketio-attempt'} } of($b, $n)];
}

# Connects first.
my @h = map { hold } 1 .. 3;
my ($ws, $new) = together('/socket.io/', {}, { event => 'a' },
    { room => 'lobby', event => 'hello' }, $h[0],
    { connect => 1, op => 'accept', rooms => ['lobby'] }, { event => 'b' },
    $h[1], { event => 'c' });
ok($ws->silent(0.2), 'commands wait for the answer to a connect');
release($b, $h[0]);
like($new->next_packet, qr/^40\{/, 'which comes with a later line');
is($new->next_packet, '42["hello"]', 'what was before it reaches the socket');
is_deeply([$ws->collect(2)], ['42["a"]', '42["b"]'], 'now they run, in order');
release($b, $h[1]);
is($ws->next_packet, '42["c"]', 'and each at once again');

($ws, $new) = together('/socket.io/', {}, { event => 'a' },
    { connect => 1, op => 'reject', message => 'no' }, $h[2], { event => 'b' });
is($new->next_packet, '44{"message":"no"}', 'a reject is at once');
is($ws->next_packet, '42["a"]', 'what waited for it too');
release($b, $h[2]);
is($ws->next_packet, '42["b"]', 'to the end');

# By the end of an answer that is valid in all its lines.
@h = map { hold } 1 .. 4;
($ws, $new) = together('/socket.io/', {}, { event => 'a' }, $h[0]);
ok($_->silent(0.1), 'no answer to a connect: nothing') for $new, $ws;
release($b, $h[0]);
like($new->next_packet, qr/^40\{/, 'it is accepted at the end');
is($ws->next_packet, '42["a"]', 'and what waited runs');

for my $case (['an unknown command', { op => 'nope' }],
    ['an invalid accept', { connect => 1, op => 'accept', rooms => 7 }],
    ['no command', "7\n"])
{
    my ($name, $bad) = @$case;
    my $h = hold;

    ($ws, $new) = together('/socket.io/', {}, { event => 'a' }, $bad, $h,
        { event => 'b' });
    ok($_->silent(0.1), "$name: nothing so far") for $new, $ws;
    release($b, $h);
    is($new->next_packet, '44{"message":"invalid answer of the backend"}',
        "$name: nobody is let in");
    is_deeply([$ws->collect(2)], ['42["a"]', '42["b"]'],
        "$name: what is valid runs");
}

is(scalar(my @said = $t->log_lines(qr/a name is not a string/)), 1,
    'what was run is not run again at the end');

# Cut in the middle.
($ws) = connected();
my $n = ask($b, $ws, { id => 5, once => 200, cut => 1 }, { event => 'a' },
    { op => 'ack', args => ['first'] }, '{"event":"half","id":"ID"', $h[1]);
is_deeply([$ws->collect(2)], ['42["a"]', '435["first"]'], 'lines have run');
release($b, $h[1]);
is_deeply([$ws->collect(2)], ['42["again"]', '42["again2"]'],
    'lost in the middle: asked again, but for an ack that was given');
is_deeply(attempts($n), [1, 2], 'as another attempt');
my @r = of($b, $n);
is($r[0]{body}, $r[1]{body}, 'with the same events');
is($r[0]{headers}{'x-socketio-batch'}, $r[1]{headers}{'x-socketio-batch'},
    'in the same batch');

($ws, $new, $n) = together('/socket.io/', { once => 403, cut => 1 },
    { connect => 1, op => 'accept' }, { event => 'a' });
like($new->next_packet, qr/^40\{/, 'accepted in what came');
is($ws->next_packet, '42["a"]', 'with what follows');
ok(asked($b, $n, 2), 'lost: asked again');
$new->emit('b');
is($new->next_packet, '42["echo"]', 'who is in stays, whatever is said then');

($ws, $new, $n) = together('/socket.io/', { once => 403, cut => 1 },
    { event => 'a' });
is($new->next_packet, '44{"message":"no more"}',
    'nobody is let in by half an answer');
ok($ws->silent(0.2), 'nor does what waited for it run');

($ws, $new) = together('/socket.io/', { once => 200, cut => 1 },
    { event => 'a' }, { event => 'b', args => ['x' x 1000] });
like($new->next_packet, qr/^40\{/, 'accepted by the second answer');
is_deeply([$ws->collect(2)], ['42["again"]', '42["again2"]'],
    'nothing of the first is left');
is(($t->publish({ op => 'count', room => 'again' }))[1]{count}, 1,
    'from its beginning on');

($ws, $new) = together('/socket.io/', { once => 204, cut => 1 },
    { connect => 1, op => 'accept', rooms => 7 });
like($new->next_packet, qr/^40\{/, 'nor is a mistake in the first');

# No longer than it may take.
for my $case (['/short/', qr/^44\{"message":"service unavailable"\}/],
    ['/let/', qr/^40\{/])
{
    my ($path, $then) = @$case;

    ($ws, $new, $n) = together($path, {}, { event => 'a' }, hold);
    like($new->next_packet, $then, "$path: time is up");
    $ws->emit('next');
    is($ws->next_packet, '42["echo"]', "$path: what waited does not run");
    is_deeply(attempts($n), [1], "$path: and nothing is asked again");
}

$ws = connected(1, '/short/');
ask($b, $ws, {}, { event => 'a' }, hold, { event => 'b' });
$ws->emit('next');
is_deeply([$ws->collect(2)], ['42["a"]', '42["echo"]'],
    'a stream that does not end: the next event has its turn');
ok($t->log_lines(qr/status 200, attempt 1, time is up/), 'as the log says');

# Its worker dies: the event is on another one, and the client too.
my $p = $t->polling(get_worker => 1, post_worker => 0);
$p->{id} = $p->sio_connect;
$n = ask($b, $p, { once => 200 }, { event => 'a' }, $h[2]);
is($p->next_packet, '42["a"]', 'a line before its worker dies');

my ($pid) = $t->worker_pids;
$t->allow_log(qr/worker process $pid exited on signal 9/);
kill 'KILL', $pid;
is_deeply([$p->collect(2)], ['42["again"]', '42["again2"]'],
    'its worker dies: asked again by another one');
@r = of($b, $n);
is($r[0]{events}[0]{id}, $r[-1]{events}[0]{id}, 'the same event');
release($b, $h[2]);
ok(eventually(sub { 2 == $t->worker_pids }), 'a new worker');

# A reload: to the end, or as long as the old worker may.
my $slow = "worker_shutdown_timeout 1s;\n$conf";
$ws = connected();
$n = ask($b, $ws, { once => 200 }, { event => 'a' }, $h[3], { event => 'b' });
is($ws->next_packet, '42["a"]', 'a line before a reload');
$t->write_conf($slow, B => $b->port);
$t->reload;
release($b, $h[3]);
is($ws->next_packet, '42["b"]', 'and behind it');
is_deeply(attempts($n), [1], 'by the old worker');
$ws->close;

$p = $t->polling;
$p->{id} = $p->sio_connect;
$n = ask($b, $p, { once => 200 }, { event => 'a' }, hold);
is($p->next_packet, '42["a"]', 'a line, and a reload');
$t->reload;
is_deeply([$p->collect(2)], ['42["again"]', '42["again2"]'],
    'worker_shutdown_timeout: asked again by a new worker');

$t->finish;
