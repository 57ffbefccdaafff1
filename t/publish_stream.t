#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Bodies of lines for the publish API: each line runs when it is there, its
# result comes at once, and however long a body is, it needs no memory.
# Fails if a line waits for the next one, if pieces change anything, if a
# worker keeps the body or the results, or goes on running commands whose
# results nobody reads.

use v5.36;
use lib 't/lib';
use Socket qw/SOL_SOCKET SO_RCVBUF SO_SNDBUF/;
use Compress::Zlib ();
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;

my $t = Test::SocketIO->new(workers => 2, alarm => 120);
$t->run_echo(zone => '16m', http => <<'HTTP', server => <<'CONF');
    gzip_types application/json;
    gzip_min_length 0;
HTTP
        location = /big { socketio_publish test; client_max_body_size 0; }
        location = /small {
            socketio_publish test;
            client_max_body_size 2k;
        }
        location = /late {
            socketio_publish test;
            client_body_timeout 1s;
        }
        location = /unread {
            socketio_publish test;
            client_max_body_size 0;
            send_timeout 1s;
        }
        location = /gzip { socketio_publish test; gzip on; }
        location = /slow {
            socketio_publish test;
            limit_rate 200k;
            limit_rate_after 1k;
            client_max_body_size 0;
        }
        location = /file {
            socketio_publish test;
            mirror /_mirrored;
            client_body_buffer_size 1k;
        }
        location = /_mirrored { internal; socketio_publish test open; }
CONF

my $ws = $t->websocket(worker => 1);
$ws->open_packet;
my $id = $ws->sio_connect;

my $COUNT = '{"op":"count","all":true}';
my $ONE = qq({"ok":true,"op":"count","count":1}\n);

sub head ($c, $path = '/_publish', %h) {
    $c->send("POST $path HTTP/1.1\r\nHost: x\r\n"
        . join('', map { "$_: $h{$_}\r\n" } sort keys %h)
        . "Transfer-Encoding: chunked\r\n\r\n");
}

sub chunk ($text) { return sprintf "%x\r\n%s\r\n", length $text, $text }
sub more ($c, $text) { return $c->send(chunk($text)) }
sub last_chunk ($c) { return $c->send("0\r\n\r\n") }

