#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Namespaces by regular expression, where Node's server has dynamic ones, and
# names of namespaces and rooms that are easily taken for something else.
#
# Fails if a name is cut, escaped in one place and not in another, or kept when
# its last socket has left, and if a broadcast in one namespace of an expression
# reaches another.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually/;

binmode Test::More->builder->$_, ':utf8' for qw/output failure_output/;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);

# The backend has the last word; an event goes to its whole namespace, "join" to
# a room.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (@$events) {
        my %id = (id => $e->{id});
        push @out, { %id, op => 'reject', message => 'no ghosts' }
            if $e->{type} eq 'connect' && $e->{nsp} eq '/room-13';
        next if $e->{type} ne 'event';
        push @out, { %id, op => 'join', room => $e->{args} },
            { %id, op => 'ack', args => [] } if $e->{event} eq 'join';
        push @out, { %id, all => \1, event => $e->{event}, args => $e->{args} }
            if $e->{event} ne 'join';
    }
    return \@out;
}, socketio => <<'CONF', server => <<'CONF2', http => <<'CONF3');
            socketio_namespaces / /room-main "~^/room-\d+$" ~^/[Aa]ny/;
CONF
        location /all/ {
            socketio test;
            socketio_hook /_hook;
            socketio_namespaces *;
        }
        location /small/ {
            socketio small;
            socketio_hook off;
            socketio_namespaces ~.;
        }
CONF2
    socketio_zone small 1m;
CONF3

my $id = qr/[A-Za-z0-9_-]{20}/;

sub bytes ($s) { utf8::encode($s); return $s }

sub ws (%o) {
    my $ws = $t->websocket(%o);
    $ws->open_packet;
    return $ws;
}

sub poll (%o) { return $t->polling(%o) }

sub count ($nsp, %target) {
    %target = (all => \1) if !%target;
    my ($status, $a) = $t->publish({ op => 'count', nsp => $nsp, %target });
    return $a->{count};
}

my @s = (ws(worker => 0), poll(worker => 1));
for my $s (@s) {
    my $how = ref $s;
    my $last = '/any/' . ($s == $s[0] ? '' : 'x');

    ok($s->sio_connect('/room-1'), "sio 116: accepted by expression, $how");
    ok($s->sio_connect('/room-23'), "sio 116: another name of it, $how");
    ok($s->sio_connect('/room-main'), 'sio 116: exact');
    ok($s->sio_connect($last), "sio 116: $last");
    for my $no ('/room-', '/room-x', '/room-1x', "/room-1\n1", '/x/room-1',
        '/ROOM-1', '/an', '/room-1/2')
    {
        $s->send("40$no,");
        is($s->next_packet, "44$no,{\"message\":\"Invalid namespace\"}",
            "sio 116: refused, $how");
    }
    $s->send('40/room-13,{"token":1}');
    is($s->next_packet, '44/room-13,{"message":"no ghosts"}',
        "sio 116: the hook has the last word, $how");
}
is(count('/room-1'), 2, 'sio 116: concurrent ones share it');
is((grep { $_->{nsp} !~ m{^/(?:room-(?:\d+|main)|[Aa]ny.*)$} }
    $b->events('connect')), 0, 'sio 116: the hook does not hear of the others');

# A broadcast stays in its own.
$s[0]->send('42/room-1,["one",1]', '42/room-23,["two"]', '42/room-main,["m"]');
for my $s (@s) {
    is_deeply([sort $s->collect(3)],
        ['42/room-1,["one",1]', '42/room-23,["two"]', '42/room-main,["m"]'],
        'sio 116: to each its own, once');
}
my ($status, $a) = $t->publish({ nsp => '/room-1', all => \1, event => 'p' });
is($a->{count}, 2, 'sio 116: published to one');
is($_->next_packet, '42/room-1,["p"]', 'sio 116: seen in one') for @s;
is(count('/room-7'), 0, 'sio 116: nobody where nobody has been');

