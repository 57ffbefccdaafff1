package Test::SocketIO::Backend;

# Copyright (C) the ngx_http_socketio_module authors

# A hook backend: a forked HTTP/1.1 server with keep-alive that records every
# request in a file, and answers by a function of the decoded batch:
#
#   sub ($events, $req, $ctl) { ... }
#
# $req: { n, method, uri, headers, body }.  $ctl: what the test last gave to
# set().  The answer: undef: 204; a reference to hash or array: its JSON; a
# string: a 200 with that body; reply(...): anything else.

use v5.36;

use Carp qw/croak/;
use Exporter qw/import/;
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw/sleep time/;

our @EXPORT_OK = qw/reply echo/;

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;


# status, headers (hash), body, delay (seconds), hold (a word: until
# release(word)), raw (bytes instead of all that), pieces (list: chunked,
# 50 ms apart), close (after the answer; alone: without any), stream (list, sent
# piece by piece while others are served: a string, a hash for its JSON on a
# line, a reference to a word to wait for its release; with cut => 1 the
# connection is lost at the end, with chunked => 0 it is the end).
sub reply (%o) { return bless {%o}, 'Test::SocketIO::Reply' }


# The usual behaviour: "echo" back to the sender, and as ack; messages of
# sessions without Socket.IO as they are.
sub echo ($events, @) {
    my @out;

    for my $e (grep { $_->{type} eq 'message' } @$events) {
        push @out, { op => 'send', id => $e->{id},
                     map { exists $e->{$_} ? ($_ => $e->{$_}) : () }
                         qw/text binary/ };
    }

    for my $e (grep { $_->{type} eq 'event' } @$events) {
        my %b = $e->{attachments} ? (attachments => $e->{attachments}) : ();
        push @out, { op => 'emit', id => $e->{id}, event => 'echo',
                     args => $e->{args}, %b };
        push @out, { op => 'ack', id => $e->{id}, args => $e->{args}, %b }
            if $e->{ack};
    }

    return \@out;
}


sub new ($class, $dir, $n, $code = undef, %o) {
    my $self = bless {
        file => "$dir/backend$n.jsonl", ctl => "$dir/backend$n.ctl",
        code => $code // sub { return undef }, seen => 0, all => [],
        owner => $$,
    }, $class;

    $self->start($o{port}) unless $o{down};
    return $self;
}


# down => 1 in new() and a later start() give a backend that comes up late.
sub start ($self, $port = $self->{port}) {
    my $l = IO::Socket::INET->new(
        Proto => 'tcp', LocalAddr => '127.0.0.1', LocalPort => $port // 0,
        Listen => 128, ReuseAddr => 1) or croak "backend: $!";

    $self->{port} = $l->sockport;
    $self->{pid} = fork // croak "fork: $!";
    return if $self->{pid};

    alarm 0;
    $SIG{$_} = 'DEFAULT' for qw/ALRM INT TERM/;
    $SIG{PIPE} = 'IGNORE';
    eval { $self->_loop($l) };
    print STDERR "backend: $@" if $@;
    POSIX::_exit(0);
}


sub port ($self) {
    return $self->{port} //= Test::SocketIO::free_port();
}


sub stop ($self) {
    return if !$self->{pid} || $$ != $self->{owner};
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}


# Values for the function's $ctl; replaces the file in one step.
sub set ($self, %v) {
    my $ctl = $self->_ctl;
    @$ctl{keys %v} = values %v;
    open my $f, '>', "$self->{ctl}.new" or croak "$self->{ctl}: $!";
    print {$f} $JSON->encode($ctl);
    close $f;
    rename "$self->{ctl}.new", $self->{ctl} or croak "$self->{ctl}: $!";
}


sub release ($self, $word) { $self->set("release $word" => 1) }


sub _ctl ($self) {
    open my $f, '<', $self->{ctl} or return {};
    local $/;
    return $JSON->decode(scalar <$f>);
}


