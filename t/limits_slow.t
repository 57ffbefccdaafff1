#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Clients that never read: a websocket and a GET whose answer does not fit into
# the buffers of TCP, against send_timeout; handshakes that join no namespace,
# and probes that do not upgrade.  Fails if one of these keeps its connection,
# or costs somebody else's.

use v5.36;
use lib 't/lib';
use Test::More;
use Socket qw/SOL_SOCKET SO_RCVBUF/;
use Test::SocketIO qw/eventually from_json/;
use Time::HiRes qw/sleep time/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->backend;
$t->run(<<'CONF', BACKEND => $b->port);
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 32m;
    server {
        listen %%LISTEN%% sndbuf=16k;
        location = /pid { return 200 $pid; }
        location = /_status { socketio_status test json; }
        location = /_publish { socketio_publish test; client_max_body_size 2m; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_send_queue 1000 20m;
            socketio_connect_timeout 1s;
            socketio_upgrade_timeout 1s;
            send_timeout 1s;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%BACKEND%%;
        }
    }
}
CONF

my $other = $t->connected('websocket', worker => 0);
my $big = 'x' x 1_000_000;

sub deaf ($conn) { setsockopt $conn->{sock}, SOL_SOCKET, SO_RCVBUF, 4096 }

sub publish ($s) {
    for (1 .. 4) {
        my ($status, $a) = $t->publish({ sid => $s->{id}, event => 'big',
            args => [$big] });
        $status == 200 or diag("publish: $status");
    }
}

# A websocket: what waits for it is less than socketio_send_queue allows.
{
    my $ws = $t->connected('websocket', worker => 1);
    deaf($ws->{conn});
    my $start = time;
    publish($ws);
    is($b->reason($ws->{id}, 15), 'transport error',
        'a websocket that does not read is closed');
    cmp_ok(time - $start, '>=', 0.9, 'by send_timeout');
}

# A GET: nginx gives up its answer, and the client hears of nothing more.
{
    my $p = $t->connected('polling');
    deaf($p->{get});
    publish($p);
    $p->get_start;
    ok(eventually(sub { grep { /client timed out/ && /transport=polling/ }
        $t->log_lines(qr/timed out/) }, 15), 'so is a GET');
}

# Handshakes alone.
{
    my @s = map { $t->polling } 1 .. 5;
    my @w = map { $t->websocket(worker => $_ % 2) } 1 .. 5;
    ok($_->gone, 'a polling session that joins no namespace ends') for @s;
    ok(defined $_->closed, 'and so does a websocket') for @w;
}

# Probes: one at a time, and not for long.  The session goes on.
{
    my $p = $t->connected('polling');
    my $probe = $t->websocket(sid => $p->{sid}, worker => 0);
    $probe->send('2probe');
    is($probe->recv, '3probe', 'a probe');
    my @more = map { $t->websocket(sid => $p->{sid}, worker => 1) } 1 .. 3;
    is($_->status, 101, 'further ones are taken') for @more;
    is($_->closed, '', 'and closed') for @more;

    my $start = time;
    $probe->send('2probe');
    is($probe->recv, '3probe', 'it may ask again');
    is($probe->closed, '', 'one that does not go on is closed');
    ok($p->send('3') && $p->alive, 'its session goes on');
}

my ($status, $a) = $t->publish({ sid => $other->{id}, event => 'x' });
is($a->{count}, 1, 'the others');
is($other->next_packet, '42["x"]', 'have not noticed');

my $s = from_json($t->http('GET', '/_status')->{body});
is($s->{queues}{mailbox}, 0, 'nothing is left in a mailbox');
ok(eventually(sub { from_json($t->http('GET', '/_status')->{body})
    ->{queues}{held} == 0 }), 'or held');

$t->finish;
