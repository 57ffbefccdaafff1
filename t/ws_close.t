#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# How websockets end when the peer does not play its part: a Close that is never
# answered, output that is never read, half of a TCP connection, a reset at
# each step.  Each websocket writes one line of access log when its connection
# is closed for good: that is when, and with which reason, it ended.
#
# Fails if a connection outlives the 5 s of a Close handshake or does not get
# them, if what was queued does not go out before the Close, or if a session
# does not notice that its websocket is gone.
#
# The handshake itself, between peers that take part: t/ws_rfc6455.t.

use v5.36;
use lib 't/lib';
use Socket qw/SOL_SOCKET SO_RCVBUF/;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Test::SocketIO::WebSocket ();
use Time::HiRes qw/time/;

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(workers => 2, alarm => 120);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
}, zone => '64m', http => <<'HTTP', socketio => <<'CONF');
    log_format end '$msec "$socketio_reason" $request';
HTTP
            socketio_send_queue 1000 60m;
            socketio_hook_queue 4 64k;
            access_log logs/end.log end;
CONF

my $n = 0;

# A websocket that is found in the log again.
sub ws (%o) {
    my $ws = $t->websocket(worker => $n % 2, query => "&n=<$n>", %o);
    $ws->{n} = $n++;
    return $ws;
}

