#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What an access log can say of polling requests and of websockets, whose line
# comes when they end.  Fails if a number is another's, is lost with the request
# that a websocket began as, or if a session id gets into a log.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(http => <<'CONF', socketio => 'access_log logs/sio.log sio;');
    log_format sio '$request_method $status $socketio_transport '
        '$socketio_eio in=$socketio_packets_in/$socketio_bytes_in '
        'out=$socketio_packets_out/$bytes_sent for=$request_time '
        'why=$socketio_reason error=$socketio_error '
        'line=$request args=$args uri=$request_uri';
CONF

my $seen = 0;

# the next line, as a hash
sub line ($name) {
    my @all;
    ok(eventually(sub { @all = split /\n/, $t->read_file('logs/sio.log');
        @all > $seen }), "$name: a line") or return {};
    my ($method, $status, $transport, $eio, $in, $bytes, $out, $sent, $for)
        = $all[$seen++] =~
        m{^(\S+) (\d+) (\S+) (\S+) in=(\S+)/(\S+) out=(\S+)/(\S+) for=(\S+)}
        ? ($1, $2, $3, $4, $5, $6, $7, $8, $9) : ();
    my ($why, $error, $rest) =
        $all[$seen - 1] =~ m{ why=(.*?) error=(.*?) line=(.*)$} or diag($all[$seen - 1]);
    return { method => $method, status => $status, transport => $transport,
        eio => $eio, in => $in, bytes => $bytes, out => $out, sent => $sent,
        for => $for, why => $why, error => $error, rest => $rest };
}

sub has ($name, %want) {
    my $l = line($name);
    is_deeply({ map { $_ => $l->{$_} } keys %want }, \%want, $name)
        || diag(explain($l));
    return $l;
}

# polling: a handshake, a POST, the GET that brings two answers
my $p = $t->polling;
has('handshake', method => 'GET', status => 200, transport => 'polling',
    eio => 4, in => 0, bytes => 0, out => 0, why => '-', error => '-');
$p->post('40');
has('POST', method => 'POST', in => 1, bytes => 2, out => 0);
like($p->body, qr/^40\{/, 'connected');
has('GET', method => 'GET', in => 0, bytes => 0, out => 1);
my $body = join "\x1e", '42["a","' . 'x' x 100 . '"]', '420["b"]';
$p->post($body);
has('two packets', method => 'POST', in => 2, bytes => length $body);
my $got = 0;
while ($got < 2) {
    my $n = () = split /\x1e/, $p->body, -1;
    has('what comes back', in => 0, out => $n);
    $got += $n;
}

# a websocket: nothing until it ends
my $ws = $t->connected('websocket');
$ws->send('42["a","' . 'y' x 1000 . '"]', '42["b"]');
$ws->collect(2);
my $sid = $ws->{sid};
is(scalar(() = $t->read_file('logs/sio.log') =~ /\n/g), $seen,
    'no line while it is there');
$ws->close;
my $l = has('websocket', method => 'GET', status => 101,
    transport => 'websocket', eio => 4, in => 3,
    bytes => 2 + length('42["a",""]') + 1000 + length('42["b"]'), out => 3,
    why => 'transport close', error => '-');
cmp_ok($l->{sent} // 0, '>', 1000, 'all bytes of it');
cmp_ok($l->{for} // -1, '>=', 0, 'and its time');

# an upgrade: what had come by polling is not the websocket's
my $u = $t->connected('polling');
has("upgrade $_") for 1 .. 3;
my $up = $t->websocket(sid => $u->{sid});
$up->send('2probe');
is($up->recv, '3probe', 'probe');
$up->send('5', '42["c"]');
like($up->recv, qr/^42\["echo"/, 'echo');
$up->close;
$l = has('upgraded', transport => 'websocket', in => 3,
    bytes => length('2probe' . '5' . '42["c"]'), out => 1);

# refused
$t->http('GET', '/socket.io/?EIO=4&transport=polling&sid=' . $sid);
has('refused', status => 400, error => '1 Session ID unknown', in => 0,
    out => 0);

my $all = $t->read_file('logs/sio.log') . $t->read_file('logs/error.log');
is(scalar(grep { defined && index($all, $_) >= 0 }
    $sid, $p->{sid}, $u->{sid}), 0, 'no session id in any log');
like($all, qr/sid=\*\*\*/, 'but that there was one');

$t->finish;
