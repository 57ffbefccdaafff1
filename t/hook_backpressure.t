#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A backend that does not answer: its clients are not read from any more, and
# when it answers nothing is lost, doubled or out of order.  Fails if a full
# inbox drops events, answers a POST too early, or is never looked at again.

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
}, socketio => <<'CONF', read_timeout => '20s');
            socketio_hook_queue 16 64k;
            socketio_hook_lanes 8;
            socketio_hook_timeout 20s;
CONF

my $ws = $t->websocket(worker => 0);
my $p = $t->polling(get_worker => 0, post_worker => 1);
my $big = $t->websocket(worker => 1);
$ws->open_packet;
$big->open_packet;
ok($_->{id} = $_->sio_connect, 'connected') for $ws, $p, $big;

# One in flight, or behind that of another on the same lane: all wait.
sub hold (@s) {
    my $n = grep { $_->{event} eq 'hold' } $b->events('event');
    $_->send('42["hold"]') for @s;
    ok(eventually(sub {
        $n < grep { $_->{event} eq 'hold' } $b->events('event') }),
        'hook in flight');
}

hold($ws, $p, $big);

# By number, by size.  A POST is answered when all of it has been taken.
$ws->send(map { "42[\"m\",$_]" } 1 .. 300);
$p->{post}->request('POST', $p->url, body =>
    join "\x1e", map { "42[\"m\",$_]" } 1 .. 300);
my $x = 'x' x 10_000;
$big->send(map { "42[\"m\",\"$_ $x\"]" } 1 .. 30);

ok($p->{post}->silent(0.5), 'POST is held');
# What was sent before its lane was in flight may share the held batch.
my %held;
is(scalar(grep {
        $held{$_->{sid}} ||= $_->{event} eq 'hold';
        $_->{event} eq 'm' && !$held{$_->{sid}} } $b->events('event')), 0,
    'nothing overtakes');
my ($status, $a) = $t->publish({ sid => [map { $_->{id} } $ws, $p, $big],
    event => 'push' });
is($a->{count}, 3, 'the other direction is open');
is($_->next_packet, '42["push"]', 'and works, ' . ref $_) for $ws, $p, $big;

# The lane is by session: of many others most are on a free one.
my @other = map { $t->websocket(worker => $_ % 2) } 1 .. 16;
for (@other) {
    $_->open_packet;
    $_->send('40');
}
ok(eventually(sub { grep { ($_->recv(0.02) // '') =~ /^40/ } @other }),
    'other clients are served');

$b->release('gate');
is_deeply([$ws->collect(301, 8)], ['42["echo"]',
    map { "42[\"echo\",$_]" } 1 .. 300], 'websocket: all, in order');
my $r = $p->{post}->response(8);
is($r && $r->{body}, 'ok', 'POST is answered');
is_deeply([$p->collect(301, 8)], ['42["echo"]',
    map { "42[\"echo\",$_]" } 1 .. 300], 'polling: all, in order');
is_deeply([map { length } $big->collect(31, 8)], [10,
    map { 10_000 + length "42[\"echo\",\"$_ \"]" } 1 .. 30], 'big ones');

for my $s ($ws, $p, $big) {
    my %seen;
    my @seq = map { $_->{seq} } grep { !$seen{$_->{id}}++ }
        grep { $_->{sid} eq $s->{id} } $b->events;
    is_deeply(\@seq, [0 .. $#seq], 'seq without gaps');
    $s->send('42["m","after"]');
    is($s->next_packet, '42["echo","after"]', 'works afterwards');
}

# A client that leaves while it is not read from: what was taken is served,
# and then it is gone.
my $leaver = $t->polling(get_worker => 1, post_worker => 0);
$leaver->{id} = $leaver->sio_connect;
$b->set('release gate' => 0);
hold($leaver);
$leaver->{post}->request('POST', $leaver->url, body =>
    join "\x1e", map { "42[\"m\",$_]" } 1 .. 100);
ok($leaver->{post}->silent(0.3), 'held again');
$leaver->{post}->close;
$b->release('gate');
like($b->reason($leaver->{id}, 8), qr/^transport (?:error|close)$/,
    'client left a held POST');
my @e = grep { $_->{sid} eq $leaver->{id} } $b->events;
is($e[-1]{type}, 'disconnect', 'its disconnect is last');
my @args = map { $_->{args}[0] } grep { ($_->{event} // '') eq 'm' } @e;
is_deeply(\@args, [1 .. @args], 'what was taken was in order');

$_->close for $ws, $big;
$t->finish;
