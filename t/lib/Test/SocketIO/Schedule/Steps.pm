package Test::SocketIO::Schedule::Steps;

# Copyright (C) the ngx_http_socketio_module authors

# The steps of a session of Test::SocketIO::Schedule: what is sent, what should
# become of the session by that, and what comes back at once.

use v5.36;

use Carp qw/croak/;
use Time::HiRes qw/time/;

use Test::SocketIO::WebSocket ();

# A GET during a probe ends after 100 ms by itself: later than this nobody
# knows whether it has.
use constant BRIEF => 0.07;

my %STEPS = (
    g => '_get', h => '_post_half', c => '_post_rest', p => '_post',
    o => '_open', w => '_second', 2 => '_probe', 5 => '_upgrade',
    m => '_message', '25m' => '_pipeline', s => '_emit',
    x => '_lost', f => '_lost', k => '_close', b => '_bad',
    1 => '_client_close', P => '_malformed', K => '_kick',
    G => '_second_get', H => '_second_post',
    A => '_post_lost', D => '_get_lost',
    z0 => '_stop', z1 => '_stop', Z => '_go_on',
);


sub step ($self, $step) {
    my $method = $STEPS{$step} // croak "no step $step";
    $self->$method($step);
}


# GETs.

sub _get ($self, @) {
    return if $self->{in_get};
    $self->_conn('get')->request('GET', $self->_url);
    $self->{in_get} = time;
}


# Its answer, if there is one within $timeout.
sub _get_look ($self, $timeout = 0) {
    return unless $self->{in_get};

    my $c = $self->{get};
    1 while $c->_fill(0);
    my $r = $c->response($timeout);

    return if !$r && !$c->{eof};
    delete $self->{in_get};
    return $self->_fault('a GET has no answer') if !$r;
    return $self->_answer($r);
}


sub _answer ($self, $r) {
    $self->{refused} = $r->{status} == 200 ? '' : $self->_code($r);

    if ($r->{status} == 200) {
        $self->_packet($_) for split /\x1e/, $r->{body}, -1;
        return;
    }

    $self->_must($r->{status} == 400, "GET: $r->{status}");
    $self->_must($self->{refused} eq ($self->{state} eq 'closed' ? 1
        : $self->websocket ? 3 : 'none'), "GET: $r->{body}");
}


sub _packet ($self, $p) {
    if ($p eq '1') {
        $self->_must(!$self->open || $self->websocket, 'GET: 1');
        $self->_end('') if $self->{state} eq 'lingering';

    } elsif ($p =~ /^42\["s",(\d+)\]$/) {
        push @{$self->{got}}, $1;

    } elsif ($p =~ /^42\["echo",(\d+)\]$/) {
        push @{$self->{echoed}}, $1;

    } elsif ($p eq '41') {
        $self->_must(!$self->open, 'disconnected');

    } elsif ($p eq '2') {
        $self->{pings}++;
        $self->{pong} = 1;

    } elsif ($p ne '6') {
        $self->_fault("packet $p");
    }
}


sub _unsure ($self) {
    return $self->{probe} && time - $self->{in_get} > BRIEF;
}


sub _second_get ($self, @) {
    return if !$self->{in_get} || !$self->polling || !$self->open;

    my $unsure = $self->_unsure;
    my $c = $self->{d}->conn(1 - $self->{worker}{get});
    $c->request('GET', $self->_url);

    my $r = $c->response($unsure || $self->{race} ? 0.3 : 5);
    if ($r && $r->{status} == 400) {
        $self->_must($r->{body} eq '', "second GET: $r->{body}");
        $self->_end('transport error');
        return;
    }

    # The first was over already, and this is not the second.  Its answer may
    # be on its way still, by another worker.
    $self->_get_look($r ? 5 : 0);
    $self->_must($unsure && !$self->{in_get}, 'second GET');
    $self->_answer($r) if $r;
    @$self{qw/get in_get/} = ($c, time) if !$r;
}


sub _get_lost ($self, @) {

    # Messages in an answer that its client does not read are lost: if there
    # is one it is read, also in a race.
    $self->{d}->settle;
    $self->_get_look;
    return if !$self->{in_get};

    @$self{qw/race within/} = (1, [qw/polling websocket closed/])
        if $self->_unsure;
    (delete $self->{get})->reset;
    delete $self->{in_get};
    $self->_end('transport error') if $self->polling;
}


# POSTs.

sub _half ($self, $body, $some = length $body) {
    my $c = $self->_conn('post');
    my $bytes = $c->build('POST', $self->_url, body => $body,
        headers => { 'Content-Type' => 'text/plain;charset=UTF-8' });
    my $rest = substr $bytes, length($bytes) - length($body) + $some;

    $c->send(substr $bytes, 0, length($bytes) - length $rest);
    return $self->{in_post} = { rest => $rest };
}


# A message has been sent.  In a race its place among those of other channels
# is open, and whether it has come in time if the session ends.
sub _sent ($self, $channel, $n, $taken = 1) {
    my $which = $self->{race} || !$self->open || !$taken ? 'maybe' : 'sent';
    push @{$self->{$which}}, $n;
    $self->{channel}{$n} = $channel;
    $self->{taken}{$n} = 1
        if $taken && $self->open && ($channel eq 'post' || $self->websocket);
}


