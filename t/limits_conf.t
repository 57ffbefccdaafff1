#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# What "nginx -t" says about socketio_limits and socketio_message_timeout:
# wrong, useless and contradictory values are refused, with their name and
# value; what one level says is not held against another one.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $t = Test::SocketIO->new;

# (location, server) as lines
sub conf ($location, $server = '') {
    return $t->test_conf(<<"CONF");
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 1m;
    server {
        listen 127.0.0.1:%%PORT%%;
        $server
        location /socket.io/ {
            socketio test;
            socketio_hook off;
            $location
        }
    }
}
CONF
}

sub good ($name, @conf) {
    my ($rc, $out) = conf(@conf);
    is($rc, 0, $name) or diag($out);
}

sub bad ($like, @conf) {
    my ($rc, $out) = conf(@conf);
    isnt($rc, 0, "refused: @conf");
    like($out, $like, "... and says why");
}

sub limits ($value) { return "socketio_limits $value;" }

good('all of them', limits('sessions=9 per_ip=9 rate=100r/s burst=200
    bytes=1m namespaces=2 rooms=3 attachments=4 attached=1m acks=5'));
good('all off', limits('sessions=off per_ip=off rate=off bytes=off
    attached=off'));
good('a rate of a minute', limits('rate=30r/m'));
good('a rate without Socket.IO',
    'socketio_protocol engine.io; ' . limits('rate=9r/s bytes=9k per_ip=9'));
good('a time', 'socketio_message_timeout 5s;');

my $name = qr/"socketio_limits": /;

for (qw/per_ip=0 per_ip=x per_ip= per_ip=-1 per_ip=99999999999/) {
    bad(qr/$name"$_" is neither "off" nor a number/, limits($_));
}

for (qw(rate=0r/s rate=9 rate=9r rate=r/s rate=9r/h rate=-1r/s
        rate=1000001r/s rate=))
{
    bad(qr/$name"\Q$_\E" is neither "off" nor a rate such as 100r\/s/,
        limits($_));
}

for (qw/bytes=0 bytes=1023 bytes=3g bytes=x bytes=/) {
    bad(qr/$name"$_" is neither "off" nor a size, 1k to 2g/, limits($_));
}

for (qw/burst=0 burst=x burst=off burst=1000001/) {
    bad(qr/$name"$_" must be 1 to 1000000/, limits("rate=9r/s $_"));
}

for (['per_ip=2', 'per_ip=3'], ['rate=1r/s', 'rate=off'],
     ['bytes=2k', 'bytes=2k'], ['burst=2', 'burst=3'])
{
    my ($first, $second) = @$_;
    bad(qr/$name"\Q$second\E" is duplicate/,
        limits("rate=1r/s $first $second") =~ s/rate=1r\/s (?=rate)//r);
}

bad(qr/location "\/socket.io\/": "socketio_limits burst=5" is useless without "rate="/,
    limits('burst=5'));
bad(qr/burst=5" is useless without "rate="/, limits('rate=off burst=5'));
bad(qr/burst=5" is useless without "rate="/, limits('burst=5'),
    limits('rate=off'));
good('a burst for an inherited rate', limits('burst=5'), limits('rate=9r/s'));
good('an inherited burst where there is no rate', limits('rate=off'),
    limits('rate=9r/s burst=5'));

bad(qr/"socketio_limits per_ip=10" is useless with "sessions=9"/,
    limits('sessions=9 per_ip=10'));
bad(qr/"socketio_limits per_ip=10" is useless with "sessions=9"/,
    limits('per_ip=10'), limits('sessions=9'));

bad(qr/"socketio_limits rate=" of 4 events a minute is less than twice the pings of "socketio_ping_interval"/,
    limits('rate=4r/m'));
bad(qr/"socketio_limits rate=" of 60 events a minute/,
    limits('rate=1r/s') . 'socketio_ping_interval 1s;');
good('rare pings need less', limits('rate=4r/m')
    . 'socketio_ping_interval 40s;');

bad(qr/"socketio_message_timeout": "0" must be more than zero/,
    'socketio_message_timeout 0;');
bad(qr/"socketio_message_timeout": "2d" must be one day at the most/,
    'socketio_message_timeout 2d;');
bad(qr/"socketio_message_timeout" directive is duplicate/,
    'socketio_message_timeout 1s; socketio_message_timeout 1s;');

done_testing();
