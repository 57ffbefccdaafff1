#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A worker dies in the middle of a hold, in all that a server does: answers of
# hooks, what is published, closing.  Fails as worker_killed_hold.t, or if a room is not who its members are told they are.
# DEATHS=30 for more stores of each operation.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Deaths;

my $w = Test::SocketIO::Deaths->new;
my $t = $w->t;
my ($x, $own) = (0, 0);

# What lives of the sessions is on the workers that do not die.  Each is in a
# room of its own, {old}, and has the name of another, {room}.
sub elsewhere ($transport, @rooms) {
    my $n = ++$own;
    my %auth = (rooms => ["old$n", @rooms]);
    my $s = $transport eq 'websocket' ? $w->ws($w->other(0), %auth)
        : $w->poll($w->other(0),
            $transport eq 'hook' ? $w->victim : $w->other(1), %auth);
    @$s{qw/old room/} = ("old$n", "new$n");
    return $s;
}

# Of a room that one joined or left: the message comes as often as the publisher
# was told; "must" be.
sub in_room ($s, $room, $must = undef) {
    my $a = $w->publish({ room => $room, event => 'who' });
    my $fault = $w->works($s);
    my $n = grep { /"who"/ } @{$s->{got} // []};

    return $fault if defined $fault;
    return "$room: $n of $a->{count}" if $n != $a->{count};
    return "$room: $n" if defined $must && $n != $must;
    return undef;
}

# Its backend answers with these commands on the worker that dies: again from
# another one, if it does before the inbox is told.
sub hook ($name, $commands, %o) {
    my $word;
    $w->deaths($name, twice => 1, fate => 'live', make => sub {
        my $s = elsewhere('hook');
        $word = "gate of $s->{room}";
        my $text = to_json(['do', $commands->($s), $word]);
        $s->send("42$text");
        eventually(sub { grep { ($_->{args}[1] // '') eq $word }
            $w->b->events('event') });
        return $s;
    }, act => sub ($s) {
        $w->b->release($word);
    }, %o);
}

hook('emit to a room by a hook', sub ($s) {
    return [map { { op => 'emit', room => 'all', event => 'x',
        args => [++$x] } } 1 .. 2];
});

hook('join by a hook', sub ($s) {
    return [{ op => 'join', room => $s->{room} }];
}, then => sub ($s) { in_room($s, $s->{room}, 1) });

hook('leave by a hook', sub ($s) {
    return [{ op => 'leave', room => $s->{old} }];
}, then => sub ($s) { in_room($s, $s->{old}, 0) });

hook('emit and data by a hook', sub ($s) {
    return [{ op => 'emit', event => 'y', args => [1] },
        { op => 'data', data => { a => 1 } },
        { op => 'emit', event => 'y', args => [2] }];
}, then => sub ($s) {
    my $got = join ' ', map { /y",(\d)/ ? $1 : $_ } @{$s->{got} // []};
    return $got =~ /^(?:1 )?(?:1 2 )?1 2( 2)?$|^1 2 1 2$/ ? undef : $got;
});

# Asked again, if the backend was; each answer arrives.
hook('emit that asks by a hook', sub ($s) {
    return [{ op => 'emit', event => 'q', args => [], ack => $s->{room} }];
}, then => sub ($s) {
    my @asked = map { /^42(\d+)\["q"\]$/ ? $1 : () } @{$s->{got} // []};
    my $fault = $w->works($s, map { qq/43$_\["a"]/ } @asked);
    return $fault if defined $fault;

    my %acks;
    eventually(sub {
        %acks = map { $_->{id} => 1 }
            grep { ($_->{token} // $_->{ack}) eq $s->{room} }
            $w->b->events('ack');
        return keys %acks == @asked;
    });
    return @asked && keys %acks == @asked ? undef
        : "@asked: " . join ' ', keys %acks;
});

hook('disconnect by a hook', sub ($s) {
    return [{ op => 'disconnect', close => \1 }];
}, fate => 'gone');

# Published on the worker that dies, once: what had not happened does not.
sub published ($name, $command, %o) {
    $w->deaths($name, make => sub {
        my $s = elsewhere($o{transport} // 'polling', @{$o{rooms} // []});
        $s->{conn_there} = $w->conn;
        return $s;
    }, act => sub ($s) {
        $t->publish($command->($s), conn => $s->{conn_there});
    }, %o);
}

published('publish to a room', sub ($s) {
    return [map { { room => 'all', event => 'x', args => [++$x] } } 1 .. 2];
}, rooms => ['all'], fate => 'live');

published('publish to one', sub ($s) {
    return { sid => $s->{id}, event => 'y', args => ['y' x 3000] };
}, fate => 'live');

published('publish to rooms, but some', sub ($s) {
    return { room => ['all', 'none'], except => 'some', event => 'v',
        args => [++$x] };
}, rooms => ['none', 'some'], fate => 'live',
    then => sub ($s) {
        my ($wrong) = grep { !/^42\["o",/ } @{$s->{got} // []};
        return $wrong;
    });

published('publish that asks', sub ($s) {
    return { sid => $s->{id}, event => 'q', args => [], ack => \1,
        timeout => 300 };
}, fate => 'live');

for my $transport (qw/polling websocket/) {
    my %o = (transport => $transport, fate => 'live');

    published("join, $transport", sub ($s) {
        return { op => 'join', sid => $s->{id}, room => $s->{room} };
    }, %o, then => sub ($s) { in_room($s, $s->{room}) });

    published("leave, $transport", sub ($s) {
        return { op => 'leave', sid => $s->{id}, room => $s->{old} };
    }, %o, then => sub ($s) { in_room($s, $s->{old}) });
}

published('disconnect', sub ($s) {
    return { op => 'disconnect', sid => $s->{id}, close => \1 };
}, fate => 'any');

$w->finish;
