#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What the backend gets: headers, batches that form while a request is in
# flight, ids, and one gapless order for each socket.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2);

# "hold": the answer waits for release("gate"); ctl fail => n: so many 503.
my $failed = 0;
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(status => 503) if $failed < ($ctl->{fail} // 0) && ++$failed;
    return reply(hold => $1, body => echo($events))
        if join(' ', map { $_->{event} // '' } @$events) =~ /\bhold(\w+)/;
    return echo($events);
}, socketio => 'socketio_hook_lanes 1;', server => <<'CONF');
        location /small/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch 3 64k;
            socketio_hook_lanes 1;
        }
CONF

sub ws (%o) {
    my $ws = $t->websocket(%o);
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

# Requests with an event of this name.
sub with_event ($re, $n = 1) {
    my $find = sub { grep { grep { ($_->{event} // '') =~ /$re/ }
        @{$_->{events}} } $b->requests };
    eventually(sub { scalar(my @r = $find->()) >= $n });
    return $find->();
}

my $ws = ws(worker => 0);
my ($r) = $b->requests;
is($r->{method}, 'POST', 'method');
is($r->{uri}, '/events', 'uri of proxy_pass');
like($r->{headers}{'content-type'}, qr{^application/json}, 'type');
is($r->{headers}{'x-socketio-version'}, 1, 'X-Socketio-Version');
ok(length $r->{headers}{'x-socketio-node'}, 'X-Socketio-Node');
ok(length $r->{headers}{'x-socketio-batch'}, 'X-Socketio-Batch');
is($r->{headers}{'x-socketio-attempt'}, 1, 'X-Socketio-Attempt');
is(ref $r->{events}, 'ARRAY', 'an array, also of one');

my ($e) = @{$r->{events}};
is($e->{type}, 'connect', 'connect');
is($e->{sid}, $ws->{id}, 'with the id of the socket');
is($e->{nsp}, '/', 'its namespace');
is($e->{seq}, 0, 'seq starts at 0');
like($e->{time}, qr/^\d{13}$/, 'time in ms');
ok(defined $e->{id}, 'id of the event');
ok(!$e->{recovered}, 'recovered');

# While a request is in flight, events gather.
$ws->emit('holdA');
with_event(qr/holdA/);
$ws->emit("a$_", $_) for 1 .. 5;
my $other = $t->websocket(worker => 0);
$other->open_packet;
$other->send('40');
ok($other->silent(0.3), 'one lane: one request in flight');
is(scalar(my @none = grep { ($_->{event} // '') =~ /^a\d/ } $b->events), 0,
    'nothing is sent meanwhile');
$b->release('A');
my @batch = with_event(qr/^a\d$/);
is(scalar @batch, 1, 'all that has gathered is one batch');
is_deeply([map { $_->{event} } grep { ($_->{event} // '') =~ /^a/ }
    @{$batch[0]{events}}], [map { "a$_" } 1 .. 5], 'in order');
is((scalar grep { $_->{type} eq 'connect' } @{$batch[0]{events}}), 1,
    'with the connect of another client');
my @lines = split /\n/, $batch[0]{body};
is((scalar grep { /"id"/ } @lines), scalar @{$batch[0]{events}},
    'one object per line');
is_deeply([$ws->collect(6)], ['42["echo"]',
    map { "42[\"echo\",$_]" } 1 .. 5], 'answers in order');
like($other->recv, qr/^40\{/, 'the other client is connected');

# Limits of a batch.
$ws = ws(worker => 0, path => '/small/?EIO=4&transport=websocket');
$ws->emit('holdB');
with_event(qr/holdB/);
$ws->emit("b$_") for 1 .. 8;
$ws->emit('big', 'x' x 50_000) for 1, 2;
$b->release('B');
is(scalar(my @got = $ws->collect(11)), 11, 'all of them are answered');
my @sizes = map { scalar @{$_->{events}} } with_event(qr/^(?:b\d|big)$/);
ok(!(grep { $_ > 3 } @sizes), "no batch beyond 3 events (@sizes)");
ok((grep { $_ == 3 } @sizes), 'but full ones');
ok(!(grep { @{$_->{events}} > 1 && length $_->{body} > 66_000 }
    $b->requests), 'no batch beyond its size');

# A single event may be larger.
$ws->emit('huge', 'x' x 100_000);
is(scalar(@got = $ws->collect(1)), 1, 'a single event may be larger');

# The same batch again.
$ws = ws(worker => 1);
my $seen = $b->requests;
$b->set(fail => 2);
$ws->emit('retry', 1);
is($ws->next_packet(8), '42["echo",1]', 'answered after two 503');
my @tries = with_event(qr/^retry$/, 3);
is(scalar @tries, 3, 'three attempts');
is_deeply([map { $_->{headers}{'x-socketio-attempt'} } @tries], [1, 2, 3],
    'counted');
is(scalar(keys %{{ map { $_->{headers}{'x-socketio-batch'} => 1 } @tries }}),
    1, 'the same batch id');
is(scalar(keys %{{ map { $_->{events}[0]{id} => 1 } @tries }}), 1,
    'the same event id');
is(scalar(keys %{{ map { $_->{body} => 1 } @tries }}), 1, 'the same bytes');

# Many sockets, both transports, GET and POST on different workers.
my @s = (map({ ws(worker => $_ % 2) } 1 .. 4),
    map { my $p = $t->polling(get_worker => $_ % 2, post_worker => 1 - $_ % 2);
        $p->{id} = $p->sio_connect; $p } 1 .. 4);
for my $n (1 .. 25) {
    $_->emit('m', $n) for @s;
}
$_->send('41') for @s;
my $want = sub { scalar(grep { $_->{event} eq 'm' } $b->events('event'))
    >= 200 && scalar(my @d = $b->events('disconnect')) >= 8 };
ok(eventually($want, 8), 'all events have arrived');

my (%by, %ids, %batch);
for my $req ($b->requests) {
    my $id = $req->{headers}{'x-socketio-batch'};
    $batch{$id}++ if $req->{headers}{'x-socketio-attempt'} == 1;
    next if $req->{headers}{'x-socketio-attempt'} > 1;
    for (@{$req->{events}}) {
        push @{$by{$_->{sid}}}, $_;
        $ids{$_->{id}}++;
    }
}
for my $s (@s) {
    my @e = @{$by{$s->{id}}};
    is_deeply([map { $_->{seq} } @e], [0 .. 26], 'seq without gaps');
    is_deeply([map { $_->{args}[0] } grep { $_->{type} eq 'event' } @e],
        [1 .. 25], 'events in order');
    is($e[0]{type}, 'connect', 'connect first');
    is($e[-1]{type}, 'disconnect', 'disconnect last');
}
is_deeply([grep { $_ > 1 } values %ids], [], 'event ids are unique');
is_deeply([grep { $_ > 1 } values %batch], [], 'batch ids are unique');

$t->finish;
