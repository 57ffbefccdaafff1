#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# More generations of workers than there are slots.  16 workers have 64 slots,
# so when a fourth generation is there the oldest one makes room: its websockets
# are closed, evenly, and no others.  If a fifth comes before they have gone its
# workers refuse clients, say so once, and serve when slots are free.  Fails if
# that takes them for ever, or if all are closed, or none.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::WebSocket ();

my $workers = 16;

my $t = Test::SocketIO->new(workers => $workers, alarm => 90,
    globals => 'worker_shutdown_timeout 40s;');
$t->run_echo(server => 'location = /_status { socketio_status test json; }');

# A websocket on each worker keeps it.
sub one_each () {
    return [map {
        my $ws = $t->websocket(worker => $_);
        $ws->open_packet;
        $ws->sio_connect;
        $ws;
    } 0 .. $workers - 1];
}

sub exiting () { return scalar(my @p = $t->worker_pids(qr/is shutting down$/)) }

sub status () { return from_json($t->http('GET', '/_status')->{body}) }

sub zone () { return status->{zone} }

my $poll = $t->polling;
$poll->sio_connect;

my @gen = (one_each());
for (1, 2) {
    $t->reload;
    push @gen, one_each();
}

is(zone()->{workers}, 3 * $workers, 'three generations');
is(zone()->{exiting}, 2 * $workers, 'of which two are old');
ok($_->silent(0), 'nobody has left') for $gen[0][0], $gen[0][-1], $gen[1][0];

# The fourth takes the last slots.  The first is asked to leave, but
# its clients do not answer, which takes it some seconds.
$t->reload;
push @gen, one_each();

ok(eventually(sub { my @l = $t->log_lines(qr/need the slot of this one/);
    @l == $workers }, 8), 'each of the oldest workers is asked to leave')
    or diag(scalar(my @l = $t->log_lines(qr/need the slot of this one/)));

# A fifth.
$t->reload;

my $full = qr/all 64 worker slots are taken: this worker refuses/;
ok(eventually(sub { $t->log_lines($full) >= 1 }), 'no slot is free');

my $status = 0;
for (1 .. 50) {
    my $ws = $t->websocket;
    $status = $ws->status;
    $ws->{conn}->close;
    last if $status == 503;
}
is($status, 503, 'refused by a worker without one');

is($_->closed(15), 1001, 'the oldest websockets leave') for @{$gen[0]};
$_->send_frame(Test::SocketIO::WebSocket::CLOSE, pack 'n', 1001)
    for @{$gen[0]};
ok(eventually(sub { exiting() <= 3 * $workers }, 15), 'then their workers');

# Clients that are refused come again: all workers serve in the end.
for my $w (0 .. $workers - 1) {
    my $ws;
    ok(eventually(sub {
        $ws = $t->websocket(worker => $w);
        $ws->status == 101;
    }, 20), "new worker $w serves");
    $ws->open_packet;
    $ws->sio_connect;
    $ws->send('42["m",1]');
    is($ws->next_packet, '42["echo",1]', 'well');
    $ws->close;
}

cmp_ok(status->{sessions}{refused}{no_slot}, '>', 0, 'refusals are counted');

my $lines = $t->log_lines($full);
cmp_ok($lines, '<=', $workers, 'said once by each');

# Fourth and fifth are there; the second is making room for a sixth.
is($_->closed(8), 1001, 'the next ones leave') for @{$gen[1]}[0, -1];
my ($code, $a) = $t->publish({ all => \1, event => 'x' });
is($code, 200, 'published');
for my $ws (@{$gen[3]}[0, -1]) {
    my ($got) = grep { /"x"/ } $ws->next_packet // '';
    is($got, '42["x"]', 'the youngest old workers have their websockets');
}
ok($poll->alive, 'a polling session outlives all of them');

$_->{conn}->close for map { @$_ } @gen;
ok(eventually(sub { exiting() == 0 }, 15), 'old workers leave');

$t->finish;
