#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A backend that is down, slow, wrong or mad: each row of the table of
# answers, and what clients see of it.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time/;

# Disconnects that are repeated for 60 s would hold a graceful exit.
my $t = Test::SocketIO->new(workers => 1, signal => 'TERM');

# ctl: { events => "name", answer => reply }: what to say to batches with
# such a connect (its auth.do) or event.
my %tries;
my $b = $t->backend(sub ($events, $req, $ctl) {
    my ($e) = ((grep { $_->{type} ne 'disconnect' } @$events), @$events);
    my $do = $e->{type} eq 'connect' ? $e->{handshake}{auth}{do} // ''
        : $e->{type} eq 'event' ? $e->{event} : "left " . ($ctl->{left} // '');
    my %id = (id => $e->{id});
    my $n = ++$tries{$e->{id}};

    return reply(status => $1, headers => { Location => '/elsewhere' },
        body => { message => "why $1", data => [$1] })
        if $do =~ /^status (\d+)/;
    return reply(status => $1, body => 'no json') if $do =~ /^plain (\d+)/;
    return reply(status => $2) if $do =~ /^(\d+) times (\d+)/ && $n <= $1;
    return reply(close => 1) if $do =~ /^(\d+) resets/ && $n <= $1;
    return reply(delay => 1) if $do =~ /^(\d+) slow/ && $n <= $1;
    return reply(status => 429, headers => { 'Retry-After' => 1 })
        if $do eq 'retry-after' && $n == 1;
    return reply(status => 500) if $do =~ /^left (\d+)/ && $n <= $1;
    return '<html>login</html>' if $do =~ /^html/;
    return reply(raw => "nonsense\r\n\r\n", close => 1)
        if $do eq 'nonsense' && $n == 1;
    return [{ op => 'nope', %id }, 7, { %id, event => 'valid' },
        { op => 'emit', %id }, { op => 'join', %id, room => {} },
        { op => 'ack', id => 'unknown', args => [] },
        { event => 'lost' }, { %id, event => 'connect' },
        { %id, event => 'also valid' }] if $do =~ /^mixed/;
    return [{ op => 'accept', %id }, { op => 'nope' }]
        if $do eq 'accept and nonsense';
    return '[{"op":"accept","id":"' . $e->{id} . '"},' if $do eq 'cut';
    return '{"op":"accept","id":"' . $e->{id} . '"}' . "\n"
        . '{"event":"line","id":"' . $e->{id} . '"}' . "\n"
        if $do eq 'ndjson';
    return { op => 'accept', %id } if $do eq 'object';
    return reply(status => 204) if $do eq 'empty';
    return reply(status => 200, body => '') if $do eq 'empty 200';
    return reply(status => 201, body => []) if $do eq '201';
    return echo($events);
});

$t->run(<<'CONF', B => $b->port, DEAD => Test::SocketIO::free_port());
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    socketio_eio 4;
    socketio_hook_lanes 16;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 4s;
        }
        location /short/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
        }
        location /accept/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
            socketio_hook_connect_fail accept;
        }
        location /dead/ {
            socketio test;
            socketio_hook /_dead;
            socketio_hook_timeout 1s;
        }
        location /missing/ { socketio test; socketio_hook /_missing; }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_read_timeout 300ms;
        }
        location = /_dead {
            internal;
            proxy_pass http://127.0.0.1:%%DEAD%%/events;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

sub ws ($path = '/socket.io/') {
    my $ws = $t->websocket(path => "$path?EIO=4&transport=websocket");
    $ws->open_packet;
    return $ws;
}

# Clients stay, or their disconnects would join the batches under test.
my @keep;

# Waits until the backend has an event: the next one cannot join its batch.
sub arrived ($name) {
    return eventually(sub {
        scalar grep { $_->{event} eq $name } $b->events('event') });
}

sub connects ($do, $name, %o) {
    my $ws = ws($o{path} // '/socket.io/');
    my $id = $ws->sio_connect('/', { do => $do }, 8);
    ok($id, $name) or diag $ws->{refused} // 'no answer';
    $ws->{id} = $id;
    push @keep, $ws;
    return $ws;
}

sub refused ($do, $name, %o) {
    my $start = time;
    my $ws = ws($o{path} // '/socket.io/');
    my $id = $ws->sio_connect('/', { do => $do }, 8);
    ok(!$id, $name);
    like($ws->{refused} // 'no answer', $o{like} // qr/^44\{"message":".+"/,
        "$name: CONNECT_ERROR");
    cmp_ok(time - $start, '>=', $o{after}, "$name: not before its time")
        if $o{after};
    ok($ws->silent(0.05), "$name: connection stays");
    push @keep, $ws;
    return $ws;
}

# 2xx.
connects('', 'empty array accepts');
connects('empty', '204 accepts');
connects('empty 200', 'empty 200 accepts');
connects('201', '201 is as good');
connects('object', 'one object');
my $ws = connects('ndjson', 'NDJSON');
is($ws->recv, '42["line"]', 'NDJSON: second line');

refused('html', 'a 200 that is no JSON is no login');
refused('cut', 'an array cut short is no accept');
refused('mixed connect', 'invalid commands: no implicit accept');
connects('accept and nonsense', 'explicit accept beside an invalid command');

$ws = connects('', 'connected');
$ws->emit('mixed');
is_deeply([$ws->collect(2)], ['42["valid"]', '42["also valid"]'],
    'what is valid runs');
ok(eventually(sub { $t->log_lines(qr/\[error\].*command/i) }),
    'the rest is logged at error');
$ws->emit('html');
arrived('html');
$ws->emit('after');
is($ws->next_packet, '42["echo"]', 'an event lost to a wrong 200: life goes on');

# Again and again.
for my $do ('2 times 503', '1 times 502', '1 times 504', '1 times 429',
    '2 resets', '1 slow', 'nonsense')
{
    $ws = connects($do, "connect: $do");
    $ws->emit($do, 1);
    is($ws->next_packet(8), '42["echo",1]', "event: $do");
}
my $start = time;
connects('retry-after', 'Retry-After');
cmp_ok(time - $start, '>=', 0.9, 'Retry-After is honoured');

refused('99 times 503', 'time is up', path => '/short/', after => 0.7);
refused('', 'nobody listens', path => '/dead/', after => 0.7);
connects('99 times 503', 'connect_fail accept', path => '/accept/');

# Any other status.
for my $s (400, 401, 403, 404, 500, 302) {
    refused("status $s", "status $s",
        like => qr/^44\{"message":"why $s","data":\["?$s"?\]\}$/);
}
refused('plain 500', '500 without JSON');
refused('', 'no such location', path => '/missing/');
is(scalar(my @elsewhere = grep { $_->{uri} ne '/events' } $b->requests), 0,
    'redirects are not followed');

$ws = connects('', 'connected');
my $seen = $b->requests;
$ws->emit('status 500');
arrived('status 500');
$ws->emit('next');
is($ws->next_packet, '42["echo"]', 'event dropped at 500, the next is served');
is(scalar(my @e = grep { ($_->{event} // '') eq 'status 500' }
    $b->events('event')), 1, 'and not repeated');
my ($batch) = map { /failed batch (\S+)/ }
    $t->log_lines(qr/\[error\].*"\/_hook" failed batch .*status 500/);
my ($req) = grep { $_->{headers}{'x-socketio-batch'} eq ($batch // '') }
    $b->requests;
ok($req, 'the log names the first batch with this status');

# A disconnect is repeated even so.
$b->set(left => 2);
$ws->close;
ok(eventually(sub {
    3 <= grep { $_->{sid} eq $ws->{id} } $b->events('disconnect') }, 8),
    'disconnect repeated after 500');
$b->set(left => 0);

# The backend goes away and comes back: nothing is lost.
$ws = connects('', 'connected');
$b->stop;
$ws->emit('while down', 1);
ok($ws->silent(0.5), 'backend down');
$b->start;
is($ws->next_packet(8), '42["echo",1]', 'backend back: event served');

$t->finish;
