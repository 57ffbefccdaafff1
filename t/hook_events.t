#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# socketio_hook_events: the backend gets what it names and nothing else, of
# which it is none of the client's business to hear.  Fails if names are
# compared as they were written, if an event that nobody wants is not checked,
# takes a seq, waits behind a backend that is busy, or leaves its attachments
# to the next one.

use v5.36;
use utf8;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2);

my $b = $t->run_hook(sub ($events, $req, $ctl) {
    return reply(hold => 'gate', body => echo($events))
        if grep { ($_->{event} // '') eq 'hold' } @$events;
    return echo($events);
}, eio => '3 4', server => "socketio_hook_events elsewhere;\n",
    socketio => <<"CONF");
            socketio_hook_events want hold 12 ack "" "h\xc3\xa9 \\"q";
            socketio_hook_queue 2 64k;
CONF

sub names ($id) {
    return [map { $_->{event} } grep { $_->{sid} eq $id }
        $b->events('event')];
}

sub seqs ($id) { return [map { $_->{seq} } grep { $_->{sid} eq $id }
    $b->events] }

for my $transport (qw/websocket polling/) {
    my $s = $t->connected($transport);

    # Not in the list; the same written otherwise; others like them.
    $s->send('42["no"]', '42["WANT",1]', '42["wan"]', '42["wantt"]',
        '42["elsewhere"]', '42["\u0000want"]', '42[13]', '42[12.0]',
        '429["no ack",1]', '42[ "want" ]', '42["w\u0061nt",1]', '42[12,2]',
        '42["12",3]', '42["",4]', '42["ack"]', '42["h\u00e9 \"q"]');
    is_deeply([$s->collect(7)], ['42["echo"]', '42["echo",1]',
        '42["echo",2]', '42["echo",3]', '42["echo",4]', '42["echo"]',
        '42["echo"]'], "$transport: named, however it is spelt");
    is_deeply(names($s->{id}), ['want', 'want', 12, '12', '', 'ack',
        'hé "q'], "$transport: nothing else");
    ok($s->silent(0.1), "$transport: nor is it answered")
        if $transport eq 'websocket';

    # Attachments of what is dropped are not the next one's.
    $s->send('451-["no",{"_placeholder":true,"num":0}]', \"\1\2",
        '452-7["no",{"_placeholder":true,"num":1},{"_placeholder":true,'
        . '"num":0}]', \"\3", \('x' x 5000), '42["want",5]',
        '451-["want",{"_placeholder":true,"num":0}]', \"\4");
    is_deeply([$s->collect(3)], ['42["echo",5]',
        '451-["echo",{"_placeholder":true,"num":0}]', 'bBA=='],
        "$transport: attachments are consumed");

    # A disconnect and acks go all the same, and no number is left out.
    $s->send('431[1]', '41');
    is($b->reason($s->{id}), 'client namespace disconnect',
        "$transport: disconnect");
    is_deeply(seqs($s->{id}), [0 .. 10], "$transport: seq has no gaps");
}

# A backend that is busy does not hold up what it does not want.
my $ws = $t->connected('websocket');
$ws->send('42["hold",1]');
ok(eventually(sub { grep { $_ eq 'hold' } @{names($ws->{id})} }), 'held');
$ws->send('42["want"]', '42["no"]', '451-["no",{"_placeholder":true,"num":0}]',
    \"\1", '42["no"]', '42["bad json]');
ok($ws->{conn}->closed, 'read to the end, with the inbox full');
$b->release('gate');
is($b->reason($ws->{id}), 'forced close', 'and for that end');

# What nobody wants is checked.
sub ended ($name, $reason, @packets) {
    my $s = $t->connected('websocket');
    $s->send(@packets);
    is($b->reason($s->{id}), $reason, $name);
}

ended('malformed', 'forced close', '42["no",]');
ended('a reserved name', 'forced close', '42["disconnecting"]');
ended('a namespace that is not joined', 'forced server close',
    '42/other,["no"]');
ended('text among attachments', 'forced close',
    '451-["no",{"_placeholder":true,"num":0}]', '42["no"]');
ended('bytes behind the last attachment', 'forced close',
    '451-["no",{"_placeholder":true,"num":0}]', \"\1", \"\2");
ended('a placeholder without attachment', 'forced close',
    '451-["no",{"_placeholder":true,"num":1}]', \"\1");

# Half of one, when its socket ends.
$ws = $t->connected('websocket');
$ws->send('452-["no",{"_placeholder":true,"num":0},{"_placeholder":true,'
    . '"num":1}]', \"\1");
is(($t->publish({ op => 'disconnect', sid => $ws->{id} }))[0], 200, 'ended');
ok($b->reason($ws->{id}), 'the backend hears of it');
$ws->send(\"\2", '40');
like($ws->next_packet, qr/^41$/, 'told');
like($ws->next_packet, qr/^40\{"sid"/, 'the connection goes on');

# Old clients, and a location where nothing is said.
my $old = $t->connected('websocket', eio => 3);
$old->send('42["no"]', '42["want",6]');
is($old->next_packet, '42["echo",6]', 'sio 4: an old client');

# nginx -t.
sub bad ($name, $like, $line) {
    my ($rc, $out) = $t->test_location('/socket.io/', $line);
    isnt($rc, 0, "$name: refused");
    like($out, $like, $name);
}

bad('twice', qr/"socketio_hook_events": "a" is duplicate/,
    'socketio_hook_events a b a;');
bad('two directives', qr/"socketio_hook_events" directive is duplicate/,
    'socketio_hook_events a; socketio_hook_events b;');
bad('a reserved name',
    qr/"socketio_hook_events": "connect" is no event that clients can send/,
    'socketio_hook_events msg connect;');
bad('none', qr/invalid number of arguments/, 'socketio_hook_events;');
bad('engine.io', qr/"socketio_hook_events msg" is useless with "socketio_pro/,
    'socketio_protocol engine.io; socketio_hook_events msg;');

$t->finish;
