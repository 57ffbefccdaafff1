#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone, the backend's side: what open, message and close say, their
# order, what waits for the answer to open, and what a rejected client sees.
# Fails if a message overtakes its open, reaches a backend that has rejected,
# or if a close is missing, doubled, not the last, or in Socket.IO's words.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# The query of the handshake tells how to answer open.
my $b = $t->run_raw(sub ($events, $req, $ctl) {
    my ($hold, @out);

    for my $e (grep { $_->{type} eq 'open' } @$events) {
        my $q = $e->{handshake}{query};
        my %id = (id => $e->{id});

        $hold = "open $q->{case}" if $q->{hold};
        push @out, { op => 'accept', %id, rooms => ['r1', 'r2'],
                     data => { n => 7 } } if $q->{accept};
        push @out, { op => 'send', %id, text => 'welcome' } if $q->{accept};
        push @out, { op => 'reject', %id, message => 'no', data => 1 }
            if $q->{reject};
        push @out, { op => 'nonsense', %id } if $q->{nonsense};
    }

    push @out, @{echo($events)};
    return reply(body => \@out, hold => $hold) if $hold;
    return @out ? \@out : undef;
}, server => <<'CONF');
        location /hasty/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_hook_lanes 16;
            socketio_connect_timeout 1s;
        }
CONF

sub of ($s) { return grep { $_->{sid} eq $s->{id} } $b->events }

sub keys_are ($e, @keys) {
    is_deeply([sort keys %$e], [sort qw/id type sid seq time/, @keys],
        "fields of $e->{type}: @keys");
}

