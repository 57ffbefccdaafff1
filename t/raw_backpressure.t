#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone, queues that are full: a backend that does not answer (its
# clients are not read from, by number and by size, and while open waits), and
# a client that does not come for its messages.  Fails if a full inbox drops
# messages, answers a POST too early, is never looked at again, or takes a
# client that cannot send its pong for a dead one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_raw(sub ($events, $req, $ctl) {
    for my $e (@$events) {
        return reply(hold => 'gate', body => echo($events))
            if ($e->{text} // '') eq 'hold'
                || ($e->{type} eq 'open' && $e->{handshake}{query}{hold});
    }
    return echo($events);
}, socketio => <<'CONF', server => <<'SERVER', read_timeout => '40s');
            socketio_hook_queue 16 64k;
            socketio_hook_lanes 8;
            socketio_hook_timeout 40s;
            socketio_send_queue 400 1m;
CONF
        location /beat/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_hook_timeout 40s;
            socketio_ping_interval 500ms;
            socketio_ping_timeout 3s;
        }
SERVER

sub of ($s) { return grep { $_->{sid} eq $s->{id} } $b->events }

sub seq_ok ($s, $name) {
    my %seen;
    my @seq = map { $_->{seq} } grep { !$seen{$_->{id}}++ } of($s);
    is_deeply(\@seq, [0 .. $#seq], "$name: seq without gaps");
}

my %s = (
    ws => $t->raw('websocket'),
    ws3 => $t->raw('websocket', eio => 3),
    polling => $t->raw('polling'),
    big => $t->raw('websocket', worker => 1),
);

# One in flight, or behind that of another on the same lane: all wait.
$_->send('4hold') for values %s;
ok(eventually(sub { scalar $b->events('message') }), 'hook in flight');

# By number, by size.  A POST is answered when all of it has been taken.
my @n = 1 .. 200;
$s{$_}->send(map { "4$_" } @n) for qw/ws ws3/;
$s{polling}{post}->request('POST', $s{polling}->url,
    body => join "\x1e", map { "4$_" } @n);
my $x = 'x' x 10_000;
my @big = map { "$_ $x" } 1 .. 30;
$s{big}->send(map { "4$_" } @big);
ok($s{polling}{post}->silent(0.5), 'POST is held');

my ($status, $a) = $t->publish({ op => 'send', text => 'push',
    sid => [map { $_->{id} } values %s] });
is($a->{count}, 4, 'the other direction is open');
is($s{$_}->next_packet, '4push', "and works: $_") for sort keys %s;

# The same while open waits, with a heartbeat whose answer nobody reads.
my %h = (
    ws => $t->raw('websocket', path => '/beat/', query => '&hold=1',
        worker => 1),
    ws3 => $t->raw('websocket', path => '/beat/', query => '&hold=1',
        eio => 3),
    polling => $t->raw('polling', path => '/beat/', query => '&hold=1'),
);
my $start = time;
$h{$_}->send(map { "4$_" } @n) for qw/ws ws3/;
$h{polling}{post}->request('POST', $h{polling}->url,
    body => join "\x1e", map { "4$_" } @n);
is($h{polling}->body, '2', 'ping by polling');
is($h{ws}->recv, '2', 'ping by websocket');
$h{polling}->get_start;

# twice the time for a pong: that for another packet is one of them
ok($h{polling}->parked(3.5 + 3 + 1), 'polling: it lives');
ok($h{polling}{post}->silent(0.1), 'its POST is held');
ok($h{ws}->silent(0.1), 'websocket: it lives');
ok($h{ws3}->silent(0.1), 'revision 3: it lives');

$b->release('gate');

for my $name (qw/ws ws3/) {
    is_deeply([$s{$name}->collect(201, 8)], ['4hold', map { "4$_" } @n],
        "$name: all, in order");
    is_deeply([$h{$name}->collect(200, 8)], [map { "4$_" } @n],
        "$name: all that waited for open");
}
is_deeply([$s{big}->collect(31, 8)], ['4hold', map { "4$_" } @big],
    'big ones');
for my $p ($s{polling}, $h{polling}) {
    my $r = $p->{post}->response(8);
    is($r && $r->{body}, 'ok', 'POST is answered');
}
$h{polling}->send('3');
is_deeply([$s{polling}->collect(201, 8)], ['4hold', map { "4$_" } @n],
    'polling: all, in order');
is_deeply([$h{polling}->collect(200, 8)], [map { "4$_" } @n],
    'polling: all that waited for open');

for my $name (sort keys %s) {
    $s{$name}->send('4after');
    is($s{$name}->next_packet, '4after', "$name works afterwards");
    seq_ok($s{$name}, $name);
}

# A client that does not fetch is closed, and only that.
for my $i (1 .. 4) {
    $t->publish([map { { op => 'send', text => "$_", sid => $s{polling}{id} } }
        1 .. 100]);
}
ok($s{polling}->alive, 'a full send queue');
$t->publish({ op => 'send', text => 'more', all => JSON::PP::true });
is($b->reason($s{polling}{id}), 'transport error', 'one more: too slow');
is($s{ws}->next_packet, '4more', 'others got it');
my @e = of($s{polling});
is($e[-1]{type}, 'close', 'close is last');
is($t->http('GET', $s{polling}->url)->{status}, 400, 'it is gone');

$_->{conn}->close for $h{ws}, $h{ws3};
$_->close for $s{ws}, $s{ws3}, $s{big};
$t->finish;
