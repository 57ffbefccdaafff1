#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Backends that are mad in the ways of HTTP: each costs its own batch at the
# most, a bounded piece of memory, and nothing once it is sane again.  And one
# that is away while hundreds of clients send: they are held, workers sleep, and
# when it is back all events arrive, once and in order.  The table of answers is
# t/hook_failures.t.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time sleep/;

my $t = Test::SocketIO->new(workers => 1, signal => 'TERM', alarm => 90);
my (%tries, $good);

sub ok_head ($more) { return "HTTP/1.1 200 OK\r\n$more\r\n\r\n" }

# The bytes of each first answer; to be tried again, or not.
my %mad = (
    truncated => [1, sub ($good) { ok_head('Content-Length: 999') . $good }],
    'chunk without end' => [1, sub ($good) {
        ok_head('Transfer-Encoding: chunked') . sprintf "%x\r\n%s",
            length($good) + 5, $good }],
    'chunks that are none' => [1, sub ($good) {
        ok_head('Transfer-Encoding: chunked') . "zz\r\n$good\r\n0\r\n\r\n" }],
    'huge headers' => [1, sub ($good) {
        ok_head('X: ' . 'x' x 100_000) . $good }],
    'many headers' => [1, sub ($good) {
        ok_head(join "\r\n", map { "X-$_: " . 'y' x 50 } 1 .. 5000) }],
    '100 Continue' => [1, sub ($good) {
        "HTTP/1.1 100 Continue\r\n\r\n" . ok_head('Content-Length: 2') . '[]' }],
    'a length too long for us' => [1, sub ($good) {
        ok_head('Content-Length: 999999999999') . $good }],
    'HTTP/9.9' => [1, sub ($good) { "HTTP/9.9 abc\r\n\r\n" }],
    'no end of headers' => [1, sub ($good) { "HTTP/1.1 200 OK\r\nX: y" }],
    binary => [1, sub ($good) { join '', map { chr($_ % 256) } 1 .. 5000 }],
    'HTTP/1.0' => [0, sub ($good) { "HTTP/1.0 200 OK\r\n\r\n$good" }],
    'a length too short' => [0, sub ($good) {
        ok_head('Content-Length: ' . length $good) . "$good and more" }],
    'two answers' => [0, sub ($good) {
        ok_head('Content-Length: ' . length $good) . $good
            . ok_head('Content-Length: 2') . '[]' }],
);

# What is lost: no second try, and nothing valid in it.
my %lost = (
    gzip => sub { ok_head("Content-Encoding: gzip\r\nContent-Length: 20")
        . "\x1f\x8b\x08" . "\0" x 17 },
    'too much' => sub { ok_head('Connection: close') . '[' . ' ' x 3e6 . ']' },
    'too many chunks' => sub { ok_head('Transfer-Encoding: chunked')
        . ("3e8\r\n" . ' ' x 1000 . "\r\n") x 3000 . "0\r\n\r\n" },
);

my $b = $t->backend(sub ($events, $req, $ctl) {
    my ($e) = grep { $_->{type} eq 'event' } @$events;
    my $answer = echo($events);
    my ($how) = $e ? @{$e->{args}} : ();
    my $n = $e ? ++$tries{$e->{id}} : 0;

    return reply(raw => $mad{$how}[1]->(to_json($answer)), close => 1)
        if defined $how && $mad{$how} && $n == 1;
    return reply(raw => $lost{$how}->(), close => 1)
        if defined $how && $lost{$how};
    return reply(stream => ['[', \'never']) if ($how // '') eq 'dribble';
    return reply(hold => 'late', body => $answer) if ($how // '') eq 'late';
    return $answer;
});

$t->run(<<'CONF', B => $b->port, AWAY => (my $away = $t->backend(sub ($e, @) {
%%TEST_GLOBALS%%
events { worker_connections 2048; }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 16m;
    upstream backend { server 127.0.0.1:%%B%%; keepalive 4; }
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location = /_status { socketio_status test; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 2s;
            socketio_max_payload 100k;
        }
        location /away/ {
            socketio test;
            socketio_hook /_away;
            socketio_hook_timeout 60s;
            socketio_hook_queue 8 64k;
            socketio_hook_connect_fail accept;
        }
        location = /_hook {
            internal;
            proxy_pass http://backend/events;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 10s;
        }
        location = /_away {
            internal;
            proxy_pass http://127.0.0.1:%%AWAY%%/events;
        }
    }
}
CONF
    return [map { { op => 'ack', id => $_->{id}, args => [] } }
        grep { $_->{ack} } @$e];
}))->port);

