#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Upgrades of revision 3 sessions, from each kind of polling to each kind of
# websocket, with GET, POST and websocket on three workers.  Fails if what
# waited for a GET is written as that payload would be, or as another kind of
# frame; if a GET is released with the words of revision 4.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::Upgrade;

my $t = Test::SocketIO->new(workers => 3, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', server => <<'CONF');
        location /short/ {
            socketio test;
            socketio_hook /_hook;
            socketio_upgrade_timeout 600ms;
        }
CONF

of($t, $b, eio => 3);

my $ph = '{"_placeholder":true,"num":0}';
my %polling = (XHR2 => {}, b64 => { b64 => 1 }, JSONP => { jsonp => 0 });

sub session (%o) { return $t->connected('polling', eio => 3, %o) }

# A payload of one packet, as the session has it.
sub payload ($p, $packet) {
    my $text = length($packet) . ":$packet";
    return defined $p->{j} ? qq(___eio[$p->{j}]("$text");) : $text;
}

# All pairs: what is pushed before, between and after comes in one order, and
# binary as its transport has it.
for my $how (sort keys %polling) {
    for my $b64 (0, 1) {
        my $name = "$how to " . ($b64 ? 'W3 b64' : 'W3');
        my $p = session(%{$polling{$how}});

        $p->get_start;
        ok($p->parked(0.1), "$name: GET parked");
        my $ws = probe($p, query => $b64 ? '&b64=1' : '');
        is($p->body, payload($p, '6'), "eio 130: $name: released by 6");
        is($p->body, payload($p, '6'), "eio 131: $name: and again");

        ok($p->send("451-[\"m\",$ph]", \"\x00\xff"),
            "eio 132: $name: POST between probe and 5");
        ok(eventually(sub { delivered($p) == 1 }), 'delivered');
        publish($p, 1 .. 3);
        $ws->send('5', '42["ws"]', "451-[\"m\",$ph]", \'w');
        # echoes are in order, and what is published is, not both
        my @got = map { $ws->next_packet } 1 .. 8;
        is_deeply([grep { !/^42\["\d"\]$/ } @got],
            ["451-[\"echo\",$ph]", 'bAP8=', '42["echo"]',
             "451-[\"echo\",$ph]", 'bdw=='],
            "eio 129, 133: $name: echoes, in frames of its kind");
        is_deeply([grep { /^42\["\d"\]$/ } @got],
            [map { "42[\"$_\"]" } 1 .. 3], "eio 133: $name: pushed");
        like(join(' ', @got), qr/^(?:(?:451\S+ b\S+|42\S+)(?: |$))+$/,
            "sio 109: $name: attachments behind their header");
        is_deeply([delivered($p)], ['m', 'ws', 'm'],
            "eio 132: $name: in this order");

        my $r = $p->get;
        is($r->{status}, 400, "eio 141: $name: GET after the upgrade");
        is($r->{body}, '{"code":3,"message":"Bad request"}', 'code 3');
        is($p->post(($p->payload('42["late"]'))[0])->{status}, 400,
            "eio 141: $name: POST after the upgrade");
        is($t->http('GET', $p->url =~ s/EIO=3/EIO=4/r, headers =>
            $p->{headers})->{body}, '{"code":3,"message":"Bad request"}',
            "eio 141, 17: $name: GET of another revision");
        works($ws, "eio 141: $name: websocket works");
        $ws->close;
        is($b->reason($p->{id}), 'transport close', "$name: its end");
        ok(!grep({ $_ eq 'late' } delivered($p)), "$name: nothing late");
    }
}

# Attachments on their way over.
my $p = session();
ok($p->send("452-[\"m\",$ph," . ($ph =~ s/0/1/r) . ']', \'a'),
    'header and one attachment by POST');
my $ws = probe($p);
$ws->send('5', \'b');
is_deeply([map { $ws->next_packet } 1 .. 3],
    ["452-[\"echo\",$ph," . ($ph =~ s/0/1/r) . ']', 'bYQ==', 'bYg=='],
    'the other one by websocket');
$ws->close;

# A GET that is parked when 5 comes.
for (1 .. 5) {
    $p = session();
    $ws = probe($p);
    $p->get_start;
    $ws->send('5');
    my $body = $p->body;
    like($body, qr/^1:[16]$|^400$/, "eio 134: GET at 5 is answered ($body)");
    works($ws, 'eio 134: websocket works');
    $ws->close;
}

$p = session();
$ws = upgrade($p);
$ws->send('5');
works($ws, 'eio 135: 5 without probe');
$ws->close;

$p = session();
$ws = upgrade($p);
$ws->send('2probe', '5', '42["m","piped"]', '2');
is($ws->recv, '3probe', 'eio 135: pipelined: probe');
is_deeply([sort map { $ws->recv } 1, 2], ['3', '42["echo","piped"]'],
    'eio 135: pipelined: message and ping');
$ws->close;

# Anything else than a probe; a ping is none, though W3 has pings.
for my $bad ('42["m"]', '2', '3', '3probe', '2probex', 'x', '6',
    \"\x02probe", \'', 'b2')
{
    my $name = ref $bad ? 'binary' : $bad;
    $p = session();
    $ws = upgrade($p);
    ref $bad ? $ws->send_frame(2, $$bad) : $ws->send($bad);
    is($ws->closed, '', "eio 136: first packet $name: websocket closed");
    works($p, 'eio 136: polling lives');
    is_deeply([delivered($p)], ['m'], 'eio 136: nothing of it delivered');
}

# Lost ones.
$p = session();
$ws = probe($p);
$ws->{conn}->reset;
works($p, 'eio 137: websocket reset before 5: polling lives');
$ws = probe($p);
$ws->close;
works($p, 'eio 137: closed before 5: polling lives');
$ws = $t->websocket(sid => $p->{sid}, eio => 4, worker => 2);
is($ws->status, 400, 'eio 146: with EIO=4');
is($t->websocket(path => "/socket.io/?transport=websocket&sid=$p->{sid}",
    worker => 2)->status, 400, 'eio 146: without EIO');
works($p, 'eio 146: polling lives');
$ws = probe($p);
$ws->send('5');
works($ws, 'eio 137: another attempt succeeds');
$ws->close;

$p = session(path => '/short/');
$ws = probe($p, path =>
    "/short/?EIO=3&transport=websocket&sid=$p->{sid}");
is($ws->closed, '', 'eio 138: upgradeTimeout: websocket closed');
works($p, 'eio 138: polling lives');

$p = session();
$ws = probe($p);
my $second = upgrade($p, worker => 0);
is($second->status, 101, 'eio 139: second websocket during the upgrade');
is($second->closed, '', 'eio 139: closed');
$ws->send('5');
works($ws, 'eio 139: first upgrade completes');
$second = upgrade($p, worker => 0);
is($second->status, 101, 'eio 140: second websocket after the upgrade');
is($second->closed, '', 'eio 140: closed');
works($ws, 'eio 140: the first one works');
$ws->send('1');
works($ws, 'eio 107: 1 on a websocket is ignored');
$ws->close;

# Closing meanwhile.
$p = session();
$p->get_start;
$ws = probe($p);
is($p->body, '1:6', 'eio 130: released');
is($p->post('1:1')->{body}, 'ok', 'eio 142: client closes during the upgrade');
is($ws->closed, '', 'eio 142: websocket closed');
is($b->reason($p->{id}), 'transport close', 'eio 142: reason');

$p = session();
$ws = probe($p);
is($p->post('4:4abc')->{body}, 'ok', 'eio 143: server close in the upgrade');
$ws->send('5');
is($ws->closed, '', 'eio 143: websocket closed');
is($b->reason($p->{id}), 'forced close', 'eio 143: reason');

$p = session();
$ws = probe($p);
is($p->post('x')->{body}, 'ok', 'eio 142: parse error during the upgrade');
is($ws->closed, '', 'eio 142: websocket closed');
is($b->reason($p->{id}), 'parse error', 'eio 142: reason');

# Nothing lost, nothing twice, while a publisher goes on, with binary.
for my $how (sort keys %polling) {
    $p = session(%{$polling{$how}});
    $ws = upgrade($p);
    my (@got, $n);

    for my $round (1 .. 20) {
        $t->publish([map { $n++; { sid => $p->{id}, event => "$n",
            args => [{ _placeholder => \1, num => 0 }],
            attachments => ['AA=='] } } 1 .. 5]);
        push @got, $p->next_packet if $round == 4;
        $ws->send('2probe') if $round == 7;
        $ws->send('5') if $round == 13;
    }

    push @got, splice @{$p->{queue}};
    while (@got < 2 * $n && defined(my $x = $ws->recv)) {
        push @got, $x unless $x eq '3probe';
    }
    is_deeply(\@got, [map { ("451-[\"$_\",$ph]", 'bAA==') } 1 .. $n],
        "eio 147: $how: $n events across the switch: all, once, in order");
    ok($ws->silent(0.1), 'eio 147: and no more');
    $ws->close;
}

$t->finish;
