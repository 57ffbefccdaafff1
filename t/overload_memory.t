#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The process memory of a worker runs out: at the n-th allocation of a run
# through all that clients, hooks and publishers do, for each n.  The worker
# lives, each request gets an answer or an end, no session stays that nobody
# knows of, and what was accepted says goodbye once.  OVERLOAD_STEP=1 tries
# every n, instead of one in some.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time/;

my $STEP = $ENV{OVERLOAD_STEP} || 10;

my $t = Test::SocketIO->new(workers => 1, shim => 'memory',
    alarm => $STEP > 1 ? 60 : 600, signal => 'TERM');
my $b = $t->run_hook(undef, backend => $t->backend(sub ($e, @) {
    return [map({ { op => 'accept', id => $_->{id}, rooms => ['r'] } }
        grep { $_->{type} eq 'connect' } @$e), @{echo($e)}];
}), eio => '3 4', http => 'socketio_deflate on;', socketio => <<'CONF', server => <<'STATUS');
            socketio_cookie io;
            socketio_hook_timeout 3s;
CONF
        location = /_status { socketio_status test; }
STATUS

# nginx's own words, and what comes of them.
$t->allow_log(qr/(?:malloc|posix_memalign)\(.*\) failed/);
$t->allow_log(qr/\[alert\].*deflate(?:Init2|End)?\(\) failed/);

my ($worker) = $t->worker_pids;
my $control = $t->connect;

sub status () {
    my $r = $t->http('GET', '/_status') or return {};
    return from_json($r->{body}) // {};
}

sub arm ($n, $last = $n) { $t->shim($worker, 0, $n, $last) }

sub disarm () {
    my $count = ($t->shim_words)[1];
    $t->shim(0, 0, 0, 0);
    return $count;
}

my ($hung, $asked) = (undef, "");

# One request: its answer, or undef at an end; both in time.
sub ask ($method, $path, %o) {
    my $c = $t->connect;
    $c->request($method, $path, %o);
    my $r = $c->response(8, $method);
    $hung //= "$method $path after $asked" if !$r && !$c->{eof};
    $asked .= " $method " . ($r ? "$r->{status} $r->{body}" : 'end');
    return $r;
}

my $url = '/socket.io/?EIO=4&transport=polling';
my (@sids, @open);

sub run_through () {
    $asked = '';
    my $r = ask('GET', $url);
    my ($sid) = $r ? $r->{body} =~ /"sid":"([^"]+)"/ : ();

    if ($sid) {
        push @sids, $sid;
        my @steps = ([POST => '40'], ['GET'],
            [POST => "420[\"a\"]\x1e421[\"b\"]"], ['GET'],
            [POST => "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]"
                . "\x1ebAQID"]);

        # Who is refused stops: a GET would wait for nothing.
        for my $s (@steps) {
            my $r = ask($s->[0], "$url&sid=$sid", body => $s->[1]);
            last if !$r || $r->{status} != 200;
        }
    }

    for my $o ({ eio => 4 }, { eio => 4, deflate => 1 }, { eio => 3 }) {
        my $ws = $t->websocket(timeout => 8, %$o);
        $hung //= 'websocket handshake' if !$ws->{res} && !$ws->{conn}{eof};
        push @open, $ws;
        next if !$ws->ok || !$ws->open_packet(3) || !$ws->sio_connect('/',
            undef, 3);
        $ws->send('420["a","' . 'x' x 3000 . '"]');
        $ws->send_frame(1, '421["f', fin => 0);
        $ws->send_frame(0, 'rag"]');
    }

    ask('POST', '/_publish', body => $_)
        for '{"all":true,"event":"e","args":["' . 'y' x 3000 . '"],"key":"k"}',
            '{"op":"fetch","all":true,"fields":["rooms","data","handshake"]}',
            '{"op":"join","all":true,"room":"q"}',
            '{"all":true,"event":"e","ack":true,"timeout":100}';

    # Upgrade.
    if ($sid) {
        my $ws = $t->websocket(sid => $sid, timeout => 8);
        push @open, $ws;
        if ($ws->ok) {
            $ws->send('2probe');
            $ws->recv(1);
            $ws->send('5');
        }
    }
}

sub leave () {
    ask('POST', "$url&sid=$_", body => '1') for splice @sids;
    $_->{conn}->close for splice @open;
    return eventually(sub {
        my $s = status();
        return ($s->{sessions}{polling} // 1)
            + ($s->{sessions}{websocket} // 1)
            + ($s->{sockets}{now} // 1) == 0;
    }, 8);
}

# Once unharmed: how many there are, and what a zone at rest has; a key more,
# until it is forgotten.
arm(~0 >> 32);
run_through();
my $n = disarm();
cmp_ok($n, '>=', 100, 'a run through allocates');
ok(leave(), 'nobody stays');
my $rest = status()->{zone}{free};

my ($left, $failed) = (0, 0);

for (my $i = 1; $i <= $n; $i += $STEP) {
    arm($i);
    run_through();
    disarm();
    $left++, diag("sessions stay after number $i") if !leave();
    last if $hung || $left > 3;
}

is($hung, undef, 'every request gets an answer or an end');
is($left, 0, 'no session stays');
is_deeply([$t->worker_pids], [$worker], 'the worker lives');

# Nothing at all for a while.
arm(1, ~0 >> 32);
my $c = $t->connect;
$c->request('GET', $url);
$c->response(1);
disarm();

ok(eventually(sub { $t->connected('websocket')->{id} }, 10),
    'all is well with memory');
$t->close_all;
ok(leave(), 'and nobody stays');

# As many goodbyes as welcomes, but of those whose accept had no memory.
my %n;
$n{$_->{sid}}{$_->{type}}++ for $b->events;
is(scalar(grep { ($_->{disconnect} // 0) > 1 } values %n), 0,
    'no goodbye comes twice');
ok(eventually(sub { status()->{zone}{free} >= $rest }, 8),
    'the zone is as empty as before') or diag status()->{zone}{free}, " $rest";

$t->finish;
