#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# socketio_drain: websockets of workers that shut down leave one after the
# other, with 1001, over the time that was asked for; polling sessions, and the
# websockets of other locations, do not.  Fails if they leave all at once or
# too late; if anything emitted before is missing or has a gap; if what a
# client said before it heard of it is lost; if who does not answer holds the
# worker.

use v5.36;
use lib 't/lib';
use IO::Select ();
use Time::HiRes qw/time/;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Test::SocketIO::WebSocket ();

my $n = 24;
my $time = 2.5;

my $t = Test::SocketIO->new(workers => 2, alarm => 60,
    globals => 'worker_shutdown_timeout 30s;');
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
}, socketio => 'socketio_drain 2500ms;', server => <<'CONF');
        location /stay/ { socketio test; socketio_hook /_hook; }
        location = /_status { socketio_status test json; }
CONF

# What it refuses.
for (['socketio_drain 0;', qr/"socketio_drain": "0" must be a time/],
    ['socketio_drain 2d;', qr/"2d" must be a time/],
    ['socketio_drain 1s; socketio_drain 2s;', qr/is duplicate/],
    ['socketio_transports polling; socketio_drain 1s;', qr/is useless with/],
    ['socketio_drain 30s;', qr/30000ms must be less than .* 30000ms/])
{
    my ($status, $out) = $t->test_location('/socket.io/', $_->[0]);
    ok($status != 0 && $out =~ $_->[1], "refused: $_->[0]") or diag($out);
}

for ('socketio_drain off;', 'socketio_drain 29s;',
    'socketio_transports polling; socketio_drain off;')
{
    my ($status) = $t->test_location('/socket.io/', $_);
    is($status, 0, "taken: $_");
}

my @ws = map { $t->connected('websocket', worker => $_ % 2) } 1 .. $n;
my $mute = $t->connected('websocket');
my $stays = $t->connected('websocket', path => '/stay/');
my $poll = $t->connected('polling', get_worker => undef, post_worker => undef);

my $late = $t->connected('polling');
my $probe = $t->websocket(sid => $late->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'probing');

$ws[0]->send('42["hold"]', '42["behind"]');
ok(eventually(sub { grep { $_->{event} eq 'hold' } $b->events('event') }),
    'hook in flight');

my $begin = time;
my @old = $t->reload;
$probe->send('5');

sub exiting () {
    my $r = $t->http('GET', '/_status');
    return Test::SocketIO::from_json($r->{body})->{zone}{exiting};
}

is(exiting(), 2, 'status: two workers are shutting down');

# One event after the other to all; each reads until its Close, then says
# something, as if it had not seen it, and answers.
my $sent = 0;
my %left = map { $ws[$_]{conn}{sock} => $_ } 0 .. $#ws;
my $select = IO::Select->new(map { $_->{conn}{sock} } @ws);
my (@got, @closed);

while (%left && time - $begin < $time + 8) {
    $t->publish({ all => \1, event => 'n', args => [++$sent] });

    for my $sock ($select->can_read(0.02)) {
        my $i = $left{$sock};
        while (my $f = $ws[$i]->frame(0.001)) {
            if ($f->{op} != Test::SocketIO::WebSocket::CLOSE) {
                push @{$got[$i]}, $1 if $f->{payload} =~ /^42\["n",(\d+)\]$/;
                next;
            }
            push @closed, [$i, time - $begin, unpack 'n', $f->{payload}];
            $ws[$i]->send("42[\"unheard\",$i]");
            $ws[$i]->send_frame(Test::SocketIO::WebSocket::CLOSE,
                $f->{payload});
            $select->remove($sock);
            delete $left{$sock};
            last;
        }
    }
}

is(scalar @closed, $n, 'all have left');
is_deeply([grep { $_->[2] != 1001 } @closed], [], 'with 1001');
is(scalar(grep { my $k = 0; grep { $_ != ++$k } @{$_ // []} } @got), 0,
    'nothing before that is missing, doubled or in disorder');

my @early = grep { $_->[1] < $time / 2 } @closed;
cmp_ok(scalar @early, '>', 2, 'some in the first half of the time');
cmp_ok(scalar @early, '<', $n - 2, 'some in the second');
my %tenths = map { int($_->[1] * 10) => 1 } @closed;
cmp_ok(scalar keys %tenths, '>', 5, 'not all at once');
cmp_ok($closed[-1][1], '<', $time + 5, 'none much later');

$b->release('gate');
is($b->reason($_->{id}), 'server shutting down', 'the backend hears of it')
    for @ws[0 .. 3];

my %said;
ok(eventually(sub {
    %said = map { $_->{event} eq 'unheard' ? ($_->{args}[0] => $_->{sid}) : () }
        $b->events('event');
    keys %said == $n;
}, 8), 'what they said before they heard of it is not lost')
    or diag(join ' ', sort keys %said);
is_deeply([grep { ($said{$_} // '') ne $ws[$_]{id} } 0 .. $#ws], [],
    'nor mistaken');
ok(eventually(sub { grep { $_->{event} eq 'behind' } $b->events('event') }),
    'nor what waited for the backend');

is($probe->closed, 1001, 'an upgrade completed meanwhile leaves, too');

# It has got its Close, and does not answer.
is($mute->closed(8), 1001, 'who does not answer gets a Close');
ok($mute->{conn}->closed(8), 'and is closed');

$stays->send('42["m",1]');
ok(scalar(grep { $_ eq '42["echo",1]' } $stays->collect($sent + 1)),
    'a websocket of a location without it stays');
ok(scalar(grep { $_ eq "42[\"n\",$sent]" } $poll->collect($sent)),
    'a polling session is not touched');
ok($poll->alive, 'and goes on');

$stays->close;
ok(eventually(sub { !$t->worker_pids(qr/is shutting down$/) }, 10),
    'old workers leave with the last');
is(exiting(), 0, 'status: none is shutting down');

# A graceful stop is the same.
my @last = map { $t->connected('websocket', worker => $_) } 0, 1;
$t->signal('QUIT');
is($_->closed(8), 1001, 'QUIT: they leave, too') for @last;
is($b->reason($_->{id}), 'server shutting down', 'and the backend hears of it')
    for map { $_->close; $_ } @last;

# nginx -t wrote it there, too
$t->allow_log(qr/"socketio_drain" 30000ms must be less than/);
$t->finish;
