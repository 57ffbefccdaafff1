#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Socket.IO protocol 4, of clients 1.x and 2.x: namespaces, which have queries
# in place of authentication data, refusals, and leaving.  Fails if a client
# is told what only revision 5 has, or closed for what its servers ignored.

use v5.36;
use lib 't/lib';
use utf8;
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply/;
use Test::SocketIO::Payload qw/text3/;
use Time::HiRes qw/time/;

binmode Test::More->builder->$_, ':utf8' for qw/output failure_output/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# The backend does what the query asks for; an event comes back as "echo".
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (@$events) {
        my %id = (id => $e->{id});
        if ($e->{type} eq 'event') {
            push @out, { %id, event => 'echo', args => $e->{args} };
            push @out, { %id, op => 'ack', args => $e->{args} } if $e->{ack};
        }
        next if $e->{type} ne 'connect';
        my $do = $e->{handshake}{query}{do} // '';
        return reply(hold => $1, body => [{ %id, op => $2 }])
            if $do =~ /^(.*)-(accept|reject)$/;
        push @out, { %id, op => 'reject', $do =~ /m/ ? (message => 'nö') : (),
            $do =~ /d/ ? (data => { c => 42 }) : (),
            $do =~ /s/ ? (data => 'text') : (),
            $do =~ /0/ ? (data => 0) : (), $do =~ /n/ ? (data => undef) : () }
            if $do =~ s/^reject//;
        push @out, { %id, event => 'welcome', args => [1] },
            { %id, op => 'accept', rooms => ['r1'], data => { u => 'ann' } }
            if $do eq 'welcome';
    }
    return \@out;
}, eio => '3 4', socketio => <<'CONF', server => <<'CONF2');
            socketio_namespaces / /custom /other /CUSTOM "~^/r";
            socketio_limits namespaces=4;
            socketio_hook_lanes 8;
CONF
        location /short/ {
            socketio test;
            socketio_hook /_hook;
            socketio_namespaces / /custom;
            socketio_connect_timeout 700ms;
        }
        location /no-main/ {
            socketio test;
            socketio_hook /_hook /custom;
            socketio_namespaces /custom;
        }
        location /down/ {
            socketio test;
            socketio_hook /_down;
            socketio_namespaces / /custom;
            socketio_hook_timeout 300ms;
        }
        location /fail-open/ {
            socketio test;
            socketio_hook /_down;
            socketio_hook_connect_fail accept;
            socketio_hook_timeout 300ms;
        }
        location /no/ {
            socketio test;
            socketio_hook /_no;
            socketio_namespaces / /custom;
        }
        location /data/ {
            socketio test;
            socketio_hook /_data;
            socketio_namespaces / /custom;
        }
        location = /_down { internal; return 503; }
        location = /_no {
            internal;
            default_type application/json;
            return 403 '{"message":"no entry"}';
        }
        location = /_data {
            internal;
            default_type application/json;
            return 403 '{"message":"no entry","data":{"x":[1]}}';
        }
        location /no-hook/ {
            socketio test;
            socketio_hook off;
            socketio_namespaces / /custom;
        }
CONF2

sub bytes ($s) { utf8::encode($s); return $s }

# Both transports; each has {case}.
sub both (%o) {
    return map { $t->connected($_, eio => 3, %o) } 'websocket', 'polling';
}

# The connect of a namespace of that session, the last one.
sub handshake ($s, $nsp = '/') {
    my $e = eventually(sub {
        (grep { $_->{nsp} eq $nsp && $_->{handshake}{query}{case} eq
            $s->{case} } $b->events('connect'))[-1] });
    return $e->{handshake};
}

sub how ($s) { return $s->{conn} ? 'websocket' : 'polling' }

sub alive ($s, $name) {
    $s->send('42["alive"]');
    is($s->next_packet, '42["echo"]', $name);
}

