#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A zone too small: new sessions get 503, old ones go on, and when some have
# left there is room again.  Fails if anything is leaked with a session, or if
# new sessions may take the memory that those who are in need to go on.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);
$t->run_echo(zone => '1m', socketio => <<'CONF');
            socketio_ping_interval 60s;
            socketio_connect_timeout 120s;
CONF

my @conn = map { $t->connect_to_worker($_) } 0, 1;

sub conn ($i) {
    my $c = $conn[$i % 2];
    $c->_fill(0);
    return $c->{eof} ? $conn[$i % 2] = $t->connect : $c;
}

# Handshakes until one is refused: sids, and the refusal.
sub fill ($max) {
    my @sids;
    while (@sids < $max) {
        my $r = $t->http('GET', '/socket.io/?EIO=4&transport=polling',
            conn => conn(scalar @sids));
        return (\@sids, $r) if $r->{status} != 200;
        push @sids, $r->{body} =~ /"sid":"([^"]+)"/;
    }
    return (\@sids, undef);
}

# Closes sessions by POST "1" of their clients.
sub leave (@sids) {
    for my $i (0 .. $#sids) {
        $t->http('POST', "/socket.io/?EIO=4&transport=polling&sid=$sids[$i]",
            body => '1', conn => conn($i));
    }
}

# This one was there before.
my $ws = $t->websocket(worker => 0);
$ws->open_packet;
ok($ws->sio_connect, 'connected');

my ($sids, $refused) = fill(20_000);
ok($refused, 'the zone is full at some point');
diag scalar(@$sids) . ' sessions in 1m' if $ENV{TEST_NGINX_VERBOSE};
is($refused->{status}, 503, 'handshake: 503');
cmp_ok(scalar @$sids, '>=', 300, 'not before it is worth its size');

my $w = $t->websocket;
is($w->status, 503, 'websocket handshake: 503');
ok(eventually(sub { $t->log_lines(qr/\[(?:error|warn)\].*(?:zone|memory)/) }),
    'and it is logged');
cmp_ok(scalar(my @l = $t->log_lines(qr/\[(?:error|warn|crit|alert)\]/)), '<',
    20, 'but not for every refusal');

ok($t->session_alive($sids->[0]), 'old sessions are there');
is($t->http('POST', "/socket.io/?EIO=4&transport=polling&sid=$sids->[0]",
    body => '3')->{status}, 200, 'and are served');

# Nobody took from them what messages need: several at a time, of many pages.
my $long = 'x' x 5000;
$ws->send(qq{42["m","$_$long"]}) for 1 .. 5;
is($ws->next_packet, qq{42["echo","$_$long"]}, "full: event $_ comes back")
    for 1 .. 5;

# Two rounds: all leave, all come back, none fewer.
my $n = @$sids;
for my $round (1, 2) {
    leave(@$sids);
    ok(eventually(sub { !$t->session_alive($sids->[-1]) }), 'all have left');
    $ws->send('42["m",1]');
    is($ws->next_packet, '42["echo",1]', "round $round: the first one works");
    ($sids, $refused) = fill($n + 500);
    cmp_ok(scalar @$sids, '>=', $n - $n / 50, "round $round: room again");
    ok($refused, "round $round: and full again");
}

leave(@$sids);
my $p = $t->polling;
ok($p->sio_connect, 'a new session works');
$p->send('42["m",2]');
is($p->next_packet, '42["echo",2]', 'both ways');

$t->finish;
