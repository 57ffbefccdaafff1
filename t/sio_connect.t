#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# CONNECT: namespaces, authentication data, refusals, and the deadlines and
# closes around it.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2);

# The backend does what auth asks for.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (grep { $_->{type} eq 'connect' } @$events) {
        my $do = $e->{handshake}{auth}{do} // '';
        my %id = (id => $e->{id});
        return reply(hold => $1, body => [{ %id, op => 'accept' }])
            if $do =~ /^hold (.*)/;
        return reply(hold => $1, body => [{ %id, op => 'reject' }])
            if $do =~ /^hold-reject (.*)/;
        push @out, { %id, op => 'reject', message => 'not allowed',
            data => { c => 42 } } if $do eq 'reject';
        push @out, { %id, op => 'reject', message => 'no' }
            if $do eq 'reject plainly';
        push @out, { %id, event => 'welcome', args => [1] },
            { %id, op => 'accept', rooms => ['r1', 'r2'],
              data => { user => 'ann' } },
            { room => 'r1', nsp => $e->{nsp}, event => 'joined' }
            if $do eq 'welcome';
    }
    return \@out;
}, socketio => <<'CONF', server => <<'CONF2');
            socketio_namespaces / /custom /other;
            socketio_hook_lanes 8;
CONF
        location /short/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_connect_timeout 700ms;
        }
CONF2

my $id = qr/[A-Za-z0-9_-]{20,}/;

sub ws (%o) {
    my $ws = $t->websocket(%o);
    $ws->open_packet;
    return $ws;
}

# A session that dies of this packet.
sub closes ($packet, $name, @before) {
    my $ws = ws();
    for my $p (@before) {
        $ws->send($p);
        $ws->recv if $p =~ /^40/;
    }
    $ws->send($packet);
    is($ws->closed, '', $name);
    return $ws;
}

sub connect_event ($sid) {
    return eventually(sub {
        my ($e) = grep { $_->{sid} eq $sid } $b->events('connect');
        return $e;
    });
}

my $ws = ws();
ok($ws->silent(0.4), 'sio 1: nothing until the client speaks');
$ws->send('40');
like($ws->recv, qr/^40\{"sid":"$id"\}$/, 'sio 1: CONNECT');

$ws = ws();
my $sid = $ws->sio_connect('/', { token => '123' });
is_deeply(connect_event($sid)->{handshake}{auth}, { token => '123' },
    'sio 2: auth reaches the backend');
is(connect_event($sid)->{nsp}, '/', 'sio 2: nsp');
isnt($sid, $ws->{sid}, 'sio 2: socket id is not the session id');

my $custom = $ws->sio_connect('/custom', { token => 'abc' });
like($custom, qr/^$id$/, 'sio 3: custom namespace');
isnt($custom, $sid, 'sio 3: with an id of its own');
isnt($custom, $ws->{sid}, 'sio 3: not the session id');
is_deeply(connect_event($custom)->{handshake}{auth}, { token => 'abc' },
    'sio 4: auth by namespace');
is(connect_event($custom)->{nsp}, '/custom', 'sio 4: nsp');

my $unknown = '{"message":"Invalid namespace"}';
$ws->send('40/random');
is($ws->recv, "44/random,$unknown", 'sio 5: unknown namespace, no comma');
$ws->send('40/random,');
is($ws->recv, "44/random,$unknown", 'sio 5: with comma');
$ws->send('40/Custom,');
is($ws->recv, "44/Custom,$unknown", 'names are case-sensitive');
ok($ws->sio_connect('/other'), 'sio 5: connection stays');

closes('4abc', 'sio 6: garbage first');
closes('4', 'sio 6: empty message first');

# The short ones run together.
my $start = time;
my %short = (path => '/short/?EIO=4&transport=websocket');
my $idle = ws(%short);
my $failed = ws(%short);
$failed->send('40/nope,');
is($failed->recv, "44/nope,$unknown", 'sio 8: failed CONNECT');
my $left = ws(%short);
$left->sio_connect;
$left->send('41');
is($idle->closed, '', 'sio 7: no CONNECT until connectTimeout');
cmp_ok(time - $start, '>=', 0.6, 'sio 7: not early');
is($failed->closed, '', 'sio 8: a failed one does not count');
ok($left->silent(0.5), 'sio 9: joined and left: no timeout');

closes('42["x"]', 'sio 10: event before CONNECT');
closes('41', 'sio 11: DISCONNECT before CONNECT');
closes('40', 'sio 12: second CONNECT', '40');
closes('42/custom,["x"]', 'sio 13: event for a namespace not joined', '40');
closes('40"x"', 'sio 14: string');
closes('40[]', 'sio 14: array');
closes('40null', 'sio 14: null');
closes('40{', 'sio 14: cut');
closes('40{} x', 'sio 14: trailing');
for my $main ('40/', '40/,', '40/,{"a":1}') {
    $ws = ws();
    $ws->send($main);
    like($ws->recv, qr/^40\{"sid":"$id"\}$/, "sio 15: $main is /");
}
closes('40custom', 'sio 16: namespace without slash');

