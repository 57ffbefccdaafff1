#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Acknowledgements that clients ask for, and those that nobody asked for.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new(workers => 2);

# Everything is acked with its own arguments, "twice" twice.
my $backend = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (grep { $_->{type} eq 'event' } @$events) {
        next if $e->{event} eq 'never';
        my %ack = (op => 'ack', id => $e->{id}, args => $e->{args},
            $e->{attachments} ? (attachments => $e->{attachments}) : ());
        push @out, { %ack };
        push @out, { %ack, args => ['second'] } if $e->{event} eq 'twice';
    }
    return \@out;
}, socketio => 'socketio_namespaces / /custom;');

my $ph = '{"_placeholder":true,"num":0}';

sub ws () { return $t->connected('websocket') }

sub poll () { return $t->connected('polling') }

for my $s (ws(), poll()) {
    my $how = ref $s;

    $s->send('42456["message-with-ack",1,"2",{"3":[false]}]');
    is($s->next_packet, '43456[1,"2",{"3":[false]}]', "sio 59: ack, $how");

    $s->send('420["ack"]');
    is($s->next_packet, '430[]', "sio 60: id 0, no arguments, $how");

    $s->send('429007199254740991["ack"]');
    is($s->next_packet, '439007199254740991[]', "largest id, $how");

    ok($s->sio_connect('/custom'), 'custom namespace');
    $s->send('42/custom,9["ack","z"]');
    is($s->next_packet, '43/custom,9["z"]', "sio 61: namespace, $how");

    $s->send('427["twice",1]');
    is($s->next_packet, '437[1]', "sio 62: first ack, $how");
    $s->send('42["plain"]', '428["ack"]');
    is($s->next_packet, '438[]',
        "sio 62: no second ack, none for an event that wants none, $how");

    $s->send('4211["never"]', '4212["ack"]');
    is($s->next_packet, '4312[]', "an unanswered one stays so, $how");

    $s->send('4399["nobody asked"]', '43/custom,7[]', '4213["ack"]');
    is($s->next_packet, '4313[]', "sio 64: unknown ack ids ignored, $how");

    $s->send("461-99[$ph]", \"\1\2", '4214["ack"]');
    is($s->next_packet, '4314[]',
        "sio 64: BINARY_ACK too, with its attachment, $how");

    $s->send("451-7[\"ack\",$ph,5]", \"\1\2\3");
    is($s->next_packet, "461-7[$ph,5]", "sio 66, 67: binary ack, $how");
    is($s->next_packet, 'bAQID', "sio 66, 67: attachment, $how");

    $s->send("451-/custom,8[\"ack\",[$ph]]", \'');
    is($s->next_packet, "461-/custom,8[[$ph]]", "binary, namespace, $how");
    is($s->next_packet, 'b', "empty attachment, $how");
}

for my $bad ('431{}', '431"x"', '431[', '431[]x', '431null') {
    my $ws = ws();
    $ws->send($bad);
    is($ws->closed, '', "sio 65: $bad closes");
}

my @e = $backend->events('event');
is_deeply([sort { $a <=> $b } values %{{ map { $_->{event} =>
    0 + !!$_->{ack} } grep { $_->{event} =~ /^(?:plain|never)$/ } @e }}],
    [0, 1], 'the backend knows who wants an ack');
is(scalar(grep { exists $_->{token} } $backend->events('ack')), 0,
    'acks that nobody asked for do not reach the backend');

$t->finish;
