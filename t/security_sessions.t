#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Past vulnerabilities of handshakes, polling, upgrades and of what decides who
# may connect, replayed: requests that are cut off at each of their bytes, ids
# and transports that are names of something else, bodies that are too long,
# empty or of the wrong type, clients that leave while a backend is asked about
# them.  Fails if one of them is not answered, takes more than its session with
# it, or leaves something behind.

use v5.36;
use lib 't/lib';
use IO::Socket::INET ();
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Attack;
use Test::SocketIO::Backend qw/reply echo/;
use Test::SocketIO::WebSocket ();

*frame = \&Test::SocketIO::WebSocket::frame_bytes;

my $t = Test::SocketIO->new(workers => 2, alarm => 120);
my $elsewhere = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1')
    or die "no listener: $!";
my $there = '127.0.0.1:' . $elsewhere->sockport;

my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my ($e) = map { $_->{event} // '' } @$events;

    return reply(hold => 'auth', body => '') if $req->{uri} =~ /auth/;
    return reply(hold => 'connect', body => echo($events)) if grep {
        ($_->{handshake}{query}{hold} // '') ne '' } @$events;
    return reply(status => 302, headers => { Location => "http://$there/" })
        if grep { ($_->{event} // '') eq 'redirect' } @$events;
    return echo($events);
}, eio => '3 4', socketio => 'socketio_connect_timeout 2s;', server => QUICK =~ s/socketio_hook_batch off;//r . <<'CONF');
        location /auth/ {
            socketio test;
            socketio_hook /_hook;
            auth_request /_auth;
        }
        location = /_auth {
            internal;
            proxy_pass http://backend/auth;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
        location /listed/ {
            socketio test;
            socketio_hook /_hook;
            socketio_origins https://app.example https://*.wild.example;
        }
CONF

besieged($t);

my $q = 'EIO=4&transport=polling';

sub code ($r) { return $r ? $r->{status} : 'none' }

# Each beginning of these bytes, and then RST.  Gives those that were sent.
sub cut ($bytes, $from = 0) {
    for my $n ($from .. length($bytes)) {
        my $c = $t->connect;
        $c->send(substr $bytes, 0, $n);
        $c->reset;
    }
}

sub upgrade_bytes ($url, @frames) {
    my $c = $t->connect;
    return $c->build('GET', $url, headers => { Upgrade => 'websocket',
        Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13,
        'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' })
        . join '', @frames;
}

# A request that is reset, wherever it is.
{
    my $id = 'CVE-2022-41940';
    my $ws = 'EIO=4&transport=websocket';
    my $before = connections();
    my $p = $t->connected('polling');
    my $sid = "&sid=$p->{sid}";

    cut(upgrade_bytes("/socket.io/?$ws$sid", frame(1, '2probe'),
        frame(1, '5', fin => 0)));
    unharmed("$id: resets during an upgrade");
    $p->send('42["m"]');
    is($p->next_packet, '42["echo"]', "$id: its session goes on by polling");

    my $bytes = upgrade_bytes("/socket.io/?$ws$sid", frame(1, '2probe'),
        frame(1, '5'), frame(1, '42["m"]'));
    cut($bytes, length($bytes) - 20);
    # one that comes before the end of the other is known is no probe
    ok(eventually(sub { cut($bytes, length $bytes); !$p->alive }),
        "$id: or ends with its websocket");
    unharmed("$id: resets behind an upgrade");

    cut(upgrade_bytes("/socket.io/?$_"), 0) for "$ws&sid=none",
        "EIO=3&transport=websocket&sid=none", 'EIO=4&transport=polling',
        'EIO=9&transport=websocket';
    my $w = $t->connected('websocket');
    cut(upgrade_bytes("/socket.io/?$ws&sid=$w->{sid}", frame(1, '2probe')));
    unharmed("$id: resets during refused upgrades");
    $w->send('42["m"]');
    is($w->next_packet, '42["echo"]', "$id: the websocket that is there stays");
    $w->close;

    cut(upgrade_bytes("/quick/?$ws", frame(1, '40'), frame(1, '42["m"]')));
    unharmed("$id: resets of new websockets");

    my $c = $t->connect;
    cut($c->build('GET', "/quick/?$q"));
    my @sids = $t->crowd(330, '/quick/', '/');
    my $n = 0;
    while (my $s = shift @sids) {
        my $post = $c->build('POST', "/quick/?$q&sid=$s",
            body => "42[\"m\"]\x1e42[\"m\"]");
        cut(substr($post, 0, $n), $n) if $n <= length $post;
        my $get = $c->build('GET', "/quick/?$q&sid=$s");
        cut(substr($get, 0, $n), $n) if $n <= length $get;
        $n++;
    }
    cmp_ok($n, '>', 250, "$id: each byte of a POST was one of them");
    unharmed("$id: resets during polling");

    ok(eventually(sub { connections() <= $before + 6 }),
        "$id: and no connection is left") or diag(connections() . " of $before");
}

# Transports and ids that an object in JavaScript has members for.
my @names = qw{__proto__ constructor toString hasOwnProperty prototype valueOf
    __defineGetter__ isPrototypeOf length undefined null true NaN [object] 0 -1
    polling%00 %00 %ff %c3%28 ../ .. / %2e%2e%2f %0d%0a ' " < > `};
{
    my %bad;

    for my $name (@names) {
        for my $r ($t->http('GET', "/socket.io/?EIO=4&transport=$name"),
            $t->http('POST', "/socket.io/?EIO=4&transport=$name", body => '40'),
            $t->websocket(path => "/socket.io/?EIO=4&transport=$name")->{res})
        {
            $bad{$name}++ if code($r) ne 400
                || $r->{body} !~ /^(?:\{"code":0,.*\}|Transport unknown)$/;
        }
    }
    is(join(' ', sort keys %bad), '',
        'CVE-2023-31125: no transport but those there are');

    for my $name (@names, 'A' x 21, 'A' x 23, 'A' x 7000, '%41' x 22,
        'AAAAAAAAAAAAAAAAAAAAAA', '_____________________w', '=' x 22)
    {
        for my $eio (3, 4) {
            my $u = "/socket.io/?EIO=$eio&sid=$name&transport=";
            for my $r ($t->http('GET', $u . 'polling'),
                $t->http('POST', $u . 'polling', body => '40'),
                $t->websocket(path => $u . 'websocket')->{res})
            {
                $bad{"$eio $name"}++ if code($r) ne 400
                    || $r->{body} !~ /^(?:\{"code":1,.*\}|Session ID unknown)$/;
            }
        }
    }
    is(join(' ', sort keys %bad), '', 'CVE-2026-59724, CVE-2026-102600: '
        . 'an id is bytes, not the name of a member');
}
unharmed('CVE-2026-59724');

# The revision belongs to the session.
{
    my %bad;

    for my $eio (3, 4) {
        my $p = $t->connected('polling', eio => $eio);
        my $other = 7 - $eio;

        for my $rev ("EIO=$other&", '', 'EIO=&', 'EIO=5&', 'EIO=__proto__&',
            "EIO=$eio&EIO=$other&", "EIO=$eio%00&", 'EIO=44&')
        {
            my $u = "/socket.io/?${rev}sid=$p->{sid}&transport=";
            my $ws = $t->websocket(path => $u . 'websocket');
            for my $r ($ws->{res}, $t->http('GET', $u . 'polling'),
                $t->http('POST', $u . 'polling', body => '42["m"]'))
            {
                $bad{"$eio, $rev"}++ if code($r) ne 400
                    || $r->{body} !~ /"code":[35]|Bad request|Unsupported/;
            }
        }

        $p->send('42["m"]');
        is($p->next_packet, '42["echo"]',
            "CVE-2026-102599: a session of revision $eio goes on");
    }
    is(join(' ', sort keys %bad), '',
        'CVE-2026-102599: requests of another revision, or of none');
}
unharmed('CVE-2026-102599');

# A body of the wrong type is answered, as often as one likes.
{
    my $before = connections();
    my %status;

    for (1 .. 60) {
        my $p = $t->polling;
        my $r = $p->post("\4" x 10, type => 'application/octet-stream');
        $status{code($r)}++;
        $p->{get}->close;
        $p->{post}->close;
    }
    is_deeply(\%status, { 400 => 60 }, 'CVE-2026-59725: binary POSTs of '
        . 'revision 4 are answered');
    ok(eventually(sub { connections() <= $before + 6 }),
        'CVE-2026-59725: and their connections closed') or diag(connections());
}
unharmed('CVE-2026-59725');

# Too much is not read.
{
    my $p = $t->connected('polling');
    my $before = rss();
    my $r = $p->post('x', length => 100_000_000);
    is(code($r), 413, 'CVE-2020-36048: 100 MB are announced');
    $r = $p->request('POST', body => 'x' x 1_000_001);
    is(code($r), 413, 'CVE-2020-36048: one byte too much');

    my $c = $t->connect;
    $c->send("POST " . $p->url . " HTTP/1.1\r\nHost: x\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n");
    my $n = 0;
    $n++ while $n < 400 && $c->send("10000\r\n" . 'x' x 65536 . "\r\n");
    is(code($c->response), 413, 'CVE-2020-36048: chunks without end');

    $c = $t->connect;
    $c->send("POST " . $p->url . " HTTP/1.1\r\nHost: x\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n");
    like(code($c->response), qr/^4/, 'CVE-2020-36048: a chunk of 2^68');
    cmp_ok(rss() - $before, '<', 8 * 1024 * 1024,
        'CVE-2020-36048: nor remembers');
}
unharmed('CVE-2020-36048');

# No body, or one where none is expected, everywhere.
{
    my @bad;
    my @open = ("/socket.io/?$q", '/socket.io/?EIO=3&transport=polling',
        '/socket.io/', '/socket.io/?', '/socket.io/?EIO=4&transport=websocket',
        '/_publish', '/_status', '/_hook');

    for my $path (@open) {
        for my $how ([], [body => ''], [chunked => []], [length => 0],
            [body => "\0"], [body => ' '], [body => '{}'], [body => '[]'],
            [body => '""'], [body => 'null'], [chunked => ["\r\n"]])
        {
            for my $method (qw/POST GET PUT DELETE HEAD OPTIONS PATCH/) {
                my $c = $t->connect;
                $c->request($method, $path, @$how);
                my $r = $c->response(5, $method);
                push @bad, "$method $path @$how: " . code($r)
                    if code($r) !~ /^(?:200|204|4\d\d)$/;
                $c->close;
            }
        }
    }
    is(scalar @bad, 0, 'CVE-2022-21667: every body is answered')
        or diag(join "\n", @bad);

    my $p = $t->connected('polling');
    for my $how ([body => ''], [chunked => []], [length => 0]) {
        my $s = $t->connected('polling', eio => 3);
        $s->post('', @$how);
        $s = $t->connected('polling');
        my $r = $s->post('', @$how);
        push @bad, code($r) if code($r) !~ /^(?:200|400)$/;
    }
    is("@bad", '', 'CVE-2022-21667: of a session, too');
}
unharmed('CVE-2022-21667');

# A client that leaves, or says nonsense, while somebody is asked about it.
{
    my $id = 'CVE-2020-7693, CVE-2022-39386, CVE-2026-126343';
    my $before = connections();
    my @ws = ("/auth/?EIO=4&transport=websocket", '/auth/?EIO=3&'
        . 'transport=websocket', "/auth/?$q");

    for my $path (@ws) {
        for my $more ('', frame(1, '40'), "\xff" x 100, frame(3, 'x'),
            frame(8, ''), "GET / HTTP/1.1\r\n\r\n")
        {
            my $c = $t->connect;
            $c->send(upgrade_bytes($path, $more));
            $c->reset;
            $c = $t->connect;
            $c->send(upgrade_bytes($path, $more));
            $c->half_close;
        }
        my $c = $t->connect;
        $c->send(upgrade_bytes($path) =~ s/Upgrade: \w+/Upgrade: \x01/r);
        $c->reset;
    }
    ok(eventually(sub { grep { $_->{uri} =~ /auth/ } $b->requests }),
        "$id: auth_request has asked");
    unharmed("$id: while it waits");
    $b->release('auth');
    unharmed("$id: when it is answered");

    for my $n (1 .. 20) {
        my $w = $t->websocket(query => '&hold=1', eio => $n % 2 ? 3 : 4);
        $w->send('40') if $n % 2 == 0;
        $w->send_raw(frame(3, 'x')) if $n % 3 == 0;
        $w->{conn}->reset;
        my $p = $t->polling(query => '&hold=1', path => '/quick/');
        $p->post('40');
        $p->post('1') if $n % 3;
        $p->{get}->reset;
        $p->{post}->reset;
    }
    $b->release('connect');
    unharmed("$id: or a hook is asked");
    $t->{conns} = [grep { defined } @{$t->{conns}}];
    ok(eventually(sub { connections() <= $before + 6 }, 10),
        "$id: no connection is left") or diag(connections() . " of $before");
}

# Where the backend is, is said by nginx.conf and by nobody else.
{
    my $id = 'CVE-2026-32301';
    my %h = ('X-Forwarded-Host' => $there, Forwarded =>
        "host=$there", 'X-Original-URL' => "http://$there/",
        'X-Accel-Redirect' => "http://$there/", Authorization => 'Bearer '
        . 'eyJhbGciOiJSUzI1NiIsImprdSI6Imh0dHA6Ly9ldmlsLyJ9.e30.x',
        Origin => "http://$there");
    my $p = $t->polling(host => $there, headers => \%h, path => '/socket.io/',
        query => "&url=http://$there/&callback=http://$there/");
    ok($p->sio_connect, "$id: with names of another host");
    $p->send(qq(42["m",{"op":"emit","url":"http://$there/"}]));
    is($p->next_packet, qq(42["echo",{"op":"emit","url":"http://$there/"}]),
        "$id: what clients say is data");
    $p->send('42["redirect"]');
    $b->wait_events('event', 2);
    $t->http('GET', "http://$there/socket.io/?$q");
    unharmed($id);
    my $sel = IO::Select->new($elsewhere);
    ok(!$sel->can_read(0.2), "$id: nobody goes there, nor where a redirect is");

    my @odd = grep { !/^(?:host|connection|content-length|content-type
        |x-socketio-(?:version|node|batch|attempt))$/x }
        map { keys %{$_->{headers}} }
        grep { $_->{uri} !~ /auth/ } $b->requests;
    is("@odd", '', 'CVE-2026-49975, CVE-2026-42926, CVE-2026-42533, '
        . 'CVE-2026-123633: no header of a client is in what the backend gets');
}

# Pages: a list of origins is no pattern, and not to be closed off with one.
{
    my %bad;

    for my $origin ('https://app.example`.evil', 'https://app.example$',
        'https://app.example^', 'https://app-example', 'https://appXexample',
        'https://app.example\\.evil.example', 'https://app.example|x', '.*',
        'https://app.example.', 'https://app.example:443:443', '*', '',
        'https://app.example@evil.example', 'https://app.example%00.evil',
        'https://app.example/', 'https://app.example#', 'null', 'NULL',
        'https://evil.example\\@app.example', 'https://[::1]',
        'https://x:y@app.example', 'https://app.example:80', 'about:blank',
        'https://evil.example,https://app.example', 'https://a b.wild.example',
        'https://xn--app-.example', "https://\x{e4}pp.example", 'https://',
        'https://.wild.example', 'https://evil.com#.wild.example',
        'https://evil.com/.wild.example', 'https://evil.com:1.wild.example',
        'https://evil.com\\.wild.example', 'https://wild.example',
        'https://a.wild.example.', 'https://evil@a.wild.example',
        'http://app.example', 'wss://app.example', 'HTTPS://', 'file://',
        'chrome-extension://app.example', '//app.example', 'app.example')
    {
        for my $r ($t->http('GET', "/listed/?$q",
                headers => { Origin => $origin, Cookie => 'a=1' }),
            $t->http('OPTIONS', "/listed/?$q", headers => { Origin => $origin,
                'Access-Control-Request-Method' => 'POST' }),
            $t->websocket(path => '/listed/?EIO=4&transport=websocket',
                headers => { Origin => $origin, Cookie => 'a=1' })->{res})
        {
            $bad{$origin}++ if code($r) !~ /^40[03]$/
                || $r->{headers}{'access-control-allow-origin'};
        }
    }
    is(join(' ', sort keys %bad), '', 'CVE-2020-28481, WS-2020-0443: '
        . 'pages that are like one of the list');

    for my $pair (['https://app.example', 'https://evil.example'],
        ['https://evil.example', 'https://app.example'],
        ['https://app.example', ''], ['https://app.example',
        'https://app.example'])
    {
        for my $r ($t->http('GET', "/listed/?$q",
                headers => [map { (Origin => $_) } @$pair]),
            $t->http('GET', '/listed/?EIO=4&transport=websocket', headers => [
                Upgrade => 'websocket', Connection => 'Upgrade',
                'Sec-WebSocket-Version' => 13, 'Sec-WebSocket-Key' =>
                'dGhlIHNhbXBsZSBub25jZQ==', map { (Origin => $_) } @$pair]))
        {
            $bad{"@$pair"}++ if code($r) ne 400
                || $r->{headers}{'access-control-allow-origin'};
        }
    }
    is(join(' ', sort keys %bad), '',
        'CVE-2020-28481: of two origins none is believed');

    for my $h ({ Referer => 'https://app.example/', Origin =>
        'https://evil.example' }, { Origin => 'https://evil.example', Host2 =>
        'app.example', 'X-Forwarded-Host' => 'evil.example' })
    {
        is(code($t->http('GET', "/$_/?$q", headers => $h)), 403,
            "CVE-2020-28481: other headers do not help, $_")
            for 'listed', 'socket.io';
    }
}

# An image of another site has no Origin, but its visitor's cookies.
for my $path ('/socket.io/', '/listed/') {
    my $get = sub ($site, $q = $q, %h) {
        return code($t->http('GET', "$path?$q", headers => {
            'Sec-Fetch-Site' => $site, Cookie => 'a=1', %h }));
    };
    is($get->($_), 403, "CVE-2020-28481: no session for an image, $_, $path")
        for 'cross-site', 'same-site';
    is($get->('cross-site', 'EIO=3&transport=polling'), 403,
        "CVE-2020-28481: nor one of revision 3, $path");
    is($get->($_), 200, "CVE-2020-28481: but for the page itself, $_, $path")
        for 'same-origin', 'none', 'x', '';
    is($get->('cross-site', $q, Origin => 'https://app.example'),
        $path eq '/listed/' ? 200 : 403,
        "CVE-2020-28481: or who says which page it is, $path");
}

# What is in a cookie cannot end it.
{
    my %bad;

    for my $name ('a;b', 'a=b', '"a b"', '"a\\r\\nX: y"', 'a,b', '"a\\tb"',
        '"a;path=/"', '""', '"<script>"', '"ä"', 'a:b', 'a@b', '"a\\\\"')
    {
        my ($rc) = $t->test_location('/c/', "socketio_cookie $name;");
        $bad{$name}++ if $rc == 0;
    }
    for my $more ('"path=/;x"', '"path=/\\r\\nX: y"', '"domain=a;b"',
        '"domain=a b"', '"path=/ HttpOnly"', 'max-age=x', '"samesite=none;x"')
    {
        my ($rc) = $t->test_location('/c/', "socketio_cookie io $more;");
        $bad{$more}++ if $rc == 0;
    }
    is(join(' ', sort keys %bad), '',
        'CVE-2024-47764: names and attributes that would be more');
}

clean(lingering => 1);
$t->finish;
