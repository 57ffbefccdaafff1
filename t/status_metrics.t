#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Metrics: README.md has each of the page and none besides; both formats show
# the same; what only a worker counts is there, is right, and is still there
# when that worker is dead.  Fails if a metric is not documented or its type or
# labels are others, if a counter goes back, or if a gauge keeps what died with
# a worker.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Metrics ();

my $t = Test::SocketIO->new(workers => 2);
$t->allow_log(qr/exited on signal 9|were taken over/);
$t->allow_log(qr/socketio hook .* failed batch|invalid command/);

my $hook = $t->run_hook(sub ($events, @) {
    my @answer;

    for my $e (@$events) {
        my ($name, @args) = ($e->{event} // '', @{$e->{args} // []});
        push @answer, { op => 'accept', id => $e->{id}, rooms => ['r'] }
            if $e->{type} eq 'connect';
        push @answer, { op => 'ack', id => $e->{id}, args => ['got'] }
            if $e->{ack};
        push @answer, { op => 'emit', room => 'r', event => 'asked',
            ack => 'token', timeout => 60_000 } if $name eq 'ask';
        push @answer, { op => 'nonsense' } if $name eq 'invalid';
        return Test::SocketIO::Backend::reply(status => $args[0], body => '')
            if $name eq 'status';
        return Test::SocketIO::Backend::reply(body => 'not JSON')
            if $name eq 'garbage';
    }

    return \@answer;
}, socketio => 'socketio_hook_batch off; socketio_hook_timeout 1s;
        socketio_limits sessions=4;', server => '
        location = /_status { socketio_status test json; }
        location = /prom { socketio_status test prometheus; }
    ');

sub page () {
    my $m = Test::SocketIO::Metrics->new($t->http('GET', '/prom')->{body});
    is_deeply($m->{faults}, [], 'Prometheus reads it') if @{$m->{faults}};
    return $m;
}

# sums of the samples of a metric, by one of its labels
sub by ($m, $metric, $label) {
    my %n;
    for (grep { /^\Q$metric\E\{/ } keys %{$m->{value}}) {
        my ($value) = /[{,]\Q$label\E="([^"]*)"/;
        $n{$value} += $m->{value}{$_};
    }
    return { map { $_ => $n{$_} } grep { $n{$_} } keys %n };
}

sub now ($metric) { return (page())->{value}{"$metric\{zone=\"test\"}"} }
sub json () { return Test::SocketIO::from_json(
    $t->http('GET', '/_status')->{body}) }

# README.md and the page, both ways
open my $fh, '<', Test::SocketIO::root() . '/README.md' or die $!;
my ($section) = do { local $/; <$fh> } =~ /^## Metrics\n(.*?)^## /ms;
my %row = map { $_->[0] => $_ } map { [/^\| `(\w+)` \| (\w+)(?: by (.*?))? \| `([^`]+)` \|/] }
    grep { /^\| `socketio_/ } split /\n/, $section;
my $m = page();
is_deeply([sort keys %row], [sort keys %{$m->{type}}],
    'README.md has the metrics of the page');
is_deeply({ map { $_ => $row{$_}[1] } keys %row }, $m->{type},
    'with their types');
is_deeply({ map { $_ => join ',', sort 'zone', ($row{$_}[2] // '')
        =~ /(\w+)/g } grep { $row{$_}[1] ne 'histogram' } keys %row },
    { map { $_ => $m->{labels}{$_} } grep { $m->{type}{$_} ne 'histogram' }
        keys %{$m->{type}} }, 'and labels');
unlike($m->{labels}{"${_}_bucket"}, qr/^(?!le,zone$)/, "$_: buckets")
    for grep { $m->{type}{$_} eq 'histogram' } keys %{$m->{type}};

# an alert names nothing else
my ($alerts) = $section =~ /^```\n(.*?)^```/ms;
is_deeply([grep { my $n = $_; $n =~ s/_bucket$//; !$m->{type}{$n} }
    $alerts =~ /\b(socketio_\w+)/g], [], 'alerts are about these');

# where JSON has them
my $j = json();
sub at ($path) {
    my $v = $j;
    for (split /\./, $path) {
        if (s/\[\]$//) { $v = $v->{$_}[0]; next }
        return undef if ref $v ne 'HASH';
        $v = $v->{$_};
    }
    return $v;
}
is_deeply([grep { !defined at($row{$_}[3]) } keys %row], [],
    'JSON has all of them, where README.md says');
my %known = map { $_->[3] => 1 } values %row;
$known{$_} = 1 for $section =~ /`((?:zone|sessions|sockets|messages)\.\w+)`/g;
$known{"workers[].$_"} = 1 for qw/slot pid generation/;
is_deeply([grep { !$known{$_} } (map { my $g = $_; ref $j->{$g} eq 'HASH'
        && $g ne 'closed' ? map { "$g.$_" } keys %{$j->{$g}} : () } keys %$j),
    map { "workers[].$_" } keys %{$j->{workers}[0]}], [],
    'and nothing that README.md does not have');

# traffic
my $p = $t->connected('polling', get_worker => 0, post_worker => 1);
my $w = $t->connected('websocket', worker => 0);
$_->send('420["a"]') for $p, $w;
is($_->next_packet, '430["got"]', 'an ack') for $p, $w;
$w->send('42["invalid"]', '42["garbage"]', '42["status",500]',
    '42["status",404]', '421["last"]');
is($w->next_packet, '431["got"]', 'the last one');
$t->publish({ room => 'r', event => 'hello' });
$t->publish({ event => 'nobody' });
$t->publish([{ op => 'none' }, { op => 'emit', all => \1, event => 'connect' }]);
is($_->next_packet, '42["hello"]', 'a message') for $p, $w;
$t->http('GET', '/socket.io/?EIO=4&transport=none');
$t->http('GET', '/socket.io/?EIO=4&transport=polling&sid=x');

sub traffic ($m) {
    return {
        events => by($m, 'socketio_events_total', 'type'),
        hooks => by($m, 'socketio_hook_requests_total', 'result'),
        refused => by($m, 'socketio_requests_refused_total', 'error'),
        publish => by($m, 'socketio_publish_errors_total', 'error'),
        packets => by($m, 'socketio_packets_received_total', 'transport'),
        out => by($m, 'socketio_messages_delivered_total', 'transport'),
        map { $_ => $m->{value}{"socketio_$_\{zone=\"test\"}"} }
            qw/publish_requests_total publish_commands_total
            hook_invalid_commands_total hook_batches_failed_total
            hook_events_lost_total hook_retries_total
            hook_request_duration_seconds_count hook_batch_events_sum
            hook_batch_events_count acks_asked_total/
    };
}

my $want = {
    events => { connect => 2, event => 7 },
    hooks => { ok => 7, '4xx' => 1, '5xx' => 1 },
    refused => { unknown_transport => 1, unknown_sid => 1 },
    publish => { no_target => 1, bad_op => 1, reserved_event => 1 },
    packets => { polling => 2, websocket => 7 },
    out => { polling => 3, websocket => 4 },
    publish_requests_total => 3, publish_commands_total => 4,
    hook_invalid_commands_total => 2, hook_batches_failed_total => 2,
    hook_events_lost_total => 2, hook_retries_total => 0,
    hook_request_duration_seconds_count => 9, hook_batch_events_sum => 9,
    hook_batch_events_count => 9, acks_asked_total => 0,
};
ok(eventually(sub { $m = page();
    $m->{value}{'socketio_hook_requests_in_flight{zone="test"}'} == 0 }),
    'nothing is in flight');
is_deeply(traffic($m), $want, 'all that has happened') || diag(explain(traffic($m)));
is_deeply(by($m, 'socketio_sockets', 'state'), { connected => 2 }, 'sockets');
is_deeply([values %{by($m, 'socketio_worker_websockets', 'slot')}], [1],
    'the websocket is one worker\'s');
cmp_ok(by($m, 'socketio_received_bytes_total', 'transport')->{websocket}, '==',
    length('40' . '420["a"]' . '42["invalid"]' . '42["garbage"]'
        . '42["status",500]' . '42["status",404]' . '421["last"]'),
    'bytes of a websocket');
cmp_ok(by($m, 'socketio_sent_bytes_total', 'transport')->{$_}, '>', 50,
    "bytes by $_") for qw/polling websocket/;

# acks that clients are asked for: one answers
$w->send('42["ask"]');
is($_->next_packet, '420["asked"]', 'asked') for $p, $w;
is(now('socketio_acks_awaited'), 2, 'two are awaited');
$w->send('430["here"]');
ok(eventually(sub { now('socketio_acks_awaited') == 1 }), 'one came');
is_deeply(by(page(), 'socketio_acks_settled_total', 'result'),
    { answered => 1 }, 'and is counted');

# limits
my @more = map { $t->websocket } 1, 2;
$_->open_packet for @more;
is($t->websocket->status, 503, 'a session too much');
is(by(page(), 'socketio_requests_refused_total', 'error')->{sessions_limit},
    1, 'is counted');

# whoever counted it dies
my %before = %{traffic(page())};
my $gauge = sub { by(page(), 'socketio_sessions', 'transport')->{websocket} };
is($gauge->(), 3, 'websockets');
my @pids = sort $t->worker_pids;
kill KILL => $_ for @pids;
ok(eventually(sub { my @now = $t->worker_pids;
    @now == 2 && !grep { my $p = $_; grep { $p == $_ } @pids } @now }),
    'two workers are there again');
ok(eventually(sub { !$gauge->() && now('socketio_workers') == 2 }),
    'the websockets are gone with theirs, and so are those');
ok(eventually(sub { now('socketio_inbox_entries') == 0
    && now('socketio_hook_requests_in_flight') == 0 }),
    'nothing waits or is in flight');
my $after = traffic(page());
is_deeply({ map { $_ => $after->{$_} } qw/publish refused packets out
    publish_requests_total publish_commands_total
    hook_invalid_commands_total/ },
    { map { $_ => $before{$_} } qw/publish refused packets out
    publish_requests_total publish_commands_total
    hook_invalid_commands_total/ }, 'what they have counted is not');
cmp_ok($after->{hook_request_duration_seconds_count}, '>=',
    $before{hook_request_duration_seconds_count}, 'calls, too');

# what is not about one moment only: a slot, a process
my %slots = map { $_->{slot} => $_->{pid} } @{(json())->{workers}};
is_deeply([sort { $a <=> $b } values %slots], [sort { $a <=> $b }
    $t->worker_pids], 'pids of the new ones');

$t->finish;
