#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# socketio_hook_secret: what a backend checks, with an HMAC that is not
# OpenSSL's.  Fails if the time is not signed or is that of the first attempt,
# if a part of the body is left out or in twice, if the second key signs
# something else, or if a client gets a signature of its own to the backend.

use v5.36;
use lib 't/lib';
use Digest::SHA qw/hmac_sha256_hex/;
use Encode qw/encode_utf8/;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my @key = ('the first key 123', "\x{e9}ne autre cl\x{e9}, 2");
my $inherited = 'sixteen bytes ok';

my $t = Test::SocketIO->new(workers => 2);

my %tries;
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my ($e) = map { $_->{event} // () } @$events;

    return reply(status => 503, headers => { 'Retry-After' => 1 })
        if ($e // '') eq 'again' && !$tries{again}++;
    return reply(hold => 'gate', body => echo($events))
        if ($e // '') eq 'hold';
    return echo($events);
}, socketio => qq{socketio_hook_secret "$key[0]";\nsocketio_hook_lanes 1;
        socketio_hook_headers x-socketio-signature origin=\$uri;},
    server => <<"CONF");
        socketio_hook_secret "$inherited";
        location /two/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_secret "@{[encode_utf8($key[1])]}" "$key[0]";
        }
        location /off/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
        }
CONF

# The request with this event: { t => time, v1 => [...] } of its signature.
sub request ($name, $n = 0) {
    my $r = eventually(sub {
        my @r = grep { grep { ($_->{event} // $_->{type}) eq $name }
            @{$_->{events}} } $b->requests;
        return $r[$n];
    });
    my $s = $r->{headers}{'x-socketio-signature'} // '';
    $r->{t} = $1 if $s =~ /^t=([1-9][0-9]*)(?:,v1=[0-9a-f]{64})+$/;
    $r->{v1} = [$s =~ /,v1=([0-9a-f]+)/g];
    return $r;
}

sub signed ($name, $r, @keys) {
    my $body = encode_utf8($r->{body});
    is_deeply($r->{v1}, [map { hmac_sha256_hex("$r->{t}.$body",
        encode_utf8($_)) } @keys], $name);
}

sub ws ($path = '/socket.io/', %o) {
    my $ws = $t->websocket(%o,
        path => "$path?EIO=4&transport=websocket&case=" . ($o{case} // ''));
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

# One event, with characters of several bytes.
my $ws = ws('/socket.io/', worker => 0,
    headers => { 'X-Socketio-Signature' => 't=1,v1=' . '0' x 64 });
ok($ws->{id}, 'connected');
my $r = request('connect');
signed('connect', $r, $key[0]);
cmp_ok(abs($r->{time} - $r->{t}), '<', 30, 'made now');
is($r->{events}[0]{handshake}{headers}{'x-socketio-signature'},
    't=1,v1=' . '0' x 64, "a client's header of that name is a header of it");
ok(!(grep { $_->{headers}{'x-socketio-signature'} =~ /0{64}/ } $b->requests),
    'and not of the request');

$ws->emit('one', "\x{e9}\x{20ac}\x{1f600}", 'x' x 70000);
$ws->next_packet;
signed('an event of many bytes', request('one'), $key[0]);

# A batch of several: brackets, commas and all.
$ws->emit('hold');
request('hold');
$ws->emit("b$_", "\x{e9}" x $_) for 1 .. 5;
$ws->send('451-["b6",{"_placeholder":true,"num":0}]', \"\1\2\3");
ok($ws->silent(0.2), 'they gather');
$b->release('gate');
$ws->collect(8);
$r = request('b1');
cmp_ok(scalar @{$r->{events}}, '>', 1, 'a batch');
signed('a batch', $r, $key[0]);

# The same again has another time.
$ws->emit('again');
is($ws->next_packet, '42["echo"]', 'tried again');
my @r = (request('again', 0), request('again', 1));
is($r[0]{body}, $r[1]{body}, 'the same body');
is($r[1]{headers}{'x-socketio-attempt'}, 2, 'once more');
cmp_ok($r[1]{t}, '>', $r[0]{t}, 'another time');
signed('attempt ' . ($_ + 1), $r[$_], $key[0]) for 0, 1;

# Two keys while they are changed; what is inherited; no batches.
my $two = ws('/two/', worker => 1);
$two->emit('two keys');
is($two->next_packet, '42["echo"]', 'another location');
signed('two keys, two signatures', request('two keys'), @key[1, 0]);

my $off = ws('/off/');
$off->emit('no batch', 1);
is($off->next_packet, '42["echo",1]', 'batch off');
signed('inherited, of one event', request('no batch'), $inherited);

# nginx -t.
sub bad ($name, $like, $line) {
    my ($rc, $out) = $t->test_location('/socket.io/', $line);
    isnt($rc, 0, "$name: refused");
    like($out, $like, $name);
}

my ($rc) = $t->test_location('/', "socketio_hook_secret '$inherited';");
is($rc, 0, 'sixteen bytes');
bad('fifteen', qr/"socketio_hook_secret": "sixteen bytes n" must have 16 byt/,
    'socketio_hook_secret "sixteen bytes n";');
bad('the second one', qr/"socketio_hook_secret": "short" must have 16 bytes/,
    "socketio_hook_secret '$inherited' short;");
bad('none', qr/"socketio_hook_secret": "" must have/,
    'socketio_hook_secret "";');
bad('the same twice', qr/"socketio_hook_secret": "$inherited" is duplicate/,
    "socketio_hook_secret '$inherited' '$inherited';");
bad('three', qr/invalid number of arguments/,
    "socketio_hook_secret '$inherited' '${inherited}2' '${inherited}3';");
bad('two directives', qr/"socketio_hook_secret" directive is duplicate/,
    "socketio_hook_secret '$inherited'; socketio_hook_secret '$key[0]';");

$t->finish;
