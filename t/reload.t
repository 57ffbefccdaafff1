#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# HUP: polling sessions and websockets go on, parked GETs are answered, and
# broadcasts reach clients of both generations of workers.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
});

sub ws (%o) {
    my $ws = $t->websocket(%o);
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

sub poll () {
    my $p = $t->polling;
    $p->{id} = $p->sio_connect;
    return $p;
}

sub works ($s, $name) {
    $s->send('42["m",1]');
    is($s->next_packet, '42["echo",1]', $name);
}

my @ws = (ws(worker => 0), ws(worker => 1));
my $idle = poll();
my $parked = poll();
my $held = poll();
my $probing = poll();
my $probe = $t->websocket(sid => $probing->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'probing');

$parked->get_start;
ok($parked->parked(0.2), 'parked');
$held->send('42["hold"]', '42["behind",2]');
ok(eventually(sub { grep { $_->{event} eq 'hold' } $b->events('event') }),
    'hook in flight');

my @old = $t->reload;
is(scalar @old, 2, 'two old workers');

my $r = $parked->get_wait;
ok($r, 'parked GET is answered');
is($r->{status}, 200, 'well');
is($r->{body}, '6', 'with a noop');
works($parked, 'eio 153: its session goes on (closed in Node)');
works($idle, 'so does one between requests');
works($_, 'eio 153: websockets go on (closed in Node)') for @ws;

$b->release('gate');
is_deeply([$held->collect(2)], ['42["echo"]', '42["echo",2]'],
    'a hook in flight is not lost, nor what waited behind it');

$probe->send('5');
is(($probe->send('42["m",9]'), $probe->next_packet)[1], '42["echo",9]',
    'an upgrade is completed on the old worker');

my $new = ws();
works($new, 'new workers serve');
my ($status, $a) = $t->publish({ all => \1, event => 'x' });
is($a->{count}, 7, 'all are counted');
is($_->next_packet, '42["x"]', 'broadcast to ' . ref $_)
    for @ws, $idle, $parked, $held, $probe, $new;

is(scalar(my @d = $b->events('disconnect')), 0, 'nobody was disconnected');

# Once more, with the websockets still on the oldest workers.
$t->reload;
works($_, 'websockets after a second reload') for @ws, $new;
works($idle, 'polling after a second reload');
($status, $a) = $t->publish({ all => \1, event => 'y' });
is($_->next_packet, '42["y"]', 'broadcast after a second reload')
    for @ws, $new, $idle;

# Upgrade of a session as old as the first workers.
my $up = $t->websocket(sid => $idle->{sid});
$up->send('2probe', '5');
is($up->recv, '3probe', 'probe by a new worker');
works($up, 'upgrade on a new worker');

# An old worker leaves with its last websocket.
my $leaving = qr/^nginx: worker process is shutting down$/;
ok(scalar(my @l = $t->worker_pids($leaving)), 'old workers are still there');
$_->close for @ws, $probe, $new;
ok(eventually(sub { !$t->worker_pids($leaving) }, 8),
    'and leave with their last websocket');
is($b->reason($_->{id}), 'transport close', 'disconnect by an old worker')
    for @ws;
works($up, 'the rest goes on');

$t->finish;
