#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# "socketio_limits per_ip=": sessions of one address in the zone, by polling
# and websocket alike, over workers, reloads and deaths.  Fails if one that is
# gone counts on, if one that is there does not, or if addresses are mixed up.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;

my $t = Test::SocketIO->new(workers => 2, alarm => 40);
my $b = $t->run_hook(undef, socketio => 'socketio_limits per_ip=3;',
    server => <<'CONF');
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        location = /_status { socketio_status test json; }
CONF

sub from ($ip) { return (headers => { 'X-Real-IP' => $ip }) }

sub status () {
    return from_json($t->http('GET', '/_status')->{body})->{sessions};
}

# Status of a handshake, which is opened if it may be.
sub polls ($ip, $worker = 0) {
    return $t->polling(worker => $worker, from($ip))->{res}{status};
}

sub ws ($ip, $worker = 0) {
    return $t->websocket(worker => $worker, from($ip));
}

my $a = '192.0.2.1';
my $p = $t->polling(worker => 0, from($a));
my @w = map { ws($a, $_) } 1, 0;

is($p->{res}{status}, 200, 'a first session, by polling');
is($_->status, 101, 'another one, by websocket') for @w;

my $r = $t->polling(worker => 1, from($a))->{res};
is($r->{status}, 429, 'one too many, by polling');
is_deeply(from_json($r->{body}), { code => 4, message => 'Too many sessions' },
    'an error of Engine.IO');
like($r->{headers}{'retry-after'}, qr/^\d+$/, 'Retry-After');
is(ws($a, 1)->status, 429, 'one too many, by websocket');
is_deeply([@{status()->{refused}}{qw/address_limit sessions_limit/}], [2, 0],
    'they are counted');
is(scalar(my @l = $t->log_lines(
    qr/refused: "socketio_limits per_ip".*client: 192\.0\.2\.1/)), 2,
    'and logged');

is(polls("::ffff:$a"), 429, 'the same address, as IPv6 has it');
is(polls('192.0.2.2'), 200, 'another address');

is(polls("2001:db8:1:2::$_", $_ % 2), 200, "IPv6 $_ of a network")
    for 1 .. 3;
is(polls('2001:db8:1:2:ffff::'), 429, 'one too many of these 64 bits');
is(polls('2001:db8:1:3::1'), 200, 'another network');

# An upgrade is no new session.
my $probe = $t->websocket(sid => $p->{sid}, worker => 1, from($a));
$probe->send('2probe');
is($probe->recv, '3probe', 'a probe is no session');
$probe->send('5');

# Of who leaves nothing is left.
$w[0]->close;
ok(eventually(sub { polls($a) == 200 }), 'who has left makes room');
is(polls($a, 1), 429, 'for one');

# A session that joined a namespace, gone without a word.
$w[1]->open_packet;
$w[1]->sio_connect;
$w[1]->{conn}->reset;
ok(eventually(sub { polls($a) == 200 }), 'a reset makes room');

# Reload: what counts is in the zone.
$t->reload;
is(polls($a), 429, 'after a reload they count');
is(polls('192.0.2.2'), 200, 'and others do as before');

# Death: three websockets on one worker.
my $d = '198.51.100.9';
my @dead = map { ws($d, 1) } 1 .. 3;
my @pids = $t->worker_pids;
is(ws($d)->status, 429, 'three are on one worker');
$t->allow_log(qr/worker process $pids[1] exited on signal 9/);
kill 'KILL', $pids[1];
ok($_->{conn}->closed, 'it dies') for @dead;
ok(eventually(sub { 2 == $t->worker_pids }), 'a new one comes');

my @again;
ok(eventually(sub {
    my $w = ws($d);
    push @again, $w if $w->status == 101;
    return @again == 3;
}), 'none of those counts on');
is(ws($d, 1)->status, 429, 'and no more than those');

$t->finish;
