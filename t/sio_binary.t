#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Binary packets: attachments wherever they arrive, and headers that lie.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(\&echo, server => <<'CONF');
        location /tight/ {
            socketio test;
            socketio_hook /_hook;
            socketio_limits attached=1000;
        }
CONF

sub ph ($n) { return qq({"_placeholder":true,"num":$n}) }

sub ws () { return $t->connected('websocket') }

sub poll () { return $t->connected('polling') }

sub echoes ($name, $header, $args, $bins, $expect = undef) {
    for my $s (ws(), poll()) {
        $s->send("$header\[\"echo\",$args]", map { \$_ } @$bins);
        my @got = $s->collect(1 + @$bins);
        my $n = @$bins;
        is_deeply(\@got, [$expect // "45$n-[\"echo\",$args]",
            map { 'b' . MIME::Base64::encode_base64($_, '') } @$bins],
            "$name, " . ref $s);
    }
}

# To the backend, with all attachments.
sub delivers ($name, $header, @bins) {
    for my $s (ws(), poll()) {
        $s->send($header, map { \$_ } @bins);
        my $e = eventually(sub {
            (grep { $_->{sid} eq $s->{id} } $b->events('event'))[0] });
        is_deeply($e ? $e->{attachments} : undef,
            [map { MIME::Base64::encode_base64($_, '') } @bins],
            "$name, " . ref $s);
    }
}

sub closes ($name, @packets) {
    for my $s (ws(), poll()) {
        my $polling = $s->isa('Test::SocketIO::Session');
        $s->send(@packets);
        is($polling ? $s->body(2) : $s->closed(2), $polling ? "6\x1e1" : '',
            "$name, closed, " . ref $s);
        is($b->reason($s->{id}, 2), 'forced close', "$name, " . ref $s);
    }
}

echoes('sio 71: two attachments', '452-', ph(0) . ',' . ph(1),
    ["\1\2", "\xff\0"]);
echoes('sio 72: placeholders out of order', '452-', ph(1) . ',' . ph(0),
    ["\1", "\2"]);
delivers('sio 73: one placeholder twice', '451-["twice",' . ph(0) . ','
    . ph(0) . ']', "\1\2\3");
echoes('sio 74: nested', '452-', 'null,{"a":[null,' . ph(0) . '],"b":{"c":'
    . ph(1) . '}}', ["\1", "\2"]);
delivers('sio 76: no placeholders', '452-["unused",1]', "\1", "\2");
echoes('sio 80: ten attachments', '4510-', join(',', map { ph($_) } 0 .. 9),
    [map { chr } 1 .. 10]);
echoes('sio 84: empty attachments', '452-', ph(0) . ',' . ph(1), ['', '']);

closes("sio 75: num $_", "451-[\"m\",{\"_placeholder\":true,\"num\":$_}]",
    \"\1") for 1, -1, '"0"', 0.5, 'null', 99999999999;
closes('sio 77: binary without header', \"\1");
closes('sio 78: text while attachments are missing', '452-["m"]', \"\1",
    '42["m"]');
closes("sio 79: $_", $_, \"\1") for '45["x"]', '45-["x"]', '451.5-["x"]',
    '45-1-["x"]', '4511-["x"]', '45999999999999999999-["x"]', '451e0-["x"]';
closes('sio 81: no attachments announced', '450-["m"]');
closes('one attachment too many', '451-["m"]', \"\1", \"\2");
closes('DISCONNECT while attachments are missing', '451-["m"]', '41');
closes('invalid JSON in a binary event', '451-["m"', \"\1");
closes('reserved name in a binary event', '451-["connect"]', \"\1");

# What is over is over: none of those got through.
is(scalar(grep { $_->{event} eq 'm' && $_->{args} }
    grep { !$_->{attachments} } $b->events('event')), 0,
    'nothing of the refused packets was delivered');

my $p = poll();
ok($p->send('452-["echo",' . ph(0) . ',' . ph(1) . ']'),
    'sio 82: header in one POST');
ok($p->send(\"\1"), 'sio 82: first attachment in another');
$p->{post} = $t->connect_to_worker(0);
ok($p->send(\"\2", '42["echo","next"]'), 'sio 82: second, other worker');
is_deeply([$p->collect(4)], ['452-["echo",' . ph(0) . ',' . ph(1) . ']',
    'bAQ==', 'bAg==', '42["echo","next"]'], 'sio 82, 83, 87: delivered');

my $ws = ws();
$ws->send_raw(Test::SocketIO::WebSocket::frame_bytes(1, '451-["echo",'
    . ph(0) . ']') . Test::SocketIO::WebSocket::frame_bytes(9, 'p')
    . Test::SocketIO::WebSocket::frame_bytes(1, '3')
    . Test::SocketIO::WebSocket::frame_bytes(2, "\7"));
is($ws->frame->{payload}, 'p', 'sio 88: ping in between answered');
is_deeply([$ws->collect(2)], ['451-["echo",' . ph(0) . ']', 'bBw=='],
    'sio 88: heartbeats between header and attachment');

# A text frame may hold base64, as in a payload.
$ws = ws();
$ws->send('452-["echo",' . ph(0) . ',' . ph(1) . ']', 'bAQID', \"\xff");
is_deeply([$ws->collect(3)], ['452-["echo",' . ph(0) . ',' . ph(1) . ']',
    'bAQID', 'b/w=='], 'an attachment as text on a websocket');

