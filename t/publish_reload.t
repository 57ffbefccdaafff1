#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Publishers that wait for clients while nginx is reloaded.  Fails if a worker
# that shuts down, and has nothing else to do, ends under them.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new(workers => 2);
$t->run_hook(undef);

# no websocket: its timer would keep its worker
my $s = $t->connected('polling', get_worker => undef, post_worker => undef);

my @c = map {
    my $c = $t->connect(worker => $_);
    $c->send($c->build('POST', '/_publish', body => Test::SocketIO::to_json(
        { event => 'q', args => [$_], ack => \1, all => \1,
          timeout => 20000 })));
    $c;
} 0, 1;

my %ids;

for (@c) {
    my $p = $s->next_packet;
    like($p, qr/^42\d+\["q",[01]\]$/, 'the client is asked');
    $ids{$2} = $1 if $p =~ /^42(\d+)\["q",([01])\]$/;
}

$t->reload;
$s->send(map { "43$ids{$_}\[$_]" } 0, 1);

for (0, 1) {
    my $r = $c[$_]->response(10, 'POST');
    like($r ? $r->{body} : 'closed', qr/"acks":\[\[$_\]\]/,
        "the publisher at worker $_ has its answer");
}

$t->finish;
