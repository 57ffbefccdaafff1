#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What is sent to many, some of whom agreed on permessage-deflate, each in its
# own way: all must get the same content, and those on one worker the same
# bytes.  One deflated copy that is given to whom it is not for, or freed
# before the slowest has it, fails here.  Also: what nginx -t refuses.

use v5.36;
use lib 't/lib';
use MIME::Base64 qw/encode_base64/;
use Test::More;
use Test::SocketIO qw/eventually to_json/;
use Test::SocketIO::Backend qw/echo/;
use Test::SocketIO::WebSocket ();

*inflated = \&Test::SocketIO::WebSocket::inflated;

my $t = Test::SocketIO->new(workers => 2, alarm => 90);
my $b = $t->run_hook(\&echo, eio => '3 4', zone => '32m',
    socketio => 'socketio_deflate on threshold=200;'
        . 'socketio_send_queue 64 64m;',
    http => <<"CONF",
    socketio_ping_interval 1h;
    server {
        listen 127.0.0.1:@{[ $t->port(1) ]} reuseport sndbuf=16k;
        location = /pid { return 200 \$pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook off;
            socketio_deflate on;
            socketio_send_queue 64 64m;
        }
    }
CONF
    server => <<'CONF');
        location /off/ { socketio test; socketio_hook /_hook; }
        location /w9/ {
            socketio test;
            socketio_hook /_hook;
            socketio_deflate on threshold=200 window=9;
        }
        location /later/ {
            socketio test;
            socketio_hook /_hook;
            socketio_deflate on threshold=100k;
        }
CONF

my $query = '?EIO=4&transport=websocket';

sub ws ($path = '/socket.io/', %o) {
    return $t->connected('websocket', path => $path . $query, deflate => 1,
        %o);
}

# Clients by name; revision 3 is connected to "/" by itself.
my %c = (
    one     => ws(),
    two     => ws(),
    other   => ws('/socket.io/', worker => 1),
    plain   => ws('/socket.io/', deflate => undef),
    off     => ws('/off/'),
    w9      => ws('/w9/'),
    later   => ws('/later/'),
    base64  => ws('/socket.io/', path => "/socket.io/$query&b64=1"),
    polling => $t->connected('polling'),
    old     => $t->websocket(eio => 3, deflate => 1, worker => 0),
    old64   => $t->websocket(eio => 3, deflate => 1, worker => 0,
                             query => '&b64=1'),
);
$c{$_}->open_packet for qw/old old64/;
is($c{$_}->recv, '40', "$_: connected") for qw/old old64/;

my @new = qw/one two other plain off w9 later base64/;
my @deflating = qw/one two other w9 later base64 old old64/;
is($c{$_}{deflate} ? 1 : 0, 1, "$_: agreed") for @deflating;
is($c{$_}{deflate} ? 1 : 0, 0, "$_: plain") for qw/plain off/;

sub words ($n) {
    my $s = '';
    $s .= (qw/alice bob carol dave/)[rand 4] . int(rand 1000) . ','
        while length $s < $n;
    return substr $s, 0, $n;
}

sub noise ($n) { return join '', map { chr int rand 256 } 1 .. $n }

sub emit (@args) {
    my %a = ref $args[-1] eq 'HASH' ? %{pop @args} : ();
    my ($status, $r) = $t->publish(
        { all => \1, event => 'e', args => \@args, %a }, worker => 1);
    is($status, 200, 'published');
}

# A frame's payload, whatever it took.
sub plain ($f, $window = 15) {
    return '(none)' if !$f;
    return $f->{rsv} == 4 ? inflated($f->{payload}, $window) : $f->{payload};
}


# One frame.

for my $n (10, 190, 191, 192, 1000, 3000, 5000, 70000, 300000) {
    my $s = words($n);
    my $want = "42[\"e\",\"$s\"]";

    emit($s);

    my %f = map { $_ => $c{$_}->frame } @new, qw/old old64/;

    for my $name (@new, qw/old old64/) {
        ok(plain($f{$name}, $name eq 'w9' ? 9 : 12) eq $want,
            "$n bytes: $name");
    }
    ok($c{polling}->recv eq $want, "$n bytes: polling");

    my $deflated = length $want >= 200 ? 4 : 0;
    is($f{$_}{rsv}, $deflated, "$n bytes: $_: "
        . ($deflated ? 'deflated' : 'below the threshold'))
        for qw/one two other w9 base64 old old64/;
    is($f{$_}{rsv}, 0, "$n bytes: $_: as it is") for qw/plain off/;
    is($f{later}{rsv}, $n > 102400 ? 4 : 0, "$n bytes: its own threshold");

    ok($f{one}{payload} eq $f{$_}{payload}, "$n bytes: $_ has what one has")
        for qw/two other base64 old old64/;
    cmp_ok(length $f{one}{payload}, '<', 0.7 * $n, "$n bytes: smaller")
        if $n >= 1000;
}

