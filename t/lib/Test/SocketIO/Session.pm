package Test::SocketIO::Packets;

# Copyright (C) the ngx_http_socketio_module authors

# Socket.IO over anything that has send(@packets) and recv($timeout).

use v5.36;

use Carp qw/croak/;
use JSON::PP ();

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;


# The first packet of a websocket, decoded: also sets {sid}.
sub open_packet ($self, $timeout = 10) {
    my $p = $self->recv($timeout) // return undef;
    $p =~ /^0(\{.*\})$/s or return undef;
    $self->{open} = $JSON->decode($1);
    $self->{sid} = $self->{open}{sid};
    return $self->{open};
}


# CONNECT: the socket id, or undef (the refusal is in {refused}).  In revision
# 3, where nobody asks for "/" and the answer has no id: 1.
sub sio_connect ($self, $nsp = '/', $auth = undef, $timeout = 10) {
    my $n = $nsp eq '/' ? '' : "$nsp,";
    my $old = $self->{eio} == 3;

    $self->send("40$n" . (defined $auth ? $JSON->encode($auth) : ''))
        unless $old && $nsp eq '/';

    my $r = $self->recv($timeout) // return undef;
    if ($old ? $r eq '40' . ($n =~ s/\?.*?,/,/r)
        : $r =~ /^40\Q$n\E(\{.*\})$/s)
    {
        return 1 if $old;
        return $self->{ids}{$nsp} = $JSON->decode($1)->{sid};
    }

    $self->{refused} = $r;
    return undef;
}


