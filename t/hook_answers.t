#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The table of answers where hook_failures.t leaves off, and what each event
# carries on the way to them.  Fails if a pause is shorter than it is said to
# be, if a refusal is for one connect of a batch only, if a backend that says no
# is taken for one that says nothing, or if an event forgets what came before.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use POSIX qw/strftime setlocale LC_TIME/;
use Time::HiRes qw/time/;

setlocale(LC_TIME, 'C');

# Disconnects that are repeated for 60 s would hold a graceful exit.
my $t = Test::SocketIO->new(workers => 2, signal => 'TERM', alarm => 60);

# An event "hold" waits; one that is named after a status, and a connect with
# auth.do, gets that: how often, and with which headers and body, are arguments.
my %tries;
my $b = $t->backend(sub ($events, $req, $ctl) {
    my ($e) = grep { ($_->{event} // '') =~ /^(?:hold|\d+)$/
        || $_->{type} eq 'connect' && $_->{handshake}{auth}{do} } @$events;
    return echo($events) unless $e;

    my ($do, $times, $headers, $body) = $e->{type} eq 'connect'
        ? @{$e->{handshake}{auth}{do}} : ($e->{event}, @{$e->{args}});

    return reply(hold => $times, body => echo($events)) if $do eq 'hold';
    return echo($events) if $tries{$e->{id}}++ >= $times;
    return reply(status => $do, headers => $headers // {}, body => $body // '');
});

$t->run(<<'CONF', B => $b->port, DEAD => Test::SocketIO::free_port());
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    socketio_eio 4;
    socketio_hook_lanes 1;
    socketio_hook_timeout 20s;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ { socketio test; socketio_hook /_hook; }
        location /let/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
            socketio_hook_connect_fail accept;
        }
        location /dead/ {
            socketio test;
            socketio_hook /_dead;
            socketio_hook_timeout 1s;
            socketio_hook_connect_fail accept;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
        }
        location = /_dead {
            internal;
            proxy_pass http://127.0.0.1:%%DEAD%%/events;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

# Not connected so far.
sub ws ($path = '/socket.io/', $worker = 0) {
    my $ws = $t->websocket(worker => $worker,
        path => "$path?EIO=4&transport=websocket");
    $ws->open_packet;
    return $ws;
}

sub connected (@o) {
    my $ws = ws(@o);
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

sub of ($s) { return grep { $_->{sid} eq $s->{id} } $b->events }

# When the attempts with this event came.
sub came ($name) {
    return map { $_->{time} } grep { grep { ($_->{event} // '') eq $name }
        @{$_->{events}} } $b->requests;
}

# In flight, so that what follows gathers; a word to release().
my $word = 0;
sub hold ($ws) {
    my $w = 'w' . ++$word;
    $ws->emit('hold', $w);
    ok(eventually(sub { grep { $_->{event} eq 'hold' && $_->{args}[0] eq $w }
        $b->events('event') }), 'in flight');
    return $w;
}

# The worker has read what this websocket has sent so far.
sub seen ($ws) {
    $ws->send_frame(9, 'seen');
    is($ws->frame->{op}, 10, 'read');
}

# Pauses: at least 0.1, 0.2, 0.4 s, or what the backend asks for.
my $ws = connected();
$ws->emit(503, 4);
is($ws->next_packet, '42["echo",4]', 'after four attempts');
my @at = came('503');
is(scalar @at, 5, 'the fifth');
for my $n (0 .. 3) {
    cmp_ok($at[$n + 1] - $at[$n], '>=', 0.05 * 2 ** $n, "pause $n");
}

for my $status (429, 502, 504) {
    $ws->emit($status, 1, { 'Retry-After' => 1 });
    is($ws->next_packet, qq(42["echo",1,{"Retry-After":1}]), "$status: again");
    @at = came($status);
    cmp_ok($at[1] - $at[0], '>=', 0.8, "$status: Retry-After");
}

my $date = strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 3));
$ws->emit('503', 1, { 'Retry-After' => $date });
ok($ws->next_packet, 'again');
@at = came('503');
cmp_ok($at[-1] - $at[-2], '>=', 1, 'Retry-After, a date');

$ws->emit('503', 1, { 'Retry-After' => 'soon' });
ok($ws->next_packet, 'Retry-After, nonsense');

# A status is for the whole batch.
for my $case ([401, { message => 'who?', data => { a => [1] } },
        '44{"message":"who?","data":{"a":[1]}}'],
    [403, { message => "no\n\"" }, '44{"message":"no\n\""}'],
    [403, { data => 7 }, '44{"message":"service unavailable","data":7}'],
    [403, { message => 7, data => 7 }, '44{"message":"service unavailable"}'],
    [403, [{ message => 'no' }], '44{"message":"service unavailable"}'],
    [403, 'no', '44{"message":"service unavailable"}'])
{
    my ($status, $body, $expected) = @$case;
    my @new = map { ws() } 1 .. 2;
    my $w = hold($ws);

    $new[0]->send('40' . Test::SocketIO::to_json({ do => [$status, 9, {},
        $body] }));
    $new[1]->send('40');
    seen($_) for @new;
    $b->release($w);
    is($ws->next_packet, qq(42["echo","$w"]), 'let go');
    is($_->next_packet, $expected, "$status: two connects, one answer")
        for @new;
    ok($_->silent(0.02), "$status: their connections stay") for @new;
}

# connect_fail is for silence.  Who gets in by it is there, and goes.
for my $path ('/let/', '/dead/') {
    my $in = ws($path);
    $in->send('40{"do":[503,99]}');
    like($in->next_packet, qr/^40\{/, "$path: accept");
    $in->send('42["a"]');
    ok($path eq '/let/' ? $in->next_packet eq '42["echo"]'
        : $in->silent(0.05), "$path: connected");
    is(($t->publish({ op => 'count', all => \1 }))[1]{count}, 2,
        "$path: counted");
    $in->close;
    ok(eventually(sub { 1 == ($t->publish({ op => 'count', all => \1 }))[1]
        {count} }), "$path: gone");
}

my ($let) = grep { ($_->{handshake}{auth}{do} // [0])->[0] eq 503 }
    $b->events('connect');
ok($b->reason($let->{sid}), 'its disconnect');
is_deeply([map { [@$_{qw/type seq/}] } grep { $_->{sid} eq $let->{sid}
    && $_->{type} ne 'connect' } $b->events],
    [['event', 1], ['disconnect', 2]], 'in order, once');

for my $do ([403, 9], [500, 9], [200, 9, {}, 'html'], [200, 9, {},
    { op => 'nope' }])
{
    my $out = ws('/let/');
    ok(!$out->sio_connect('/', { do => $do }),
        "connect_fail accept: $do->[0] is an answer");
}

# What each event carries.
my $e = connected('/socket.io/', 1);
my $other = connected('/socket.io/', 1);
my $w = hold($other);
my $before = 1000 * time;
$e->send(map { qq(42["x",$_]) } 1 .. 3);
seen($e);
my $after = 1000 * time;
select undef, undef, undef, 0.3;
$b->release($w);
is_deeply([$e->collect(3)], [map { qq(42["echo",$_]) } 1 .. 3], 'answered');
my @x = grep { $_->{type} eq 'event' } of($e);
ok($_->{time} >= $before - 1000 && $_->{time} <= $after,
    "time is when it came ($before <= $_->{time} <= $after)") for @x;
ok(!(grep { exists $_->{data} } of($e)), 'no data so far');

sub data ($v) {
    is(($t->publish({ op => 'data', sid => $e->{id}, data => $v }))[0], 200,
        'data is set');
    $e->emit('d');
    is($e->next_packet, '42["echo"]', 'an event');
    my ($last) = reverse of($e);
    return $last;
}

is_deeply(data({ n => [1] })->{data}, { n => [1] }, 'data with an event');
is(data('')->{data}, '', 'also empty text');
is(data(0)->{data}, 0, 'also 0');
ok(!exists data(undef)->{data}, 'null clears it');
data('last');
$t->publish({ op => 'join', in => $e->{id}, room => ['r', 's'] });
$e->send('41');
is($b->reason($e->{id}), 'client namespace disconnect', 'disconnect');
my @all = of($e);
is($all[-1]{type}, 'disconnect', 'it is the last');
is($all[-1]{data}, 'last', 'with data');
is_deeply([sort @{$all[-1]{rooms}}], [qw/r s/], 'with rooms');
is_deeply([map { $_->{seq} } @all], [0 .. $#all], 'seq');
ok(!(grep { $all[$_]{time} < $all[$_ - 1]{time} } 1 .. $#all), 'time goes on');

my %node = map { $_->{headers}{'x-socketio-node'} => 1 } $b->requests;
is(scalar keys %node, 1, 'X-Socketio-Node is one');
my ($node) = keys %node;
ok(!(grep { $_->{headers}{'x-socketio-batch'} !~ /^\Q$node\E-/ } $b->requests),
    'of which batches are');

$t->finish;
