#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone: the command "send" and the others, from answers of hooks
# and by the publish API, to whom, in which form, and what is refused.  Clients
# of Socket.IO share the zone, and must not notice.  Fails if a message gets to
# a client of the other protocol, to a socket twice, changes on its way, or
# forges a packet.

use v5.36;
use utf8;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# A message that is JSON is what to answer with; "#" is the event's id.
sub answer ($events, $req, $ctl) {
    my @out;

    for my $e (@$events) {
        my $text = $e->{type} eq 'message' ? $e->{text} // ''
            : $e->{type} eq 'event' ? $e->{args}[0] : '';
        next unless $text =~ /^[\[{]/;
        my $cmd = JSON::PP->new->decode($text);
        for my $c (ref $cmd eq 'ARRAY' ? @$cmd : $cmd) {
            $c->{id} = $e->{id} if ($c->{id} // '') eq '#';
            push @out, $c;
        }
    }

    return @out ? \@out : undef;
}

my $b = $t->run_raw(\&answer, server => <<'CONF', socketio => <<'RAW');
        client_max_body_size 20m;
        location /sole/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_hook_batch off;
        }
        location /sio/ {
            socketio test;
            socketio_hook /_hook;
            socketio_max_payload 100k;
        }
CONF
            socketio_max_payload 100k;
RAW

my %nsp = (nsp => 'engine.io');
my $true = JSON::PP::true;

# Both transports and revisions, and two of Socket.IO.
my %s = (
    polling => $t->raw('polling'),
    ws => $t->raw('websocket', worker => 1),
    ws3 => $t->raw('websocket', eio => 3),
    b64 => $t->raw('websocket', query => '&b64=1'),
    sole => $t->raw('polling', path => '/sole/'),
);
my @raw = sort keys %s;
my @sio = map { $t->connected($_, path => '/sio/') } qw/polling websocket/;
$_->{id} or BAIL_OUT('not connected') for values %s, @sio;
$t->publish({ op => 'join', nsp => 'engine.io', sid => $s{$_}{id},
    room => ['all', $_ =~ /ws/ ? 'ws' : 'other'] }) for @raw;

# All of @who get exactly this, and nobody else anything: what comes next for
# each of the others is the mark.
my $marks = 0;
sub got ($name, $want, @who) {
    my $mark = 'mark' . ++$marks;
    $t->publish([{ op => 'send', all => $true, text => $mark },
        { op => 'emit', all => $true, event => $mark }]);
    my %who = map { $_ => 1 } @who;

    for my $n (@raw) {
        my @p = $s{$n}->collect($who{$n} ? 2 : 1);
        is_deeply(\@p, [$who{$n} ? $want : (), "4$mark"], "$name: $n");
    }
    is_deeply([map { $_->next_packet } @sio], [("42[\"$mark\"]") x 2],
        "$name: not to Socket.IO");
}

sub send_is ($cmd, $count, $name, $want, @who) {
    my ($status, $a) = $t->publish({ op => 'send', %$cmd });
    is("$status " . ($a->{count} // to_json($a)), "200 $count", $name);
    got($name, $want, @who);
}

# Targets
send_is({ sid => $s{polling}{id}, text => 'x' }, 1, 'sid', '4x', 'polling');
send_is({ sid => [map { $s{$_}{id} } qw/ws ws3 ws/], text => 'x' }, 2, 'sids',
    '4x', qw/ws ws3/);
send_is({ room => 'ws', text => 'x' }, 2, 'room', '4x', qw/ws ws3/);
send_is({ in => ['ws', 'all'], text => 'x' }, 5, 'union', '4x', @raw);
send_is({ all => $true, text => 'x' }, 5, 'all', '4x', @raw);
send_is({ all => $true, except => ['ws', $s{polling}{id}], text => 'x' }, 2,
    'except', '4x', qw/b64 sole/);
send_is({ room => 'nobody', text => 'x' }, 0, 'empty room', undef);
send_is({ sid => $sio[0]{id}, text => 'x' }, 0, 'a sid of Socket.IO', undef);
send_is({ %nsp, room => $sio[0]{id}, text => 'x' }, 0, 'as a room', undef);

# Forms: a message arrives as it was given.
my %binary = (
    "\1\2\3\4" => 'AQIDBA==', '' => '', "\0" => 'AA==',
    join('', map { chr } 0 .. 255) x 20 => undef,
);
for my $bytes (sort keys %binary) {
    my $b64 = MIME::Base64::encode_base64($bytes, '');
    send_is({ all => $true, binary => $b64 }, 5,
        'binary of ' . length($bytes), "b$b64", @raw);
}
send_is({ sid => $s{ws}{id}, binary => 'AQI' }, 1, 'base64 without padding',
    'bAQI=', 'ws');

for my $text ('', 'plain', "q\"b\\s/", "\0\1\x1f\x7f\r\n\t", 'ünï €𝄞',
    "\x{2028}\x{fffd}\x{10ffff}", '4', 'b', '{"a":1}', 'y' x 70_000)
{
    my $bytes = $text;
    utf8::encode($bytes);
    send_is({ all => $true, text => $text }, 5,
        'text ' . substr(to_json($text), 0, 30), "4$bytes", @raw);
}

# Escapes are resolved, and what is text in JSON is text.
my ($status, $a) = $t->publish(
    '{"op":"send","all":true,"text":"\u00e9\ud834\udd1e\/\u0000"}');
is($a->{count}, 5, 'escapes');
got('escapes', "4\xc3\xa9\xf0\x9d\x84\x9e/\0", @raw);

# Volatile: not to who cannot take it now.  A polling client can if its GET
# waits.
$s{polling}->get_start;
ok($s{polling}->parked(0.2), 'parked');
($status, $a) = $t->publish({ op => 'send', in => 'all', text => 'v',
    volatile => $true });
is($a->{count}, 4, 'volatile: all but the poller without a GET');
is($s{polling}->body, '4v', 'volatile: the one with a GET');
is($s{$_}->next_packet, '4v', "volatile: $_") for qw/ws ws3 b64/;
got('volatile', undef);

# What is wrong, by the publish API ...
my @wrong = (
    [{ all => $true }, 'bad_args', 'neither text nor binary'],
    [{ all => $true, text => 'x', binary => '' }, 'bad_args', 'both'],
    [{ all => $true, text => 7 }, 'bad_args', 'text is a number'],
    [{ all => $true, text => undef }, 'bad_args', 'text is null'],
    [{ all => $true, text => ['x'] }, 'bad_args', 'text is an array'],
    [{ all => $true, text => "a\x1e4forged" }, 'bad_args', 'U+001E'],
    [{ all => $true, binary => '!' }, 'bad_attachments', 'no base64'],
    [{ all => $true, binary => 'A' }, 'bad_attachments', 'half a byte'],
    [{ all => $true, binary => 'AQI=AQI=' }, 'bad_attachments', 'padding'],
    [{ all => $true, binary => 1 }, 'bad_attachments', 'binary is a number'],
    [{ all => $true, binary => ['AA=='] }, 'bad_attachments', 'an array'],
    [{ all => $true, text => 'x', volatile => 1 }, 'bad_args', 'volatile'],
    [{ text => 'x' }, 'no_target', 'to nobody'],
    [{ all => 'yes', text => 'x' }, 'bad_target', 'all is a string'],
    [{ all => $true, room => 'ws', text => 'x' }, 'bad_target', 'all, room'],
    [{ nsp => '/', all => $true, text => 'x' }, 'bad_op', 'in "/"'],
    [{ nsp => '/chat', all => $true, text => 'x' }, 'bad_op', 'in "/chat"'],
    [{ nsp => 'engine', all => $true, text => 'x' }, 'bad_target',
        'a namespace that is none'],
    [{ op => 'emit', %nsp, all => $true, event => 'x' }, 'bad_op', 'emit'],
    [{ op => undef, %nsp, all => $true, event => 'x' }, 'bad_op',
        'op is null'],
    [{ op => 'ack', %nsp, args => [] }, 'bad_op', 'ack'],
    [{ op => 'accept', %nsp }, 'bad_op', 'accept'],
);
for (@wrong) {
    my ($cmd, $error, $name) = @$_;
    ($status, $a) = $t->publish({ op => 'send', %$cmd });
    is("$status " . ($a->{error} // to_json($a)), "400 $error",
        "refused: $name");
}
($status, $a) = $t->publish(
    { op => 'send', all => $true, text => 'z' x (9 << 20) });
is("$status $a->{error}", '400 too_large', 'larger than the zone');
got('refused', undef);

# ... and in answers: an error in the log, nothing to the clients, and what is
# right beside it counts.
for (grep { ($_->[0]{op} // '') ne 'accept' } @wrong) {
    my ($cmd, $error, $name) = @$_;
    my $what = $name eq 'to nobody' ? 'no_target' : $error;
    for my $n (qw/ws sole/) {
        my %id = $n eq 'sole' || $what eq 'no_target' ? () : (id => '#');
        next if $n eq 'sole' && $what eq 'no_target';
        $s{$n}->send('4' . to_json([{ op => 'send', %id, %$cmd },
            { op => 'send', sid => $s{$n}{id}, text => 'next' }]));
        is($s{$n}->next_packet, '4next', "answer of $n: $name");
    }
}
got('answers', undef);
ok($t->log_lines(qr/invalid command: bad_args, text with U\+001E/),
    'logged');

# Answers: to the sender, to others, batched and not.
for my $n (qw/ws polling sole/) {
    my %id = $n eq 'sole' ? () : (id => '#');
    $s{$n}->send('4' . to_json({ op => 'send', %id, text => 'me' }));
    is($s{$n}->next_packet, '4me', "$n: to its sender");
    $s{$n}->send('4' . to_json([{ op => 'send', in => 'all',
        except => $s{$n}{id}, text => 'others' },
        { op => 'send', sid => $s{$n}{id}, binary => 'AAEC' }]));
    is($_->next_packet, '4others', "$n: to others")
        for map { $s{$_} } grep { $_ ne $n } @raw;
    is($s{$n}->next_packet, 'bAAEC', "$n: binary to its sender");

    # rooms, data
    $s{$n}->send('4' . to_json([{ op => 'join', %id, room => 'own' },
        { op => 'data', %id, data => { of => $n } },
        { op => 'send', room => 'own', text => 'in' },
        { op => 'leave', %id, room => 'own' },
        { op => 'send', room => 'own', text => 'out' }]));
    is($s{$n}->next_packet, '4in', "$n: join, send, leave");
    $s{$n}->send('4' . to_json({ op => 'send', %id, text => 'data' }));
    is($s{$n}->next_packet, '4data', "$n: left");
    my ($e) = reverse grep { $_->{sid} eq $s{$n}{id} } $b->events('message');
    is_deeply($e->{data}, { of => $n }, "$n: session data");
}
got('answers', undef);

# From Socket.IO's hook to raw clients and back: only where it is said.
$sio[1]->emit('x', to_json([{ op => 'send', id => '#', text => 'wrong' },
    { op => 'send', %nsp, room => 'ws', text => 'across' }]));
is($s{$_}->next_packet, '4across', "across: $_") for qw/ws ws3/;
$s{ws}->send('4' . to_json([{ op => 'emit', id => '#', event => 'wrong' },
    { op => 'emit', nsp => '/', all => $true, event => 'back' }]));
is($_->next_packet, '42["back"]', 'back') for @sio;
got('across', undef);

# A client of Socket.IO cannot name the namespace of raw ones.
for my $packet ('40engine.io,', '40/engine.io,', '42engine.io,["x"]') {
    my $x = $t->websocket(path => '/sio/');
    $x->open_packet;
    $x->send($packet);
    my $r = $x->recv(2);
    ok(!defined $r || $r =~ /^44/, "not with $packet");
    $x->{conn}->close;
}

# Counts, joins, leaves by the publish API; then the ends.
($status, $a) = $t->publish([
    { op => 'count', %nsp, all => $true }, { op => 'count', all => $true },
    { op => 'count', %nsp, room => 'ws' },
    { op => 'join', %nsp, in => 'ws', room => 'new' },
    { op => 'count', %nsp, room => 'new' },
    { op => 'leave', %nsp, all => $true, room => 'new' },
    { op => 'count', %nsp, room => 'new' },
    { op => 'data', %nsp, sid => $s{ws}{id}, data => 1 },
    { op => 'data', sid => $s{ws}{id}, data => 1 },
    { op => 'disconnect', room => 'ws' },
    { op => 'disconnect', %nsp, room => 'ws' },
    { op => 'count', %nsp, all => $true }]);
is_deeply([map { $_->{count} } @$a], [5, 2, 2, 2, 2, 5, 0, 1, 0, 0, 2, 3],
    'count, join, leave, data, disconnect') or diag(to_json($a));
is($s{$_}->closed, '', "$_ is closed") for qw/ws ws3/;
is($b->reason($s{$_}{id}), 'forced close', "reason of $_") for qw/ws ws3/;
($status, $a) = $t->publish({ op => 'send', sid => $s{ws}{id},
    text => 'late' });
is("$status $a->{count}", '200 0', 'send to one that is gone');

$_->close for $s{b64}, $sio[1];
$t->finish;