emit(encode_base64(noise(3000), ''));
my %f = map { $_ => $c{$_}->frame } @new, qw/old old64/;
is($f{one}{rsv}, 4, 'base64 of noise: deflated');
is(plain($f{$_}), plain($f{plain}), "base64 of noise: $_") for keys %f;
$c{polling}->recv;


# An emit says no: nobody gets it deflated, nor what waited for an upgrade.

my $polls = $t->polling(worker => 1);
my $its = $polls->sio_connect;
my $late = words(3000);

emit($late, { compress => \0, local => \1 });
%f = map { $_ => $c{$_}->frame } @new, qw/old old64/;
is($f{$_}{rsv}, 0, "compress false: $_") for keys %f;
is($f{$_}{payload}, "42[\"e\",\"$late\"]", "compress false: $_ gets it")
    for keys %f;
$c{polling}->recv;

my $up = $t->websocket(sid => $polls->{sid}, deflate => 1);
$up->send('2probe');
is($up->recv, '3probe', 'compress false: probe');
$up->send('5');
is($up->frame->{rsv}, 0, 'compress false: of an outbox');

emit($late, { sid => $its, all => \0, compress => \1 });
is($up->frame->{rsv}, 4, 'compress true: deflated');
$up->close;
is(($t->publish({ all => \1, event => 'x', $_ => 1 }))[0], 400,
    "$_ is true or false") for qw/compress local/;


# Several frames: each for itself.

my @bytes = (words(2000), noise(2000), 'short', '', words(200000),
    noise(200000));
my $ph = join ',', map { "{\"_placeholder\":true,\"num\":$_}" } 0 .. $#bytes;

