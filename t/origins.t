#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Which pages may connect, by polling and by websocket alike, what CORS they
# get, and what "*" keeps from the hook.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);

my $b = $t->run_hook(undef, server => <<'CONF');
        location /any/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_origins *;
        }
        location /list/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_origins https://app.example https://*.wild.example
                https://port.example:8443 capacitor://localhost;
        }
        location /both/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_origins same https://app.example null;
        }
CONF

my $self = '127.0.0.1:' . $t->port;
my $forbidden = '{"code":4,"message":"Forbidden"}';

sub ask ($path, $origin, %o) {
    my %h = (%{$o{headers} // {}}, defined $origin ? (Origin => $origin) : ());
    my $poll = $t->http('GET', "$path?EIO=4&transport=polling",
        headers => \%h, exists $o{host} ? (host => $o{host}) : ());
    my $ws = $t->websocket(path => "$path?EIO=4&transport=websocket",
        headers => \%h, exists $o{host} ? (host => $o{host}) : ());
    return ($poll, $ws);
}

sub allowed ($path, $origin, %o) {
    my ($poll, $ws) = ask($path, $origin, %o);
    my $name = "$path from " . ($origin // 'no page');
    is($poll->{status}, 200, "$name: polling");
    is($ws->status, 101, "$name: websocket");
    $ws->{conn}->close;
    return ($poll, $ws);
}

sub refused ($path, $origin, %o) {
    my ($poll, $ws) = ask($path, $origin, %o);
    # Node's server serves the request without CORS; for a websocket, where
    # no browser asks for CORS, that is no protection.
    my $name = "eio 12, 13, 150: $path from $origin";
    is($poll->{status}, 403, "$name: polling");
    is($poll->{body}, $forbidden, "$name: code 4");
    is($ws->status, 403, "$name: websocket (400 in Node)");
    is($ws->{res}{body}, 'Forbidden', "$name: websocket, body");
    ok($ws->{conn}->closed, "$name: websocket, closed");
    for my $r ($poll, $ws->{res}) {
        is_deeply([grep { /^access-control/ } sort keys %{$r->{headers}}], [],
            "$name: no CORS");
    }
}

sub cors ($r, $origin, $name) {
    is($r->{headers}{'access-control-allow-origin'}, $origin,
        "$name: Access-Control-Allow-Origin");
    is($r->{headers}{'access-control-allow-credentials'}, 'true',
        "eio 151: $name: credentials");
    like($r->{headers}{vary} // '', qr/\bOrigin\b/i, "$name: Vary");
}

# same
allowed('/socket.io/', undef);
allowed('/socket.io/', "http://$self");
allowed('/socket.io/', "https://$self");
allowed('/socket.io/', 'https://chat.example', host => 'chat.example');
allowed('/socket.io/', 'https://Chat.Example', host => 'chat.example');
refused('/socket.io/', $_) for 'http://evil.example', 'http://127.0.0.1',
    'http://127.0.0.1:1', "http://$self.evil.example", 'null',
    "http://evil.example/$self", "http://x\@$self";
refused('/socket.io/', 'https://evil-chat.example', host => 'chat.example');
refused('/socket.io/', 'https://chat.example.evil', host => 'chat.example');
refused('/socket.io/', 'https://chat.example:8443', host => 'chat.example');

# A list
my ($poll, $ws) = allowed('/list/', 'https://app.example');
cors($poll, 'https://app.example', 'listed');
cors($ws->{res}, 'https://app.example', 'eio 115: 101');
for my $path ('/socket.io/', '/list/') {
    for my $r (ask($path, $path eq '/list/' ? undef : "http://$self")) {
        $r = $r->{res} if $r->{res};
        is_deeply([grep { /^access-control|^vary/ } keys %{$r->{headers}}],
            [], "$path: no CORS where nobody needs it");
    }
}
allowed('/list/', $_) for 'https://a.wild.example', 'https://a.b.wild.example',
    'https://port.example:8443', 'capacitor://localhost', undef;
refused('/list/', $_) for 'http://app.example', 'https://app.example.evil',
    'https://evilapp.example', 'https://wild.example', 'https://xwild.example',
    'https://port.example', 'https://app.example:444', 'null', "http://$self",
    'https://app.example, https://evil.example', 'app.example',
    'https://evil.example/.wild.example', 'https://evil.example?.wild.example',
    'https://a.wild.example.evil';

allowed('/both/', "http://$self");
allowed('/both/', 'https://app.example');
allowed('/both/', 'null');
refused('/both/', 'http://evil.example');

# Each request of a session is judged, not only its first.
my $p = $t->polling(path => '/list/', headers =>
    { Origin => 'https://app.example' });
ok($p->sio_connect, 'session of a listed page');
my $r = $p->post('3');
cors($r, 'https://app.example', 'POST');
$r = $t->http('GET', $p->url, headers => { Origin => 'http://evil.example' });
is($r->{status}, 403, 'GET from another page');
$r = $t->http('POST', $p->url, headers => { Origin => 'http://evil.example' },
    body => '42["x"]');
is($r->{status}, 403, 'POST from another page');
$ws = $t->websocket(path => '/list/?EIO=4&transport=websocket&sid='
    . $p->{sid}, headers => { Origin => 'http://evil.example' });
is($ws->status, 403, 'upgrade from another page');
ok($t->session_alive($p->{sid}, '/list/'), 'the session lives');

# Errors carry CORS too, else a page cannot read them.
$r = $t->http('GET', '/list/?EIO=4&transport=polling&sid=unknown',
    headers => { Origin => 'https://app.example' });
is($r->{status}, 400, 'an error');
cors($r, 'https://app.example', 'error');

# Preflights
my %pre = (Origin => 'https://app.example',
    'Access-Control-Request-Method' => 'POST',
    'Access-Control-Request-Headers' => 'content-type,x-token');

sub preflight ($path, $query, %h) {
    return $t->http('OPTIONS', "$path$query", headers => { %pre, %h });
}

my @queries = ('?EIO=4&transport=polling', '?EIO=4&transport=polling&sid=no',
    '?EIO=9&transport=abc', '');
for my $query (@queries) {
    my $c = $t->connect;
    $r = $t->http('OPTIONS', "/list/$query", headers => \%pre, conn => $c);
    is($r->{status}, 204, "eio 149: preflight $query");
    is($r->{body}, '', 'eio 149: no body');
    ok(!exists $r->{headers}{'content-length'},
        'eio 149: no Content-Length, which 204 must not have (0 in Node)');
    cors($r, 'https://app.example', 'eio 149');
    is($r->{headers}{'access-control-allow-methods'}, 'GET,POST',
        'eio 149: methods (those that there are)');
    is($r->{headers}{'access-control-allow-headers'}, 'content-type,x-token',
        'eio 149: headers');
    like($r->{headers}{vary}, qr/\bAccess-Control-Request-Headers\b/,
        'eio 149: Vary');
    is($t->http('GET', '/pid', conn => $c)->{status}, 200,
        'eio 149: the connection is kept');
}
$p = $t->polling(path => '/list/');
is(preflight('/list/', "?EIO=4&transport=polling&sid=$p->{sid}")->{status},
    204, 'eio 60: preflight with a sid');
is($p->request('OPTIONS', headers => { Origin => 'https://app.example' })
    ->{status}, 400, 'eio 60: OPTIONS that is no preflight (500 in Node)');
ok($p->alive, 'eio 60: the session lives');

$r = preflight('/list/', '', 'Access-Control-Request-Headers' => undef);
is($r->{status}, 204, 'eio 149: preflight that asks for no headers');
ok(!exists $r->{headers}{'access-control-allow-headers'},
    'eio 149: gets none');
for my $query (@queries) {
    $r = preflight('/list/', $query, Origin => 'http://evil.example');
    is($r->{status}, 403, "eio 150: preflight of another page $query");
    ok(!exists $r->{headers}{'access-control-allow-origin'},
        'eio 150: no CORS');
}
$r = preflight('/any/', '', Origin => 'http://evil.example');
is($r->{status}, 204, 'eio 149: *: preflight');
is($r->{headers}{'access-control-allow-origin'}, '*', 'eio 149: *: CORS');
ok(!exists $r->{headers}{'access-control-allow-credentials'},
    'eio 151: *: no credentials');
is(preflight('/socket.io/', '')->{status}, 403,
    'eio 149: same: preflight of another page');
is(preflight('/socket.io/', '', Origin => "http://$self")->{status}, 204,
    'eio 149: same: preflight of the same page');

# "*": anybody, but nobody's cookies.
my %secret = (Cookie => 'session=secret', Authorization => 'Basic c2VjcmV0');
($poll, $ws) = allowed('/any/', 'http://evil.example');
for my $r ($poll, $ws->{res}) {
    is($r->{headers}{'access-control-allow-origin'}, '*',
        "eio 115: *: CORS with $r->{status}");
    ok(!exists $r->{headers}{'access-control-allow-credentials'},
        'eio 151: *: no credentials');
}

# clients 1.x and 2.x always ask with credentials
cors($t->http('GET', '/any/?EIO=3&transport=polling',
    headers => { Origin => 'http://evil.example' }),
    'http://evil.example', '*, revision 3');

my $n = 0;
sub headers_of ($origin, %h) {
    my $q = '&case=' . ++$n;
    my $s = $t->polling(path => '/any/', query => $q, headers =>
        { %h, defined $origin ? (Origin => $origin) : () });
    $s->sio_connect;
    my $e = eventually(sub { (grep {
        ($_->{handshake}{query}{case} // '') eq $n }
        $b->events('connect'))[0] });
    return $e->{handshake}{headers};
}

my $h = headers_of('http://evil.example', %secret, 'User-Agent' => 'ua');
ok(!exists $h->{cookie}, '*: no cookie of a foreign page');
ok(!exists $h->{authorization}, '*: no Authorization of a foreign page');
is($h->{'user-agent'}, 'ua', '*: other headers');
is($h->{origin}, 'http://evil.example', '*: origin');
$h = headers_of('http://evil.example', Authorization => 'Bearer x');
is($h->{authorization}, 'Bearer x', '*: but Bearer');
$h = headers_of("http://$self", %secret);
is($h->{cookie}, 'session=secret', '*: the own page keeps its cookie');
$h = headers_of(undef, %secret);
is($h->{cookie}, 'session=secret', '*: no page keeps it');
is($h->{authorization}, 'Basic c2VjcmV0', '*: and Authorization');

$t->finish;
