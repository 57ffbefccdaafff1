#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Upgrade of the binary, back, and for good: USR2, WINCH, HUP, QUIT.  Memory is
# not inherited, so the new workers have a zone of their own; websockets stay
# with the old ones, or leave as socketio_drain says; polling clients are told
# that their session is unknown.  Fails if a zone of two masters is mixed up, if
# old websockets are cut off, or if the way back finds the old zone spoilt.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->backend(sub ($events, @) { return echo($events) });
my %masters;

# Masters that are nobody's children must not survive this test.
END { kill 'KILL', map { ($_, workers($_)) } grep { $_ != $$ } keys %masters }

sub workers ($master) {
    local $t->{pid} = $master;
    return $t->worker_pids(qr/^nginx: worker/);
}

sub old_workers ($master) {
    local $t->{pid} = $master;
    return $t->worker_pids(qr/is shutting down$/);
}

sub pidfile ($name = 'nginx.pid') {
    my $pid = $t->read_file($name) =~ /^(\d+)$/ ? $1 : 0;
    $masters{$pid} = 1 if $pid;
    return $pid;
}

# nginx ignores USR2 with "daemon off", and its successor has no environment
# but what is named: a sanitizer wants its options there, too.
sub start () {
    my $conf = $t->_expand(<<'CONF', BACKEND => $b->port);
%%TEST_GLOBALS%%
env ASAN_OPTIONS;
env LSAN_OPTIONS;
env UBSAN_OPTIONS;
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 4m;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_drain 1s;
        }
        location /stay/ { socketio test; socketio_hook /_hook; }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%BACKEND%%;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF
    $t->write_file('nginx.conf', $conf =~ s/daemon off;//r);

    my $dir = $t->dir;
    my $nginx = Test::SocketIO::nginx();
    return system($nginx, '-p', "$dir/", '-c', "$dir/nginx.conf",
        '-e', "$dir/logs/error.log") == 0;
}

sub ends ($pid, $name) {
    ok(eventually(sub { !-e "/proc/$pid" }, 10), $name);
    delete $masters{$pid};
}

sub upgrade ($old) {
    kill 'USR2', $old;
    my $new;
    ok(eventually(sub { $new = pidfile(); $new && $new != $old
        && workers($new) == 2 }, 10), 'USR2: a new master with workers')
        or diag($t->tail);
    kill 'WINCH', $old;
    ok(eventually(sub { old_workers($old) == workers($old) }),
        'WINCH: the old workers shut down');
    $t->{pid} = $new;
    return $new;
}

sub works ($s, $name) {
    $s->send('42["m",1]');
    is($s->next_packet, '42["echo",1]', $name);
}

for (1 .. 3) { last if start(); $t->{ports} = {} }
my $old;
ok(eventually(sub { $old = pidfile(); $old && workers($old) == 2 }),
    'two workers') or diag($t->tail);
$t->{pid} = $old;

my $poll = $t->connected('polling');
my $drained = $t->connected('websocket');
my $stays = $t->connected('websocket', path => '/stay/');
works($_, 'works') for $poll, $drained, $stays;
my @conns = delete @$poll{qw/get post/};
$_->close for @conns;

my $new = upgrade($old);

is($drained->closed, 1001, 'socketio_drain: websockets leave');
$drained->close;
works($stays, 'without it they stay');
my $r = $poll->request('GET');
is($r->{status}, 400, 'a poll meets a new worker');
is(from_json($r->{body})->{code}, 1, 'which does not know its session');

my $fresh = $t->connected('polling', get_worker => undef,
    post_worker => undef);
works($fresh, 'a new session with the new workers');
my ($status, $a) = $t->publish({ all => \1, event => 'x' });
is($a->{count}, 1, 'an emit reaches those of its own zone');
is($fresh->next_packet, '42["x"]', 'there');
is($b->reason($drained->{id}), 'server shutting down', 'the backend knows');

# Back.
kill 'HUP', $old;
ok(eventually(sub { workers($old) - old_workers($old) == 2 }),
    'HUP: new workers of the old master');
kill 'QUIT', $new;
ends($new, 'QUIT: the new master leaves');
$t->{pid} = $old;
is($poll->request('POST', body => '42["m",2]')->{body}, 'ok',
    'the old zone is as it was');
like($poll->request('GET')->{body}, qr/42\["echo",2\]/, 'a session goes on');
works($stays, 'the websocket has not noticed');

# For good.
ok(eventually(sub { pidfile() == $old || pidfile() == 0 }), 'its pid file');
$new = upgrade($old);
kill 'QUIT', $old;
works($stays, 'QUIT: the old master waits for the websocket');
$stays->close;
ends($old, 'and leaves with it');
works($t->connected('websocket'), 'the new one serves');

$t->close_all;
kill 'QUIT', $new;
ends($new, 'it leaves at QUIT');
$t->{pid} = undef;
$t->finish;
