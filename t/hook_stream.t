#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Answers of one command on each line are applied as they come.  Fails if a
# line waits for the next one or for the end, runs twice or half, if what is
# not of that form is looked at too early, or if a long stream is refused for its
# length.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Stream qw/answer hold release ask of asked/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

my $b = $t->backend(\&answer);

$t->run(<<'CONF', B => $b->port);
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 16m;
    socketio_eio 4;
    socketio_max_payload 64k;
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_timeout 30s;
        }
        location /single/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_hook_timeout 30s;
        }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_read_timeout 30s;
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF

sub ws ($path = '/socket.io/', %o) {
    my $ws = $t->websocket(%o, path => "$path?EIO=4&transport=websocket");
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect unless $o{alone};
    return $ws;
}

sub poll (%o) {
    my $p = $t->polling(get_worker => 1, post_worker => 0, %o);
    $p->{id} = $p->sio_connect;
    return $p;
}

# Each line at once, for a client here and one there.
for my $s (ws('/socket.io/', worker => 0), ws('/socket.io/', worker => 1),
    poll())
{
    my $name = ref($s) =~ /WebSocket/ ? 'websocket' : 'polling';
    my @h = map { hold } 1 .. 3;

    ask($b, $s, {}, map({ ({ event => 'progress', args => [$_] }, $h[$_]) }
        0 .. 2), { event => 'end' });
    $s->emit('next');

    for my $n (0 .. 2) {
        is($s->next_packet, qq{42["progress",$n]}, "$name: line $n");
        my ($status, $a) = $t->publish({ sid => $s->{id}, event => 'between',
            args => [$n] });
        is($s->next_packet, qq{42["between",$n]}, "$name: and no more so far");
        release($b, $h[$n]);
    }

    is($s->next_packet, '42["end"]', "$name: the last one");
    is($s->next_packet, '42["echo"]', "$name: the next event, afterwards");
}