for my $s (both(query => '&token=url&x=1')) {
    my $how = how($s);

    is($s->{refused}, undef, "sio 21, 22: 40 without asking, $how");
    my $h = handshake($s);
    is_deeply($h->{auth}, {}, "handshake.auth is {}, $how");
    is($h->{eio}, 3, "handshake.eio, $how");
    is($h->{query}{token}, 'url', "sio 31: query of the request, $how");

    # Namespaces.
    $s->send('40/custom,');
    is($s->next_packet, '40/custom,', "sio 3: no id on the wire, $how");
    $s->send('40/other');
    is($s->next_packet, '40/other,', "sio 3: without comma, $how");
    isnt($b->socket($s->{case}, '/custom'), $s->{id},
        "sio 20: ids of its own for the backend, $how");

    $s->send('40/custom');
    $s->send('40/custom?again=1,');
    $s->send('40');
    $s->send('40/');
    alive($s, "a namespace that is connected already: nothing, $how");
    is(scalar(grep { $_->{handshake}{query}{case} eq $s->{case} }
        $b->events('connect')), 3, "the backend is not asked again, $how");

    for my $nsp ('/nope', '/Custom', '/customs', '/custom/', '/x?a=b') {
        my $name = $nsp =~ s/\?.*//r;
        $s->send("40$nsp,");
        is($s->next_packet, "44$name,\"Invalid namespace\"",
            "sio 26: unknown namespace $nsp, $how");
    }
    $s->send('40/CUSTOM');
    is($s->next_packet, '40/CUSTOM,', "names are case-sensitive, $how");
    $s->send('40/r1');
    is($s->next_packet, '44/r1,"Too many namespaces"', "limit, $how");
    alive($s, "sio 26: connection stays, $how");

    # Leaving.
    my $custom = $b->socket($s->{case}, '/custom');
    $s->send('41/custom,');
    is($b->reason($custom), 'client namespace disconnect', "sio 91: $how");
    alive($s, "sio 91, 92: no reply, others work, $how");
    $s->send('40/custom');
    is($s->next_packet, '40/custom,', "sio 93: connects again, $how");
    ok(eventually(sub { 2 == grep { $_->{nsp} eq '/custom'
        && $_->{handshake}{query}{case} eq $s->{case} }
        $b->events('connect') }), "sio 93: a new socket, $how");

    $s->send('41');
    is($b->reason($s->{id}), 'client namespace disconnect',
        "sio 91: the main one, $how");
    $s->send('42/custom,["m",2]');
    is($s->next_packet, '42/custom,["echo",2]',
        "sio 91: the others stay, $how");
    $s->send('40');
    is($s->next_packet, '40', "the main one again, $how");
    $s->send('41');

    # What they are not connected to is nothing.
    $s->send($_) for '42["m"]', '42/nope,["m"]', '42/other2,7["m"]', '41',
        '41/nope', '431["x"]', '43/nope,1["x"]', '42/r9?x=y,["m"]';
    $s->send('451-/nope,["m",{"_placeholder":true,"num":0}]', \'x');
    $s->send('461-/nope,3[{"_placeholder":true,"num":0}]', \'x');
    $s->send('42/custom,["m",3]');
    is($s->next_packet, '42/custom,["echo",3]',
        "dropped, and the connection lives, $how");
    is(scalar(grep { $_->{nsp} =~ /nope|other2|r9/ } $b->events), 0,
        "none of it delivered, $how");
}

# In one payload.
my $p = $t->connected('polling', eio => 3);
ok($p->send('40/custom', '42/custom,["m",1]', '41/custom',
    '42/custom,["m",2]', '42["m",3]'), 'sio 58: all in one payload');
