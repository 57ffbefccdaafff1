#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# How polling sessions end: what the other request in flight gets, and the
# reason that the backend hears.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(\&echo);

sub session (%o) {
    my $p = $t->polling(get_worker => 0, post_worker => 1, %o);
    $p->{id} = $p->sio_connect;
    return $p;
}

sub parked () {
    my $p = session();
    $p->get_start;
    ok($p->parked(0.2), 'GET parked');
    return $p;
}

sub ended ($p, $reason, $name) {
    like($b->reason($p->{id}) // 'none', qr/^(?:$reason)$/, "$name: reason");
    ok($p->gone, "$name: sid unknown");
}

# The names of the events of one socket that the backend got.
sub delivered ($p) {
    return join ' ', map { $_->{event} }
        grep { $_->{sid} eq $p->{id} } $b->events('event');
}

my $p = session();
is($p->post('abc')->{body}, 'ok', 'eio 50: bad packet type');
ended($p, 'parse error', 'eio 50');
my $r = $p->get;
is($r->{status}, 400, 'eio 50: next GET');
is($r->{body}, '{"code":1,"message":"Session ID unknown"}', 'eio 50: code 1');

$p = parked();
is($p->post('abc')->{body}, 'ok', 'eio 50: bad packet with a parked GET');
is($p->body, '1', 'eio 50: the GET gets 1');
ended($p, 'parse error', 'eio 50');

$p = session();
is($p->post('')->{body}, 'ok', 'eio 51: empty POST');
ended($p, 'parse error', 'eio 51');

$p = session();
is($p->post("42[\"a\"]\x1e")->{body}, 'ok', 'eio 52: trailing separator');
ended($p, 'parse error', 'eio 52');
is(delivered($p), 'a', 'eio 52: the packet before it was delivered');

$p = parked();
$r = $p->post('42["a"]', type => 'application/octet-stream');
is($r->{status}, 400, 'eio 53: octet-stream');
is($r->{body}, '', 'eio 53: empty answer');
is($p->body, '1', 'eio 53: parked GET gets 1');
ended($p, 'transport error', 'eio 53');
is(delivered($p), '', 'eio 53: nothing delivered');

for my $worker (0, 1) {
    $p = parked();
    $r = $p->request('GET', worker => $worker);
    is($r->{status}, 400, "eio 54: second GET, on worker $worker");
    is($r->{body}, '', 'eio 54: empty answer');
    is($p->body, '1', 'eio 54: first GET gets 1');
    ended($p, 'transport error', 'eio 54');
}

for my $worker (0, 1) {
    $p = parked();
    my $c = $p->{post};
    $c->send($c->build('POST', $p->url, length => 100, body => '42["a'));
    ok($c->silent(0.3), 'eio 55: POST in progress');
    $r = $p->request('POST', body => '42["b"]', worker => $worker);
    is($r->{status}, 400, "eio 55: second POST, on worker $worker");
    is($r->{body}, '', 'eio 55: empty answer');
    ok($c->closed, 'eio 55: first upload dropped');
    is($c->{in}, '', 'eio 55: without an answer');
    is($p->body, '1', 'eio 55: parked GET gets 1');
    ended($p, 'transport error', 'eio 55');
    is(delivered($p), '', 'eio 55: nothing delivered');
}

$p = parked();
$p->{get}->close;
ended($p, 'transport error', 'eio 56: client drops the parked GET');

$p = parked();
$p->{get}->reset;
ended($p, 'transport error', 'eio 56: client resets the parked GET');

$p = parked();
$p->{post}->send($p->{post}->build('POST', $p->url, length => 100,
    body => '42["a'));
ok($p->{post}->silent(0.2), 'eio 57: half a POST');
$p->{post}->close;
is($p->body, '1', 'eio 57: parked GET gets 1');
ended($p, 'transport error', 'eio 57: client drops a half-sent POST');

$p = session();
$p->{$_}->close for 'get', 'post';
ok($p->alive, 'idle connections closed: session lives');
ok($p->send('42["a"]'), 'and works on new ones');
is($p->body, '42["echo"]', 'both ways');

$p = parked();
is($p->post('1')->{body}, 'ok', 'eio 64: client closes');
is($p->body, '6', 'eio 64: parked GET gets 6');
ended($p, 'transport close', 'eio 64');

$p = session();
is($p->post("42[\"a\"]\x1e1\x1e42[\"b\"]")->{body}, 'ok',
    'eio 65: packets around a close');
ended($p, 'transport close', 'eio 65');
is(delivered($p), 'a', 'eio 65: nothing after the close');

# An invalid Socket.IO packet makes the server close.
$p = parked();
is($p->post('4abc')->{body}, 'ok', 'eio 66: server close');
is($p->body, '1', 'eio 66: parked GET gets 1');
ended($p, 'forced close', 'eio 66');

$p = session();
is($p->post('4abc')->{body}, 'ok', 'eio 67: server close without GET');
is($p->body, "6\x1e1", 'eio 67: next GET');
ended($p, 'forced close', 'eio 67');

$p = session();
my ($status, $a) = $t->publish({ sid => $p->{id}, event => 'm' });
is($a->{count}, 1, 'eio 68: data waits');
is($p->post('4abc')->{body}, 'ok', 'eio 68: server close');
is($p->body, '42["m"]', 'eio 68: data first');
is($p->body, "6\x1e1", 'eio 68: then the close');
ended($p, 'forced close', 'eio 68');

($status, $a) = $t->publish({ sid => $p->{id}, event => 'm' });
is($a->{count}, 0, 'eio 70: nobody gets what is sent after the close');

# Every connect had its disconnect, and none had two.
my %n;
$n{$_->{sid}}++ for $b->events('disconnect');
is_deeply([grep { $_ > 1 } values %n], [], 'no disconnect came twice');

$t->finish;
