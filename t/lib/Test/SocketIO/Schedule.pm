package Test::SocketIO::Schedule;

# Copyright (C) the ngx_http_socketio_module authors

# One session, and those who act on it, in an order that the test dictates:
#
#   my $d = Test::SocketIO::Schedule->new($t);      # $t: see run() below
#   my @faults = $d->play(workers => [0, 1, 1], steps => [qw/g o 2 h 5 c/]);
#
# workers: of GETs, POSTs and websockets.  Steps:
#
#   g   a GET, if none is in flight
#   h   half of a POST with a message, if none is in flight; c: the rest
#   p   a POST with a message, if none is in flight
#   o   a websocket with the sid; w: another one, which must not matter
#   2   "2probe" on it; 5: "5"; m: a message; 25m: all three in one write
#   s   a message of the server, by the publish API
#   x   reset of the websocket; f: end of its stream; k: Close
#   b   a bad packet on it, before its "5"
#   1   the client closes, by POST; P: a POST that is malformed
#   K   the server closes in good order
#   G   a second GET while one is parked; H: a second POST
#   A   reset of half a POST; D: of a parked GET
#   z0  worker 0 stops (z1: the other); Z: it goes on, and finds what has come
#       meanwhile in the order in which it came.  From there on it is a race.
#       Meanwhile only g, one of h c p 1 P, 2 5 m 25m s K x f k
#
# Every other message of "s" goes to a room, in which there is a websocket on
# each worker besides; room => 0: none does, as with several sessions at a time.
#
# A step that is not possible is none.  Between two of them all workers have
# done what there was to do, unless race => 1: then one follows the other as
# fast as it is written, and a disturbance may come before or after the
# upgrade; within => [...]: the states that may be the end of that.
#
# Nothing waits for time to pass: a worker that has answered a request has
# seen what came before it, since epoll tells in the order of arrival.
#
# What must hold: each message arrives once, in order, or the request with it
# was refused; each request is answered; what may be said in a state and what
# not; the session ends as it should; the hook hears of all of it once.

use v5.36;

use Carp qw/croak/;

use Test::SocketIO::Schedule::Session ();


# A server that keeps record of what its hook is told.  Options as of
# run_echo().
sub run ($t, %o) {
    return $t->run_echo(%o, http => <<'HTTP', hook => <<'HOOK');
    log_format told escape=none
        '$socketio_sid $socketio_type $socketio_args $socketio_reason';
HTTP
            access_log logs/told.log told;
            if ($socketio_type = event) {
                return 200 '[{"event":"echo","args":$socketio_args}]';
            }
            return 204;
HOOK
}


sub new ($class, $t) {
    my @pids = $t->worker_pids;

    my $self = bless {
        t => $t, pids => \@pids,
        index => { map { $pids[$_] => $_ } 0 .. $#pids },
        pool => [map { [] } @pids], told => {}, read => 0, emits => 0,
        expected => [],
    }, $class;

    $self->{control} = [map { $self->conn($_) } 0 .. $#pids];
    $self->{others} = [map { $t->connected('websocket', worker => $_) }
        0 .. $#pids];
    $self->join($_->{id}) for @{$self->{others}};

    return $self;
}


# A connection to a worker, perhaps a used one.
sub conn ($self, $worker) {
    my $pool = $self->{pool};

    while (my $c = pop @{$pool->[$worker]}) {
        return $c if !$c->_fill(0) && !$c->{eof};
    }

    for (1 .. 1000) {
        my $c = $self->{t}->connect;
        $c->request('GET', '/pid');
        my $at = $self->{index}{($c->response // croak 'no answer')->{body}};
        return $c if $at == $worker;
        push @{$pool->[$at]}, $c;
    }

    croak "no connection to worker $worker";
}


sub put_back ($self, $worker, $c) {
    push @{$self->{pool}[$worker]}, $c if $c && $c->{sock} && !$c->{eof};
}


sub signal ($self, $signal, $worker) {
    kill $signal, $self->{pids}[$worker];
}


# All workers have done what they knew of, and what one has told another.
sub settle ($self) {
    my $control = $self->{control};

    for (1, 2) {
        $_->request('GET', '/pid') for @$control;

        for my $worker (0 .. $#$control) {
            my $r = $control->[$worker]->response // croak 'no answer';
            $control->[$worker] = $self->conn($worker) if !$r->{keepalive};
        }
    }
}


# By way of another worker each time, but not of $stopped: the answer.
sub publish ($self, $command, $stopped = undef) {
    my $worker = $self->{emits}++ % 2;
    $worker = 1 - $stopped if defined $stopped;

    my ($status, $answer, $r) = $self->{t}->publish($command,
        conn => $self->{control}[$worker]);
    croak 'no answer' if !$answer;
    $self->{control}[$worker] = $self->conn($worker) if !$r->{keepalive};

    return $answer;
}


sub join ($self, $id) {
    $self->publish({ op => 'join', sid => $id, room => 'room' });
}


# To the room or to that id alone: to how many of that id it went.
sub emit ($self, $id, $n, $room, $stopped) {
    my $answer = $self->publish({ event => 's', args => [$n],
        $room ? (room => 'room') : (sid => $id) }, $stopped);

    return $answer->{count} if !$room;
    push @{$self->{expected}}, $n;
    return $answer->{count} - @{$self->{others}};
}


# What the other websockets of the room got and should not, or the reverse.
sub faults ($self) {
    my $expected = CORE::join ' ', splice @{$self->{expected}};
    my @faults;

    for my $ws (@{$self->{others}}) {
        my $got = CORE::join ' ', map {
            ($ws->next_packet // '') =~ /,(\d+)/ } split / /, $expected;
        push @faults, "room: $got, not $expected" if $got ne $expected;
    }

    return @faults;
}


# What the hook was told of a socket: { connect, event, disconnect }, of each
# a list.
sub told ($self, $id) {
    open my $f, '<', "$self->{t}{dir}/logs/told.log" or return {};
    seek $f, $self->{read}, 0;

    while (my $line = <$f>) {
        last unless $line =~ /\n\z/;
        $self->{read} += length $line;
        my ($sid, $type, $args, $reason) =
            $line =~ /^(\S+) (\w+) (\S*) (.*)$/ or next;
        push @{$self->{told}{$sid}{$type}},
            $type eq 'event' ? $args =~ /(\d+)/ : $reason;
    }

    return $self->{told}{$id} // {};
}


# The session, to go step by step; its faults are all there is to know.
sub begin ($self, %o) {
    return Test::SocketIO::Schedule::Session->new($self, %o);
}


sub play ($self, %o) {
    my $s = $self->begin(%o);
    $s->go(@{$o{steps}});
    return ($s->faults, $self->faults);
}


1;