# An event: emit('name', args ...), emit(['/nsp', id], 'name', ...).
sub emit ($self, @args) {
    my ($nsp, $id) = ref $args[0] eq 'ARRAY' ? @{shift @args} : ('/', undef);
    return $self->send('42' . ($nsp eq '/' ? '' : "$nsp,") . ($id // '')
        . $JSON->encode(\@args));
}


# The next packet that is no heartbeat or noop.
sub next_packet ($self, $timeout = 10) {
    while (defined(my $p = $self->recv($timeout))) {
        return $p unless $p =~ ($self->{eio} == 3 ? qr/^[36]$/ : qr/^[26]$/);
        $self->send('3') if $p eq '2';
    }
    return undef;
}


# Packets until $n of them are there or $timeout is over.
sub collect ($self, $n, $timeout = 10) {
    my @got;
    while (@got < $n) {
        push @got, $self->next_packet($timeout) // last;
    }
    return @got;
}


package Test::SocketIO::Session;

# An Engine.IO polling session: one connection for GETs, one for POSTs,
# perhaps on workers of choice.  eio => 3: its payloads; b64 => 1: of a client
# that cannot read binary; jsonp => n: of a page with scripts and forms, said
# to be one of this server's.

use v5.36;

use Carp qw/croak/;
use Test::SocketIO::Payload ();

our @ISA = ('Test::SocketIO::Packets');


sub new ($class, $t, %o) {
    my $self = bless { t => $t, queue => [], eio => $o{eio} // 4,
                       path => $o{path} // $t->path,
                       host => $o{host}, headers => { %{$o{headers} // {}} },
                       b64 => $o{b64}, j => $o{jsonp},
                     }, $class;

    $self->{headers}{Referer} //= 'http://127.0.0.1:' . $t->port . '/page'
        if defined $self->{j};

    $self->{get} = $t->_conn($o{get_worker} // $o{worker});
    $self->{post} = $t->_conn($o{post_worker} // $o{worker});

    if ($o{handshake} // 1) {
        my $c = defined $o{worker} ? $t->_conn($o{worker}) : $self->{get};
        my $r = $t->http('GET', $self->url($o{query}), conn => $c,
            headers => $self->{headers}, $self->_host);
        $self->{res} = $r;
        my @p = $r && $r->{status} == 200
            ? Test::SocketIO::Payload::packets($self, $r) : ();
        if (@p && $p[0] =~ /^0(\{.*\})$/s) {
            shift @p;
            $self->{open} = JSON::PP->new->utf8->decode($1);
            $self->{sid} = $self->{open}{sid};
        }
        push @{$self->{queue}}, @p;
    }

    return $self;
}


sub _host ($self) {
    return defined $self->{host} ? (host => $self->{host}) : ();
}


sub ok ($self) { return defined $self->{sid} }


sub url ($self, $more = undef) {
    return $self->{path} . "?EIO=$self->{eio}&transport=polling"
        . (defined $self->{sid} ? "&sid=$self->{sid}" : '')
        . (defined $self->{j} ? "&j=$self->{j}" : '')
        . ($self->{b64} ? '&b64=1' : '') . ($more // '');
}


# A request with this sid on a connection of its own (or conn =>).
sub request ($self, $method, %o) {
    return $self->{t}->http($method, $self->url(delete $o{query}),
        headers => $self->{headers}, $self->_host, %o);
}


# Sends the GET; its answer by get_wait.
sub get_start ($self) {
    croak 'GET already in flight' if $self->{in_get};
    $self->_again('get');
    $self->{in_get} = 1;
    $self->{get}->request('GET', $self->url, headers => $self->{headers},
        $self->_host);
}


# A kept connection that the server has closed is opened again, on the same
# worker.
sub _again ($self, $which) {
    my $c = $self->{$which};
    return unless $c->{eof} || ($c->_fill(0), $c->{eof});
    $self->{$which} = $c->{worker}
        ? $self->{t}->connect_to_worker($c->{worker}, pid => 1)
        : $self->{t}->connect;
}


sub get_wait ($self, $timeout = 10) {
    my $r = $self->{get}->response($timeout);
    $self->{in_get} = 0 if $r || $self->{get}{eof};
    return $r;
}


# True if the GET has no answer for $time seconds.
sub parked ($self, $time = 0.3) { return $self->{get}->silent($time) }


# One whole GET: the response.
sub get ($self, $timeout = 10) {
    $self->get_start unless $self->{in_get};
    return $self->get_wait($timeout);
}


# The body of one GET that was answered 200, else its status, else 'none'.
sub body ($self, $timeout = 10) {
    my $r = $self->get($timeout) // return 'none';
    return $r->{status} == 200 ? $r->{body} : $r->{status};
}


sub post ($self, $body, %o) {
    my $type = exists $o{type} ? delete $o{type}
        : defined $self->{j} ? 'application/x-www-form-urlencoded'
        : 'text/plain;charset=UTF-8';
    $self->_again('post') unless $o{conn};
    return $self->{t}->http('POST', $self->url, conn => $self->{post},
        headers => { %{$self->{headers}}, 'Content-Type' => $type },
        $self->_host, ($o{chunked} ? () : (body => $body)), %o);
}


# (body, type => ...) of a POST of packets.
sub payload ($self, @packets) {
    my $bin = 'application/octet-stream';
    my $text = $self->{eio} == 3 ? \&Test::SocketIO::Payload::text3
        : \&Test::SocketIO::Payload::text4;

    return Test::SocketIO::Payload::form($text->(@packets))
        if defined $self->{j};
    return (Test::SocketIO::Payload::binary3(@packets), type => $bin)
        if $self->{eio} == 3 && !$self->{b64} && grep { ref } @packets;
    return $text->(@packets);
}


# Packets in one POST; a scalar reference is a binary message.
sub send ($self, @packets) {
    my $r = $self->post($self->payload(@packets));
    return $r && $r->{status} == 200 && $r->{body} eq 'ok';
}


sub recv ($self, $timeout = 10) {
    if (!@{$self->{queue}}) {
        my $r = $self->get($timeout) // return undef;
        if ($r->{status} != 200) {
            $self->{error} = $r;
            return undef;
        }
        push @{$self->{queue}}, Test::SocketIO::Payload::packets($self, $r);
    }
    return shift @{$self->{queue}};
}


# Is the session known?
sub alive ($self) {
    return $self->{t}->session_alive($self->{sid}, $self->{path});
}


# Waits for the end of the session.
sub gone ($self, $timeout = 10) {
    return Test::SocketIO::eventually(sub { !$self->alive }, $timeout);
}


1;