# As deep as JSON may be, and a backend may wrap it.
for my $deep (62, 63) {
    my $args = '{"a":' x $deep . ph(1) . '}' x $deep . ',' . ph(0);
    echoes('sio 74: in the 64th level', '452-', $args, ["\1", "\2"])
        if $deep == 62;
    closes('a 65th level', "452-[\"m\",$args]") if $deep == 63;
    $args =~ s/"num":1/"num":2/;
    closes("sio 75: level $deep, num 2 of 2", "452-[\"m\",$args]");
}

# An ack that nobody asked for, in pieces, by both workers.
$p = poll();
ok($p->send('462-99[' . ph(0) . ',' . ph(1) . ']'), 'sio 64, 82: a header');
for my $w (0, 1) {
    $p->{post} = $t->connect_to_worker($w);
    ok($p->send(\"\1"), "sio 64, 82: an attachment, worker $w");
}
$p->send('42["echo","next"]');
is($p->next_packet, '42["echo","next"]', 'sio 64, 82: consumed');

$p = poll();
$p->send('451-["echo",' . ph(0) . ']');
$ws = $t->websocket(sid => $p->{sid}, worker => 0);
$ws->send('2probe', '5', \"\3\4");
my @got = grep { $_ ne '3probe' } $ws->collect(3);
is_deeply(\@got, ['451-["echo",' . ph(0) . ']', 'bAwQ='],
    'an attachment may come after the upgrade');

# What waits for the rest is bounded, whatever requests and workers it came by.
my %tight = (path => '/tight/?EIO=4&transport=websocket');
my $args = join ',', map { ph($_) } 0 .. 2;
for my $last (200, 201) {
    for my $s ($t->connected('websocket', %tight),
        $t->connected('polling', path => '/tight/'))
    {
        my $how = ref($s) . ", $last bytes";
        $s->send("453-[\"echo\",$args]", \('a' x 400));
        $s->{post} = $t->connect_to_worker(1) if $s->{post};
        $s->send(\('b' x 400));
        $s->send(\('c' x $last));
        if ($last == 200) {
            is_deeply([map { length } $s->collect(4)],
                [4 + 9 + length $args, map { 1 + length } map {
                MIME::Base64::encode_base64('x' x $_, '') } 400, 400, 200],
                "sio 90: attachments of 1000 bytes together, $how");
            next;
        }
        is($b->reason($s->{id}), 'forced close',
            "sio 90: more than that closes, $how");
    }
}
my $tight = $t->connected('websocket', %tight);
$tight->send('4510-["echo"]', map { \'' } 1 .. 10);
is($tight->next_packet, '4510-["echo"]', 'sio 90: ten of no length');
$tight = $t->connected('websocket', %tight);
$tight->send('451-["echo"]', \('x' x 1001));
is($tight->closed, '', 'sio 90: one that is too large');
$ws = ws();
$ws->send('4510-["echo"]', (\('x' x 200_000)) x 9);
ok($ws->silent(0.2), 'sio 90: without the limit as many as there may be');
$ws->send(\('x' x 1_000_001));
is($ws->closed(2), 1009, 'sio 90: each bounded by socketio_max_payload');
is(scalar(() = $t->log_lines(qr/more than "socketio_limits attached=1000"/)), 3,
    'sio 90: the log says why');
for my $bad ('0', '1x', '', '3g', '-1') {
    my ($rc, $log) = $t->test_location('/x/',
        "socketio_limits attached=$bad;");
    ok($rc && $log =~ /"attached=\Q$bad\E" is neither "off" nor a size/,
        "attached=$bad is refused") or diag $log;
}

# What has arrived is the session's, not a worker's: neither one that goes
# gracefully nor one that dies takes it along.
for my $how (qw/reload killed/) {
    my $p = poll();
    $p->{post} = $t->connect_to_worker(0);
    ok($p->send('452-["echo",' . ph(0) . ',' . ph(1) . ']', \"\1"),
        "sio 82: header and one of two, $how");
    if ($how eq 'reload') {
        $t->reload;
    } else {
        $t->allow_log(qr/exited on signal 9/);
        my ($pid) = $t->worker_pids;
        kill 'KILL', $pid;
        ok(eventually(sub { !grep { $_ == $pid } $t->worker_pids }), 'killed');
    }
    $_ = $t->connect_to_worker(1) for $p->{get}, $p->{post};
    ok($p->send(\"\2", '42["echo","next"]'), "sio 82: the other one, $how");
    is_deeply([$p->collect(4)], ['452-["echo",' . ph(0) . ',' . ph(1) . ']',
        'bAQ==', 'bAg==', '42["echo","next"]'], "sio 82: together, $how");
}

$ws = ws();
$ws->send('452-["m",' . ph(0) . ']', \"\1");
$ws->{conn}->reset;
like($b->reason($ws->{id}), qr/^transport (?:close|error)$/,
    'sio 89: session lost in the middle');
ok(eventually(sub { !$t->session_alive($ws->{sid}, $t->path, 'polling') }),
    'sio 89: and freed');

$t->finish;
