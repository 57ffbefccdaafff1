#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone with a backend that fails, or with none: who gets in, what
# becomes of messages, and that a session outlives them.  Fails if somebody is
# let in by a failure, waits for ever, or is closed for the backend's fault.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;
use Time::HiRes qw/time/;

my $t = Test::SocketIO->new(workers => 2, signal => 'TERM', alarm => 60);

# What to do is the query of open, or the message.
my %tries;
my $b = $t->run_raw(sub ($events, $req, $ctl) {
    for my $e (@$events) {
        my $do = $e->{type} eq 'open' ? $e->{handshake}{query}{do} // ''
            : $e->{text} // '';
        my $n = ++$tries{$e->{id}};

        return reply(status => $1, body => { message => 'why' })
            if $do =~ /^status(\d+)$/;
        return reply(status => 503) if $do =~ /^busy(\d+)$/ && $n <= $1;
        return reply(close => 1) if $do eq 'reset' && $n == 1;
        return reply(delay => 1.5) if $do eq 'slow' && $n == 1;
        return reply(hold => 'never') if $do eq 'never';
        return '<html>login</html>' if $do eq 'html';
        return '[{"op":"accept","id":"' . $e->{id} . '"},' if $do eq 'cut';
        return [{ op => 'accept' }] if $do eq 'noid';
        return [{ op => 'reject', id => $e->{id}, message => 7 }]
            if $do eq 'badreject';
        return [{ op => 'emit', id => $e->{id}, event => 'x' }]
            if $do eq 'emit';
        return [{ op => 'accept', id => $e->{id} }, 7] if $do eq 'explicit';
    }
    return echo($events);
}, read_timeout => '1s', socketio => <<'CONF', server => <<'SERVER');
            socketio_hook_timeout 2s;
            socketio_hook_lanes 16;
CONF
        location /short/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
            socketio_hook_lanes 16;
        }
        location /accept/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_hook_timeout 1s;
            socketio_hook_connect_fail accept;
            socketio_hook_lanes 16;
        }
        location /missing/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook /_missing;
        }
        location /off/ {
            socketio test;
            socketio_protocol engine.io;
            socketio_hook off;
        }
        location /none/ {
            socketio test;
            socketio_protocol engine.io;
        }
SERVER

my @keep;

sub session ($transport, $path, $do) {
    my $s = $t->$transport(path => $path, query => "&do=$do");
    $s->open_packet if $transport eq 'websocket';
    push @keep, $s;
    return $s;
}

# In: its messages come back.
sub in ($do, $name, $path = '/socket.io/') {
    for my $transport (qw/polling websocket/) {
        my $s = session($transport, $path, $do);
        $s->send('4in');
        is($s->next_packet(8), '4in', "$name: $transport is in");
    }
}

# Not in: closed, and the message that waited is not delivered.
sub out ($do, $name, $path = '/socket.io/', $after = 0) {
    for my $transport (qw/polling websocket/) {
        my $start = time;
        my $s = session($transport, $path, $do);

        if ($transport eq 'polling') {
            $s->{post}->request('POST', $s->url, body => "4out $do");
            like($s->body(8), qr/^(?:6\x1e)?1$/, "$name: polling is closed");
            # which may have come when all was over
            like($s->{post}->response->{body}, qr/^ok$|"code":1,/,
                'its POST is answered');
            ok($s->gone, 'gone');

        } else {
            $s->send("4out $do");
            is($s->closed(8), '', "$name: websocket is closed");
            is_deeply($s->{late} // [], [], 'without a word');
        }

        cmp_ok(time - $start, '>=', $after, 'not before its time') if $after;
    }

    is(scalar(grep { $_->{text} eq "out $do" } $b->events('message')), 0,
        "$name: no message delivered");
}

in('', 'empty array');
in('busy2', '503 twice');
in('reset', 'connection reset');
in('slow', 'no answer in time, at first');
in('explicit', 'accepted beside nonsense');
in('emit', 'a command of the other protocol, but a command');

out("status$_", "status $_") for 400, 403, 404, 500;
out('html', '200, but no JSON');
out('cut', 'cut short');
out('noid', 'accept without id');
out('badreject', 'a reject that is wrong');
out('busy99', 'time is up', '/short/', 0.7);
out('never', 'never answered', '/short/', 0.7);
out('', 'no such location', '/missing/');

in('busy99', 'connect_fail accept', '/accept/');
out('status403', 'connect_fail is not for a no', '/accept/');

# Without a hook everybody is in, and messages go nowhere.
for my $path (qw{/off/ /none/}) {
    for my $transport (qw/polling websocket/) {
        my $s = session($transport, $path, '');
        ok($s->send('4x', \'y', '4z'), "$path $transport: messages");
        my ($status, $a) = $t->publish({ op => 'send', nsp => 'engine.io',
            all => JSON::PP::true, except => 'nobody', text => "to $path" });
        cmp_ok($a->{count}, '>=', 1, 'reached');
        is($s->next_packet, "4to $path", "$path $transport: the other way");
        $transport eq 'polling' ? $s->send('1') : $s->close;
    }
}
is(scalar(grep { ($_->{text} // '') =~ /^[xz]$/ } $b->events('message')), 0,
    'nobody was told');

# Messages: dropped when the backend says so, repeated when it is away, and
# the session lives.
my $ws = $t->raw('websocket');
push @keep, $ws;
for my $do (qw/status500 html cut emit/) {
    my $n = $b->events('message');
    $ws->send("4$do");
    $b->wait_events('message', $n + 1);
    $ws->send('4next');
    is($ws->next_packet, '4next', "message $do: dropped, the next is served");
    is(scalar(grep { $_->{text} eq $do } $b->events('message')), 1,
        'and not repeated');
}
for my $do (qw/busy2 reset slow/) {
    $ws->send("4$do");
    is($ws->next_packet(8), "4$do", "message $do: repeated");
}
my $n = $b->events('message');
$ws->send('4never');
$b->wait_events('message', $n + 1);
$ws->send('4next');
is($ws->next_packet(8), '4next', 'time is up: dropped, the next is served');

my @e = grep { $_->{sid} eq $ws->{id} } $b->events;
my %seen;
is_deeply([map { $_->{seq} } grep { !$seen{$_->{id}}++ } @e],
    [0 .. keys(%seen) - 1], 'seq without gaps');

$t->finish;
