#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Looking at sockets by the publish API: fetch, rooms, count, for targets of
# all kinds, names of all kinds, and more sockets than fit into one hold of the
# zone.  Fails if a socket is in a result twice or not at all, if a name is not
# escaped, or if somebody else's rooms, data or handshake are shown.

use v5.36;
use utf8;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually from_json to_json/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

# "auth" says what the answer to a connect has: rooms, data.
my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (@$events) {
        push @out, { id => $e->{id}, op => 'accept',
            %{$e->{handshake}{auth}} } if $e->{type} eq 'connect';
        push @out, { id => $e->{id}, op => 'fetch', all => \1 }
            if ($e->{event} // '') eq 'fetch';
        push @out, { id => $e->{id}, op => 'ack', args => [] } if $e->{ack};
    }
    return \@out;
}, zone => '32m', socketio => <<'CONF', server => <<'CROWD');
            socketio_namespaces / /custom;
CONF
        location /crowd/ {
            socketio test;
            socketio_namespaces / /crowd;
        }
        client_max_body_size 4m;
        socketio_limits rooms=300;
CROWD

# A connected one, on each transport and worker.
sub one ($transport, $worker, $auth = {}, $nsp = '/') {
    my $s = $transport eq 'polling' ? $t->polling(worker => $worker)
        : $t->websocket(worker => $worker);
    $s->open_packet if $transport ne 'polling';
    $s->{id} = $s->sio_connect($nsp, $auth);
    return $s;
}

sub ask (%cmd) {
    my ($status, $a) = $t->publish(\%cmd);
    is($status, 200, "$cmd{op}: done") or diag(to_json($a));
    return $a;
}

# The sockets of a result by their sids; that none is there twice.
sub fetched (%cmd) {
    my $a = ask(op => 'fetch', %cmd);
    my %found = map { $_->{sid} => $_ } @{$a->{sockets}};
    is(scalar keys %found, scalar @{$a->{sockets}}, 'none twice');
    is($a->{count}, scalar keys %found, 'so many');
    return \%found;
}

sub names ($a) { return join ' ', sort @{$a->{rooms}} }

is_deeply(ask(op => 'fetch', all => \1),
    { ok => JSON::PP::true, op => 'fetch', count => 0, sockets => [] },
    'nobody');
is_deeply(ask(op => 'rooms', all => \1),
    { ok => JSON::PP::true, op => 'rooms', count => 0, rooms => [] },
    'no rooms');

my $w0 = one('websocket', 0, { rooms => ['a', 'b'], data => { n => 1.50 } });
my $w1 = one('websocket', 1, { rooms => ['b'], data => 'x"y' });
my $p0 = one('polling', 0, { rooms => ['c'] });
my $p1 = one('polling', 1);
my $other = one('websocket', 1, { rooms => ['a', 'z'] }, '/custom');
my @s = ($w0, $w1, $p0, $p1);

# Who.
my $f = fetched(all => \1);
is_deeply($f, { map { $_->{id} => { sid => $_->{id} } } @s },
    'all, nothing but their ids');
for my $case (
    [{ room => 'b' }, $w0, $w1], [{ in => ['a', 'c'] }, $w0, $p0],
    [{ sid => $p1->{id} }, $p1], [{ sid => [$p1->{id}, $w1->{id}] }, $p1, $w1],
    [{ room => ['a', 'b', $w0->{id}] }, $w0, $w1],
    [{ all => \1, except => 'b' }, $p0, $p1],
    [{ all => \1, except => ['a', $p1->{id}] }, $w1, $p0],
    [{ room => 'b', except => $w0->{id} }, $w1], [{ room => 'nobody' }],
    [{ sid => 'nobody' }], [{ sid => $other->{id} }],
    [{ all => \1, nsp => '/custom' }, $other], [{ all => \1, nsp => '/none' }],
    [{ sid => $other->{id}, nsp => '/custom' }, $other],
    [{ all => \1, local => \1 }, @s])
{
    my ($target, @who) = @$case;
    my $name = to_json($target);
    is_deeply([sort keys %{fetched(%$target)}], [sort map { $_->{id} } @who],
        "fetch $name");
    is(ask(op => 'count', %$target)->{count}, @who, "count $name");
}

# What.
$f = fetched(all => \1, fields => ['rooms', 'data']);
is_deeply([sort @{$f->{$w0->{id}}{rooms}}], ['a', 'b'], 'rooms');
is_deeply($f->{$p1->{id}}, { sid => $p1->{id}, rooms => [], data => undef },
    'none of either');
is_deeply([map { $f->{$_->{id}}{data} } @s], [{ n => 1.5 }, 'x"y', undef,
    undef], 'data');
like($t->http('POST', '/_publish', body => to_json({ op => 'fetch',
    sid => $w0->{id}, fields => 'data' }))->{body}, qr/"data":\{"n":1\.50?\}/,
    'fields may be one name');
