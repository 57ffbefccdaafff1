#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# socketio_client: the client's own files below the path of Engine.IO, with
# all that nginx does for static files, and nothing but those names.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;
use IO::Uncompress::Gunzip qw/gunzip/;

my $t = Test::SocketIO->new(workers => 2);
my %file;

mkdir $t->dir . '/dist';
for my $name ('', '.min', '.esm.min', '.msgpack.min') {
    for my $map ('', '.map') {
        my $file = "socket.io$name.js$map";
        $file{$file} = "/* $file */\n" . 'x' x 3000 . "\n";
        $t->write_file("dist/$file", $file{$file});
    }
}
$t->write_file('dist/other.js', 'secret');
$t->write_file('secret.js', 'secret');

$t->run_echo(http => 'gzip_types application/javascript;', server => <<'CONF',
        location /off/ {
            socketio test;
            socketio_hook off;
            socketio_client off;
        }
        location /gzip/ {
            socketio test;
            socketio_hook off;
            gzip on;
        }
        location /slashless {
            socketio test;
            socketio_hook off;
        }
        location /list/ {
            socketio test;
            socketio_hook off;
            socketio_origins https://app.example;
        }
        location /any/ {
            socketio test;
            socketio_hook off;
            socketio_origins *;
        }
        location /cache/ {
            socketio test;
            socketio_hook off;
            open_file_cache max=10;
            open_file_cache_errors on;
        }
        location /missing/ {
            socketio test;
            socketio_hook off;
            socketio_client no;
        }
        location ~ ^/regex/ {
            socketio test;
            socketio_hook off;
        }
        socketio_client dist/;
CONF
);

my $path = '/socket.io/';
my $js = 'socket.io.js';

sub get ($uri, %o) { return $t->http('GET', $uri, %o) }

