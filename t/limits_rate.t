#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# "socketio_limits rate= burst= bytes=": who sends more is not read from, by
# whatever transport and worker, and loses nothing.  Times have only lower
# bounds: so long the tokens take that were not there at the start.  Fails if
# a way to send is free, if a worker or an upgrade begins with a full bucket
# of its own, or if a client that has to wait is taken for a dead one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', server => <<'CONF');
        location = /_status { socketio_status test json; }
        location /rate/ {
            socketio test;
            socketio_hook /_hook;
            socketio_limits rate=40r/s burst=5;
        }
        location /slow/ {
            socketio test;
            socketio_hook /_hook;
            socketio_limits rate=240r/m burst=4;
        }
        location /bytes/ {
            socketio test;
            socketio_hook /_hook;
            socketio_limits bytes=40k;
        }
        location /beat/ {
            socketio test;
            socketio_hook /_hook;
            socketio_limits rate=10r/s burst=1;
            socketio_ping_interval 300ms;
            socketio_ping_timeout 200ms;
        }
CONF

sub paused () {
    return from_json($t->http('GET', '/_status')->{body})->{sessions}{paused};
}

sub session ($transport, $path, %o) {
    return $t->connected($transport, path => $path, %o);
}

# All of them come back, in order.
sub echoes ($s, $name, @values) {
    my @got = $s->collect(scalar @values);
    is_deeply(\@got, [map { qq{42["echo",$_]} } @values], $name);
}

sub at_least ($start, $seconds, $name) {
    my $took = time - $start;
    cmp_ok($took, '>=', $seconds * 0.95, $name);
}

is(paused(), 0, 'nobody was paused');

