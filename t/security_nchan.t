#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What nchan, the closest relative of this module, had to mend for security,
# as its changelog has it, in the terms of this one: who publishes, subscribes
# or is asked about leaves at the worst moment; ids are crafted; messages are
# empty or large, and memory is still that of somebody before.  Fails if a
# worker dies, somebody else notices, or anything is left of it.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Attack;
use Test::SocketIO::Backend qw/reply echo/;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'auth', body => '') if $req->{uri} =~ /auth/;

    my @out = @{echo($events)};
    my $hold;

    for my $e (@$events) {
        my $name = $e->{event} // '';
        $hold //= $1 if $name =~ /^hold(\d+)$/;
        $hold //= $e->{handshake}{query}{hold}
            if $e->{type} eq 'connect';
        push @out, { op => 'join', id => $e->{id}, room => 'r' },
            { op => 'emit', id => $e->{id}, event => 'x', args => ['y'] },
            { op => 'data', id => $e->{id}, data => { a => 1 } },
            { op => 'ack', id => $e->{id}, args => [] },
            { op => 'disconnect', id => $e->{id}, close => \1 }
            if $name =~ /^hold/;
        push @out, { op => 'join', id => $e->{id}, room => $e->{args}[0] }
            if $name eq 'join';
        push @out, { op => 'emit', event => 'to', room => $e->{args}[0],
            args => $e->{args}, nsp => $e->{nsp} } if $name eq 'to';
    }

    return $hold ? reply(hold => $hold, body => \@out) : \@out;
}, eio => '3 4', http => 'socketio_deflate on threshold=1;', zone => '16m',
    server => QUICK =~ s/socketio_hook_batch off;//r . <<'CONF');
        socketio_namespaces *;
        location /auth/ {
            socketio test;
            socketio_hook /_hook;
            auth_request /_auth;
        }
        location = /authpublish { socketio_publish test; auth_request /_auth; }
        location = /_auth {
            internal;
            proxy_pass http://backend/auth;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
CONF

besieged($t);

my $ws = 'EIO=4&transport=websocket';

# nchan-1, nchan-10: a websocket that has sent something is gone when it is
# answered, with all that can be said to it.
for my $n (1 .. 3) {
    my @w = map { $t->connected('websocket', deflate => $n == 2) } 1 .. 4;
    $_->send(qq(42$n\["hold$n",1]), "42[\"hold$n\"]") for @w;
    eventually(sub { grep { ($_->{event} // '') eq "hold$n" }
        $b->events('event') });
    $n == 1 ? $_->{conn}->reset : $n == 2 ? $_->{conn}->close : $_->close
        for @w;
    $b->release($n);
    ok(defined $b->reason($_->{id}),
        'nchan-1, nchan-10: it is gone when it is answered') for @w;
}
unharmed('nchan-1, nchan-10');

# nchan-3: a connection, and a worker, serve one after the other.
{
    my $c = $t->connect_to_worker(0);
    my @s = map { $t->polling(%$_) } { eio => 4 }, { eio => 3 },
        { eio => 3, b64 => 1 }, { eio => 3, jsonp => 0 };
    my @bad;

    for my $round (1 .. 3) {
        for my $s (@s) {
            $s->{post}->close;
            $s->{get}->close;
            $s->{post} = $s->{get} = $c;
            $s->sio_connect if $round == 1 && $s->{eio} == 4;
            $s->recv if $round == 1 && $s->{eio} == 3;
            my $text = $s->{sid} . 'x' x (1000 * $round);
            $s->emit('m', $text);
            my $got = $s->next_packet // '';
            push @bad, substr $got, 0, 60 if $got ne qq(42["echo","$text"]);
            $c = $t->connect_to_worker($round % 2) if $c->{eof};
        }
    }
    is(scalar @bad, 0, 'nchan-3: a kept connection is nobody\'s')
        or diag(@bad);

    for my $half ("\x81\xfe\x10\x00mask" . 'secret' x 100,
        frame(1, '42["secret', fin => 0), "\xc1\x85mask\xff\xff",
        frame(9, 'secret', len => 100), '', "\x81")
    {
        my $w = $t->connected('websocket', worker => 0, deflate => 1);
        $w->send_raw($half);
        $w->{conn}->reset;
        my $v = $t->connected('websocket', worker => 0, deflate => 1);
        $v->send('42["m","mine"]');
        is($v->next_packet, '42["echo","mine"]',
            'nchan-3: nothing is left of half a frame');
        $v->close;
    }
    $_->send('1') for @s;
}
unharmed('nchan-3');

# nchan-4: offers of permessage-deflate.
{
    my $before = cpu();
    my %status;

    for my $offer ('permessage-deflate; ' x 300, 'permessage-deflate,' x 400,
        ';' x 7000, ',' x 7000, '=' x 7000, '"' x 7001, 'permessage-deflate; "',
        'permessage-deflate; server_max_window_bits="', "permessage-deflate;\t",
        'permessage-deflate; server_max_window_bits=' . '1' x 7000,
        'permessage-deflate; a=' . '"\\' x 3000, 'permessage-deflate=',
        'permessage-deflate; client_max_window_bits; ' x 150,
        'x-webkit-deflate-frame', 'deflate-frame, permessage-deflate;;')
    {
        my $w = $t->websocket(deflate => $offer);
        $status{$w->status}++;
        $w->{conn}->close;
    }
    is(join(' ', grep { !/^(?:101|400)$/ } keys %status), '',
        'nchan-4: odd offers are answered');
    cmp_ok(cpu() - $before, '<', 2, 'nchan-4: without spinning');
}
unharmed('nchan-4');

# nchan-5: who is asked about leaves.
{
    my @w;
    for my $n (1 .. 8) {
        my $s = $n % 2 ? $t->websocket(query => '&hold=5')
            : $t->polling(query => '&hold=5', path => '/quick/');
        $s->open_packet if $n % 2;
        $n % 2 ? $s->send('40') : $s->post('40');
        push @w, $s;
    }
    $b->wait_events('connect', 8);
    $_->{conn} ? $_->{conn}->reset : $_->{get}->reset for @w;
    $t->publish({ all => \1, nsp => '/5', event => 'x' });
    $b->release(5);
}
unharmed('nchan-5');

# nchan-6: gone before, in and right after the opening handshake, while there is
# something to be told.
for my $n (1 .. 60) {
    my $c = $t->connect;
    my $w = Test::SocketIO::WebSocket->new($c, "/quick/?$ws", wait => 0,
        after => frame(1, '40/six,'));
    $n % 3 == 0 ? $c->reset : $n % 3 == 1 ? $c->close : $c->half_close;
    $t->publish({ all => \1, nsp => '/six', event => 'x' }) if $n % 10 == 0;
}
unharmed('nchan-6');

# nchan-7: a GET that is parked disappears while it is answered.
{
    my @p = map { $t->connected('polling') } 1 .. 20;
    $_->sio_connect('/seven') for @p;
    $_->get_start for @p;
    for my $n (0 .. $#p) {
        $t->publish({ all => \1, nsp => '/seven', event => 'x' })
            if $n % 5 == 0;
        $n % 2 ? $p[$n]{get}->reset : $p[$n]{get}->close;
    }
    $t->publish({ all => \1, nsp => '/seven', event => 'x' });
    $t->publish({ op => 'disconnect', all => \1, nsp => '/seven',
        close => \1 });
    my (undef, $a) = $t->publish({ op => 'count', all => \1, nsp => '/seven' });
    is($a->{count}, 0, 'nchan-7: they are gone');
}
unharmed('nchan-7');

# nchan-8: the first message into what is new.
{
    my $w = $t->websocket;
    $w->open_packet;
    $w->sio_connect('/new8');
    $w->send('42/new8,["to","nobody"]', '42/new8,["join","r8"]',
        '42/new8,["to","r8"]', '42/new8,["to","r8"]');
    my @got = grep { /\["to"/ } $w->collect(6);
    is(scalar @got, 2, 'nchan-8: into a new namespace and room');
    my (undef, $a) = $t->publish({ room => 'none', nsp => '/none8',
        event => 'x' });
    is($a->{count}, 0, 'nchan-8: or into none at all');
    $w->close;
}
unharmed('nchan-8');

# nchan-9, nchan-11: ids as nobody makes them.
{
    my @ids = ('', '-', '--', '---', '0-0-0-0', '1-1-1-1', '-1--1--1--1',
        'ffffffff-ffffffff-ffffffff-ffffffff', 'x-x-x-x', '1-1-1-1-1-1',
        '100000000-1-1-1', '%31-1-1-1', "1-1-1-1\0", '1' x 5000, '1-' x 2000,
        '00-1-1-1', "\xc3\xa9", '1:2[3]', '1,2,3:4', '[object]', '9' x 40);
    my ($e) = $b->events('connect');
    push @ids, map { $e->{id} . $_ } '', '-', '-0', '-ffffffffffffffff', '-1',
        "\0", ' ', '-20000000000000';
    push @ids, $e->{id} =~ s/-[^-]*-/-ffffffff-/r,
        $e->{id} =~ s/-[^-]*$/-7fffffff/r;
    my %code;

    for my $id (@ids) {
        for my $op ('emit', 'join', 'disconnect', 'data', 'fetch', 'count') {
            next if $op ne 'count' && $id =~ /^\Q$e->{id}\E-?\d*$/;
            my ($status, $a) = $t->publish({ op => $op, id => $id,
                event => 'none', room => 'none', data => 1,
                nsp => '/none9' });
            $code{$status}++;
        }
        my $w = $t->websocket;
        $w->send('40' . Test::SocketIO::to_json({ pid => $id, offset => $id }));
        $w->open_packet;
        my $got = $w->next_packet // 'nothing';
        $code{$got =~ /^4[04]/ ? 200 : $got}++;
        $w->{conn}->close;
        my $u = $id =~ s/([^A-Za-z0-9])/sprintf '%%%02x', ord $1/ger;
        my $r = $t->http('GET', "/socket.io/?$ws&sid=$u&t=$u&j=$u");
        $code{$r ? $r->{status} : 'none'}++;
    }
    is(join(' ', grep { !/^(?:200|40[03]|414)$/ } sort keys %code), '',
        'nchan-9, nchan-11: crafted ids');
}
unharmed('nchan-9, nchan-11');

# nchan-12, nchan-13: one connection in many namespaces, whose output waits.
{
    my @nsp = map { "/many$_" } 1 .. 15;
    my @s = map { $t->connected($_ % 3 ? 'websocket' : 'polling') } 1 .. 6;
    for my $s (@s) {
        $s->sio_connect($_) for @nsp;
    }
    my $big = 'x' x 20_000;
    for my $n (1 .. 60) {
        my $nsp = $nsp[$n % @nsp];
        $t->publish([
            { all => \1, nsp => $nsp, event => 'x', args => [$big] },
            { op => 'join', all => \1, nsp => $nsp, room => "r$n" },
            { room => "r$n", nsp => $nsp, event => 'y' },
            $n % 4 ? { op => 'leave', all => \1, nsp => $nsp, room => "r$n" }
                : { op => 'disconnect', in => "r$n", nsp => $nsp },
        ]);
        $s[$n / 10]{conn} && $s[$n / 10]{conn}->reset if $n % 10 == 9
            && $n < 55;
    }
    $_->{conn} ? $_->{conn}->close : $_->{get}->close for @s;
    my (undef, $a) = $t->publish({ op => 'disconnect', all => \1,
        nsp => '/many1' });
    ok($a->{ok}, 'nchan-12, nchan-13: many at once');
}
unharmed('nchan-12, nchan-13');

# nchan-14: one message in all its forms, and some who do not want it any more.
{
    my @s = map { $t->connected(@$_) } ['websocket'],
        ['websocket', deflate => 1], ['websocket', eio => 3],
        ['websocket', eio => 3, query => '&b64=1'], ['polling'],
        ['polling', eio => 3], ['polling', eio => 3, b64 => 1],
        ['polling', eio => 3, jsonp => 1];
    my @gone = map { $t->connected('websocket', deflate => $_ % 2) } 1 .. 4;
    my $data = { _placeholder => \1, num => 0 };

    $t->publish([{ op => 'join', sid => [map { $_->{id} } @s, @gone],
        room => 'all14' }]);
    $_->{conn}->reset for @gone;
    $t->publish({ room => 'all14', event => 'b', args => [$data, 'x' x 5000],
        attachments => ['AAEC'] });
    my @bad = grep { my $s = $_; my @got = $s->collect(2);
        @got != 2 || $got[0] !~ /^451-\["b"/ || $got[1] !~ /AAEC/ } @s;
    is(scalar @bad, 0, 'nchan-14: each has it in its form');
    $_->isa('Test::SocketIO::WebSocket') ? $_->close : $_->send('1') for @s;
}
unharmed('nchan-14');

# nchan-15: headers that come in pairs, alone.
{
    my %status;
    for my $h (['If-Modified-Since' => 'Thu, 01 Jan 1970 00:00:00 GMT'],
        ['If-None-Match' => '"0"'], ['If-Modified-Since' => 'x'],
        ['If-Unmodified-Since' => 'Thu, 01 Jan 1970 00:00:00 GMT'],
        ['If-Match' => '"x"'], ['Range' => 'bytes=0-1'], ['If-Range' => '"x"'],
        ['Access-Control-Request-Method' => 'POST'], ['Upgrade' => 'websocket'],
        ['Access-Control-Request-Headers' => 'x'], ['Expect' => 'x'],
        ['Sec-WebSocket-Key' => 'x'], ['Connection' => 'Upgrade'],
        ['Content-Type' => 'text/plain'], ['Content-Encoding' => 'gzip'],
        ['TE' => 'trailers'], ['Trailer' => 'X'], ['Cookie' => ''])
    {
        for my $path ('/socket.io/?EIO=4&transport=polling',
            "/socket.io/?$ws", '/_status', '/_publish', '/socket.io/')
        {
            for my $method (qw/GET OPTIONS/) {
                my $r = $t->http($method, $path, headers => $h);
                $status{$r ? $r->{status} : 'none'}++;
            }
        }
    }
    is(join(' ', grep { !/^(?:20[046]|30\d|4\d\d)$/ } sort keys %status), '',
        'nchan-15: one header of a pair');
}
unharmed('nchan-15');

# nchan-16: empty messages, of all kinds, to all kinds.
{
    my @s = map { $t->connected(@$_) } ['websocket'], ['polling'],
        ['websocket', deflate => 1], ['polling', eio => 3],
        ['websocket', eio => 3, query => '&b64=1'];
    my @sids = map { $_->{id} } @s;
    my $ph = { _placeholder => \1, num => 0 };

    $t->publish([{ sid => \@sids, event => '' },
        { sid => \@sids, event => '', args => [] },
        { sid => \@sids, event => 'e', args => ['', {}, [], undef] },
        { sid => \@sids, event => 'e', args => [$ph], attachments => [''] }]);
    my @bad;
    for my $s (@s) {
        my @got = $s->collect(5);
        push @bad, "@got" if "@got" ne '42[""] 42[""] 42["e","",{},[],null]'
            . ' 451-["e",{"_placeholder":true,"num":0}] b';
    }
    is(join("\n", @bad), '', 'nchan-16: empty messages');
    $s[0]->send_frame($_, '') for 9, 10;
    is($s[0]->frame->{payload}, '', 'nchan-16: an empty ping');
    $s[2]->send_frame(1, '', rsv => 4);
    ok(defined $s[2]->closed, 'nchan-16: an empty message, deflated');
    $_->{conn} ? $_->{conn}->close : $_->send('1') for @s;
}
unharmed('nchan-16');

# nchan-17: large ones, around the sizes of buffers.
{
    my @bad;
    my $w = $t->connected('websocket');
    my $d = $t->connected('websocket', deflate => 1);
    for my $n (4080 .. 4100, 8180 .. 8195, 65520 .. 65540, 262_144, 900_000) {
        my $text = 'x' x $n;
        $w->send(qq(42["m","$text"]));
        push @bad, $n if ($w->next_packet(20) // '') ne qq(42["echo","$text"]);
    }
    for my $n (65530, 900_000) {
        my $text = join '', map { chr 97 + int rand 26 } 1 .. $n;
        $d->send(qq(42["m","$text"]));
        push @bad, "deflated $n"
            if ($d->next_packet(20) // '') ne qq(42["echo","$text"]);
    }
    is("@bad", '', 'nchan-17: large messages, there and back');
    $_->close for $w, $d;
}
unharmed('nchan-17');

# nchan-18: a publisher leaves while its command waits for clients.
{
    my $w = $t->connected('websocket');
    for my $n (1 .. 6) {
        my $c = $t->connect;
        my $body = Test::SocketIO::to_json({ sid => $w->{id}, event => 'q',
            ack => \1, timeout => 20000 });
        $c->request('POST', '/_publish', body => $body);
        my ($id) = ($w->next_packet // '') =~ /^42(\d+)\["q"\]/;
        $n % 2 ? $c->reset : $c->close;
        $w->send("43$id\[1]") if $n % 3;
    }
    $w->send('42["m"]');
    is($w->next_packet, '42["echo"]', 'nchan-18: publishers that leave');
    $w->close;
}
unharmed('nchan-18');

# nchan-19: no length, while somebody is asked.
{
    my @c;
    for my $path ('/auth/?EIO=4&transport=polling', '/authpublish', '/auth/',
        '/auth/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA')
    {
        for my $h ('', "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n",
            "Content-Length: 5\r\n")
        {
            my $c = $t->connect;
            $c->send("POST $path HTTP/1.1\r\nHost: x\r\n$h\r\n");
            push @c, [$c, $h];
        }
    }
    eventually(sub { grep { $_->{uri} =~ /auth/ } $b->requests });
    $b->release('auth');
    my @bad = grep { my $r = $_->[0]->response; !$r || $r->{status} !~ /^4/ }
        grep { $_->[1] !~ /chunked|5/ } @c;
    is(scalar @bad, 0, 'nchan-19: a POST without a length is answered');
    $_->[0]->close for @c;
}
unharmed('nchan-19');

clean(lingering => 1);
$t->finish;
