#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Past vulnerabilities of parsers of Socket.IO and Engine.IO packets, replayed
# over both transports: the session that sent such a packet ends as the
# protocol says, nothing of it reaches the backend, and nobody else notices.
# Fails if a packet is believed, waited for, copied once for each of its parts,
# or takes more with it than its session.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Attack;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', server => QUICK . <<'CONF');
        location /deaf/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_events none;
        }
CONF

besieged($t);

# These packets end the session, with the reason of a packet that is none, and
# are not the backend's.
sub ends ($id, $what, @packets) {
    my @bad;

    for my $transport (qw/polling websocket/) {
        my $s = $t->connected($transport);
        $s->send(@packets);
        my $end = $transport eq 'polling'
            ? $s->body =~ s/.*(?=1$)//sr : $s->closed // 'open';
        my $reason = $b->reason($s->{id}) // 'none';
        push @bad, "$transport: $end, $reason"
            if $end !~ /^1?$/ || $reason !~ /^(?:forced close|parse er)/;
        push @bad, "$transport: delivered" if grep { $_->{sid} eq $s->{id} }
            $b->events('event');
    }

    ok(!@bad, "$id: $what") or diag("@bad");
}

# A placeholder that is no index of an attachment becomes another object.
ends('CVE-2022-2421', "num is $_",
    qq(451-["m",{"_placeholder":true,"num":$_}]), \'x')
    for '"splice"', '"0"', '-1', '0.5', '1', '1e99', 'null', '[0]', '{}',
        'true', '18446744073709551616', '9007199254740993';
ends('CVE-2022-2421', 'no num at all', '451-["m",{"_placeholder":true}]',
    \'x');
ends('CVE-2022-2421', 'num twice, the last one is bad',
    '451-["m",{"_placeholder":true,"num":0,"num":"splice"}]', \'x');
unharmed('CVE-2022-2421');

# The name of an event is text, or a number; some are not a client's to use.
ends('CVE-2023-32695', "named $_", "42[$_]") for '{"toString":"foo"}',
    '{"toString":1}', 'null', 'true', '[]', '[["x"]]', '',
    map { qq("$_") } qw/connect connect_error disconnect disconnecting
        newListener removeListener/;
ends('CVE-2023-32695', "$_ is no list", "42$_")
    for '{}', '"m"', '{"0":"m","length":1}', 'null', '';
ends('CVE-2023-32695', "an ack of $_", "431$_") for '{}', '"m"', '';
unharmed('CVE-2023-32695');

# "error" is a name like others.
for my $transport (qw/polling websocket/) {
    my $s = $t->connected($transport);
    $s->send('42["error","x"]');
    is($s->next_packet, '42["echo","x"]',
        "CVE-2024-38355: an event named error, $transport");
    $s->send('42["error"]');
    is($s->next_packet, '42["echo"]',
        "CVE-2024-38355: without arguments, $transport");
}
ends('CVE-2024-38355', 'CONNECT_ERROR from a client', '44{"message":"x"}');
unharmed('CVE-2024-38355');

# Refused when they are announced, before anything is waited for.
ends('CVE-2026-33151', "$_ attachments", "45$_-[\"m\"]") for '11', '1000',
    '51000000000', '4294967296', '18446744073709551617', '9' x 400;
ends('CVE-2026-33151', "an ack with $_ attachments", "46$_-1[\"m\"]")
    for '11', '4294967297';

# What is waited for ends with its session, whose heartbeat is not waived.
{
    my $w = quick('websocket');
    $w->send('451-["m",{"_placeholder":true,"num":0}]');
    is($w->closed(5), '', 'CVE-2026-33151: attachments that never come');
    is($b->reason($w->{id}), 'ping timeout',
        'CVE-2026-33151: the session has ended');
}
unharmed('CVE-2026-33151');

# None is not "all of them are here".
ends('CVE-2026-69185', "$_", $_) for '450-["m"]', '460-1["m"]', '4500-["m"]',
    '45-["m"]', '450-/x,["m"]', '450-';
for my $packet ('450-["m"]', '460-1["m"]') {
    my $s = $t->connected('websocket');
    $s->send($packet, \'x', '42["after"]');
    is($s->closed, '', "CVE-2026-69185: $packet and an attachment");
    is(scalar(grep { $_->{sid} eq $s->{id} } $b->events('event')), 0,
        'CVE-2026-69185: nothing behind it is believed');
}
unharmed('CVE-2026-69185');

# Work is linear in bytes: copying what is there for each part of it would take
# minutes of CPU, this takes milliseconds.  Not the backend's: it gets nothing.
{
    my $mb = 999_000;
    my %body = (
        'separators' => "\x1e" x $mb,
        'packets of one byte' => join("\x1e", ('3') x ($mb / 2)),
        'events' => join("\x1e", ('42["m"]') x ($mb / 8)),
        'one packet' => '42["m","' . 'x' x ($mb - 20) . '"]',
        'brackets' => '42["m",' . '[' x ($mb - 20),
        'escapes' => '42["m","' . '\\u0041' x ($mb / 7) . '"]',
        'digits' => '42["m",' . '9' x ($mb - 20) . ']',
        'a namespace' => '42/' . 'x' x ($mb - 20) . ',["m"]',
        'an ack id' => '42' . '1' x ($mb - 20) . '["m"]',
        'base64' => '451-["m",{"_placeholder":true,"num":0}]' . "\x1eb"
            . 'QUFB' x ($mb / 4 - 20),
        'placeholders' => '451-["m"' . ',{"_placeholder":true,"num":0}'
            x ($mb / 33) . "]\x1ebQQ==",
    );
    my $before = cpu();
    my $n = 0;

    for my $what (sort keys %body) {
        my $p = $t->polling(path => '/deaf/');
        $p->send('40');
        my $r = $p->post($body{$what}, timeout => 20);
        $n++ if $r && $r->{status} =~ /^(?:200|400|413)$/;
        $p->{post}->close;
        $p->{get}->close;
    }

    is($n, scalar keys %body, 'CVE-2020-36049: 1 MB of anything is answered');
    cmp_ok(cpu() - $before, '<', 5, 'CVE-2020-36049: in linear time');

    my $grown = 0;
    my $old = $t->connected('polling', eio => 3);
    $before = cpu();
    for my $body ('9' x $mb, '99999999999999999999:42["m"]',
        '1:3' x ($mb / 3), '7:42["m"]' x ($mb / 9), ':' x $mb)
    {
        my $s = $t->polling(eio => 3, path => '/deaf/');
        my $r = $s->post($body, timeout => 20);
        $grown++ if !$r || $r->{status} !~ /^(?:200|400)$/;
    }
    is($grown, 0, 'CVE-2020-36049: the same with lengths that lie');
    cmp_ok(cpu() - $before, '<', 5, 'CVE-2020-36049: in linear time, too');
    $old->send('42["alive"]');
    is($old->next_packet, '42["echo"]', 'CVE-2020-36049: others go on');
}
unharmed('CVE-2020-36049');

$t->finish;
