#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Rooms and broadcasts, by commands of hooks and by the publish API, to
# polling and websocket clients on different workers.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);

# Events are commands: "join" room ..., "leave" room ..., "say" room text,
# "others" text.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (grep { $_->{type} eq 'event' } @$events) {
        my ($name, @a) = ($e->{event}, @{$e->{args}});
        my %id = (id => $e->{id});
        push @out, { %id, op => $name, room => \@a }
            if $name eq 'join' || $name eq 'leave';
        push @out, { %id, room => $a[0], event => 'said', args => [$a[1]] }
            if $name eq 'say';
        push @out, { %id, all => \1, except => $e->{sid}, event => 'other',
            args => \@a } if $name eq 'others';
        push @out, { %id, op => 'ack', args => [] } if $e->{ack};
    }
    return \@out;
}, socketio => 'socketio_namespaces / /custom;');

# Two of each kind, one on each worker.
my @s;
for my $w (0, 1) {
    my $ws = $t->websocket(worker => $w);
    $ws->open_packet;
    push @s, $ws, $t->polling(worker => $w);
}
$_->{id} = $_->sio_connect for @s;
my ($w0, $p0, $w1, $p1) = @s;

# An event and its ack: when that is here the commands have run.
sub ask ($s, $name, @args) {
    $s->emit(['/', 1], $name, @args);
    my $r = $s->next_packet;
    push @{$s->{before}}, $r and $r = $s->next_packet
        while defined $r && $r ne '431[]';
    return defined $r;
}

sub publish ($cmd) {
    my ($status, $a) = $t->publish($cmd);
    diag("publish: $status " . Test::SocketIO::to_json($a))
        unless $a && ref $a eq 'HASH' && $a->{ok};
    return ref $a eq 'HASH' ? $a : {};
}

# Who gets the event: indexes; a mark for all follows, so that whoever gets
# nothing is known without waiting.
sub receivers ($cmd, $packet) {
    my $a = publish($cmd);
    publish({ all => \1, event => 'mark' });
    my @got;
    for my $i (0 .. $#s) {
        my $n = 0;
        while (defined(my $p = $s[$i]->next_packet(5))) {
            last if $p eq '42["mark"]';
            $n++;
            is($p, $packet, "what $i gets") if $p ne $packet;
        }
        push @got, ($i) x $n;
    }
    is($a->{count}, scalar @got, "count is $a->{count}");
    return "@got";
}

for my $i (0 .. 3) {
    is(receivers({ room => $s[$i]{id}, event => 'own' }, '42["own"]'), $i,
        "sio 103: own room of $i");
    is(receivers({ sid => $s[$i]{id}, event => 'own' }, '42["own"]'), $i,
        "sid as target, $i");
}

is(receivers({ all => \1, event => 'x', args => [1, { a => [] }] },
    '42["x",1,{"a":[]}]'), '0 1 2 3', 'sio 104: all of the namespace');
is(publish({ all => \1, nsp => '/custom', event => 'x' })->{count}, 0,
    'sio 104: none of another one');

ok(ask($w0, 'join', 'a'), 'join by hook');
ok(ask($p0, 'join', 'a', 'b'), 'join two rooms');
is(publish({ op => 'join', sid => $w1->{id}, room => 'b' })->{count}, 1,
    'join by publish');
is(receivers({ room => 'a', event => 'x' }, '42["x"]'), '0 1', 'room a');
is(receivers({ room => 'b', event => 'x' }, '42["x"]'), '1 2', 'room b');
is(receivers({ room => ['a', 'b'], event => 'x' }, '42["x"]'), '0 1 2',
    'sio 105: union, one copy each');
is(receivers({ in => ['a', 'b'], event => 'x' }, '42["x"]'), '0 1 2',
    'in is room');
is(receivers({ room => 'nobody', event => 'x' }, '42["x"]'), '',
    'unknown room');
is(receivers({ all => \1, except => 'a', event => 'x' }, '42["x"]'), '2 3',
    'sio 106: except a room');
is(receivers({ all => \1, except => [$w0->{id}, $p1->{id}], event => 'x' },
    '42["x"]'), '1 2', 'sio 106: except ids');
is(receivers({ room => ['a', 'b'], except => ['b'], event => 'x' },
    '42["x"]'), '0', 'sio 106: rooms and except');
is(receivers({ room => 'b', except => $w1->{id}, event => 'x' },
    '42["x"]'), '1', 'sio 106: room except an id');

ok(ask($p1, 'others', 'hi'), 'sio 107: sent');
is($_->next_packet, '42["other","hi"]', 'sio 107: others get it')
    for $w0, $p0, $w1;
