#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# A worker dies in the middle of a hold, with lists half changed, in all that
# clients do: they open, connect, send, upgrade, poll and leave.  The zone is
# rebuilt: fails if it is emptied, if anybody on another worker loses a message,
# gets one twice or another's, if a session between requests ends, if the
# backend hears of a disconnect not once, or if anything is left in the zone.
# DEATHS=30 for more stores of each operation.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO::Deaths;

my $w = Test::SocketIO::Deaths->new;
my $t = $w->t;

my $poll = '/socket.io/?EIO=4&transport=polling';

sub between (%auth) { return $w->poll($w->other(0), $w->victim, %auth) }
sub there (%auth) { return $w->ws($w->victim, %auth) }

# A POST, and whether it was answered.
sub post ($s, @packets) { $s->{done} = $s->send(@packets) }

$w->deaths('handshake', make => sub { $w->conn }, act => sub ($c) {
    $c->request('GET', $poll);
    $c->response(5);
});

$w->deaths('handshake of a websocket', make => sub { $w->conn },
    act => sub ($c) { $t->websocket(conn => $c)->open_packet(5) });

$w->deaths('connect', fate => 'any',
    make => sub { $w->open($w->other(0), $w->victim) },
    act => sub ($s) {
        # one that is half accepted is closed
        my $ok = $s->send('40{"rooms":["all","own"]}');
        $s->{answered} = ($s->next_packet(5) // '') =~ /^40/ ? 1 : 0;
        $s->{done} = $ok && $s->{answered};
    }, then => sub ($s) {
        my $n = $s->{answered} + grep { /^40/ } @{$s->{got} // []};
        return $n == 1 ? undef : "$n answers";
    });

$w->deaths('connect of a websocket', fate => 'gone',
    make => sub {
        my $s = $t->websocket(worker => $w->victim);
        $s->open_packet;
        return $s;
    }, act => sub ($s) { $s->sio_connect('/', { rooms => ['all', 'own'] }) });

$w->deaths('event', fate => 'any', make => \&between,
    act => sub ($s) { post($s, '42["hello",1]') });

$w->deaths('event of a websocket', fate => 'gone', make => \&there,
    act => sub ($s) { $s->send('427["hello",1]'); $s->recv(5) });

$w->deaths('half of a binary event', fate => 'any', make => \&between,
    act => sub ($s) {
        post($s, '451-8["half",{"_placeholder":true,"num":0}]');
    }, rest => ['bAQID'], then => sub ($s) {
        return undef if !$s->{done} || grep { $_ eq '438[]' } @{$s->{got}};
        return 'the other half came for nothing';
    });

$w->deaths('end of a binary event', fate => 'any',
    make => sub {
        my $s = between();
        $s->send('451-8["half",{"_placeholder":true,"num":0}]');
        return $s;
    }, act => sub ($s) { post($s, 'bAQID') }, then => sub ($s) {
        return undef if !$s->{done} || grep { $_ eq '438[]' } @{$s->{got}};
        return 'it came for nothing';
    });

# Three messages wait; those that a GET has brought do not come again.
$w->deaths('poll', fate => 'any',
    make => sub {
        my $s = $w->poll($w->victim, $w->other(0));
        $w->publish([map { { sid => $s->{id}, event => 'y', args => [$_] } }
            1 .. 3]);
        return $s;
    }, act => sub ($s) {
        $s->{brought} = $s->body(5);
        $s->{done} = $s->{brought} =~ /y",3/;
    }, then => sub ($s) {
        return undef if $s->{done} ? !$s->{got} : 3 == @{$s->{got} // []};
        return join ' ', $s->{brought}, '+', @{$s->{got} // []};
    });

$w->deaths('messages to a websocket', fate => 'gone',
    make => sub { there(rooms => ['all']) },
    act => sub ($s) {
        $w->publish([map { { room => 'all', event => 'x',
            args => [++$w->{x}] } } 1 .. 2]);
        $s->recv(5) for 1 .. 2;
    });

$w->deaths('upgrade', fate => 'any',
    make => sub {
        my $s = $w->poll($w->other(0), $w->other(1),
            rooms => ['all', 'own' . ++$w->{own}]);
        $s->{ws} = $t->websocket(sid => $s->{sid}, worker => $w->victim);
        $s->{ws}->send('2probe');
        $s->{ws}->recv(5);
        return $s;
    }, act => sub ($s) {
        $s->{ws}->send('5', '428["after"]');
        $s->{ws}->next_packet(5);
    });

$w->deaths('end of a probe', fate => 'live',
    make => sub {
        my $s = $w->poll($w->other(0), $w->other(1));
        $s->{ws} = $t->websocket(sid => $s->{sid}, worker => $w->victim);
        $s->{ws}->send('2probe');
        $s->{ws}->recv(5);
        return $s;
    }, act => sub ($s) { $s->{ws}->close });

$w->deaths('disconnect', fate => 'gone', make => \&there,
    act => sub ($s) { $s->send('41') });

$w->deaths('close', fate => 'any', make => \&between,
    act => sub ($s) { $s->send('1') });

$w->deaths('close of a websocket', fate => 'gone',
    make => sub { there(rooms => ['all', 'own']) },
    act => sub ($s) { $s->{conn}->close });

$w->finish;
