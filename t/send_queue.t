#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Clients that do not fetch what they are sent: each queue is bounded, who
# overruns it is closed and never left with a gap, the others get everything.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(undef, zone => '32m', socketio => <<'CONF');
            socketio_send_queue 20 64k;
CONF

sub poll () { return $t->connected('polling') }

sub ws () { return $t->connected('websocket') }

my $reader = ws();
my $slow = poll();
my $n = 0;

sub publish ($count, $size = 0) {
    my $x = 'x' x $size;
    for (1 .. $count) {
        my $name = 'e' . ++$n;
        $t->publish({ all => \1, event => $name, args => [$x] },
            worker => $n % 2);
        is($reader->next_packet, "42[\"$name\",\"$x\"]", 'the reader gets all')
            if $n % 10 == 0;
        $reader->next_packet if $n % 10;
    }
}

publish(20);
ok($slow->alive, 'packets: at the limit');
my @got = $slow->collect(20);
is_deeply(\@got, [map { "42[\"e$_\",\"\"]" } 1 .. 20], 'all of them kept');

publish(21);
ok($slow->gone, 'packets: beyond it closed');
ok(defined $b->reason($slow->{id}), 'the backend hears of it');

$slow = poll();
publish(6, 10_000);
ok($slow->alive, 'bytes: at the limit');
publish(2, 10_000);
ok($slow->gone, 'bytes: beyond it closed');

# Volatile is dropped before anybody is closed.
$slow = poll();
publish(20);
$t->publish({ all => \1, event => 'volatile', volatile => \1 });
ok($slow->alive, 'a volatile packet closes nobody');
@got = $slow->collect(20);
is(scalar(grep { /volatile/ } @got), 0, 'it was dropped');
is(scalar @got, 20, 'the rest was kept');
is($reader->next_packet, '42["volatile"]', 'who can take it gets it');

# A websocket that does not read: the kernel's buffers first, then the queue.
my $stuck = ws();
my $big = 'x' x 60_000;
my $gone = 0;
for (1 .. 400) {
    $t->publish({ all => \1, event => 'big', args => [$big] });
    $reader->next_packet;
    if ($_ % 20 == 0) {
        $gone = grep { $_->{sid} eq $stuck->{id} } $b->events('disconnect');
        last if $gone;
    }
}
ok($gone || defined $b->reason($stuck->{id}),
    'a websocket that does not read is closed');
my ($status, $a) = $t->publish({ op => 'count', all => \1 });
is($a->{count}, 1, 'who reads is still there');

my %d;
$d{$_->{sid}}++ for $b->events('disconnect');
is_deeply([grep { $_ != 1 } values %d], [], 'one disconnect each');

$reader->close;
$t->finish;
