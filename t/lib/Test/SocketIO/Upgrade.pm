package Test::SocketIO::Upgrade;

# Copyright (C) the ngx_http_socketio_module authors

# Words for tests of upgrades: of(nginx, backend, eio => 3) says whose.  The
# websocket is on a worker of its own, the third.

use v5.36;

use Exporter qw/import/;
use Test::More;

our @EXPORT = qw/of upgrade probe publish delivered works/;

my ($t, $b, %o);


sub of ($nginx, $backend, %options) {
    ($t, $b, %o) = ($nginx, $backend, %options);
}


sub upgrade ($p, %more) {
    return $t->websocket(sid => $p->{sid}, worker => 2, %o, %more);
}


sub probe ($p, %more) {
    my $ws = upgrade($p, %more);
    $ws->send('2probe');
    is($ws->recv, '3probe', 'probe answered');
    return $ws;
}


# Events without arguments from elsewhere.
sub publish ($p, @names) {
    my ($status, $a) = $t->publish(
        [ map { { sid => $p->{id}, event => "$_" } } @names ]);
    return $a;
}


# The names of the events that the backend got.
sub delivered ($p) {
    return map { $_->{event} }
        grep { $_->{sid} eq $p->{id} } $b->events('event');
}


# The echo of one event comes next.
sub works ($w, $name) {
    $w->send('42["m",1]');
    is($w->next_packet, '42["echo",1]', $name);
}


1;
