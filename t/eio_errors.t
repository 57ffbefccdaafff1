#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Errors of admission: their bytes, for plain requests and for Upgrades, what
# logs say of them, and which one it is if a request deserves two.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(http => <<'HTTP', socketio => <<'SOCKETIO', server => <<'CONF');
    log_format error '$http_x_test|$socketio_error|$request';
    log_format json escape=json '{"n":"$http_x_test","e":"$socketio_error"}';
HTTP
            access_log logs/access.log error;
            access_log logs/json.log json;
SOCKETIO
        location /polling-only/ {
            socketio test;
            socketio_hook off;
            socketio_transports polling;
            access_log logs/access.log error;
        }
CONF

my @message = ('Transport unknown', 'Session ID unknown',
    'Bad handshake method', 'Bad request', 'Forbidden',
    'Unsupported protocol version');
my $n = 0;

# The request's line in the log: $socketio_error, and the whole of it.
sub logged ($id) {
    my $line = eventually(sub {
        $t->read_file('logs/access.log') =~ /^($id\|.*)$/m && $1 });
    return ((split /\|/, $line // '')[1], $line);
}

# A plain request gets JSON and a connection that goes on, an Upgrade what
# "ws" writes, and its connection is closed.
sub refused ($method, $query, $code, $context, %o) {
    my $id = 't' . ++$n;
    my $path = delete $o{path} // '/socket.io/';
    my $upgrade = delete $o{upgrade};
    my %h = ('X-Test' => $id, %{delete $o{headers} // {}});
    my $name = "$method $query" . ($upgrade ? ', Upgrade' : '');
    my $status = $code == 4 ? 403 : 400;
    my ($r, $c);

    if ($upgrade) {
        my $ws = $t->websocket(method => $method, headers => \%h,
            path => "$path?$query");
        $r = $ws->{res};
        $c = $ws->{conn};
        is($r->{status}, $status, "$name: status");
        is($r->{body}, $message[$code], "$name: body");
        is($r->{headers}{'content-type'}, 'text/html', "$name: type");
        is($r->{headers}{connection}, 'close', "$name: Connection: close");
        ok($c->closed, "$name: closed");

    } else {
        $c = $t->connect;
        $r = $t->http($method, "$path?$query", headers => \%h, conn => $c, %o);
        is($r->{status}, $status, "$name: status");
        is($r->{body}, $method eq 'HEAD' ? ''
            : qq({"code":$code,"message":"$message[$code]"}), "$name: body");
        is($r->{headers}{'content-type'}, 'application/json', "$name: type");
        ok(!exists $r->{headers}{'cache-control'}, "$name: no Cache-Control");
        is($t->http('GET', '/pid', conn => $c)->{status}, 200,
            "eio 23: $name: the connection goes on");
    }

    is($r->{headers}{'content-length'}, $method eq 'HEAD'
        ? length qq({"code":$code,"message":"$message[$code]"})
        : length $r->{body}, "$name: length");

    my ($error) = logged($id);
    is($error, "$code $message[$code]" . ($context && ": $context"),
        "eio 22: $name: \$socketio_error");
}

my $ok = 'EIO=4&transport=polling';
my $wsok = 'EIO=4&transport=websocket';

# What each of them says
refused('GET', 'EIO=4&transport=abc', 0, 'transport=abc');
refused('GET', 'EIO=4', 0, 'transport=');
refused('GET', '', 0, 'transport=');
refused('GET', 'EIO=4&transport=a%0a%22%5C%25%c3%a9+', 0,
    'transport=a%0A%22%5C%25%C3%A9%20');
refused('GET', 'EIO=4&transport=' . 'x' x 3000, 0,
    'transport=' . 'x' x 64 . '...');
refused('GET', 'EIO=4&transport=' . '%00' x 65, 0,
    'transport=' . '%00' x 64 . '...');
refused('GET', $wsok, 0, 'not in socketio_transports, transport=websocket',
    path => '/polling-only/');
refused('GET', "$ok&sid=AAAAAAAAAAAAAAAAAAAAAA", 1, '');
refused('POST', $ok, 2, 'method=POST', body => 'x');
refused('MKCOL', $ok, 2, 'method=MKCOL');
refused('GET', $wsok, 3, 'TRANSPORT_HANDSHAKE_ERROR, Upgrade and transport '
    . 'do not fit, transport=websocket');
refused('GET', $ok, 3, 'INVALID_ORIGIN, transport=polling',
    headers => { Origin => "http://a\x01b" });
refused('GET', $ok, 4, 'not in socketio_origins, origin=http://evil.example',
    headers => { Origin => 'http://evil.example' });
refused('GET', $ok, 4, 'not in socketio_origins, origin=http://%22e%C3%A9',
    headers => { Origin => "http://\"e\xc3\xa9" });
refused('GET', 'EIO=3%22&transport=polling', 5, 'not in socketio_eio, EIO=3%22');
refused('GET', 'transport=polling', 5, 'not in socketio_eio, EIO=');

refused('GET', 'EIO=4&transport=abc', 0, 'transport=abc', upgrade => 1);
refused('GET', "$wsok&sid=x", 1, '', upgrade => 1);
refused('POST', $wsok, 2, 'method=POST', upgrade => 1);
refused('GET', $ok, 3, 'TRANSPORT_HANDSHAKE_ERROR, Upgrade and transport '
    . 'do not fit, transport=polling', upgrade => 1);
refused('GET', $wsok, 3, 'TRANSPORT_HANDSHAKE_ERROR, bad '
    . 'Sec-WebSocket-Version, transport=websocket', upgrade => 1,
    headers => { 'Sec-WebSocket-Version' => 12 });
refused('GET', $wsok, 3, 'TRANSPORT_HANDSHAKE_ERROR, bad Sec-WebSocket-Key, '
    . 'transport=websocket', upgrade => 1,
    headers => { 'Sec-WebSocket-Key' => undef });
refused('GET', $wsok, 4, 'not in socketio_origins, origin=http://evil.example',
    upgrade => 1, headers => { Origin => 'http://evil.example' });
refused('GET', 'EIO=5&transport=websocket', 5, 'not in socketio_eio, EIO=5',
    upgrade => 1);

# Of sessions
my $p = $t->connected('polling');
my $w = $t->connected('websocket');
my ($psid, $wsid) = map { "sid=$_->{sid}" } $p, $w;

refused('GET', "$wsok&$psid", 3, 'TRANSPORT_MISMATCH, Upgrade and transport '
    . 'do not fit, transport=websocket');
refused('GET', "$ok&$wsid", 3, "TRANSPORT_MISMATCH, the session is a "
    . "websocket's now, transport=polling");
refused('POST', "$ok&$wsid", 3, "TRANSPORT_MISMATCH, the session is a "
    . "websocket's now, transport=polling", body => '3');
refused('GET', "EIO=5&transport=polling&$psid", 3, "PROTOCOL_MISMATCH, EIO "
    . "is not the session's, transport=polling");
refused('GET', "EIO=5&transport=websocket&$psid", 3, "PROTOCOL_MISMATCH, EIO "
    . "is not the session's, transport=websocket", upgrade => 1);

# Never the sid: not here, nor anywhere in the line.
for my $log ('access.log', 'json.log', 'error.log') {
    my $text = $t->read_file("logs/$log");
    ok(length $text, "$log has something");
    unlike($text, qr/\Q$_->{sid}\E/, "eio 22: no sid in $log") for $p, $w;
}
like($t->read_file('logs/json.log'), qr/"e":"0 Transport unknown: transport=/,
    'eio 22: as JSON');
is(scalar $t->log_lines(qr/refused with code 3 Bad request: TRANSPORT_MISM/),
    3, 'eio 22: in the error log, too');

my ($error) = do {
    $t->http('GET', "/socket.io/?$ok", headers => { 'X-Test' => 'good' });
    logged('good');
};
is($error, '-', 'nothing of a request that is served');

# Two faults: which one wins (engine.io, 2).  Each is a change of a request
# that would be served, in the order of the checks.
my @new = (
    [ 4, 'origin', sub ($r) { $r->{h}{Origin} = 'http://evil.example' } ],
    [ 0, 'transport', sub ($r) { $r->{q}{transport} = 'abc' } ],
    [ 3, 'invalid origin', sub ($r) { $r->{h}{Origin} = "http://a\x01" } ],
    [ 2, 'method', sub ($r) { $r->{method} = 'PUT' } ],
    [ 3, 'no Upgrade', sub ($r) { $r->{q}{transport} = 'websocket' } ],
    [ 5, 'EIO', sub ($r) { $r->{q}{EIO} = 5 } ],
);
my @known = (
    @new[0 .. 2],
    [ 1, 'sid', sub ($r) { $r->{q}{sid} = 'A' x 22 } ],
    [ 3, 'no Upgrade', $new[4][2] ],
    [ 3, 'EIO', $new[5][2] ],
    [ undef, 'method', $new[3][2] ],
);
my @ws = (
    @new[0 .. 3],
    [ 3, 'polling', sub ($r) { $r->{q}{transport} = 'polling' } ],
    $new[5],
    [ 3, 'key', sub ($r) { $r->{h}{'Sec-WebSocket-Key'} = 'x' } ],
);
my @probe = (
    @new[0 .. 2],
    [ 1, 'sid', $known[3][2] ],
    [ 3, 'EIO', $new[5][2] ],
    [ 3, 'key', $ws[6][2] ],
);

sub pairs ($name, $checks, $upgrade, %query) {
    for my $i (0 .. $#$checks) {
        for my $k ($i .. $#$checks) {
            my %r = (method => 'GET', h => {}, q => { EIO => 4, %query });
            $checks->[$_][2]->(\%r) for $k, $i;

            my $code = $checks->[$i][0];
            my $path = '/socket.io/?' . join '&',
                map { "$_=$r{q}{$_}" } sort keys %{$r{q}};
            my $res = $upgrade
                ? $t->websocket(path => $path, method => $r{method},
                    headers => $r{h})->{res}
                : $t->http($r{method}, $path, headers => $r{h});
            my $what = join ' and ', map { $checks->[$_][1] }
                $i == $k ? $i : ($i, $k);

            is("$res->{status} $res->{body}",
                !defined $code ? '400 '
                : ($code == 4 ? '403 ' : '400 ') . ($upgrade ? $message[$code]
                    : qq({"code":$code,"message":"$message[$code]"})),
                "$name: $what");
        }
    }
}

pairs('handshake', \@new, 0, transport => 'polling');
pairs('poll', \@known, 0, transport => 'polling', sid => $p->{sid});
pairs('websocket', \@ws, 1, transport => 'websocket');
pairs('upgrade', \@probe, 1, transport => 'websocket', sid => $p->{sid});

ok($p->send('42["m",1]'), 'the polling session lives');
is($p->next_packet, '42["echo",1]', 'and works');
ok($w->send('42["m",2]'), 'so does the websocket');
is($w->next_packet, '42["echo",2]', 'and works');

# A browser that is refused learns why only with CORS; preflights come before
# all checks but that of origins.
my %pre = (Origin => 'http://127.0.0.1:' . $t->port,
    'Access-Control-Request-Method' => 'POST');
for my $query ('', 'EIO=9', 'transport=abc', "$ok&sid=x", "$ok&$psid") {
    is($t->http('OPTIONS', "/socket.io/?$query", headers => \%pre)->{status},
        204, "eio 149: preflight before other checks: $query");
}

$t->finish;