sub _event ($self) { return '42["c",' . ++$self->{number} . ']' }


sub _post_half ($self, @) {
    $self->_post_wait;
    return if $self->{in_post};
    $self->_half($self->_event, 5)->{number} = $self->{number};
}


sub _post_rest ($self, @) {
    my $p = $self->{in_post};
    return if !$p || $p->{rest} eq '';
    $self->{post}->send($p->{rest});
    $p->{rest} = '';
    $self->_post_wait unless $self->{race};
}


sub _post ($self, @) {
    $self->_post_wait;
    return if $self->{in_post};
    $self->_half($self->_event)->{number} = $self->{number};
    $self->_post_wait unless $self->{race};
}


# Until the one that is complete is answered.
sub _post_wait ($self) {
    my $p = $self->{in_post};
    return if !$p || $p->{rest} ne '';
    $self->_post_look(5);
    $self->_fault('a POST has no answer') if delete $self->{in_post};
}


sub _post_look ($self, $timeout = 0) {
    my $p = $self->{in_post} or return;
    my $c = $self->{post};

    1 while $c->_fill(0);
    my $r = $c->response($timeout);
    return if !$r && !$c->{eof};

    delete $self->{in_post};
    delete $self->{post} if $p->{rest} ne '';
    $self->{post_status} = $r ? $r->{status} : 0;

    if (!$r) {
        $self->_must($self->{state} eq 'closed', 'a POST was dropped');
        $self->_sent('post', $p->{number}, 0) if defined $p->{number};

    } elsif ($r->{status} == 200) {
        return if !defined $p->{number};
        $self->_must($self->{state} ne 'closed' || $self->{kicked},
            'a POST was taken');
        $self->_sent('post', $p->{number});

    } else {
        $self->_must($self->_code($r) eq ($self->{state} eq 'closed' ? 1
            : $self->websocket ? 3 : 'none'), "POST: $r->{body}");
    }
}


sub _client_close ($self, @) {
    $self->_ends_it('1', 'transport close');
}


sub _malformed ($self, @) {
    $self->_ends_it('x', 'parse error');
}


sub _ends_it ($self, $body, $reason) {
    $self->_post_wait;
    return if $self->{in_post};

    my $taken = $self->polling && $self->{state} ne 'closed';
    $self->_end($reason, $self->open || $body eq 'x' ? 'closed'
        : $self->{state}) if $taken;

    $self->_half($body);
    return if $self->{race};
    $self->_post_look(5);
    $self->_fault("POST of $body has no answer") if delete $self->{in_post};
    $self->_must(!$taken || $self->{post_status} == 200,
        "POST of $body: $self->{post_status}");
}


sub _second_post ($self, @) {
    my $p = $self->{in_post};
    return if !$p || $p->{rest} eq '' || $self->{state} ne 'open';

    $self->{d}->settle;                 # it is the second, also in a race
    my $r = $self->_alone(1 - $self->{worker}{post}, 'POST', $self->_url,
        body => '42["never"]') or return $self->_fault('second POST');

    $self->_must($r->{status} == 400, "second POST: $r->{status}");
    $self->_must($self->_code($r) eq ($self->polling ? '' : 3), $r->{body});
    $self->_end('transport error') if $self->polling;
}


sub _post_lost ($self, @) {
    my $p = $self->{in_post};
    return if !$p || $p->{rest} eq '';

    (delete $self->{post})->reset;
    delete $self->{in_post};
    $self->_end('transport error') if $self->polling;
}


# The websocket.

sub _open ($self, @) {
    return if $self->{ws};

    # who comes too early finds the one before, and is closed for it
    $self->_leave;

    my $ws = Test::SocketIO::WebSocket->new($self->{d}->conn(
        $self->{worker}{ws}), $self->_url('websocket'), wait => !$self->{race});
    my $status = $self->{race} ? 101 : $ws->status;

    if ($self->{state} eq 'closed') {
        $self->_must($status == 400, "websocket to a closed one: $status");
        return if !$self->{race};
    }

    $self->_fault("websocket: $status") if $status != 101;
    $self->{ws} = $ws;
    $self->{waits} = $self->{race};
    $self->{probe} = 1 if $self->open && $self->polling;
}


sub _ws_look ($self, $timeout = 0) {
    my $ws = $self->{ws} or return;

    if (delete $self->{waits}) {
        $ws->handshake;
        if (!$ws->ok) {
            delete $self->{ws};
            return $self->{state} eq 'closed' || $self->{race}
                || $self->_fault('no websocket');
        }
    }

    1 while $ws->{conn}->_fill(0);

    while (my $f = $ws->frame($timeout)) {
        if ($f->{op} == 8) {
            $self->_must(!$self->open || !$self->{probe}, 'websocket closed');
            $ws->send_frame(8, $f->{payload}) unless $self->{closing};
            $self->{closed} = $f->{payload};
            delete $self->{ws};
            return;
        }
        next if $f->{payload} eq '3probe';
        $self->_must($self->websocket, "$f->{payload} on a probe");
        $self->_packet($f->{payload});
    }

    if ($ws->{conn}{eof}) {
        $self->_must(0, 'websocket dropped');
        delete $self->{ws};
    }
}


