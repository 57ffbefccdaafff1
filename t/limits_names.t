#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Names and lists that are longer than anybody needs: the name of a client's
# event, lists of a command, what stands where a name should.  The client is
# closed, the command refused, and either costs no more than its own bytes.
# Fails if a bound is off by one, or if a worker builds a tree of what it is
# going to refuse.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/to_json/;
use Test::SocketIO::Backend qw/echo/;

my $t = Test::SocketIO->new;
my $b = $t->run_hook(\&echo, eio => '3 4', zone => '32m', server => <<'CONF');
        client_max_body_size 16m;
        client_body_buffer_size 16m;
CONF

for my $transport (qw/websocket polling/) {
    my $s = $t->connected($transport);
    $s->emit('e' x 1022, 1);
    is($s->next_packet, '42["echo",1]', "$transport: a name of 1024 bytes");
    $s->emit('e' x 1023, 1);
    is($b->reason($s->{id}), 'forced close', "$transport: one of more");
}

my $s = $t->connected('websocket');

sub refused ($name, $command, $error) {
    my ($status, $a) = $t->publish($command);
    is($a->{error}, $error, $name);
}

my ($status, $a) = $t->publish({ event => 'x', room => [
    map { "r$_" } 1 .. 256 ] });
ok($a->{ok}, '256 rooms');
refused('257 rooms', { event => 'x', room => [map { "r$_" } 1 .. 257] },
    'too_large');

# Peak memory of the worker: trees of jansson take 20 times their text.

sub peak () {
    my ($pid) = $t->worker_pids;
    open my $f, '<', "/proc/$pid/status" or die;
    return { map { /^(VmHWM):\s+(\d+) kB/ ? ($1 => $2) : () } <$f> }->{VmHWM};
}

my $mega = 8 << 20;
my %large = (
    'a list of many names' => ['[' . join(',', ('"a"') x ($mega / 4)) . ']',
        'too_large'],
    'a list of lists' => ['[[' . join(',', ('[]') x ($mega / 3)) . ']]',
        'bad_target'],
    'an object' => ['{"a":[' . join(',', ('{}') x ($mega / 3)) . ']}',
        'bad_target'],
);

# The same bytes where they are only carried.
my $text = '[' . join(',', ('"a"') x ($mega / 4)) . ']';
refused('a message of that size',
    qq({"event":"x","sid":"nobody","args":$text}), undef);
my $before = peak();

for my $name (sort keys %large) {
    my ($json, $error) = @{$large{$name}};
    refused($name, qq({"event":"x","room":$json}), $error);
}

SKIP: {
    skip 'a sanitizer keeps what is freed', 1
        if ($ENV{ASAN_OPTIONS} // '') ne '';
    cmp_ok(peak() - $before, '<', 20 * 1024, 'their trees are not built');
}

ok($s->send('42["m",1]'), 'the others');
is($s->next_packet, '42["echo",1]', 'have not noticed');

$t->finish;
