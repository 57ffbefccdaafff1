#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Floods of what a client or a backend can cause at will: each condition has one
# line in the error log, the others are counted; and what a client sends gets
# into a log escaped and cut.  Fails if a condition is logged each time, or not
# at all, or if a line can be forged.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 1);
mkdir $t->dir . "/$_" or die $! for 'dist', 'dist/socket.io.js';

my $b = $t->run_hook(sub ($events, @) {
    my ($e) = @$events;
    my ($name, @args) = ($e->{event} // '', @{$e->{args} // []});
    my %reply = (
        status => sub { (status => $args[0], body => '') },
        invalid => sub { body => '{"op":"none"}' },
        garbage => sub { body => '<html>' },
        large => sub { body => '{}' . ' ' x 1_200_000 },
        slow => sub { hold => 'slow' },
    );
    my $r = $reply{$name} or return [];
    return Test::SocketIO::Backend::reply($r->());
}, zone => '1m', socketio => '
        socketio_hook_batch off;
        socketio_hook_timeout 300ms;
        socketio_max_payload 1k;
        socketio_client dist;
    ', server => '
        location = /_status { socketio_status test json; }
        location = /log { access_log logs/own.log own; return 200 ok; }
        location /own/ {
            socketio test;
            socketio_hook off;
            access_log logs/own.log own;
        }
    ', http => "log_format own '\$socketio_error';");

sub lines ($re) { return scalar $t->log_lines(qr/\[(?:warn|error|crit)\].*$re/) }
sub unsaid () { return Test::SocketIO::from_json(
    $t->http('GET', '/_status')->{body})->{log}{suppressed} }

my $n = 12;
my $p = $t->connected('polling');

for (['status', 500, qr/failed batch \S+ of 1 events: status 500/],
    ['status', 404, qr/failed batch \S+ of 1 events: status 404/],
    ['status', 303, qr/failed batch \S+ of 1 events: status 303/],
    ['invalid', 0, qr/with an invalid command: bad_op/],
    ['garbage', 0, qr/with an invalid command: bad_json/],
    ['large', 0, qr/answer is larger than/])
{
    my ($name, $arg, $re) = @$_;
    my $had = unsaid();
    my $seen = () = $b->events('event');
    $p->post($p->payload(map { qq{42["$name",$arg]} } 1 .. $n));
    $b->wait_events('event', $seen + $n, 20);
    ok(eventually(sub { unsaid() - $had >= $n - 1 }, 20),
        "$n times $name $arg: counted") || diag(unsaid() - $had);
    is(lines($re), 1, 'one line');
}

# nobody answers in time
my $had = unsaid();
$p->post($p->payload(('42["slow"]') x 3));
ok(eventually(sub { unsaid() - $had >= 4 }, 20), 'late answers: counted');
is(lines(qr/time is up/), 1, 'one line');
is(lines(qr/socketio call timed out/), 1, 'and one of the call');
$b->release('slow');

# the zone
my $busy = 0;
my $c = $t->connect;
for (1 .. 10_000) {
    $c = $t->connect if $c->{eof};
    my $r = $t->http('GET', '/own/?EIO=4&transport=polling', conn => $c);
    $c->_fill(0);
    last if $r->{status} != 200 && ++$busy == $n;
}
is($busy, $n, 'the zone is full');
is(lines(qr/zone "test" is full: a session refused/), 1, 'one line');

# a file of the client that is none
is($t->http('GET', '/socket.io/socket.io.js')->{status}, 404, 'no file')
    for 1 .. 3;
is(lines(qr/is not a regular file/), 1, 'one line');

# what a client sends: into the error log, and one of variables
my $forged = '2030/01/01 00:00:00 [warn] 1#1: forged';
my $long = 'x' x 5000;
for my $s ("\n$forged", "\r\n$forged", "\e[2J\0\"\\", $long) {
    my $enc = $s =~ s/([^A-Za-z0-9])/sprintf '%%%02x', ord $1/ger;
    $t->http('GET', "/own/?EIO=$enc&transport=$enc&sid=$enc");
    $t->http('GET', "/own/?EIO=$enc&transport=polling");
    $t->http('GET', "/own/?EIO=4&transport=polling&sid=$enc");
    $t->http('GET', '/own/?EIO=4&transport=polling', headers =>
        { Origin => $s =~ s/[\r\n\0]//gr });
}
my @lines = split /\n/, $t->read_file('logs/error.log');
is(scalar(grep { /^\Q$forged\E/ } @lines), 0, 'no line is forged');
is(scalar(grep { !m|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: | }
    @lines), 0, 'all lines are of nginx') || diag(grep { !m|^\d{4}/| } @lines);
is(scalar(grep { /[\0-\x1f\x7f]/ && /socketio refused/ } @lines), 0,
    'no control characters');
is(scalar(grep { length > 2100 } @lines), 0, 'and none is long');
my $own = $t->read_file('logs/own.log');
unlike($own, qr/\n\Q$forged\E|[\0-\x09\x0b-\x1f]/, 'nor in an access log');
is(scalar(grep { length > 300 } split /\n/, $own), 0, 'or long');

$t->finish;
