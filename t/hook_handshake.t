#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What a backend is told about a client, and through what it is told: address,
# headers, values with variables, and what the server around the hook does to
# its requests.  Fails if a client can put in, or push out, a header that the
# administrator answers for, if an address is nginx's own, or if a setting of
# the server holds up hooks in silence.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply echo/;

my $t = Test::SocketIO->new(workers => 2);
my $b = $t->backend(sub ($events, @) { return echo($events) });

my $conf = <<'CONF';
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 8m;
    socketio_eio 4;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    map $arg_user $known { default ""; 42 "user-42"; }
    server {
        listen %%LISTEN%%;
        server_name edge.example;
        location = /pid { return 200 $pid; }
        location /socket.io/ { socketio test; socketio_hook /_hook; }
        location /more/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_headers X-Custom x-many host "x-user=$known"
                                  "X-Where=$server_name/$arg_user" x-none=
                                  x-copy=$http_x_long;
        }
        location /off/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
        }
        location /denied/ { socketio test; socketio_hook /_denied; }
        location /basic/ { socketio test; socketio_hook /_basic; }
        location /gone/ { socketio test; socketio_hook /_gone; }
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:%%B%%/events;
            proxy_set_header X-Addr $remote_addr;
            proxy_set_header X-Binary $binary_remote_addr;
            client_max_body_size 1;
        }
        location = /_denied {
            internal;
            deny all;
            proxy_pass http://127.0.0.1:%%B%%/denied;
        }
        location = /_basic {
            internal;
            auth_basic hook;
            auth_basic_user_file %%DIR%%/users;
            proxy_pass http://127.0.0.1:%%B%%/basic;
        }
    }
}
CONF

$t->write_file('users', '');
$t->run($conf, B => $b->port);

