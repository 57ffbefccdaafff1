#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What is a client's stays its text: in a log it is one line, in a request to
# the backend no header and no other request, in JSON no member, in an answer
# no header.  And requests that could be read in two ways are read in one, or
# not at all.  Fails if a byte of a client means something where it is put.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;
use Test::SocketIO::Attack;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my ($e) = grep { $_->{type} eq 'event' } @$events;
    my $name = $e ? $e->{event} : '';

    return reply(headers => { 'X-Accel-Redirect' => $e->{args}[0] },
        body => '[]') if $name eq 'redirect';
    return reply(status => 200, body => $e->{args}[0]) if $name eq 'answer';
    return reply(status => 401, body => to_json({ message =>
        "no\r\n\x1b[31m\0<b>", data => { a => "\x1e1\r\n" } }))
        if grep { ($_->{handshake}{query}{no} // '') ne '' } @$events;
    return echo($events);
}, http => <<'HTTP', server => QUICK . <<'CONF',
    log_format all '$remote_addr|$request|$socketio_error|$socketio_sid|'
        '$socketio_reason|$http_user_agent';
HTTP
        access_log logs/access.log all;
        location /one/ {
            socketio test;
            socketio_hook /_one;
            socketio_hook_batch off;
            socketio_namespaces *;
            socketio_hook_headers cookie user-agent x-socketio-batch
                x-evil=$arg_x x-uri=$request_uri "x-two=a
b";
        }
        location = /_one {
            internal;
            set_socketio_json $first $socketio_args 0;
            set_socketio_quote $quoted $first;
            set_socketio_quote $quoted_event $socketio_event;
            proxy_pass http://backend/one;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Event $socketio_event;
            proxy_set_header X-Nsp $socketio_nsp;
            proxy_set_header X-First $first;
            proxy_set_header X-Quoted $quoted;
            proxy_set_header X-Json '{"e":$quoted_event,"a":$socketio_args,"f":$quoted,"d":$socketio_data,"h":$socketio_handshake}';
        }
CONF
    socketio => 'socketio_namespaces *; socketio_hook_headers cookie '
        . 'user-agent x-socketio-batch;');

besieged($t);

my $q = 'EIO=4&transport=polling';
my @nasty = ("\r\nX-Evil: 1", "\n", "\0", "\x1b[31m", "\x7f", "\x85",
    "\xe2\x80\xa8", '"', '\\', '\\"', '\\u000d\\u000a', '%0d%0aX-Evil:1',
    '$request', '${args}', '<script>', "'; --", "\x1e1", '}', '],"a":[', '\\n');