# All requests so far: { n, time, method, uri, headers, body, events }.
sub requests ($self) {
    if (open my $f, '<', $self->{file}) {
        seek $f, $self->{seen}, 0;
        while (my $line = <$f>) {
            last unless $line =~ /\n$/;
            $self->{seen} += length $line;
            push @{$self->{all}}, $JSON->decode($line);
        }
    }
    return @{$self->{all}};
}


# All events so far, in order of arrival (of some type).
sub events ($self, $type = undef) {
    my @e = map { ref $_->{events} eq 'ARRAY' ? @{$_->{events}} : () }
        $self->requests;
    return defined $type ? grep { $_->{type} eq $type } @e : @e;
}


# All of it as recorded, for what must never be in there.
sub read_all ($self) {
    open my $f, '<', $self->{file} or return '';
    local $/;
    return scalar <$f>;
}


# Waits until at least $n events of $type are there: all of that type.
sub wait_events ($self, $type, $n, $timeout = 5) {
    Test::SocketIO::eventually(
        sub { scalar(my @e = $self->events($type)) >= $n }, $timeout);
    return $self->events($type);
}


# The socket of a session that was opened with "&case=..." in its query.
sub socket ($self, $case, $nsp = '/', $timeout = 5) {
    my $e = Test::SocketIO::eventually(sub {
        my ($c) = grep { ($_->{nsp} // $nsp) eq $nsp
            && ($_->{handshake}{query}{case} // '') eq $case }
            $self->events('connect'), $self->events('open');
        return $c;
    }, $timeout);
    return $e ? $e->{sid} : undef;
}


# The reason of the disconnect, or close, of socket $sid, waited for; undef if
# none.
sub reason ($self, $sid, $timeout = 5) {
    return undef unless defined $sid;

    my $e = Test::SocketIO::eventually(sub {
        my ($d) = grep { $_->{sid} eq $sid
                         && $_->{type} =~ /^(?:disconnect|close)$/ }
            $self->events;
        return $d;
    }, $timeout);
    return $e ? $e->{reason} : undef;
}


sub _loop ($self, $listen) {
    my %conn;
    my $sel = IO::Select->new($listen);

    $listen->blocking(0);

    while (1) {
        my $busy = grep { $_->{reply} } values %conn;

        for my $s ($sel->can_read($busy ? 0.01 : 0.2)) {
            if ($s == $listen) {
                my $c = $listen->accept or next;
                $c->blocking(0);
                $sel->add($c);
                $conn{$c} = { sock => $c, in => '' };
                next;
            }

            my $c = $conn{$s};
            my $n = sysread $s, $c->{in}, 262144, length $c->{in};
            if (defined $n ? $n == 0 : !$!{EAGAIN}) {
                $sel->remove($s);
                delete $conn{$s};
            }
        }

        for my $c (values %conn) {
            $self->_serve($c);
            next unless $c->{done};
            $sel->remove($c->{sock});
            delete $conn{$c->{sock}};
        }

        POSIX::_exit(0) if getppid() == 1;
    }
}


sub _serve ($self, $c) {
    while (1) {
        if (!$c->{reply}) {
            my $req = $self->_request($c) or return;
            $c->{reply} = $self->_answer($req);
            $c->{due} = time + ($c->{reply}{delay} // 0);
        }

        my $r = $c->{reply};
        return if time < $c->{due};
        return if defined $r->{hold} && !$self->_ctl->{"release $r->{hold}"};

        if ($r->{stream}) {
            return if !$self->_stream($c, $r);
        } else {
            $self->_write($c, $r);
        }

        delete $c->{reply};
        if ($r->{close}) {
            $c->{done} = 1;
            return;
        }
    }
}


sub _request ($self, $c) {
    $c->{in} =~ /^(.*?)\r\n\r\n/s or return undef;
    my $head = $1;
    my $pos = length($head) + 4;
    my ($line, @h) = split /\r\n/, $head;
    my %h = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1 => $2) : () } @h;
    my $n = $h{'content-length'} // 0;

    return undef if length($c->{in}) < $pos + $n;

    my $body = substr $c->{in}, $pos, $n;
    substr $c->{in}, 0, $pos + $n, '';
    my ($method, $uri) = split / /, $line;

    return { n => $self->{n}++, method => $method, uri => $uri,
             headers => \%h, body => $body, time => time };
}


sub _answer ($self, $req) {
    my $events = eval { $JSON->decode($req->{body}) };

    open my $f, '>>', $self->{file} or die "$self->{file}: $!";
    my %rec = (%$req, events => $events, pid => $$);
    utf8::decode($rec{body});
    syswrite $f, $JSON->encode(\%rec) . "\n";
    close $f;

    my $a = eval { $self->{code}->($events // [], $req, $self->_ctl) };
    print STDERR "backend: $@" if $@;

    return $a if ref $a eq 'Test::SocketIO::Reply';
    return reply(status => 204) unless defined $a;
    return reply(body => ref $a ? $JSON->encode($a) : $a);
}


sub _write ($self, $c, $r) {
    my $s = $c->{sock};
    my %h = ('Content-Type' => 'application/json', %{$r->{headers} // {}});
    my $status = $r->{status} // 200;
    my $body = ref $r->{body} ? $JSON->encode($r->{body}) : $r->{body} // '';

    return if $r->{close} && !defined $r->{body} && !defined $r->{status}
        && !defined $r->{raw};

    $s->blocking(1);
    if (defined $r->{raw}) {
        print {$s} $r->{raw};

    } elsif ($r->{pieces}) {
        print {$s} "HTTP/1.1 $status OK\r\nTransfer-Encoding: chunked\r\n",
            map({ "$_: $h{$_}\r\n" } keys %h), "\r\n";
        $s->flush;
        for my $p (@{$r->{pieces}}) {
            printf {$s} "%x\r\n%s\r\n", length $p, $p;
            $s->flush;
            sleep 0.05;
        }
        print {$s} "0\r\n\r\n" unless $r->{cut};

    } else {
        $h{'Content-Length'} = length $body unless $status == 204;
        delete $h{'Content-Type'} if $status == 204;
        print {$s} "HTTP/1.1 $status X\r\n",
            map({ "$_: $h{$_}\r\n" } sort keys %h), "\r\n", $body;
    }
    $s->flush;
    $s->blocking(0);
}


# As far as it may be written; 1: to the end.
sub _stream ($self, $c, $r) {
    my $out = $r->{todo} ? '' : $self->_head($r, 'Content-Type' =>
        'application/x-ndjson', %{$r->{headers} // {}});

    $r->{todo} //= [@{$r->{stream}}];

    while (@{$r->{todo}}) {
        my $p = $r->{todo}[0];
        last if ref $p eq 'SCALAR' && !$self->_ctl->{"release $$p"};
        shift @{$r->{todo}};
        next if ref $p eq 'SCALAR';
        $p = $JSON->encode($p) . "\n" if ref $p;
        $out .= $self->_piece($r, $p);
    }

    my $end = !@{$r->{todo}};
    $out .= $self->_tail($r) if $end && !$r->{cut};
    $r->{close} = 1 if $end && ($r->{cut} || !($r->{chunked} // 1));

    $c->{sock}->blocking(1);
    print {$c->{sock}} $out;
    $c->{sock}->flush;
    $c->{sock}->blocking(0);

    return $end;
}


sub _head ($self, $r, %h) {
    $h{'Transfer-Encoding'} = 'chunked' if $r->{chunked} // 1;
    return join "\r\n", 'HTTP/1.1 200 OK', map({ "$_: $h{$_}" } sort keys %h),
        '', '';
}


sub _piece ($self, $r, $p) {
    return ($r->{chunked} // 1) ? sprintf("%x\r\n%s\r\n", length $p, $p) : $p;
}


sub _tail ($self, $r) { return ($r->{chunked} // 1) ? "0\r\n\r\n" : '' }


sub DESTROY ($self) { $self->stop }


1;
