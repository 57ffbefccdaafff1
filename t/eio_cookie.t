#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# socketio_cookie: the sid as a cookie, for balancers in front: with the
# handshake of polling and with nothing else, in exactly the form that was
# asked for.  And that no argument can put anything else into the header.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new(workers => 2);

my %cookie = (
    io => '; Path=/; HttpOnly; SameSite=Lax',
    'sid.x_1!' => '; Path=/; HttpOnly; SameSite=Lax',
    'io path=/chat/a' => '; Path=/chat/a; HttpOnly; SameSite=Lax',
    'io nopath' => '; HttpOnly; SameSite=Lax',
    'io nohttponly' => '; Path=/; SameSite=Lax',
    'io nosamesite' => '; Path=/; HttpOnly',
    'io samesite=strict' => '; Path=/; HttpOnly; SameSite=Strict',
    'io samesite=lax httponly' => '; Path=/; HttpOnly; SameSite=Lax',
    'io samesite=none' => '; Path=/; HttpOnly; Secure; SameSite=None',
    'io secure' => '; Path=/; HttpOnly; Secure; SameSite=Lax',
    'io nosecure' => '; Path=/; HttpOnly; SameSite=Lax',
    'io nopath nohttponly nosamesite' => '',
    'io domain=.chat-1.example max-age=1h' => '; Max-Age=3600;'
        . ' Domain=.chat-1.example; Path=/; HttpOnly; SameSite=Lax',
);
my @conf = sort keys %cookie;

my $server = 'socketio_cookie inherited;';
$server .= "location /c$_/ { socketio test; socketio_hook off;"
    . " socketio_cookie $conf[$_]; }\n" for 0 .. $#conf;

$t->run_echo(server => $server . <<'CONF', socketio => 'socketio_cookie io;');
        location /inherited/ { socketio test; socketio_hook off; }
        location /off/ {
            socketio test;
            socketio_hook off;
            socketio_cookie off;
        }
        location /limited/ {
            socketio test;
            socketio_hook off;
            socketio_limits sessions=1;
        }
CONF

sub cookie ($r) { return $r->{headers}{'set-cookie'} }

sub handshake ($path, %o) {
    my $r = $t->http('GET', "$path?EIO=4&transport=polling", %o);
    my ($sid) = $r->{body} =~ /"sid":"([^"]+)"/;
    return ($r, $sid);
}

my ($r, $sid) = handshake('/socket.io/');
is(cookie($r), "io=$sid; Path=/; HttpOnly; SameSite=Lax",
    'eio 35: Set-Cookie with the handshake');
like($r->{head}, qr/^Set-Cookie: [^\n]*\r\n/m, 'eio 35: one header');

for my $more ('', '&b64=1', '&j=0') {
    $r = $t->http('GET', "/inherited/?EIO=3&transport=polling$more",
        headers => { Referer => 'http://127.0.0.1:' . $t->port . '/' });
    ($sid) = $r->{body} =~ /sid\\?":\\?"([\w-]+)/;
    is(cookie($r), "inherited=$sid; Path=/; HttpOnly; SameSite=Lax",
        "eio 35: revision 3 $more (as with 4, and once)");
}

my $p = $t->polling(get_worker => 0, post_worker => 1);
ok(cookie($p->{res}), 'eio 35: a session with a cookie');
$p->send('40');
$p->get_start;
is(cookie($p->get_wait), undef, 'eio 35, 37: none with a GET later on');
is(cookie($p->post('3')), undef, 'eio 35, 37: none with a POST');
is(cookie($p->request('HEAD')), undef, 'eio 35: none with an error');
is(cookie($t->http('GET', '/socket.io/?EIO=4&transport=polling&sid=x')),
    undef, 'eio 35: none for an unknown sid');
is(cookie($t->http('GET', '/socket.io/?EIO=5&transport=polling')), undef,
    'eio 35: none for a handshake that is refused');
is(cookie($t->websocket->{res}), undef, 'eio 35: none with 101');
my $ws = $t->websocket(sid => $p->{sid});
is($ws->status, 101, 'eio 35: upgrade');
is(cookie($ws->{res}), undef, 'eio 35: none with its 101');

is(cookie((handshake('/off/'))[0]), undef, 'eio 36: off');
($r, $sid) = handshake('/inherited/');
is(cookie($r), "inherited=$sid; Path=/; HttpOnly; SameSite=Lax",
    'eio 36: inherited');

for my $i (0 .. $#conf) {
    my ($name) = $conf[$i] =~ /^(\S+)/;
    ($r, $sid) = handshake("/c$i/");
    is(cookie($r), "$name=$sid$cookie{$conf[$i]}",
        "eio 36: socketio_cookie $conf[$i]");
}

($r) = handshake('/limited/');
is($r->{status}, 503, 'no session');
is(cookie($r), undef, 'no cookie');

# The cookie is not read: it opens nothing, and hides nothing.
($r) = handshake('/socket.io/', headers => { Cookie => "io=$sid" });
is($r->{status}, 200, 'a cookie of the client has no influence');

sub refused ($args, $why) {
    my ($rc, $out) = $t->test_location('/', "socketio_cookie $args;");
    isnt($rc, 0, "refused: $args");
    like($out, qr/"socketio_cookie".* $why/s, "because it $why");
}

refused($_, 'is no name of a cookie') for '""', '"a b"', 'a=b', '"a;b"',
    'a,b', '"a\"b"', '"a\tb"', '"a\r\nX: y"', 'é', '$host', 'a:b', 'a/b';
refused("io $_", 'is no path of a cookie') for 'path=', 'path=chat',
    '"path=/; Domain=evil.example"', '"path=/ x"', 'path=/a,b', 'path=/é',
    '"path=/\r\nX: y"', 'path=/$host', '"path=/<"';
refused("io $_", 'is no domain of a cookie') for 'domain=', 'domain=.',
    'domain=a..b', 'domain=-a.b', 'domain=a-', 'domain=a-.b', 'domain=a.',
    '"domain=a;b"', 'domain=a_b', 'domain=..a', '"domain=a b"', 'domain=a:1';
refused("io $_", 'is no time above zero') for 'max-age=', 'max-age=0',
    'max-age=-1', 'max-age=x', '"max-age=1; Path=/"', 'max-age=500ms';
refused("io $_", 'is no attribute of a cookie') for 'samesite=', 'samesite',
    'samesite=maybe', 'Secure', 'httponly=off', 'securely', 'expires=1',
    'path', '""', 'off';
refused("io $_", 'is duplicate') for 'path=/ nopath', 'secure nosecure',
    'samesite=lax samesite=lax', 'domain=a domain=b', 'max-age=1 max-age=2';
refused('off io', 'makes no sense with "off"');
refused('io samesite=none nosecure', 'has both');
refused('io; socketio_cookie io', 'directive is duplicate');
refused('io; socketio_transports websocket', 'is useless');

$t->finish;