my @got = $p->collect(2);
push @got, $p->collect(1) if grep { /^40/ } @got;
is((grep { /^42\[/ } @got)[0], '42["echo",3]', 'sio 58: the others work');
ok(!grep({ /"echo",2/ } @got), 'sio 58: dropped after its DISCONNECT');

# Queries of a namespace (socket.io, 3); they join that of the handshake.
my @queries = (
    ['token=abc&q=%20z', { token => 'abc', q => ' z' }],
    ['a=b+c', { a => 'b c' }],
    ['a=%C3%A9%F0%9F%98%80', { a => 'é😀' }],
    ['é=ü', { 'é' => 'ü' }],
    ['a', { a => '' }],
    ['a=', { a => '' }],
    ['=a', { '' => 'a' }],
    ['a=b=c', { a => 'b=c' }],
    ['a=1&a=2', { a => '2' }],
    ['a=1&b=2&%61=3', { a => '3', b => '2' }],
    ['&&a=1&&', { a => '1' }],
    ['a=%2C%2c', { a => ',,' }],
    ['a=%', { a => '%' }],
    ['a=%zz%4', { a => '%zz%4' }],
    ['a=%00%01%1f%7f', { a => "\0\1\x1f\x7f" }],
    ['a=%22%5C%0A%E2%80%A8', { a => "\"\\\n\x{2028}" }],
    ['a=%FF%C3', { a => "\x{fffd}\x{fffd}" }],
    ['%FF=1', { "\x{fffd}" => '1' }],
    ['a?b=c/d', { 'a?b' => 'c/d' }],
    ['', {}],
    # also what the request had: the namespace is nearer
    ['case=x&token=ns&EIO=4&transport=abc', { token => 'ns', EIO => '4',
        transport => 'abc', case => 'x' }],
    ['%74oken=dec', { token => 'dec' }],
    ['sid=1&__proto__=2', { sid => '1', '__proto__' => '2' }],
);

my $n = 0;
for my $q (@queries) {
    my ($query, $expect) = @$q;
    my $own = 'q' . $n++;
    my $s = $t->connected($n % 2 ? 'websocket' : 'polling', eio => 3,
        query => "&token=url&own=$own");
    $s->send(bytes("40/custom?$query,"));
    is($s->next_packet, '40/custom,', "sio 24: ?$query, reply without it");
    my $e = eventually(sub {
        (grep { $_->{nsp} eq '/custom'
            && ($_->{handshake}{query}{own} // '') eq $own }
            $b->events('connect'))[0] });
    my $got = $e->{handshake}{query};
    my %rest = (token => 'url', EIO => '3', transport => how($s),
        case => $s->{case}, own => $own);
    is_deeply($got, { %rest, %$expect }, "sio 24: ?$query");
    is_deeply($e->{handshake}{auth}, {}, 'sio 24: auth is {}');
    is($e->{handshake}{eio}, 3, 'handshake.eio is what it was');
    is($e->{handshake}{transport}, $rest{transport},
        'handshake.transport, too');

    # it is of that namespace alone
    $s->send('40/other');
    is($s->next_packet, '40/other,', 'another namespace');
    my ($o) = eventually(sub { (grep { $_->{nsp} eq '/other'
        && ($_->{handshake}{query}{own} // '') eq $own } $b->events('connect'))[0] });
    is_deeply($o->{handshake}{query}, \%rest, 'has none of it');
    $s->{conn}->close if $s->{conn};
}

# One name is once in the text, too: parsers differ on what comes twice.
my $raw = (grep { $_->{body} =~ /"sid":"1"/ } $b->requests)[0]{body};
is(scalar(() = $raw =~ /"token":/g), 1, 'a name that is not in it twice');
for my $req (grep { $_->{body} =~ /"token":"(?:ns|dec)"/ } $b->requests) {
    unlike($req->{body}, qr/"token":"url"/, 'of two the other is left out');
}
$raw = (grep { $_->{body} =~ /"a":"2"/ } $b->requests)[0]{body};
unlike($raw, qr/"a":"1"/, 'also within the query of the namespace');

# Long ones.
for my $len (4096, 4097, 100_000) {
    my $s = $t->connected('websocket', eio => 3);
    $s->send('40/custom?a=' . 'x' x ($len - 2) . ',');
    if ($len > 4096) {
        is($s->closed, '', "sio 24: a query of $len bytes is too long");
        is($b->reason($s->{id}), 'forced close', 'reason');
        next;
    }
    is($s->next_packet, '40/custom,', "sio 24: a query of $len bytes");
    is(length handshake($s, '/custom')->{query}{a}, $len - 2, 'arrives');
    $s->close;
}
for my $query (join('&', map { "k$_=$_" } 1 .. 400), "\x01" x 4000,
    'a=' . '%01' x 1300, 'a&' x 2000, '=&' x 2000)
{
    my $s = $t->connected('polling', eio => 3);
    ok($s->send("40/custom?$query,"), 'an odd query');
    is($s->next_packet, '40/custom,', 'sio 24: ' . substr($query, 0, 20)
        =~ s/[^ -~]/./gr);
    my $q = handshake($s, '/custom')->{query};
    ok($q, 'sio 24: arrives');
    cmp_ok(scalar(keys %$q), '<=', 64 + 3, 'sio 24: 64 names of it');
}

# Sent before the main namespace is answered.
for my $how ('websocket', 'polling') {
    my $s = $how eq 'websocket'
        ? $t->websocket(eio => 3, query => "&case=p$how&do=gate$how-accept")
        : $t->polling(eio => 3, query => "&case=p$how&do=gate$how-accept",
            worker => 0, post_worker => 1);
    $s->open_packet if $how eq 'websocket';
    ok($b->socket("p$how"), "connect is pending, $how");
    $s->send('40/custom?do=');
    $s->send('40/custom?do=');
    # a client does not do that: its servers had no socket for it
    $s->send($_) for '42["early"]', '42/custom,["early"]', '41';
    $s->send('451-["early",{"_placeholder":true,"num":0}]', \'x');
    $b->release("gate$how");
    is_deeply([$s->next_packet, $s->next_packet], ['40', '40/custom,'],
        "sio 25: / first, then the custom namespace, $how");
    alive($s, "sio 38: what came too early is dropped, $how");
    is(scalar(grep { $_->{event} eq 'early' } $b->events('event')), 0,
        'sio 38: all of it');
    $s->{conn}->close if $s->{conn};
}

# Refusals.
my %reject = ('reject m' => '"nö"', 'reject md' => '{"c":42}',
    'reject ms' => '"text"', 'reject m0' => '0', 'reject mn' => '"nö"',
    'reject d' => '{"c":42}');
for my $do (sort keys %reject) {
    my $q = $do =~ s/ /%20/r;
    my $json = $reject{$do};
    my $ascii = $json =~ s/ö/\\u00f6/r;

    my $s = $t->websocket(eio => 3, query => "&do=$q");
    $s->open_packet;
    is($s->next_packet, bytes("44$json"), "sio 28: $do, no 40");
    $s->send('40/custom?do=');
    is($s->next_packet, '40/custom,', 'sio 28: another namespace connects');
    $s->send("40/other?do=$q,");
    is($s->next_packet, bytes("44/other,$json"), "sio 27: $do");
    $s->send('40/other?do=');
    is($s->next_packet, '40/other,', 'sio 27: and may try again');
    $s->close;

    $p = $t->polling(eio => 3, worker => 0, post_worker => 1,
        query => "&do=$q");
    is($p->body, text3("44$ascii"), "sio 28: $do, polling");
}

# A message that is not given.
my $s = $t->websocket(eio => 3, query => '&do=reject');
$s->open_packet;
like($s->next_packet, qr/^44".*"$/, 'sio 28: without a message, some string');

# A hook that fails is a refusal, too.
my %failed = ('down' => '"service unavailable"', 'no' => '"no entry"',
    'data' => '{"x":[1]}');
for my $path (sort keys %failed) {
    my $w = $t->websocket(path => "/$path/?EIO=3&transport=websocket");
    $w->open_packet;
    is($w->next_packet, "44$failed{$path}", "sio 28: hook fails: $path");
    $w->send('40/custom?a=b');
    is($w->next_packet, "44/custom,$failed{$path}", "sio 27: hook fails");
    $w->close;
    my $poll = $t->polling(eio => 3, path => "/$path/", b64 => 1);
    is($poll->next_packet, "44$failed{$path}", "sio 28: $path, polling");
}
my $open = $t->websocket(path => '/fail-open/?EIO=3&transport=websocket');
$open->open_packet;
is($open->next_packet, '40', 'socketio_hook_connect_fail accept');

# Commands with the accept.
for my $w (both(query => '&do=welcome')) {
    is($w->next_packet, '42["welcome",1]', 'CONNECT first, then commands');
    $w->emit('m');
    is($w->next_packet, '42["echo"]', 'an event');
    my ($e) = grep { $_->{sid} eq $w->{id} } $b->events('event');
    is_deeply($e->{data}, { u => 'ann' }, 'with its data');
}

# Deadlines: / is asked for at once, so only its refusal lets one pass.
my $start = time;
my $ws = $t->websocket(path => '/short/?EIO=3&transport=websocket'
    . '&do=reject%20m');
$ws->open_packet;
is($ws->next_packet, bytes('44"nö"'), 'refused');
my $joined = $t->websocket(path => '/short/?EIO=3&transport=websocket');
$joined->open_packet;
is($joined->next_packet, '40', 'connected');
is($ws->closed, '', 'sio 8: refused, and nothing else: closed');
cmp_ok(time - $start, '>=', 0.6, 'sio 8: not early');
ok($joined->silent(0.3), 'sio 7: who is connected is not');

# A location without "/" says so, and has its others.
$ws = $t->websocket(path => '/no-main/?EIO=3&transport=websocket');
$ws->open_packet;
is($ws->next_packet, '44"Invalid namespace"', 'no main namespace');
$ws->send('40/custom');
is($ws->next_packet, '40/custom,', 'sio 26: the one that is there');

# No hook at all.
for my $w ($t->websocket(path => '/no-hook/?EIO=3&transport=websocket'),
    $t->polling(eio => 3, path => '/no-hook/'))
{
    $w->open_packet if $w->{conn};
    is($w->next_packet, '40', 'no hook: connected');
    $w->send('40/custom?a=b,', '40/nope');
    is_deeply([$w->next_packet, $w->next_packet],
        ['40/custom,', '44/nope,"Invalid namespace"'], 'no hook: namespaces');
}

# Server side.
for my $w (both()) {
    my $how = how($w);
    $w->send('40/custom');
    is($w->next_packet, '40/custom,', "custom namespace, $how");
    my $custom = $b->socket($w->{case}, '/custom');
    $t->publish({ op => 'disconnect', sid => $custom, nsp => '/custom' });
    is($w->next_packet, '41/custom,', "sio 94: server disconnects, $how");
    is($b->reason($custom), 'server namespace disconnect', "sio 94: $how");
    $w->send('42/custom,["late"]');
    alive($w, "sio 94: connection stays, $how");
    $t->publish({ op => 'disconnect', sid => $w->{id} });
    is($w->next_packet, '41', "sio 94: the main one, $how");
    $w->send('40/custom');
    is($w->next_packet, '40/custom,', "sio 94: still there, $how");
}

$ws = $t->connected('websocket', eio => 3);
$ws->send('40/custom');
is($ws->next_packet, '40/custom,', 'custom namespace');
$t->publish({ op => 'disconnect', sid => $ws->{id}, close => \1 });
is_deeply([sort $ws->collect(2)], ['41', '41/custom,'],
    'sio 95: a DISCONNECT for each namespace');
is($ws->closed, '', 'sio 95: then the close');

# What no client of that time sends, and costs its session.
for my $bad ('40/custom,{"a":1}x', '40custom', '42', '42{}', '42[]',
    '42[null]', '42"x"', '42["a"]x', '43', '431{}', '44"x"', '44/custom,"x"',
    '47', '4abc', '41{}', '41"x"', '42abc["m"]')
{
    $ws = $t->connected('websocket', eio => 3);
    $ws->send($bad);
    is($ws->closed, '', "sio 49-53: $bad");
    is($b->reason($ws->{id}), 'forced close', "sio 98: $bad");
}

# Every connect that was accepted has one disconnect, its last event.
$t->close_all;
my (%n, %last);
$n{$_->{sid}}++ for $b->events('disconnect');
$last{$_->{sid}} = $_->{type} for grep { $n{$_->{sid}} } $b->events;
is_deeply([grep { $_ > 1 } values %n], [], 'no disconnect came twice');
is_deeply([grep { $_ ne 'disconnect' } values %last], [], 'and each is last');

$t->finish;