$ws = ws();
$ws->send('40/custom?x=1,');
is($ws->recv, "44/custom?x=1,$unknown", 'sio 17: ? is part of the name');
$ws->send('40/custom,5{"a":1}');
like($ws->recv, qr/^40\/custom,\{"sid":"($id)"\}$/, 'sio 18: id ignored');
$sid = $ws->sio_connect('/', { token => 'é😀' });
is(connect_event($sid)->{handshake}{auth}{token}, 'é😀', 'sio 19: UTF-8');

$ws = ws();
my %ids = map { $_ => $ws->sio_connect($_) } '/', '/custom', '/other';
is(scalar(keys %{{ reverse %ids }}), 3, 'sio 20: an id for each namespace');
for my $nsp (sort keys %ids) {
    $t->publish({ nsp => $nsp, sid => $ids{$nsp}, event => 'hi' });
    is($ws->recv, '42' . ($nsp eq '/' ? '' : "$nsp,") . '["hi"]',
        "sio 20: event for $nsp");
}
$ws->send('41/custom,');
$ws->emit('still');
ok($b->wait_events('event', 1), 'sio 20: leaving one leaves the others');

my $h = connect_event($ids{'/'})->{handshake};
is($h->{address}, '127.0.0.1', 'sio 32: address');
ok(!$h->{secure}, 'sio 32: secure');
is($h->{transport}, 'websocket', 'sio 32: transport');
is($h->{eio}, 4, 'sio 32: eio');
is(ref $h->{headers}, 'HASH', 'sio 32: headers');
is_deeply($h->{auth}, {}, 'sio 32: no auth is {}');
ok($h->{time}, 'sio 32: time');

# What a middleware would do.
$ws = ws();
ok(!$ws->sio_connect('/', { do => 'reject' }), 'sio 34: rejected');
is($ws->{refused}, '44{"message":"not allowed","data":{"c":42}}',
    'sio 34: with data');
ok(!$ws->sio_connect('/custom', { do => 'reject plainly' }), 'rejected');
is($ws->{refused}, '44/custom,{"message":"no"}', 'sio 34: without data');
ok($ws->sio_connect, 'sio 34: may try again');

for my $how (['hold', 1], ['hold-reject', 0]) {
    my ($word, $n) = @$how;
    my $seen = $b->events('connect');
    $ws = ws(query => "&case=$word");
    $ws->send(qq(40{"do":"$word gate $word"}));
    my ($e) = grep { ($_->{handshake}{query}{case} // '') eq $word }
        $b->wait_events('connect', $seen + 1);
    ok($e, 'sio 35: connect is pending');
    my ($status, $a) = $t->publish({ op => 'count', sid => $e->{sid} });
    is($a->{count}, 0, 'sio 37: not connected while pending');
    ok($ws->silent(0.2), 'sio 37: no answer while pending');
    $ws->close;
    $b->release("gate $word");
    my $reason = $b->reason($e->{sid}, $n ? 5 : 0.7);
    is($reason, $n ? 'transport close' : undef,
        "sio 35: client left meanwhile, $word: disconnects: $n");
}

$ws = ws();
my $seen = $b->events('connect');
$ws->send('40{"do":"hold gate 38"}');
$b->wait_events('connect', $seen + 1);
$ws->send('42["early"]');
is($ws->closed, '', 'sio 38: event while the connect is pending');
$b->release('gate 38');

$ws = ws();
$seen = $b->events('connect');
$ws->send('40{"do":"hold gate twice"}');
$b->wait_events('connect', $seen + 1);
$ws->send('40');
$b->release('gate twice');
like($ws->recv, qr/^40\{"sid":"$id"\}$/,
    'second CONNECT while the first is pending: one answer');
ok(!defined $ws->recv(0.3), 'and no other');
is($b->events('connect'), $seen + 1, 'the backend is asked once');

$ws = ws();
$sid = $ws->sio_connect('/', { do => 'welcome' });
ok($sid, 'CONNECT is answered before any command');
is($ws->recv, '42["welcome",1]', 'then the commands');
is($ws->recv, '42["joined"]', 'sio 36: rooms of accept are there');
my ($status, $a) = $t->publish({ op => 'count', room => ['r1', 'r2'] });
is($a->{count}, 1, 'sio 36: and count');
$ws->emit('m');
my ($e) = grep { $_->{sid} eq $sid } eventually(sub {
    my @e = grep { $_->{sid} eq $sid } $b->events('event');
    return @e ? $e[0] : undef });
is_deeply($e->{data}, { user => 'ann' }, 'data of accept comes with events');

$t->finish;
