#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Publish API and status are closed unless opened: not to other machines nor to
# who says that it is this one, not to web pages, whatever their name resolves
# to, and not to keys that are nearly right.  Fails if a header decides where a
# request is from, or a method, version or form of it comes round the question.

use v5.36;
use lib 't/lib';
use IO::Socket::UNIX ();
use Test::More;
use Test::SocketIO qw/eventually from_json/;
use Test::SocketIO::Attack;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);
my $key = 'k' x 31 . 'y';

sub server ($listen, $more) {
    return "server { listen $listen; $more\n" . <<"CONF";
        location = /_publish { socketio_publish test; }
        location = /_status { socketio_status test; }
        location = /bearer { socketio_publish test bearer=$key bearer=second-key-of-two; }
        location = /pid { return 200 \$pid; }
    }
CONF
}

$t->run_echo(server => QUICK . <<"CONF", http => join '',
        location = /bearer { socketio_publish test bearer=$key bearer=second-key-of-two; }
        location = /open { socketio_publish test open; deny 127.0.0.1; allow all; }
CONF
    server('127.0.0.1:' . $t->port(1) . ' reuseport', 'server_name api.example *.wild.example tail.* '
        . '.both.example "~^r\d+\.example$";'),
    server('127.0.0.1:' . $t->port(2) . ' reuseport', 'set_real_ip_from 127.0.0.0/8; '
        . 'real_ip_header X-Real-IP;'),
    server('unix:' . $t->dir . '/sock', ''));

besieged($t);

my $command = '{"op":"count","all":true}';