my $ws = $t->connected('websocket');
my ($worker) = $t->worker_pids;

sub hook () {
    return from_json($t->http('GET', '/_status')->{body})->{hook};
}

sub rss () {
    open my $f, '<', "/proc/$worker/statm" or return 0;
    return (split ' ', <$f>)[1] * 4096;
}

sub sane ($what) {
    $ws->send('42["m","sane"]');
    is($ws->next_packet, '42["echo","sane"]', "$what: and the next one");
}

for my $what (sort keys %mad) {
    my ($again) = @{$mad{$what}};
    my $before = hook()->{retries};
    $ws->send("42[\"m\",\"$what\"]");
    is($ws->next_packet, "42[\"echo\",\"$what\"]", "$what: an answer");
    is(hook()->{retries} - $before, $again, "$what: tries again: $again");
    sane($what);
}

# Sends an event, and waits until its batch is on the way: the next one is in
# another.
sub alone ($what) {
    my $n = grep { ($_->{args}[0] // '') eq $what } $b->events('event');
    $ws->send("42[\"m\",\"$what\"]");
    return eventually(sub {
        $n < grep { ($_->{args}[0] // '') eq $what } $b->events('event') });
}

for my $what (sort keys %lost) {
    my $before = hook()->{invalid};
    alone($what);
    sane($what);
    cmp_ok(hook()->{invalid}, '>', $before, "$what: counted");
}

# Memory: as much of it as the longest answer, however many there were.  The
# address sanitizer keeps up to 256 MB of what is free.
my $before = rss();
alone('too much') for 1 .. 20;
sane('too much, often');
cmp_ok(rss() - $before, '<', $ENV{ASAN_OPTIONS} ? 300e6 : 20e6, 'memory stays');

# Never ends: hook_timeout does it.
$before = hook()->{lost};
alone('dribble');
sane('dribble');
is(hook()->{lost} - $before, 1, 'dribble: lost, and counted');

# An answer after the client has left.
my $left = $t->connected('websocket');
$left->send('42["m","late"]');
ok(eventually(sub { grep { ($_->{args}[0] // '') eq 'late' }
    $b->events('event') }), 'late: sent');
$left->{conn}->close;
$b->release('late');
ok($b->reason($left->{id}), 'late: it says goodbye all the same');

# Away, really.
$away->stop;
my $CLIENTS = 200;
my $EVENTS = 20;
my @crowd = map {
    my $w = $t->websocket(path => '/away/?EIO=4&transport=websocket');
    $w->open_packet;
    $w } 1 .. $CLIENTS;
for my $w (@crowd) {
    $w->send('40', map { "42$_\[\"n\",$_]" } ());
}

sub cpu () {
    open my $f, '<', "/proc/$worker/stat" or return 0;
    my @f = split ' ', (<$f> =~ s/^.*\) //r);
    return ($f[11] + $f[12]) / 100;
}

sleep 1;
my ($cpu, $tries) = (cpu(), hook()->{retries});
sleep 2;
cmp_ok(cpu() - $cpu, '<', 0.5, 'away: the worker sleeps');
cmp_ok(hook()->{retries} - $tries, '<', 40, 'away: lanes back off');
is(scalar(grep { $_->{conn}{eof} } @crowd), 0, 'away: nobody is closed');

$away->start;
is(scalar(grep { ($_->next_packet(15) // '') =~ /^40/ } @crowd), $CLIENTS,
    'back: all are connected');

# Once more, with events, more of each client than its inbox has room for.
$away->stop;
$_->send(map { "42$_\[\"n\",$_]" } 1 .. $EVENTS) for @crowd;
sleep 1;
my $queue = from_json($t->http('GET', '/_status')->{body})->{queues}{inbox};
cmp_ok($queue, '<=', $CLIENTS * 8, 'away: readers are held');
$away->start;

my @want = map { "43$_\[]" } 1 .. $EVENTS;
my @acks = map { join ' ', $_->collect($EVENTS, 20) } @crowd;
is(scalar(grep { $_ eq "@want" } @acks), $CLIENTS,
    'back: each event of each client, in order');
is(scalar(grep { $_->{event} eq 'n' } $away->events('event')),
    $CLIENTS * $EVENTS, 'once');

is_deeply([$t->worker_pids], [$worker], 'the worker lives');
$t->finish;
