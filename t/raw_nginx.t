#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Engine.IO alone without a backend: an echo of nothing but nginx, as README
# has it, and what variables say of open, message and close.  Fails if a
# message is not what came, if what a client sends gets out of the JSON string
# that it is in, or if a variable speaks of another event.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually to_json from_json/;

my $t = Test::SocketIO->new(workers => 2, alarm => 60);

$t->run(<<'CONF');
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone chat 8m;
    log_format event escape=none
        '$socketio_type\t$socketio_nsp\t$socketio_event\t$socketio_ack\t'
        '$socketio_args\t$socketio_attachments\t$socketio_message\t'
        '$socketio_transport\t$socketio_eio\t$socketio_reason\t'
        '$socketio_data\t$socketio_sid\t$socketio_id\t$socketio_handshake';
    log_format client '$socketio_transport|$socketio_eio|$socketio_reason|'
        '$socketio_error';
    server {
        listen %%LISTEN%%;
        location = /pid { return 200 $pid; }
        location /engine.io/ {
            socketio           chat;
            socketio_protocol  engine.io;
            socketio_hook      /_echo;
            socketio_hook_batch  off;
            access_log %%DIR%%/logs/client.log client;
        }
        location = /_echo {
            internal;
            access_log %%DIR%%/logs/event.log event;
            log_subrequest on;
            default_type  application/json;
            if ($socketio_type = message) {
                return 200 '{"op":"send",$socketio_message}';
            }
            if ($socketio_type = open) {
                return 200 '[{"op":"accept","data":"$socketio_transport"},
                             {"op":"send","text":"hi $socketio_sid"}]';
            }
            return 204;
        }
        location = /_publish { socketio_publish chat; }
    }
}
CONF

$t->{path} = '/engine.io/';

# The lines of a session in the log of events, cut into fields.
my @names = qw/type nsp event ack args attachments message transport eio
    reason data sid id handshake/;
sub events ($sid) {
    my @l = map { my %e; @e{@names} = split /\t/, $_, @names; \%e }
        split /\n/, $t->read_file('logs/event.log');
    return grep { $_->{sid} eq $sid } @l;
}

my @texts = ('hello', '', '"', '\\', '\\"', '\\u0022', "\n\r\t\b\f", "\0",
    "\1\x1f\x7f", "\xc3\xa9", "\xe2\x82\xac \xf0\x9d\x84\x9e", "\xe2\x80\xa8",
    '","op":"disconnect","x":"', '"},{"op":"disconnect","all":true},{"x":"',
    '$socketio_sid ${x} $1', "'", '%s%n', '|', 'x' x 5000, '4', 'b', '{}',
    "\xef\xbb\xbf\xef\xbf\xbd");
my @bytes = ("\1\2\3\4", '', "\0", "\xff" x 3, '"', join('', map chr, 0 .. 255),
    'z' x 5000);

my %open = (polling => sub (%o) {
        return $t->polling(get_worker => 0, post_worker => 1, %o);
    }, websocket => sub (%o) {
        my $s = $t->websocket(worker => 0, %o);
        $s->open_packet;
        return $s;
    });

for my $transport (qw/polling websocket/) {
    my $s = $open{$transport}->(query => '&a=%22b%22');
    my ($sid) = $s->next_packet =~ /^4hi (\S+)$/;
    ok($sid, "$transport: open");

    for my $text (@texts) {
        my $name = substr to_json($text), 0, 40;
        # eio 47: also the empty ones
        ok($s->send("4$text"), "$transport: text $name");
        is($s->next_packet, "4$text", 'comes back as it is');
    }

    for my $bytes (@bytes) {
        ok($s->send(\$bytes), "$transport: binary of " . length $bytes);
        is($s->next_packet, 'b' . MIME::Base64::encode_base64($bytes, ''),
            'comes back as it is');
    }

    # All at once, in order.
    $s->send((map { "4$_" } @texts), (map { \$_ } @bytes), '4last');
    my @got = $s->collect(@texts + @bytes + 1);
    is_deeply(\@got, [(map { "4$_" } @texts), (map { 'b'
        . MIME::Base64::encode_base64($_, '') } @bytes), '4last'],
        "$transport: all of them");

    $transport eq 'polling' ? $s->send('1') : $s->close;
    my @e = @{eventually(sub {
        my @e = events($sid);
        return $e[-1] && $e[-1]{type} eq 'close' ? \@e : undef; }) || []};

    my ($open, $message, $close) = @e[0, 1, -1];
    is($open->{type}, 'open', 'event open');
    is($_->{nsp}, 'engine.io', "nsp of $_->{type}")
        for $open, $message, $close;
    is_deeply([@$open{qw/event ack args attachments message reason data/}],
        ['', '', '[]', '[]', '"text":""', '', 'null'], 'none of open');
    my $h = from_json($open->{handshake});
    is($h->{query}{a}, '"b"', 'its handshake');
    is("$h->{transport} $h->{eio}", "$transport 4", 'and more of it');
    is_deeply([@$message{qw/type event ack args attachments message reason
        data handshake/}], ['message', '', '', '[]', '[]', '"text":"hello"',
        '', "\"$transport\"", 'null'], 'variables of a message');
    my ($binary) = grep { $_->{message} =~ /^"binary/ } @e;
    is($binary->{message}, '"binary":"AQIDBA=="', 'a binary one');
    is_deeply([@$close{qw/type message reason data handshake/}],
        ['close', '"text":""', 'transport close', "\"$transport\"", 'null'],
        'variables of close');
    is("$_->{transport} $_->{eio}", "$transport 4", "$_->{type}: of what")
        for $open, $message, $close;
    isnt($open->{id}, $message->{id}, 'ids differ');
    is(scalar(grep { $_->{type} eq 'close' } @e), 1, 'one close');
    is(scalar(@e), 2 + 2 * (@texts + @bytes) + 1, 'one request each');
}

# A separator of payloads can come by websocket only, and goes nowhere.
my $ws = $open{websocket}->();
$ws->recv;
$ws->send("4a\x1e4b", '4next');
is($ws->next_packet, '4next', 'text with U+001E is not echoed');
is(scalar(() = $t->log_lines(qr/U\+001E/)), 1, 'and logged');

# Revision 3
my $ws3 = $open{websocket}->(eio => 3);
my ($sid) = $ws3->recv =~ /^4hi (\S+)$/;
ok($sid, 'revision 3');
$ws3->send('4x', \"\1\2");
is_deeply([$ws3->collect(2)], ['4x', 'bAQI='], 'echo');
my ($e) = events($sid);
is("$e->{eio} $e->{transport}", '3 websocket', 'variables');

# Reasons in the access log of clients are those of the close event.
$t->publish({ op => 'disconnect', nsp => 'engine.io', sid => $sid });
is($ws3->closed, '', 'closed by the server');
$ws3->close;
ok(eventually(sub { (events($sid))[-1]{reason} eq 'forced close' }),
    'reason of close');
ok(eventually(sub { $t->read_file('logs/client.log')
    =~ /^websocket\|3\|forced close\|-$/m }), 'the same in the access log');

$ws->close;
$t->finish;
