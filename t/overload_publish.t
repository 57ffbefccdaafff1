#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# More messages than a worker can write: publishers, and batches of hooks,
# wait for it instead of overrunning its mailbox, which would close all of its
# websockets.  A worker that stays stopped is waited for as long as it may be
# alive, and not for ever.  Fails if a burst of small emits is the end of a
# healthy worker.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60, signal => 'TERM');
my $b = $t->run_hook(undef, zone => '2m', http => 'send_timeout 60s;',
    backend => $t->backend(sub ($e, @) { echo($e) }),
    socketio => 'socketio_send_queue 100000 64m;',
    server => 'location = /_status { socketio_status test; }');

my @pids = $t->worker_pids;
my $ws = $t->connected('websocket', worker => 1);
my $p = $t->connected('websocket', worker => 0);
my $status = $t->connect_to_worker(0);

sub queues () {
    return from_json($t->http('GET', '/_status', conn => $status)->{body})
        ->{queues};
}

# A stream of commands on a connection of worker 0, which may not all be taken.
sub stream ($c, $n) {
    my $lines = join '', map { qq({"sid":"$ws->{id}","event":"m","args":[$_]}\n) }
        1 .. $n;
    $c->request('POST', '/_publish', body => $lines);
    return $c;
}

my $N = 12_000;                         # a mailbox of 2m has room for less

# While worker 1 is stopped it takes connections, and nobody hears of it.
my @c = map { $t->connect_to_worker(0) } 1 .. 3;

kill STOP => $pids[1];
my $c = stream($c[0], $N);
ok(eventually(sub { queues()->{waits} > 0 }, 5), 'the publisher waits');
my $q = queues();
cmp_ok($q->{mailbox}, '<', $N, 'not all has been taken');
is($q->{overrun}, 0, 'nobody is overrun');

# So do batches of others.
my $before = () = $b->requests;
$p->send('42["e"]');
ok($p->silent(0.2), 'a batch waits, too');
is(scalar(my @r = $b->requests), $before, 'it was not sent');
kill CONT => $pids[1];

is_deeply([$ws->collect($N, 20)], [map { "42[\"m\",$_]" } 1 .. $N],
    'all messages arrive, in order');
my $r = $c->response(10);
is(() = $r->{body} =~ /"ok":true/g, $N, 'each was answered');
is($p->next_packet, '42["echo"]', 'the batch was sent then');
is(queues()->{overrun}, 0, 'still nobody is overrun');

# Two healthy workers and a publisher as fast as it can.
$c = stream($c[1], $N);
is(scalar($ws->collect($N, 20)), $N, 'a burst');
$c->response(10);
is(queues()->{overrun}, 0, 'is no harm');

# One that stays stopped: others go on, it starts afresh.
kill STOP => $pids[1];
$c = stream($c[2], $N);
ok(eventually(sub { queues()->{overrun} }, 25), 'overrun, in the end');
ok($c->response(10), 'the publisher goes on');
kill CONT => $pids[1];
ok($ws->closed(10), 'the websocket is closed');
ok(eventually(sub { $t->log_lines(qr/did not read its mailbox/) }), 'logged');
my $again = $t->connected('websocket', worker => 1);
$again->send('42["e"]');
is($again->next_packet, '42["echo"]', 'a new one works');

$t->finish;
