#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Upgrades in all their states while a worker is killed, and while nginx is
# reloaded, twice: each session with its GET, half of its POST, its websocket,
# or nothing of it on that worker.
#
# Fails if the death of a probe's worker ends its session, or leaves a probe
# behind that keeps all others out; if that of a GET's or POST's worker leaves
# the websocket open; if an upgrade does not survive a reload; if a message that
# waited is lost by any of that.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2, alarm => 120);
my $b = $t->run_hook(\&echo);

# The states of the websocket, as the steps that lead there.
my @states = ('', 'o', 'o 2', 'o 2 s', 'o x', 'o 2 x', 'o 2 5', 'o 5 s');

# What is on worker 0.
my @there = ('websocket', 'GET', 'POST', 'nothing');

sub begin ($steps, $what) {
    my $p = $t->connected('polling', get_worker => $what eq 'GET' ? 0 : 1,
        post_worker => $what eq 'POST' ? 0 : 1);

    $p->{steps} = $steps;
    $p->{what} = $what;
    $p->{name} = "$what there, \"$steps\"";
    $p->{n} = 0;

    $p->get_start if $what eq 'GET';
    if ($what eq 'POST') {
        my $c = $p->{post};
        $c->send($c->build('POST', $p->url, length => 9, body => '42["'));
    }

    step($p, $_) for split / /, $steps;

    return $p;
}

sub publish ($p) {
    my ($status, $a) = $t->publish({ sid => $p->{id}, event => 's',
        args => [++$p->{n}] }, exists $p->{via} ? (worker => $p->{via}) : ());
    is($a->{count}, 1, "$p->{name}: published") if $a->{count} != 1;
}

sub step ($p, $step) {
    return publish($p) if $step eq 's';

    if ($step eq 'o') {
        $p->{ws} = $t->websocket(sid => $p->{sid},
            worker => $p->{what} eq 'websocket' ? 0 : 1);

    } elsif ($step eq 'x') {
        (delete $p->{ws})->{conn}->reset;

    } else {
        $p->{ws}->send($step eq '2' ? '2probe' : '5');
        $p->{ws}->recv if $step eq '2';

        # Nothing is said to a "5": its worker has seen it when it says this.
        $t->http('GET', '/pid', worker => $p->{what} eq 'websocket' ? 0 : 1)
            if $step eq '5';
    }
}

sub upgraded ($p) { return $p->{steps} =~ /5/ }

