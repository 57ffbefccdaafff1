#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A hook request is the module's own: client_max_body_size is not for it.
# Fails if nginx compares the two where it finds the location, so that a big
# binary event, which grows by a third in base64, is answered 413 and dropped.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 1);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return [];
}, http => 'client_max_body_size 1k;');

my $ws = $t->websocket;
$ws->open_packet;
ok($ws->sio_connect, 'connected');

my $bin = 'b' x 900_000;
$ws->send('451-["big",{"_placeholder":true,"num":0}]', \$bin);
my $e = eventually(sub { ($b->events('event'))[0] });
is($e ? length($e->{attachments}[0]) : undef, 1_200_000,
    'an event above client_max_body_size reaches the backend');

$ws->close;
$t->finish;
