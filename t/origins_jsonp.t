#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Any page may load a script of any server, with its visitor's cookies and
# without an Origin.  So for JSONP the page must be known by its Referer.
# Fails if a page that is not listed gets a session id by it, or acts for its
# visitor.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Payload qw/form text3/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

my $b = $t->run_hook(undef, eio => '3 4', server => <<'CONF');
        location /any/ {
            socketio test;
            socketio_hook /_hook;
            socketio_origins *;
        }
        location /list/ {
            socketio test;
            socketio_hook /_hook;
            socketio_origins https://app.example https://*.wild.example
                http://port.example:8080 null;
        }
        location /both/ {
            socketio test;
            socketio_hook /_hook;
            socketio_origins same https://app.example;
        }
CONF

my $self = '127.0.0.1:' . $t->port;

sub ask ($path, $referer, %o) {
    my $eio = $o{eio} // 3;
    return $t->http('GET', "$path?EIO=$eio&transport=polling&"
        . ($o{query} // 'j=0'),
        headers => { %{$o{headers} // {}},
            defined $referer ? (Referer => $referer) : () },
        exists $o{host} ? (host => $o{host}) : ());
}

sub name ($path, $referer, %o) {
    return "$path from " . ($referer // 'nowhere')
        . ($o{host} ? ", host $o{host}" : '');
}

sub allowed ($path, $referer, %o) {
    for my $eio (3, 4) {
        my $r = ask($path, $referer, %o, eio => $eio);
        my $name = name($path, $referer, %o);
        is($r->{status}, 200, $name);
        like($r->{body}, qr/^___eio\[0\]\(/, $name);
    }
}

sub refused ($path, $referer, %o) {
    for my $query ('j=0', 'j=', 'j=0&b64=1', 'b64=1&j=7', '%6a=0',
        'j=99999999999999')
    {
        my $r = ask($path, $referer, %o, query => $query);
        my $name = 'eio 12: ' . name($path, $referer, %o) . ", $query";
        is($r->{status}, 403, $name);
        is($r->{body}, '{"code":4,"message":"Forbidden"}', "$name: code 4");
    }
}

# The same host, whatever the path, and whatever ends it.
allowed('/socket.io/', "http://$self$_") for '', '/', '/page.html',
    '/?http://evil.example/', '?x', '#x', '/a:b@c', '/://';
allowed('/socket.io/', "https://$self/");
allowed('/socket.io/', $_, host => 'chat.example') for 'http://chat.example/',
    'https://chat.example/', 'HTTPS://Chat.Example/page',
    'https://chat.example:443/', 'http://chat.example:80/';
allowed('/socket.io/', 'https://chat.example/', host => 'chat.example:443');
allowed('/socket.io/', 'http://chat.example/', host => 'chat.example:80');
allowed('/socket.io/', 'http://[::1]:8080/p', host => '[::1]:8080');

refused('/socket.io/', $_) for undef, '', '/', 'null', 'about:blank',
    'http://', 'http:///', $self, "//$self/", "javascript://x",
    "data:text/html,http://$self/", "x:http://$self/",
    "http:/$self/", 'http://127.0.0.1/', 'http://127.0.0.1:1/',
    'http://evil.example/', "http://evil.example/http://$self/",
    "http://evil.example/?http://$self/", "http://evil.example?http://$self/",
    "http://evil.example#http://$self/", "http://evil.example/$self",
    "http://$self\@evil.example/", "http://x\@$self/", "http://x:y\@$self/",
    "http://$self.evil.example/", "http://${self}1/",
    "http://evil.example:80\@$self/", "http://evil.example\\\@$self/",
    "http://evil.example%2f\@$self/", "http://$self\\.evil.example/",
    "http://$self evil.example/", "http://evil.example $self/",
    "http://$self, http://evil.example/", "http://evil.example\t/$self";
refused('/socket.io/', 'https://chat.example:8443/', host => 'chat.example');
refused('/socket.io/', 'https://chat.example:80/', host => 'chat.example');
refused('/socket.io/', 'http://chat.example:443/', host => 'chat.example');
refused('/socket.io/', 'https://chat.example/', host => 'chat.example:80');
refused('/socket.io/', 'https://evilchat.example/', host => 'chat.example');
refused('/socket.io/', 'https://chat.example./', host => 'chat.example');

# A list; CORS is of no use to scripts, and does no harm.
allowed('/list/', $_) for 'https://app.example/', 'https://app.example',
    'https://app.example/p?q=http://evil.example/', 'https://APP.example/',
    'https://a.wild.example/', 'https://a.b.wild.example/x',
    'http://port.example:8080/', 'https://app.example?x';
refused('/list/', $_) for undef, "http://$self/", 'http://app.example/',
    'https://app.example:444/', 'https://app.example.evil.example/',
    'https://evilapp.example/', 'https://wild.example/',
    'https://xwild.example/', 'https://evil.example/.wild.example/',
    'https://evil.example?.wild.example/', 'https://evil.example#.wild.example',
    'https://x@a.wild.example/', 'https://evil.example\\.wild.example/',
    'https://evil.example%2f.wild.example/',
    'https://evil.example:1.wild.example/', 'http://port.example/',
    'http://port.example:80/', 'null', 'null/', 'https://null/';

allowed('/both/', "http://$self/");
allowed('/both/', 'https://app.example/x');
refused('/both/', $_) for undef, 'http://evil.example/', 'null';

# "*": also a page that keeps its name to itself.
allowed('/any/', $_) for undef, '', 'http://evil.example/', "http://$self/",
    'about:blank';

# With an Origin that is what counts, for a page cannot leave it out at will
# but can its Referer.
my $r = ask('/list/', 'https://app.example/',
    headers => { Origin => 'http://evil.example' });
is($r->{status}, 403, 'Origin of another page, Referer of a listed one');
$r = ask('/list/', 'http://evil.example/',
    headers => { Origin => 'https://app.example' });
is($r->{status}, 200, 'Origin of a listed page, Referer of another');
$r = ask('/list/', undef, headers => { Origin => 'null' });
is($r->{status}, 200, 'Origin: null, where it is listed');
$r = ask('/socket.io/', "http://$self/", headers => { Origin => 'null' });
is($r->{status}, 403, 'and where it is not');

# Only what can be read as a script is in need of all this.
for my $query ('', 'b64=1', 'J=0', 'jj=0', 'x=j') {
    is(ask('/socket.io/', undef, query => $query)->{status}, 200,
        "no page, no j: '$query'");
    is(ask('/list/', 'http://evil.example/', query => $query)->{status}, 200,
        "a Referer does not matter then: '$query'");
}
my $ws = $t->websocket(eio => 3, query => '&j=0');
is($ws->status, 403, 'a websocket that says j must be known, too');
$ws = $t->websocket(eio => 3, query => '&j=0',
    headers => { Origin => "http://$self" });
is($ws->status, 101, 'and is by its Origin');
$ws->{conn}->close;

# Each request of a session is judged.
for my $eio (3, 4) {
    my $p = $t->connected('polling', eio => $eio, jsonp => 1,
        path => '/list/', headers => { Referer => 'https://app.example/x' });
    ok($p->{id}, "session of a listed page, revision $eio");

    for my $bad ({}, { Referer => 'http://evil.example/' },
        { Referer => 'https://app.example/', Origin => 'http://x.example' })
    {
        $r = $t->http('GET', $p->url, headers => $bad);
        is($r->{status}, 403, 'GET of another page');
        $r = $t->http('POST', $p->url, headers => $bad, body => form(
            $eio == 3 ? '7:42["x"]' : '42["x"]'));
        is($r->{status}, 403, 'POST of another page');
        $r = $t->http('POST', $p->url =~ s/&j=1//r, headers =>
            { %$bad, Origin => 'http://x.example' }, body => form(
            $eio == 3 ? '7:42["x"]' : '42["x"]'));
        is($r->{status}, 403, 'the same without j, as browsers send forms');
    }

    ok($p->alive, 'the session lives');
    my $page = { Origin => 'https://app.example' };
    is($t->http('POST', $p->url, headers => $page, body => form($eio == 3
        ? '7:42["y"]' : '42["y"]'))->{body}, 'ok', 'a form with its Origin');
    ok($p->send('42["z"]'), 'a form with its Referer');
    is_deeply([map { $_->{event} } grep { $_->{sid} eq $p->{id} }
        $b->wait_events('event', 2 * ($eio - 2))], ['y', 'z'],
        'only those arrive');
}

# "*" keeps from the hook what a browser adds by itself, unless the page is
# this server's.
my %secret = (Cookie => 'session=secret', Authorization => 'Basic c2VjcmV0',
    'User-Agent' => 'ua');

sub hook_headers ($path, $referer, %h) {
    my $p = $t->connected('polling', eio => 3, jsonp => 0, path => $path,
        headers => { %secret, %h, Referer => $referer });
    my ($e) = grep { $_->{sid} eq $p->{id} } $b->events('connect');
    return $e->{handshake}{headers};
}

for my $referer ('http://evil.example/', '', 'about:blank',
    "http://evil.example/?http://$self/", "http://x\@$self/")
{
    my $h = hook_headers('/any/', $referer);
    is($h->{'user-agent'}, 'ua', "*: '$referer'");
    ok(!exists $h->{cookie}, "*: no cookie from '$referer'");
    ok(!exists $h->{authorization}, "*: no Authorization from '$referer'");
}

my $h = hook_headers('/any/', "http://$self/page");
is($h->{cookie}, 'session=secret', '*: the own page keeps its cookie');
is($h->{authorization}, 'Basic c2VjcmV0', '*: and Authorization');
$h = hook_headers('/any/', 'http://evil.example/', Authorization => 'Bearer x');
is($h->{authorization}, 'Bearer x', '*: but Bearer');
$h = hook_headers('/list/', 'https://app.example/');
is($h->{cookie}, 'session=secret', 'a listed page keeps its cookie');
$h = hook_headers('/any/', "http://$self/", Origin => 'http://evil.example');
ok(!exists $h->{cookie}, '*: Origin of another page');

# The header Referer missing altogether.
$r = ask('/any/', undef, headers => \%secret, query => 'j=0&case=none');
is($r->{status}, 200, '*: no Referer');
my $sid = $b->socket('none');
$h = (grep { $_->{sid} eq ($sid // '') } $b->events('connect'))[0]
    {handshake}{headers};
is($h->{'user-agent'}, 'ua', '*: no Referer');
ok(!exists $h->{cookie}, '*: no cookie of who knows which page');
ok(!exists $h->{authorization}, '*: nor Authorization');

$t->finish;
