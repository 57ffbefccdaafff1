#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A worker that is stopped while it holds the zone's lock, as by a debugger or
# a frozen cgroup: the others kill it and go on.  Fails if they wait for it as
# long as it is stopped, which is for ever here, or if one that is stopped
# without the lock is killed, too.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Faults;

Test::SocketIO::Faults->require_build;

my $t = Test::SocketIO->new(workers => 3, alarm => 60);
my $faults = Test::SocketIO::Faults->new($t);
$t->run_echo;

$t->allow_log(qr/exited\ on\ signal\ 9|was\ locked\ by|was\ emptied
    |has\ held\ the\ lock/x);

sub state_of ($pid) {
    open my $f, '<', "/proc/$pid/stat" or return '';
    return (split ' ', <$f> =~ s/.*\) //r)[0];
}

my @pids = $t->worker_pids;

kill STOP => $pids[0];
ok(eventually(sub { state_of($pids[0]) eq 'T' }), 'stopped without the lock');
my $p = $t->polling(worker => 1);
ok($p->sio_connect, 'the others serve');
sleep 3;
is(state_of($pids[0]), 'T', 'nobody kills it');
kill CONT => $pids[0];
ok($t->polling(worker => 0)->sio_connect, 'it goes on');

$faults->arm($pids[0], 3, 'STOP');
my $c = $t->connect(worker => 0);
eval { $c->write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
    . "Host: x\r\n\r\n") };
ok(eventually(sub { $faults->died }), 'stopped with the lock');

ok($t->polling(worker => 1)->sio_connect, 'another one serves');
ok(eventually(sub {
    my @now = $t->worker_pids;
    return @now == 3 && !grep { $_ == $pids[0] } @now;
}), 'a new worker in its place');
ok($t->polling(worker => $_)->sio_connect, "worker $_ serves") for 0 .. 2;
ok($t->log_lines(qr/process $pids[0] has held the lock of zone/),
    'the log says who and why');

$t->finish;