$f = fetched(all => \1, fields => ['handshake']);
for my $s (@s) {
    my $h = $f->{$s->{id}}{handshake};
    is($h->{address}, '127.0.0.1', 'handshake: address');
    is($h->{eio}, 4, 'handshake: eio');
    is($h->{transport}, $s == $w0 || $s == $w1 ? 'websocket' : 'polling',
        'handshake: transport');
    is($h->{query}{EIO}, '4', 'handshake: query');
    is(ref $h->{headers}, 'HASH', 'handshake: headers');
    ok(!exists $h->{auth}, 'handshake: what auth said is not kept');
    ok(!grep { /sid/ } keys %{$h->{query}}, 'handshake: no session id');
}

# Rooms.
is(names(ask(op => 'rooms', all => \1)), 'a b c', 'rooms of all');
is(names(ask(op => 'rooms', all => \1, nsp => '/custom')), 'a z',
    'of a namespace');
is(names(ask(op => 'rooms', room => 'b')), 'a b', 'of those in a room');
is(names(ask(op => 'rooms', sid => [$w1->{id}, $p0->{id}])), 'b c', 'of ids');
is(names(ask(op => 'rooms', all => \1, except => 'a')), 'b c', 'of the rest');
is(names(ask(op => 'rooms', room => 'nobody')), '', 'of nobody');

# Ids as rooms: one's own is none, another's is.
ask(op => 'join', sid => $w0->{id}, room => $w0->{id});
is(names(ask(op => 'rooms', all => \1)), 'a b c', 'own id joined: no room');
is(names(ask(op => 'rooms', sid => $w0->{id})), 'a b', 'own id: of it');
is_deeply([sort @{fetched(sid => $w0->{id}, fields => 'rooms')
    ->{$w0->{id}}{rooms}}], ['a', 'b'], 'own id: not with it');
is(ask(op => 'count', room => $w0->{id})->{count}, 1, 'own id: counted once');
ask(op => 'join', sid => $w1->{id}, room => $w0->{id});
is(names(ask(op => 'rooms', sid => $w1->{id})),
    join(' ', sort 'b', $w0->{id}), "another's id is a room");
is(names(ask(op => 'rooms', all => \1)), join(' ', sort qw/a b c/, $w0->{id}),
    'of all');
is_deeply([sort keys %{fetched(room => $w0->{id})}],
    [sort $w0->{id}, $w1->{id}], 'whose members are both');
is(ask(op => 'count', room => $w0->{id})->{count}, 2, 'counted');
ask(op => 'leave', all => \1, room => $w0->{id});

# Names of any kind, in commands and in results.
my @odd = ('__proto__', 'constructor', 'a#b', '/', 'a"b\\c', "\x01\n\t\x7f",
    'é€😀', "\x{2028}", 'x' x 1024, ' ', '€' x 341, 'null', '0', "a\0b");
ask(op => 'join', sid => $p1->{id}, room => \@odd);
is_deeply([sort @{fetched(room => $odd[0], fields => 'rooms')
    ->{$p1->{id}}{rooms}}], [sort @odd], 'odd names of a socket');
is_deeply([sort @{ask(op => 'rooms', sid => $p1->{id})->{rooms}}],
    [sort @odd], 'odd names as rooms');
for my $name (@odd) {
    is_deeply([keys %{fetched(in => $name)}], [$p1->{id}],
        'target: ' . substr to_json([$name]), 0, 20);
    is_deeply([sort keys %{fetched(all => \1, except => [$name])}],
        [sort map { $_->{id} } $w0, $w1, $p0], 'except');
}
for my $same ('{"room":"\u00e9\u20ac\ud83d\ude00"', '{"room":"a\u0022b\u005cc"',
    '{"room":"\u005f_proto_\u005F"', '{"\u0072oom":"a#\u0062"')
{
    is(from_json($t->http('POST', '/_publish', body =>
        "$same,\"op\":\"count\"}")->{body})->{count}, 1,
        "escapes are the same name: $same");
}
ask(op => 'leave', sid => $p1->{id}, room => \@odd);
is(names(ask(op => 'rooms', all => \1)), 'a b c', 'they are gone');

# Many rooms of many bytes: one socket is more than a hold copies.
my @many = map { sprintf('%03d ', $_) . '"' x 1020 } 1 .. 256;
for my $s ($w1, $p1) {
    ask(op => 'join', sid => $s->{id}, room => \@many);
}
$f = fetched(all => \1, fields => ['rooms', 'handshake', 'data']);
is_deeply([sort @{$f->{$p1->{id}}{rooms}}], \@many, '256 rooms of 1 KB');
is_deeply([sort @{$f->{$w1->{id}}{rooms}}], [@many, 'b'], 'and more');
is(keys %$f, 4, 'others as well');
is_deeply([sort @{ask(op => 'rooms', all => \1)->{rooms}}],
    [@many, 'a', 'b', 'c'], 'all rooms, each once');
