#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What an application does inside of Node's server, and what that is where it is
# behind a hook: middlewares, rooms joined before the connect is over,
# socket.use(), onAny(), "disconnecting", a join that comes too late, "local".
#
# Fails if a connect may run commands before it is accepted, leaves rooms behind
# when it is not, if a socket that has left can still join, if its disconnect has
# lost its rooms or is not the last to be told, or if what no handler answers
# puts anything on the wire.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# Auth is { hold => word, do => [commands] }; an event is "do" commands, which
# may be held: "hold" word commands.  Acks only if they are asked for by "ack".
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my (@out, $hold);
    for my $e (@$events) {
        my ($args, $h) = ($e->{args} // [], $e->{handshake} // {});
        my $by = $e->{type} eq 'connect' ? $h->{auth} : {};
        $hold //= $by->{hold};
        my @do = @{$by->{do} // []};
        @do = @$args if ($e->{event} // '') eq 'do';
        ($hold, @do) = @$args if ($e->{event} // '') eq 'hold';
        @do = ({ op => 'ack', args => [] }) if ($e->{event} // '') eq 'ack';
        if ($e->{type} eq 'disconnect' && ($e->{data} // '') eq 'sticky') {
            $hold = "disconnect $e->{sid}";
            @do = ({ op => 'join', room => 'ghosts' });
        }
        push @out, { id => $e->{id}, %$_ } for @do;
    }
    return defined $hold ? reply(hold => $hold, body => \@out) : \@out;
}, eio => '3 4', socketio => <<'CONF', server => <<'CONF2');
            socketio_namespaces / /custom;
            socketio_hook_lanes 16;
            socketio_hook_timeout 30s;
CONF
        location /guarded/ {
            if ($arg_token = "") { return 401; }
            socketio test;
            socketio_hook /_hook;
        }
CONF2

sub to_json ($v) { return Test::SocketIO::to_json($v) }

sub ws () { return $t->connected('websocket') }

sub poll () { return $t->connected('polling') }

sub count ($room) {
    my ($status, $a) = $t->publish({ op => 'count', room => $room });
    return $a->{count};
}

# A session that asks for a connect, which the backend has and holds.
sub pending ($word, @do) {
    my $ws = $t->websocket(query => "&case=$word");
    $ws->open_packet;
    $ws->send('40' . to_json({ hold => $word, do => \@do }));
    $ws->{id} = $b->socket($word);
    ok($ws->{id}, "$word: the backend is asked");
    return $ws;
}

# The first event of a type that is so, as soon as it is there.
sub first ($so, $type) {
    return eventually(sub { (grep { $so->() } $b->events($type))[0] });
}

# What follows an event that is answered has been behind all that comes before.
sub nothing ($s, $name, $got = []) {
    $s->emit(['/', 77], 'ack');
    my @got;
    while (defined(my $p = $s->next_packet)) {
        last if $p eq '4377[]';
        push @got, $p;
    }
    is_deeply(\@got, $got, $name);
}

# Middlewares.  Those of HTTP are nginx's phases, and come first.
my $seen = $b->events('connect');
my $r = $t->http('GET', '/guarded/?EIO=4&transport=polling');
is($r->{status}, 401, 'sio 33: a phase of nginx refuses the handshake');
my $guarded = $t->connected('websocket',
    path => '/guarded/?EIO=4&transport=websocket&token=1');
ok($guarded->{id}, 'sio 33: or lets it pass');
is(scalar(my @c = $b->wait_events('connect', $seen + 1)), $seen + 1,
    'sio 33: then one hook is asked, and was not before');
$seen = @c;

# One answer decides; nothing of it is seen before it is there, and what it says
# comes behind CONNECT.
my $ws = pending('order', { event => 'first' }, { op => 'accept' },
    { event => 'second' });
my ($status, $a) = $t->publish({ all => \1, event => 'early' });
$b->release('order');
is_deeply([map { s/"sid":"[^"]*"//r } $ws->collect(3)],
    ['40{}', '42["first"]', '42["second"]'],
    'sio 33: CONNECT, then what the hook says, and nothing that was earlier');

# Rooms.
$ws = pending('rooms', { op => 'accept', rooms => ['r36', 'q36'] });
is(count('r36'), 0, 'sio 36: no room before the answer');
($status, $a) = $t->publish({ op => 'join', sid => $ws->{id}, room => 'x36' });
is($a->{count}, 0, 'sio 36: nor may others join it');
$b->release('rooms');
like($ws->next_packet, qr/^40/, 'sio 36: accepted');
is(count($_), 1, "sio 36: $_ is there") for 'r36', 'q36';
is(count('x36'), 0, 'sio 36: what was too early was not');
$t->publish({ room => 'q36', event => 'for', args => ['q36'] });
is($ws->next_packet, '42["for","q36"]', 'sio 36: usable');

$ws = pending('rejected', { op => 'join', room => 'j36' },
    { op => 'reject', message => 'no' });
$b->release('rejected');
is($ws->next_packet, '44{"message":"no"}', 'sio 36: rejected');
is(count('j36'), 0, 'sio 36: no room of a rejected one');
ok($ws->sio_connect, 'sio 36: another try');
is(count('j36'), 0, 'sio 36: does not find it either');

$ws = pending('abandoned', { op => 'accept', rooms => ['a36'] },
    { op => 'join', room => 'b36' });
my $gone = $ws->{id};
$ws->close;
$b->release('abandoned');
is($b->reason($gone), 'transport close', 'sio 36: client left meanwhile');
is(count($_), 0, "sio 36: and $_ is empty") for 'a36', 'b36';

# socket.use() and onAny().
for my $how (qw/websocket polling/) {
    my $s = $t->connected($how);
    $s->send('42["unanswered"]', '423["unanswered"]', '42["a","b"]');
    nothing($s, "sio 39: what is not answered puts nothing on the wire, $how");

    my $old = $t->connected($how, eio => 3);
    $old->next_packet if $how eq 'websocket' && !$old->{id};
    $old->send('42["unanswered"]', '423["unanswered"]');
    nothing($old, "sio 39: revision 3, $how");

    ok($s->sio_connect('/custom'), 'a second namespace');
    $s->send('42["x",1,"2",{"3":[true]}]', '420["x"]', '42/custom,9["y",null]',
        '42[7,"n"]');
    nothing($s, 'nothing comes back');
    my %of = ($s->{id} => '/', $s->{ids}{'/custom'} => '/custom');
    my @e = grep { $of{$_->{sid}} } $b->events('event');
    my %n;
    is(to_json([map { [@$_{qw/event args ack/}] } grep { $_->{nsp} eq '/' } @e]),
        '[["unanswered",[],false],["unanswered",[],true],["a",["b"],false],'
            . '["ack",[],true],["x",[1,"2",{"3":[true]}],false],["x",[],true],'
            . '["7",["n"],false],["ack",[],true]]',
        "sio 40, 57: the hook sees name, arguments and ack of each, $how");
    my $custom = first(sub { $_->{nsp} eq '/custom' && $of{$_->{sid}} }, 'event');
    is(to_json([@$custom{qw/event args ack/}]), '["y",[null],true]',
        "sio 57: of each namespace, $how");
}

# Halves of surrogate pairs: this backend's parser, too, refuses all of a text
# that has one in it.  Infinity it writes as no JSON at all.
for my $s (ws(), poll()) {
    $s->send('42["a\ud83d",{"\ude00b":"\ud83d\ude00"}]', '42["inf",-1e999]',
        '42["do",{"event":"x","args":[1e999,1e300]}]');
    is($s->next_packet, '42["x",null,1e+300]', 'sio 43: Infinity is null');
    my $e = first(sub { $_->{sid} eq $s->{id} }, 'event');
    is_deeply([@{$e // {}}{qw/event args/}],
        ["a\x{fffd}", [{ "\x{fffd}b" => "\x{1f600}" }]],
        'sio 44: half a surrogate pair is U+FFFD');
}
my $half = $t->websocket(query => '&case=half');
$half->open_packet;
$half->send('40{"token":"\ud83d"}');
like($half->next_packet, qr/^40/, 'sio 19: also in auth');
is(first(sub { $_->{sid} eq $b->socket('half') }, 'connect')
    ->{handshake}{auth}{token}, "\x{fffd}", 'sio 19: as the backend sees it');

# Disconnects.
for my $s (ws(), poll()) {
    my $how = ref $s;
    my ($in, $out, $sticky) = map { "$_ $how" } qw/in out sticky/;
    $s->emit('do', { op => 'join', room => [$in, $out] },
        { op => 'data', data => 'sticky' });
    nothing($s, 'joined');
    $s->emit('do', { op => 'leave', room => $out });
    nothing($s, 'left');
    is(count($in), 1, "sio 100: in a room, $how");

    $s->send('42["last words"]', '41');
    my $d = first(sub { $_->{sid} eq $s->{id} }, 'disconnect');
    is_deeply([sort @{$d->{rooms}}], [$in],
        "sio 100: the disconnect has the rooms of then, $how");
    is(count($_), 0, "sio 100: which are empty while it is told: $_")
        for $in, $s->{id};
    my @mine = grep { $_->{sid} eq $s->{id} } $b->events;
    is_deeply([map { $_->{event} // $_->{type} } @mine[-2, -1]],
        ['last words', 'disconnect'], "sio 100: it is the last, $how");
    is_deeply([map { $_->{seq} } @mine], [0 .. $#mine], 'sio 100: in order');

    $b->release("disconnect $s->{id}");
    ok($s->sio_connect, 'sio 101: connects again');
    is(count('ghosts'), 0, "sio 101: a join in answer to it, $how");
    ($status, $a) = $t->publish({ op => 'join', sid => $s->{id},
        room => 'ghosts' });
    ok($a->{ok} && $a->{count} == 0, "sio 101: or by others, $how");
}

my $late = ws();
$late->emit('hold', 'late', { op => 'join', room => 'late' },
    { op => 'ack', args => [] }, { event => 'late' });
ok(first(sub { $_->{sid} eq $late->{id} }, 'event'),
    'sio 101: an event is with the backend');
$late->send('41');
ok(eventually(sub {
    my ($status, $a) = $t->publish({ op => 'count', sid => $late->{id} });
    return $a->{count} == 0;
}), 'sio 101: its socket leaves');
$b->release('late');
is($b->reason($late->{id}), 'client namespace disconnect',
    'sio 101: the disconnect comes behind the answer');
is(count('late'), 0, 'sio 101: a join that was answered too late');
ok($late->sio_connect, 'sio 101: next on the wire is a new CONNECT');

# All workers of a machine are one server.
my @s = map { my $w = $_; $t->connected('websocket', worker => $w),
    $t->connected('polling', worker => $w) } 0, 1;
my $room = { map { $_->{id} => 1 } @s };
$t->publish({ op => 'join', sid => [keys %$room], room => 'here' });
for my $w (0, 1) {
    ($status, $a) = $t->publish({ room => 'here', event => 'near',
        local => \1 }, worker => $w);
    is($a->{count}, 4, "sio 112: local is this machine, by worker $w");
    is_deeply([map { $_->next_packet } @s], [('42["near"]') x 4],
        'sio 112: and has all its workers');
}
$s[0]->emit('do', { room => 'here', event => 'near', local => \1 });
is_deeply([map { $_->next_packet } @s], [('42["near"]') x 4],
    'sio 112: of a hook, too');

$t->finish;
