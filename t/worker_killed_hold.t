#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Workers that die in the middle of a hold of the zone's lock, with lists half
# changed.  Fails if the others wait for the lock for ever, or cannot serve.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Faults;

Test::SocketIO::Faults->require_build;

my $t = Test::SocketIO->new(workers => 3, alarm => 60);
my $faults = Test::SocketIO::Faults->new($t);
$t->run_echo;

$t->allow_log(qr/exited on signal (9|11)|was locked by|was emptied: a worker/);

for my $signal (qw/KILL SEGV/) {
    my ($pid) = $t->worker_pids;
    $faults->arm($pid, 3, $signal);
    my $c = $t->connect(worker => 0);
    eval { $c->write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
        . "Host: x\r\n\r\n") };
    ok(eventually(sub { $faults->died }), "$signal in a hold");
    ok(eventually(sub {
        my @pids = $t->worker_pids;
        return @pids == 3 && !grep { $_ == $pid } @pids;
    }), 'a new worker');
    for my $n (0 .. 2) {
        my $p = $t->polling(worker => $n);
        ok($p->sio_connect, "worker $n serves");
    }
}

$t->finish;
