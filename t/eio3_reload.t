#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Sessions of revision 3 over a reload, also one after which only revision 4 is
# taken, and what variables say of them.  Fails if a session depends on what
# its location takes now, or if what its client can read was a worker's.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $ph = '{"_placeholder":true,"num":0}';
my $conf = <<'CONF';
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    log_format sio '$socketio_eio|$socketio_transport|$socketio_reason|'
                   '$socketio_error';
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_eio %%EIO%%;
            socketio_hook /_hook;
            socketio_hook_batch off;
            access_log %%DIR%%/logs/access.log sio;
        }
        location = /_hook {
            internal;
            default_type application/json;
            if ($socketio_type = event) {
                return 200 '{"event":"$socketio_eio $socketio_transport",
                             "args":$socketio_args,
                             "attachments":$socketio_attachments}';
            }
            if ($socketio_type = connect) {
                return 200 '{"event":"handshake","args":[$socketio_handshake]}';
            }
            return 204;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

$t->run($conf, EIO => '3 4');

my %kinds = (XHR2 => {}, b64 => { b64 => 1 }, JSONP => { jsonp => 4 });

# Answers are those of its kind, which the harness insists upon.
sub works ($s, $name) {
    my $how = $s->{conn} ? 'websocket' : 'polling';
    $s->send("451-[\"m\",$ph,\"\xc3\xa9\"]", \"\0\xff");
    my ($header, $bytes) = $s->collect(2);
    is($bytes, 'bAP8=', "$name: binary");
    my $e = $s->{conn} ? "\xc3\xa9" : '\u00e9';
    is($header, "451-[\"3 $how\",$ph,\"$e\"]", "$name: \$socketio_eio");
}

sub begins ($s, $name) {
    is($s->next_packet, '40', "$name: connected");
    my $h = $s->next_packet;
    like($h, qr/^42\["handshake",\{.*"eio":3,.*"auth":\{\}\}\]$/,
        "$name: \$socketio_handshake");
    works($s, $name);
}

my (%s, %ws);
for my $kind (sort keys %kinds) {
    $s{$kind} = $t->polling(eio => 3, worker => 0, post_worker => 1,
        %{$kinds{$kind}});
    begins($s{$kind}, $kind);
}
for my $w (0, 1) {
    $ws{$w} = $t->websocket(eio => 3, worker => $w,
        query => $w ? '&b64=1' : '');
    $ws{$w}->open_packet;
    begins($ws{$w}, "W3 $w");
}

my $parked = $t->polling(eio => 3, jsonp => 5);
$parked->collect(2);
$parked->get_start;
ok($parked->parked(0.2), 'GET parked');
my $probed = $t->polling(eio => 3);
$probed->collect(2);
my $probe = $t->websocket(eio => 3, sid => $probed->{sid});
$probe->send('2probe');
is($probe->recv, '3probe', 'probing');

$t->write_conf($conf, EIO => '4');
$t->reload;

# the workers that they used have left
for my $s (values %s) {
    $s->{get} = $t->connect_to_worker(1);
    $s->{post} = $t->connect_to_worker(0);
}

is($parked->body, '___eio[5]("1:6");', 'parked GET: answered in its own way');
works($parked, 'its session');
works($s{$_}, "$_, after the reload") for sort keys %s;
works($ws{$_}, "W3 $_, after the reload") for sort keys %ws;
$probe->send('5');
works($probe, 'an upgrade over the reload');

for my $kind (sort keys %s) {
    my $ws = $t->websocket(eio => 3, sid => $s{$kind}{sid}, query =>
        $kind eq 'b64' ? '&b64=1' : '');
    $ws->send('2probe', '5');
    is($ws->recv, '3probe', "$kind: an upgrade after the reload");
    works($ws, "$kind: upgraded");
    $ws->close;
}

my $r = $t->http('GET', '/socket.io/?EIO=3&transport=polling');
is($r->{body}, '{"code":5,"message":"Unsupported protocol version"}',
    'eio 14: no new ones');
$_->close for $probe, values %ws;

# A line says which.
sub lines () { return split /\n/, $t->read_file('logs/access.log') }
ok(eventually(sub { 5 < grep { /^3\|websocket\|transport close\|/ } lines() }),
    'access log: websockets of revision 3');
ok((grep { /^3\|polling\|-?\|-?$/ } lines()), 'access log: polls');
ok((grep { /^3\|polling\|-?\|5 Unsupported/ } lines()), 'access log: refused');

$t->finish;