# Names and values, by event, namespace and argument.
{
    my $w = $t->websocket(path => '/one/?EIO=4&transport=websocket&x='
        . '%0d%0aX-Evil:%201%00%22%5c', headers => {
        'X-Socketio-Batch' => 'forged', 'X-Socketio-Signature' => 'forged',
        'User-Agent' => 'a"b\\c%0d%0a', Cookie => 'a="1"; b=\\' });
    $w->open_packet;
    ok($w->sio_connect, 'connects');

    for my $x (@nasty) {
        utf8::decode(my $text = $x);
        $text //= $x;
        my $json = substr to_json([$text]), 1, -1;
        $w->send("42[$json,$json,{\"k\":$json}]");
        my $got = $w->next_packet // 'nothing';
        is($got, "42[\"echo\",$json,{\"k\":$json}]",
            'an event with ' . ($x =~ s/[^ -~]/./gr));
    }
    for my $nsp ("/\"", "/\\", "/\x7f", "/\$args", "/%0d%0a", '/}{', '/<b>') {
        $w->send("40$nsp,");
        like($w->next_packet, qr/^40\Q$nsp\E,\{/, 'a namespace with '
            . ($nsp =~ s/[^ -~]/./gr));
    }

    my @r = grep { $_->{uri} eq '/one' } $b->requests;
    my @odd = grep { !/^(?:host|connection|content-length|content-type
        |x-socketio-(?:version|node|batch|attempt)
        |x-(?:event|nsp|first|quoted|json))$/x } map { keys %{$_->{headers}} }
        @r;
    is("@odd", '', 'none of them became a header');
    is(scalar(grep { $_->{method} ne 'POST' || $_->{uri} !~ m{^/(?:one|events)$}
        } $b->requests), 0, 'or a request');
    is(scalar(grep { !defined from_json($_->{headers}{'x-json'} // '') } @r), 0,
        'all is JSON where it was put into some');
    is(scalar(grep { ($_->{headers}{'x-socketio-batch'} // '') eq 'forged' }
        $b->requests), 0, 'what says it is ours is ours');

    my ($h) = map { $_->{handshake} } grep { $_->{handshake} } map {
        @{$_->{events}} } @r;
    is($h->{headers}{'x-evil'}, '%0d%0aX-Evil:%201%00%22%5c',
        'a value with a variable is its text');
    is($h->{headers}{'x-two'}, "a\nb", 'and may have lines, in JSON');
    is($h->{headers}{'user-agent'}, 'a"b\\c%0d%0a', 'so is a header');
    is($h->{headers}{'x-socketio-batch'}, 'forged',
        'which is told where it was asked for, and nowhere else');
    $w->close;
}
unharmed('nasty text');

# What a backend says.
{
    my $s = $t->connected('polling');
    for my $answer ("\r\n", "\0", "[31m\x1b", '{"op":"\\r\\n\\u001b[31m"}',
        '{"event":"x","room":"\\u0000"}', '[' x 5000, '{"op":"ack"}' x 100,
        '{"event":"a\\u0000\\r\\nb","args":["\\u001e1"]}')
    {
        $s->emit('answer', $answer);
        $b->wait_events('event', 1);
    }
    for my $uri ('/socket.io/?EIO=4&transport=polling', '/_publish', '/_status',
        '/_hook', '/pid', '/nowhere', 'http://127.0.0.1:1/', '@x', '',
        '/socket.io/?EIO=4&transport=websocket', "/one/?$q", '/../../x')
    {
        $s->emit('redirect', $uri);
    }
    # a batch that fails takes along what was in it with it
    my $got = eventually(sub {
        $s->emit('m', 'after');
        my $got = $s->next_packet(0.5) // '';
        return $got =~ /after/ && $got;
    }, 20);
    is($got, '42["echo","after"]', 'a backend that redirects or babbles');

    my $p = $t->polling(query => '&no=1');
    $p->post('40');
    my $r = $p->get;
    is($r->{body}, '44{"message":"no\\r\\n\\u001b[31m\\u0000<b>",'
        . '"data":{"a":"\\u001e1\\r\\n"}}', 'its words are JSON to clients');
    $_->post('1') for $s, $p;
}
unharmed('nasty answers');

# Requests in two readings.
{
    my %bad;
    my $p = $t->connected('polling');
    my $url = $p->url;
    my $body = '42["m","smuggled"]';
    my $n = length $body;
    my $chunk = sprintf "%x\r\n%s\r\n0\r\n\r\n", $n, $body;
    my $evil = "GET /_status HTTP/1.1\r\nHost: x\r\n\r\n";

    for my $case (
        ['TE and CL', "Transfer-Encoding: chunked\r\nContent-Length: 4", $chunk],
        ['CL and TE', "Content-Length: 4\r\nTransfer-Encoding: chunked", $chunk],
        ['CL twice', "Content-Length: $n\r\nContent-Length: 1", $body],
        ['CL list', "Content-Length: $n, 1", $body],
        ['CL signed', "Content-Length: +$n", $body],
        ['CL negative', "Content-Length: -1", $body],
        ['CL hex', "Content-Length: 0x12", $body],
        ['CL too long', 'Content-Length: ' . '9' x 40, $body],
        ['TE x', "Transfer-Encoding: x", $chunk],
        ['TE x, chunked', "Transfer-Encoding: x, chunked", $chunk],
        ['TE twice', "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
            $chunk],
        ['TE space', "Transfer-Encoding : chunked", $chunk],
        ['TE fold', "Transfer-Encoding:\r\n chunked", $chunk],
        ['TE tab', "Transfer-Encoding:\tchunked\x0b", $chunk],
        ['chunk signed', 'Transfer-Encoding: chunked', "+$chunk"],
        ['chunk hex', 'Transfer-Encoding: chunked', "0x$chunk"],
        ['chunk minus', 'Transfer-Encoding: chunked', "-1\r\n"],
        ['chunk huge', 'Transfer-Encoding: chunked', "fffffffffffffffff\r\n"],
        ['chunk long', 'Transfer-Encoding: chunked', "5\r\nabcdefgh\r\n0\r\n\r\n"])
    {
        my ($what, $head, $sent) = @$case;
        my $s = $t->connected('polling');
        my $c = $t->connect;
        $c->send("POST " . $s->url . " HTTP/1.1\r\nHost: x\r\n$head\r\n\r\n"
            . $sent . $evil);
        my $r = $c->response(3);
        my $status = $r ? $r->{status} : $c->{eof} ? 'closed' : 'none';
        $c->closed(1);
        $bad{"$what: $status"}++ if $status !~ /^(?:400|41\d|501|closed)$/;
        $bad{"$what: a second answer"}++
            if $r && $r->{status} == 200 && $c->{in} =~ /sessions/;
        $s->{get}->close;
        $s->{post}->close;
    }
    is(join("\n", sort keys %bad), '', 'no body has two ends');

    # with trailers, extensions, or slowly: one way to read it
    for my $sent ($chunk =~ s/0\r\n\r\n$/0\r\nX-T: 1\r\nContent-Length: 1\r\n\r\n/r,
        $chunk =~ s/^([0-9a-f]+)/$1;x="y"/r, "0000000$chunk")
    {
        my $s = $t->connected('polling');
        my $c = $t->connect;
        $c->send("POST " . $s->url . " HTTP/1.1\r\nHost: x\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n");
        $c->send_slowly($sent, 5);
        my $r = $c->response;
        is($r ? $r->{body} : 'none', 'ok', 'chunks in other words');
        is($s->next_packet, '42["echo","smuggled"]', 'are what they are');
        $s->post('1');
    }

    # a request in the body of one that is refused is none
    for my $refused ("POST /socket.io/?$q&sid=none", "POST /socket.io/?$q",
        'POST /socket.io/', "OPTIONS /socket.io/?$q")
    {
        my $c = $t->connect;
        $c->send("$refused HTTP/1.1\r\nHost: x\r\nContent-Length: "
            . length($evil) . "\r\n\r\n$evil");
        my $r = $c->response;
        ok($r && $r->{status} =~ /^[24]/, 'refused');
        ok(!$c->response(0.1), 'and its body is not read as a request');
    }

    # neither is what is behind "Expect"
    my $c = $t->connect;
    $c->send("POST /socket.io/?$q&sid=none HTTP/1.1\r\nHost: x\r\nExpect: "
        . "100-continue\r\nContent-Length: 10\r\n\r\n");
    my $r = $c->response;
    is($r->{status}, 400, 'Expect: refused at once');
    $c->send($evil);
    ok($c->closed && $c->{in} !~ /sessions/, 'and nothing after it');

    # by a websocket that was refused, or only asked for
    for my $h ("Upgrade: websocket\r\nConnection: Upgrade\r\n"
            . 'Sec-WebSocket-Version: 99', "Upgrade: h2c\r\n"
            . "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA",
        "Upgrade: websocket\r\nConnection: close")
    {
        my $c = $t->connect;
        $c->send("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            . "Host: x\r\n$h\r\n\r\n$evil");
        my $r = $c->response;
        is($r->{status}, 400, 'no other protocol');
        $c->closed(1);
        ok($c->{in} !~ /^HTTP.*"sessions"/s || $h =~ /h2c/,
            'and none that is tunnelled through it');
    }
    $p->post('1');
}
unharmed('two readings');

# What is in the logs by now is lines of theirs.
{
    my $bad = grep { !m{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+\#\d+: } }
        split /\n/, $t->read_file('logs/error.log');
    is($bad, 0, 'error.log: one line each');
    # nginx itself quotes headers that it cannot read
    ok(!grep({ /[^\x20-\x7e]/ && !/while reading client request headers/ }
        split /\n/, $t->read_file('logs/error.log')),
        'error.log: nothing but printable');
    my @lines = split /\n/, $t->read_file('logs/access.log');
    is(scalar(grep { !/^127\.0\.0\.1\|/ } @lines), 0,
        'access.log: one line each');
    ok(!grep({ /[^\x20-\x7e]/ } @lines), 'access.log: nothing but printable');
}

clean(lingering => 1);
$t->finish;
