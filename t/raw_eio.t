#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What Engine.IO says of messages (the dossier's behaviours to test), with
# messages that are no packets of Socket.IO: any text, any bytes, both
# revisions, both transports, and across an upgrade.  Fails if anything looks
# into a message, or if one is lost, doubled, changed or overtaken.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Backend qw/reply echo/;
use MIME::Base64 qw/encode_base64/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_raw(\&echo, socketio => <<'CONF');
            socketio_max_payload 4m;
            socketio_send_queue 10000 8m;
            socketio_hook_batch 100 8m;
CONF

sub push_to ($s, @texts) {
    $t->publish([map { { op => 'send', sid => $s->{id}, text => "$_" } } @texts],
        worker => 1);
}

# --- polling

my $p = $t->raw('polling');
my $r = $p->post('4hello');
is("$r->{status} $r->{headers}{'content-type'} $r->{body}", '200 text/html ok',
    'eio 41: POST');
is($r->{headers}{'content-length'}, 2, 'eio 41: length');
$r = $p->get;
is($r->{body}, '4hello', 'eio 42: GET after echo');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8', 'eio 42: type');
like($r->{headers}{'cache-control'}, qr/no-store/, 'eio 42: not cached');

$p->get_start;
ok($p->parked(0.3), 'eio 43: GET parks');
push_to($p, 'go');
is($p->body, '4go', 'eio 43: released by the next packet');

push_to($p, qw/a b c/);
is($p->body, "4a\x1e4b\x1e4c", 'eio 44: three sends, one body');

$p->send(qw/4test1 4test2 4test3/);
is_deeply([$p->collect(3)], [qw/4test1 4test2 4test3/],
    'eio 45: three messages in order');
is_deeply([map { $_->{text} } ($b->events('message'))[-3 .. -1]],
    [qw/test1 test2 test3/], 'eio 45: to the backend, too');

$p->post("4hello\x1ebAQIDBA==");
is_deeply([$p->collect(2)], ['4hello', 'bAQIDBA=='],
    'eio 46: text and binary, the same encoding');
is(($b->events('message'))[-1]{binary}, 'AQIDBA==', 'eio 46: its bytes');

