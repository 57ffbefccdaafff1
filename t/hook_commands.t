#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Answers to connects that a backend has got wrong: without an id, to what is
# no connect, twice, with more rooms than there may be; and ids as clients of
# revision 3 have them, where one socket is named.  Fails if such a command does
# anything, if it spoils those beside it, or is not in the log with its reason;
# or if the sid of one session names the socket of another.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;
use Test::SocketIO::Backend qw/reply/;

my $t = Test::SocketIO->new(workers => 2);

# A connect's auth says what is wrong; all else is answered rightly.
my %wrong = (
    rooms => sub ($e) { ({ op => 'accept', rooms => [map { "r$_" } 1 .. 4] }) },
    nobody => sub ($e) { ({ op => 'accept', id => undef }) },
    unwelcome => sub ($e) { ({ op => 'reject', id => undef }) },
    message => sub ($e) { ({ op => 'reject', message => 7 }) },
);

my $b = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;
    for my $e (@$events) {
        my %id = (id => $e->{id});
        my $do = $e->{type} eq 'connect' ? $e->{handshake}{auth}{do} // '' : '';
        if ($wrong{$do}) {
            push @out, map { my %c = (%id, %$_); defined $c{id} or delete $c{id};
                \%c } $wrong{$do}->($e);
        } elsif ($e->{type} eq 'connect') {
            push @out, { %id, op => 'accept' };
            push @out, { %id, op => 'reject' }, { %id, op => 'accept' }
                if $do eq 'thrice';
        } elsif ($e->{type} eq 'event') {
            push @out, { %id, op => $e->{event}, rooms => ['late'] },
                { %id, event => 'went on' };
        }
    }
    return \@out;
}, eio => '3 4', socketio => 'socketio_limits rooms=3;');

sub logged ($why) {
    return eventually(sub { $t->log_lines(qr/\[error\].*$why/) });
}

for my $row (
    ['rooms', qr/more rooms than socketio_limits allows/],
    ['nobody', qr/id is missing/],
    ['unwelcome'],
    ['message', qr/message is not a string/],
) {
    my ($do, $why) = @$row;
    my $w = $t->websocket(worker => 0);
    $w->open_packet;
    $w->send(qq{40{"do":"$do"}});
    like($w->next_packet, qr/^44\{"message":/, "$do: the connect fails");
    ok(logged($why), "$do: and it is said why") if $why;
    $w->send('40');
    like($w->next_packet, qr/^40\{"sid":/, "$do: the next one does not");
    $w->close;
}

# The first answer counts.
my $w = $t->connected('websocket', worker => 1);
my $other = $t->websocket(worker => 0);
$other->open_packet;
$other->send('40{"do":"thrice"}');
like($other->next_packet, qr/^40\{"sid":/, 'accepted, rejected, accepted');
ok($other->silent(0.3), 'said once');

# To an event.
for my $op (qw/accept reject/) {
    $w->emit($op);
    is($w->next_packet, '42["went on"]', "$op of an event: nothing");
}
ok(logged(qr/id is not a connect of this batch/), 'and it is said why');

my (undef, $a) = $t->publish({ op => 'count', room => 'late' });
is($a->{count}, 0, 'and nobody is in its rooms');

# "data" of one socket, by the sid that clients of revision 3 have as its id.
my %three = map { $_ => $t->connected($_, eio => 3) } qw/websocket polling/;
sub sid ($s) { return $s->{sid} // $s->{open}{sid} }

sub data_of ($id) {
    my (undef, $a) = $t->publish({ op => 'fetch', sid => $id,
        fields => ['data'] });
    return $a;
}

for my $way (sort keys %three) {
    my ($s, $sid) = ($three{$way}, sid($three{$way}));
    ok($sid, "$way, revision 3: a sid");
    my ($status, $a) = $t->publish({ op => 'data', sid => $sid, data => $way });
    ok($a->{ok}, "$way: it names its socket") or diag explain $a;
    is_deeply([map { $_->{data} } @{data_of($s->{id})->{sockets} // []}],
        [$way], "$way: that very one");
}

# The sid of revision 4 is a secret, and names nobody; nor one that has gone.
for my $sid ($w->{sid}, 'A' x 20, sid($three{polling}) . 'A') {
    my (undef, $a) = $t->publish({ op => 'data', sid => $sid, data => 'x' });
    is($a->{count}, 0, 'no id of a socket');
}
$three{polling}->post('1');
my (undef, $gone) = $t->publish({ op => 'data', sid => sid($three{polling}),
    data => 'x' });
is($gone->{count}, 0, 'who has gone has no data');

$t->finish;