sub ws ($path, %o) {
    my $ws = $t->websocket(host => 'edge.example', %o,
        path => "$path?EIO=4&transport=websocket" . ($o{query} // ''));
    $ws->open_packet;
    $ws->{id} = $ws->sio_connect;
    return $ws;
}

sub handshake ($s, $nsp = '/') {
    my ($e) = grep { $_->{sid} eq $s->{id} } $b->wait_events('connect', 1);
    return $e->{handshake};
}

sub requests ($s) {
    return grep { grep { $_->{sid} eq $s->{id} } @{$_->{events}} } $b->requests;
}

# The address is the client's as nginx knows it.
my %real = (headers => { 'X-Real-IP' => '192.0.2.7' });
my $ws = ws('/socket.io/', %real);
is(handshake($ws)->{address}, '192.0.2.7', 'address');
is((requests($ws))[0]{headers}{'x-addr'}, '127.0.0.1',
    '$remote_addr of a batch is nobody');

for my $case (['/off/', %real], ['/off/', headers => { 'X-Real-IP' =>
    '2001:db8::7' }])
{
    my ($path, %o) = @$case;
    my $real = $o{headers}{'X-Real-IP'};

    $ws = ws($path, %o);
    is(handshake($ws)->{address}, $real, "$real: address");
    $ws->emit('x');
    is($ws->next_packet, '42["echo"]', "$real: an event");
    is_deeply([map { $_->{headers}{'x-addr'} } requests($ws)], [$real, $real],
        "$real: \$remote_addr, batch off");
}

# By default five headers, no others.
my %headers = (Cookie => 'a=b', Authorization => 'Basic x',
    'User-Agent' => "\"t\\\t1", Origin => 'http://edge.example',
    'X-User' => 'evil', Accept => '*/*', Referer => 'http://edge.example/');
$ws = ws('/socket.io/', headers => { %headers });
is_deeply(handshake($ws)->{headers}, { host => 'edge.example',
    map { lc $_ => $headers{$_} } qw/Cookie Authorization User-Agent Origin/ },
    'headers by default');
my ($r) = requests($ws);
ok(!(grep { exists $r->{headers}{lc $_} } qw/Cookie Authorization User-Agent
    Origin X-User Referer/), 'none of them is one of the request');

# Those named, and values of the administrator's.
my $named = sub (%o) { return handshake(ws('/more/', %o))->{headers} };
is_deeply($named->(query => '&user=42', headers => { 'x-cUSTOM' => 'C',
    'X-User' => 'evil', 'X-Where' => 'evil', 'X-Many' => 'one',
    Cookie => 'a=b' }),
    { 'x-custom' => 'C', 'x-many' => 'one', host => 'edge.example',
      'x-user' => 'user-42', 'x-where' => 'edge.example/42', 'x-none' => '',
      'x-copy' => '' },
    'headers by name, values with variables in place of what was sent');
is_deeply($named->(headers => { 'X-User' => 'evil' }),
    { host => 'edge.example', 'x-user' => '', 'x-where' => 'edge.example/',
      'x-none' => '', 'x-copy' => '' }, 'also where they are empty');

# However much a client says about itself: headers and queries that leave any
# number of bytes.
for my $case (['a header', sub ($n) { headers => { 'X-Custom' => 'c' x $n } }],
    ['a query', sub ($n) { query => '&user=42&q=' . 'q' x $n }],
    ['many', sub ($n) { query => '&user=42' . '&q=q' x 40
        . join '', map { "&$_=" . 'q' x ($n / 60) } 1 .. 60 }])
{
    my ($name, $o) = @$case;
    my @bad = grep {
        my $h = $named->(query => '&user=42', $o->($_));
        ($h->{'x-user'} // '') ne 'user-42'
            || ($h->{'x-where'} // '') ne 'edge.example/42'
    } map { 3000 + 25 * $_ } 0 .. 40;
    is("@bad", '', "$name: what is said of a client stays");
}

is_deeply([map { length($_->{'x-copy'} // '') } map { $named->(headers => {
    'X-Long' => 'l' x $_ }) } 1000, 3000, 5000], [1000, 3000, 0],
    'a value beyond that, where there is room');

# Later namespaces see the same, taken when the session was opened.
$ws = ws('/more/', query => '&user=42');
my $first = handshake($ws);
is_deeply([sort keys %$first], [sort qw/address secure time transport eio url
    query headers auth/], 'members of the handshake');
is_deeply($first->{query}, { EIO => 4, transport => 'websocket', user => 42 },
    'query');
is($first->{url}, '/more/?EIO=4&transport=websocket&user=42', 'url');

# What the server does to hooks is seen.
for my $case (['/denied/', 403], ['/basic/', 401], ['/gone/', 404]) {
    my ($path, $status) = @$case;

    $ws = ws($path);
    is($ws->{refused}, '44{"message":"service unavailable"}',
        "$path: nobody gets in");
    ok($t->log_lines(qr/"\/_\w+" failed batch .* status $status/),
        "$path: the log says why");
}

is(scalar(my @wrong = grep { $_->{uri} ne '/events' } $b->requests), 0,
    'and the backend has seen nothing of it');

# nginx -t.
sub bad ($name, $like, $line) {
    my ($rc, $out) = $t->test_location('/socket.io/', $line);
    isnt($rc, 0, "$name: refused");
    like($out, $like, $name);
}

bad('twice', qr/"socketio_hook_headers": "A" is duplicate/,
    'socketio_hook_headers a A;');
bad('client and value', qr/"socketio_hook_headers": "a=1" is duplicate/,
    'socketio_hook_headers a a=1;');
bad('no name', qr/"socketio_hook_headers": "=1" is not the name of a header/,
    'socketio_hook_headers =1;');
bad('no such name', qr/"socketio_hook_headers": "a b" is not the name/,
    'socketio_hook_headers "a b";');
bad('unknown variable', qr/unknown "nope" variable/,
    'socketio_hook_headers x=$nope;');

$t->finish;