for my $how (['websocket'], ['polling'], ['websocket', eio => 3],
             ['polling', eio => 3], ['websocket', deflate => 1])
{
    my $name = join ' ', @$how;
    my $before = paused();
    my $start = time;
    my $s = session($how->[0], '/rate/', @$how[1 .. $#$how]);

    # 40 a second, and 5 at once; the connect is one of them in revision 4
    $s->send(map { qq{42["m",$_]} } 1 .. 25);
    echoes($s, "$name: nothing is lost", 1 .. 25);
    at_least($start, 0.5, "$name: the rate is kept");
    cmp_ok(paused(), '>', $before, "$name: it is counted");
}

# One bucket: POSTs on two workers in turn.
{
    my $start = time;
    my $p = session('polling', '/rate/');
    my @c = map { $t->connect_to_worker($_) } 0, 1;

    is($p->post(qq{42["m",$_]}, conn => $c[$_ % 2])->{status}, 200, "POST $_")
        for 1 .. 15;
    at_least($start, 0.25, 'two workers share a bucket');
    echoes($p, 'nothing is lost', 1 .. 15);
}

# ... and an upgrade keeps it: 4 and four a second, for 1 + 3 + 3 events.
{
    my $start = time;
    my $p = session('polling', '/slow/');
    $p->send(map { qq{42["m",$_]} } 1 .. 3);
    my $ws = $t->websocket(path => "/slow/?EIO=4&transport=websocket&sid="
        . $p->{sid}, worker => 1);
    $ws->send('2probe');
    is($ws->recv, '3probe', 'probe');
    $ws->send('5', map { qq{42["m",$_]} } 4 .. 6);
    my @got = grep { /^42/ } map { $ws->next_packet // 'none' } 1 .. 6;
    is_deeply([@got[-3 .. -1]], [map { qq{42["echo",$_]} } 4 .. 6],
        'what comes after the upgrade');
    at_least($start, 0.75, 'an upgrade keeps the bucket');
}

# Packets that are no events are not free.
my %floods = (
    'pongs' => sub ($ws) { $ws->send(('3') x 25) },
    'pings of revision 4, each a NOOP for the server' =>
        sub ($ws) { $ws->send(('6') x 25) },
    'websocket pings' => sub ($ws) {
        $ws->send_raw(join '', map {
            Test::SocketIO::WebSocket::frame_bytes(9, "p$_") } 1 .. 25);
    },
    'websocket pongs' => sub ($ws) {
        $ws->send_raw(join '', map {
            Test::SocketIO::WebSocket::frame_bytes(10, '') } 1 .. 25);
    },
);

for my $name (sort keys %floods) {
    my $start = time;
    my $ws = session('websocket', '/rate/');
    $floods{$name}->($ws);
    $ws->send('42["m",1]');
    echoes($ws, "$name: what is behind them comes", 1);
    at_least($start, 0.5, "$name are not free");
}

# A ping between the fragments of a message is held without hurting it.
{
    my $ws = session('websocket', '/rate/');
    $ws->send_raw(join '',
        map({ Test::SocketIO::WebSocket::frame_bytes(9, "p$_") } 1 .. 8),
        Test::SocketIO::WebSocket::frame_bytes(1, '42["m",', fin => 0),
        map({ Test::SocketIO::WebSocket::frame_bytes(9, "q$_") } 1 .. 4),
        Test::SocketIO::WebSocket::frame_bytes(0, '"whole"]'));
    echoes($ws, 'a message among pings', '"whole"');
}

# Bytes: 40 KB at once, 40 KB a second.
for my $transport (qw/websocket polling/) {
    my $start = time;
    my $s = session($transport, '/bytes/');
    my @m = map { '"' . $_ x 40_000 . '"' } 'a' .. 'c';
    $s->send(map { qq{42["m",$_]} } @m);
    echoes($s, "$transport: large ones come", @m);
    at_least($start, 0.9, "$transport: bytes are counted");
}

# Small fragments cost more than they carry: 64 bytes for each.
{
    my $start = time;
    my $ws = session('websocket', '/bytes/');

    for (1 .. 3) {
        my $m = '42["m","' . 'f' x 400 . '"]';
        my @f = split //, $m;
        my $last = pop @f;
        my $op = 1;
        $ws->send_raw(join '', map({ my $f =
            Test::SocketIO::WebSocket::frame_bytes($op, $_, fin => 0);
            $op = 0; $f } @f),
            Test::SocketIO::WebSocket::frame_bytes(0, $last));
    }
    $ws->send('42["m",1]');
    is(scalar(my @got = $ws->collect(4)), 4, 'fragments are put together');
    at_least($start, 0.8, 'and are not free');
}

# Attachments are events, too, and not late because they had to wait.
{
    my $start = time;
    my $ws = session('websocket', '/slow/');
    $ws->send('455-["m",' . join(',', map {
        qq({"_placeholder":true,"num":$_}) } 0 .. 4) . ']',
        map { \"a$_" } 0 .. 4);
    like($ws->next_packet, qr/^455-\["echo"/, 'five attachments');
    at_least($start, 0.75, 'they are counted');
}

# A client that has to wait is not dead: its pong is behind what it sent.
for my $transport (qw/websocket polling/) {
    my $s = session($transport, '/beat/');
    my $start = time;
    $s->send(map { qq{42["m",$_]} } 1 .. 15);
    echoes($s, "$transport: longer than ping timeouts", 1 .. 15);
    at_least($start, 1.4, "$transport: it had to wait");
}

# Who pours gets no more than the rate: of a thousand events.
{
    my $ws = session('websocket', '/rate/');
    my $start = time;
    my $seen = () = $b->events('event');
    $ws->send(map { qq{42["pour",$_]} } 1 .. 1000);
    ok(eventually(sub { $seen + 15 <= (my @e = $b->events('event')) }),
        'some of them come');
    my $n = () = $b->events('event');
    cmp_ok($n - $seen, '<=', 5 + 40 * (time - $start) + 1,
        'but not more than the rate allows');
    $ws->{conn}->close;
}

$t->finish;
