#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# "key": a command that is repeated, by whatever worker, runs once.  Fails if
# it runs again, if one that failed does not, or if a repetition is told
# something else than the first.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 3);
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my ($e) = grep { ($_->{event} // '') eq 'once' } @$events;
    return echo($events) unless $e;
    return [map { { event => 'ran', args => [$_], key => 'hook',
        id => $e->{id} } } 1, 2];
});

my $ws = $t->websocket(worker => 1);
$ws->open_packet;
my $id = $ws->sio_connect;

sub raw ($command, %o) {
    my ($status, $answer, $r) = $t->publish($command, %o);
    return $r->{body};
}

sub emit ($name, %o) { return { all => \1, event => $name, %o } }

# By any worker, a reload in between or not.
is(raw(emit('a', key => 'order-4711'), worker => 0),
    '{"ok":true,"op":"emit","count":1}', 'runs');
is(raw(emit('a', key => 'order-4711'), worker => $_),
    '{"ok":true,"op":"emit","count":1,"dup":true}',
    "is not repeated by worker $_") for 0 .. 2;
is(raw(emit('b', key => 'order-4712')),
    '{"ok":true,"op":"emit","count":1}', 'another key');
is(raw({ op => 'join', all => \1, room => 'r', key => 'order-4711' }),
    '{"ok":true,"op":"emit","count":1,"dup":true}',
    'the first result, whatever is asked now');
is(raw({ op => 'disconnect', room => 'nobody', key => 'none' }),
    '{"ok":true,"op":"disconnect","count":0}', 'of nobody');
is(raw({ op => 'disconnect', all => \1, key => 'none' }),
    '{"ok":true,"op":"disconnect","count":0,"dup":true}',
    'so nobody is disconnected');
is(raw({ op => 'count', all => \1, key => 'order-4711' }),
    '{"ok":true,"op":"count","count":1}', 'count looks again');

# Also among others, and twice in one body.
my ($status, $answer) = $t->publish([emit('c', key => 'x'),
    emit('d', key => 'x'), emit('e', key => 'y'), emit('f')]);
is(join(' ', map { $_->{dup} ? 'dup' : $_->{op} } @$answer),
    'emit dup emit emit', 'in an array');
my $r = $t->http('POST', '/_publish', body => join "\n",
    map { to_json($_) } emit('g', key => "l\x{e9}"), emit('g', key => 'y'),
    emit('g', key => "l\x{e9}"));
is(join(' ', map { /dup/ ? 'dup' : 'ran' } split /\n/, $r->{body}),
    'ran dup dup', 'in lines');

# What failed may run.
is(from_json(raw({ event => 'h', key => 'failed' }))->{error}, 'no_target',
    'one that is wrong');
is(raw(emit('h', key => 'failed')), '{"ok":true,"op":"emit","count":1}',
    'runs when it is right');

# What can be a key.
for my $bad (7, undef, '', \1, ['a'], { a => 1 }, 'x' x 65, "\x{e9}" x 33) {
    my ($st, $a) = $t->publish(emit('bad', key => $bad));
    is("$st $a->{error}", '400 bad_args', 'no key: ' . to_json([$bad]));
}
for my $good ('x' x 64, "\x{e9}" x 32, 'a b', "\0", '"') {
    is(raw(emit('i', key => $good)), '{"ok":true,"op":"emit","count":1}',
        'a key: ' . to_json([$good]));
    like(raw(emit('i', key => $good)), qr/"dup":true/, 'is known');
}

is_deeply([$ws->collect(12)],
    [map { qq(42["$_"]) } qw/a b c e f g h/, ('i') x 5],
    'clients got each once');

# From a hook.
$ws->emit('once');
is($ws->next_packet, '42["ran",1]', 'a hook has keys, too');
$ws->emit('echo', 'x');
is($ws->next_packet, '42["echo","x"]', 'and they mean the same');

# An emit that waits for its acks: meanwhile the key is taken, and a publisher
# that goes away leaves it so.
my $c = $t->connect_to_worker(0);
my $ask = to_json(emit('q', key => 'asked', ack => \1, timeout => 60000));
$c->request('POST', '/_publish', body => $ask);
my ($n) = ($ws->next_packet // '') =~ /^42(\d+)\["q"\]/;
ok(defined $n, 'it is out');
my ($st, $a, $resp) = $t->publish($ask, worker => 1);
is("$st $a->{error}", '503 busy', 'its repetition is told to come back');
is($resp->{headers}{'retry-after'}, 1, 'when');
$ws->send("43$n\[7]");
is(($c->response // { body => '' })->{body},
    '{"ok":true,"op":"emit","acks":[[7]],"expected":1,"received":1,"count":1}',
    'the answer');
is(raw($ask), '{"ok":true,"op":"emit","count":1,"dup":true}',
    'is not kept, its count is');

$c = $t->connect_to_worker(0);
$ask = to_json(emit('q', key => 'gone', ack => \1, timeout => 60000));
$c->request('POST', '/_publish', body => $ask);
like($ws->next_packet // '', qr/^42\d+\["q"\]/, 'it is out');
$c->close;
ok(eventually(sub { (($t->publish($ask))[1] // {})->{dup} }),
    'a publisher that went: it has run');

# A reload keeps them.
$t->reload;
like(raw(emit('a', key => 'order-4711')), qr/"dup":true/, 'after a reload');

$ws->close;
$t->finish;
