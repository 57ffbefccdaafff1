#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Every way in which a command can be wrong has an error and a message of its
# own, wherever in a body it stands, and does nothing: a check that is left out
# lets a command run, and a result too many gives all others to the wrong one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/from_json to_json/;

my $t = Test::SocketIO->new(workers => 2);
$t->run_echo(socketio => 'socketio_limits rooms=2;',
    server => <<'CONF');
        location = /few { socketio_publish test;
            socketio_limits attachments=2 rooms=2; }
CONF

my $ws = $t->websocket(worker => 0);
$ws->open_packet;
my $id = $ws->sio_connect;

my $long = 'n' x 1025;
my %all = (all => \1, event => 'e');
my %one = (sid => $id);
my $file = 'AQID';
my $hole = { _placeholder => \1, num => 0 };

my @wrong = (
    # target
    ['no_target', 'neither room, in, sid, all nor id', { event => 'e' }],
    ['bad_target', 'all is given beside rooms or sids',
        { %all, room => 'r' }],
    ['bad_target', 'all is true or false', { all => 1, event => 'e' }],
    ['bad_target', 'a name is empty', { room => '', event => 'e' }],
    ['bad_target', 'a name is empty', { %all, except => [''] }],
    ['bad_target', 'a name is not a string', { room => [1], event => 'e' }],
    ['bad_target', 'nsp begins with a slash', { %all, nsp => 'x' }],
    ['bad_target', 'a name is not a string', { %all, nsp => 1 }],
    ['too_large', 'a name is longer than 1024 bytes',
        { room => $long, event => 'e' }],
    ['too_large', 'more than 256 names',
        { room => [map { "r$_" } 1 .. 257], event => 'e' }],
    ['bad_target', 'the target is not one sid',
        { op => 'data', all => \1, data => 1 }],

    # which command
    ['bad_op', 'op is missing or unknown', { %one }],
    ['bad_op', 'op is missing or unknown', { %one, op => 'emi' }],
    ['bad_op', 'op is missing or unknown', { %one, op => 1, event => 'e' }],
    ['bad_op', 'op is missing or unknown', { %one, op => "emit\0" }],

    # what it carries
    ['bad_args', 'event is not a string', { %one, event => \1 }],
    ['bad_args', 'event is not a string', { %one, op => 'emit' }],
    ['reserved_event', 'events of this name are made by clients only',
        { %one, event => 'connect' }],
    ['bad_args', 'args is not an array', { %one, event => 'e', args => 'x' }],
    ['bad_args', 'a flag is true or false', { %all, volatile => 1 }],
    ['bad_args', 'a flag is true or false', { %all, local => 'x' }],
    ['bad_args', 'a flag is true or false', { %all, compress => undef }],
    ['bad_args', 'ack is neither true nor text', { %all, ack => 1 }],
    ['bad_args', 'timeout is 1 to 3600000 milliseconds',
        { %all, ack => \1, timeout => 0 }],
    ['bad_args', 'timeout is 1 to 3600000 milliseconds',
        { %all, ack => \1, timeout => 3600001 }],
    ['bad_args', 'key is not a string of 1 to 64 bytes', { %all, key => '' }],
    ['bad_args', 'key is not a string of 1 to 64 bytes',
        { %all, key => 'k' x 65 }],
    ['bad_args', 'key is not a string of 1 to 64 bytes', { %all, key => 7 }],
    ['bad_args', 'room is missing', { %one, op => 'join' }],
    ['bad_args', 'data is missing', { %one, op => 'data' }],
    ['too_large', 'data is larger than 4 KB',
        { %one, op => 'data', data => 'x' x 4096 }],
    ['bad_args', 'fields are handshake, rooms and data',
        { %one, op => 'fetch', fields => ['sid'] }],
    ['bad_args', 'fields are handshake, rooms and data',
        { %one, op => 'fetch', fields => 'x' }],
    ['bad_args', 'a flag is true or false',
        { %one, op => 'disconnect', close => 'yes' }],

    # attachments
    ['bad_attachments', 'attachments is not an array',
        { %all, args => [$hole], attachments => $file }],
    ['bad_attachments', 'an attachment is not base64 text',
        { %all, args => [$hole], attachments => [7] }],
    ['bad_attachments', 'an attachment is not base64 text',
        { %all, args => [$hole], attachments => ['AQI*'] }],
    ['bad_attachments', 'a placeholder without its attachment',
        { %all, args => [{ _placeholder => \1, num => 1 }],
          attachments => [$file] }],
    ['bad_attachments', 'more attachments than socketio_limits allows',
        { %all, args => [map {{ _placeholder => \1, num => $_ }} 0 .. 2],
          attachments => [($file) x 3] }],

    # of the other protocol
    ['bad_args', 'send has either text or binary',
        { op => 'send', all => \1 }],
    ['bad_args', 'send has either text or binary',
        { op => 'send', all => \1, text => 'x', binary => $file }],
    ['bad_args', 'text is not a string', { op => 'send', all => \1,
        text => 1 }],
    ['bad_args', 'text with U+001E cannot be polled',
        { op => 'send', all => \1, text => "a\x1eb" }],
    ['bad_op', 'op is for socketio_protocol socket.io',
        { %all, nsp => 'engine.io' }],
);

# All in one body, each followed by a right one; then each in an array.
my $right = to_json({ op => 'count', %one });
my $body = join '', map { to_json($_->[2]) . "\n$right\n" } @wrong;
my $r = $t->http('POST', '/few', body => $body);
my @results = map { from_json($_) } split /\n/, $r->{body};

is($r->{status}, 200, 'lines');
is(scalar @results, 2 * @wrong, 'a result for each');

for my $i (0 .. $#wrong) {
    my ($error, $message, $command) = @{$wrong[$i]};
    my $name = substr to_json($command), 0, 60;

    is("$results[2 * $i]{error}: $results[2 * $i]{message}",
        "$error: $message", $name);
    ok($results[2 * $i + 1]{ok}, 'and the next one runs');
}

$body = '[' . join(',', map { to_json($_->[2]) } @wrong) . ']';
$r = $t->http('POST', '/few', body => $body);
is_deeply([map { $_->{error} } @{from_json($r->{body})}],
    [map { $_->[0] } @wrong], 'the same in an array');

# None of them has done anything.
$r = $t->http('POST', '/few', body => to_json({ %one, event => 'last' }));
is($ws->next_packet, '42["last"]', 'nothing has been sent before');

$r = $t->http('POST', '/few', body => to_json({
    %one, op => 'fetch', fields => ['rooms', 'data'] }));
is_deeply(from_json($r->{body})->{sockets},
    [{ sid => $id, rooms => [], data => undef }],
    'no room has been joined, no data set');

$t->finish;
