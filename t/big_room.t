#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A room of thousands, and somebody who tells it a lot, has all of them join and
# leave, or looks at them, in one request: meanwhile other clients are answered,
# on either worker, and nobody's heartbeat is late.  Fails if such a request is
# run in one go, since then no answer comes before its end, and if a broadcast
# misses a member.
#
# No figure is of this machine: what is counted is what happens while a request
# goes on, and the one limit on time is far from what it takes.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/to_json/;
use Time::HiRes qw/time/;

my $MEMBERS = 5000;

my $t = Test::SocketIO->new(workers => 2, alarm => 120);
$t->run_echo(eio => '3 4', zone => '128m', server => <<'CONF');
        client_max_body_size 4m;
        location /crowd/ {
            socketio test;
            socketio_ping_interval 10m;
        }
        location /beat/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_ping_interval 1s;
            socketio_ping_timeout 8s;
        }
CONF

my @crowd = $t->crowd($MEMBERS, '/crowd/', '/');
my @in = map { $t->websocket(path => '/crowd/', worker => $_) } 0, 1;
$_->open_packet, $_->sio_connect for @in;

sub ask (%cmd) {
    my ($status, $a) = $t->publish(\%cmd);
    is($status, 200, "$cmd{op}: done");
    return $a;
}

is(ask(op => 'join', all => \1, room => 'big')->{count}, $MEMBERS + 2,
    'all are in it');

# Those who are answered: not in the room.  "3": it pings by itself.
my %others = (
    'websocket 0' => $t->websocket(path => '/beat/', worker => 0),
    'websocket 1' => $t->websocket(path => '/beat/', worker => 1),
    'revision 3' => $t->websocket(path => '/beat/', worker => 0, eio => 3),
    'polling' => $t->polling(path => '/beat/', get_worker => 0,
        post_worker => 1),
);
$_->can('open_packet') && !$_->{sid} && $_->open_packet for values %others;
ok($_->sio_connect, 'another one') for values %others;

# One request; how often each of the others was answered before its result,
# and its results.
sub during ($name, @commands) {
    my %rounds = map { $_ => 0 } keys %others;
    my ($worst, $n, $r) = (0, 0);
    my $c = $t->connect_to_worker(0);

    $c->request('POST', '/_publish', body => to_json(\@commands));

    while (!$r) {
        for my $who (sort keys %others) {
            my $s = $others{$who};
            my $begin = time;
            my $want = qq{42["echo",} . ++$n . ']';
            $s->emit('e', $n);
            my $got = $s->next_packet(60) // 'nothing';
            if ($who eq 'revision 3') {
                $s->send('2');
                $got .= ' ' . ($s->recv(60) // 'nothing');
                $want .= ' 3';
            }
            $worst = time - $begin if time - $begin > $worst;
            is($got, $want, "$name: $who is answered") if $got ne $want;
            $r //= $c->response(0.001);
            $rounds{$who}++ if !$r;
        }
    }

    is(scalar(() = $r->{body} =~ /"ok":true/g), scalar @commands,
        "$name: all commands ran");
    cmp_ok($rounds{$_}, '>=', 1, "$name: $_ was answered meanwhile")
        for sort keys %rounds;
    cmp_ok($worst, '<', 8, "$name: none waited for long");
    note("$name: $_ $rounds{$_}") for sort keys %rounds;
    return $r->{body};
}

# The counts of the results of an op.
sub counts ($body, $op) {
    return map { /"count":(\d+)/ } grep { /^"$op"/ }
        split /\{"ok":true,"op":/, $body;
}

my @storm = map { +{ room => 'big', event => 's', args => [$_],
    volatile => \1 } } 1 .. 6000;
during('a storm', @storm);

during('a storm of unions', map { +{ room => ['big', 'x'],
    except => ['y', 'z'], event => 's', volatile => \1 } } 1 .. 5000);

my $all = $MEMBERS + 2 + keys %others;
my $body = during('join and leave', map { ({ op => 'join', all => \1,
    except => 'out', room => "r$_" }, { op => 'leave', in => 'big',
    room => "r$_" }) } 1 .. 150);
is_deeply([counts($body, 'join'), counts($body, 'leave')],
    [($all) x 150, ($MEMBERS + 2) x 150], 'join and leave: all of them');

$body = during('fetch', map { ({ op => 'fetch', room => 'big', fields =>
    'data' }, { op => 'count', all => \1,
    except => 'none' }, { op => 'rooms', room => 'big' }) } 1 .. 12);
is_deeply([counts($body, 'fetch'), counts($body, 'count'),
    counts($body, 'rooms')],
    [($MEMBERS + 2) x 12, ($all) x 12, (1) x 12], 'fetch: all of them');
is(scalar(() = $body =~ /"sid":"/g), 12 * ($MEMBERS + 2), 'fetch: each');

# What is not volatile reaches all.
$body = during('broadcasts', (map { +{ room => 'big', event => 'n',
    args => [$_] } } 1 .. 40),
    map { +{ op => 'count', room => ['big', 'x'] } } 1 .. 400);
is_deeply([counts($body, 'emit'), counts($body, 'count')],
    [($MEMBERS + 2) x 440], 'broadcasts: to all');
for my $sid (@crowd[map { $_ * ($MEMBERS / 10) } 0 .. 9]) {
    my $r = $t->http('GET', "/crowd/?EIO=4&transport=polling&sid=$sid");
    is_deeply([grep { /"n"/ } split /\x1e/, $r->{body}],
        [map { qq{42["n",$_]} } 1 .. 40], 'broadcasts: in order');
}
for my $ws (@in) {
    my @got;
    while (@got < 40 && defined(my $p = $ws->next_packet)) {
        push @got, $p if $p =~ /"n"/;
    }
    is_deeply(\@got, [map { qq{42["n",$_]} } 1 .. 40],
        'broadcasts: by websocket');
}

is(ask(op => 'count', all => \1)->{count}, $all, 'nobody was closed');
is(ask(op => 'disconnect', all => \1)->{count}, $all, 'but now');

$t->finish;