sub connected () {
    my $ws = ws();
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

# When its connection was closed, and why its session ended; waits for it.
sub end ($ws, $timeout = 5) {
    my $line = eventually(sub {
        return (grep { /n=<$ws->{n}>/ }
            split /\n/, $t->read_file('logs/end.log'))[0];
    }, $timeout) or return (0, 'no line');

    return $line =~ /^([\d.]+) "(?:-|(.*?))"/ ? ($1, $2 // '') : ();
}

sub ended ($ws, $reason, $name) {
    my ($at, $why) = end($ws, $reason =~ /no line/ ? 0.5 : 5);
    like($why, qr/^(?:$reason)$/, "$name: reason");
    return if !$ws->{id};
    like($b->reason($ws->{id}) // 'none', qr/^(?:$reason)$/,
        "$name: so the backend hears");
}

# Those that must wait for 5 s do it while the rest goes on.
my @waiting;

sub waits ($ws, $reason, $name, $since = time) {
    push @waiting, [$ws, $reason, $name, $since];
}

# The server closes, and the peer says nothing.
my $ws = connected();
my $start = time;
$ws->send('x');
is($ws->closed, '', 'eio 114: Close of the server');
waits($ws, 'parse error', 'eio 114: never answered', $start);

$ws = connected();
$start = time;
$t->publish({ op => 'disconnect', sid => $ws->{id}, close => \1 });
is($ws->closed, '', 'eio 114: Close by command');
waits($ws, 'server namespace disconnect', 'eio 114: by command', $start);

# ... or says all but that.
my $noisy = connected();
$start = time;
$noisy->send('x');
is($noisy->closed, '', 'Close to one who goes on talking');
waits($noisy, 'parse error', 'talks on', $start);

# The connection is failed: at once half of it is closed, then the same.
for my $bad ([frame(3, ''), 1002], [frame(1, "\xff"), 1007],
             [frame(1, '', len => 2 ** 40), 1009])
{
    $ws = connected();
    $start = time;
    $ws->send_raw($bad->[0]);
    is($ws->closed, $bad->[1], "failed with $bad->[1]");
    ok($ws->{conn}->closed, "failed with $bad->[1]: end of stream");
    waits($ws, 'transport error', "failed with $bad->[1]", $start);
}

# The peer closes, and then keeps its half.
$ws = connected();
$start = time;
$ws->send_frame(8, pack 'n', 1000);
is($ws->closed, 1000, 'Close of the peer');
ok($ws->{conn}->closed, 'Close of the peer: end of stream');
waits($ws, 'transport close', 'Close of the peer', $start);

# One that is not wanted.
my $polling = $t->polling;
$polling->{id} = $polling->sio_connect;
my $probe = ws(sid => $polling->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'a probe');
$ws = ws(sid => $polling->{sid});
is($ws->closed, '', 'eio 139: a second one is closed');
waits($ws, '', 'eio 139: a second one, never answered');

# The Close waits behind 12 MB that nobody reads.
sub stuffed () {
    my $s = connected();
    my $big = 'x' x 900_000;
    setsockopt $s->{conn}{sock}, SOL_SOCKET, SO_RCVBUF, 65536;
    $t->publish({ sid => $s->{id}, event => 'big', args => [$_, $big] })
        for 1 .. 13;
    $t->publish({ op => 'disconnect', sid => $s->{id}, close => \1 });
    return $s;
}

$start = time;
my $deaf = stuffed();
waits($deaf, 'server namespace disconnect', 'never reads', $start);

$ws = stuffed();
is_deeply([map { ($ws->recv(10) // 'none') =~ /^42\["big",(\d+)/ } 1 .. 13],
    [1 .. 13], 'what was queued before the Close comes');
is_deeply([$ws->transcript], ['text:41', 'close', 'eof'], 'then the Close');
ended($ws, 'server namespace disconnect', 'reads late');

# Half of the connection: the peer has said all, and still listens.
my %half = (
    'nothing' => ['', ['eof'], 'transport close'],
    'an event' => [frame(1, '42["m"]'), undef, 'transport close'],
    'half a frame' => [substr(frame(1, '42["m"]'), 0, 8), ['eof'],
        'transport close'],
    'half a message' => [frame(1, '42[', fin => 0), ['eof'],
        'transport close'],
    'a Close' => [frame(8, pack 'n', 1000), ['close:1000', 'eof'],
        'transport close'],
    'a bad frame' => [frame(3, ''), ['close:1002', 'eof'],
        'transport error'],
    'a bad packet' => [frame(1, 'x'), ['close', 'eof'], 'parse error'],
);

for my $what (sort keys %half) {
    my ($bytes, $expected, $reason) = @{$half{$what}};
    my $s = connected();
    $s->send_raw($bytes) if length $bytes;
    $s->{conn}->half_close;
    my @got = $s->transcript;
    is_deeply(\@got, $expected, "half closed after $what") if $expected;
    is($got[-1], 'eof', "half closed after $what: end of stream");
    ended($s, $reason, "half closed after $what");
}

$ws = ws(wait => 0);
$ws->{conn}->half_close;
ok($ws->{conn}->closed, 'half closed behind the request');
my ($at, $why) = end($ws);
is($why, 'transport close', 'half closed behind the request: reason');

# Resets.
for my $bytes ('', "GET /socket.io/?EIO=4 HTTP/1.1\r\n",
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
        . "Upgrade: websocket\r\nConnection: upgrade\r\n"
        . "Sec-WebSocket-Version: 13\r\n")
{
    my $c = $t->connect;
    $c->send($bytes) if length $bytes;
    $c->reset;
}

# A step, then the reset; what ended already is not ended by it.
my $lost = 'transport (?:close|error)';
my @steps = (
    # It may come before the request, or in the middle of its answer.
    ['before the 101 is read', "|no line|$lost",
        sub { return ws(wait => 0) }],
    ['after the 101', $lost, sub { return ws() }],
    ['after the open packet', $lost, sub {
        my $s = ws();
        $s->open_packet;
        return $s;
    }],
    ['behind a CONNECT', $lost, sub {
        my $s = ws();
        $s->open_packet;
        $s->send('40');
        return $s;
    }],
    ['when connected', $lost, sub { return connected() }],
    (map { my ($name, $bytes) = @$_; [$name, $lost, sub {
        my $s = connected();
        $s->send_raw($bytes);
        return $s;
    }] }
        ['within a header', "\x81"],
        ['within a mask', "\x81\x85abc"],
        ['within a frame', "\x81\x85abcdxx"],
        ['between frames', frame(1, '42[', fin => 0)],
        ['within a ping', "\x89\x85abcdxx"],
        ['behind a ping', frame(9, 'x')],
        ['behind an event', frame(1, '42["m"]')],
        ['before an attachment',
            frame(1, '451-["m",{"_placeholder":true,"num":0}]')]),
    ['behind a bad frame', 'transport error', sub {
        my $s = connected();
        $s->send_raw(frame(3, ''));
        $s->closed;
        return $s;
    }],
    ['behind our Close', 'transport close', sub {
        my $s = connected();
        $s->send_frame(8, pack 'n', 1000);
        $s->closed;
        return $s;
    }],
    ['behind the Close of the server', 'parse error', sub {
        my $s = connected();
        $s->send('x');
        $s->closed;
        return $s;
    }],
    ['behind both', 'parse error', sub {
        my $s = connected();
        $s->send('x');
        $s->closed;
        $s->send_frame(8, '');
        return $s;
    }],
    ['while the server writes', $lost, sub {
        my $s = connected();
        setsockopt $s->{conn}{sock}, SOL_SOCKET, SO_RCVBUF, 65536;
        $t->publish({ sid => $s->{id}, event => 'big',
            args => ['x' x 900_000] }) for 1 .. 8;
        return $s;
    }],
);

for my $step (@steps) {
    my ($name, $reason, $code) = @$step;
    my $s = $code->();
    $s->{conn}->reset;
    ended($s, $reason, "reset $name");
}

# ... with a hook in flight, and with events that nobody takes.
for my $queued (0, 20) {
    my $s = connected();
    $s->send('42["hold"]', map { "42[\"n$_\"]" } 1 .. $queued);
    ok(eventually(sub { grep { $_->{sid} eq $s->{id} && $_->{event} eq 'hold' }
        $b->events('event') }), 'hook in flight');
    $s->{conn}->reset;

    # A websocket that is not read from learns of it when it is again.
    my ($when, $reason) = end($s, $queued ? 0.5 : 5);
    $b->release('gate');
    ended($s, $lost, "reset with a hook in flight and $queued events behind");
    $b->set('release gate' => 0);
}

# The probe was there all the time.
$probe->{conn}->reset;
($at, $why) = end($probe);
is($why, '', 'reset of a probe: not the end of its session');
ok($polling->send('42["m"]'), 'reset of a probe: the session goes on');
is($polling->next_packet, '42["echo"]', 'reset of a probe: both ways');

# Now for those that wait.
eventually(sub {
    select undef, undef, undef, 0.1;
    $noisy->send_raw(frame(9, 'x') . frame(1, '42["m"]'));
    return $noisy->{conn}{eof} || $noisy->{conn}{reset};
}, 15);

for (@waiting) {
    my ($s, $reason, $name, $since) = @$_;
    my ($when, $why) = end($s, 15);
    my $took = sprintf '%.1f', $when - $since;

    is($why, $reason, "$name: reason");
    ok($took > 4.4 && $took < 15, "$name: closed after 5 s ($took)");
}

is(scalar(grep { ($_->{event} // '') eq 'm' && $_->{sid} eq $noisy->{id} }
    $b->events('event')), 0, 'nothing was taken from who talked on');

my %n;
$n{$_->{sid}}++ for $b->events('disconnect');
is_deeply([grep { $_ != 1 } values %n], [], 'one disconnect each');

$ws = connected();
$ws->send('42["m",1]');
is($ws->next_packet, '42["echo",1]', 'others do not notice');
ok($ws->close, 'and close in good order');

$t->finish;
