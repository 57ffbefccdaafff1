#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# HUP with sessions without Socket.IO, also one that makes their location
# another protocol's, and the other way: a session keeps the protocol that it
# began with, on old workers and new ones, over polling, websocket and an
# upgrade; new sessions have the new one.  Fails if anybody goes by the
# configuration where the session's own record has to be asked, or if a
# message that waited for open is lost.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->backend(sub ($events, $req, $ctl) {
    my @hold = grep { ($_->{text} // '') eq 'hold' || ($_->{type} eq 'open'
        && $_->{handshake}{query}{hold}) } @$events;
    return reply(hold => 'gate', body => echo($events)) if @hold;
    return echo($events);
});

my $conf = <<'CONF';
%%TEST_GLOBALS%%
worker_shutdown_timeout %%SHUTDOWN%%;
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    socketio_hook /_hook;
    socketio_hook_lanes 16;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /a/ { socketio test; socketio_protocol %%A%%; }
        location /b/ { socketio test; socketio_protocol %%B%%; }
        location /c/ { socketio test; socketio_protocol engine.io; }
        location /d/ { socketio test; socketio_protocol engine.io; }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%BACKEND%%/events;
            proxy_read_timeout 30s;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF
my %vars = (BACKEND => $b->port, SHUTDOWN => '60s');

$t->run($conf, %vars, A => 'engine.io', B => 'socket.io');

# Workers change: requests of polling go where they go.
my %any = (get_worker => undef, post_worker => undef);

sub sio ($transport) {
    return $t->connected($transport, %any, path => '/b/');
}

sub raw ($transport, $path, %o) {
    return $t->raw($transport, %any, path => $path, %o);
}

my $serial = 0;
sub raw_works ($s, $name) {
    my $n = ++$serial;
    $s->send("4$n", \"$n", "40$n");
    is_deeply([$s->collect(3)], ["4$n",
        'b' . MIME::Base64::encode_base64($n, ''), "40$n"], "$name is raw");
}

sub sio_works ($s, $name) {
    my $n = ++$serial;
    $s->send("42[\"m\",$n]");
    is($s->next_packet, "42[\"echo\",$n]", "$name is Socket.IO's");
}

my %raw = map { my $path = $_; map { ("$_ $path" =>
    raw($_, $path)) } qw/polling websocket/ } qw{/a/ /c/};
my %sio = map { ($_ => sio($_)) } qw/polling websocket/;
my $parked = raw('polling', '/a/');
my $old = raw('polling', '/a/');

# Locations have lanes of their own: none of these waits for another.
my $behind = raw('polling', '/c/');
my $pending = raw('polling', '/a/', query => '&hold=1');
my $wspending = raw('websocket', '/d/', query => '&hold=1');

# Probing when the workers change.
my $probing = raw('polling', '/a/');
my $probe = $t->websocket(worker => 0, path => '/a/', sid => $probing->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'probing');

raw_works($raw{$_}, "$_ before") for sort keys %raw;
sio_works($sio{$_}, "$_ before") for sort keys %sio;

$parked->get_start;
ok($parked->parked(0.2), 'parked');
$behind->send('4hold', '4behind');
ok(eventually(sub { grep { ($_->{text} // '') eq 'hold' } $b->events('message') }),
    'hook in flight');
$pending->{post}->request('POST', $pending->url, body => '4waits');
$wspending->send('4waits');
ok($pending->{post}->silent(0.3), 'a message waits for open');

# The protocols change places.
$t->write_conf($conf, %vars, A => 'socket.io', B => 'engine.io');
$t->reload;

is($parked->body, '6', 'parked GET is answered');
$parked->get_start;
ok($parked->parked(0.2), 'and comes again');
$b->release('gate');
is_deeply([$behind->collect(2)], ['4hold', '4behind'],
    'a hook in flight is not lost, nor what waited behind it');
is($pending->{post}->response(8)->{body}, 'ok', 'POST is answered');
is($pending->next_packet, '4waits', 'what waited for open');
is($wspending->next_packet, '4waits', 'by websocket');

raw_works($raw{$_}, "$_ after") for sort keys %raw;
sio_works($sio{$_}, "$_ after") for sort keys %sio;
raw_works($_, 'session of before') for $behind, $pending, $wspending;

$probe->send('5');
raw_works($probe, 'upgrade completed on an old worker');
my $up = $t->websocket(path => '/a/', sid => $old->{sid});
$up->send('2probe', '5');
is($up->recv, '3probe', 'probe of an old session by a new worker');
raw_works($up, 'upgrade on a new worker');
my $sioup = $t->websocket(path => '/b/', sid => $sio{polling}{sid});
$sioup->send('2probe', '5');
is($sioup->recv, '3probe', 'the same of Socket.IO');
sio_works($sioup, 'its upgrade');

# New sessions have the new protocol.
my $new = $t->connected('polling', %any, path => '/a/');
sio_works($new, 'new at /a/');
my %new = (polling => raw('polling', '/b/'),
    websocket => raw('websocket', '/b/'));
raw_works($new{$_}, "new $_ at /b/") for sort keys %new;
my @raw = (values %raw, values %new, $parked, $behind, $pending, $wspending,
    $probe, $up);
my ($status, $a) = $t->publish([{ op => 'send', all => \1, text => 'all' },
    { op => 'emit', all => \1, event => 'all' }]);
is_deeply([map { $_->{count} } @$a], [scalar @raw, 3], 'all are counted');
is($_->next_packet, '4all', 'send') for @raw;
is($_->next_packet, '42["all"]', 'emit') for $sioup, $sio{websocket}, $new;

# Both ends in their words, and no close before.
my %ends = map { ($_->{sid} => 1) } grep { $_->{type} =~ /^(?:close|disc)/ }
    $b->events;
is(scalar(keys %ends), 0, 'nobody was closed');
$raw{'polling /a/'}->send('1');
$sio{websocket}->close;
is($b->reason($raw{'polling /a/'}{id}), 'transport close', 'raw ends');
is($b->reason($sio{websocket}{id}), 'transport close', 'Socket.IO ends');
my %type = map { ($_->{sid} => $_->{type}) } $b->events;
is($type{$raw{'polling /a/'}{id}}, 'close', 'with close');
is($type{$sio{websocket}{id}}, 'disconnect', 'with disconnect');
my %seq;
push @{$seq{$_->{sid}}}, $_->{seq} for $b->events;
is_deeply($seq{$_->{id}}, [0 .. $#{$seq{$_->{id}}}], 'seq without gaps')
    for values %raw, values %sio;

# Websockets of old workers at worker_shutdown_timeout: in Engine.IO's words.
$t->write_conf($conf, %vars, SHUTDOWN => '1s', A => 'engine.io',
    B => 'socket.io');
$t->reload;
my $last = raw('websocket', '/a/');
my $siolast = sio('websocket');
$t->reload;
is($last->closed(8), 1001, 'going away');
is($siolast->closed(8), 1001, 'so is that of Socket.IO');
is($b->reason($last->{id}), 'forced close', 'its reason');
is($b->reason($siolast->{id}), 'server shutting down', 'that of Socket.IO');

$_->{conn}->close for grep { $_->isa('Test::SocketIO::WebSocket') } @raw,
    $sioup;
$t->finish;
