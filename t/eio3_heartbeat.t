#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# In revision 3 clients ping, and whoever sends anything is alive.  Fails if
# the server pings, if a pong has the ping's data, if some packet does not
# count, or if an upgrade loses the deadline, in either way.
#
# Sessions that end run side by side, as each takes 3 s: what they send, they
# send a second after they were opened, and their end must be 3 s from there.
# Only that they do not end early is timed.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(undef, eio => '3 4', server => <<'CONF');
        location /beat/ {
            socketio test;
            socketio_hook /_hook;
            socketio_ping_interval 1s;
            socketio_ping_timeout 2s;
        }
CONF

my $limit = 3 - 0.2;            # a cached clock, and a wheel

# Without looking for its socket, which takes a while.
my $n = 0;
sub ws (%o) {
    my $s = $t->websocket(path => '/beat/?EIO=3&transport=websocket&case=h'
        . ++$n . ($o{sid} ? "&sid=$o{sid}" : ''), worker => $n % 2);
    $s->{case} = "h$n";
    return $s if $o{sid};
    $s->open_packet;
    $s->sio_connect;
    return $s;
}

sub poll (%o) {
    my $s = $t->polling(eio => 3, path => '/beat/', worker => 0,
        post_worker => 1, query => '&case=h' . ++$n, %o);
    $s->{case} = "h$n";
    $s->sio_connect;
    return $s;
}

sub probe ($p) {
    my $ws = ws(sid => $p->{sid});
    $ws->send('2probe');
    is($ws->recv, '3probe', 'eio 127: probe');
    return $ws;
}

# Pings are answered, without data.  No clock is in this.
for my $ws ($t->connected('websocket', eio => 3)) {
    for my $ping ('2', '2x', '2probe', '22') {
        $ws->send($ping);
        is($ws->recv, '3', "eio 123: $ping on W3");
    }
    $ws->send('3', '3x', '2');
    is($ws->recv, '3', 'eio 126: pongs are ignored');
    $ws->close;
}

for my $how ({}, { b64 => 1 }, { jsonp => 0 }) {
    my $p = $t->connected('polling', eio => 3, %$how);
    my $name = join ' ', 'P3', %$how;

    for my $ping ('2', '2x', '2probe') {
        ok($p->send($ping), "eio 123: $ping on $name");
        is($p->recv, '3', "eio 123: $ping, by the next GET");
    }
    $p->get_start;
    ok($p->parked(0.1), 'GET parked');
    ok($p->send('2'), "eio 123: 2 on $name");
    is($p->recv, '3', 'eio 123: releases the parked GET');

    ok($p->send('2', '2x', '2'), 'eio 123: three of them');
    is($p->recv, '3', 'eio 123: one pong for all');
    $p->get_start;
    ok($p->parked(0.2), 'eio 123: and no other');
    ok($p->send('3', '3x'), 'eio 126: pongs');
    ok($p->parked(0.2), 'eio 126: are ignored');

    $t->publish({ sid => $p->{id}, event => 'm' });
    is($p->next_packet, '42["m"]', 'parked GET released');
    $t->publish({ sid => $p->{id}, event => 'm' });
    ok($p->send('2'), 'a ping behind a message');
    is_deeply([$p->recv, $p->recv], ['42["m"]', '3'], 'both are there');
}

# Sessions that end: name, session, what it sends when, and since when.
my @run;

sub run ($name, $s, $code = undef) {
    push @run, { name => $name, s => $s, code => $code, since => time };
    later();
}

# What is due by now.
sub later () {
    for my $r (grep { $_->{code} && time - $_->{since} >= 1 } @run) {
        my $code = delete $r->{code};
        $r->{since} = time;
        $code->($r->{s});
    }
}

for my $packet ('2', '2x', '3', '6', '5', '0', '42["m"]', '42/x,["m"]',
    '40/x', '41/x', '41')
{
    run("eio 125: $packet, $_->[0]", $_->[1], sub ($s) { $s->send($packet) })
        for ['W3', ws()], ['P3', poll()];
}
run('eio 124: 2, b64', poll(b64 => 1), sub ($s) { $s->send('2') });
run('eio 124: 2, JSONP', poll(jsonp => 0), sub ($s) { $s->send('2') });
run('eio 124: a ping in a binary payload', poll(), sub ($s) {
    $s->post("\x01\x01\xff\x02", type => 'application/octet-stream') });
run('eio 125: an empty binary frame', ws(), sub ($s) {
    $s->send_frame(2, '') });

# Who says nothing, with a GET parked, without, or with a probe.
run('eio 124: silence on W3', my $silent = ws());
run('eio 128: no GET ever', my $never = poll());
my %parked;
for my $how ({}, { b64 => 1 }, { jsonp => 0 }) {
    my $name = join ' ', 'P3', %$how;
    run("eio 124: silence on $name", $parked{$name} = poll(%$how));
    $parked{$name}->get_start;
}
run('eio 124: silence, with a probe', my $probed = poll());
my $probe = probe($probed);

# An upgrade, silent from then on, and one that pings once more.
run('eio 127: silence after an upgrade', my $p = poll());
my $upgraded = probe($p);
$upgraded->send('5');
run('eio 127: a ping before the upgrade', $p = poll(), sub ($s) {
    is($s->post('1:2')->{body}, 'ok', 'eio 127: a ping by POST');
    $s->{ws}->send('5');
    is($s->{ws}->recv, '3', 'eio 127: its pong comes on the websocket');
});
$p->{ws} = probe($p);
run('eio 127: a ping after the upgrade', $p = poll(), sub ($s) {
    $s->{ws}->send('2');
    is($s->{ws}->recv, '3', 'eio 127: a ping after the upgrade');
});
$p->{ws} = probe($p);
$p->{ws}->send('5');

# Polls say nothing of their client's pings: it comes for messages until it is
# told of the end.
my $poller = poll();
run('eio 124: polls alone', $poller);
my $sid = $b->socket($poller->{case});
my $start = time;
while (time - $start < 15) {
    later();
    $t->publish({ sid => $sid, event => 'm' });
    last if $poller->body(0.5) ne '7:42["m"]';
    sleep 0.02;
}

for my $r (@run) {
    my $sid = $b->socket($r->{s}{case});
    my $reason = $b->reason($sid);
    my ($e) = grep { $_->{sid} eq $sid } $b->events('disconnect');

    # whose namespace it left first, has none to lose
    if ($r->{name} =~ /125: 41,/) {
        is($reason, 'client namespace disconnect', "$r->{name}: reason");
        next;
    }

    is($reason, 'ping timeout', "$r->{name}: reason");
    my $lived = $e->{time} / 1000 - $r->{since};
    cmp_ok($lived, '>=', $limit, "$r->{name}: alive until then");
}

is($_->closed, '', 'eio 124: closed') for $silent, $probe, $upgraded;
for my $name (sort keys %parked) {
    is($parked{$name}->recv, '1', "eio 119: $name, parked GET gets 1");
}
ok($never->gone, 'eio 128: sid unknown');

# Revision 4 beside it, as ever.
my $ws = $t->websocket(path => '/beat/?EIO=4&transport=websocket');
$ws->open_packet;
$ws->sio_connect;
is($ws->recv, '2', 'eio 116: W4 is pinged');
$ws->send('2');
is($ws->closed, '', 'eio 120: and must not ping');

$t->finish;
