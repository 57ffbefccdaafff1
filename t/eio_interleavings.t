#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The upgrade with everything that may happen around it, in every order: GETs
# parked from before, from in between, or not at all; a POST of which half is
# there; messages both ways at each step; websockets that vanish, misbehave, or
# come twice; ends of all kinds; each of GET, POST and websocket on one worker
# or the other.  Enumerated, then some thousand steps at random; step by step,
# and as a race.
#
# Test::SocketIO::Schedule tells what the letters mean and what must hold.  In
# short: no message is lost, comes twice or overtakes another, no request is
# left without an answer, no session ends that should not, or goes on.
#
# t/eio_upgrade.t has them one by one.  t/unit/eio_session_walk_test.c has all
# states of the machine behind it.

use v5.36;
use lib 't/lib';
use List::Util qw/shuffle/;
use Test::More;
use Test::SocketIO ();
use Test::SocketIO::Schedule ();
use Time::HiRes qw/sleep/;

my $t = Test::SocketIO->new(workers => 2, alarm => 600);
Test::SocketIO::Schedule::run($t, server => <<'CONF');
        location /beat/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_ping_interval 1s;
            socketio_ping_timeout 30s;
        }
CONF
my $d = Test::SocketIO::Schedule->new($t);

srand 20;                               # the same each time

my @workers = map { my $n = $_; [map { $n >> $_ & 1 } 0 .. 2] } 0 .. 7;
my $count = 0;

sub name ($group, $workers, @steps) {
    return join '', "$group, workers ", @$workers, ": @steps";
}

sub plays ($group, $steps, %o) {
    my $w = $o{workers} // $workers[$count % 8];
    my @faults = $d->play(%o, workers => $w, steps => $steps);
    ok(!@faults, name($o{race} ? "$group, race" : $group, $w, @$steps))
        or diag(join "\n", @faults);
    $count++;
}

# What one does beside the upgrade, at its four places: before the websocket,
# before its "2probe", before its "5", behind that.  $get: where GETs begin;
# $half, $rest: where a POST is.  At each place it is in another order.
my @path = ('o', '2', '5');

sub around ($get, $half, $rest, $at = -1, @disturbance) {
    my @steps;

    for my $place (0 .. 3) {
        my @here = (
            [$place >= $get ? 'g' : ()],
            [$place == $half ? 'h' : (), $place == $rest ? 'c' : ()],
            ['s', 'p', 'm'],
            [$place == $at ? @disturbance : ()],
        );

        push @steps, map({ @$_ } shuffle @here), $path[$place] // ();
    }

    return \@steps;
}

# All there is to an upgrade that succeeds.
my @posts = ([-1, -1], map { my $h = $_; map { [$h, $_] } $h .. 3 } 0 .. 3);

my $group = 'eio 129-134, 147: upgrade';

for my $get (0 .. 4) {
    for my $post (@posts) {
        plays($group, around($get, @$post), workers => $_) for @workers;
        plays($group, around($get, @$post), race => 1) for 1, 2;
    }
}

# Other ways there.
my @ways = ('o 5', 'o 2 2 5', 'o 25m', 'o s 25m s', 'o 2 5 5', 'o x o 2 5',
    'o 2 x o 2 5', 'o 2 f o 25m', 'o k o 5', 'o 2 k o 2 5', 'o b o 2 5',
    'o 2 b o 2 5', 'o w 2 w 5 w m w', 'o 2 x o 2 x o 2 x o 2 5',
    'o 2 5 2', 'o 5 25m', '5 2 m', 'o 2 5 x o', 'o 2 5 k o', 'w 1 w o');

for my $way (@ways) {
    for my $get ('', 'g') {
        for my $half ('', 'h') {
            my @steps = ($half || (),
                map({ ($get || (), $_, 's') } split / /, $way),
                $half ? 'c' : ());
            plays('eio 135-137, 139: way', \@steps) for 1, 2;
        }
    }
}

# Whatever disturbs it, where it can.  Of a race that it is part of only some
# ends are known.
my %ends = (
    x => [qw/polling websocket closed/], f => [qw/polling websocket closed/],
    k => [qw/polling websocket closed/], b => [qw/polling websocket closed/],
    w => [], K => [qw/closed/],
    map { $_ => [qw/polling websocket closed/] } qw/1 P G H A D/,
);