$p->post("4\x1eb\x1e4");
is_deeply([$p->collect(3)], ['4', 'b', '4'], 'eio 47: empty messages');
my @e = ($b->events('message'))[-3 .. -1];
is_deeply([map { $_->{text} // $_->{binary} } @e], ['', '', ''],
    'eio 47: to the backend, too');

# Nothing of Socket.IO in them, whatever they look like.
my @odd = ('40', '41', '42["x"]', '451-["x",{"_placeholder":true,"num":0}]',
    '440{', '4/chat,', '42', "4\t\n", '44');
$p->send(@odd);
is_deeply([$p->collect(@odd + 0)], \@odd, 'messages are not looked into');

$p->post("4a\xffb\xc3\x1e4\xed\xa0\x80\x1e4c");
is_deeply([$p->collect(3)], ["4a\xef\xbf\xbdb\xef\xbf\xbd",
    '4' . "\xef\xbf\xbd" x 3, '4c'], 'eio 63: invalid UTF-8 is replaced');
$p->send('1');

# --- revision 3 by polling: payloads by hand

# All that its GETs get until they match.
sub until_ ($s, $re) {
    my $body = '';
    $body .= $s->body until $body =~ /$re|none|400/;
    return $body;
}

my $p3 = $t->raw('polling', eio => 3, b64 => 1);
is($p3->post('2:4a2:4b2:4c')->{body}, 'ok', 'eio 45: revision 3');
is(until_($p3, qr/2:4c$/), '2:4a2:4b2:4c', 'eio 45: and back');
push_to($p3, qw/a b c/);
is($p3->body, '2:4a2:4b2:4c', 'eio 44: revision 3');

# a length counts UTF-16 units; base64 has the type in front
$p3->post("2:4\xe2\x82\xac3:4\xf0\x9f\x98\x8010:b4AQIDBA==1:4");
is(until_($p3, qr/==1:4$/),
    "2:4\xe2\x82\xac3:4\xf0\x9f\x98\x8010:b4AQIDBA==1:4",
    'eio 46: revision 3, text and binary');
is_deeply([map { $_->{text} // "b$_->{binary}" }
    ($b->events('message'))[-4 .. -1]],
    ["\x{20ac}", "\x{1f600}", 'bAQIDBA==', ''], 'to the backend');

# One with XHR2 gets binary payloads if there is anything binary.
my $x = $t->raw('polling', eio => 3);
$x->post("\0\5\xff4a\xe2\x82\xac\1\4\xff\4\1\2\3",
    type => 'application/octet-stream');
my $body = until_($x, qr/\x01\x02\x03$/);
like($body, qr/4a\xe2\x82\xac/, 'revision 3, binary payload: text');
like($body, qr/\x01\x04\xff\x04\x01\x02\x03$/, 'and bytes');
is_deeply([map { $_->{text} // "b$_->{binary}" }
    ($b->events('message'))[-2, -1]], ["a\x{20ac}", 'bAQID'],
    'to the backend');
$x->post("\0\4\xff4\xff\xfe\x80", type => 'application/octet-stream');
is($b->reason($x->{id}), 'parse error', 'text that is not UTF-8');

# --- websocket

my %ws = (4 => $t->raw('websocket'), 3 => $t->raw('websocket', eio => 3));
for my $eio (4, 3) {
    my $ws = $ws{$eio};
    my $type = $eio == 3 ? "\4" : '';

    $ws->send_text('4hello');
    my $f = $ws->frame;
    is("$f->{op} $f->{payload}", '1 4hello', "eio 101: text, revision $eio");
    $ws->send_binary("$type\1\2\xff");
    $f = $ws->frame;
    is("$f->{op} $f->{payload}", "2 $type\1\2\xff",
        "eio 101: binary, revision $eio");
    is(($b->events('message'))[-1]{binary}, 'AQL/', 'eio 101: its bytes');

    $ws->send_binary('');
    $ws->send_text('4next');
    my @w = $eio == 4 ? ('2 ', '1 4next') : ('1 4next');
    is_deeply([map { my $f = $ws->frame; "$f->{op} $f->{payload}" } @w], \@w,
        "eio 102: empty binary frame, revision $eio");
    if ($eio == 3) {
        $ws->send_binary("\4");
        $f = $ws->frame;
        is("$f->{op} $f->{payload}", "2 \4", 'eio 102: empty, with its type');
    }

    my $b4 = $eio == 3 ? 'b4' : 'b';
    $ws->send_text("${b4}AQI=");
    $f = $ws->frame;
    is("$f->{op} $f->{payload}", "2 $type\1\2", "eio 104: $b4");
    is(($b->events('message'))[-1]{binary}, 'AQI=', 'eio 104: its bytes');
    $ws->send_text($b4);
    $f = $ws->frame;
    is("$f->{op} $f->{payload}", "2 $type", "eio 104: $b4 without bytes");

    # eio 105: in three fragments, the last one empty, a ping between
    $ws->send_frame(1, '4frag', fin => 0);
    $ws->send_frame(9, 'are you there');
    $f = $ws->frame;
    is("$f->{op} $f->{payload}", '10 are you there',
        'eio 105: ping between fragments');
    $ws->send_frame(0, 'ment', fin => 0);
    $ws->send_frame(0, '');
    is($ws->recv, '4fragment', "eio 105: in one piece, revision $eio");

    push_to($ws, 1 .. 300);
    is_deeply([map { my $f = $ws->frame; "$f->{fin} $f->{payload}" } 1 .. 300],
        [map { "1 4$_" } 1 .. 300], 'eio 111: in order, a frame each');

    my $big = 'x' x 200_000;
    $ws->send_text("4$big");
    ok($ws->recv eq "4$big", 'a long one');
}

my $b64 = $t->raw('websocket', query => '&b64=1');
$b64->send_binary("\1\2\3");
my $f = $b64->frame;
is("$f->{op} $f->{payload}", '1 bAQID', 'eio 103: b64=1');
my $b643 = $t->raw('websocket', eio => 3, query => '&b64=1');
$b643->send_binary("\4\1\2\3");
$f = $b643->frame;
is("$f->{op} $f->{payload}", '1 b4AQID', 'eio 103: b64=1, revision 3');

# --- upgrades

for my $eio (4, 3) {
    # eio 133: what was sent between the probe and "5" and no GET came for
    my $s = $eio == 4 ? $t->raw('polling') : $t->raw('polling', eio => 3);
    my $w = $t->websocket(sid => $s->{sid}, worker => 1, eio => $eio);
    $w->send('2probe');
    is($w->recv, '3probe', "eio 133: probe, revision $eio");
    push_to($s, 1 .. 5);
    $t->publish({ op => 'send', sid => $s->{id}, binary => 'AQI=' });
    $w->send('5');
    push_to($s, 6);
    is_deeply([map { $w->recv } 1 .. 7], [(map { "4$_" } 1 .. 5), 'bAQI=',
        '46'], 'eio 133: after it, in order');
    $w->send('4on');
    is($w->recv, '4on', 'eio 133: and back');
    $w->close;
}

# eio 147: numbered messages in both directions all the while, upgrades at
# different moments
for my $round (1 .. 12) {
    my $s = $t->raw('polling', get_worker => $round % 2,
        post_worker => ($round + 1) % 2);
    my ($w, @got);
    my ($up, $down) = (0, 0);

    for my $step (1 .. 20) {
        if ($step == $round) {
            $w = $t->websocket(sid => $s->{sid}, worker => $round % 2);
            $w->send('2probe');
            $w->recv eq '3probe' or BAIL_OUT('no probe');
        }
        if ($step == $round + 3) {
            # Clients let their polls end first.
            push @got, $s->recv(2) while @{$s->{queue}} || $s->{in_get};
            $w->send('5');
        }
        my $on_ws = $w && $step >= $round + 3;
        push_to($s, 'down' . ++$down);
        my $bin = 'up' . ++$up;
        my @m = ("4$bin", \$bin);
        $on_ws ? $w->send(@m) : $s->send(@m);
        push_to($s, 'down' . ++$down);
        $s->get_start if !$on_ws && !$s->{in_get} && !@{$s->{queue}};
        push @got, $s->recv(2) if !$on_ws && $step % 3 == 0;
    }

    push @got, $w->recv(2) // last
        while grep({ /^(?:4|b)/ } @got) < $down + 2 * $up;
    @got = grep { !/^6$/ } @got;

    is_deeply([grep { /^4down/ } @got], [map { "4down$_" } 1 .. $down],
        "eio 147: round $round, from the server");
    is_deeply([grep { !/^4down/ } @got], [map { ("4up$_",
        'b' . encode_base64("up$_", '')) } 1 .. $up], 'from the client');
    my @m = grep { $_->{sid} eq $s->{id} } $b->events('message');
    is_deeply([map { $_->{text} // MIME::Base64::decode_base64($_->{binary}) }
        @m], [map { ("up$_") x 2 } 1 .. $up], 'as the backend has it');
    is_deeply([map { $_->{seq} } @m], [1 .. @m], 'seq without gaps');
    $w->close;
}

# eio 49: split in the middle of a character; the parts of a body are read as
# they come.  The last one, since a record of it takes long to decode.
$p = $t->raw('polling');
my $chinese = "\xe4\xbd\xa0\xe5\xa5\xbd" x 175_000;
my $half = 1 + int(length($chinese) / 2);
$half++ until ord(substr $chinese, $half, 1) >= 0x80
    && ord(substr $chinese, $half, 1) < 0xc0;
$r = $p->post('', chunked => ['4' . substr($chinese, 0, $half),
    substr($chinese, $half)]);
is($r->{body}, 'ok', 'eio 49: POST');
ok($p->next_packet(10) eq "4$chinese", 'eio 49: 1 MB of Chinese text');

$_->close for values %ws, $b64, $b643;
$t->finish;
