#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A zone that is full at the moment when something else is wanted of it: a
# handshake, a CONNECT, events of both transports, an upgrade, a join, a publish
# command.  Each is refused with its answer, or waits, and goes on when there is
# room; nobody is left with a gap; an end needs no memory at all.  Fails if
# anything that was read is dropped, or waits for ever.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(undef, zone => '1m', backend => $t->backend(
    sub ($e, @) {
        return [map { { op => 'ack', id => $_->{id}, args => [$_->{args}[0]] } }
            grep { $_->{ack} } @$e];
    }), socketio => <<'CONF', server => <<'SERVER');
            socketio_send_queue 100000 16m;
            socketio_ping_interval 60s;
            socketio_connect_timeout 60s;
CONF
        location = /_status { socketio_status test; }
SERVER

my @conn = map { $t->connect_to_worker($_) } 0, 1;

sub status () {
    return from_json($t->http('GET', '/_status', conn => $conn[0])->{body});
}

my $rest = status()->{zone}{free};

# Who hoards: it is sent things, and does not fetch them.  All but nothing is
# left: of the small ones, too.
sub fill ($hog) {
    my $n = 0;
    for my $size (4000, 900, 200, 20) {
        for (1 .. 20_000) {
            my ($status, $a, $r) = $t->publish({ sid => $hog->{id},
                event => 'f', args => ['x' x $size] }, conn => $conn[$_ % 2]);
            $n++;
            next if $status == 200;
            is($status, 503, "publish: 503 ($size)");
            is($a->{error}, 'busy', 'publish: busy');
            is($r->{headers}{'retry-after'}, 1, 'publish: when to come again');
            last;
        }
    }
    return $n;
}

for my $round (1, 2) {
    my $hog = $t->connected('polling');
    my $ws = $t->connected('websocket', worker => 1);
    my $poll = $t->connected('polling', get_worker => 1, post_worker => 0);
    my $goes = $t->connected('websocket', worker => 0);
    my $kicked = $t->connected('websocket', worker => 1);
    my $up = $t->connected('polling');
    my $new = $t->websocket(worker => 0);
    $new->open_packet;
    $up->get_start;

    my $refused = status()->{zone}{refused};
    cmp_ok(fill($hog), '>', 100, 'full, in the end');

    for my $c (@conn) {
        my $r = $t->http('GET', '/socket.io/?EIO=4&transport=polling',
            conn => $c);
        is($r->{status}, 503, 'handshake: 503');
        is($r->{headers}{'retry-after'}, 1, 'handshake: when to come again');
    }

    # One of 2000 bytes cannot be stored, and those behind it have to wait.
    my $x = 'x' x 2000;
    $ws->send(map { "42$_\[$_,\"$x\"]" =~ s/\[/["e",/r } 1 .. 30);
    $poll->{post}->request('POST', $poll->url,
        body => join "\x1e", map { "42$_\[\"e\",$_,\"$x\"]" } 1 .. 30);
    ok($poll->{post}->silent(0.3), 'a POST is held');
    ok($ws->silent(0.1), 'a websocket is held');
    $new->send('40');
    $t->publish({ op => 'join', all => \1, room => "room$_ " . 'r' x 900 },
        conn => $conn[0]) for 1 .. 3;

    # An end needs nothing.
    $goes->send('41');
    is($b->reason($goes->{id}), 'client namespace disconnect',
        'who leaves can leave');
    is(($t->publish({ op => 'disconnect', sid => $kicked->{id}, close => \1 },
        conn => $conn[1]))[0] // 0, 200, 'who is to go goes')
        or diag 'no memory for its goodbye';

    my $probe = $t->websocket(sid => $up->{sid}, worker => 1);
    $probe->send('2probe');
    my $pong = $probe->recv(3) // 'closed';
    $probe->send('5') if $pong eq '3probe';

    cmp_ok(status()->{zone}{refused}, '>', $refused, 'refusals are counted');
    cmp_ok(scalar($t->log_lines(qr/zone "test" is full/)), '<=', 2,
        'a line of each worker, at the most');
    ok($t->log_lines(qr/zone "test" is full/) > 0, 'and they are logged');

    # Room again: all that has waited goes on, in order and once.
    $t->http('POST', "/socket.io/?EIO=4&transport=polling&sid=$hog->{sid}",
        body => '1');

    my @want = map { "43$_\[$_]" } 1 .. 30;
    is_deeply([$ws->collect(30)], \@want, 'websocket: all, in order');
    is(($poll->{post}->response(8) // {})->{body}, 'ok', 'POST: answered');
    is_deeply([$poll->collect(30)], \@want, 'polling: all, in order');
    my %seen;
    $seen{"$_->{sid} $_->{args}[0]"}++ for $b->events('event');
    is(scalar(grep { $seen{"$_->[0]{id} $_->[1]"} != 1 }
        map { my $s = $_; map { [$s, $_] } 1 .. 30 } $ws, $poll), 0, 'once');
    like($new->next_packet // '', qr/^40\{"sid"/, 'the CONNECT is answered');

    if ($pong eq '3probe') {
        $probe->send('420["e",77]');
        is($probe->next_packet, '430[77]', 'the upgraded one works');
    } else {
        ok($up->alive, 'no upgrade, but the session is there');
    }

    ok($t->connected('websocket')->{id}, 'handshakes are taken again');
    is(($t->publish({ all => \1, event => 'f' }, conn => $conn[0]))[0], 200,
        'and messages');
    is(scalar(grep { $_->{sid} eq $goes->{id} } $b->events('disconnect')), 1,
        'one goodbye');

    $_->close for $ws, $goes, $kicked, $new, $probe;
    $t->http('POST', "/socket.io/?EIO=4&transport=polling&sid=$_->{sid}",
        body => '1') for $poll, $up;
}

$t->close_all;
@conn = ($t->connect);
ok(eventually(sub { status()->{zone}{free} >= $rest }, 8),
    'nothing is left of it') or diag explain status()->{zone};

$t->finish;
