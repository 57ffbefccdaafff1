#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Compression of polling is nginx's own gzip filter: what it is told, it does
# with the payloads of GETs, parked ones too, and with nothing that is not
# text/plain.  Where that differs from Node's server the names say so.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;
use IO::Uncompress::Gunzip qw/gunzip/;

my $t = Test::SocketIO->new(workers => 2);

$t->run_echo(socketio => <<'SOCKETIO', server => <<'CONF');
            gzip on;
            gzip_types text/plain;
            gzip_min_length 1024;
            gzip_vary on;
SOCKETIO
        location /plain/ {
            socketio test;
            socketio_eio 4;
            socketio_hook /_hook;
            socketio_hook_batch off;
        }
CONF

sub session ($accept, %o) {
    return $t->connected('polling', %o, headers =>
        defined $accept ? { 'Accept-Encoding' => $accept } : {});
}

# The answer to a GET that a payload of $n bytes is waiting for, and that.
sub answer ($p, $n, $char = 'x') {
    my $text = $char x (($n - 10) / length $char);
    my $payload = qq(42["m","$text"]);

    utf8::decode($text);
    $t->publish({ sid => $p->{id}, event => 'm', args => [ $text ] });

    return ($p->get, $payload);
}

sub plain ($r) {
    return $r->{body} unless exists $r->{headers}{'content-encoding'};
    return 'not gzip' if $r->{headers}{'content-encoding'} ne 'gzip';
    gunzip(\$r->{body} => \my $out) or return 'not gzip';
    return $out;
}

my $p = session(undef);
my ($r, $payload) = answer($p, 50_000);
ok($r->{body} eq $payload, 'eio 71: nobody asked for gzip');
is($r->{headers}{'content-length'}, 50_000, 'eio 71: exact length');
ok(!exists $r->{headers}{'content-encoding'}, 'eio 71: no encoding');

$p = session('gzip');
($r, $payload) = answer($p, 1024);
is($r->{headers}{'content-encoding'}, 'gzip', 'eio 72: 1024 bytes');
is(plain($r), $payload, 'eio 72: decodes to the payload');
cmp_ok(length $r->{body}, '<', 300, 'eio 72: and is smaller');
is($r->{headers}{'content-type'}, 'text/plain; charset=UTF-8',
    'eio 72: type');
is($r->{headers}{'cache-control'}, 'no-store', 'eio 72: Cache-Control');
is($r->{headers}{vary}, 'Accept-Encoding',
    'eio 72: Vary, by gzip_vary (none in Node)');

($r, $payload) = answer($p, 1023);
ok(!exists $r->{headers}{'content-encoding'},
    'eio 74: 1023 bytes, less than gzip_min_length');
is($r->{body}, $payload, 'eio 74: as it is');
($r, $payload) = answer($p, 10 + 3 * 400, "\xe4\xb8\xad");
is(length $payload, 1210, 'eio 74: 410 characters of 1210 bytes');
is($r->{headers}{'content-encoding'}, 'gzip', 'eio 74: bytes count');
is(plain($r), $payload, 'eio 74: decodes');

$p->get_start;
ok($p->parked(0.2), 'eio 72: parked');
($r, $payload) = answer($p, 300_000);
is($r->{headers}{'content-encoding'}, 'gzip', 'eio 72: a parked GET');
ok(plain($r) eq $payload, 'eio 72: 300,000 bytes decode');

ok($p->send('42["m",1]'), 'eio 72: the answer to a POST is not compressed');
is($p->body, '42["echo",1]', 'eio 72: nor a small payload');
is($p->post('3')->{headers}{'content-encoding'}, undef, 'eio 72: POST');

# Node prefers by q and knows deflate; nginx knows gzip.
for my $case (['gzip;q=0, deflate', 0], ['deflate', 0], ['br', 0],
    ['br, gzip', 1], ['gzip;q=0.5, deflate', 1], ['identity', 0], ['*', 0],
    ['x-gzip', 0])
{
    my ($accept, $gzip) = @$case;
    my $s = session($accept);
    ($r, $payload) = answer($s, 2000);
    is($r->{headers}{'content-encoding'}, $gzip ? 'gzip' : undef,
        "eio 73: $accept: " . ($gzip ? 'gzip' : 'identity')
        . ' (no deflate, unlike Node)');
    is(plain($r), $payload, 'eio 73: the payload');
}

# There is no "compress" by packet for polling: the location decides.
(undef, my $a) = $t->publish({ sid => $p->{id}, event => 'm',
    args => ['x' x 2000], compress => JSON::PP::false() });
is($a->{count}, 1, 'eio 75: published with compress: false');
is($p->get->{headers}{'content-encoding'}, 'gzip',
    'eio 75: compressed all the same, by location (by packet in Node)');

$p = session('gzip', path => '/plain/');
($r, $payload) = answer($p, 5000);
ok(!exists $r->{headers}{'content-encoding'}, 'eio 76: gzip off');
is($r->{body}, $payload, 'eio 76: as it is');

$t->finish;
