#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What an upgrade takes along that does not fit where most of it does: more
# rooms than the worker has place for on its stack.  Fails if a room is lost or
# doubled on the way, or if one is left that the socket has left.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend ();

# 32 fit; with the namespace and the socket's own one of them does not
my @rooms = map { "room $_" } 1 .. 75;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(sub ($events, @) {
    return [map { { op => 'accept', id => $_->{id},
        rooms => [@rooms[0 .. ($_->{handshake}{auth}{rooms} // 0) - 1]] } }
        grep { $_->{type} eq 'connect' } @$events];
}, eio => '3 4', socketio => 'socketio_limits rooms=100;');

sub talk ($what, $room) {
    $t->publish({ event => 'e', args => [$what], room => $room });
}

for my $n (31, 32, 33, 75) {
    my $p = $t->polling(get_worker => 0, post_worker => 1);
    ok($p->sio_connect('/', { rooms => $n }), "$n rooms: connected");

    my $w = $t->websocket(sid => $p->{sid}, worker => 1);
    $w->send('2probe');
    is($w->recv, '3probe', "$n rooms: probe");
    $w->send('5');
    eventually(sub { $t->session_alive($p->{sid}, $t->path, 'polling') });

    # To each alone, to all at once, and to one of which it is no member.
    my @mine = @rooms[0 .. $n - 1];
    talk($_, $_) for @mine;
    talk('all', [@rooms]);
    talk('no', 'elsewhere');
    talk('end', $rooms[0]);
    is_deeply([$w->collect($n + 2)],
        [map { qq{42["e","$_"]} } @mine, 'all', 'end'], "$n rooms: each once");

    $t->publish({ op => 'leave', all => \1, room => [@rooms] });
    talk('left', [@rooms]);
    $t->publish({ event => 'e', args => ['end'], all => \1 });
    is($w->next_packet, '42["e","end"]', "$n rooms: and out of all");
    $w->close;
}

$t->finish;
