#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Clocks that jump.  The wall clock is for people: a day ahead, a day back and
# 1970 end no session and move no deadline, while the time of events and of
# signatures follows.  After the monotonic clock has gone on without us, as
# with a suspended machine, all deadlines are over at once: clients get as long
# as we slept, a timeout at the most, to say that they are there.  Fails if a
# deadline is counted in wall time, or nobody asks why it is so late.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 2, shim => 'clock', alarm => 60);
my $b = $t->run_hook(undef, eio => '3 4', socketio => <<'CONF',
            socketio_hook_secret 0123456789abcdef0123456789abcdef;
            socketio_ping_interval 25s;
            socketio_ping_timeout 20s;
CONF
    server => '
        location = /_status { socketio_status test; }
        location /quick/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
            socketio_ping_interval 400ms;
            socketio_ping_timeout 400ms;
        }',
    backend => $t->backend(sub ($e, @) { echo($e) }));

my ($wall, $mono) = (0, 0);

# Workers read the clocks at each event; deadlines are looked at with a tick.
sub jump ($w, $m) {
    my $tick = $mono != $m;
    ($wall, $mono) = ($w, $m);
    $t->shim($w * 1e9, $m * 1e9);
    sleep 1.1 if $tick;
}

# All four kinds: both transports, both revisions.
my @all = map { my $eio = $_;
    map { $t->connected($_, eio => $eio) } qw/websocket polling/ } 3, 4;
ok(!grep({ !$_->{id} } @all), 'connected');

my $n = 0;

sub work ($what) {
    my $ok = 1;
    $n++;
    for my $s (@all) {
        $s->send("42[\"e\",$n]");
        my $got = $s->next_packet(5) // 'nothing';
        $ok = 0, diag "$what: $got" if $got ne "42[\"echo\",$n]";
    }
    ok($ok, "$what: all sessions work");
    my @s = $t->publish({ op => 'count', all => \1 });
    is($s[1]{count}, scalar @all, "$what: all are there");
}

my $day = 86400;
my $to_1970 = -(int(time) - 1000);

for ([a => 'a day ahead', $day], [b => 'a day back', -$day],
    [c => '1970', $to_1970], [d => 'and now', 0])
{
    my ($key, $what, $w) = @$_;
    jump($w, 0);
    work($what);

    my ($req) = reverse $b->requests;
    my ($e) = reverse $b->events('event');
    my $now = time + $w;
    cmp_ok(abs($e->{time} / 1000 - $now), '<', 5, "$what: time of events");
    my ($signed) = ($req->{headers}{'x-socketio-signature'} // '')
        =~ /(?:^|[^a-z])t=(\d+)/;
    cmp_ok(abs(($signed // 0) - $now), '<', 5, "$what: time of signatures");

    # A key is remembered, heartbeats go on, and so do their timeouts.
    $t->publish({ all => \1, event => 'k', key => "k$key" }) for 1, 2;
    is($_->next_packet, '42["k"]', "$what: a key runs once") for @all;

    my $q = $t->websocket(path => '/quick/?EIO=4&transport=websocket');
    $q->open_packet;
    is($q->recv(5), '2', "$what: a ping");
    $q->send('3');
    is($q->recv(5), '2', "$what: the next one");
    ok(eventually(sub { !$t->session_alive($q->{sid}, '/quick/', 'polling') }),
        "$what: no pong, no session");
}

# The clock goes on for 40 s, and nobody was there to see it.
jump(0, 40);
work('asleep for 40 s');

# For an hour, with pings under way: those of polling clients wait in their
# outbox, those of websockets have been sent.  Revision 3 pings by itself.
jump(0, 40 + 26);
jump(0, 40 + 26 + 3600);
work('asleep for an hour, pings unanswered');

# Who really is gone is found out all the same, on time.
sub beat () { $_->send($_->{eio} == 3 ? '2' : '3') for @all }

my $gone = $t->connected('websocket');
for my $more (26, 19) {
    beat();
    jump(0, $mono + $more);
}
beat();
is($b->reason($gone->{id}), 'ping timeout', 'who does not answer is closed');
beat();
work('those who do');

$t->finish;
