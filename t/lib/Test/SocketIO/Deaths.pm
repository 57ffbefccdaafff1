package Test::SocketIO::Deaths;

# Copyright (C) the ngx_http_socketio_module authors

# A world of three workers of which always the same one, and its successors,
# dies in the middle of a hold, at stores spread over all that an operation
# makes; see Test::SocketIO::Faults.  Bystanders on the two others have streams
# in both directions meanwhile, and are asked after each death for all of it,
# once and in order.
#
#   my $w = Test::SocketIO::Deaths->new;
#   $w->deaths('an event', make => sub { $w->ws($w->victim) },
#       act => sub ($s) { $s->emit('x') }, fate => 'gone');
#   $w->finish;
#
# Environment: DEATHS: how many for each operation, default 3.

use v5.36;
use warnings;

use Test::More;
use Time::HiRes qw/sleep/;

use Test::SocketIO qw/eventually from_json to_json/;
use Test::SocketIO::Backend qw/reply/;
use Test::SocketIO::Faults;


# Options are those of run_hook().
sub new ($class, %o) {
    Test::SocketIO::Faults->require_build;

    my $t = Test::SocketIO->new(workers => 3,
        alarm => 60 * (1 + ($ENV{DEATHS} // 0)));
    my $self = bless { t => $t, faults => Test::SocketIO::Faults->new($t),
                       n => 0, rebuilt => 0, rounds => 0, ids => {} }, $class;

    $self->{b} = $t->run_hook(\&_answer, %o,
        server => 'location = /_status { socketio_status test; }',
        socketio => "socketio_connect_timeout 3s;\n" . ($o{socketio} // ''));

    $t->allow_log(qr/exited on signal 9|was locked by/);

    (undef, @{$self->{keep}}) = $t->worker_pids;
    $self->{free} = $self->status->{zone}{free};
    $self->_bystanders;

    return $self;
}


# A connect is accepted into the rooms that it asks for.  "do" has commands,
# and perhaps a word to wait for.  All else is acknowledged.
sub _answer ($events, $req, $ctl) {
    my (@out, %hold);

    for my $e (@$events) {
        my %id = (id => $e->{id});
        push @out, { %id, op => 'accept',
            rooms => $e->{handshake}{auth}{rooms} // [] }
            if $e->{type} eq 'connect';
        if (($e->{event} // '') eq 'do') {
            my ($commands, $word) = @{$e->{args}};
            push @out, map { $_->{room} && $_->{op} eq 'emit' ? $_
                : { %id, %$_ } } @$commands;
            $hold{hold} = $word if defined $word;
        }
        push @out, { %id, op => 'ack', args => [] } if $e->{ack};
    }

    return reply(body => \@out, %hold);
}


sub t ($self) { return $self->{t} }
sub b ($self) { return $self->{b} }


# The workers by index of the moment: the one that dies, and the others.
sub victim ($self)   { return $self->_at($self->_victim) }
sub other ($self, $n = 0) { return $self->_at($self->{keep}[$n]) }


sub _victim ($self) {
    my %keep = map { $_ => 1 } @{$self->{keep}};
    my ($pid) = grep { !$keep{$_} } $self->{t}->worker_pids;
    return $pid;
}


sub _at ($self, $pid) {
    my @pids = $self->{t}->worker_pids;
    my ($i) = grep { $pids[$_] == $pid } 0 .. $#pids;
    return $i;
}


sub status ($self) {
    my $r = $self->{t}->http('GET', '/_status', conn => $self->_publisher);
    return from_json($r->{body});
}


# To a worker that lives.
sub _publisher ($self) {
    return $self->{publisher} //=
        $self->{t}->connect_to_worker($self->{keep}[0], pid => 1);
}


sub publish ($self, $command) {
    my (undef, $a) = $self->{t}->publish($command,
        conn => $self->_publisher);
    return $a;
}


# A connection to the worker that dies; only its bytes go there later.
sub conn ($self) {
    return $self->{t}->connect_to_worker($self->_victim, pid => 1);
}


sub ws ($self, $worker, %auth) {
    my $s = $self->{t}->websocket(worker => $worker);
    $s->open_packet;
    return $self->up($s, %auth);
}


# Polling: GETs to one worker, POSTs to another.
sub poll ($self, $get, $post, %auth) {
    return $self->up($self->open($get, $post), %auth);
}


# The same that has not connected yet.
sub open ($self, $get, $post) {
    my $s = $self->{t}->polling(get_worker => $get, post_worker => $post);
    push @{$self->{made}}, $s;
    return $s;
}


sub up ($self, $s, %auth) {
    $s->{id} = $s->sio_connect('/', { %auth });
    push @{$self->{made}}, $s unless _polling($s);
    return $s;
}


# The room "all" has messages "m", "some" has "o"; "x" is for "all", and "v"
# for those of "all" who are not in "some".
sub _bystanders ($self) {
    my @keep = map { $self->other($_) } 0, 1;

    for ([qw/all/], [qw/some/], [qw/all some/]) {
        my %auth = (rooms => $_);
        for my $s ($self->ws($keep[0], %auth), $self->ws($keep[1], %auth),
            $self->poll(@keep, %auth), $self->poll(reverse(@keep), %auth))
        {
            push @{$self->{by}}, $s;
            $s->{rooms} = { map { $_ => 1 } @{$auth{rooms}} };
            $s->{next} = { m => 1, o => 1, ack => 1 };
            $s->{x} = {};
        }
    }

    delete $self->{made};
}


# One message to each room, one event of each bystander.
sub _traffic ($self) {
    my $n = ++$self->{n};
    my $a = $self->publish([
        { room => 'all', event => 'm', args => [$n] },
        { room => 'some', event => 'o', args => [$n] } ]);

    push @{$self->{faults_of}}, "publish $n: " . to_json($a // {})
        unless $a && ref $a eq 'ARRAY' && $a->[0]{ok} && $a->[1]{ok};
    $_->send(qq/42$n\["say",$n]/)
        or push @{$self->{faults_of}}, "say $n of $_->{id}" for @{$self->{by}};
}


# What a bystander has got, as it should be; a text if it is not.
sub _packet ($self, $s, $p) {
    my ($stream, $n) = $p =~ /^42\["([mo])",(\d+)\]$/ ? ($1, $2)
        : $p =~ /^43(\d+)\[\]$/ ? ('ack', $1) : ();

    if (defined $stream) {
        return "$p, not $s->{next}{$stream}" if $n != $s->{next}{$stream}++;
        return "$p to another room"
            if !$s->{rooms}{{ m => 'all', o => 'some' }->{$stream} // 'all'}
                && $stream ne 'ack';
        return undef;
    }

    return $p unless $p =~ /^42\["([xv])",(\d+)\]$/;
    return "$p to another room"
        if !$s->{rooms}{all} || ($1 eq 'v' && $s->{rooms}{some});
    return "$p again" if ++$s->{x}{$2} > $self->{twice};
    return undef;
}


sub _settle ($self) {
    my $n = $self->{n};

    for my $s (@{$self->{by}}) {
        my $next = $s->{next};
        while ($next->{ack} <= $n
            || ($s->{rooms}{all} && $next->{m} <= $n)
            || ($s->{rooms}{some} && $next->{o} <= $n))
        {
            my $p = _next($s, 5);
            my $fault = defined $p ? $self->_packet($s, $p)
                : 'nothing comes: ' . to_json($next) . " of $n";
            push @{$self->{faults_of}}, "bystander $s->{id}: $fault"
                if defined $fault;
            last unless defined $p;
        }
    }
}


# Deaths at stores spread over those that the operation makes.
#
#   make   a session, or what else act() wants
#   act    of the worker that dies; {done} of the session: it was answered
#   fate   gone: its connection was there; live: it goes on; any: either,
#          but what goes on works, and what was answered goes on
#   rest   packets that one sends first whose POST was answered
#   then   more to be checked of one that lives, gives what is wrong
#   after  the same of any
#   twice  whether "x" may come again, since the backend was asked again
sub deaths ($self, $name, %o) {
    my $pid = $self->_victim;

    # once, whole
    my $s = $o{make}->();
    $self->{twice} = 1;
    my $stores = $self->{faults}->count($pid, sub {
        $o{act}->($s);
        sleep 0.1;                      # only how many there are
    });

    my $deaths = $ENV{DEATHS} // 3;
    $deaths = $stores if $deaths > $stores;
    my @at = map { 1 + int(($stores - 1) * $_ / ($deaths - 1 || 1)) }
        0 .. $deaths - 1;

    my @faults;
    for my $at (@at) {
        $self->{faults_of} = [];
        $self->{twice} = $o{twice} ? 2 : 1;
        $self->_death($at, %o);
        push @faults, map { "store $at: $_" } @{$self->{faults_of}};
    }

    ok($stores > 1 && !@faults, "$name, " . @at . " deaths")
        or diag("$stores stores", map { "\n$_" } @faults);
}


sub _death ($self, $at, %o) {
    my $faults = $self->{faults_of};
    my $pid = $self->_victim;
    my $s = $o{make}->();
    my $poke = $self->conn;
    my $before = $self->{rebuilt};

    $self->_traffic;
    $self->{faults}->arm($pid, $at);
    eval { $o{act}->($s) };

    # less to do than the last time: any store will do
    if (!eventually(sub { $self->{faults}->died }, 0.5)) {
        $self->{faults}->arm($pid, 1);
        $poke->request('GET', '/_status');
        eventually(sub { $self->{faults}->died })
            or push @$faults, 'nobody died';
    }

    $self->_traffic;
    eventually(sub {
        my $new = $self->_victim;
        return $new && $new != $pid && $self->{t}->worker_pids == 3;
    }) or push @$faults, 'no new worker';

    my $z = $self->status->{zone};
    $self->{rebuilt} = $z->{rebuilt};
    push @$faults, "rebuilt $z->{rebuilt} after $before"
        unless $z->{rebuilt} == $before + 1;
    push @$faults, 'emptied' if $z->{emptied};

    $self->_traffic;
    $self->_settle;
    $self->_fate($s, %o) if $o{fate};
    push @$faults, grep { defined } $o{after}->($s) if $o{after};
}


sub _fate ($self, $s, %o) {
    my $faults = $self->{faults_of};
    my $must = $o{fate} eq 'live' || ($o{fate} eq 'any' && $s->{done});

    if (!_polling($s) && $o{fate} eq 'gone') {
        push @$faults, 'its connection is open' unless $s->{conn}->closed(5);
        return;
    }

    my $fault = $self->works($s, $s->{done} ? @{$o{rest} // []} : ());

    if (!defined $fault && $o{fate} eq 'gone') {
        push @$faults, 'the session works';
        return;
    }

    1 while defined $fault && defined $s->next_packet(3);
    $fault //= $o{then} && $o{then}->($s) // return;

    if ($must) {
        push @$faults, "the session: $fault, done " . ($s->{done} // '-');
        return;
    }

    push @$faults, "the session neither works nor ends: $fault"
        unless $s->gone(5);
}


# Without the offset of a zone with recovery.
sub _next ($s, $timeout) {
    my $p = $s->next_packet($timeout);
    return defined $p ? $p =~ s/,"[\w-]{11}"\]$/]/r : undef;
}


sub _polling ($s) { return $s->isa('Test::SocketIO::Session') }


# A session, if it polls from now on of the workers that live: undef, or what
# it got instead of an ack.  {got}: all else.
sub works ($self, $s, @packets) {
    if (_polling($s)) {
        $s->{$_}->close for qw/get post/;
        $s->{in_get} = 0;
        $s->{get} = $self->{t}->connect_to_worker($self->{keep}[0], pid => 1);
        $s->{post} = $self->{t}->connect_to_worker($self->{keep}[1], pid => 1);
    }

    for (@packets, '429["fate"]') {
        return 'not sent' unless $s->send($_);
    }

    while (defined(my $p = _next($s, 3))) {
        return undef if $p eq '439[]';
        push @{$s->{got}}, $p;
    }

    return 'no ack: ' . join ' ', @{$s->{got} // []};
}


# All leave.  What the backend heard of each: everything once, in order, one
# disconnect for each connect; and nothing is left in the zone, but for pages of
# these types.
sub finish ($self, @may) {
    my $t = $self->{t};

    for my $s (@{$self->{by}}, @{$self->{made} // []}) {
        if (!_polling($s)) {
            $s->{conn}->close;
            next;
        }
        next unless $s->{sid};

        my %conn = (conn => $self->_publisher);
        $t->http('POST', $s->url, body => '1', %conn);

        # one that was closed waits for GETs, to be told
        for (1 .. 5) {
            my $r = $t->http('GET', $s->url, %conn) // last;
            last if $r->{status} != 200;
        }
    }

    $t->close_all;
    delete $self->{publisher};          # that was all

    my $z;
    ok(eventually(sub {
        $z = $self->status->{zone};
        return !grep { my $type = $_; $z->{pages}{$type}
            && !grep { $type =~ /^$_$/ } @may } keys %{$z->{pages}};
    }, 15), 'nothing is left in the zone')
        or diag(to_json($z->{pages}));
    is($z->{free}, $self->{free}, 'as many bytes are free as there were')
        unless @may;

    ok(eventually(sub { !$self->_unbalanced }, 5),
        'one disconnect for each connect');
    diag($_) for grep { defined } ($self->_unbalanced)[0 .. 9];

    my @faults = $self->_heard;
    is(scalar @faults, 0, 'the backend heard all, in order');
    diag($_) for grep { defined } @faults[0 .. 9];

    $t->finish;
}


# Of each socket, without repetitions: C, D.
sub _unbalanced ($self) {
    my (%seen, %life);

    for my $e ($self->{b}->events) {
        next if $seen{$e->{id}}++;
        $life{$e->{sid}} .= { connect => 'C', disconnect => 'D' }->{$e->{type}}
            // 'e';
    }

    return map { "$_: $life{$_}" }
        grep { $life{$_} !~ /^(?:Ce*D)+$/ } sort keys %life;
}


sub _heard ($self) {
    my (@faults, %seen, %seq);
    my %by = map { $_->{id} => $_ } @{$self->{by}};

    for my $e ($self->{b}->events) {
        my $again = $seen{$e->{id}}++;
        my $s = $by{$e->{sid}};

        push @faults, "again: $e->{id} $e->{type} " . to_json($e->{args} // [])
            if $again && $s;
        next if $again;

        if ($s && $e->{type} eq 'event') {
            my $n = ++$s->{said};
            push @faults, "$e->{sid} $e->{args}[0], not $n"
                if $e->{args}[0] != $n;
        }

        my $next = $seq{$e->{sid}}++;
        push @faults, "$e->{sid} $e->{type}: seq $e->{seq}, not $next"
            if defined $e->{seq} && $e->{seq} != $next;
    }

    push @faults, map { "$_->{id} said " . ($_->{said} // 0) . " of $self->{n}" }
        grep { ($_->{said} // 0) != $self->{n} } @{$self->{by}};

    return @faults;
}


1;