is_deeply([sort @{ask(op => 'rooms', room => \@many)->{rooms}}],
    [@many, 'b'], 'rooms of a union, each once');
is_deeply([sort keys %{fetched(room => \@many)}],
    [sort $w1->{id}, $p1->{id}], 'union of 256 rooms: each once');
is_deeply([sort keys %{fetched(all => \1, except => \@many)}],
    [sort $w0->{id}, $p0->{id}], 'except 256 rooms');
is((ask(op => 'emit', room => \@many, except => $p1->{id}, event => 'u'))
    ->{count}, 1, 'emit to a union of 256');
is($w1->next_packet, '42["u"]', 'once');
is(($t->publish({ op => 'count', room => [@many, 'x'] }))[1]{error},
    'too_large', 'no more than 256');
ask(op => 'leave', all => \1, room => \@many);

# The limit of rooms: the rest is not joined.
ask(op => 'join', sid => $p0->{id}, room => [map { "l$_" } 1 .. 256]);
ask(op => 'join', sid => $p0->{id}, room => [map { "m$_" } 1 .. 256]);
is(scalar @{ask(op => 'rooms', sid => $p0->{id})->{rooms}}, 300,
    'no more than the limit');
ask(op => 'leave', sid => $p0->{id}, room => [map { "l$_" } 1 .. 256]);

# Forms of bodies.
my $r = $t->http('POST', '/_publish', body => to_json([
    { op => 'count', room => 'b' }, { op => 'fetch', room => 'b' },
    { op => 'rooms', room => 'a' }, { op => 'fetch', room => 'none' },
    { op => 'fetch' }, { op => 'count', all => \1 }]));
my $a = from_json($r->{body});
is_deeply([map { $_->{ok} ? $_->{count} : $_->{error} } @$a],
    [2, 2, 2, 0, 'no_target', 4], 'in an array');
is(scalar @{$a->[1]{sockets}}, 2, 'its sockets');
$r = $t->http('POST', '/_publish', body => join "\n", map { to_json($_) }
    { op => 'fetch', room => 'b' }, { op => 'rooms', room => 'a' });
is_deeply([map { scalar @{from_json($_)->{$_ =~ /"fetch"/ ? 'sockets'
    : 'rooms'}} } split /\n/, $r->{body}], [2, 2], 'as lines');

# Errors.
for my $bad ({ op => 'fetch', all => \1, fields => 'secret' },
    { op => 'fetch', all => \1, fields => ['rooms', 1] },
    { op => 'fetch', all => \1, fields => {} }, { op => 'fetch' },
    { op => 'rooms' }, { op => 'rooms', room => { } },
    { op => 'count', all => \1, room => 'a' })
{
    my ($status, $e) = $t->publish($bad);
    is($status, 400, 'refused: ' . to_json($bad));
    like($e->{error}, qr/^(bad_args|no_target|bad_target)$/, $e->{error});
}
$w0->emit(['/', 1], 'fetch');
is($w0->next_packet, '431[]', 'a hook asks in vain');
ok(eventually(sub { $t->log_lines(qr/invalid command: bad_op/) }),
    'which is logged');

# Thousands, over several holds and both lists.
my %crowd = map { $_ => 1 } $t->crowd(1500, '/crowd/', '/crowd');
is(ask(op => 'join', all => \1, nsp => '/crowd', room => 'half')->{count},
    1500, 'join of all');
$f = fetched(all => \1, nsp => '/crowd');
is(scalar keys %$f, 1500, 'all of them');
my @some = (sort keys %$f)[0 .. 249];
is(ask(op => 'leave', sid => \@some, nsp => '/crowd', room => 'half')->{count},
    250, 'some leave');
is_deeply(fetched(all => \1, nsp => '/crowd', except => 'half'),
    { map { $_ => { sid => $_ } } @some }, 'all but a big room');
is(scalar keys %{fetched(room => ['half', @some[0 .. 99]], nsp => '/crowd')},
    1350, 'a union');
for my $target ({ all => \1 }, { room => 'half' }, { all => \1,
    except => 'half' }, { room => ['half', @some] })
{
    is(ask(op => 'count', nsp => '/crowd', %$target)->{count},
        scalar keys %{fetched(%$target, nsp => '/crowd', fields =>
            ['rooms', 'data', 'handshake'])}, 'count is what is fetched');
}
is(ask(op => 'disconnect', all => \1, nsp => '/crowd', except =>
    [@some])->{count}, 1250, 'disconnect all but some');
is_deeply([sort keys %{fetched(all => \1, nsp => '/crowd')}], \@some,
    'who is left');

# Whoever asked has gone: nothing is left of it, and others are served.
for my $n (1 .. 3) {
    my $c = $t->connect;
    $c->request('POST', '/_publish', body => to_json([map { +{ op => 'fetch',
        all => \1, fields => ['handshake'] } } 1 .. 200]));
    $c->close;
}
is(ask(op => 'count', all => \1)->{count}, 4, 'still there');

$t->finish;