# A session on websocket has all that was published.
sub works ($p, $ws) {
    publish($p);
    $ws->emit('c', 1);
    is_deeply([sort map { $_ // 'none' } map { $ws->next_packet }
        1 .. $p->{n} + 1 - ($p->{got} // 0)],
        [sort '42["echo",1]',
            map { "42[\"s\",$_]" } ($p->{got} // 0) + 1 .. $p->{n}],
        "$p->{name}: both ways");
}

# A websocket with this sid that is not refused: a dead probe is found by the
# next tick.
sub reopen ($p) {
    my $ws;
    eventually(sub {
        $ws = $t->websocket(sid => $p->{sid});
        $ws->send('2probe');
        return ($ws->recv // '') eq '3probe';
    }) or fail("$p->{name}: another upgrade");
    $ws->send('5');
    return $ws;
}

# What it gets by GETs, without parking one.
sub fetch ($p) {
    publish($p);
    $p->{got} //= 0;
    while ($p->{got} < $p->{n}) {
        my $packet = $p->next_packet // last;
        last if $packet ne '42["s",' . ($p->{got} + 1) . ']';
        $p->{got}++;
    }
    is($p->{got}, $p->{n}, "$p->{name}: polling goes on");
}

# The rest of its POST.
sub complete ($p, $receiver) {
    $p->{post}->send('m",7]');
    is(($p->{post}->response // {})->{body}, 'ok', "$p->{name}: its POST");
    forget($p);

    my @got = $receiver->collect(1 + $p->{n} - ($p->{got} // 0));
    is_deeply([sort @got], [sort '42["echo",7]', map { "42[\"s\",$_]" }
        ($p->{got} // 0) + 1 .. $p->{n}], "$p->{name}: and its echo");
    $p->{got} = $p->{n};
}

sub lives ($p) {
    complete($p, upgraded($p) ? $p->{ws} : $p) if $p->{half};
    return works($p, $p->{ws}) if upgraded($p);

    fetch($p);

    if ($p->{ws}) {
        $p->{ws}->send($p->{steps} =~ /2/ ? '5' : ('2probe', '5'));
        is($p->{ws}->recv, '3probe', "$p->{name}: probe")
            if $p->{steps} !~ /2/;
    }

    works($p, $p->{ws} //= reopen($p));
}

sub dies ($p) {
    like($b->reason($p->{id}, 10) // 'none', qr/^transport (?:close|error)$/,
        "$p->{name}: ends");
    ok($p->gone, "$p->{name}: sid unknown");
    ok(defined $p->{ws}->closed, "$p->{name}: websocket closed") if $p->{ws};
}

# The answer to its GET, of which the messages count.
sub answered ($p, $timeout = 5) {
    my $r = $p->get_wait($timeout) // return undef;
    $p->{got} += () = $r->{body} =~ /42\["s"/g;
    return $r;
}

# Its connections, and what may have been said there to an upgrade.
sub forget ($p) {
    $p->{$_} = $t->connect for 'get', 'post';
    $p->{in_get} = 0;
}

# Killed.

for my $round (1, 2) {
    my @all = map { my $steps = $_; map { begin($steps, $_) } @there } @states;

    # One of which "5" has come, and has not been looked at.
    my ($victim) = $t->worker_pids;
    my $unread = begin('o 2', 'websocket');
    $unread->{name} = '"5" not seen';

    # Whose GET is parked still: a noop may have come for the probe.
    $t->http('GET', '/pid', worker => $_) for 0, 1, 0;
    $_->{parked} = !answered($_, 0.01) for grep { $_->{in_get} } @all;

    kill STOP => $victim if $round == 2;
    $unread->{ws}->send('5') if $round == 2;

    $t->allow_log(qr/worker process $victim exited on signal 9/);
    kill KILL => $victim;
    ok(eventually(sub {
        my @now = $t->worker_pids;
        return @now == 2 && !grep { $_ == $victim } @now;
    }, 10), "round $round: a new worker");

    for my $p (@all, $unread) {
        my $there = $p->{what};

        if ($there eq 'nothing') {
            lives($p);

        } elsif ($there eq 'websocket') {
            delete $p->{ws};
            next if $p->{steps} =~ /5/;         # below
            lives($p);

        } elsif (upgraded($p)) {
            # A GET has got its "1"; what became of the POST nobody knows.
            works($p, $p->{ws});
        }
    }

    for my $p (grep { $_->{what} ne 'nothing' } @all) {
        my $there = $p->{what};
        next if $there eq 'websocket' ? !upgraded($p) : upgraded($p);

        if ($there eq 'GET' && !$p->{parked}) {
            forget($p);
            lives($p);
            next;
        }
        dies($p);
    }
}

# Reloaded: nobody ends.

my @all = map { my $steps = $_;
    map { begin($steps, $_) } 'GET', 'POST', 'nothing' } @states;

$t->reload;

for my $p (@all) {
    $p->{half} = $p->{what} eq 'POST';

    if ($p->{what} ne 'GET') {
        $p->{$_} = $t->connect for 'get', $p->{half} ? () : 'post';
        next;
    }

    my $r = answered($p) // {};
    my $body = $r->{body} // '';
    is($r->{status}, 200, "$p->{name}: its GET is answered");

    # What came first: the probe, the upgrade, the message, the reload.
    like($body, upgraded($p) ? qr/^[16]$/ : qr/^6$|^42\["s",1\]$/,
        "$p->{name}: with $body");
    forget($p);
}

publish($_) for @all;
$t->reload;
lives($_) for @all;

my %n;
$n{$_->{sid}}++ for $b->events('disconnect');
is_deeply([map { $_->{name} } grep { $n{$_->{id}} } @all], [],
    'a reload ends no session');
is_deeply([grep { $_ != 1 } values %n], [], 'no disconnect came twice');

my $p = $t->connected('polling');
$p->emit('m', 1);
is($p->next_packet, '42["echo",1]', 'a fresh session works');

$t->close_all;
$t->finish;
