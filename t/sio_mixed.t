#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# One room of clients of both protocols by every transport and encoding: one
# message, and each client gets it as it reads.  Fails if a client gets the
# bytes that were made for another one, twice, not at all or out of order.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Payload qw/text3 text4 binary3 script/;
use MIME::Base64 qw/encode_base64/;

binmode Test::More->builder->$_, ':utf8' for qw/output failure_output/;

my $t = Test::SocketIO->new(workers => 3, alarm => 60);

# Everybody is in "crowd"; "say" goes to it but for who says it, "shout" to
# all of the namespace, "tell" to who says it.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (@$events) {
        push @out, { op => 'accept', id => $e->{id}, rooms => ['crowd'] }
            if $e->{type} eq 'connect';
        next if $e->{type} ne 'event';
        my %m = (nsp => $e->{nsp}, event => "$e->{event}", args => $e->{args},
            $e->{attachments} ? (attachments => $e->{attachments}) : ());
        push @out, { %m, room => 'crowd', except => $e->{sid} }
            if $e->{event} eq 'say';
        push @out, { %m, all => \1 } if $e->{event} eq 'shout';
        push @out, { %m, id => $e->{id} } if $e->{event} eq 'tell';
    }
    return \@out;
}, eio => '3 4', socketio => bytes('socketio_namespaces / /größe😀;'));

sub bytes ($s) { utf8::encode($s); return $s }

sub ascii ($s) {
    return $s =~ s/([^\x00-\x7f])/
        ord $1 < 0x10000 ? sprintf '\u%04x', ord $1
        : sprintf '\u%04x\u%04x', 0xd800 + (ord($1) - 0x10000 >> 10),
            0xdc00 + (ord($1) - 0x10000 & 0x3ff)/gexr;
}

my %kinds = (
    'S4 XHR2' => [polling => 3], 'S4 b64' => [polling => 3, b64 => 1],
    'S4 JSONP' => [polling => 3, jsonp => 2],
    'S4 websocket' => [websocket => 3],
    'S4 websocket b64' => [websocket => 3, query => '&b64=1'],
    'S5 polling' => [polling => 4], 'S5 b64' => [polling => 4, b64 => 1],
    'S5 JSONP' => [polling => 4, jsonp => 3],
    'S5 websocket' => [websocket => 4],
    'S5 websocket b64' => [websocket => 4, query => '&b64=1'],
);

# Each kind on every worker.
my (@crowd, $n);
for my $kind ((sort keys %kinds) x 3) {
    my ($transport, $eio, %o) = @{$kinds{$kind}};
    my $w = int $n++ / keys %kinds;
    my $s = $t->connected($transport, eio => $eio, %o, worker => $w,
        get_worker => $w, post_worker => ($w + 1) % 3);
    ok($s->{id}, "connected, $kind");
    push @crowd, { kind => $kind, s => $s, polling => $transport eq 'polling',
        eio => $eio };
}

