#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Leaving and closing: what is on the wire, and the one reason that the
# backend hears for every socket.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 2,
    globals => 'worker_shutdown_timeout 1s;');
my $b = $t->run_hook(\&echo, socketio => 'socketio_namespaces / /custom;',
    server => <<'CONF');
        location /short/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_ping_interval 300ms;
            socketio_ping_timeout 300ms;
        }
CONF

sub ws (%o) { return $t->connected('websocket', %o) }

sub poll (%o) { return $t->connected('polling', %o) }

for my $s (ws(), poll()) {
    my $how = ref $s;
    my $custom = $s->sio_connect('/custom');
    ok($custom, 'custom namespace');

    $s->send('41/custom,');
    is($b->reason($custom), 'client namespace disconnect',
        "sio 91: reason, $how");
    $s->send('42["m","still"]');
    is($s->next_packet, '42["echo","still"]',
        "sio 91, 92: no reply, the other namespace works, $how");

    my $first = $s->{id};
    $s->send('41');
    is($b->reason($first), 'client namespace disconnect',
        "sio 93: left, $how");
    my $again = $s->sio_connect;
    ok($again, "sio 93: connected again, $how");
    isnt($again, $first, "sio 93: with a new id, $how");

    $custom = $s->sio_connect('/custom');
    my ($status, $a) = $t->publish({ op => 'disconnect', sid => $custom,
        nsp => '/custom' });
    is($a->{count}, 1, "sio 94: server disconnects, $how");
    is($s->next_packet, '41/custom,', "sio 94: on the wire, $how");
    is($b->reason($custom), 'server namespace disconnect',
        "sio 94: reason, $how");
    $s->send('42["m","lives"]');
    is($s->next_packet, '42["echo","lives"]',
        "sio 94: connection stays, $how");

    # The client did not know yet; a server that closes for it, as Node's
    # does, takes its other namespaces along.
    $s->send('42/custom,["late"]', '42["m","lives on"]');
    is($s->next_packet, '42["echo","lives on"]',
        "what was on its way is dropped, $how");

    ($status, $a) = $t->publish({ op => 'disconnect', sid => $again });
    is($s->next_packet, '41', "sio 94: the main namespace, $how");
}

my $ws = ws();
my $custom = $ws->sio_connect('/custom');
my ($status, $a) = $t->publish({ op => 'disconnect', sid => $ws->{id},
    close => \1 });
is_deeply([sort $ws->collect(2)], ['41', '41/custom,'],
    'sio 95: a DISCONNECT for each namespace');
is($ws->closed, '', 'sio 95: then the close');
is($b->reason($_), 'server namespace disconnect', 'sio 95: reason')
    for $ws->{id}, $custom;

my $p = poll();
$custom = $p->sio_connect('/custom');
$t->publish({ op => 'disconnect', sid => $p->{id}, close => \1 });
my @got;
while (defined(my $body = $p->body)) {
    last if $body =~ /^\d{3}$|^none$/;
    push @got, split /\x1e/, $body;
    last if $got[-1] eq '1';
}
is_deeply([sort grep { $_ ne '6' } @got], ['1', '41', '41/custom,'],
    'sio 95: polling gets all of it');
is($got[-1], '1', 'sio 95: the close last');
is($b->reason($_), 'server namespace disconnect', 'sio 95: reason, polling')
    for $p->{id}, $custom;

$ws = ws();
$custom = $ws->sio_connect('/custom');
$ws->{conn}->close;
like($b->reason($_), qr/^transport (?:close|error)$/,
    'sio 96: transport loss, each namespace') for $ws->{id}, $custom;

$ws = ws(path => '/short/?EIO=4&transport=websocket');
is($b->reason($ws->{id}), 'ping timeout', 'sio 97: ping timeout');

$ws = ws();
$ws->send('47');
is($b->reason($ws->{id}), 'forced close', 'sio 98: invalid packet');
$ws = ws();
$ws->send('42/custom,["m"]');
like($b->reason($ws->{id}), qr/^forced (?:server )?close$/,
    'sio 98: invalid state');
$ws = ws();
$ws->send('x');
is($b->reason($ws->{id}), 'parse error', 'sio 98: engine payload error');

# Every accepted connect got exactly one disconnect, its last event.
$t->close_all;
my @c = $b->events('connect');
$b->wait_events('disconnect', scalar @c);
my (%n, %last);
$n{$_->{sid}}++ for $b->events('disconnect');
$last{$_->{sid}} = $_->{type} for $b->events;
is_deeply([grep { ($n{$_->{sid}} // 0) != 1 } @c], [],
    'one disconnect for each connect');
is_deeply([grep { $_ ne 'disconnect' } values %last], [], 'and it is last');

# nginx leaves: websockets go at worker_shutdown_timeout.
$ws = ws();
$t->signal('QUIT');
ok(defined $ws->closed(4), 'sio 99: shutdown ends the connection');
is_deeply($ws->{late} // [], [], 'sio 99: without DISCONNECT');
is($b->reason($ws->{id}), 'server shutting down', 'sio 99: reason');

$t->finish;