ok(!$p1->{before}, 'sio 107: the sender does not');
ok(ask($w0, 'say', 'a', 'yes'), 'sio 107: to own room');
is_deeply($w0->{before}, ['42["said","yes"]'], 'sio 107: sender included');
is($p0->next_packet, '42["said","yes"]', 'sio 107: and the others');

ok(ask($w0, 'leave', 'a'), 'sio 108: leave');
is(receivers({ room => 'a', event => 'x' }, '42["x"]'), '1', 'sio 108: left');
ok(ask($w0, 'join', 'a'), 'sio 108: join again');
ok(ask($w0, 'join', 'a'), 'sio 108: and once more');
is(receivers({ room => 'a', event => 'x' }, '42["x"]'), '0 1',
    'sio 108: idempotent');

my $ph = '{"_placeholder":true,"num":0}';
publish({ all => \1, event => 'bin', attachments => ['AQID', ''],
    args => [{ _placeholder => \1, num => 0 },
             { _placeholder => \1, num => 1 }] });
publish({ all => \1, event => 'mark' });
is_deeply([$_->collect(4)], [
    '452-["bin",' . $ph . ',{"_placeholder":true,"num":1}]',
    'bAQID', 'b', '42["mark"]'], 'sio 109, 110: binary, ' . ref $_) for @s;

# Very many rooms, each socket in some of them; names that are ids.
for my $i (0 .. 3) {
    publish({ op => 'join', sid => $s[$i]{id}, room =>
        [map { 'u' . (60 * $i + $_) } 1 .. 70] });
}
is(receivers({ room => [map { "u$_" } 1 .. 256], event => 'x' }, '42["x"]'),
    '0 1 2 3', 'sio 105: union of 256, one copy each');
is(receivers({ room => [map { "u$_" } 65 .. 240], event => 'x' }, '42["x"]'),
    '0 1 2 3', 'sio 105: each in several of them');
is(receivers({ all => \1, except => [map { "u$_" } 71 .. 256],
    event => 'x' }, '42["x"]'), '0', 'sio 106: except of many');
is(receivers({ room => [map { "u$_" } 1 .. 200], except =>
    [map { "u$_" } 1 .. 50, 191 .. 230], event => 'x' }, '42["x"]'), '1 2',
    'sio 106: union of many, except of many');
publish({ op => 'join', sid => $_->{id}, room => $w0->{id} }) for $w0, $p1;
is(receivers({ room => $w0->{id}, event => 'x' }, '42["x"]'), '0 3',
    "sio 103: another one's id as a room, joined by both");
is(receivers({ room => ['a', $w0->{id}], except => $w0->{id},
    event => 'x' }, '42["x"]'), '1', 'sio 106: excepted by that name');
publish({ op => 'leave', all => \1, room => $w0->{id} });
is(receivers({ room => $w0->{id}, event => 'x' }, '42["x"]'), '0',
    'sio 103: the socket itself stays in it');
publish({ op => 'leave', all => \1, room => [map { "u$_" } 1 .. 250] });

# Selectors.
is(publish({ op => 'count', all => \1 })->{count}, 4, 'count');

is(publish({ op => 'join', in => 'a', except => $p0->{id}, room =>
    ['c', 'd'] })->{count}, 1, 'sio 114: join of a selection');
is(receivers({ room => 'd', event => 'x' }, '42["x"]'), '0', 'sio 114: done');
is(publish({ op => 'leave', all => \1, room => 'a' })->{count}, 4,
    'sio 114: leave of all');
is(receivers({ room => 'a', event => 'x' }, '42["x"]'), '',
    'sio 114: nobody left');
is(publish({ op => 'count', room => 'a' })->{count}, 0,
    'sio 108: an empty room vanishes');

# Order for one socket, whoever sends, by whichever worker.
for my $n (1 .. 20) {
    $t->publish({ $n % 2 ? (all => \1) : (sid => $w0->{id}),
        event => "n$n" }, worker => $n % 2);
}
is_deeply([$w0->collect(20)], [map { "42[\"n$_\"]" } 1 .. 20],
    'sio 115: direct and broadcast keep their order');
is_deeply([$_->collect(10)], [map { '42["n' . (2 * $_ - 1) . '"]' }
    1 .. 10], 'sio 115: the others') for $p0, $w1, $p1;

publish({ op => 'disconnect', room => 'b' });
is($p0->next_packet, '41', 'sio 114: disconnect by room, polling');
is($w1->next_packet, '41', 'sio 114: websocket');
my ($d) = grep { $_->{sid} eq $p0->{id} } $b->wait_events('disconnect', 2);
ok((grep { $_ eq 'b' } @{$d->{rooms}}), 'rooms come with the disconnect');
is(publish({ op => 'count', room => 'b' })->{count}, 0,
    'sio 108: disconnect leaves rooms');

$t->finish;
