#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# One lane, several hooks.  Fails if a batch mixes hooks, if a namespace
# without a hook waits for one, if a disconnect that the backend refuses holds
# up others (or is given up), if an unanswered connect leaves the backend with
# a socket that is not there, or if a client breaks the lines of a batch.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 1, signal => 'TERM');

my $b = $t->backend(sub ($events, $req, $ctl) {
    my ($e) = @$events;
    my $do = $e->{type} eq 'connect' ? $e->{handshake}{auth}{do} // '' : '';

    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return reply(status => $ctl->{refuse}) if $ctl->{refuse}
        && grep { $_->{type} eq 'disconnect' } @$events;
    return reply(close => 1) if $do eq 'crash';
    return reply(status => 429, headers => { 'Retry-After' => 3600 })
        if $do eq 'much later';
    return echo($events);
});

my $conf = <<'CONF';
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    socketio_eio 4;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_namespaces / /free;
            socketio_hook /_hook /;
            socketio_hook /_other /other /o2;
            socketio_hook_lanes 1;
            socketio_hook_timeout 2s;
        }
        %%GONE%%
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
        }
        location = /_other {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/other;
        }
    }
}
CONF

my $gone = 'location /gone/ { socketio test; socketio_hook /_hook; }';
$t->run($conf, B => $b->port, GONE => $gone);

sub ws ($path = '/socket.io/') {
    my $ws = $t->websocket(path => "$path?EIO=4&transport=websocket");
    $ws->open_packet;
    return $ws;
}

# By namespace.
my $ws = ws();
my %id = map { $_ => $ws->sio_connect($_) } qw{/ /other /free /o2};
ok($id{$_}, "connected to $_") for sort keys %id;
is(scalar(my @free = grep { $_->{nsp} eq '/free' } $b->events), 0,
    'a namespace without a hook is accepted, and never asked for');

my $two = ws();
ok($two->sio_connect('/other'), 'another client');

$ws->send('42["hold"]');
ok(eventually(sub { grep { ($_->{event} // '') eq 'hold' } $b->events }),
    'in flight');
$ws->send('42["a",1]', '42/other,["b",1]', '42/free,["lost"]',
    '42/other,["b",2]', '42/o2,["b",3]', '42["a",2]');
$two->send('42/other,["b",4]');
ok($two->silent(0.2), 'one lane');
$b->release('gate');
is_deeply([$ws->collect(6)], ['42["echo"]', '42["echo",1]',
    '42/other,["echo",1]', '42/other,["echo",2]', '42/o2,["echo",3]',
    '42["echo",2]'], 'all answered, in order');
is($two->next_packet, '42/other,["echo",4]', 'and the other client');

my %wrong = ('/events' => qr{^/o}, '/other' => qr{^/$});
is(scalar(my @mixed = grep { my $r = $_;
    grep { $_->{nsp} =~ $wrong{$r->{uri}} } @{$r->{events}} } $b->requests),
    0, 'each hook gets its own');
ok((grep { $_->{uri} eq '/other' && 2 <= @{$_->{events}} } $b->requests),
    'and batches of them');

# Lines.
$ws->send("42[\"lines\",\n{\"a\":\r\n[1]},\n\"x\\ny\"\n]");
is($ws->next_packet, '42["echo",{"a":[1]},"x\ny"]', 'line breaks in args');
my ($req) = grep { ($_->{events}[0]{event} // '') eq 'lines' } $b->requests;
is(scalar(my @lines = split /\n|\r/, $req->{body}), 3,
    'one object, one line');

# A disconnect that is refused waits aside.
my $left = ws();
my $left_id = $left->sio_connect;
$b->set(refuse => 500);
$left->close;
my $tries = sub { scalar grep { $_->{sid} eq $left_id }
    $b->events('disconnect') };
ok(eventually(sub { $tries->() >= 2 }), 'disconnect is repeated');
$b->set(refuse => 503);
ok(eventually(sub { $tries->() >= 4 }), 'again and again');
for my $n (1 .. 3) {
    $ws->send("42[\"c\",$n]");
    is($ws->next_packet(1), "42[\"echo\",$n]", 'the lane goes on');
}
cmp_ok($tries->(), '<', 20, 'with pauses');
$b->set(refuse => 0);
ok($b->reason($left_id), 'and it gets through');
my $n;
ok(eventually(sub { my $was = $n; $n = $tries->(); select undef, undef, undef,
    0.3; defined $was && $was == $n }), 'once');

# A backend that dies of a connect may have noted it down.
my $crash = ws();
ok(!$crash->sio_connect('/', { do => 'crash' }, 8), 'unanswered: refused');
my ($asked) = grep { ($_->{handshake}{auth}{do} // '') eq 'crash' }
    $b->events('connect');
ok($b->reason($asked->{sid}), 'and disconnected');

my $later = ws();
ok(!$later->sio_connect('/', { do => 'much later' }, 1),
    'Retry-After beyond the time there is: refused now');
is(scalar(my @later = grep { ($_->{handshake}{auth}{do} // '')
    eq 'much later' } $b->events('connect')), 1, 'asked once');

# A location that a reload takes away takes its sessions along.
my $poll = $t->polling(path => '/gone/');
ok($poll->sio_connect, 'location that will be gone');
my $other = ws('/gone/');
ok($other->sio_connect, 'and by websocket');
$t->write_conf($conf, B => $b->port, GONE => '');
$t->reload;
$other->close;
$ws = ws();
ok($ws->sio_connect, 'others live');
$ws->send('42["d",1]');
is($ws->next_packet, '42["echo",1]', 'and are served');

$t->finish;
