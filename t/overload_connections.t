#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A worker that has run out of file descriptors, or of worker_connections: it
# takes no more clients, as any nginx, but those that are connected go on, and
# their events wait for a connection to the backend instead of being lost.
# Fails if nginx's own 500 for a hook is taken for an answer of the backend.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

# Websockets that say nothing, until one is not answered: they are never idle
# keep-alive connections, which nginx would close to make room.
sub exhaust ($t, $at_most) {
    my @hogs;

    while (@hogs < $at_most) {
        my $c = $t->connect(quiet => 1) or return @hogs;
        $c->request('GET', '/socket.io/?EIO=4&transport=websocket',
            headers => { Upgrade => 'websocket', Connection => 'Upgrade',
                'Sec-WebSocket-Version' => 13,
                'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' });
        push @hogs, $c;
        my $r = $c->response(1);
        return @hogs if !$r || $r->{status} != 101;
    }

    return ();
}

sub exhausted ($what, $globals, $events, $log) {
    my $t = Test::SocketIO->new(workers => 1, globals => $globals);
    my $b = $t->backend(sub ($e, @) {
        # no connection is kept: each batch needs one
        return reply(body => echo($e), close => 1,
            headers => { Connection => 'close' });
    });

    $t->run(<<'CONF', B => $b->port, EVENTS => $events);
%%TEST_GLOBALS%%
events { %%EVENTS%% }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 20s;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
        }
        location = /_publish { socketio_publish test; }
        location = /_status { socketio_status test; }
    }
}
CONF
    $t->allow_log($log);

    my @ws = map { $t->connected('websocket') } 1 .. 3;
    my $control = $t->connect;
    my $p = $t->connected('polling');
    $p->get_start;

    $control->request('GET', '/pid');
    ok($control->response, "$what: works");

    # Of nginx's own request: keep-alive ones would be closed to make room.
    my $publisher = $t->connect;
    $publisher->request('POST', '/_publish', headers => {
        'Transfer-Encoding' => 'chunked' }, length => undef);

    my @hogs = exhaust($t, 600);
    ok(scalar @hogs, "$what: no more clients at some point");
    my $before = () = $b->requests;

    for my $i (1 .. 5) {
        $_->send("42[\"m\",$i]") for @ws;
    }

    ok(eventually(sub { $t->log_lines($log) > 1 }, 5),
        "$what: the backend cannot be reached");
    is($ws[0]->silent(0.3), 1, "$what: and nobody answered for it");

    # What needs no descriptor goes on.
    $publisher->send(sprintf "%x\r\n%s\r\n", length, $_)
        for '{"all":true,"event":"push"}' . "\n";
    is($_->next_packet, '42["push"]', "$what: the other direction is open")
        for @ws;
    like($p->get_wait->{body}, qr/42\["push"\]/, "$what: polling, too");

    $_->close for @hogs;

    for my $ws (@ws) {
        is_deeply([$ws->collect(5, 10)],
            [map { "42[\"echo\",$_]" } 1 .. 5],
            "$what: all events arrive, in order, once there is a connection");
    }

    my %seen;
    $seen{"$_->{sid} $_->{args}[0]"}++ for $b->events('event');
    is(scalar(keys %seen), 15, "$what: each of them");
    is_deeply([grep { $_ != 1 } values %seen], [], "$what: once");

    my $new = $t->connected('websocket');
    ok($new->{id}, "$what: new clients are taken again");
    $new->send('42["m",9]');
    is($new->next_packet, '42["echo",9]', "$what: and served");
    is(scalar($t->worker_pids), 1, "$what: by the same worker");
    is(scalar($t->log_lines(qr/hook .* failed|exited on signal/)), 0,
        "$what: no batch was given up");

    return $t;
}

my $t = exhausted('descriptors', 'worker_rlimit_nofile 110;', '',
    qr/Too many open files/);
ok($t->stop, 'descriptors: nginx leaves');
is(join("\n", $t->bad_log_lines), '', 'descriptors: no other complaint');
undef $t;

exhausted('connections', '', 'worker_connections 32;',
    qr/worker_connections are not enough/)->finish;
