#!/usr/bin/perl

# Copyright (C) the ngx_http_socketio_module authors

# Emits of the publish API that wait for the answers of clients: all of them,
# what came in time, nobody, attachments, publishers that go away, one command
# behind the other.  Fails if an answer is lost or counted twice, if the wait
# does not end, or if something is left behind.

use v5.36;
use lib 't/lib';
use Test::More;
use Test::SocketIO qw/eventually/;

my $t = Test::SocketIO->new(workers => 2);
my $backend = $t->run_hook(undef, eio => '3 4');
my $ph = '{"_placeholder":true,"num":0}';

# a POST that is not waited for
sub ask ($command, %o) {
    my $c = $t->connect;
    $c->send($c->build('POST', '/_publish', body => Test::SocketIO::to_json(
        { event => 'q', args => [1], ack => \1, timeout => 8000,
          %$command })));
    return $c;
}

sub answer ($c) {
    my $r = $c->response(10, 'POST');
    return $r ? Test::SocketIO::from_json($r->{body}) : undef;
}

sub question ($s) {
    my $p = $s->next_packet;
    return $p =~ /^42(\d+)\["q",1\]$/ ? $1 : diag("not a question: $p");
}

my @s = map { $t->connected(@$_) } ['websocket'], ['polling'],
    ['websocket', eio => 3], ['polling', eio => 3];
my @sids = map { $_->{id} } @s;

for my $target ({ all => \1 }, { sid => \@sids }) {
    my $c = ask($target);
    my @ids = map { question($_) } @s;
    is(scalar(grep { $_ == $ids[0] } @ids), 4, 'sio 111: one id for all');

    $s[$_]->send("43$ids[0]\[\"a$_\",\n$_]") for 2, 0, 3;
    ok($c->silent(0.3), 'it waits for the last one');
    $s[1]->send("43$ids[0]\[]", "43$ids[0]\[\"again\"]");

    my $r = answer($c);
    is_deeply([sort map { "@$_" } @{$r->{acks}}],
        ['', 'a0 0', 'a2 2', 'a3 3'], 'sio 111: an array of answers');
    is_deeply([@$r{qw/op expected received count/}], ['emit', 4, 4, 4],
        'and how many');
}

# time is up
{
    my $c = ask({ all => \1, timeout => 300 });
    my @ids = map { question($_) } @s;
    $s[0]->send("43$ids[0]\[\"in time\"]");
    my $r = answer($c);
    is_deeply([@$r{qw/acks expected received/}], [[['in time']], 4, 1],
        'sio 111: partial when time is up');
    $_->send("43$ids[0]\[\"late\"]") for @s;
}

# nobody; no such room
for my $target ({ room => 'none' }, { all => \1, except => \@sids },
    { all => \1, nsp => '/none' }, { sid => [] })
{
    my ($status, $r) = $t->publish({ event => 'q', ack => \1, %$target });
    is_deeply([$status, @$r{qw/acks expected received count/}],
        [200, [], 0, 0, 0], 'sio 111: zero recipients');
}

# attachments, in and out
{
    my $c = ask({ sid => [@sids[0, 1]], args => [{ _placeholder => \1,
        num => 0 }], attachments => ['AQI='] });
    my @id = map { $_->next_packet =~ /^451-(\d+)\["q",\Q$ph\E\]$/
        ? $1 : -1 } @s[0, 1];
    is_deeply([map { $_->next_packet } @s[0, 1]], ['bAQI=', 'bAQI='],
        'binary question');

    $s[0]->send("461-$id[0]\[$ph]", \"\1\2\3");
    $s[1]->send("43$id[1]\[\"text\"]");
    my $r = answer($c);
    my %by = map { $r->{attachments}[$_][0] // '' => $r->{acks}[$_] }
        0 .. $#{$r->{acks}};
    is_deeply(\%by, { AQID => [{ _placeholder => JSON::PP::true(),
        num => 0 }], '' => ['text'] }, 'sio 66: binary answer');
}

# who leaves is not waited for
{
    my $x = $t->connected('websocket');
    my $c = ask({ sid => [$x->{id}, $sids[0]] });
    my $id = question($x);
    question($s[0]);
    $s[0]->send("43$id\[1]");
    $x->close;
    my $r = answer($c);
    is_deeply([@$r{qw/acks expected received/}], [[[1]], 2, 1],
        'sio 70: gone is gone');
}

# a publisher that goes away; the socket owes nothing any more
{
    my $x = $t->connected('websocket');
    my $c = ask({ sid => $x->{id} });
    my $id = question($x);
    $c->close;
    $x->send("43$id\[1]", '42["still there"]');
    ok($backend->wait_events('event', 1), 'who asked is gone, no harm');
}

# one after another
{
    my $c = $t->connect;
    my @lines = map { qq({"sid":"$sids[0]","event":"q","args":[1],)
        . qq("ack":true,"timeout":8000}) } 1 .. 3;
    $c->send($c->build('POST', '/_publish', body => join "\n", @lines,
        '{"op":"count","all":true}'));

    for my $n (1 .. 3) {
        my $id = question($s[0]);
        $s[0]->send("43$id\[$n]");
    }

    my $r = $c->response(10, 'POST');
    my @r = map { Test::SocketIO::from_json($_) } split /\n/, $r->{body};
    is_deeply([map { $_->{acks} // 'count' } @r], [[[1]], [[2]], [[3]],
        'count'], 'a line each, in order');
}

# many at once, on both workers
{
    my @c = map { ask({ all => \1 }) } 1 .. 20;

    for my $s (@s) {
        my @p = map { question($s) } 1 .. 20;
        $s->send(map { "43$_\[$_]" } reverse @p);
    }

    my @r = map { answer($_) } @c;
    is(scalar(grep { $_->{received} == 4 } @r), 20, 'twenty at once');
    is(scalar(grep { my $a = $_->{acks};
        !grep { $_->[0] != $a->[0][0] } @$a } @r), 20, 'none mixed up');
}

# tokens from outside: the backend is told
{
    my ($status, $r) = $t->publish({ sid => $sids[0], event => 'q',
        args => [1], ack => 'later' });
    is($r->{count}, 1, 'a token does not wait');
    my $id = question($s[0]);
    $s[0]->send("43$id\[\"told\"]");
    my ($e) = $backend->wait_events('ack', 1);
    is_deeply([@$e{qw/token args/}], ['later', ['told']],
        'the backend gets the answer');
}

# mistakes
for my $bad ([ack => 1], [ack => []], [timeout => -1], [timeout => 1.5]) {
    my ($status, $r) = $t->publish({ all => \1, event => 'q', ack => \1,
        @$bad });
    is_deeply([$status, $r->{error}], [400, 'bad_args'], "@$bad");
}

$t->finish;
