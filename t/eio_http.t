#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Long polling as HTTP: versions, connections that are kept, pipelined
# requests, bodies in every form, and targets written in every way.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(http => <<'HTTP', server => <<'CONF');
    log_format line '$request|$request_uri|$args|$socketio_error';
HTTP
        access_log logs/access.log line;
        location /small/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_max_payload 1000;
        }
        location /headers/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
            add_header X-Some "some $socketio_transport";
            add_header X-Always always always;
        }
CONF

my $open = '/socket.io/?EIO=4&transport=polling';

sub sid ($r) { return $r && ($r->{body} =~ /^0\{"sid":"([^"]+)"/)[0] }

sub session (%o) {
    return $t->connected('polling', %o);
}

# A connection that is still good for another handshake.
sub kept ($c, $name) {
    ok(sid($t->http('GET', $open, conn => $c)), "$name: connection kept");
}

# HTTP/1.0
my $c = $t->connect;
my $r = $t->http('GET', $open, conn => $c, version => '1.0', host => undef);
ok(sid($r), 'eio 39: HTTP/1.0 without Host');
is($r->{headers}{connection}, 'close', 'eio 39: Connection: close');
ok($c->closed, 'eio 39: closed');

my %old = (version => '1.0', headers => { Connection => 'keep-alive' });
$c = $t->connect;
my $p = session();
ok(sid($t->http('GET', $open, conn => $c, %old)), 'eio 39: keep-alive');
is($t->http('POST', $p->url, conn => $c, body => '42["m",1]', %old)->{body},
    'ok', 'eio 39: POST of HTTP/1.0 on the same connection');
is($t->http('GET', $p->url, conn => $c, %old)->{body}, '42["echo",1]',
    'eio 39: GET, too');
$c->request('GET', $p->url, %old);
ok($c->silent(0.2), 'eio 39, 43: a GET of HTTP/1.0 parks');
$p->send('42["m",2]');
$r = $c->response;
is($r->{body}, '42["echo",2]', 'eio 39: and is released');
is($r->{headers}{'content-length'}, length $r->{body}, 'eio 39: length');
is($r->{headers}{connection}, 'keep-alive', 'eio 39: kept');
kept($c, 'eio 39');

# Connections after errors with a body that nobody wanted
for my $what ([POST => $open, '400'], [PUT => $open, '400'],
    [POST => "$open&sid=unknown", '400'], [GET => $open, '200'],
    [PUT => $p->url, '400'], [OPTIONS => $p->url, '400'])
{
    my ($method, $uri, $status) = @$what;
    my $name = "$method " . ($uri =~ s/sid=\K[\w-]{22}/.../r);
    $c = $t->connect;
    for my $form ([body => 'x' x 5000], [chunked => ['x' x 5000, 'y']],
        [body => ''])
    {
        is($t->http($method, $uri, conn => $c, @$form)->{status}, $status,
            "eio 23, 59: $name with $form->[0]");
        kept($c, "eio 23: $name with $form->[0]");
    }
}
ok($p->alive, 'eio 59: the session lives');

# Pipelining
$c = $t->connect;
$c->send($c->build('GET', $open) x 2);
my @sid = map { sid($c->response) } 1, 2;
isnt($sid[0], $sid[1], 'eio 38: two handshakes pipelined');
ok($t->session_alive($_), 'eio 38: a session each') for @sid;

$p = session();
$c = $t->connect;
my $get = $c->build('GET', $p->url);
$c->send($c->build('POST', $p->url, body => '42["m",1]')
    . $c->build('POST', $p->url, body => '42["m",2]'));
is($c->response->{body}, 'ok', 'POST and POST pipelined') for 1, 2;
is(join(' ', $p->collect(2)), '42["echo",1] 42["echo",2]', 'in order');

$c->send($get . $c->build('POST', $p->url, body => '42["m",4]'));
ok($c->silent(0.2), 'a POST behind a parked GET waits for it');
$t->publish({ sid => $p->{id}, event => 'go' });
is($c->response->{body}, '42["go"]', 'the GET is released');
is($c->response->{body}, 'ok', 'then the POST is served');
is($p->body, '42["echo",4]', 'and delivered');

$c->send($c->build('POST', $p->url, body => '42["m",3]') . $get);
is($c->response->{body}, 'ok', 'POST and GET pipelined');
is($c->response->{body}, '42["echo",3]', 'the GET has the echo');
$c->send($get . $c->build('POST', $p->url, body => '42["m",5]'));
ok($c->silent(0.2), 'a POST behind a parked GET');
$c->close;
ok($p->gone, 'whose client leaves: session closed');

# Bodies
$p = session(get_worker => 0, post_worker => 1);
$c = $p->{post};
is($p->post('42["m",1]', slow => 1)->{body}, 'ok',
    'eio 48: header and body byte by byte');
is($p->body, '42["echo",1]', 'eio 48: delivered');
my $body = '42["m","' . 'x' x 20_000 . '"]';
is($p->post(undef, chunked => [unpack '(a1)*', substr $body, 0, 500])->{body},
    'ok', 'eio 48: 500 chunks of a byte in one segment');
is($p->body(1), "6\x1e1", 'a packet cut short is an error of Socket.IO');

$p = session(get_worker => 0, post_worker => 1);
is($p->post(undef, chunked => [unpack '(a100)*', $body])->{body}, 'ok',
    'eio 48: 200 chunks');
is($p->body, $body =~ s/"m"/"echo"/r, 'eio 48: delivered');
for my $type ('Application/Octet-Stream', 'application/json', '',
    'application/octet-stream; charset=UTF-8')
{
    is($p->post('42["m",1]', type => $type)->{body}, 'ok',
        "eio 53: POST of type \"$type\" is text");
    is($p->body, '42["echo",1]', 'eio 53: delivered');
}

# Expect: 100-continue
my @expect = (headers => { Expect => '100-continue' });
$c = $t->connect;
$body = '42["m","expected"]';
$c->send($c->build('POST', $p->url, @expect, length => length $body));
$r = $c->response;
is($r->{status}, 100, 'Expect: 100');
$c->send($body);
is($c->response->{body}, 'ok', 'then the answer to the POST');
is($p->body, '42["echo","expected"]', 'which is delivered');
kept($c, 'Expect');

my $s = session(path => '/small/', get_worker => 0, post_worker => 1);
for my $what ([ $s->url, 413 ], [ "$open&sid=unknown", 400 ], [ $open, 400 ]) {
    my ($uri, $status) = @$what;
    $c = $t->connect;
    $c->send($c->build('POST', $uri, @expect, length => 1001));
    $r = $c->response;
    is($r->{status}, $status, "Expect: $status and not 100");
    is($r->{headers}{connection}, 'close',
        'Expect: the connection ends, the body may come or not');
}
ok($s->alive, 'eio 61: 413 before the body, the session lives');

# 413: how much is too much, and nothing else happens.
$s->get_start;
ok($s->parked(0.2), 'eio 61: a GET is parked');
my $big = 'x' x 2000;
$c = $t->connect;
$c->send($c->build('POST', $s->url, length => 2000));
$r = $c->response;
is($r->{status}, 413, 'eio 61: known length, before the body comes');
is($r->{body}, '', 'eio 61: empty answer');
is($r->{headers}{'content-length'}, 0, 'eio 61: length');
$c->send($big);
kept($c, 'eio 61: body discarded');

$c = $t->connect;
is($t->http('POST', $s->url, conn => $c, body => $big)->{status}, 413,
    'eio 61: with the body');
kept($c, 'eio 61');
$c = $t->connect;
is($t->http('POST', $s->url, conn => $c, body => $big, slow => 100)->{status},
    413, 'eio 61: with the body in pieces');
kept($c, 'eio 61: in pieces');

for my $n (1, 7, 1000, 5000) {
    $c = $t->connect;
    $c->send($c->build('POST', $s->url,
        headers => { 'Transfer-Encoding' => 'chunked' }));
    my $chunk = sprintf "%x\r\n%s\r\n", $n, 'x' x $n;
    $c->send($chunk x int(1 + 1000 / $n));
    $r = $c->response;
    is($r && $r->{status}, 413, "eio 62: chunks of $n bytes, as they grow");
    is($r && $r->{headers}{connection}, 'close', 'eio 62: the last answer');
    my $taken = 1;
    for (1 .. 20) {
        $taken &&= $c->send($chunk);
        $c->_fill(0.01);
    }
    ok($taken && !$c->{reset}, 'eio 62: what was on its way is taken');
    ok($c->closed, 'eio 62: and the connection ends');
}
$c = $t->connect;
is($t->http('POST', $s->url, conn => $c, chunked => ['x' x 600, 'x' x 401])
    ->{status}, 413, 'eio 62: one byte too much, complete');
ok($s->parked(0.2), 'eio 61, 62: the GET is still parked');
ok($s->send('42["m","' . 'x' x 990 . '"]'), 'eio 61: exactly maxPayload');
is($s->body, '42["echo","' . 'x' x 990 . '"]', 'eio 61: delivered');
is($s->post(undef, chunked => ['42["m","', 'x' x 990, '"]'])->{body}, 'ok',
    'eio 62: the same chunked');
is($s->body, '42["echo","' . 'x' x 990 . '"]', 'eio 62: delivered');

# Targets: absolute-form, and as nginx normalizes paths.  (Node's server
# compares the target as it stands, and does not know these.)
my $host = 'http://127.0.0.1:' . $t->port;
$c = $t->connect;
ok(sid($t->http('GET', "$host$open", conn => $c)), 'absolute-form: handshake');
is($t->http('POST', $host . $p->url, conn => $c, body => '42["m",9]')->{body},
    'ok', 'absolute-form: POST');
is($t->http('GET', $host . $p->url, conn => $c)->{body}, '42["echo",9]',
    'absolute-form: GET');
for my $path ('//socket.io/', '/./socket.io/', '/x/../socket.io/',
    '/socket%2Eio/', '/socket.io/a/../', '/socket.io/%2e%2e/socket.io/')
{
    ok(sid($t->http('GET', "$path?EIO=4&transport=polling")),
        "eio 20: $path, normalized");
}
for my $path ('/socket.iox/', '/xsocket.io/', '/Socket.IO/', '/socket.io%2f') {
    is($t->http('GET', "$path?EIO=4&transport=polling")->{status},
        $path =~ /2f/ ? 200 : 404, "eio 19: $path");
}

# Queries
sub last_wins ($query, $code) {
    my $r = $t->http('GET', "/socket.io/?$query");
    is($r->{status} == 200 ? 'open' : ($r->{body} =~ /"code":(\d)/)[0], $code,
        "query: $query");
}
last_wins('EIO=4&transport=polling&EIO=5', 5);
last_wins('EIO=5&transport=polling&EIO=4', 'open');
last_wins('EIO=4&transport=polling&transport=abc', 0);
last_wins('EIO=4&transport=abc&transport=polling', 'open');
last_wins('EIO=4&transport=polling&sid=unknown&sid=', 'open');
last_wins('EIO=4&transport=polling&sid=&sid=unknown', 1);
last_wins('%45IO=4&tr%61nsport=p%6flling', 'open');
last_wins('E%49O=%34&transport=polling&s%69d=unknown', 1);
last_wins('&&EIO=4&&&transport=polling&&', 'open');
last_wins('EIO=4&transport=polling&=&=x&x&%&%4&%zz&%00=%00', 'open');
last_wins('EIO=4&transport=polling;sid=x', 0);
last_wins('EIO=4&transport=polling+', 0);
last_wins('+EIO=4&transport=polling', 5);
last_wins('eio=4&transport=polling', 5);
last_wins('EIO=4&transport=polling&SID=x&Transport=y', 'open');
last_wins('EIO=4&transport=polling?sid=x', 0);
last_wins('EIO=4&transport=polling&x=' . 'y' x 7000, 'open');
last_wins('x=' . '%41' x 2000 . '&EIO=4&transport=polling', 'open');
last_wins('EIO=4&transport=polling' . '&k=v' x 1500, 'open');
is($t->http('GET', "$open&x=" . 'y' x 9000)->{status}, 414,
    'query: too long for nginx itself');

my $sid = $p->{sid};
my $hex = join '', map { sprintf '%%%02x', ord } split //, $sid;
for my $uri ("$open&sid=$hex", "$open&s%69d=$sid", "$open&sid=x&sid=$sid",
    "/socket.io/?sid=$sid&EIO=4&transport=polling",
    "$host/socket.io/?transport=polling&sid=$sid&EIO=4&t=abc",
    "$open&sid=$sid&x=$hex")
{
    my $name = $uri =~ s/\Q$sid\E|\Q$hex\E/.../gr;
    is($t->http('POST', $uri, body => '42["m",1]')->{body}, 'ok',
        "a session's request: $name");
    is($p->body, '42["echo",1]', 'delivered');
}
my $log = eventually(sub { my $l = $t->read_file('logs/access.log');
    $l =~ /&t=abc/ && $l =~ /\Q$hex\E/ && $l });
ok($log, 'all of them are in the log');
unlike($log, qr/\Q$sid\E/, 'the sid is in no form of the request');
unlike($log =~ s/&x=\Q$hex\E//gr, qr/\Q$hex\E/, 'nor percent-encoded');
my @bare = grep { m{(?:[&|]|/\?)sid=(?!\*\*\*[&| ])[^&| ]} } split /\n/, $log;
is(scalar @bare, 0, 'sids are blanked') or diag(join "\n", @bare);

# Node's server sets X-XSS-Protection for browsers of 2009: not copied.
for my $ua ('Mozilla/4.0 (compatible;MSIE 8.0)', 'Trident/7.0') {
    $r = $t->http('GET', $open, headers => { 'User-Agent' => $ua });
    ok(sid($r), 'eio 77: old browsers are served');
    ok(!exists $r->{headers}{'x-xss-protection'},
        'eio 77: X-XSS-Protection is not copied');
}

# Extra headers are add_header's.
my $h = session(path => '/headers/');
sub extra ($r, $some, $name) {
    is($r->{headers}{'x-some'}, $some, "eio 78: $name: add_header");
    is($r->{headers}{'x-always'}, 'always', "eio 78: $name: always");
}
extra($h->{res}, 'some polling', 'handshake');
extra($h->post('42["m",1]'), 'some polling', 'POST');
extra($h->get, 'some polling', 'GET');
$h->get_start;
ok($h->parked(0.2), 'parked');
$t->publish({ sid => $h->{id}, event => 'x' });
extra($h->get_wait, 'some polling', 'a parked GET');
extra($t->http('GET', '/headers/'), undef, 'error');
extra($h->request('HEAD'), undef, 'an empty error');
extra($t->websocket(path => '/headers/?EIO=4&transport=websocket')->{res},
    undef, '101');

$t->finish;
