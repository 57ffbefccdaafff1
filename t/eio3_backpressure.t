#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A POST of revision 3 that is held in the middle of its payload, because the
# backend does not answer: all of its encodings go on where they stopped.
# Fails if a packet is taken twice, skipped, or read from the wrong place; if
# a connection that waits is not looked at again.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Test::SocketIO::Payload qw/text3 binary3 form/;
use MIME::Base64 qw/encode_base64/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
}, eio => '3 4', socketio => <<'CONF', read_timeout => '20s');
            socketio_hook_queue 16 64k;
            socketio_hook_lanes 8;
            socketio_hook_timeout 20s;
CONF

my $ph = '{"_placeholder":true,"num":0}';
my $octets = 'application/octet-stream';
my %how = (XHR2 => {}, b64 => { b64 => 1 }, JSONP => { jsonp => 0 });

sub session (%o) { return $t->connected('polling', eio => 3, %o) }

# The first event of each is one that is not answered.  It need not be on its
# way: behind the one of another session on the same lane it waits as well.
sub held (@s) {
    ok($_->send('42["hold"]'), 'an event that is not answered') for @s;
}

sub of ($s) {
    return grep { $_->{sid} eq $s->{id} } $b->events('event');
}

# Text, and binary whose header and attachments fall on both sides of where
# it stops.  More than one burst of packets, and more than the queue.
my @text = map { "42[\"m\",\"\xe2\x82\xac\xf0\x9f\x98\x80\",$_]" } 1 .. 300;
my @binary = map { ("451-[\"m\",$ph,$_]", \(chr($_ % 256) . "\x04")) }
    1 .. 150;
my $large = 'x' x 5_000;
my @big = map { ("452-[\"m\",$ph,$_," . $ph =~ s/0/1/r . ']',
    \$large, \"$_") } 1 .. 20;

my @cases;
for my $how (sort keys %how) {
    for my $c (['text', \@text, 300], ['binary', \@binary, 150],
        ['big', \@big, 20])
    {
        my ($name, $packets, $n) = @$c;
        push @cases, { name => "$name, $how", n => $n, s => session(%{$how{
            $how}}), packets => $packets, kind => $name };
    }
}
my $octet = session(b64 => 1);
push @cases, { name => 'text as a binary payload', n => 300, s => $octet,
    packets => \@text, kind => 'text', body => binary3(@text),
    type => $octets };

held(map { $_->{s} } @cases);

for my $c (@cases) {
    my $s = $c->{s};
    my ($body, %o) = defined $c->{body} ? ($c->{body}, type => $c->{type})
        : $s->payload(@{$c->{packets}});
    $s->{post}->request('POST', $s->url, headers => { %{$s->{headers}},
        'Content-Type' => $o{type} // 'text/plain' }, body => $body);
}
ok($_->{s}{post}->silent(0.1), "POST is held: $_->{name}") for @cases;

# A message for them meanwhile: the other direction is open.
for my $c (@cases) {
    my ($status, $a) = $t->publish({ sid => $c->{s}{id}, event => 'push' });
    is($a->{count}, 1, "the other direction is open: $c->{name}");
    is($c->{s}->next_packet, '42["push"]', 'and works');
}

# One ends: its sessions only.
my $leaver = session();
held($leaver);
$leaver->{post}->request('POST', $leaver->url, body => text3(@text));
ok($leaver->{post}->silent(0.2), 'another POST is held');
$leaver->{post}->close;

my $broken = session();
held($broken);
$broken->{post}->request('POST', $broken->url,
    body => text3(@text[0 .. 99]) . '7:short');
ok($broken->{post}->silent(0.2), 'one that ends badly is held');

my $polite = session();
held($polite);
$polite->{post}->request('POST', $polite->url,
    body => text3(@text[0 .. 99], '1', @text[100 .. 109]));
ok($polite->{post}->silent(0.2), 'one with a close in it is held');

$b->release('gate');

for my $c (@cases) {
    my $s = $c->{s};
    my $r = $s->{post}->response(15);
    is($r && $r->{body}, 'ok', "POST is answered: $c->{name}");
    eventually(sub { $c->{n} < (my @e = of($s)) }, 10);

    my (undef, @e) = of($s);
    is_deeply([map { $_->{args}[1] } @e], [1 .. $c->{n}],
        "all, once, in order: $c->{name}");
    is(scalar(grep { $_->{args}[0] ne "\x{20ac}\x{1f600}" } @e), 0,
        "as they were: $c->{name}") if $c->{kind} eq 'text';
    is_deeply([map { $_->{attachments}[0] } @e], [map { encode_base64(
        chr($_ % 256) . "\x04", '') } 1 .. 150],
        "each with its own bytes: $c->{name}") if $c->{kind} eq 'binary';
    is_deeply([map { $_->{attachments}[1] } @e], [map { encode_base64(
        "$_", '') } 1 .. 20],
        "each with its own bytes: $c->{name}") if $c->{kind} eq 'big';
    is_deeply([map { $_->{seq} } @e], [2 .. @e + 1],
        "seq without gaps: $c->{name}");
    is($s->post($s->payload('42["after"]'))->{body}, 'ok',
        "works afterwards: $c->{name}");
}

like($b->reason($leaver->{id}, 8), qr/^transport (?:error|close)$/,
    'client left a held POST');
my (undef, @args) = map { $_->{args}[1] } of($leaver);
is_deeply(\@args, [1 .. @args], 'what was taken was in order');

is($broken->{post}->response(8)->{body}, 'ok', 'the one that ends badly');
is($b->reason($broken->{id}, 8), 'parse error', 'is a parse error');
(undef, @args) = map { $_->{args}[1] } of($broken);
is_deeply(\@args, [1 .. 100], 'all before it was delivered');

is($polite->{post}->response(8)->{body}, 'ok', 'the one with a close');
is($b->reason($polite->{id}, 8), 'transport close', 'closes');
(undef, @args) = map { $_->{args}[1] } of($polite);
is_deeply(\@args, [1 .. 100], 'all before it was delivered, nothing behind');

# Websockets of revision 3: a message in base64 is decoded but once.
for my $b64 (0, 1) {
    $b->set('release gate' => 0);
    my $ws = $t->connected('websocket', eio => 3,
        $b64 ? (query => '&b64=1') : ());
    $ws->send('42["hold"]');
    $ws->send(@binary, '2');
    # a held message is offered again and again
    ok($ws->silent(1.2), "websocket, b64 $b64: not read from");
    $b->release('gate');
    eventually(sub { 150 < (my @e = of($ws)) }, 10);
    my (undef, @e) = of($ws);
    is_deeply([map { [$_->{args}[1], $_->{attachments}[0]] } @e],
        [map { [$_, encode_base64(chr($_ % 256) . "\x04", '')] } 1 .. 150],
        "websocket, b64 $b64: all, once, in order");
    $ws->{conn}->close;
}

$t->finish;
