#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# The publish API: forms of bodies, targets, results, errors, and who may.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/from_json to_json/;

my $t = Test::SocketIO->new(workers => 2);
$t->run_echo(http => <<'HTTP', server => <<'CONF',
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
HTTP
        location = /bearer {
            socketio_publish test bearer=first-key bearer=second-key;
        }
        location = /open { socketio_publish test open; }
        location = /closed { socketio_publish test open; deny all; }
        location = /tiny { socketio_publish test; client_max_body_size 100; }
CONF
    socketio => 'socketio_namespaces / /custom;');

my $ws = $t->websocket(worker => 0);
$ws->open_packet;
my $id = $ws->sio_connect;
my $p = $t->polling(worker => 1);
$p->{id} = $p->sio_connect;

sub raw ($body, %o) {
    my $r = $t->http('POST', $o{path} // '/_publish', body => $body, %o);
    return ($r->{status}, $r->{body}, $r);
}

# Forms.
my ($status, $body, $r) =
    raw('{"all":true,"event":"news","args":["hello"]}');
is($status, 200, 'an object');
is($body, '{"ok":true,"op":"emit","count":2}', 'its result');
like($r->{headers}{'content-type'}, qr{^application/json}, 'type');
is($_->next_packet, '42["news","hello"]', 'delivered') for $ws, $p;

($status, $body) = raw('[{"sid":"' . $id . '","event":"a"},'
    . '{"op":"count","all":true},{"op":"join","sid":"' . $id
    . '","room":["r","s"]}]');
is($status, 200, 'an array');
is_deeply(from_json($body), [
    { ok => JSON::PP::true, op => 'emit', count => 1 },
    { ok => JSON::PP::true, op => 'count', count => 2 },
    { ok => JSON::PP::true, op => 'join', count => 1 }], 'one result each');
is($ws->next_packet, '42["a"]', 'delivered');

($status, $body) = raw(qq({"room":"r","event":"n1"}\n{"op":"count","room":)
    . qq("s"}\n));
is($status, 200, 'NDJSON');
is_deeply([map { from_json($_)->{count} } split /\n/, $body], [1, 1],
    'a line for each');
is($ws->next_packet, '42["n1"]', 'delivered');

for my $type ('application/x-www-form-urlencoded', 'text/plain', undef,
    'application/json; charset=utf-8')
{
    ($status) = raw('{"op":"count","all":true}', headers =>
        { 'Content-Type' => $type });
    is($status, 200, 'any Content-Type: ' . ($type // 'none'));
}
($status, $body) = raw(undef, chunked => ['{"op":"cou', 'nt","all":true}']);
is($body, '{"ok":true,"op":"count","count":2}', 'chunked');
($status, $body) = raw(" \n {\"op\" : \"count\", \"all\":true}\n ");
is($status, 200, 'whitespace');

# Targets.
is(($t->publish({ room => 'r', event => 'x' }))[1]{count}, 1, 'room');
is($ws->next_packet, '42["x"]', 'delivered');
is(($t->publish({ sid => [$id, $p->{id}], event => 'y' }))[1]{count}, 2,
    'several sids');
is($_->next_packet, '42["y"]', 'delivered') for $ws, $p;
is(($t->publish({ all => \1, except => 'r', event => 'z' }))[1]{count}, 1,
    'except');
is($p->next_packet, '42["z"]', 'delivered');
is(($t->publish({ sid => 'unknown', event => 'x' }))[1]{count}, 0,
    'a socket that is gone is no error');
is(($t->publish({ all => \1, nsp => '/custom', event => 'x' }))[1]{count}, 0,
    'namespace');

# Values arrive as they are, compact.
raw(qq({"sid":"$id","event":"v", "args": [1.5, null,\n)
    . qq({"b":"\xe2\x82\xac", "a":"\\u00e9"}]}));
my $got = $ws->next_packet;
is_deeply(from_json(substr $got, 2),
    ['v', 1.5, undef, { b => "\x{20ac}", a => "\x{e9}" }], 'values');
like($got, qr/^42\["v",1\.5,null,\{"b":/, 'compact, keys in order');

# Errors.
for my $bad ('', '{', 'nope', '{"all":true,"event":"x"', '7', '"x"',
    '{"all":true,"event":"x"} trailing', '[{"all":true,"event":"lost"},{]')
{
    ($status, $body) = raw($bad);
    is($status, 400, "body that does not parse: $bad");
    my $e = from_json($body) // {};
    ok(exists $e->{ok} && !$e->{ok} && length($e->{error} // '')
        && length($e->{message} // ''), 'says why');
}

for (['{"all":true,"event":x}', 20], ['  [1,2', 4], ['{"a":1} x', 8],
    ["\n{\"a\":\"\xff\"}", 5], ['{"all":true}x' . "\n{}", 12])
{
    my ($text, $offset) = @$_;
    is(from_json((raw($text))[1])->{offset}, $offset, "offset of $text");
}
is_deeply(from_json((raw('[7]'))[1]),
    [{ ok => JSON::PP::false, error => 'bad_json', message => 'not an object',
       index => 0 }], 'no offset in what is JSON');
is(from_json((split /\n/, (raw("{\"op\":\"count\",\"all\":true}\n {\"a\":}\n"))
    [1])[1])->{offset}, 5, 'in a line');
(undef, $body) = raw('[{"op":"nope"},{"op":"count","all":true},{"a":1}]');
is_deeply([map { [@$_{qw/error index/}] } @{from_json($body)}],
    [['bad_op', 0], [undef, undef], ['bad_op', 2]], 'index');

my %bad = (
    no_target => { event => 'x' },
    bad_op => { op => 'nope', all => \1 },
    reserved_event => { all => \1, event => 'connect' },
);
for my $code (sort keys %bad) {
    my ($st, $a) = $t->publish($bad{$code});
    is($st, 400, "$code: status");
    is($a->{error}, $code, "$code: error");
    ok(!$a->{ok}, "$code: ok is false");
}
for my $cmd ({ all => \1, event => 'x', args => {} },
    { all => \1, event => 'x',
      attachments => ['?'], args => [{ _placeholder => \1, num => 0 }] },
    { op => 'accept', sid => $id }, { op => 'ack', sid => $id, args => [] },
    { op => 'join', sid => $id }, { op => 'data', all => \1, data => {} },
    { room => { a => 1 }, event => 'x' })
{
    my ($st, $a) = $t->publish($cmd);
    is($st, 400, 'refused: ' . to_json($cmd));
    ok(ref $a && !$a->{ok} && $a->{error}, 'with an error');
}
($status, $body) = raw('[{"op":"count","all":true},{"op":"nope"},'
    . '{"op":"count","all":true}]');
is($status, 200, 'an invalid command among others');
is_deeply([map { $_->{ok} ? 1 : 0 } @{from_json($body)}], [1, 0, 1],
    'only that fails');

# Nothing of all those was delivered.
$t->publish({ all => \1, event => 'mark' });
is($_->next_packet, '42["mark"]', 'nothing invalid was delivered')
    for $ws, $p;

# Methods, sizes.
for my $method ('GET', 'PUT', 'DELETE') {
    is($t->http($method, '/_publish', body => '')->{status}, 405,
        "$method: 405");
}
is((raw(to_json({ all => \1, event => 'x' x 200 }), path => '/tiny'))[0], 413,
    'client_max_body_size');
is((raw('x', headers => { 'Content-Encoding' => 'gzip' }))[0], 415,
    'compressed');

# Who may.
my $count = '{"op":"count","all":true}';
is((raw($count, headers => { 'X-Real-IP' => '203.0.113.7' }))[0], 403,
    'not from elsewhere');
is((raw($count, headers => { Origin => 'http://evil.example' }))[0], 403,
    'not from a web page');
is((raw($count, headers => { Origin => 'null' }))[0], 403,
    'nor from Origin: null');
is((raw($count, path => '/bearer'))[0], 401, 'bearer: without');
is((raw($count, path => '/bearer', headers => { Authorization =>
    "Bearer $_" }))[0], 401, "bearer: $_")
    for 'wrong', 'first-ke', 'first-keyy', 'first-keyfirst-key', 'second-kez', '';
is((raw($count, path => '/bearer', headers => { Authorization =>
    'Basic first-key' }))[0], 401, 'bearer: other scheme');
is((raw($count, path => '/bearer', headers => { Authorization =>
    "Bearer $_", 'X-Real-IP' => '203.0.113.7' }))[0], 200,
    "bearer: $_, from anywhere") for 'first-key', 'second-key';
is((raw($count, path => '/open', headers => { 'X-Real-IP' =>
    '203.0.113.7' }))[0], 200, 'open: from anywhere');
is((raw($count, path => '/closed'))[0], 403, 'open: but allow and deny stand');

# Nesting: 256 levels, of which the command itself is one.
sub nested ($n) {
    return '{"sid":"nobody","event":"x","args":' . '[' x $n . ']' x $n . '}';
}
my ($deep_status, $deep_body) = raw(nested(255));
ok(from_json($deep_body)->{ok}, '256 levels') or diag $deep_body;
($deep_status, $deep_body) = raw(nested(256));
is(from_json($deep_body)->{error}, 'too_deep', '257 levels are refused');
is($deep_status, 400, 'with a status');

# A hundred in one array, by each form.
my @many = map { +{ sid => $id, event => "m$_" } } 1 .. 100;
raw(to_json(\@many));
raw(join "\n", map { to_json($_) } @many);
is_deeply([$ws->collect(200)], [map { "42[\"m$_\"]" } 1 .. 100, 1 .. 100],
    'in order');

$ws->close;
$t->finish;
