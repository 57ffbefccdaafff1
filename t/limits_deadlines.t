#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Messages that begin and do not end: a frame, a fragmented message, a packet
# without its attachments, a POST, each from a client that does all to look
# alive.  All of them have an end, which is their session's alone, and none of
# those that just go on for long.  Fails if any of these is waited for as long
# as pings are answered or a byte comes now and then, or if the deadline of
# one message is taken for the next one's.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();
use Time::HiRes qw/sleep time/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4',
    socketio => 'socketio_message_timeout 1s;', server => <<'CONF');
        location = /_status { socketio_status test json; }
        location /body/ {
            socketio test;
            socketio_hook /_hook;
            client_body_timeout 1s;
        }
        location /beat/ {
            socketio test;
            socketio_hook /_hook;
            socketio_ping_interval 500ms;
            socketio_ping_timeout 500ms;
        }
CONF

sub frame (@args) { return Test::SocketIO::WebSocket::frame_bytes(@args) }

sub unfinished () {
    return from_json($t->http('GET', '/_status')->{body})
        ->{sessions}{unfinished};
}

# Somebody who is there all the while, and must not notice.
my $other = $t->connected('websocket', worker => 1);

# $act, ten times a second, until $over: how long that took.
sub until_over ($over, $act = sub { }) {
    my $start = time;
    while (!$over->() && time - $start < 15) {
        $act->();
        sleep 0.1;
    }
    return time - $start;
}

sub in_time ($took, $name) {
    cmp_ok($took, '>=', 0.9, "$name: it had its time");
    cmp_ok($took, '<', 15, "$name: and no more");
}

is(unfinished(), 0, 'none yet');

# A websocket: half a header; half a frame; no last fragment, whatever else.
my %half = (
    'half a header' => [substr frame(1, 'x' x 200), 0, 3],
    'half a frame' => [substr frame(1, '42["m",1]'), 0, 9],
    'a first fragment' => [frame(1, '42["m"', fin => 0)],
    'fragments' => [frame(1, '42["m"', fin => 0), frame(0, '', fin => 0)],
    'pings among fragments' => [frame(1, '4', fin => 0), frame(9, 'ping')],
);

# All at a time; pongs are what they are answered meanwhile.
sub closing ($ws) {
    my $c = $ws->{conn};
    $c->_fill(0);
    1 while $c->{in} =~ s/^\x8a\x04ping//s;
    return $c->{in} ne '' || $c->{eof};
}

{
    my %ws = map { $_ => $t->connected('websocket') } keys %half;
    my %took;

    my $start = time;
    $ws{$_}->send_raw($half{$_}[0]) for keys %ws;

    until_over(sub { keys %took == keys %ws }, sub {
        for my $name (grep { !$took{$_} } keys %ws) {
            $took{$name} = time - $start if closing($ws{$name});
            $ws{$name}->send_raw($half{$name}[1])
                if !$took{$name} && $half{$name}[1];
        }
    });

    for my $name (sort keys %ws) {
        in_time($took{$name} // 99, $name);
        is($ws{$name}->closed, 1008, "$name: 1008");
        is($b->reason($ws{$name}{id}), 'transport error',
            "$name: the backend hears");
    }
}

is(unfinished(), scalar keys %half, 'they are counted');
is(scalar(my @l = $t->log_lines(qr/its message is longer on its way/)),
    scalar keys %half, 'and logged');

# Many messages, each read ending in the middle of one: none is late.
{
    my $ws = $t->connected('websocket');
    my $bytes = join '', map { frame(1, qq{42["m",$_]}) } 1 .. 40;
    my $n = 0;
    my $start = time;

    while ($bytes ne '') {
        $ws->send_raw(substr $bytes, 0, 13, '');
        sleep 0.06;
    }
    cmp_ok(time - $start, '>', 1.5, 'longer than a message may be');
    is(scalar(my @got = $ws->collect(40)), 40, 'all of a stream come');
}

# Attachments that never come, of a client that answers pings.
{
    my (%s, %took, $start);

    for my $how (['websocket'], ['polling'], ['websocket', eio => 3],
                 ['polling', eio => 3])
    {
        my ($transport, %o) = @$how;
        $s{"@$how"} = $t->connected($transport, %o);
    }

    for my $s (values %s) {
        $s->send('452-["m",{"_placeholder":true,"num":0},'
            . '{"_placeholder":true,"num":1}]');
        $start = time;                  # of the last one
        $s->send(\'first');
    }

    until_over(sub { keys %took == keys %s }, sub {
        for my $name (grep { !$took{$_} } keys %s) {
            my $s = $s{$name};
            $took{$name} = time - $start if defined $b->reason($s->{id}, 0);
            $s->send($s->{eio} == 3 ? '2' : '3') if !$took{$name};
        }
    });

    for my $name (sort keys %s) {
        in_time(($took{$name} // 99) + 0.3, "attachments by $name");
        is($b->reason($s{$name}{id}), 'forced close',
            "attachments by $name: the backend hears");
    }
}

# ... and those that take their time, one by one.
{
    my $ws = $t->connected('websocket');
    $ws->send('453-["m",' . join(',', map {
        qq({"_placeholder":true,"num":$_}) } 0 .. 2) . ']');
    for (1 .. 3) {
        sleep 0.6;
        $ws->send(\'x');
    }
    like($ws->next_packet, qr/^453-\["echo"/, 'each has its own time');
    sleep 1.2;
    $ws->collect(3, 0.1);
    $ws->send('42["m",2]');
    is($ws->next_packet, '42["echo",2]', 'what is whole has no deadline');
}

# A POST, a byte now and then, on another worker than the GET.
{
    my $p = $t->connected('polling');
    my $c = $t->connect_to_worker(1);

    $c->send($c->build('POST', $p->url, length => 1000,
        headers => { 'Content-Type' => 'text/plain' }) . '42["m"');
    my $took = until_over(sub { $c->_fill(0); $c->{eof} },
        sub { $c->send(' ') });
    in_time($took, 'a dribbled POST');
    is($c->{in}, '', 'no answer');
    is($b->reason($p->{id}), 'transport error', 'its session ends');
}

# client_body_timeout is nginx's own, from one read to the next.
{
    my $p = $t->connected('polling', path => '/body/');
    my $c = $t->connect;

    $c->send($c->build('POST', $p->url, length => 1000) . '42["m"');
    in_time(until_over(sub { $c->_fill(0); $c->{eof} }),
        'client_body_timeout');
    is($b->reason($p->{id}), 'transport error', 'its session ends');
}

# Without all that: pings that are not answered.
{
    my $ws = $t->connected('websocket', path => '/beat/');
    $ws->send_raw(substr frame(1, 'x' x 200), 0, 3);
    is($ws->closed, '', 'half a header: a ping timeout ends it');
    is($b->reason($ws->{id}), 'ping timeout', 'so the backend hears');
}

$other->send('42["m",1]');
is($other->next_packet, '42["echo",1]', 'nobody else has noticed');

is(unfinished(), @{[keys %half]} + 5, 'all of them are counted');

$t->finish;
