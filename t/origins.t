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
    my $name = "eio 12, 13: $path from $origin";
    is($poll->{status}, 403, "$name: polling");
    is($poll->{body}, $forbidden, "$name: code 4");
    is($ws->status, 403, "$name: websocket");
    ok(!exists $poll->{headers}{'access-control-allow-origin'},
        "$name: no CORS");
}

sub cors ($r, $origin, $name) {
    is($r->{headers}{'access-control-allow-origin'}, $origin,
        "$name: Access-Control-Allow-Origin");
    is($r->{headers}{'access-control-allow-credentials'}, 'true',
        "$name: credentials");
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
my ($poll) = allowed('/list/', 'https://app.example');
cors($poll, 'https://app.example', 'listed');
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
my $ws = $t->websocket(path => '/list/?EIO=4&transport=websocket&sid='
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
for my $query ('?EIO=4&transport=polling', '?EIO=4&transport=polling&sid=no',
    '')
{
    $r = $t->http('OPTIONS', "/list/$query", headers => \%pre);
    is($r->{status}, 204, "eio 149: preflight $query");
    cors($r, 'https://app.example', 'eio 149');
    like($r->{headers}{'access-control-allow-methods'}, qr/\bPOST\b/,
        'eio 149: methods');
    like($r->{headers}{'access-control-allow-headers'},
        qr/content-type.*x-token/i, 'eio 149: headers');
}
$r = $t->http('OPTIONS', '/list/?EIO=4&transport=polling', headers =>
    { %pre, Origin => 'http://evil.example' });
ok(!exists $r->{headers}{'access-control-allow-origin'},
    'preflight of another page: no CORS');

# "*": anybody, but nobody's cookies.
my %secret = (Cookie => 'session=secret', Authorization => 'Basic c2VjcmV0');
($poll) = allowed('/any/', 'http://evil.example');
like($poll->{headers}{'access-control-allow-origin'} // '',
    qr{^(?:\*|http://evil\.example)$}, '*: CORS');

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