# The end of a websocket that should have one.
sub _ws_ended ($self, $what) {
    $self->{closed} = undef;
    $self->_ws_look(5) if $self->{ws};
    $self->_must(defined $self->{closed}, "$what: not closed");
    return delete $self->{ws};
}


sub _probe ($self, @) {
    my $ws = $self->{ws} or return;

    $ws->send('2probe');

    # Behind the upgrade it is a ping, and only servers do that.
    $self->_end('transport error') if $self->websocket;
    return if $self->{race} || !$self->{probe} || $self->{state} eq 'closed';

    $self->{probe} = 2;
    my $f = $ws->frame // {};
    return if ($f->{payload} // '') eq '3probe';
    $self->_fault('2probe: ' . ($f->{payload} // 'nothing'));
}


sub _switched ($self) {
    return if !$self->{probe};
    $self->{probe} = 0;
    return if $self->{state} eq 'closed';
    $self->{transport} = 'websocket';
    $self->_end('') if $self->{state} eq 'lingering';
}


sub _upgrade ($self, @) {
    my $ws = $self->{ws} or return;
    $ws->send('5');
    $self->_switched;
}


sub _message ($self, @) {
    my $ws = $self->{ws} or return;
    return if !$self->websocket;
    $ws->send($self->_event);
    $self->_sent('ws', $self->{number});
}


sub _pipeline ($self, @) {
    my $ws = $self->{ws} or return;
    my $event = $self->_event;
    $self->_end('transport error') if $self->websocket;
    $self->_switched;
    $self->_sent('ws', $self->{number});
    $ws->send('2probe', '5', $event);
}


sub _lost ($self, $how) {
    my $ws = delete $self->{ws} or return;

    if (delete $self->{waits}) {
        $ws->handshake;
    }

    $how eq 'x' ? $ws->{conn}->reset : $ws->{conn}->close;
    $self->{probe} = 0;
    $self->_end('transport (?:close|error)') if $self->websocket;
}


sub _close ($self, @) {
    my $ws = $self->{ws} or return;

    $self->{closing} = !$self->{race};
    $ws->send_frame(8, pack 'n', 1000);
    $self->{probe} = 0;
    $self->_end('transport close') if $self->websocket;
    return $self->_left if $self->{race};

    $self->_ws_ended('Close');
    $self->{closing} = 0;
    $self->_must(($self->{closed} // '') eq pack('n', 1000), 'no echo');
}


sub _bad ($self, @) {
    my $ws = $self->{ws} or return;
    return if $self->websocket;

    $ws->send('42["never"]');
    $self->{probe} = 0;
    return $self->_left if $self->{race};
    $self->_ws_ended('bad packet');
}


# The server has reason to close it, and will when it gets there.
sub _left ($self) {
    delete $self->{waits};
    push @{$self->{left}}, delete $self->{ws};
}


sub _leave ($self) {
    for my $ws (splice @{$self->{left} //= []}) {
        $self->_fault('websocket is left open') if !defined $ws->closed;
    }
}


sub _second ($self, @) {
    $self->{ws}->handshake if $self->{ws} && delete $self->{waits};
    return if !$self->{probe} && $self->polling && $self->open;

    my $ws = Test::SocketIO::WebSocket->new(
        $self->{d}->conn(1 - $self->{worker}{ws}), $self->_url('websocket'));

    return $self->_must($ws->status == 400, 'second websocket')
        if $self->{state} eq 'closed';

    return $self->_must(0, 'second websocket: ' . $ws->status) if !$ws->ok;

    my $code = $ws->closed;
    $self->_fault('second websocket: ' . ($code // 'not closed'))
        if !defined $code || $code ne '';
    $ws->send_frame(8, '');
    $ws->{conn}->closed(2) || $self->_fault('second websocket: open');
}


# The server.

sub _emit ($self, @) {
    my $n = ++$self->{emits};
    my $count = $self->{d}->emit($self->{id}, $n, $self->{room} && $n % 2,
        $self->{stopped});

    $self->_must($count eq ($self->open ? 1 : 0), "emit to $count");
    push @{$self->{emitted}}, $n if $count eq '1';
}


sub _kick ($self, @) {
    $self->{d}->publish({ op => 'disconnect', sid => $self->{id},
        close => \1 }, $self->{stopped});
    return if !$self->open;
    $self->{kicked} = 1;
    $self->_end('server namespace disconnect', 'lingering');
    $self->_end('') if $self->websocket;
}


# A worker does nothing for a while: what is sent to it meanwhile it finds in
# that order, what others tell it included.

sub _stop ($self, $which) {
    return if defined $self->{stopped};
    $self->{race} = 1;
    $self->{stopped} = substr $which, 1;
    $self->{d}->signal(STOP => $self->{stopped});
}


sub _go_on ($self, @) {
    $self->{d}->signal(CONT => delete $self->{stopped})
        if defined $self->{stopped};
}


1;
