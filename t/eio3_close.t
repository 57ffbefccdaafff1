#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# How polling sessions of revision 3 end: malformed payloads, each of which
# costs its own session and no other, and the words for a client that is sent
# away.  Fails if what came before the bad packet is lost or what came behind
# it is not; if a close is written as revision 4 does.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::Payload qw/text3 binary3 form/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', socketio => <<'CONF');
            socketio_namespaces / /custom;
CONF

my $octets = 'application/octet-stream';
my $unknown = '{"code":1,"message":"Session ID unknown"}';

my $witness = $t->connected('polling', eio => 3);

sub session (%o) { return $t->connected('polling', eio => 3, %o) }

sub parked (%o) {
    my $p = session(%o);
    $p->get_start;
    ok($p->parked(0.1), 'GET parked');
    return $p;
}

sub ended ($p, $reason, $name) {
    is($b->reason($p->{id}) // 'none', $reason, "$name: reason");
    ok($p->gone, "$name: sid unknown");
    my $r = $p->get;
    is($r->{body}, $unknown, "$name: next GET");
}

sub delivered ($p) {
    return join ' ', map { $_->{event} }
        grep { $_->{sid} eq $p->{id} } $b->events('event');
}

# A POST that costs the session as a parse error; of its packets those named
# in $before arrive.  parked => 1: a GET waits, and gets its 1:1.
sub parse_error ($name, $body, %o) {
    my %post = map { $_ => delete $o{$_} } grep { exists $o{$_} } 'type';
    my $before = delete $o{before} // '';
    my $parked = delete $o{parked};

    my $p = $parked ? parked(%o) : session(%o);
    is($p->post($body, %post)->{body}, 'ok', "$name: ok all the same");
    is($p->body, defined $o{jsonp} ? '___eio[0]("1:1");' : '1:1',
        "$name: parked GET") if $parked;
    ended($p, 'parse error', $name);
    is(delivered($p), $before, "$name: delivered");
}

# Lengths that lie.
parse_error('eio 86: empty text body', '', parked => $_) for 0, 1;
parse_error("eio 87: $_", $_) for '3:4a', ':4a', '-1:4a', '+1:4', 'x', '1',
    '4a', '1:', '3', ' 1:4', '0x2:4a', '1e0:4', '1 :4', '1.0:4', '1;4', '::',
    "1\x00:4", "\x{31}\x1e4", 'b4AQI=';
parse_error("eio 87: $_", $_, before => 'm') for '7:42["m"]1', '7:42["m"]x',
    '7:42["m"]3:4', '7:42["m"]2:', '7:42["m"]:', '7:42["m"]99:4',
    '0:7:42["m"]-1:4';
parse_error('eio 87: leftover', "7:42[\"m\"]7:42[\"n\"]8:42[\"o\"]",
    before => 'm n');
parse_error('eio 87: huge, ' . substr($_, 0, 24), "7:42[\"m\"]$_",
    before => 'm')
    for '99999999999999999999:4', '18446744073709551617:4', '9' x 300 . ':4',
    '0' x 300 . '1:4', '4294967297:4', '2147483648:4', '9' x 100_000;
parse_error('eio 87: length within a pair of surrogates',
    "2:4\xf0\x9f\x98\x80");
parse_error('eio 87: length in bytes', "4:4\xe2\x82\xac");
parse_error('eio 87: payload of revision 4', "42[\"m\"]\x1e42[\"n\"]");

# Types.
parse_error("eio 50: type $_", length() . ":$_") for 'a', '7', '9x', '/',
    'b', 'b7', 'bx', 'B4', ' 4', "\x00";
parse_error('eio 50: behind a good one', '7:42["m"]1:77:42["n"]',
    before => 'm');
parse_error('eio 50: behind a ping', '1:27:42["m"]1:x', before => 'm');

# Binary payloads.
my %type = (type => $octets);
my $m = binary3('42["m"]');
parse_error('eio 88: no 0xff', "\x00\x01", %type, parked => $_) for 0, 1;
parse_error('eio 88: nothing but a first byte', "\x00", %type);
parse_error('eio 88: no digits', "\x00\xff4", %type);
parse_error('eio 88: ASCII digits', "\x001\xff4", %type);
parse_error('eio 88: a digit of 10', "\x00\x0a\xff4", %type);
parse_error('eio 88: 300 digits', "$m\x01" . "\x01" x 300, %type,
    before => 'm');
parse_error('eio 88: 300 digits and 0xff', "$m\x01" . "\x09" x 300
    . "\xff\x04", %type, before => 'm');
parse_error('eio 88: 300 zeros', "$m\x01" . "\x00" x 300 . "\x01\xff\x04",
    %type, before => 'm');
parse_error('eio 88: 900,000 digits', "$m\x00" . "\x01" x 900_000, %type,
    before => 'm');
parse_error('eio 88: 2^64 + 1', "$m\x01" . join('', map { chr }
    split //, '18446744073709551617') . "\xff\x04", %type, before => 'm');
parse_error('eio 88: longer than the body', "$m\x00\x03\xff4a", %type,
    before => 'm');
parse_error('eio 88: empty text', "$m\x00\x00\xff", %type, before => 'm');
parse_error('eio 88: empty binary', "$m\x01\x00\xff", %type, before => 'm');
parse_error("eio 88: first byte $_", $m . chr($_) . "\x01\xff4", %type,
    before => 'm') for 2, 4, 0x34, 0xff;
parse_error('eio 88: text as if it were binary', '7:42["m"]', %type);
parse_error('eio 89: invalid UTF-8', "$m\x00\x08\xff42[\"\xff\"]", %type,
    before => 'm');
parse_error('eio 89: UTF-8 that is cut', "$m\x00\x04\xff4a\xe2\x82" . $m,
    %type, before => 'm');
parse_error('eio 89: a surrogate', "$m\x00\x04\xff4\xed\xa0\x80", %type,
    before => 'm');
parse_error("a binary entry of type $_", "$m\x01\x02\xff" . chr($_) . 'x',
    %type, before => 'm') for 7, 0x34, 0xff;

# Types other than message in binary entries: a ping is one, the others are
# as in text.
my $p = session();
is($p->post("\x01\x01\xff\x02\x01\x02\xff\x02x", %type)->{body}, 'ok',
    'pings as binary entries');
is($p->body, '1:3', 'are answered as one');
is($p->post(join('', map { "\x01\x01\xff$_" } "\x00", "\x03", "\x05", "\x06")
    . $m, %type)->{body}, 'ok', 'open, pong, upgrade, noop');
is($p->body, '10:42["echo"]', 'are ignored');
is($p->post("$m\x01\x01\xff\x01$m", %type)->{body}, 'ok',
    'a close as a binary entry');
ended($p, 'transport close', 'close as a binary entry');
is(delivered($p), 'm m', 'nothing behind it');

# JSONP: what is decoded from the form counts.
my %j = (jsonp => 0);
parse_error("JSONP: empty d: $_", $_, %j) for 'd=', 'd', 'x&d&d=1:4';
parse_error('JSONP: short', form('3:4a'), %j, parked => $_) for 0, 1;
parse_error('JSONP: leftover', form('7:42["m"]1'), %j, before => 'm');
parse_error('JSONP: payload of revision 4', form('42["m"]'), %j);
# Of its 9 bytes two become a newline.
parse_error('JSONP: length of the escaped text', 'd=9:42[%22m%5Cn%22]', %j);

# A session of scripts has forms, whatever their type (engine.io, 8).
$p = session(%j);
is($p->post($m, type => $octets)->{body}, 'ok',
    'octet-stream for a JSONP session');
is($p->post(form('7:42["n"]'), type => $octets)->{body}, 'ok',
    'a form of that type');
is($p->next_packet, '42["echo"]', 'is read as one');
is(delivered($p), 'n', 'and the bytes were none');

# What Socket.IO refuses is another matter: 1:61:1 when nobody waits.
for my $bad (map { text3($_) } '47', '4abc', '42{}', '42["cut"', '45-["m"]',
    '4511-["m"]', '44"x"', '4')
{
    $p = parked();
    is($p->post($bad)->{body}, 'ok', "eio 66: $bad");
    is($p->body, '1:1', 'eio 66, 90: parked GET gets 1:1');
    ended($p, 'forced close', 'eio 66');

    $p = session();
    is($p->post($bad)->{body}, 'ok', "eio 67: $bad");
    is($p->body, '1:61:1', 'eio 67, 90: next GET gets 1:61:1');
    ended($p, 'forced close', 'eio 67');
}

$p = session();
$t->publish({ sid => $p->{id}, event => 'm' });
is($p->post('4:4abc')->{body}, 'ok', 'eio 68: server close, data waits');
is($p->body, '7:42["m"]', 'eio 68: data first');
is($p->body, '1:61:1', 'eio 68: then the close');
ended($p, 'forced close', 'eio 68');

$p = session(%j);
is($p->post(form('4:4abc'))->{body}, 'ok', 'eio 67: JSONP');
is($p->body, '___eio[0]("1:61:1");', 'eio 67, 90: JSONP');

# The client's own close.
$p = parked();
is($p->post('1:1')->{body}, 'ok', 'eio 91: client closes');
is($p->body, '1:6', 'eio 91: parked GET gets 1:6');
ended($p, 'transport close', 'eio 64');

$p = session();
is($p->post('7:42["m"]1:17:42["n"]')->{body}, 'ok', 'eio 65: around a close');
ended($p, 'transport close', 'eio 65');
is(delivered($p), 'm', 'eio 65: nothing behind it');

$p = parked(%j);
is($p->post(form('1:1'))->{body}, 'ok', 'eio 91: JSONP');
is($p->body, '___eio[0]("1:6");', 'eio 91: JSONP');
ended($p, 'transport close', 'eio 91: JSONP');

# Overlaps and lost connections.
for my $worker (0, 1) {
    $p = parked();
    my $r = $p->request('GET', worker => $worker);
    is($r->{status}, 400, "eio 54: second GET, worker $worker");
    is($r->{body}, '', 'eio 54: empty answer');
    is($p->body, '1:1', 'eio 54: first GET gets 1:1');
    ended($p, 'transport error', 'eio 54');

    $p = parked();
    my $c = $p->{post};
    $c->send($c->build('POST', $p->url, length => 100, body => '7:42["'));
    ok($c->silent(0.2), 'eio 55: POST in progress');
    $r = $p->request('POST', body => '7:42["n"]', worker => $worker);
    is($r->{status}, 400, "eio 55: second POST, worker $worker");
    ok($c->closed, 'eio 55: first upload dropped');
    is($p->body, '1:1', 'eio 55: parked GET gets 1:1');
    ended($p, 'transport error', 'eio 55');
    is(delivered($p), '', 'eio 55: nothing delivered');
}

$p = parked();
$p->{post}->send($p->{post}->build('POST', $p->url, length => 100,
    headers => { 'Content-Type' => $octets }, body => $m));
ok($p->{post}->silent(0.2), 'eio 57: half a binary POST');
$p->{post}->close;
is($p->body, '1:1', 'eio 57: parked GET gets 1:1');
ended($p, 'transport error', 'eio 57');
is(delivered($p), '', 'eio 57: nothing of it delivered');

$p = parked();
$p->{get}->close;
$p->{in_get} = 0;
ended($p, 'transport error', 'eio 56: client drops the parked GET');

# DISCONNECT with close, from the backend's side.
$p = parked();
ok($p->send('40/custom,'), 'another namespace');
is($p->body, '10:40/custom,', 'connected');
$t->publish({ op => 'disconnect', sid => $p->{id}, close => \1 });
my @got;
while (defined(my $packet = $p->recv)) {
    push @got, $packet;
    last if $packet eq '1';
}
is_deeply([sort grep { /^4|^1/ } @got], ['1', '41', '41/custom,'],
    'sio 95: polling gets all of it');
is($got[-1], '1', 'sio 95: the close last');
ended($p, 'server namespace disconnect', 'sio 95');

# Nobody else has noticed.
ok($witness->send('42["m","lives"]'), 'another session lives');
is($witness->next_packet, '42["echo","lives"]', 'and works');
my %n;
$n{$_->{sid}}++ for $b->events('disconnect');
is_deeply([grep { $_ > 1 } values %n], [], 'no disconnect came twice');

$t->finish;