for my $what (sort keys %ends) {
    for my $at (0 .. 3) {
        for my $get (4, 0, $at ? $at : ()) {
            for my $post ([-1, -1], [0, 3], [$at, 3]) {
                next if $what =~ /[GD]/ && $get > $at;
                next if $what =~ /[HA]/ && $post->[0] < 0;
                next if $what =~ /[1P]/ && $post->[0] >= 0;

                $group = "eio 136-143: disturbed by $what";
                my @around = ($get, @$post, $at, $what);
                plays($group, around(@around)) for 1, 2;
                plays($group, around(@around), race => 1,
                    within => $ends{$what});
            }
        }
    }
}

# A worker that has all of it to do at once, in each order of arrival.
sub permutations (@items) {
    return [] if !@items;
    my (%seen, @all);
    for my $i (grep { !$seen{$items[$_]}++ } 0 .. $#items) {
        my @rest = @items[grep { $_ != $i } 0 .. $#items];
        push @all, map { [$items[$i], @$_] } permutations(@rest);
    }
    return @all;
}

my @sets = ([qw/5 s s p/], [qw/5 s s c/], [qw/5 s g/], [qw/2 5 s g/],
    [qw/25m s s p/], [qw/5 m s s/], [qw/5 s K/], [qw/5 s p K/], [qw/5 s x/],
    [qw/5 s f/], [qw/5 m s k/], [qw/5 s P/], [qw/5 s 1/]);

for my $set (@sets) {
    my ($what) = grep { $ends{$_} } @$set;
    my @half = grep { $_ eq 'c' } @$set;

    for my $order (permutations(@$set)) {
        for my $stop ('z0', 'z1') {
            for my $before ('o', 'g o') {
                plays('at once', [@half ? 'h' : (), split(/ /, $before),
                    's', $before eq 'o' ? () : 'g', $stop, @$order, 'Z'],
                    $what ? (within => $ends{$what}) : ());
            }
        }
    }
}

# A ping that is due at some moment: all sessions go there, wait together, and
# go on.  It must come, once, by GET or websocket.  On a machine so slow that
# it comes too soon this is but another order.
my @beating;

for my $at (0 .. 3) {
    for my $get (4, 0, $at ? $at : ()) {
        for my $post ([-1, -1], [0, 3]) {
            for my $what ('', $at ? qw/x K w/ : 'K') {
                my @steps = @{around($get, @$post, $at, 'T', $what || ())};
                my ($n) = grep { $steps[$_] eq 'T' } 0 .. $#steps;
                my $w = $workers[$count++ % 8];
                my $s = $d->begin(workers => $w, path => '/beat/',
                    room => 0);
                $s->go(@steps[0 .. $n - 1]);
                push @beating, [$s, $w, $n, @steps];
            }
        }
    }
}

sleep 1.2;

for (@beating) {
    my ($s, $w, $n, @steps) = @$_;
    $s->_look;
    $s->go(@steps[$n + 1 .. $#steps]);
    my @faults = $s->faults;
    push @faults, 'no ping' if !$s->{pings} && !$s->{kicked};
    ok(!@faults, name('ping', $w, @steps)) or diag(join "\n", @faults);
}

# At random.
my @any = qw/g g g h h c c p o o o w 2 2 5 5 m m 25m s s s x f k b 1 P K G H A
    D/;

for my $n (1 .. 400) {
    my @steps = map { $any[rand @any] } 1 .. 4 + rand 14;
    plays('random', \@steps, race => $n % 2,
        $n % 2 ? (within => [qw/polling websocket closed/]) : ());
}

note("$count schedules");

# Nothing of them is left, but for two websockets that were there all along.
my ($status, $answer) = $t->publish({ op => 'count', all => \1 });
is($answer->{count}, 2, 'no socket is left');

my $p = $t->connected('polling');
$p->emit('echo', 1);
is($p->next_packet, '42["echo",1]', 'a fresh session works');

$t->finish;
