#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone, kill -9 of a worker: with opens in flight there, one of a
# websocket of its own, one of a poller whose POST waits elsewhere; and with
# messages in flight.  Fails if an open is lost with its worker, a message
# that waited for it goes missing or overtakes it, or a close is missing or
# doubled.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 3, alarm => 60);
my $b = $t->run_raw(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if !$ctl->{open} && grep { ($_->{text} // '') eq 'hold'
            || ($_->{type} eq 'open' && $_->{handshake}{query}{hold}) }
            @$events;
    return echo($events);
}, socketio => 'socketio_hook_lanes 16;', server => join '', map { <<"CONF" }
        location /$_/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
        }
CONF
    qw/a b c/);

# Who makes a session owns its first entry: all of these are worker 0's.
# Locations have lanes of their own: none waits for another.
my @pids = $t->worker_pids;
my $dead = $t->raw('websocket', worker => 0, path => '/a/',
    query => '&hold=1');
$dead->send('4never');
my $pending = $t->raw('polling', get_worker => 0, post_worker => 1,
    path => '/b/', query => '&hold=1');
$pending->{get}->close;
$pending->{get} = $t->connect_to_worker(2);
$pending->{post}->request('POST', $pending->url, body => "4a\x1ebAQI=\x1e4b");
ok($pending->{post}->silent(0.3), 'a message waits for open elsewhere');
my $between = $t->raw('polling', get_worker => 1, post_worker => 0,
    path => '/c/');
$between->send('4hold', '4behind');
ok(eventually(sub { grep { ($_->{text} // '') eq 'hold' }
    $b->events('message') }), 'a message in flight');
$between->{post}->close;
$between->{post} = $t->connect_to_worker(2);
my @live = ($t->raw('websocket', worker => 1), $t->raw('polling',
    get_worker => 1, post_worker => 2));

$t->allow_log(qr/worker process $pids[0] exited on signal 9/);
$b->set(open => 1);
kill 'KILL', $pids[0];
ok($dead->{conn}->closed, 'websocket of the dead worker ends');
ok(eventually(sub { 3 == $t->worker_pids }), 'a new worker');

# The opens are asked again, and now answered.
is($pending->{post}->response(8)->{body}, 'ok', 'the POST is answered');
is_deeply([$pending->collect(3)], ['4a', 'bAQI=', '4b'],
    'what waited for open, in order');
is_deeply([$between->collect(2)], ['4hold', '4behind'],
    'what was in flight, and what was behind it');
is($b->reason($dead->{id}, 8), 'transport close', 'close of the lost one');

for my $s (@live, $pending, $between) {
    $s->send('4m', \'n');
    is_deeply([$s->collect(2)], ['4m', 'bbg=='], "$s->{case} goes on");
}
my ($status, $a) = $t->publish({ op => 'send', all => \1, text => 'x' });
is($a->{count}, 4, 'all others are there');
is($_->next_packet, '4x', 'send') for @live, $pending, $between;

$_->isa('Test::SocketIO::WebSocket') ? $_->close : $_->send('1')
    for @live, $pending, $between;
is($b->reason($_->{id}), 'transport close', "$_->{case} ends")
    for @live, $pending, $between;

# At least once, in order, close exactly once and last.
for my $s ($dead, @live, $pending, $between) {
    my (%seen, @first);
    my @of = grep { $_->{sid} eq $s->{id} } $b->events;
    push @first, $_ for grep { !$seen{$_->{id}}++ } @of;
    is_deeply([map { $_->{seq} } @first], [0 .. $#first],
        "$s->{case}: in order, without gaps");
    is("$first[0]{type} $first[-1]{type}", 'open close', 'open, close');
    is(scalar(grep { $_->{type} eq 'close' } @of), 1, 'one close');
}
is_deeply([map { $_->{type} } grep { $_->{sid} eq $dead->{id}
    && $_->{type} ne 'open' } $b->events], ['close'],
    'what the lost one had sent was never taken');

$t->finish;
