#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The status of a zone: the numbers of what has just been done, the same in
# both formats, and who may see them.  Fails if a number is not counted, is
# counted twice, or stays when what it counts has gone.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Metrics ();

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->run_hook(sub ($events, @) {
    return [map { { op => 'accept', id => $_->{id}, rooms => ['a', 'b'] } }
        grep { $_->{type} eq 'connect' } @$events];
}, socketio => 'socketio_hook_events wanted;', server => '
        location = /_status { socketio_status test; }
        location = /json { socketio_status test json; }
        location = /prom { socketio_status test prometheus open; }
        location = /if { socketio_status test; if ($arg_x) { set $y 1; } }
    ');

sub status ($path = '/_status', %h) {
    return $t->http('GET', $path, headers => \%h);
}

sub numbers () { return Test::SocketIO::from_json(status()->{body}) }

sub metrics () {
    my $m = Test::SocketIO::Metrics->new(status('/prom')->{body});
    is_deeply($m->{faults}, [], 'a page that Prometheus reads');
    return $m->{value};
}

my $n = numbers();
is_deeply([@{$n->{sessions}}{qw/polling websocket opened slow/}],
    [0, 0, 0, 0], 'nobody yet');
is($n->{zone}{name}, 'test', 'the zone');
is($n->{zone}{workers}, 2, 'both workers');
is($n->{zone}{free}, $n->{zone}{bytes}, 'nothing is used');

my $p = $t->connected('polling');
my $w = $t->connected('websocket');
$_->send('42["wanted"]', '42["other"]', '42["wanted"]') for $p, $w;
$b->wait_events('event', 4);
$t->publish({ room => 'a', event => 'x' }) for 1 .. 3;
$t->publish({ op => 'count', all => \1, key => 'k' });
$t->publish({ op => 'leave', all => \1, room => 'none', key => 'k' });
$w->collect(3);

$n = numbers();
is_deeply([@{$n->{sessions}}{qw/polling websocket opened slow recovered/}],
    [1, 1, 2, 0, 0], 'sessions');
is_deeply([@{$n->{sockets}}{qw/now rooms namespaces/}], [2, 2, 1],
    'sockets, rooms');
is_deeply([@{$n->{messages}}{qw/in dropped out/}], [6, 2, 3],
    'connects and events, dropped ones, emits');
is($n->{zone}{keys}, 1, 'a key');
cmp_ok($n->{zone}{free}, '<', $n->{zone}{bytes}, 'memory is used');

my $m = metrics();
is_deeply([@$m{map { "socketio_$_" }
    'sessions{zone="test",transport="polling",eio="4"}',
    'sessions{zone="test",transport="websocket",eio="4"}',
    'sockets{zone="test",state="connected"}',
    'rooms{zone="test"}', 'events_total{zone="test",type="connect"}',
    'events_total{zone="test",type="event"}',
    'events_dropped_total{zone="test"}', 'emits_total{zone="test"}'}],
    [1, 1, 2, 2, 2, 4, 2, 3], 'the same for Prometheus');
is($m->{'socketio_zone_bytes{zone="test"}'}, $n->{zone}{bytes}, 'memory');

$w->close;
$p->send('4abc');
my $last = '';
$last = $p->recv // 'none' until $last =~ /^(?:1|none)$/;
is($last, '1', 'who polls fetches its close');
$b->wait_events('disconnect', 2);
ok(eventually(sub {
    my $s = numbers();
    return $s->{sessions}{polling} + $s->{sessions}{websocket}
        + $s->{sockets}{now} + $s->{sockets}{rooms} == 0;
}), 'all of it goes again') || diag(status()->{body});
$n = numbers();
is_deeply({ map { $_ => $n->{closed}{$_} } grep { $n->{closed}{$_} }
    keys %{$n->{closed}} }, { 'transport close' => 1, 'forced close' => 1 },
    'closed by reason');
is(scalar keys %{$n->{closed}}, 9, 'all reasons are there');
is(metrics()->{'socketio_sessions_closed_total{zone="test",'
    . 'reason="forced close"}'}, 1, 'for Prometheus, too');

# which format
for (['/_status', 'application/json'], ['/json', 'application/json',
    Accept => 'text/plain'], ['/prom', 'text/plain; version=0.0.4',
    Accept => 'application/json'], ['/_status', 'application/json',
    Accept => 'text/html,*/*'], ['/if?x=1', 'application/json'],
    ['/_status', 'text/plain; version=0.0.4', Accept =>
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'])
{
    my ($path, $type, %h) = @$_;
    is(status($path, %h)->{headers}{'content-type'}, $type,
        "$path @{[%h]}");
}

# who may look
is(status('/_status', Origin => 'http://evil.example')->{status}, 403,
    'no page may look through its visitor');
is(status('/prom', Origin => 'http://evil.example')->{status}, 200,
    'unless it is open');
my $r = $t->http('POST', '/_status', body => 'x');
is_deeply([$r->{status}, $r->{headers}{allow}], [405, 'GET, HEAD'], 'POST');
$r = $t->http('HEAD', '/_status');
is_deeply([$r->{status}, $r->{body}], [200, ''], 'HEAD');
cmp_ok($r->{headers}{'content-length'}, '>', 100, 'with its length');

# what nginx -t says
for (['socketio_status test xml;', qr/"xml" is not "json"/],
    ['socketio_status test json json;', qr/"json" is duplicate/],
    ['socketio_status test open open;', qr/"open" is duplicate/],
    ['socketio_status test json prometheus;', qr/"prometheus" is duplicate/],
    ['socketio_status none;', qr/none/],
    ['socketio_status test; socketio_status test;', qr/is duplicate/],
    ['socketio_status test; socketio_publish test;',
        qr/another content handler/])
{
    my ($lines, $re) = @$_;
    my ($rc, $said) = $t->test_conf("%%TEST_GLOBALS%%
        events { }
        http {
            socketio_zone test 1m;
            server { location / { $lines } }
        }");
    isnt($rc, 0, "refused: $lines");
    like($said, $re, 'and says why');
}

$t->finish;