sub publish (%o) {
    my $r = $t->http('POST', $o{path} // '/_publish', body => $command, %o);
    return $r ? $r->{status} : 'none';
}

sub look (%o) {
    my $r = $t->http('GET', '/_status', %o);
    return $r ? $r->{status} : 'none';
}

sub at ($n, %o) { return (conn => $t->connect(port => $t->port($n)), %o) }

is(publish(), 200, 'this machine may publish');
is(look(), 200, 'and look');

# Pages
for my $origin ('http://evil.example', 'null', '', 'http://127.0.0.1:'
    . $t->port, 'http://localhost', 'chrome-extension://x')
{
    is(publish(headers => { Origin => $origin }), 403,
        "no page may publish: '$origin'");
    is(look(headers => { Origin => $origin }), 403, "nor look: '$origin'");
}

# A page whose own name resolves to this machine
for my $host ('evil.example', 'EVIL.example:80', 'evil.example.', '127.0.0.1.x',
    '127.0.0.1.evil.example', 'localhost.evil.example', '1.2.3.4x.example',
    'x.127.0.0.1', 'api.example.evil', 'xn--a.example', 'api.example')
{
    is(publish(host => $host), 403, "nobody publishes to $host");
    is(look(host => $host), 403, "nobody looks at $host");
}
for my $host ('127.0.0.1', '127.0.0.1:' . $t->port, '[::1]', '[::1]:80',
    'localhost', 'LocalHost:8080', 'edge', '10.1.2.3')
{
    is(publish(host => $host), 200, "to $host anybody here may");
}
is(publish(host => undef, version => '1.0'), 200, 'without Host, no browser');

for my $host ('api.example', 'API.example:80', 'a.wild.example',
    'a.b.wild.example', 'tail.example', 'both.example', 'a.both.example',
    'r12.example')
{
    is(publish(at(1, host => $host)), 200, "$host is in server_name");
}
for my $host ('xapi.example', 'wild.example', 'xwild.example', 'xtail.example',
    'xboth.example', 'rx.example', 'r12.example.evil', 'x.api.example')
{
    is(publish(at(1, host => $host)), 403, "$host is not");
}

# Who says where it is from
for my $ip ('127.0.0.1', '127.0.0.2', '::1', 'unix:', '::ffff:127.0.0.1',
    '127.1', '10.0.0.1')
{
    my %h = ('X-Forwarded-For' => $ip, 'X-Real-IP' => $ip, Forwarded =>
        "for=$ip", 'X-Client-IP' => $ip, 'True-Client-IP' => $ip);
    my $self = $ip eq '127.0.0.1' || $ip eq '127.1';
    is(publish(headers => \%h), 200, "headers are not asked: $ip");
    is(publish(at(2, headers => \%h)),
        $ip eq '127.0.0.1' || $ip =~ /^(?:unix:|127\.1)$/ ? 200 : 403,
        "real_ip_header is not believed: $ip");
}
is(publish(path => '/open'), 403, 'open is as open as the location is');

# Methods, versions, forms
for my $method (qw/GET HEAD PUT DELETE OPTIONS PATCH TRACE CONNECT PROPFIND/) {
    my $c = $t->connect;
    $c->send("$method /_publish HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    like(($c->response(5, $method) // { status => 'closed' })->{status},
        qr/^40[0135]$|closed/, "no $method instead");
    $c = $t->connect;
    $c->send("$method /bearer HTTP/1.1\r\nHost: x\r\n\r\n");
    like(($c->response(5, $method) // { status => 'closed' })->{status},
        qr/^40[0135]$|closed/, "no $method without its key");
    next if $method eq 'GET' || $method eq 'HEAD';
    is($t->http($method, '/_status')->{status}, $_, "$method of the status")
        for $method =~ /TRACE|CONNECT/ ? 405 : 405;
}
{
    my $c = $t->connect;
    $c->send("GET /_status\r\n\r\n");
    ok($c->closed, 'HTTP/0.9 ends');
    unlike($c->{in}, qr/closed.*HTTP/s, 'with the status or an error');

    for my $path ('//_publish', '/_publish/', '/./_publish', '/x/../_publish',
        '/%5fpublish', '/_publish?x', '/_publish#x', '/_PUBLISH')
    {
        my $s = publish(path => $path, host => 'evil.example');
        like($s, qr/^40[034]$/, "no way round: $path");
    }
}

# Keys
my $b = 'Bearer ';
for my $no ('', 'Bearer', $b, $key, "Basic $key", "$b$key ", $b . $key . 'x',
    $b . substr($key, 0, -1), $b . substr($key, 1), $b . uc $key, "$b x$key",
    "$b$key,$key", "$b\"$key\"", $b . 'k' x 32, $b . $key x 2, "Bearer\t$key",
    $b . 'x' x 4000, $b . substr($key, 0, 1), "${b}second-key-of-tw",
    "$b${key}second-key-of-two", "Digest $key", "${b}%6b" . substr($key, 1))
{
    my $sent = $no =~ s/\s+$//r;
    is(publish(path => '/bearer', headers => { Authorization => $no }),
        $sent eq "$b$key" ? 200 : 401, 'not the key: ' . substr $no, 0, 50);
}
is(publish(path => '/bearer', headers => { Authorization => "$b$_" }), 200,
    'the key') for $key, 'second-key-of-two';
ok($t->read_file('logs/error.log') !~ /\Q$key\E/, 'keys are in no log');
is(publish(path => "/bearer?bearer=$key&access_token=$key&key=$key"), 401,
    'not in the query');
is(publish(path => '/bearer', headers => { Cookie => "bearer=$key" }), 401,
    'not in a cookie');
is(publish(path => '/bearer', headers => { Authorization => "$b$key",
    Origin => 'http://evil.example' }), 200, 'a key says it, not the page');

# A unix socket is this machine, whatever the name
{
    my $s = IO::Socket::UNIX->new(Peer => $t->dir . '/sock');
    print {$s} "POST /_publish HTTP/1.1\r\nHost: whatever.example\r\n"
        . "Connection: close\r\nContent-Length: " . length($command)
        . "\r\n\r\n$command";
    local $/;
    like(scalar <$s>, qr/^HTTP\S+ 200 /, 'by unix socket any name will do');
    $s = IO::Socket::UNIX->new(Peer => $t->dir . '/sock');
    print {$s} "POST /_publish HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
        . "Connection: close\r\nContent-Length: " . length($command)
        . "\r\n\r\n$command";
    like(scalar <$s>, qr/^HTTP\S+ 403 /, 'but no page');
}

# Nothing of a request is in an answer as HTML, or runs as a script.
{
    my $x = '<script>alert(1)</script>';
    my @r = ($t->http('POST', '/_publish', body => qq({"op":"$x"})),
        $t->http('POST', '/_publish', body => $x),
        $t->http('POST', '/_publish', body => qq({"op":"fetch","room":"$x"})),
        $t->http('POST', '/_publish', body => qq({"op":"rooms","nsp":"$x"})),
        $t->http('POST', "/_publish?callback=$x&j=1&jsonp=$x",
            body => $command),
        $t->http('GET', "/_status?callback=$x&j=1"),
        $t->http('GET', "/socket.io/?EIO=$x&transport=polling"),
        $t->http('GET', "/socket.io/?EIO=4&transport=$x"),
        $t->http('GET', "/socket.io/?EIO=4&transport=polling&sid=$x"),
        $t->http('GET', "/socket.io/?EIO=4&transport=polling&j=$x"),
        $t->http($x, '/socket.io/'));

    for my $r (grep { $_ } @r) {
        unlike($r->{head} . $r->{body}, qr/<script>alert/,
            "$r->{status}: nothing comes back as it was");
        unlike($r->{headers}{'content-type'} // '', qr/javascript/,
            "$r->{status}: no script");
    }
}

# The example in README.md is one that nginx takes.
{
    open my $f, '<', Test::SocketIO::root() . '/README.md' or die $!;
    local $/;
    my ($conf) = <$f> =~ /^## Security\n.*?^```nginx\n(.*?)^```$/ms;
    $conf =~ s{/run/nginx/}{$t->dir . '/'}ge;
    my ($rc, $out) = $t->test_conf("%%TEST_GLOBALS%%\nevents { }\n"
        . ($conf =~ s/^http \{$/http {\n%%TEST_GLOBALS_HTTP%%/mr));
    is($rc, 0, 'the example of how to be safe') or diag($out);
}

clean();
$t->finish;
