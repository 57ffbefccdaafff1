#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# From polling to websocket, with GET, POST and websocket on three different
# workers: whatever one of them keeps to itself is lost here.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::Upgrade;
use Test::SocketIO::WebSocket ();
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 3);
my $b = $t->run_hook(\&echo, server => <<'CONF');
        location /short/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_upgrade_timeout 600ms;
        }
CONF

of($t, $b);

sub session (%o) {
    my $p = $t->polling(get_worker => 0, post_worker => 1, %o);
    $p->{id} = $p->sio_connect;
    return $p;
}

# The whole flow.
my $p = session();
$p->get_start;
ok($p->parked(0.2), 'GET parked');
my $start = time;
my $ws = probe($p);
is($p->body, '6', 'eio 130: parked GET released by 6');
cmp_ok(time - $start, '<', 2, 'eio 130: at once');
$ws->send('5');
works($ws, 'eio 129: messages on the websocket');
my ($a) = publish($p, 'pushed');
is($ws->next_packet, '42["pushed"]', 'eio 129: from elsewhere too');

my $r = $p->get;
is($r->{status}, 400, 'eio 141: GET after the upgrade');
is($r->{body}, '{"code":3,"message":"Bad request"}', 'eio 141: code 3');
$r = $p->post('42["m"]');
is($r->{status}, 400, 'eio 141: POST after the upgrade');
is($r->{body}, '{"code":3,"message":"Bad request"}', 'eio 141: code 3');
works($ws, 'eio 141: websocket still works');

my $second = upgrade($p, worker => 0);
is($second->status, 101, 'eio 140: second websocket after the upgrade');
is($second->closed, '', 'eio 140: closed');
works($ws, 'eio 140: the first one works');
$ws->close;
is($b->reason($p->{id}), 'transport close', 'and its end is the end');

# GETs while upgrading.
$p = session();
$ws = probe($p);
is($p->body, '6', "eio 131: GET $_ during the upgrade gets 6") for 1 .. 3;
ok($p->send('42["by post"]'), 'eio 132: POST between probe and 5');
$ws->send('5', '42["by ws"]');
is($ws->next_packet, '42["echo"]', 'eio 132: echo of the POST');
is($ws->next_packet, '42["echo"]', 'eio 132: echo of the websocket');
is_deeply([delivered($p)], ['by post', 'by ws'], 'eio 132: in this order');

# Packets that wait for no GET.
$p = session();
$ws = probe($p);
publish($p, 1 .. 5);
$ws->send('5');
is_deeply([map { $ws->next_packet } 1 .. 5], [map { "42[\"$_\"]" } 1 .. 5],
    'eio 133: flushed after 5, in order');
works($ws, 'eio 133: then the rest');

# A GET that is parked when 5 comes: nothing between the two but luck.
for (1 .. 5) {
    $p = session();
    $ws = probe($p);
    $p->get_start;
    $ws->send('5');
    my $body = $p->body;
    like($body, qr/^[16]$|^400$/, "eio 134: GET at 5 is answered ($body)");
    works($ws, 'eio 134: websocket works');
}

$p = session();
$ws = upgrade($p);
$ws->send('5');
works($ws, 'eio 135: 5 without probe');

$p = session();
$ws = upgrade($p);
$ws->send('2probe', '5', '42["m","piped"]');
is($ws->recv, '3probe', 'eio 135: pipelined: probe');
is($ws->next_packet, '42["echo","piped"]', 'eio 135: pipelined: message');

for my $bad ('42["m"]', '2', '3probe', '2probex', 'x') {
    $p = session();
    $ws = upgrade($p);
    $ws->send($bad);
    is($ws->closed, '', "eio 136: first packet $bad: websocket closed");
    works($p, 'eio 136: polling lives');
    is_deeply([delivered($p)], ['m'], 'eio 136: nothing of it delivered');
}

$p = session();
$ws = probe($p);
$ws->{conn}->reset;
works($p, 'eio 137: websocket reset before 5: polling lives');
$ws = probe($p);
$ws->close;
works($p, 'eio 137: closed before 5: polling lives');
$ws = probe($p);
$ws->send('5');
works($ws, 'eio 137: another attempt succeeds');

$p = session(path => '/short/');
my $short = "/short/?EIO=4&transport=websocket&sid=$p->{sid}";
$ws = probe($p, path => $short);
$start = time;
is($ws->closed, '', 'eio 138: upgradeTimeout: websocket closed');
cmp_ok(time - $start, '>=', 0.4, 'eio 138: not early');
works($p, 'eio 138: polling lives');
$ws = probe($p, path => $short);
$ws->send('5');
sleep 0.9;
works($ws, 'eio 138: no timeout after the upgrade');

$p = session();
$ws = probe($p);
$second = upgrade($p, worker => 0);
is($second->status, 101, 'eio 139: second websocket during the upgrade');
is($second->closed, '', 'eio 139: closed');
$ws->send('5');
works($ws, 'eio 139: first upgrade completes');

$p = session();
$ws = probe($p);
is($p->post('1')->{body}, 'ok', 'eio 142: client closes during the upgrade');
is($ws->closed, '', 'eio 142: websocket closed');
is($b->reason($p->{id}), 'transport close', 'eio 142: reason');

$p = session();
$ws = probe($p);
is($p->post('4abc')->{body}, 'ok', 'eio 143: server close in the upgrade');
$ws->send('5');
is($ws->closed, '', 'eio 143: websocket closed');
is($b->reason($p->{id}), 'forced close', 'eio 143: reason');

$ws = $t->websocket(sid => 'A' x 24);
is($ws->status, 400, 'eio 144: unknown sid');
like($ws->{res}{body}, qr/Session ID unknown/, 'eio 144: says so');

for my $bytes ("\xff\xff\xff\xff", "\x81\x05hello", "\x88\x80abcd") {
    $p = session();
    $ws = upgrade($p, after => $bytes);
    is($ws->status, 101, 'eio 145: bad frame right behind');
    ok($ws->{conn}->closed, 'eio 145: websocket closed');
    works($p, 'eio 145: polling lives');
}

# Nothing lost, nothing twice, while a publisher goes on.
$p = session();
$ws = upgrade($p);
my (@got, $n);
for my $round (1 .. 30) {
    publish($p, map { ++$n } 1 .. 10);
    push @got, $p->next_packet for $round == 5 ? 1 : ();
    $ws->send('2probe') if $round == 10;
    $ws->send('5') if $round == 20;
}
push @got, splice @{$p->{queue}};
while (defined(my $x = $ws->recv(@got < $n ? 5 : 0.2))) {
    push @got, $x unless $x eq '3probe';
}
is_deeply(\@got, [map { "42[\"$_\"]" } 1 .. $n],
    'eio 147: 300 events across the switch: all, once, in order');

# A session born by websocket is nobody else's.
$ws = $t->websocket(worker => 0);
$ws->open_packet;
ok($ws->sio_connect, 'websocket session');
$second = $t->websocket(sid => $ws->{sid}, worker => 1);
is($second->status, 101, 'eio 148: second websocket with its sid');
is($second->closed, '', 'eio 148: closed');
works($ws, 'eio 148: first one unaffected');

$t->finish;
