#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Connection state recovery: who comes back in time, over any transport and on
# any worker, is the same socket and gets what it missed, and else a new one.
# Fails if a missed message is left out, doubled, or another's; if a secret of
# one socket serves twice or somewhere else; if the backend hears of a
# connection more or less often than of its end.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;
use Test::SocketIO::Backend qw/reply/;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);

# A connect's auth says what the answer is; "sync" is acknowledged.  One lane:
# what is answered comes behind all that was sent before, on that worker.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    my ($status) = map { $_->{handshake}{auth}{status} // () } @$events;
    return reply(status => $status) if $status;
    for my $e (@$events) {
        my %id = (id => $e->{id});
        if ($e->{type} eq 'connect') {
            my $a = $e->{handshake}{auth};
            push @out, $a->{reject} ? { %id, op => 'reject' }
                : { %id, op => 'accept', map { $a->{$_} ? ($_ => $a->{$_}) : () }
                    qw/rooms data/ };
            push @out, { %id, event => 'welcome', args => [$e->{seq}] }
                if $a->{welcome};
        }
        push @out, { %id, op => 'ack', args => [] } if $e->{ack};
        return reply(hold => 'slow')
            if $e->{type} eq 'disconnect' && $ctl->{slow};
    }
    return \@out;
}, zone => '8m recovery=1m', socketio => <<'CONF', http => <<'HTTP',
            socketio_hook_lanes 1;
            socketio_hook_timeout 300ms;
            socketio_namespaces / /custom;
            socketio_send_queue 100 64k;
CONF
    socketio_zone off 1m;
    socketio_zone soon 1m recovery=1ms;
HTTP
    server => <<'SERVER');
        location /other/ { socketio test; socketio_hook off; }
        location /off/ { socketio off; socketio_hook off; }
        location /soon/ { socketio soon; socketio_hook off; }
        location = /_publish_off { socketio_publish off; }
        location = /_publish_soon { socketio_publish soon; }
SERVER

