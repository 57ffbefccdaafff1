#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone in a zone that is full: handshakes are refused, and nothing
# stays of them, not even an open of which nobody hears more; messages of
# clients wait, "send" is refused; when there is room again all go on.  Fails
# if anything leaks, or if a session that exists is closed for others' sake.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_raw(\&echo, zone => '1m', socketio => <<'CONF');
            socketio_ping_interval 60s;
CONF

# Sessions that fill it, of a location without a backend: cheap to make.
my @conn = map { $t->connect_to_worker($_) } 0, 1;
my $ws = $t->raw('websocket', worker => 0);
my $p = $t->raw('polling');

sub fill () {
    my @sids;
    for my $i (1 .. 20_000) {
        my $r = $t->http('GET', '/socket.io/?EIO=4&transport=polling',
            conn => $conn[$i % 2]);
        return @sids if $r->{status} == 503;
        push @sids, $r->{body} =~ /"sid":"([^"]+)"/;
    }
    die 'never full';
}

sub opens () {
    my %n;
    $n{$_->{sid}}{$_->{type}}++ for $b->events;
    return \%n;
}

my $n;
for my $round (1, 2, 3) {
    my @sids = fill();
    $n //= @sids;
    cmp_ok(scalar @sids, '>=', $n - $n / 50, "round $round: as many");
    cmp_ok($n, '>', 200, 'worth its size');
    is($t->websocket->status, 503, 'websocket: 503');
    is($t->websocket(eio => 3)->status, 503, 'revision 3: 503');

    # A message larger than what is left: it waits, or is refused.
    my $big = 'x' x 50_000;
    my ($status, $a) = $t->publish({ op => 'send', sid => $ws->{id},
        text => $big });
    is("$status $a->{error}", '503 busy', 'send: busy');
    $ws->send("4$big", "4after$round");
    $p->{post}->request('POST', $p->url, body => "4$big\x1e4after$round");
    ok($ws->silent(0.3), 'websocket: waits');
    ok($p->{post}->silent(0.1), 'POST: waits');

    # Room again.  What is closed lingers until its client comes for it.
    $t->publish({ op => 'disconnect', nsp => 'engine.io', all => \1,
        except => [$ws->{id}, $p->{id}] });
    $t->http('GET', "/socket.io/?EIO=4&transport=polling&sid=$sids[$_]",
        conn => $conn[$_ % 2]) for 0 .. $#sids;

    is($p->{post}->response(8)->{body}, 'ok', 'POST: taken');
    ok(eventually(sub { 2 == grep { ($_->{text} // '') eq "after$round" }
        $b->events('message') }, 8), 'both are taken');
    for my $s ($ws, $p) {
        my @m = grep { $_->{sid} eq $s->{id} } $b->events('message');
        is_deeply([map { length $_->{text} } @m[-2, -1]], [50_000, 6],
            'and what was behind it');
        $s->send('4works');
        my $got = $s->next_packet;
        $got = $s->next_packet while defined $got && $got ne '4works';
        is($got, '4works', 'works');
    }
}

# Who was let in has an open and a close; refused ones were never asked for.
my $e;
ok(eventually(sub {
    $e = opens();
    return !grep { !$e->{$_}{close} && $_ ne $ws->{id} && $_ ne $p->{id} }
        keys %$e;
}, 8), 'everybody else was closed');
is(scalar(grep { $e->{$_}{open} != 1 } keys %$e), 0, 'one open each');
is(scalar(grep { ($e->{$_}{close} // 1) != 1 } keys %$e), 0, 'one close');
is($e->{$_->{id}}{close}, undef, 'these two are there') for $ws, $p;

$ws->close;
$t->finish;
