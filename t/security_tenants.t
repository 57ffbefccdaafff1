#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Who may not be whom, or reach what is another's: rooms with the name of a
# socket, names that look alike, sessions, sockets and recoveries of another
# location, namespace or zone, guessed ids.  Fails if a client gets what was
# meant for another one, or gets in as one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Attack;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(sub ($events, @) {
    my @out;

    for my $e (@$events) {
        my $name = $e->{event} // '';
        push @out, { op => 'join', id => $e->{id}, room => $e->{args}[0] }
            if $name eq 'join';
        push @out, { op => 'emit', id => $e->{id}, event => 'secret',
                     args => ['mine'] } if $name eq 'own';
        push @out, { op => 'emit', id => $e->{id}, event => 'echo',
                     args => $e->{args} } if $name =~ /^(?:by|join|own)$/;
    }

    return \@out;
}, http => 'socketio_zone other 4m recovery=60s;',
    socketio => 'socketio_namespaces / /a /A /a/ /%61 /é;', server => QUICK
    . <<'CONF');
        location /second/ {
            socketio test;
            socketio_hook /_hook;
        }
        location /other/ { socketio other; socketio_hook /_hook; }
        location /other2/ {
            socketio other;
            socketio_hook /_hook;
            socketio_namespaces / /x;
        }
        location = /_other { socketio_publish other; }
CONF

# The echo of QUICK's server is not this one's.
sub joined ($transport, $room, %o) {
    my $s = $t->connected($transport, %o);
    $s->emit('join', $room);
    $s->next_packet;
    return $s;
}

sub nothing ($s, $name) {
    $s->emit('by', 'last');
    is($s->next_packet, '42["echo","last"]', $name);
}

besieged($t);

# A backend that joins whom it is told to any room gives nobody a private line.
for my $transports (['polling', 'websocket'], ['websocket', 'polling'],
    ['websocket', 'websocket'])
{
    my $victim = $t->connected($transports->[0]);
    my $spy = joined($transports->[1], $victim->{id});
    my $id = $victim->{id};

    $victim->emit('own', 1);
    is_deeply([$victim->collect(2)], ['42["secret","mine"]', '42["echo",1]'],
        'the answer to an event');
    nothing($spy, 'is nobody\'s who joined a room of that name');

    my (undef, $a) = $t->publish({ sid => $id, event => 'x' });
    is($a->{count}, 1, 'a sid is one socket');
    (undef, $a) = $t->publish({ op => 'count', sid => $id });
    is($a->{count}, 1, 'as is its count');
    (undef, $a) = $t->publish({ op => 'fetch', sid => [$id, $id] });
    is(scalar @{$a->{sockets}}, 1, 'and what is known of it');
    is($victim->next_packet, '42["x"]', 'it gets that');
    nothing($spy, 'and the other does not');

    (undef, $a) = $t->publish({ sid => [$id, $spy->{id}], event => 'y' });
    is($a->{count}, 2, 'two sids are two');
    $_->next_packet for $victim, $spy;

    (undef, $a) = $t->publish({ room => $id, event => 'z' });
    is($a->{count}, 2, 'a room of that name is, as in Node, both');
    $_->next_packet for $victim, $spy;

    $t->publish({ op => 'data', sid => $id, data => 1 });
    $t->publish({ op => 'disconnect', sid => $id });
    is($victim->next_packet, '41', 'it is disconnected');
    nothing($spy, 'alone');
}

# Names are bytes: nothing folds case, slashes, escapes or Unicode.
{
    my %ids;
    for my $nsp ('/a', '/A', '/a/', '/%61', "/\xc3\xa9") {
        my $s = $t->connected('websocket');
        ok($s->sio_connect($nsp), "namespace " . ($nsp =~ s/\W/_/gr));
        $ids{$nsp} = $s;
    }
    my (undef, $a) = $t->publish({ nsp => '/a', all => \1, event => 'x' });
    is($a->{count}, 1, 'a namespace is its bytes');
    is($ids{'/a'}->next_packet, '42/a,["x"]', 'of those one has them');

    for my $no ("/e\xcc\x81", '/b', '/a%00', "/a\0", '/a?x', '/%2561', '//a',
        '/a/..', "/a\x1e42[\"m\"]")
    {
        my $s = $t->connected('websocket');
        $s->send("40$no,");
        like($s->next_packet, qr/^44/, 'another is another, and refused');
        $s->close;
    }

    my @r = map { joined('websocket', $_) } 'r', 'R', "r\0", 'r ', "\0r";
    (undef, $a) = $t->publish({ room => 'r', event => 'x' });
    is($a->{count}, 1, 'so is a room');
    is($r[0]->next_packet, '42["x"]', 'of that name');
    nothing($r[$_], 'and not of another') for 1 .. $#r;
}

