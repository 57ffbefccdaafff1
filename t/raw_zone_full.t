#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone in a zone that is full: handshakes are refused, and no
# backend hears of them; messages of clients wait, "send" is refused; when
# there is room again all go on.  Fails if anything leaks, or if a session that
# exists is closed, or loses a message, for others' sake.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# Sessions that fill it have no backend: what they take does not change.
my $b = $t->run_raw(\&echo, zone => '1m', server => <<'CONF',
        location /fill/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook off;
            socketio_ping_interval 60s;
        }
CONF
    socketio => 'socketio_ping_interval 60s;');

my @conn = map { $t->connect_to_worker($_) } 0, 1;
my $url = '/fill/?EIO=4&transport=polling';
my $ws = $t->raw('websocket', worker => 0);
my $p = $t->raw('polling');

sub fill () {
    my @sids;
    for my $i (1 .. 20_000) {
        my $r = $t->http('GET', $url, conn => $conn[$i % 2]);
        return @sids if $r->{status} == 503;
        push @sids, $r->{body} =~ /"sid":"([^"]+)"/;
    }
    die 'never full';
}

my $size = 80_000;
my $n;
for my $round (1, 2, 3) {
    my @sids = fill();
    $n //= @sids;
    cmp_ok(scalar @sids, '>=', $n - $n / 50, "round $round: as many");
    cmp_ok($n, '>', 300, 'worth its size');
    is($t->websocket->status, 503, 'websocket: 503');
    is($t->websocket(eio => 3)->status, 503, 'revision 3: 503');
    is($t->http('GET', '/socket.io/?EIO=4&transport=polling')->{status}, 503,
        'polling: 503');

    # A message larger than what is kept for those who are in: it waits, or
    # is refused.
    my $big = 'x' x $size;
    my ($status, $a) = $t->publish({ op => 'send', sid => $ws->{id},
        text => $big });
    is("$status $a->{error}", '503 busy', 'send: busy');
    $ws->send("4$big", "4after$round");
    $p->{post}->request('POST', $p->url, body => "4$big\x1e4after$round");
    ok($ws->silent(0.3), 'websocket: waits');
    ok($p->{post}->silent(0.1), 'POST: waits');

    # Room again.
    $t->http('POST', "$url&sid=$sids[$_]", body => '1', conn => $conn[$_ % 2])
        for 0 .. $#sids;
    is($p->{post}->response(8)->{body}, 'ok', 'POST: taken');
    for my $s ($ws, $p) {
        ok(eventually(sub { grep { $_->{sid} eq $s->{id}
            && $_->{text} eq "after$round" } $b->events('message') }, 8),
            'taken');
        my @m = grep { $_->{sid} eq $s->{id} } $b->events('message');
        is_deeply([map { length $_->{text} } @m[-2, -1]], [$size, 6],
            'with what was before it');
        $s->send('4works');
        my $got = $s->next_packet;
        $got = $s->next_packet while defined $got && $got ne '4works';
        is($got, '4works', 'works');
    }
}

is_deeply([sort map { $_->{sid} } $b->events('open')],
    [sort map { $_->{id} } $ws, $p], 'nobody was asked for a refused one');
is(scalar($b->events('close')), 0, 'nobody else was closed');

$ws->close;
$t->finish;
