#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Clients by IPv6 and by unix sockets: who they are to the limits of an
# address, to the publish API and to hooks.  Fails if an address is read as one
# of another family, if IPv4 by IPv6 is somebody else, or if clients without an
# address are all let in, or none.

use v5.36;
use lib 't/lib';
use IO::Socket::IP ();
use IO::Socket::UNIX ();
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2);

# IPv4 alone makes no test of this
my $probe = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
plan(skip_all => 'no IPv6') if !$probe;
my ($six, $all) = ($probe->sockport, Test::SocketIO::free_port());
$probe->close;

my $b = $t->backend(sub ($events, @) { return echo($events) });

$t->run(<<'CONF', B => $b->port, SIX => $six, ALL => $all);
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 2m;
    server {
        listen %%LISTEN%%;
        listen [::1]:%%SIX%%;
        listen [::]:%%ALL%% ipv6only=off;
        listen unix:%%DIR%%/sock;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_limits per_ip=1;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%;
            proxy_set_header X-From $remote_addr;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

# The connection of a client, by its way.
sub by ($way) {
    my $s = $way eq 'unix'
        ? IO::Socket::UNIX->new(Peer => $t->dir . '/sock')
        : IO::Socket::IP->new(PeerHost => $way eq 'mapped' ? '127.0.0.1'
            : '::1', PeerPort => $way eq 'six' ? $six : $all);
    die "$way: $!" if !$s;
    $s->blocking(0);
    my $c = bless { sock => $s, in => '', eof => 0, port => $t->port },
        'Test::SocketIO::HTTP';
    push @{$t->{conns}}, $c;
    return $c;
}

sub ws ($conn, $case, $host) {
    return $t->websocket(conn => $conn, query => "&case=$case", host => $host);
}

my %host = (six => "[::1]:$six", all => "[::1]:$all", unix => 'localhost',
    mapped => "127.0.0.1:$all");
# What nginx shows as $remote_addr; a hook has an address whoever asked.
my %from = (six => '::1', mapped => '::ffff:127.0.0.1', unix => '127.0.0.1');

# One of an address: ::1 is one by either port, IPv4 is the same by IPv6, and
# all of the unix socket are one.
my @open;
for my $way (qw/six mapped unix/) {
    my $w = ws(by($way), $way, $host{$way});
    is($w->status, 101, "$way: the first");
    push @open, $w;

    is(ws(by($way), 'more', $host{$way})->status, 429, "$way: one too many");

    $w->open_packet;
    ok($w->sio_connect, "$way: connected");
    $w->emit('x', 1);
    is($w->next_packet, '42["echo",1]', "$way: works");

    my ($r) = grep { ($_->{events}[0]{handshake}{query}{case} // '') eq $way }
        $b->requests;
    is($r->{headers}{'x-from'}, $from{$way}, "$way: where it is from");
}
is(ws(by('all'), 'more', $host{all})->status, 429, 'the same, by another port');
is(ws($t->connect, 'more', '127.0.0.1')->status, 429, 'the same, by IPv4');

$open[0]->close;
is(eventually(sub {
    return ws(by('all'), 'again', $host{all})->status == 101 }), 1,
    'one that has gone does not count');

# This machine may publish, whatever the way.
for my $way (qw/six mapped unix/) {
    my ($status) = $t->publish({ op => 'count', all => \1 },
        conn => by($way));
    is($status, 200, "$way: may publish");
}

$t->finish;
