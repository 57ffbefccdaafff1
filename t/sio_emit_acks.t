#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Emits that clients are to acknowledge, told to the backend with the token
# that it gave: an answer, none in time, or a socket that ends before.  Fails
# if an outcome is lost, told twice, out of order or to another socket, or if
# what a client was never asked reaches the backend.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO;

my $ph = '{"_placeholder":true,"num":0}';

# "ask": an emit back with ack and what else the client says.
my $t = Test::SocketIO->new(workers => 2);
my $backend = $t->run_hook(sub ($events, $req, $ctl) {
    my @out;

    for my $e (grep { $_->{type} eq 'event' } @$events) {
        my ($more) = grep { ref eq 'HASH' } @{$e->{args}};
        push @out, $e->{event} eq 'join'
            ? { op => 'join', id => $e->{id}, room => $e->{args}[0] }
            : { id => $e->{id}, event => 'q', args => [1], ack => 'tok',
                %{$more // {}} };
    }

    return \@out;
}, eio => '3 4', socketio => 'socketio_namespaces / /custom;
    socketio_limits acks=3;');

sub acks ($s, $n) {
    return map { my %h = %$_; delete @h{qw/id time nsp type seq/}; \%h }
        grep { $_->{sid} eq $s->{id} } $backend->wait_events('ack', $n);
}

my ($all, $ends) = (0, 0);

# the question comes; returns its id
sub question ($s, $re = qr/42(\d+)\["q",1\]/) {
    my $p = $s->next_packet;
    like($p, qr/^$re$/, 'the question');
    return $p =~ $re ? $1 : -1;
}

for my $o (['websocket'], ['polling'], ['websocket', eio => 3],
    ['polling', eio => 3])
{
    my ($how, %o) = @$o;
    my $s = $t->connected($how, %o);
    my $name = "$how, EIO @{[$o{eio} // 4]}";

    $s->send('42["ask"]');
    my $id = question($s);
    $s->send("43$id\[\"yes\", {\"a\":\n1}]");
    is_deeply([acks($s, ++$all)],
        [{ sid => $s->{id}, token => 'tok', args => ['yes', { a => 1 }] }],
        "sio 63: the answer reaches the backend with its token, $name");

    $s->send("43$id\[\"again\"]", '42["ask",{"ack":"\u00e9\"t\""}]');
    is(question($s), $id + 1, 'sio 69: another number');
    $s->send('43' . ($id + 1) . '[]');
    is_deeply((acks($s, ++$all))[1],
        { sid => $s->{id}, token => "\x{e9}\"t\"", args => [] },
        "sio 64: only the first answer counts; any token, $name");

    $s->send('42["ask",{"timeout":150}]');
    $id = question($s);
    is_deeply((acks($s, ++$all))[2],
        { sid => $s->{id}, token => 'tok', error => 'timeout' },
        "sio 68: none in time, $name");
    $s->send("43$id\[\"late\"]", '42["ask"]');

    $id = question($s);
    $s->send("461-$id\[$ph,2]", \"\1\2\3");
    is_deeply((acks($s, ++$all))[3],
        { sid => $s->{id}, token => 'tok', attachments => ['AQID'],
          args => [{ _placeholder => JSON::PP::true(), num => 0 }, 2] },
        "sio 66: an answer with an attachment, a late one ignored, $name");

    # four are asked, three may be: the oldest is given up
    $s->send(('42["ask"]') x 4);
    my @ids = map { question($s) } 1 .. 4;
    is_deeply((acks($s, ++$all))[4],
        { sid => $s->{id}, token => 'tok', error => 'timeout' },
        "beyond the limit the oldest is given up, $name");

    $s->send("43$ids[2]\[\"c\"]", "43$ids[0]\[\"a\"]");
    is_deeply((acks($s, ++$all))[5]{args}, ['c'],
        'in any order, but not that one');

    $s->send('41');
    $all += 2;
    my @a = acks($s, $all);
    my ($end) = grep { $_->{sid} eq $s->{id} }
        $backend->wait_events('disconnect', ++$ends);
    is_deeply([map { $_->{error} } @a[6, 7]],
        ['disconnected', 'disconnected'],
        "sio 70: a socket that ends owes nothing any more, $name");

    my @seq = map { $_->{seq} } grep { $_->{sid} eq $s->{id} }
        $backend->events;
    is_deeply(\@seq, [0 .. $#seq], 'in one order without gaps');
    is($seq[-1], $end->{seq}, 'the disconnect last');
}

# broadcast: one number for all, an event for each
{
    my @s = map { $t->connected($_) } qw/websocket polling websocket/;
    $_->send('42["join","room"]') for @s;
    $backend->wait_events('event', scalar(grep { $_->{event} eq 'ask' }
        $backend->events('event')) + 3);

    $s[0]->send('42["ask",{"room":"room","ack":"many"}]');
    my @ids = map { question($_) } @s;
    is("@ids", "$ids[0] " x 2 . $ids[0], 'sio 111: the same id for all');

    $s[$_]->send("43$ids[0]\[$_]") for 0, 1;
    $s[2]->close;
    $all += 3;

    my %by = map { $_->{sid} => $_ }
        grep { $_->{token} eq 'many' } $backend->wait_events('ack', $all);
    is_deeply([map { $by{$_->{id}}{args} } @s[0, 1]], [[0], [1]],
        'each answers for itself');
    is($by{$s[2]{id}}{error}, 'disconnected', 'who left cannot');
}

# who was not asked
{
    my ($a, $b) = map { $t->connected('websocket') } 1, 2;
    $a->send('42["ask",{"ack":"mine"}]');
    my $id = question($a);

    $b->send("43$id\[\"forged\"]");
    ok($b->sio_connect('/custom'), 'another namespace');
    $a->send("43$id\[\"true\"]");
    $all++;

    my @mine = grep { $_->{token} eq 'mine' } $backend->wait_events('ack',
        $all);
    is_deeply([map { $_->{args} } @mine], [['true']],
        'nobody answers for another');
}

is(scalar $backend->events('ack'), $all, 'and no more');

# what is wrong with a command is said, and only it does not run
{
    my $s = $t->connected('websocket');

    for my $bad ('"ack":true', '"ack":7', '"ack":"' . 'x' x 300 . '"',
        '"timeout":0', '"timeout":"1"', '"timeout":3600001')
    {
        $s->send("42[\"ask\",{$bad}]", '42["ask"]');
        question($s);
    }

    $t->allow_log(qr/invalid command/);
    my %said = map { /invalid command: (\w+, .*?)(?: \(|$)/ ? ($1 => 1) : () }
        $t->log_lines(qr/invalid command: /);
    is(scalar keys %said, 4, 'each fault is in the log')
        || diag(explain(\%said));
}

$t->finish;