# Whatever the pieces.
my $ws = ws();
my ($h1, $h2, $h3) = (hold, hold, hold);
ask($b, $ws, {}, '{"id":"ID","event":"a"', $h1, ",\"args\":[1]}\n\n \r\n"
    . qq({"event":"b","id":"ID"}\r\n  {"event":"c","id":"ID"} \n{"event":),
    $h2, '"d","id":"ID"}' . "\n", $h3, '{"event":"e","id":"ID"}');
ok($ws->silent(0.2), 'half a line is none');
release($b, $h1);
is_deeply([$ws->collect(3)], ['42["a",1]', '42["b"]', '42["c"]'],
    'several at once, blank lines and spaces among them');
release($b, $h2);
is($ws->next_packet, '42["d"]', 'in two pieces');
release($b, $h3);
is($ws->next_packet, '42["e"]', 'the last one without an end');

# Cut anywhere, but within an id.
my $text = qq( {"id":"ID","event":"a"}\n\r\n\t{"event":"\\u00e9\\"\\n","id":"ID",)
    . qq("args":[{"x":"}{\\\\"}]} \r\n\n{"id":"ID","event":"c"}\n);
my @cuts = grep { substr($text, $_ - 1, 2) ne 'ID' } 1 .. length($text) - 1;
my @wrong = grep {
    my $h = hold;
    ask($b, $ws, {}, substr($text, 0, $_), $h, substr $text, $_);
    release($b, $h);
    join(' ', $ws->collect(3)) ne
        '42["a"] 42["\u00e9\"\n",{"x":"}{\\\\"}] 42["c"]'
} @cuts;
is("@wrong", '', 'cut at each byte of ' . @cuts);

# A command that is wrong when it runs is passed over; so is what the client
# of the event is told after its end.
($h1, $h2) = (hold, hold);
ask($b, $ws, {}, { op => 'join', room => {} }, { op => 'nope' },
    { event => 'valid' }, $h1, { op => 'ack', args => [1] }, $h2,
    { event => 'last' });
is($ws->next_packet, '42["valid"]', 'behind invalid ones');
release($b, $h1);
release($b, $h2);
is($ws->next_packet, '42["last"]', 'an ack that nobody waits for');

# An ack does not wait for the end of the stream.
($h1) = hold;
ask($b, $ws, { id => 5 }, { op => 'ack', args => ['now'] },
    { op => 'ack', args => ['twice'] }, $h1, { op => 'ack', args => ['late'] },
    { event => 'done' });
is($ws->next_packet, '435["now"]', 'ack at once');
ok($ws->silent(0.1), 'and once');
release($b, $h1);
is($ws->next_packet, '42["done"]', 'and once');

# What is not lines waits for its end.
sub whole ($name, $expected, $o, @p) {
    my $h = hold;
    my $s = ws();
    ask($b, $s, $o, $p[0], $h, @p[1 .. $#p]);
    ok($s->silent(0.2), "$name: nothing so far");
    release($b, $h);
    is_deeply([$s->collect(scalar @$expected)], $expected, $name);
    ok($s->silent(0.05), "$name: no more");
}

whole('an array', ['42["a"]', '42["b"]'], {},
    qq([\n{"event":"a","id":"ID"},\n{"event":"b","id":"ID"}), ']');
whole('an object on several lines', ['42["a"]'], {},
    qq({\n"event":"a",\n), '"id":"ID"}');
whole('two objects on a line', [], {},
    qq({"event":"a","id":"ID"} {"event":"b","id":"ID"}\n), '');
whole('no JSON', [], {}, "hello\n{\"event\":\"a\",\"id\":\"ID\"}\n", '');

# From the first line that is none on, all waits.
($h1) = hold;
ask($b, $ws, {}, { event => 'a' }, "nonsense\n", { event => 'b' }, $h1,
    { event => 'c' }, '{"event":"d","id":"ID"' . "\n}\n", { event => 'e' });
is($ws->next_packet, '42["a"]', 'before');
ok($ws->silent(0.2), 'behind a line that is none: nothing so far');
release($b, $h1);
is_deeply([$ws->collect(3)], ['42["b"]', '42["c"]', '42["e"]'],
    'what is valid runs at the end, line by line');

# Nobody's commands are those of an answer that failed.
($h1) = hold;
ask($b, $ws, { raw => join "\r\n", 'HTTP/1.1 403 No', 'Connection: close', '',
    '{"event":"403","all":true}', '' , '' }, 'unused');
$ws->emit('after');
is($ws->next_packet, '42["echo"]', 'lines of a 403 do not run');

# More in all than an answer may have, which is 1m and 256k; one line may not.
ask($b, $ws, {}, { event => 'a' }, { times => 60, size => 50000 },
    { event => 'b' });
is_deeply([$ws->collect(2)], ['42["a"]', '42["b"]'], 'a stream of 3 MB');

my @before = $t->log_lines(qr/answer is larger than 1310720 bytes/);
is(scalar @before, 0, 'is no answer that is too large');
my $n = ask($b, $ws, {}, { event => 'c' }, { times => 1, size => 1400000 },
    { event => 'd' });
is($ws->next_packet, '42["c"]', 'before a line that is too long');
$ws->emit('after');
is($ws->next_packet, '42["echo"]', 'nothing behind it');
ok($t->log_lines(qr/answer is larger than 1310720 bytes/), 'as the log says');
is(scalar(my @again = of($b, $n)), 1, 'it is not asked for again');

# With batches off no id is needed.
$ws = ws('/single/');
$h1 = hold;
ask($b, $ws, {}, qq({"event":"a"}\n{"op":"join","room":"r"}\n), $h1,
    qq({"event":"b","room":"r"}\n));
is($ws->next_packet, '42["a"]', 'batch off');
release($b, $h1);
is($ws->next_packet, '42["b"]', 'to the end');

# A client that is gone stops nothing.
$ws = ws();
my $other = ws();
($h1, $h2) = (hold, hold);
ask($b, $ws, {}, { op => 'disconnect', close => JSON::PP::true }, $h1,
    { event => 'nobody' }, { event => 'x', sid => $other->{id} }, $h2,
    { event => 'y', sid => $other->{id} });
ok($ws->{conn}->closed, 'the stream disconnects its own client');
is(scalar(my @e = grep { $_->{sid} eq $ws->{id} } $b->events('disconnect')), 0,
    'the backend hears of it afterwards');
release($b, $h1);
is($other->next_packet, '42["x"]', 'and goes on');
release($b, $h2);
is($other->next_packet, '42["y"]', 'to the end');
ok($b->reason($ws->{id}), 'now it hears of it');

$t->finish;