# Left by all it is gone, with its rooms.
for my $s (@s) {
    $s->send('42/room-1,1["join","lobby"]');
    is($s->next_packet, '43/room-1,1[]', 'sio 116: joined a room of it');
}
is(count('/room-1', room => 'lobby'), 2, 'sio 116: both are there');
is(count('/room-23', room => 'lobby'), 0, 'sio 116: and in no other one');
$_->send('41/room-1,') for @s;
ok(eventually(sub { count('/room-1') == 0 }), 'sio 116: all have left');
ok($s[0]->sio_connect('/room-1'), 'sio 116: made anew');
is(count('/room-1', room => 'lobby'), 0, 'sio 116: its room is not there');

# 1.5 MB of names, one after another, in a zone of 1 MB.
my $small = $t->websocket(path => '/small/?EIO=4&transport=websocket');
$small->open_packet;
my $made = 0;
for my $i (1 .. 1500) {
    my $n = "/$i-" . 'x' x 1000;
    last if !$small->sio_connect($n);
    $small->send("41$n,");
    $made++;
}
is($made, 1500, 'sio 116: names are not kept') or diag $small->{refused} // '';

# Names that are easily taken for something else.  A 1 KB name is the longest.
my $all = '/all/?EIO=4&transport=websocket';
my @names = ('/__proto__', '/constructor', '/toString', '/#', '/a#b', '/#' . 'x' x 20,
    '/é😀', '/ ', "/\"\\", "/\x01\x1f\x7f", '/a b?c=d&e#f', '/{"sid":1}',
    '/[0]', '/1', '/../x', '//', '/%2F', '/engine.io', '/' . 'y' x 1023,
    '/' . 'é' x 511);
for my $name (@names) {
    my $n = bytes($name);
    my $show = substr $name =~ s/[^ -~]/./gr, 0, 20;
    my @two = (ws(path => $all), poll(path => '/all/'));
    for my $s (@two) {
        $s->send("40$n,");
        my $p = $s->next_packet // '';
        like($p, qr/^40\Q$n\E,\{"sid":"$id"\}$/, "sio 128: $show");
        my ($sid) = $p =~ /"sid":"([^"]*)"/;
        my $e = eventually(sub { (grep { $_->{sid} eq $sid }
            $b->events('connect'))[0] });
        is($e->{nsp}, $name, "sio 128: $show at the backend");
    }
    $two[0]->send("42$n,[\"__proto__\",1]");
    my @p = map { $_->next_packet // '' } @two;
    is($p[0], "42$n,[\"__proto__\",1]", "sio 128: $show, an event");
    is($p[1], $p[0], "sio 128: $show, to all of it");
    is(count($name), 2, "sio 128: $show, published to");
    $two[1]->send("41$n,");
    ok(eventually(sub { count($name) == 1 }), "sio 128: $show, left");
}

for (['/' . 'z' x 1024, ''], ['/' . bytes('é' x 512), ''], ["/\xff", 1007],
    ["/\xc3", 1007], ["/\xed\xa0\x80", 1007])
{
    my ($name, $how) = @$_;
    my $ws = ws(path => $all);
    $ws->send("40$name,");
    is($ws->closed, $how, 'sio 128: closes: name of ' . length($name) . ' bytes');
}

# Rooms.
my $ws = ws();
ok($ws->sio_connect, 'main namespace');
my @rooms = ('__proto__', 'constructor', 'toString', 'hasOwnProperty', '#', '/',
    'é😀', "\"\\\n", 'r' x 1024);
for my $room (@rooms) {
    my $show = substr $room =~ s/[^ -~]/./gr, 0, 20;
    $ws->emit(['/', 1], 'join', $room);
    is($ws->next_packet, '431[]', "sio 128: joined \"$show\"");
    is(count('/', room => $room), 1, "sio 128: in \"$show\"");
    ($status, $a) = $t->publish({ room => $room, event => 'constructor' });
    is($ws->next_packet, '42["constructor"]', "sio 128: event to \"$show\"");
}
is(count('/', room => "$rooms[0] "), 0, 'sio 128: and in no other');

$t->finish;
