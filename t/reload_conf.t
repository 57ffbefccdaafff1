#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Reloads with another configuration: one that is wrong, hooks and limits that
# change, a location that goes, a zone of another size; then a master that is
# killed, and a single process.  Fails if a session depends on what has gone, if
# a wrong configuration does anything, if an old zone is not served to its end.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60,
    globals => 'worker_shutdown_timeout 20s;');

sub named ($name) {
    return $t->backend(sub ($events, @) {
        $_->{args} = [$name] for @$events;
        return echo($events);
    });
}

my ($b1, $b2) = (named('one'), named('two'));

my $conf = <<'CONF';
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test %%ZONE%%;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_namespaces %%NSPS%%;
            socketio_limits %%LIMITS%%;
            %%MORE%%
        }
        %%GONE%%
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%BACKEND%%;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

my %vars = (ZONE => '4m', NSPS => '/ /a', LIMITS => 'namespaces=2',
    MORE => '', BACKEND => $b1->port,
    GONE => 'location /gone/ { socketio test; socketio_hook /_hook; }');

sub configure (%o) { %vars = (%vars, %o); $t->write_conf($conf, %vars) }

sub works ($s, $want, $name) {
    $s->send('42["m"]');
    is($s->next_packet, "42[\"echo\",\"$want\"]", $name);
}

my %any = (get_worker => undef, post_worker => undef);

$t->run($conf, %vars);
my $poll = $t->connected('polling', %any);
my $ws = $t->connected('websocket');
my $gone = $t->connected('polling', %any, path => '/gone/');
my $wsgone = $t->connected('websocket', path => '/gone/');
works($_, 'one', 'works') for $poll, $ws, $gone, $wsgone;

# Nothing happens.
my @pids = $t->worker_pids;
for (['an unknown directive', MORE => 'socketio_nonsense on;'],
    ['a zone that is not there', MORE => 'socketio nowhere;'],
    ['a drain longer than the timeout', MORE => 'socketio_drain 1h;'],
    ['a zone too small', ZONE => '4k'])
{
    my ($name, @bad) = @$_;
    my $n = $t->log_lines(qr/\[emerg\]/);
    $t->write_conf($conf, %vars, @bad);
    $t->signal('HUP');
    ok(eventually(sub { $t->log_lines(qr/\[emerg\]/) > $n }), "refused: $name");
    is_deeply([$t->worker_pids], \@pids, 'the workers stay');
    works($_, 'one', 'and serve') for $poll, $ws;
}
$t->allow_log(qr/\[emerg\].* (?:unknown|duplicate|must be (?:1m|less))/);

# All but the zone.
configure(NSPS => '/ /b', LIMITS => 'namespaces=1', BACKEND => $b2->port,
    GONE => '', MORE => 'socketio_drain 10s;');
$t->reload;
works($poll, 'two', 'a session of before goes to the new backend');
works($ws, 'two', 'so does a websocket of an old worker');

my $new = $t->connected('polling', %any);
$new->send('40/b,');
like($new->next_packet, qr{^44/b,.*Too many}, 'new limits for a new session');
is($t->polling(%any)->sio_connect('/a'), undef, 'new namespaces');

my ($status, $a) = $t->publish({ all => \1, event => 'x' });
is($a->{count}, 5, 'all are counted, of the location that has gone, too');
is($_->next_packet, '42["x"]', 'and get it') for $poll, $ws, $new, $wsgone;

is($gone->request('GET')->{status}, 404, 'a poll of a location that has gone');
$wsgone->send('42["m"]');
ok(defined $wsgone->closed(10), 'a websocket of it ends with what it says');

# The socketio_drain that counts is the one its worker began with.
ok($ws->silent(0.5), 'a websocket of before does not leave');

# Another size: another zone.
configure(ZONE => '8m', MORE => '');
$t->reload;
is(from_json($poll->request('GET')->{body})->{code}, 1,
    'another size: polling sessions are unknown');
works($ws, 'one', 'a websocket goes on in its old zone, with what its worker '
    . 'knows');
my $fresh = $t->connected('polling', %any);
works($fresh, 'two', 'new sessions in the new one');
($status, $a) = $t->publish({ all => \1, event => 'y' });
is($a->{count}, 1, 'an emit is for the new zone');
is($fresh->next_packet, '42["y"]', 'its clients get it');
works($ws, 'one', 'no others');
$ws->close;
is($b1->reason($ws->{id}), 'transport close', 'the backend hears of its end');
ok(eventually(sub { !$t->worker_pids(qr/is shutting down$/) }, 10),
    'old workers leave');

# A master that is killed: its workers go on, as those of nginx do.
$ws = $t->connected('websocket');
my $late = $t->connected('polling', %any);
my $master = $t->{pid};
@pids = $t->worker_pids;
kill 'KILL', $master;
waitpid $master, 0;
works($ws, 'two', 'the master is killed: websockets go on');
works($late, 'two', 'polling, too');
my $still = $t->connected('polling', %any);
works($still, 'two', 'and new sessions');
$t->close_all;
kill 'QUIT', @pids;
my $left = eventually(sub { !grep { -e "/proc/$_" } @pids }, 10);
ok($left, 'the workers leave at QUIT');
kill 'KILL', @pids if !$left;
$t->{pid} = undef;

# One process for all.
my $one = Test::SocketIO->new(workers => 0, alarm => 60, signal => 'QUIT',
    globals => 'master_process off;');
$one->run_echo;
for my $transport ('polling', 'websocket') {
    my $s = $one->connected($transport, worker => undef, %any);
    $s->send('42["m",1]');
    is($s->next_packet, '42["echo",1]', "a single process: $transport");
    ($status, $a) = $one->publish({ sid => $s->{id}, event => 'x' });
    is($s->next_packet, '42["x"]', 'publish');
}
ok($one->stop, 'it ends at QUIT');
is_deeply([$one->bad_log_lines], [], 'and complains of nothing');
$_->stop for $b1, $b2;

$t->finish;