# A session lives where it began.
{
    my $p = $t->connected('polling');
    my $q = "EIO=4&sid=$p->{sid}&transport=";
    for my $path ('/second/', '/other/', '/quick/') {
        for my $r ($t->http('GET', $path . "?${q}polling"),
            $t->http('POST', $path . "?${q}polling", body => '42["x"]'),
            $t->websocket(path => $path . "?${q}websocket")->{res})
        {
            like($r->{body}, qr/"code":1|Session ID unknown/,
                "a session is unknown in $path");
        }
    }
    nothing($p, 'and goes on where it is');

    my $o = $t->connected('polling', path => '/other/');
    my (undef, $a) = $t->publish({ op => 'count', sid => $o->{id} });
    is($a->{count}, 0, 'sockets of another zone are not this one\'s');
    (undef, $a) = $t->publish({ op => 'count', sid => $p->{id} },
        path => '/_other');
    is($a->{count}, 0, 'nor the other way round');
    for my $zone ('/_publish', '/_other') {
        (undef, $a) = $t->publish({ op => 'emit', room => 'k', event => 'k',
            key => 'one' }, path => $zone);
        ok(!$a->{dup}, "a key is of $zone alone");
    }
}

# What a session knows of itself is not the key to it: neither the public id,
# nor a guessed one, nor with it a recovery.
{
    my $p = $t->connected('websocket', path =>
        '/other/?EIO=4&transport=websocket');
    my $n = $t->connected('websocket');
    my $id = $p->{id};

    for my $guess ($id, $id . 'AA', substr($id, 0, 20) . 'AA', "/#$id",
        'A' x 22)
    {
        my $r = $t->http('GET', "/other/?EIO=4&transport=polling&sid=$guess");
        like($r->{body}, qr/"code":1/, 'a public id opens no session');
    }
    isnt($p->{sid}, $id, 'they differ');

    # a recovery takes the pid, of this location and namespace
    my $get = sub ($path, $nsp, $auth) {
        my $w = $t->websocket(path => "$path?EIO=4&transport=websocket");
        $w->open_packet;
        $w->send('40' . ($nsp eq '/' ? '' : "$nsp,") . $auth);
        my $got = $w->next_packet // '';
        $w->{conn}->reset;
        return $got =~ /"sid":"([^"]+)"/ ? $1 : '';
    };
    my $lose = sub ($path = '/other/') {
        my $w = $t->websocket(path => "$path?EIO=4&transport=websocket");
        $w->open_packet;
        $w->send('40');
        my $o = from_json($w->next_packet =~ s/^40//r);
        $t->publish({ sid => $o->{sid}, event => 'm' }, path => '/_other');
        my $m = from_json($w->next_packet =~ s/^42//r);
        $w->{conn}->close;
        $b->reason($o->{sid});
        return ($o->{sid}, $o->{pid}, $m->[-1]);
    };
    my $auth = sub ($pid, $offset) {
        return Test::SocketIO::to_json({ pid => $pid, offset => $offset });
    };

    my ($sid, $pid, $offset) = $lose->();
    isnt($get->('/other2/', '/', $auth->($pid, $offset)), $sid,
        'a recovery is not of another location');
    isnt($get->('/socket.io/', '/', $auth->($pid, $offset)), $sid,
        'nor of another zone');
    isnt($get->('/other2/', '/x', $auth->($pid, $offset)), $sid,
        'nor of another namespace');

    my ($other) = ($lose->())[1];
    my $n0 = length $sid;
    for my $guess ($sid, $sid . 'A' x (length($pid) - $n0),
        $sid . substr($other, $n0), substr($other, 0, $n0) . substr($pid, $n0),
        substr($pid, 0, -1) . ($pid =~ /A$/ ? 'B' : 'A'), $pid . 'A', '')
    {
        isnt($get->('/other/', '/', $auth->($guess, $offset)), $sid,
            'a guessed pid is none');
    }
    for my $bad ('', 'A' x length $offset, $offset . 'A') {
        isnt($get->('/other/', '/', $auth->($other, $bad)),
            substr($other, 0, $n0), 'nor does an offset help that is none');
    }
    is($get->('/other/', '/', $auth->($pid, $offset)), $sid,
        'who has both is the one');
    isnt($get->('/other/', '/', $auth->('x', $offset)), $sid, 'once');
}

unharmed('all of that');
$t->finish;
