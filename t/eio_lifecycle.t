#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Thousands of idle sessions: ids that are never given twice, workers that
# sleep and do not grow, and memory that comes back; then the end of nginx.
# Fails if a worker keeps anything for a session that has no connection, if
# the wheel turns for nothing, or if a session is not freed.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use POSIX ();
use Time::HiRes qw/sleep time/;

# Handshakes in a round: more than there is room for.
my $N = 20_000;

my $t = Test::SocketIO->new(workers => 2, alarm => 60,
    globals => 'worker_shutdown_timeout 1s;');
my $b = $t->run_hook(undef, zone => '8m', socketio => <<'CONF');
            socketio_ping_interval 300s;
            socketio_connect_timeout 600s;
CONF

my $open = '/socket.io/?EIO=4&transport=polling';
my @conn = map { $t->connect_to_worker($_) } 0, 1;

# One request for each of these, 50 in flight, half of them on each worker.
sub all ($build, @of) {
    my @res;

    while (my @some = splice @of, 0, 50) {
        my $c = $conn[@res / 50 % 2];
        $c->send(join '', map { $build->($c, $_) } @some);
        push @res, map { $c->response(10) } @some;
    }

    return @res;
}

sub handshakes () {
    my @res = all(sub ($c, $i) { $c->build('GET', $open) }, 1 .. $N);
    is(scalar(grep { $_ && $_->{status} =~ /^(?:200|503)$/ } @res), $N,
        'eio 154: all handshakes are answered');
    return grep { defined } map { ($_->{body} =~ /"sid":"([^"]+)"/)[0] } @res;
}

# The sum over the workers: CPU seconds, KB of memory that is not shared.
sub cpu () {
    my $sum = 0;
    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/stat" or die "$pid: $!";
        my @f = split / /, <$f> =~ s/^.*\) //r;
        $sum += $f[11] + $f[12];
    }
    return $sum / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub memory () {
    my $sum = 0;
    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/status" or die "$pid: $!";
        $sum += $_ for map { /^RssAnon:\s+(\d+)/ } <$f>;
    }
    return $sum;
}

all(sub ($c, $i) { $c->build('GET', $open) }, 1 .. 100);
my $before = memory();

my @sids = handshakes();
cmp_ok(scalar @sids, '<', $N, 'eio 154: as many sessions as there is room');
cmp_ok(scalar @sids, '>', 10_000, 'eio 154: thousands');

my $cpu = cpu();
sleep 2;
cmp_ok(cpu() - $cpu, '<', 0.5, 'eio 154: they are idle, and so are workers');

SKIP: {
    skip 'memory of a build with sanitizers', 1 if $ENV{ASAN_OPTIONS};
    my $grown = memory() - $before;
    cmp_ok($grown, '<', 4096, "eio 154: workers keep nothing of them");
}

my %seen;
$seen{$_}++ for @sids;

for my $round (1, 2) {
    my $n = @sids;
    my @ok = grep { $_ && $_->{body} eq 'ok' } all(sub ($c, $sid) {
        $c->build('POST', "$open&sid=$sid", body => '1') }, @sids);
    is(scalar @ok, $n, 'eio 154: all of them are closed');

    my @some = @sids[map { 97 * $_ } 0 .. $#sids / 97];
    my @unknown = grep { $_ && $_->{body} =~ /^\{"code":1,/ } all(
        sub ($c, $sid) { $c->build('GET', "$open&sid=$sid") }, @some);
    is(scalar @unknown, scalar @some, 'eio 154: their sids are free');

    last if $round == 2;

    @sids = handshakes();
    cmp_ok(scalar @sids, '>', 0.98 * $n, 'eio 154: as many once more');
    $seen{$_}++ for @sids;
}

cmp_ok(scalar keys %seen, '>', $N, "eio 30: more than $N ids on two workers"
    . ' (1e5 in the dossier)');
is(scalar(grep { $_ > 1 } values %seen), 0, 'eio 30: none of them twice');
is(scalar(grep { length != 22 || /[^A-Za-z0-9_-]/ } keys %seen), 0,
    'eio 30: 22 characters that need no escape (20 in Node)');

# The end: nothing of all that holds nginx up.
my $ws = $t->connected('websocket');
my $parked = $t->connected('polling');
my $probing = $t->connected('polling');
my $probe = $t->websocket(sid => $probing->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'eio 152: probing');
$parked->get_start;
ok($parked->parked(0.2), 'eio 152: parked');

my $start = time;
$t->signal('QUIT');
is($parked->body, '6', 'eio 69, 152: a parked GET is answered (by 1 in Node;'
    . ' here the session is the zone\'s and may go on)');
is($ws->closed, 1001, 'eio 152: websockets are closed');
ok(defined $probe->closed, 'eio 152: probes, too');
is($b->reason($ws->{id}), 'server shutting down', 'eio 152: reason');
ok(eventually(sub { waitpid($t->{pid}, 1) != 0 }, 10),
    'eio 152: no timer keeps nginx');
cmp_ok(time - $start, '<', 12, 'eio 152: in time');
$t->{pid} = undef;

$t->finish;
