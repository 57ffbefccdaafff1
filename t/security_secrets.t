#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The session id is the client's secret: random, in no log whoever writes it and
# at whatever phase, not the backend's to know, not to be guessed piece by piece.
# Fails if one phase of nginx logs a request line as it came, if a cookie takes
# the id of another tab to the backend, or if ids have anything in common.

use v5.36;
use lib 't/lib';
use MIME::Base64 qw/decode_base64url/;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Attack;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $b = $t->run_hook(\&echo, eio => '3 4', http => <<'HTTP', server => QUICK
    log_format all '$remote_addr "$request" $request_uri $args $arg_sid $uri'
        ' $is_args "$http_user_agent" $socketio_error $socketio_sid'
        ' $query_string $document_uri';
    limit_req_zone $remote_addr zone=few:1m rate=1r/m;
HTTP
    . <<'CONF', socketio => 'socketio_cookie io;');
        access_log logs/access.log all;
        location /limited/ {
            socketio test;
            socketio_hook /_hook;
            limit_req zone=few;
        }
        location /denied/ {
            socketio test;
            socketio_hook /_hook;
            deny all;
            error_page 403 /denied.html;
        }
        location /asked/ {
            socketio test;
            socketio_hook /_hook;
            auth_request /_auth;
        }
        location /sent/ {
            socketio test;
            socketio_hook /_hook;
            auth_basic no;
            auth_basic_user_file nothing;
        }
        location /rewritten/ {
            socketio test;
            socketio_hook /_hook;
            if ($arg_x) { rewrite ^ /denied/ last; }
        }
        location /other/ { proxy_pass http://127.0.0.1:1; }
        location = /_auth { internal; proxy_pass http://127.0.0.1:1; }
CONF

besieged($t);

# Nothing in them is alike: no part of the bits is constant, or counts.
{
    my (%seen, @ones, $n);
    for my $sid ($t->crowd(2000, '/quick/', '/')) {
        like($sid, qr/^[A-Za-z0-9_-]{22}$/, 'CVE-2017-16031: of 128 bits')
            if !$n++;
        fail('CVE-2017-16031: twice the same id') if $seen{$sid}++;
        my $bits = unpack 'B*', decode_base64url($sid);
        $ones[$_] += substr $bits, $_, 1 for 0 .. 127;
    }
    my @odd = grep { $ones[$_] < 700 || $ones[$_] > 1300 } 0 .. 127;
    is("@odd", '', 'CVE-2017-16031: each bit of ids is random');
    is(scalar keys %seen, 2000, 'CVE-2017-16031: no two ids are the same');
}

my %sids;

sub of ($s, $what) { $sids{$s->{sid}} = $what; return $s }

# Whatever a client may do with an id.
my @p = map { of($t->connected('polling', %$_), 'polling') }
    { eio => 4 }, { eio => 3 }, { eio => 3, jsonp => 1 }, { eio => 3, b64 => 1 },
    { eio => 4, path => '/rewritten/' }, { eio => 4, path => '/quick/' };
my @w = map { of($t->connected('websocket', eio => $_), 'websocket') } 3, 4;
$_->send('42["m"]') for @p, @w;
$b->wait_events('event', 8);
$_->get for @p;

for my $p (@p) {
    my $sid = $p->{sid};
    my $q = "EIO=$p->{eio}&transport=polling";

    for my $url ("$q&sid=$sid", "$q&sid=$sid&sid=x", "sid=$sid&$q",
        "$q&s%69d=$sid", "$q&%73%69%64=$sid", "$q&sid=$sid#x",
        "$q&sid=%" . unpack('H2', $sid) . substr($sid, 1),
        "$q&sid=$sid&x=%", "sid=$sid", "&&sid=$sid&&", "x=1&sid=$sid",
        "sid=x&sid=$sid", "$q&sid=$sid" . '&y=' . 'z' x 3000, "$q&sid=$sid ")
    {
        for my $path ('/socket.io/', '/limited/', '/denied/', '/asked/',
            '/sent/', '/rewritten/', '/socket.io/x', '/socket.io/%2e/')
        {
            my $c = $t->connect;
            $c->send("OPTIONS $path?$url HTTP/1.1\r\nHost: x\r\n"
                . "Connection: close\r\n\r\n");
            $c->response;
        }
    }

    for my $path ('/socket.io/', '/limited/', '/denied/', '/asked/', '/sent/',
        '/rewritten/', '/quick/')
    {
        my $url = "$path?$q&sid=$sid";
        my $c = $t->connect;
        $c->send("POST $url HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4");
        $c->reset;
        $t->http('POST', $url, body => 'x' x 1_000_001);
        $t->http('GET', $url, version => '1.0');
        $t->http('PUT', $url, body => '');
        $t->http('GET', "$url&x=1");
        $t->http('GET', $url =~ s/polling/x/r);
        $t->http('GET', $url =~ s/EIO=./EIO=9/r);
        $t->http('GET', $url, headers => { Origin => 'http://evil.example' });
        $t->http('GET', $url, headers => { Host2 => 'x', Upgrade => 'x' });
        my $w = $t->websocket(path => $url =~ s/polling/websocket/r);
        $w->send("\0");
        $w->{conn}->close;
    }
}

for my $w (@w) {
    my $url = "/socket.io/?EIO=$w->{eio}&transport=polling&sid=$w->{sid}";
    $t->http($_, $url) for qw/GET POST DELETE/;
    $w->send_frame(3, 'x');
    $w->closed;
}

# The cookie is the same secret, of perhaps another tab.
my $tab = of($t->connected('polling'), 'cookie');
like($tab->{res}{headers}{'set-cookie'}, qr/^io=\Q$tab->{sid}\E;/,
    'there is a cookie');
for ("io=$tab->{sid}", "a=1; io=$tab->{sid}; b=2", "a=1;io=$tab->{sid}",
    "aio=1; io=$tab->{sid};; io=$tab->{sid}")
{
    my $s = of($t->connected('polling', headers => { Cookie => $_ }), 'tab');
    my ($e) = grep { $_->{sid} eq $s->{id} }
        eventually(sub { grep { $_->{sid} eq $s->{id} } $b->events('connect')
            and return [$b->events('connect')]; 0 })->@*;
    is($e->{handshake}{headers}{cookie},
        { 0 => undef, 1 => 'a=1; b=2', 2 => 'a=1', 3 => 'aio=1' }
            ->{$_ =~ /^io/ ? 0 : /b=2/ ? 1 : /^a=1/ ? 2 : 3},
        'other cookies go to the backend, in their form');
}

unharmed('ids in use');

my $access = $t->read_file('logs/access.log');
my $error = $t->read_file('logs/error.log');
my $backend = $b->read_all;

for my $what (['access.log', $access], ['error.log', $error],
    ['backend', $backend])
{
    my ($where, $text) = @$what;
    my @found;

    for my $sid (sort keys %sids) {
        my $tail = substr $sid, 1;
        my ($line) = grep { index($_, $tail) >= 0 } split /\n/, $text
            or next;
        push @found, substr $line, 0, 300;
    }

    is(scalar @found, 0, "no session id in what the $where got")
        or diag($_) for $found[0] // '';
    cmp_ok(length $text, '>', 10_000, "$where: there is much");
}

ok($error =~ qr/limiting requests, .*sid=\*\*\*/,
    'limit_req, blanked');
ok($error =~ qr/access forbidden by rule, .*sid=\*\*\*/,
    'deny, blanked');
ok($error =~ qr/no user.*sid=\*\*\*|user.*provided.*sid=\*\*\*/,
    'auth_basic, blanked');
ok($error =~ qr/connect\(\) failed .*sid=\*\*\*/,
    'auth_request, blanked');

$t->finish;