# What has come of a chunked answer, when it has so many lines.
sub lines ($c, $n, $timeout = 10) {
    return $c->_until($timeout, sub {
        my ($rest) = $c->{in} =~ /^HTTP.*?\r\n\r\n(.*)/s or return undef;
        my $out = '';
        while ($rest =~ /\G([0-9a-f]+)\r\n/gc) {
            my $len = hex $1 or last;
            $out .= substr $rest, pos $rest, $len;
            last if pos($rest) + $len + 2 > length $rest;
            pos($rest) += $len + 2;
        }
        return ($out =~ tr/\n//) >= $n ? $out : undef;
    });
}

sub rss ($pid) {
    open my $f, '<', "/proc/$pid/status" or die "status of $pid: $!";
    my ($kb) = join('', <$f>) =~ /^VmRSS:\s+(\d+) kB/m;
    return $kb;
}

sub errors ($text) {
    return join ' ', map { my $r = from_json($_); $r->{error} // 'ok' }
        split /\n/, $text;
}

# A line at a time, with its answer before the next one is sent.
my $c = $t->connect_to_worker(0);
head($c);
for my $n (1 .. 3) {
    more($c, "$COUNT\n");
    is(lines($c, $n), $ONE x $n, "line $n is answered before more comes");
}
more($c, '{"all":true,"event":');
more($c, qq("a"}\n\n \r\n));
is(errors(lines($c, 4)), 'ok ok ok ok', 'one that came in two pieces');
is($ws->next_packet, '42["a"]', 'delivered');
more($c, "nope\n");
is(errors(lines($c, 5)), 'ok ok ok ok bad_json', 'one that is wrong');
more($c, $COUNT);
last_chunk($c);
my $r = $c->response;
is($r->{status}, 200, 'status');
is(errors($r->{body}), 'ok ok ok ok bad_json ok', 'the last needs no LF');
is($r->{headers}{'transfer-encoding'}, 'chunked', 'comes chunked');
is($t->http('POST', '/_publish', body => $COUNT, conn => $c)->{body} . "\n",
    $ONE, 'the connection lives on');

# The status is that of the only command, however it arrives.
for my $pieces (['{"op":"nope"}'], ["{\"op\":\"nope\"}\n"],
    ['{"op":"no', 'pe"}', "\n", " \n"])
{
    $c = $t->connect_to_worker(0);
    head($c);
    more($c, $_) for @$pieces;
    last_chunk($c);
    $r = $c->response;
    is($r->{status}, 400, 'a single command fails, in ' . @$pieces);
    is(errors($r->{body}), 'bad_op', 'and says why');
}
$r = $t->http('POST', '/_publish', body => qq({"op":"nope"}\n$COUNT));
is($r->{status}, 200, 'the first of several fails');
is(errors($r->{body}), 'bad_op ok', 'and the others run');

# Cuts change nothing, also within "\r\n", numbers of chunks or UTF-8.
my $mixed = join "\n", $COUNT, '', '[]', "$COUNT\r", '{"op":"nope"}',
    qq({"sid":"$id","event":"\xe2\x82\xac","args":["}\\n{"]}), "$COUNT$COUNT",
    ('[' x 257) . (']' x 257), $COUNT;
my $want = 'ok bad_json ok bad_op ok bad_json too_deep ok';
for my $size (1, 2, 7, 1000) {
    $r = $t->http('POST', '/_publish', body => $mixed, slow => $size,
        timeout => 20);
    is(errors($r->{body}), $want, "in pieces of $size");
    $r = $t->http('POST', '/_publish', timeout => 20,
        chunked => [unpack "(a$size)*", $mixed]);
    is(errors($r->{body}), $want, "in chunks of $size");
}
is_deeply([$ws->collect(8)], [(qq(42["\xe2\x82\xac","}\\n{"])) x 8],
    'each ran once');

# A pipelined request behind it; HTTP/1.0; gzip.
$c = $t->connect;
$c->send($c->build('POST', '/_publish', chunked => ["$COUNT\n", $COUNT])
    . $c->build('POST', '/_publish', body => "$COUNT\n$COUNT\n")
    . $c->build('GET', '/pid'));
is($c->response->{body}, $ONE x 2, 'pipelined: first') for 1, 2;
is($c->response->{status}, 200, 'pipelined: last');

$c = $t->connect;
$c->request('POST', '/_publish', version => '1.0',
    body => "$COUNT\n" x 3000);
is(($c->response // {})->{body}, $ONE x 3000, 'HTTP/1.0');

$r = $t->http('POST', '/gzip', body => "$COUNT\n" x 3000,
    headers => { 'Accept-Encoding' => 'gzip' });
is(Compress::Zlib::memGunzip($r->{body}), $ONE x 3000, 'gzip');
$c = $t->connect;
head($c, '/gzip', 'Accept-Encoding' => 'gzip');
more($c, "$COUNT\n");
ok(eventually(sub { $c->_fill(0.1); $c->{in} =~ /\r\n\r\n.*\r\n.{20}/s }),
    'gzip does not keep a line');
$c->close;

# An array: nothing of it runs if it is broken; its results are streamed.
$r = $t->http('POST', '/_publish',
    body => '[' . (qq({"all":true,"event":"x"},) x 500) . '{]');
is($r->{status}, 400, 'an array that does not end');
$r = $t->http('POST', '/_publish', slow => 20_000, body =>
    '[' . join(',', ($COUNT, '{"op":"nope"}') x 1000) . ']');
my $results = from_json($r->{body});
is(scalar @$results, 2000, 'a large array: all its results');
is(join(',', map { $_->{index} // 'ok' } @$results[0 .. 3, 1998, 1999]),
    'ok,1,ok,3,ok,1999', 'in order');
is($r->{headers}{'transfer-encoding'}, 'chunked', 'as they come');
is($t->http('POST', '/_publish', body => '[]')->{body}, '[]', 'none');
is($t->http('POST', '/_publish', body => "[$COUNT]")
    ->{headers}{'content-length'}, length($ONE) + 1, 'a length if it is short');
$t->publish({ all => \1, event => 'mark' });
is($ws->next_packet, '42["mark"]', 'nothing of the broken one ran');

# client_max_body_size.
$r = $t->http('POST', '/small', body => "$COUNT\n" x 100);
is($r->{status}, 413, 'lines with a length that is too large');
for my $piece (qq({"event":"x","args":["), '[', ' ' x 10 . '{"a":') {
    $c = $t->connect;
    head($c, '/small');
    more($c, $piece);
    more($c, 'x' x 1000) for 1 .. 3;
    $r = $c->response;
    is($r->{status}, 413, 'chunked: ' . substr $piece, 0, 5);
}
$c = $t->connect;
head($c, '/small');
more($c, "$COUNT\n");
is(lines($c, 1), $ONE, 'chunked lines: the first');
more($c, "$COUNT\n" x 100);
$r = $c->response;
is(errors($r->{body}), 'ok too_large', 'and then it is too large');
ok($c->closed, 'the connection goes');

# A line of more than 16 MB costs that line alone.
my $long = '{"event":"' . 'x' x (17 << 20) . '"}';
$r = $t->http('POST', '/big', body => "$COUNT\n$long\n$COUNT\n$long",
    timeout => 30);
is(errors($r->{body}), 'ok too_large ok too_large', 'lines that are too long');
is($t->http('POST', '/big', body => "$long\n$COUNT\n", timeout => 30)
    ->{status}, 413, 'the first is');
is($t->http('POST', '/big', body => "[\n$long]", timeout => 30)->{status},
    413, 'an array is');

# The body breaks off.
$c = $t->connect;
head($c);
more($c, "$COUNT\n");
lines($c, 1);
$c->send("zz\r\n");
$r = $c->response;
is(errors($r->{body} // ''), 'ok bad_json', 'what is not chunked');
$c = $t->connect;
head($c, '/late');
more($c, "$COUNT\n{\"op\":");
$r = $c->response;
is(errors($r->{body} // ''), 'ok timeout', 'client_body_timeout');
$c = $t->connect;
head($c, '/late');
more($c, '{"op":');
ok($c->closed && $c->{in} eq '', 'before anything ran');

# A publisher that goes: what it has sent has run, and what came only in part
# has not.
for my $how (qw/close reset/) {
    $c = $t->connect_to_worker(0);
    head($c);
    more($c, qq({"sid":"$id","event":"$how$_"}\n)) for 1 .. 3;
    lines($c, 3);
    more($c, qq({"sid":"$id","event":"lost"}));
    $c->$how;
    is_deeply([$ws->collect(3)], [map { qq(42["$how$_"]) } 1 .. 3],
        "$how in the middle");
}
$t->publish({ all => \1, event => 'mark' });
is($ws->next_packet, '42["mark"]', 'a part of a line does not run');

# Read by somebody else before, into a file; and mirrored, without anybody
# who reads the results.
my $emits = join '', map { qq({"sid":"$id","event":"f$_"}\n) } 1 .. 300;
$r = $t->http('POST', '/file', body => $emits);
is($r->{body} =~ tr/\n//, 300, 'from a file');
my %times;
$times{$_}++ for $ws->collect(600);
is_deeply(\%times, { map { (qq(42["f$_"]) => 2) } 1 .. 300 },
    'and mirrored');

# limit_rate.
$r = $t->http('POST', '/slow', body => "$COUNT\n" x 6000, timeout => 30);
is($r->{body}, $ONE x 6000, 'limit_rate');

# 100,000 lines, whose results are read while they are sent.
my ($pid) = ($t->worker_pids)[0];
my $lines = 100_000;
$c = $t->connect_to_worker(0);
head($c, '/big');
more($c, "$COUNT\n" x 1000);
lines($c, 1000);
my $before = rss($pid);
more($c, "$COUNT\n" x 1000) for 2 .. $lines / 1000;
last_chunk($c);
$r = $c->response(60);
my $after = rss($pid);
is($r->{body} =~ tr/\n//, $lines, "$lines lines, as many results");
# The address sanitizer keeps what was freed.
my $some = ($ENV{ASAN_OPTIONS} ? 400 : 1) * 1000;
cmp_ok($after - $before, '<', $some, 'need no memory');
note("VmRSS: $before kB, then $after kB");

# Nobody reads: the worker reads no more either, others do not notice, and
# nothing is lost.
$c = $t->connect_to_worker(0);
setsockopt $c->{sock}, SOL_SOCKET, SO_RCVBUF, pack 'i', 262144;
setsockopt $c->{sock}, SOL_SOCKET, SO_SNDBUF, pack 'i', 262144;
head($c, '/big');
my $body = chunk("$COUNT\n" x 1000);
my ($sent, $off, $stuck, $max) = (0, 0, 0, 2000);
while ($sent < $max) {
    my $n = syswrite $c->{sock}, $body, length($body) - $off, $off;
    if ($n) {
        $off += $n;
        ($sent, $off) = ($sent + 1, 0) if $off == length $body;
        next;
    }
    last if !IO::Select->new($c->{sock})->can_write(1);
}
cmp_ok($sent, '<', $max, 'a publisher that does not read is stopped');
note("after $sent,000 lines");
is($t->http('POST', '/_publish', body => $COUNT, worker => 0)->{body} . "\n",
    $ONE, 'others get their turn');
cmp_ok(rss($pid) - $after, '<', $some, 'without memory');
$c->send(substr $body, $off);
$sent++;
last_chunk($c);
$c->_until(60, sub { substr($c->{in}, -7) eq "\r\n0\r\n\r\n" || undef });
is(($c->response // { body => '' })->{body} =~ tr/\n//, $sent * 1000,
    'and goes on when it reads');

# ... and one that never does is given up.
$c = $t->connect_to_worker(0);
setsockopt $c->{sock}, SOL_SOCKET, SO_RCVBUF, pack 'i', 65536;
head($c, '/unread');
$off = 0;
ok(eventually(sub {
    my $n = syswrite $c->{sock}, $body, length($body) - $off, $off;
    $off = ($off + ($n // 0)) % length $body;
    return 1 if !defined $n && !$!{EAGAIN};
    return $t->log_lines(qr/the results of a publisher are not read/) > 0
        if !defined $n;
    return 0;
}, 20), 'send_timeout');
ok($t->log_lines(qr/the results of a publisher are not read/) > 0, 'says why');

$c = $t->connect_to_worker(0);
head($c, '/big');
syswrite $c->{sock}, $body for 1 .. 100;
$c->reset;
is($t->http('POST', '/_publish', body => $COUNT, worker => 0)->{body} . "\n",
    $ONE, 'one that goes without reading');

$ws->close;
$t->finish;