# The bytes of a message for a kind: (type or opcode, bytes) ...
sub expected ($c, $packet, @bins) {
    my $s = $c->{s};
    my $eio = $c->{eio};

    # JSON is ASCII for polling of revision 3; what is before it is not
    my $text = $c->{polling} && $eio == 3
        ? $packet =~ s/^([^\["]*)(.*)$/$1 . ascii($2)/ser : $packet;
    $text = bytes($text);

    if (!$c->{polling}) {
        my $typed = $eio == 3;
        return [1, $text], map { $s->{b64}
            ? [1, ($typed ? 'b4' : 'b') . encode_base64($_, '')]
            : [2, ($typed ? "\x04" : '') . $_] } @bins;
    }

    my @all = ($text, map { \$_ } @bins);
    my $plain = 'text/plain; charset=UTF-8';
    my $xhr2 = $eio == 3 && !$s->{b64} && !defined $s->{j};
    return ['application/octet-stream', binary3(@all)]
        if $xhr2 && (@bins || $text =~ /[^\x00-\x7f]/);
    return [$plain, $eio == 3 ? text3(@all) : text4(@all)];
}

sub gets ($c, $name, $packet, @bins) {
    my $s = $c->{s};
    my @expect = expected($c, $packet, @bins);
    my @got;

    if ($c->{polling}) {
        my $r = $s->get;
        my $body = $r->{body};
        if (defined $s->{j}) {
            (my $j, $body) = script($body);
            is($j, $s->{j}, "$name, $c->{kind}: its callback");
        }
        @got = [$r->{headers}{'content-type'}, $body];
    } else {
        @got = map { my $f = $s->frame; [$f->{op}, $f->{payload}] } @expect;
    }

    is(join(' ', map { "$_->[0]=" . unpack 'H*', $_->[1] } @got),
        join(' ', map { "$_->[0]=" . unpack 'H*', $_->[1] } @expect),
        "sio 110: $name, $c->{kind}");
}

# Nothing else has come.
sub nothing_more ($name) {
    my @late = grep { $_->{polling} ? @{$_->{s}{queue}}
        : !$_->{s}->silent(0) } @crowd;
    is_deeply([map { $_->{kind} } @late], [], "$name: once");
}

my $ph = { _placeholder => \1, num => 0 };
my $json = '{"_placeholder":true,"num":0}';
my %messages = (
    'ASCII' => ['m', ['a', 1]],
    'characters' => ['größe', ['é€😀', { 'ß' => "\x{2028}" }]],
    'binary' => ['bin', [$ph], "\x00\x04\xff"],
    'binary and characters' => ['é', [$ph, '😀', { %$ph, num => 1 }],
        "\x04", ''],
    'large' => ['large', ['é' x 30_000]],
    'large binary' => ['large', [$ph], "\xff\x00" x 40_000],
);

sub packet ($nsp, $event, $args, @bins) {
    my $text = to_json([$event, @$args]);
    utf8::decode($text);
    # the harness sorts names, a placeholder is as the backend wrote it
    return '4' . (@bins ? '5' . @bins . '-' : '2') . $nsp . $text;
}

for my $name (sort keys %messages) {
    my ($event, $args, @bins) = @{$messages{$name}};
    my ($status, $a) = $t->publish({ room => 'crowd', event => $event,
        args => $args, @bins ? (attachments =>
            [map { encode_base64($_, '') } @bins]) : () });
    is($a->{count}, scalar @crowd, "$name: published to all");
    gets($_, $name, packet('', $event, $args, @bins), @bins) for @crowd;
    nothing_more($name);
}

# Said by each kind in turn, to all others.
for my $i (0 .. keys(%kinds) - 1) {
    my $who = $crowd[$i];
    my @bins = ("\x00\x04" . chr $i);
    my $packet = bytes("[\"say\",\"é😀\",$json,$i]");
    $who->{s}->send("451-$packet", map { \$_ } @bins);
    gets($_, "said by $who->{kind}",
        qq(451-["say","é😀",{"_placeholder":true,"num":0},$i]), @bins)
        for grep { $_ != $who } @crowd;

    $who->{s}->send("42[\"shout\",$i]");
    gets($_, "shouted by $who->{kind}", qq(42["shout",$i])) for @crowd;

    $who->{s}->send('42["tell"]');
    gets($who, 'told', '42["tell"]');
    nothing_more("by $who->{kind}");
}

# What waits comes in one payload, what is mixed in order: published one by
# one by three workers in turn.
for my $i (1 .. 6) {
    $t->publish({ room => 'crowd', event => "e$i", $i % 2 ? () : (
        args => [$ph], attachments => [encode_base64(chr $i, '')]) },
        worker => $i % 3);
}
for my $c (@crowd) {
    my @expect = map { $_ % 2 ? "42[\"e$_\"]" : ("451-[\"e$_\",$json]",
        'b' . encode_base64(chr $_, '')) } 1 .. 6;
    is_deeply([$c->{s}->collect(9)], \@expect,
        "sio 115: all, in order, $c->{kind}");
}
nothing_more('in order');

# A namespace that is no ASCII, of whoever joins it.
my $nsp = '/größe😀,';
for my $c (@crowd) {
    $c->{s}->send(bytes("40$nsp"));
    my $r = $c->{s}->next_packet;
    $c->{eio} == 3 ? is($r, bytes("40$nsp"), "joins, $c->{kind}")
        : like($r, qr/^\Q${\bytes("40$nsp")}\E\{"sid":/, "joins, $c->{kind}");
}
for my $m (['ASCII', 'm', ['a']], ['characters', 'é', ['😀']],
    ['binary', 'b', [$ph, 'é'], "\xff"])
{
    my ($name, $event, $args, @bins) = @$m;
    my ($status, $a) = $t->publish({ nsp => '/größe😀', all => \1,
        event => $event, args => $args, @bins ? (attachments =>
            [map { encode_base64($_, '') } @bins]) : () });
    is($a->{count}, scalar @crowd, "in the namespace, $name");
    gets($_, "in the namespace, $name", packet($nsp, $event, $args, @bins),
        @bins) for @crowd;
}
nothing_more('in the namespace');

# Those who change to a websocket are in the room still, as another kind.
for my $c (grep { $_->{polling} } @crowd) {
    my $ws = $t->websocket(sid => $c->{s}{sid}, eio => $c->{eio},
        query => $c->{s}{b64} ? '&b64=1' : '');
    $ws->send('2probe', '5');
    is($ws->recv, '3probe', "upgrade, $c->{kind}");
    $c->{polling} = 0;
    $c->{s} = $ws;
}
for my $name ('characters', 'binary and characters') {
    my ($event, $args, @bins) = @{$messages{$name}};
    ok(eventually(sub {
        my ($status, $a) = $t->publish({ op => 'count', room => 'crowd' });
        return $a->{count} == @crowd }), 'all are there');
    $t->publish({ room => 'crowd', event => $event, args => $args,
        @bins ? (attachments => [map { encode_base64($_, '') } @bins]) : () });
    gets($_, "$name, after upgrades", packet('', $event, $args, @bins), @bins)
        for @crowd;
}
nothing_more('after upgrades');

# Ends: each in its own words.
$t->publish({ op => 'disconnect', room => 'crowd' });
for my $c (@crowd) {
    is($c->{s}->next_packet, '41', "sio 94: disconnected, $c->{kind}");
    $c->{s}->close;
}

$t->finish;