for my $name (sort keys %file) {
    my $r = get("$path$name");
    my $type = $name =~ /map$/ ? 'json' : 'javascript';
    is($r->{status}, 200, "sio 123: $name");
    is($r->{body}, $file{$name}, "sio 123: $name, all of it");
    is($r->{headers}{'content-type'}, "application/$type; charset=utf-8",
        "sio 123: $name, type");
    is($r->{headers}{'content-length'}, length $file{$name},
        "sio 123: $name, length");
    is($r->{headers}{'cache-control'}, 'public, max-age=0',
        "sio 123: $name, Cache-Control");
    like($r->{headers}{etag} // '', qr/^"[^"]+"$/, "sio 123: $name, ETag");
    like($r->{headers}{'last-modified'} // '', qr/ GMT$/,
        "sio 123: $name, Last-Modified");
    is($r->{headers}{'accept-ranges'}, 'bytes', "sio 123: $name, ranges");
}

is(get("$path$js?$_")->{body}, $file{$js}, "sio 123: query $_")
    for 'v=1', 'EIO=4&transport=polling', 'sid=unknown';
is(get('/socket%2eio/socket.io%2Ejs')->{body}, $file{$js},
    'sio 123: as nginx normalizes it');
is(get("/slashless/$js")->{body}, $file{$js},
    'sio 123: a location without its final slash');

my $r = $t->http('HEAD', "$path$js");
is($r->{status}, 200, 'sio 123: HEAD');
is($r->{headers}{'content-length'}, length $file{$js}, 'sio 123: its length');
is($r->{body}, '', 'sio 123: no body');

my $c = $t->connect;
for my $method ('POST', 'PUT', 'DELETE', 'OPTIONS') {
    $r = $t->http($method, "$path$js", body => 'x', conn => $c);
    is($r->{status}, 405, "$method is not for files (in Node all methods are)");
}
is(get("$path$js", conn => $c)->{status}, 200, 'the connection goes on');

# Validators
my $etag = $r->{headers}{etag};
$r = get("$path$js");
$etag = $r->{headers}{etag};
my $mtime = $r->{headers}{'last-modified'};
for my $match ($etag, "W/$etag", '*', qq("x", W/$etag)) {
    $r = get("$path$js", headers => { 'If-None-Match' => $match });
    is($r->{status}, 304, "sio 124: If-None-Match: $match");
    is($r->{body}, '', 'sio 124: no body');
    is($r->{headers}{etag}, $etag, 'sio 124: ETag');
    is($r->{headers}{'cache-control'}, 'public, max-age=0',
        'sio 124: Cache-Control');
}
for my $match ('"x"', substr($etag, 0, -2) . '"', $etag . 'x') {
    is(get("$path$js", headers => { 'If-None-Match' => $match })->{status},
        200, "sio 124: If-None-Match: $match, another");
}
is(get("$path$js", headers => { 'If-Modified-Since' => $mtime })->{status},
    304, 'sio 124: If-Modified-Since');
is(get("$path$js", headers => { 'If-Modified-Since' =>
    'Thu, 01 Jan 1970 00:00:00 GMT' })->{status}, 200,
    'sio 124: If-Modified-Since, another');
isnt(get("${path}socket.io.min.js.map")->{headers}{etag}, $etag,
    'ETags differ by file');

$r = get("$path$js", headers => { Range => 'bytes=3-6' });
is($r->{status}, 206, 'a range');
is($r->{body}, substr($file{$js}, 3, 4), 'its bytes');

# Encodings
my %gzip = (headers => { 'Accept-Encoding' => 'gzip, br' });
$r = get("/gzip/$js", %gzip);
is($r->{headers}{'content-encoding'}, 'gzip', 'sio 125: gzip');
gunzip(\$r->{body} => \my $plain);
is($plain, $file{$js}, 'sio 125: decodes to the file');
is($r->{headers}{'content-type'}, 'application/javascript; charset=utf-8',
    'sio 125: type');
is($r->{headers}{etag}, "W/$etag", 'sio 125: the ETag is weak then');
is(get("/gzip/$js", headers => { 'If-None-Match' => "W/$etag", 'Accept-Encoding'
    => 'gzip' })->{status}, 304, 'sio 124: and matches');
ok(!get("/gzip/$js.map", %gzip)->{headers}{'content-encoding'},
    'sio 125: a type that is not in gzip_types');
ok(!get("$path$js", %gzip)->{headers}{'content-encoding'},
    'sio 125: gzip off');

# CORS: whoever asks gets the file, and who may read it is told to browsers.
sub cors ($path, $origin, $want, $vary) {
    my $r = get("$path$js", headers => { Origin => $origin });
    my $name = "sio 125: $path from $origin";
    is($r->{status}, 200, $name);
    is($r->{headers}{'access-control-allow-origin'}, $want, "$name: CORS");
    is($r->{headers}{vary}, $vary, "$name: Vary");
    return $r;
}

$r = cors('/list/', 'https://app.example', 'https://app.example', 'Origin');
is($r->{headers}{'access-control-allow-credentials'}, 'true',
    'sio 125: credentials');
cors('/list/', 'https://evil.example', undef, 'Origin');
cors('/any/', 'https://evil.example', '*', undef);
cors($path, 'https://evil.example', undef, undef);
cors($path, "https://evil\x01.example", undef, undef);
is(get("/list/$js")->{headers}{vary}, 'Origin',
    'sio 125: Vary for caches also without an Origin');
$r = get("/list/$js", headers =>
    { 'If-None-Match' => $etag, Origin => 'https://app.example' });
is($r->{status}, 304, 'sio 125: 304 with an Origin');
is($r->{headers}{'access-control-allow-origin'}, 'https://app.example',
    'sio 125: has CORS headers');
$r = $t->http('OPTIONS', "/list/$js", headers => { Origin =>
    'https://app.example', 'Access-Control-Request-Method' => 'GET' });
is($r->{status}, 204, 'sio 125: preflight');

# Everything else is Engine.IO's, and off is off.
my $error = '{"code":0,"message":"Transport unknown"}';
for my $uri (map({ "$path$_" } 'foo.js', 'other.js', 'socket.io.js.map.map',
        'socket.io.jsx', 'xsocket.io.js', 'socket.io', 'Socket.io.js',
        'socket.io.js/', 'x/socket.io.js', '/x/socket.io.js', '.map', '',
        'socket.io.js%00', 'socket.io.min', '%2e%2e%2fsocket.io/foo.js'),
        map({ "/off/$_" } keys %file), "/regex/$js")
{
    $r = get($uri);
    next if $uri =~ /%00/ && $r->{status} == 400;
    is($r->{status}, 400, "sio 126: $uri");
    is($r->{body}, $error, "sio 126: $uri, code 0");
}
is(get("$path../secret.js")->{status}, 404, 'outside of the path: not ours');
is(get("${path}other.js?EIO=4&transport=polling")->{status}, 200,
    'sio 126: a handshake has any path');

$r = get("/missing/$js");
is($r->{status}, 404, 'a file that is not there');
ok(!exists $r->{headers}{'cache-control'}, 'is not to be cached');
is(scalar $t->log_lines(qr/open\(\) ".*\/no\/socket\.io\.js" failed/), 1,
    'and nginx says so');

for my $try (1 .. 3) {
    is(get("/cache/$js", worker => 0)->{body}, $file{$js},
        'open_file_cache');
}

unlink $t->dir . "/dist/$js";
mkdir $t->dir . "/dist/$js";
is(get("$path$js")->{status}, 404, 'a directory of that name');

my ($rc, $out) = $t->test_location('= /x/', 'socketio_client /tmp;');
isnt($rc, 0, 'refused in an exact location');
like($out, qr/"socketio_client" is useless/, 'with the reason');
($rc, $out) = $t->test_location('~ /x/', 'socketio_client /tmp;');
isnt($rc, 0, 'refused in a location by regular expression');
($rc, $out) = $t->test_location('/x/', 'socketio_client $host;');
like($out, qr/must be without variables/, 'no variables');
($rc, $out) = $t->test_location('/x/', 'socketio_client a; socketio_client b;');
like($out, qr/is duplicate/, 'once');
($rc, $out) = $t->test_location('/x/', 'socketio_client off;');
is($rc, 0, 'off') or diag($out);

$t->finish;