emit((map { { _placeholder => \1, num => $_ } } 0 .. $#bytes), words(100),
    { attachments => [ map { encode_base64($_, '') } @bytes ] });

for my $name (qw/one two other plain off w9 later/) {
    my @f = map { $c{$name}->frame } 0 .. @bytes;
    my $window = $name eq 'w9' ? 9 : 12;

    like(plain($f[0]), qr/^456-\["e",\Q$ph\E,"[^"]{100}"\]$/,
        "attachments: $name: header");
    ok(plain($f[$_ + 1], $window) eq $bytes[$_], "attachments: $name: $_")
        for 0 .. $#bytes;
    is(join('', map { $_->{op} } @f), '1222222', "attachments: $name: kinds");
    is(join('', map { $_->{rsv} } @f),
        { plain => '0000000', off => '0000000', later => '0000040' }->{$name}
            // '4400040',
        "attachments: $name: deflated what gets smaller");
}

# Those to whom binary is sent otherwise: deflated from what they get.
for my $name (qw/base64 old64/) {
    my $b4 = $name eq 'old64' ? 'b4' : 'b';
    my @f = map { $c{$name}->frame } 0 .. @bytes;
    ok(plain($f[$_ + 1]) eq $b4 . encode_base64($bytes[$_], ''),
        "attachments: $name: $_") for 0 .. $#bytes;
    is(join('', map { $_->{rsv} } @f), '4440044',
        "attachments: $name: base64 of noise gets smaller, too");
}

my @f = map { $c{old}->frame } 0 .. @bytes;
ok(plain($f[$_ + 1]) eq "\x04$bytes[$_]", "attachments: old: $_")
    for 0 .. $#bytes;
is(join('', map { $_->{rsv} } @f), '4400040', 'attachments: old: deflated');

$c{polling}->recv for 0 .. @bytes;


# Many in a row, to one who does not read for a while and others who do.

my @long = map { words(20000 + $_) } 1 .. 40;
emit($_) for @long;

for my $name (qw/one other plain polling w9/) {
    is_deeply([ $c{$name}->collect(40) ], [ map { "42[\"e\",\"$_\"]" } @long ],
        "40 in a row: $name");
}
emit('after');
is_deeply([ $c{two}->collect(41) ],
    [ (map { "42[\"e\",\"$_\"]" } @long), '42["e","after"]' ],
    '40 in a row: who reads last');
$c{$_}->collect($_ =~ /off|later|base64|old/ ? 41 : 1)
    for grep { $_ ne 'two' } keys %c;


# To one of them; what waited for a GET.

my ($status) = $t->publish({ sid => $c{one}{id}, event => 'e',
    args => [ words(500) ] });
my $f = $c{one}->frame;
is($f->{rsv}, 4, 'to one socket');
like(plain($f), qr/^42\["e","[^"]{500}"\]$/, 'to one socket: content');

my $p = $t->connected('polling');
my @kept = map { words(500 * $_) } 1 .. 5;
$t->publish({ sid => $p->{id}, event => 'e', args => [ $_ ] }) for @kept;
my $ws = $t->websocket(sid => $p->{sid}, deflate => 1);
$ws->send('2probe');
is($ws->recv, '3probe', 'probe, deflated');
$ws->send('5');
@f = map { $ws->frame } @kept;
is_deeply([ map { plain($_) } @f ], [ map { "42[\"e\",\"$_\"]" } @kept ],
    'upgrade: what waited comes first');
is_deeply([ map { $_->{rsv} } @f ], [ (4) x 5 ], 'upgrade: deflated');
$ws->emit('m', 'x' x 300);
is($ws->recv, '42["echo","' . 'x' x 300 . '"]', 'upgrade: goes on');


# Old workers go on with what was agreed, new ones do as they are told.

$t->reload;
emit($long[0]);
is($c{$_}->recv, "42[\"e\",\"$long[0]\"]", "after a reload: $_")
    for qw/one other plain w9/;
ok(ws()->{deflate}, 'after a reload: agreed on again');


# Ten who do not read, behind small sockets: all that is kept for them is one
# copy, beside what the zone has.  An eleventh says when it is there.

my $reader = ws('/socket.io/', deflate => undef);
my ($pid) = $t->worker_pids;
my $noise = noise(150000);

sub memory () {
    open my $f, '<', "/proc/$pid/status" or die $!;
    my ($kb) = map { /^RssAnon:\s+(\d+)/ } <$f>;
    return $kb * 1024;
}

my $before = memory();
my @more;
my $z;

for my $round (1, 2) {
    my @deaf = map { $t->connected('websocket', deflate => 1,
        conn => $t->connect_to_worker(0, port => $t->port(1))) } 1 .. 10;

    for ($z = 0; $z < 9000000; ) {
        $noise = substr($noise, 1000) . substr $noise, 0, 1000;
        my $text = encode_base64($noise, '');
        $z += length Test::SocketIO::WebSocket::deflated($text);
        emit($text);
        ok($reader->recv eq "42[\"e\",\"$text\"]", 'who reads gets it');
    }

    push @more, memory() - $before;
    is($deaf[0]->frame->{rsv}, 4, 'who reads later finds it');
    $_->{conn}->reset for @deaf;
}

cmp_ok($more[0], '>', 0.9 * $z, 'it is kept, deflated');
cmp_ok($more[0], '<', 3 * $z, 'once for all');

SKIP: {
    skip 'memory of a build with sanitizers', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok($more[1], '<', $more[0] + $z / 2, 'and it goes with them');
}


# What nginx -t refuses, and how it says so.

my %bad = (
    'socketio_deflate maybe' => qr/"maybe" must be "on" or "off"/,
    'socketio_deflate off window=12' => qr/"window=12" is useless with "off"/,
    'socketio_deflate on window=8' => qr/"window=8" must be 9 to 15/,
    'socketio_deflate on window=16' => qr/"window=16" must be 9 to 15/,
    'socketio_deflate on window=' => qr/"window=" must be 9 to 15/,
    'socketio_deflate on window=9 window=9' => qr/"window=9" is duplicate/,
    'socketio_deflate on threshold=0' => qr/"threshold=0" must be a size/,
    'socketio_deflate on threshold=x' => qr/"threshold=x" must be a size/,
    'socketio_deflate on threshold=1k threshold=1k'
        => qr/"threshold=1k" is duplicate/,
    'socketio_deflate on level=9' => qr/"level=9" is not known/,
    'socketio_deflate on; socketio_deflate on' => qr/is duplicate/,
    'socketio_deflate on; socketio_transports polling'
        => qr/"socketio_deflate on" is useless with "socketio_transports/,
    'socketio_deflate on threshold=3m'
        => qr/"socketio_deflate threshold=3145728" is more than zone "test"/,
);

for my $line (sort keys %bad) {
    my ($rc, $out) = $t->test_location('/', "$line;");
    isnt($rc, 0, "refused: $line");
    like($out, $bad{$line}, "said: $line");
    like($out, qr/socketio_deflate/, "named: $line");
}

for my $line ('socketio_deflate off', 'socketio_deflate on',
    'socketio_deflate on window=9 threshold=1',
    'socketio_deflate on threshold=1m window=15',
    'socketio_deflate off; socketio_transports polling')
{
    my ($rc, $out) = $t->test_location('/', "$line;");
    is($rc, 0, "accepted: $line") or diag $out;
}

$t->finish;