# A socket: { s, id, pid, before (packets before the reply) }.
sub up ($transport, $worker, $auth = {}, %o) {
    my $nsp = ($o{nsp} // '/') eq '/' ? '' : "$o{nsp},";
    my $s = $transport eq 'websocket'
        ? $t->websocket(worker => $worker, %o)
        : $t->polling(worker => $worker, %o);
    $s->open_packet if $transport eq 'websocket';
    my $c = { s => $s, before => [], nsp => $nsp };
    $s->send("40$nsp" . (%$auth ? to_json($auth) : ''));
    return $o{later} ? $c : answered($c);
}

sub answered ($c) {
    while (defined(my $p = $c->{s}->next_packet)) {
        if ($p =~ /^40\Q$c->{nsp}\E(\{.*\})$/) {
            $c->{reply} = from_json($1);
            $c->{id} = $c->{reply}{sid};
            $c->{pid} = $c->{reply}{pid};
            last;
        }
        push @{$c->{before}}, $p;
    }
    return $c;
}

sub back ($old, $transport, $worker, %o) {
    return up($transport, $worker, { pid => $old->{pid},
        offset => $old->{offset} // '', %{delete $o{auth} // {}} }, %o);
}

sub publish ($cmd, $path = '/_publish') {
    my (undef, $a) = $t->publish($cmd, path => $path);
    diag('publish: ' . to_json($a // {})) unless $a && $a->{ok};
    return $a;
}

# The next packet without its offset, which becomes the socket's.
sub take ($c) {
    my $p = $c->{s}->next_packet // return undef;
    $c->{offset} = $1 if $p =~ s/,"([\w-]{11})"\]$/]/;
    return $p;
}

# What it missed, likewise.
sub missed ($c) {
    return join ' ', map {
        my $p = $_;
        $c->{offset} = $1 if $p =~ s/,"([\w-]{11})"\]$/]/;
        $p;
    } @{$c->{before}};
}

# With an offset to come back with.
sub ready ($transport, $worker, $auth = {}, %o) {
    my $c = up($transport, $worker, $auth, %o);
    publish({ sid => $c->{id}, event => 'first', nsp => $o{nsp} // '/' });
    take($c);
    return $c;
}

# Both workers have done all that was sent to the backend before.
my @sync = map { $t->connected('websocket', worker => $_) } 0, 1;
sub settled () {
    for my $s (@sync) {
        $s->emit(['/', 1], 'sync');
        while (defined(my $p = $s->next_packet)) {
            last if $p eq '431[]';
        }
    }
}

sub lose ($c) {
    my $n = grep { $_->{sid} eq $c->{id} } $b->events('disconnect');
    ref($c->{s}) =~ /WebSocket/ ? $c->{s}{conn}->close : $c->{s}->send('1');
    eventually(sub {
        $n < grep { $_->{sid} eq $c->{id} } $b->events('disconnect');
    });
    settled();
}

sub told ($c) { return grep { $_->{sid} eq $c->{id} } $b->events }


# On the wire

{
    my $c = up('websocket', 0, { rooms => ['r'] });
    like($c->{pid}, qr/^[\w-]{36}$/, 'sio 117: a pid');
    isnt($c->{pid}, up('polling', 1)->{pid}, 'sio 117: of its own');

    my $packet = sub ($cmd) { publish($cmd); return $c->{s}->next_packet };
    my $o = qr/"[\w-]{11}"/;
    like($packet->({ room => 'r', event => 'a' }), qr/^42\["a",$o\]$/,
        'sio 118: a plain event ends with an offset');
    like($packet->({ sid => $c->{id}, event => 'a', args => [1, {}] }),
        qr/^42\["a",1,\{\},$o\]$/, 'sio 118: of one socket, too');
    is($packet->({ all => \1, event => 'v', volatile => \1 }), '42["v"]',
        'sio 118: a volatile one does not');
    like($packet->({ room => 'r', event => 'b', attachments => ['AQI='],
        args => [{ _placeholder => \1, num => 0 }] }),
        qr/^451-\["b",\{"_placeholder":true,"num":0\},$o\]$/,
        'sio 118: a binary one does, behind its arguments');
    is($c->{s}->next_packet, 'bAQI=', 'sio 118: and not in the attachment');
    $c->{s}->emit(['/', 7], 'sync');
    is($c->{s}->next_packet, '437[]', 'sio 118: an ack does not');
}

{
    my $c = up('websocket', 0, {}, path => '/off/');
    is_deeply([sort keys %{$c->{reply}}], ['sid'], 'sio 117: off: no pid');
    publish({ all => \1, event => 'a' }, '/_publish_off');
    is($c->{s}->next_packet, '42["a"]', 'sio 117: off: no offset');
}


# Back again

my $n = 0;

for my $from ('polling', 'websocket') {
    for my $to ('polling', 'websocket') {
        my ($w, $v) = (0, $n++ % 3 != 0);
        my $name = "$from to $to" . ($v ? ', other worker' : '');
        my $c = ready($from, $w, { rooms => ['r', 's'], data => { k => 1 } });

        lose($c);
        publish({ room => 'r', event => 'm', args => [1] });
        publish({ all => \1, event => 'm', args => [2] });
        publish({ sid => $c->{id}, event => 'm', args => [3], attachments =>
            ['AQI='] });
        publish({ room => ['x', 's', 'r'], event => 'm', args => [4] });
        publish({ room => 'r', event => 'v', volatile => \1 });

        my $d = back($c, $to, $v, auth => { rooms => ['new'],
            data => { k => 2 }, welcome => 1 });
        is($d->{id}, $c->{id}, "sio 122: $name: the same id");
        is($d->{pid}, $c->{pid}, "sio 119: $name: the same pid");
        is(missed($d), "42[\"m\",1] 42[\"m\",2] 451-[\"m\",3] bAQI="
            . ' 42["m",4]', "sio 119: $name: first what it missed, in order");

        my @told = told($d);
        is(take($d), '42["welcome",2]', "$name: what the backend says to it");
        @told = told($d);
        is(join(' ', map { "$_->{type} $_->{seq}" } @told),
            'connect 0 disconnect 1 connect 2',
            "$name: the backend hears of it, without a gap");
        ok(!$told[0]{recovered} && $told[2]{recovered},
            "sio 119: $name: that it was recovered");
        is_deeply($told[2]{data}, { k => 1 }, "sio 119: $name: with its data");

        publish({ room => 'new', event => 'no' });
        publish({ room => 'r', event => 'yes', except => 'x' });
        is(take($d), '42["yes"]', "sio 119: $name: in its rooms");

        lose($d);
        publish({ room => 's', event => 'again' });
        my $e = back({ %$d }, $from, $w);
        is("$e->{id} " . missed($e), "$c->{id} 42[\"again\"]",
            "$name: and once more");
        lose($e);
        is(join(' ', map { $_->{type} } told($e)),
            join(' ', ('connect disconnect') x 3), "$name: pairs");
    }
}

# By rooms and excepts as they were at the end.
{
    my $c = ready('websocket', 1, { rooms => ['in', 'not'] });
    my $other = up('websocket', 0, { rooms => ['in', 'elsewhere'] });
    lose($c);

    publish({ room => 'in', event => 'a', except => 'not' });
    publish({ all => \1, event => 'b', except => $c->{id} });
    publish({ all => \1, event => 'c', except => ['elsewhere', 'nowhere'] });
    publish({ room => 'elsewhere', event => 'd' });
    publish({ room => [map { "x$_" } 1 .. 50], event => 'e' });
    publish({ room => [(map { "x$_" } 1 .. 50), 'in'], event => 'f' });
    publish({ op => 'leave', all => \1, room => 'in' });
    publish({ room => 'in', event => 'g' });
    publish({ sid => $other->{id}, event => 'h' });
    publish({ all => \1, event => 'i', nsp => '/custom' });
    publish({ all => \1, event => 'j', except => [map { "x$_" } 1 .. 50] });

    my $d = back($c, 'polling', 0);
    is($d->{id}, $c->{id}, 'sio 121: back');
    is(missed($d), '42["c"] 42["f"] 42["g"] 42["j"]',
        'sio 121: by its rooms and excepts');
}

# The same with more names than an entry has place for in itself, which exist
# only as long as somebody is in those rooms.
{
    my @many = map { "y$_" } 1 .. 40;
    my $c = ready('websocket', 0, { rooms => ['mine'] });
    my $other = up('websocket', 1, { rooms => \@many });
    lose($c);

    publish({ room => [@many, 'mine'], event => 'a' });
    publish({ room => \@many, event => 'b' });
    publish({ all => \1, event => 'c', except => \@many });
    publish({ all => \1, event => 'd', except => [@many, 'mine'] });
    publish({ room => ['mine', @many], event => 'e',
        except => [@many[0 .. 19], $other->{id}] });
    publish({ op => 'leave', all => \1, room => \@many });

    my $d = back($c, 'polling', 1);
    is($d->{id}, $c->{id}, 'sio 121: back');
    is(missed($d), '42["a"] 42["c"] 42["e"]', 'sio 121: by many names');
    is($other->{s}->next_packet =~ s/,"[\w-]{11}"\]$/]/r, "42[\"$_\"]",
        "sio 121: of others: $_") for qw/a b/;
}

# Other namespaces have sockets, and pids, of their own.
{
    my $c = ready('websocket', 0, {}, nsp => '/custom');
    lose($c);
    publish({ all => \1, event => 'a' });
    publish({ all => \1, event => 'b', nsp => '/custom' });
    isnt(back($c, 'websocket', 1)->{id}, $c->{id},
        'sio 120: not in another namespace');
    my $d = back($c, 'websocket', 1, nsp => '/custom');
    is($d->{id}, $c->{id}, 'sio 119: in its own');
    is(join(' ', @{$d->{before}}) =~ s/,"[\w-]{11}"//r, '42/custom,["b"]',
        'sio 121: with its own messages');
}


# As a new one

sub fresh ($c, $why, %o) {
    my $d = back($c, 'websocket', 0, %o);
    ok($d->{id} && $d->{id} ne $c->{id} && $d->{pid} ne $c->{pid}
        && !@{$d->{before}}, "sio 120: $why: a new one");
    my ($e) = $o{path} ? () : told($d);
    ok($o{path} || $e && !$e->{recovered} && $e->{seq} == 0,
        "sio 120: $why: as the backend sees it, too");
    return $d;
}

{
    my $c = ready('websocket', 0);
    lose($c);
    fresh({ %$c, pid => ($c->{pid} =~ s/(.)$/$1 eq 'A' ? 'Q' : 'A'/er) },
        'another key');
    fresh({ %$c, pid => 'x' }, 'no pid');
    fresh({ %$c, pid => [$c->{pid}] }, 'no text');
    fresh({ %$c, offset => 'x' }, 'no offset');
    fresh($c, 'another location', path => '/other/');
    is(back($c, 'websocket', 1)->{id}, $c->{id}, 'sio 120: and then itself');
}

{
    my $c = ready('polling', 0);
    lose($c);
    fresh({ %$c, offset => 'AAAAAAAAAAA' }, 'unknown offset');
    fresh($c, 'one try');

    $c = ready('websocket', 1);
    $c->{s}->send('41');
    $b->reason($c->{id});
    settled();
    fresh($c, 'after 41');

    for my $close (\0, \1) {
        $c = ready('websocket', 1);
        publish({ op => 'disconnect', sid => $c->{id}, close => $close });
        is($b->reason($c->{id}), 'server namespace disconnect', 'kicked');
        settled();
        fresh($c, 'after a kick' . ($$close ? ', closed' : ''));
    }

    $c = ready('websocket', 0);
    fresh($c, 'still there');

    $c = ready('websocket', 0);
    lose($c);
    publish({ all => \1, event => 'm', args => [$_] }) for 1 .. 101;
    fresh($c, 'more than the queue takes');

    $c = ready('websocket', 0);
    lose($c);
    publish({ room => 'nobody', event => 'm', args => ['x' x 65536] });
    publish({ nsp => '/custom', room => $c->{id}, event => 'm' });
    is(back($c, 'polling', 0)->{id}, $c->{id}, 'messages to nobody are not kept');

    $c = ready('websocket', 0);
    my $r = up('polling', 0, { rooms => ['big'] });
    lose($c);
    for (1 .. 30) {
        publish({ room => 'big', event => 'm', args => ['x' x 60000] });
        take($r);
    }
    fresh($c, 'the log has forgotten');
}

# What the backend has not been told, and whom it does not want back.
{
    my $c = ready('websocket', 0);
    $b->set(slow => 1);
    $c->{s}{conn}->close;
    is($b->reason($c->{id}), 'transport close', 'a slow backend');
    my $d = up('polling', 1, { pid => $c->{pid}, offset => $c->{offset} });
    isnt($d->{id}, $c->{id}, 'sio 120: its end is not over: a new one');
    $b->set(slow => 0);
    $b->release('slow');
    settled();
    is(back($c, 'polling', 1)->{id}, $c->{id}, 'sio 119: when it is: itself');

    $c = ready('polling', 0);
    lose($c);
    publish({ sid => $c->{id}, event => 'm' });
    $d = back($c, 'websocket', 1, auth => { reject => 1 });
    is("$d->{id} " . missed($d), "$c->{id} 42[\"m\"]", 'rejected: it was back');
    is($d->{s}->next_packet, '41', 'rejected: and goes');
    settled();
    is(join(' ', map { $_->{reason} // $_->{type} } told($c)),
        'connect transport close connect server namespace disconnect',
        'rejected: the backend hears of the end');
    fresh($c, 'rejected');
}

# Answers that are none: what would refuse a connect ends the socket.
for (['websocket', 403], ['polling', 503]) {
    my ($transport, $status) = @$_;
    my $c = ready($transport, 0);
    lose($c);
    my $d = back($c, $transport, 1, auth => { status => $status });
    is($d->{id}, $c->{id}, "status $status: back");
    if ($status == 403) {
        is($d->{s}->next_packet, '41', "status $status: it is disconnected");
    }
    else {
        $d->{s}->emit(['/', 5], 'works');
        is($d->{s}->next_packet, '435[]', "status $status: it stays");
    }
}

# Two at once, on two workers.
for my $i (1 .. 5) {
    my $c = ready('websocket', 0);
    lose($c);
    publish({ sid => $c->{id}, event => 'm' });
    my @two = map { back($c, 'websocket', $_, later => 1) } 0, 1;
    answered($_) for @two;
    is(scalar(grep { $_->{id} eq $c->{id} && missed($_) eq '42["m"]' } @two),
        1, "sio 120: two at once: one is back ($i)");
    is(scalar(grep { $_->{id} ne $c->{id} && !@{$_->{before}} } @two), 1,
        "sio 120: two at once: one is new ($i)");
}

# Without a backend; and when it is too late.
{
    my $path = '/soon/';
    my $c = up('websocket', 0, {}, path => $path);
    publish({ sid => $c->{id}, event => 'first' }, '/_publish_soon');
    take($c);
    $c->{s}{conn}->close;
    eventually(sub { publish({ op => 'count', all => \1 },
        '/_publish_soon')->{count} == 0 });
    select undef, undef, undef, 0.05;
    fresh($c, 'too late', path => $path);

    $path = '/other/';
    $c = up('websocket', 0, {}, path => $path);
    publish({ sid => $c->{id}, event => 'first' });
    take($c);
    publish({ op => 'join', sid => $c->{id}, room => 'lonely' });
    $c->{s}{conn}->close;
    eventually(sub { publish({ op => 'count', in => 'lonely' })->{count} == 0 });
    publish({ room => 'lonely', event => 'm' });
    my $d = back($c, 'polling', 1, path => $path);
    is("$d->{id} " . missed($d), "$c->{id} 42[\"m\"]",
        'sio 119: without a backend');
}

for my $arg ('recovery=', 'recovery=x', 'recovery=25h', 'recover=1m') {
    my ($exit, $out) = $t->test_conf("%%TEST_GLOBALS%%\nevents { }\n"
        . "http { socketio_zone z 1m $arg; }\n");
    ok($exit && $out =~ /"socketio_zone": "\Q$arg\E" is not/,
        "refused: $arg") or diag($out);
}

# Each end belongs to a connect, each connect to at most one end.
{
    settled();
    my (%up, $bad);
    for my $e ($b->events) {
        next if $up{$e->{id}}++;        # once more, after a failure
        $bad .= " $e->{sid}:$e->{seq}"
            if $e->{seq} != ($up{$e->{sid}}{seq} // 0)
            || ($e->{type} eq 'connect') == ($up{$e->{sid}}{on} // 0);
        $up{$e->{sid}}{seq}++;
        $up{$e->{sid}}{on} = $e->{type} ne 'disconnect';
    }
    is($bad, undef, 'each socket: in turn, in order, without a gap');
}

$t->finish;