# All that the backend has heard of it: open, messages, one close.
sub told ($s, $reason, @texts) {
    my $name = "$s->{case}: $reason";
    is($b->reason($s->{id}), $reason, $name);
    my @e = of($s);
    is_deeply([map { $_->{type} eq 'message' ? $_->{text} : $_->{type} } @e],
        ['open', @texts, 'close'], "$name, all in order, close once and last");
    is_deeply([map { $_->{seq} } @e], [0 .. $#e], "$name, seq without gaps");
}

for my $transport (qw/polling websocket/) {
    my $s = $t->raw($transport);
    ok($s->{id}, "$transport: open");
    my ($open) = of($s);
    keys_are($open, qw/handshake recovered/);
    is($open->{seq}, 0, 'the first');
    is($open->{recovered}, JSON::PP::false, 'not recovered');
    my $h = $open->{handshake};
    is_deeply([sort keys %$h], [qw/address auth eio headers query secure time
        transport url/], 'fields of the handshake');
    is("$h->{address} $h->{transport} $h->{eio}", "127.0.0.1 $transport 4",
        'who it is');
    is_deeply($h->{auth}, {}, 'nobody asked for auth');
    like($h->{url}, qr{^/socket\.io/\?EIO=4}, 'url');

    ok($s->send('4hello'), 'text');
    is($s->next_packet, '4hello', 'comes back');
    ok($s->send(\"\0\xff\1"), 'binary');
    is($s->next_packet, 'bAP8B', 'comes back');
    my @m = (of($s))[1, 2];
    keys_are($m[0], 'text');
    is($m[0]{text}, 'hello', 'its text');
    keys_are($m[1], 'binary');
    is($m[1]{binary}, 'AP8B', 'its bytes, in base64');
    is("$m[0]{seq} $m[1]{seq}", '1 2', 'seq goes on');

    $transport eq 'polling' ? $s->send('1') : $s->close;
    is($b->reason($s->{id}), 'transport close', 'close');
    my @e = of($s);
    keys_are($e[-1], qw/reason rooms/);
    is_deeply($e[-1]{rooms}, [], 'was in no room');

    # Rooms and data with the answer to open; what is sent with it comes
    # before anything else.
    $s = $t->raw($transport, query => '&accept=1');
    $s->send('4x');
    is_deeply([$s->collect(2)], ['4welcome', '4x'],
        "eio 33: $transport: sent with the answer to open");
    my ($status, $a) = $t->publish({ nsp => 'engine.io', room => 'r2',
        op => 'count' });
    is($a->{count}, 1, 'in the rooms of accept');
    is_deeply((of($s))[1]{data}, { n => 7 }, 'session data');
    $transport eq 'polling' ? $s->send('1') : $s->close;
    is($b->reason($s->{id}), 'transport close', 'close');
    my $close = (of($s))[-1];
    is_deeply([sort @{$close->{rooms}}], [qw/r1 r2/], 'rooms of close');
    is_deeply($close->{data}, { n => 7 }, 'data of close');

    # Many at once, and gone: all of them, in order, then close.
    $s = $t->raw($transport);
    my @n = 1 .. 50;
    $s->send(map { "4$_" } @n);
    $transport eq 'polling' ? $s->send('1') : $s->close;
    told($s, 'transport close', @n);
}

# eio 65: what follows the close packet is dropped
my $p = $t->raw('polling');
ok($p->send('4a', '1', '4b'), 'eio 65: POST');
told($p, 'transport close', 'a');

# eio 52: a final separator
$p = $t->raw('polling');
is($p->post("4a\x1e")->{body}, 'ok', 'eio 52: POST');
told($p, 'parse error', 'a');
ok($p->gone, 'eio 52: session closed');

my $ws = $t->raw('websocket');
$ws->send('4a', 'x', '4b');
is($ws->closed, '', 'websocket: malformed packet');
is_deeply($ws->{late} // [], ['4a'], 'echo of the packet before it')
    if $ws->{late};
told($ws, 'parse error', 'a');

# The client leaves its GET, or its TCP connection.
$p = $t->raw('polling');
$p->get_start;
ok($p->parked, 'parked');
$p->{get}->close;
told($p, 'transport error');
$ws = $t->raw('websocket');
$ws->{conn}->close;
told($ws, 'transport close');

# eio 66-68: closed by the server; without "close" it means the same
for my $close (0, 1) {
    my %bye = (op => 'disconnect', nsp => 'engine.io',
        $close ? (close => JSON::PP::true) : ());

    $p = $t->raw('polling');
    $p->get_start;
    ok($p->parked(0.2), 'parked');
    $t->publish({ %bye, sid => $p->{id} });
    is($p->body, '1', 'eio 66: parked GET');
    told($p, 'forced close');

    $p = $t->raw('polling');
    $t->publish([{ op => 'send', sid => $p->{id}, text => 'last' },
        { %bye, sid => $p->{id} }]);
    told($p, 'forced close');
    is($p->body, '4last', 'eio 68: queued data first');
    is($p->body, "6\x1e1", 'eio 67: next GET');
    ok($p->gone, 'and gone');

    $ws = $t->raw('websocket');
    $t->publish([{ op => 'send', sid => $ws->{id}, text => 'last' },
        { %bye, sid => $ws->{id} }]);
    is($ws->recv, '4last', 'websocket: what was sent before');
    is($ws->closed, '', 'websocket: Close without a word');
    told($ws, 'forced close');
}

# Nothing is delivered before open is answered.
for my $transport (qw/polling websocket/) {
    my $s = $t->raw($transport, query => '&hold=1');
    ok($s->{id}, "$transport: open is held");

    if ($transport eq 'polling') {
        $s->{post}->request('POST', $s->url, body => "4a\x1ebAQI=\x1e4c");
        ok($s->{post}->silent(0.4), 'POST waits');

    } else {
        $s->send('4a', \"\1\2", '4c');
        ok($s->silent(0.4), 'silence');
    }

    is(scalar(of($s)), 1, 'no message yet');
    my ($status, $a) = $t->publish({ op => 'send', sid => $s->{id},
        text => 'early' });
    is($a->{count}, 0, 'nor to it');
    $b->release("open $s->{case}");
    is($s->{post}->response->{body}, 'ok', 'POST is answered')
        if $transport eq 'polling';
    is_deeply([$s->collect(3)], ['4a', 'bAQI=', '4c'], 'then all, in order');
    $transport eq 'polling' ? $s->send('1') : $s->close;
    is($b->reason($s->{id}), 'transport close', 'close');
    my @e = of($s);
    is_deeply([map { $_->{seq} } @e], [0 .. 4], 'seq without gaps');

    # Gone before the answer: accepted when it comes, so it hears of the end.
    # A websocket is not read from meanwhile, so what it has sent goes first.
    $s = $t->raw($transport, query => '&hold=1');
    if ($transport eq 'polling') {
        $s->{post}->request('POST', $s->url, body => '4late');
        ok($s->{post}->silent(0.2), 'POST waits');
        $s->{post}->close;
        ok($s->gone, 'gone while open is held');
    } else {
        $s->send('4late');
        $s->send_frame(8, '');
        ok($s->silent(0.2), 'nothing is read');
    }
    is(scalar(of($s)), 1, 'nothing to tell yet');
    $b->release("open $s->{case}");
    told($s, $transport eq 'polling' ? 'transport error'
        : ('transport close', 'late'));
}

# An open that nobody answers within socketio_connect_timeout; one that was
# answered has no such limit.
my $calm = $t->raw('polling', path => '/hasty/');
for my $transport (qw/polling websocket/) {
    my $s = $t->raw($transport, path => '/hasty/', query => '&hold=1');
    if ($transport eq 'polling') {
        is($s->body, '1', "$transport: open took too long");
        ok($s->gone, 'gone');
    } else {
        is($s->closed, '', "$transport: open took too long");
    }
    is(scalar(of($s)), 1, 'nothing to tell yet');
    $b->release("open $s->{case}");
    told($s, 'forced close');
}
$calm->send('4calm');
is($calm->next_packet, '4calm', 'the other one is there');

# Rejected: the connection ends, and no message is delivered.
for my $query ('&reject=1', '&reject=1&hold=1', '&nonsense=1&hold=1') {
    my $heard = $query =~ /nonsense/;
    my (%s, @s);

    # with a parked GET
    my $s = $s{parked} = $t->raw('polling', query => $query, get_worker => 1);
    $s->get_start;
    ok($s->parked(0.2), "$query: parked") if $query =~ /hold/;
    $b->release("open $s->{case}");
    my $body = $s->body;
    like($body, $query =~ /hold/ ? qr/^1$/ : qr/^(?:1|6\x1e1)$/,
        "$query: parked GET");
    ok($s->gone, 'gone');

    # without, but with a POST
    $s = $s{post} = $t->raw('polling', query => $query);
    $s->{post}->request('POST', $s->url, body => '4never');
    ok($s->{post}->silent(0.2), "$query: POST waits") if $query =~ /hold/;
    $b->release("open $s->{case}");
    is($s->{post}->response->{body}, 'ok', "$query: POST is answered");
    is($s->body, "6\x1e1", 'next GET');
    ok($s->gone, 'gone');

    $s = $s{ws} = $t->raw('websocket', query => $query);
    $s->send('4never');
    $b->release("open $s->{case}");
    is($s->closed, '', "$query: websocket is closed");
    is_deeply($s->{late} // [], [], 'without a word');

    # a probe goes, too
    if ($query =~ /hold/) {
        $s = $s{probe} = $t->raw('polling', query => $query);
        $s->get_start;
        my $w = $t->websocket(sid => $s->{sid}, worker => 1);
        $w->send('2probe');
        is($w->recv, '3probe', "$query: probe");
        is($s->body, '6', 'the GET goes');
        $b->release("open $s->{case}");
        $w->send('5', '4never');
        is($w->closed, '', 'websocket is closed');
        ok($s->gone, 'gone');
    }

    # It has rejected, and hears no more; else it may have accepted.
    for my $s (values %s) {
        if ($heard) {
            told($s, 'forced close');
            next;
        }
        is_deeply([map { $_->{type} } of($s)], ['open'],
            "$s->{case}: no close of a rejected one");
    }
}

$t->finish;
