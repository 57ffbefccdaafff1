#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# kill -9 of one worker of three: sessions between requests do not notice,
# those with a connection there end, and the backend hears of each once.
# Fails if a death leaves a disconnect out, twice, or a lock held.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/sleep/;

my $t = Test::SocketIO->new(workers => 3);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if !$ctl->{open} && grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
});

sub ws ($worker) {
    my $ws = $t->websocket(worker => $worker);
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    $t->publish({ op => 'join', sid => $ws->{id}, room => 'all' });
    return $ws;
}

sub poll ($get, $post) {
    my $p = $t->polling(get_worker => $get, post_worker => $post);
    $p->{id} = $p->sio_connect;
    $t->publish({ op => 'join', sid => $p->{id}, room => 'all' });
    return $p;
}

my @pids = $t->worker_pids;

my @dead = map { ws(0) } 1 .. 5;
my @live = (ws(1), ws(2));
my $parked_there = poll(0, 1);
my $parked_here = poll(1, 2);
my $between = poll(1, 2);
$between->{get}->close;
$_->get_start for $parked_there, $parked_here;
ok($parked_there->parked(0.2), 'parked on the worker to die');

# A probe on that worker, of a session elsewhere.
my $probing = poll(1, 2);
my $probe = $t->websocket(sid => $probing->{sid}, worker => 0);
$probe->send('2probe');
is($probe->recv, '3probe', 'probing on the worker to die');

# A hook in flight there, with more events behind it.
$dead[0]->emit('hold');
ok(eventually(sub { grep { $_->{event} eq 'hold' } $b->events('event') }),
    'hook in flight');
$dead[0]->emit("queued$_") for 1 .. 3;
sleep 0.2;

$t->allow_log(qr/worker process $pids[0] exited on signal 9/);
kill 'KILL', $pids[0];

ok($_->{conn}->closed, 'eio 153: websocket of the dead worker ends') for @dead;
ok($probe->{conn}->closed, 'so does the probe');
ok($parked_there->{get}->closed, 'and the parked GET');

ok(eventually(sub { 3 == $t->worker_pids }), 'a new worker');
$b->set(open => 1);
$b->release('gate');

for my $ws (@dead) {
    my $reason = $b->reason($ws->{id}, 8);
    ok(defined $reason, 'disconnect of a lost websocket: '
        . ($reason // 'none'));
}
ok(defined $b->reason($parked_there->{id}), 'disconnect of the lost GET');

# Everybody else goes on.
for my $s (@live, $between, $probing) {
    $s->{get} = $t->connect if $s == $between;
    $s->send('42["m",1]');
    is($s->next_packet, '42["echo",1]', 'other sessions work');
}
is($probing->isa('Test::SocketIO::Session') && $probing->alive, 1,
    'the session of the lost probe is on polling');
$probe = $t->websocket(sid => $probing->{sid}, worker => 2);
$probe->send('2probe', '5', '42["m",2]');
is($probe->recv, '3probe', 'and may try again');
is($probe->next_packet, '42["echo",2]', 'upgraded');

my ($status, $a) = $t->publish({ room => 'all', event => 'x' });
is($a->{count}, 5, 'rooms have lost the dead and nobody else');
is($parked_here->next_packet, '42["x"]', 'the parked GET was not disturbed');
is($_->next_packet, '42["x"]', 'broadcast') for @live, $between;

# The new worker serves.
my ($new) = grep { my $p = $_; !grep { $_ == $p } @pids } $t->worker_pids;
my $ws = $t->websocket(conn => $t->connect_to_worker($new, pid => 1));
$ws->open_packet;
ok($ws->{id} = $ws->sio_connect, 'the new worker connects');
$ws->send('42["m",3]');
is($ws->next_packet, '42["echo",3]', 'and serves');
($status, $a) = $t->publish({ all => \1, event => 'y' }, worker => 1);
is($ws->next_packet, '42["y"]', 'and gets broadcasts');

# Order and number of what the backend got of the one in flight.
my @of = grep { $_->{sid} eq $dead[0]{id} } $b->events;
my (%seen, @first);
push @first, $_->{event} // $_->{type}
    for grep { !$seen{$_->{id}}++ } @of;
is_deeply(\@first, [qw/connect hold queued1 queued2 queued3 disconnect/],
    'at least once, in order, after the death too');

sleep 1.5;                              # a second disconnect would be here
my %n;
$n{$_->{sid}}++ for $b->events('disconnect');
is_deeply([map { $n{$_->{id}} // 0 } @dead, $parked_there], [(1) x 6],
    'exactly one disconnect each');
is_deeply([map { $n{$_->{id}} // 0 } @live, $parked_here, $between, $probing],
    [(0) x 5], 'none for the others');

$t->finish;
