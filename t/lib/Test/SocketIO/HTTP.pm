package Test::SocketIO::HTTP;

# Copyright (C) the ngx_http_socketio_module authors

# One TCP connection and a parser of HTTP/1.1 responses of its own, so that
# nothing is hidden: a request may go out in pieces, an answer may be read
# later or never.

use v5.36;

use Carp qw/croak/;
use IO::Select ();
use IO::Socket::INET ();
use Socket qw/IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER/;
use Time::HiRes qw/sleep time/;


sub new ($class, %o) {
    my $s = IO::Socket::INET->new(
        Proto => 'tcp', PeerAddr => '127.0.0.1', PeerPort => $o{port},
        Timeout => 3);

    if (!$s) {
        return undef if $o{quiet};
        croak "connect to $o{port}: $!";
    }

    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    $s->blocking(0);

    return bless { sock => $s, in => '', eof => 0, port => $o{port} }, $class;
}


sub _trace ($self, $way, $bytes) {
    return unless $ENV{TEST_NGINX_VERBOSE};
    my $s = substr $bytes, 0, 400;
    $s =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    Test::More::note("$self->{sock} $way $s");
}


# All bytes, or what the peer takes before it closes: 1 if all.
sub send ($self, $bytes) {
    my $s = $self->{sock} or return 0;
    my $end = time + 10;
    my $off = 0;

    $self->_trace('>', $bytes);

    while ($off < length $bytes) {
        my $n = syswrite $s, $bytes, length($bytes) - $off, $off;
        if (defined $n) {
            $off += $n;
            next;
        }
        $self->{reset} = 1 if $!{ECONNRESET} || $!{EPIPE};
        return 0 unless $!{EAGAIN} && time < $end;
        # A peer that answers early must not wedge us both.
        my ($r, $w) = IO::Select->select(
            IO::Select->new($s), IO::Select->new($s), undef, 0.5);
        $self->_fill(0) if $r && @$r;
    }

    return 1;
}


# The same in pieces of $size bytes, a moment apart.
sub send_slowly ($self, $bytes, $size, $pause = 0.002) {
    for (my $i = 0; $i < length $bytes; $i += $size) {
        $self->send(substr $bytes, $i, $size) or return 0;
        sleep $pause if $pause;
    }
    return 1;
}


# Reads what comes within $timeout: false at its end and at EOF.
sub _fill ($self, $timeout) {
    my $s = $self->{sock};
    return 0 if !$s || $self->{eof};

    return 0 unless IO::Select->new($s)->can_read($timeout > 0 ? $timeout : 0);

    my $n = sysread $s, my $buf, 65536;
    if (!defined $n) {
        return 1 if $!{EAGAIN} || $!{EINTR};
        $self->{reset} = 1 if $!{ECONNRESET};
        $self->{eof} = 1;
        return 0;
    }
    if ($n == 0) {
        $self->{eof} = 1;
        return 0;
    }

    $self->_trace('<', $buf);
    $self->{in} .= $buf;
    return 1;
}


# Until $ready->() is true: its answer, or undef after $timeout or at EOF.
sub _until ($self, $timeout, $ready) {
    my $end = time + $timeout;

    while (1) {
        my $r = $ready->();
        return $r if defined $r;
        return undef if $self->{eof};
        my $left = $end - time;
        return undef if $left <= 0;
        $self->_fill($left);
    }
}


# The bytes of a request.  headers: hash or list of pairs; body, or
# chunked => [ pieces ]; version; host => undef leaves it out; length =>
# another Content-Length than the truth.
sub build ($self, $method, $path, %o) {
    my $v = $o{version} // '1.1';
    my @h = ref $o{headers} eq 'HASH' ? %{$o{headers}} : @{$o{headers} // []};
    my $out = "$method $path HTTP/$v\r\n";

    $out .= 'Host: ' . ($o{host} // "127.0.0.1:$self->{port}") . "\r\n"
        unless exists $o{host} && !defined $o{host};

    while (my ($k, $val) = splice @h, 0, 2) {
        $out .= "$k: $val\r\n" if defined $val;
    }

    if ($o{chunked}) {
        $out .= "Transfer-Encoding: chunked\r\n\r\n";
        $out .= sprintf "%x\r\n%s\r\n", length, $_ for @{$o{chunked}};
        return $out . "0\r\n\r\n";
    }

    my $body = $o{body};
    if (defined $body || defined $o{length}) {
        $out .= 'Content-Length: ' . ($o{length} // length $body) . "\r\n";
    }

    return "$out\r\n" . ($body // '');
}


# slow => n: in pieces of n bytes.
sub request ($self, $method, $path, %o) {
    my $bytes = $self->build($method, $path, %o);
    return $o{slow} ? $self->send_slowly($bytes, $o{slow})
        : $self->send($bytes);
}


# The next response, or undef if it is not complete within $timeout:
# status, reason, headers (lower case; repeated ones joined by "\n"), head,
# body, keepalive.
sub response ($self, $timeout = 10, $method = 'GET') {
    my $res = $self->_until($timeout, sub { $self->_parse($method) });

    # Up to EOF, the only framing HTTP/1.0 may have.
    if (!$res && $self->{eof} && $self->{in} =~ /^(HTTP.*?\r\n\r\n)(.*)/s) {
        my ($head, $body) = ($1, $2);
        my $h = _head($head);
        return undef if defined $h->{headers}{'content-length'}
            || $h->{headers}{'transfer-encoding'};
        $self->{in} = '';
        return { %$h, body => $body };
    }

    return $res;
}


sub _head ($head) {
    my ($first, @lines) = split /\r\n/, $head;
    my ($v, $status, $reason) = $first =~ m{^HTTP/(1\.[01]) (\d{3})(?: (.*))?$}
        or croak "not HTTP: $first";
    my %h;

    for (@lines) {
        my ($k, $val) = /^([^:\s]+):\s*(.*?)\s*$/ or croak "bad header: $_";
        $k = lc $k;
        $h{$k} = defined $h{$k} ? "$h{$k}\n$val" : $val;
    }

    my $ka = $v eq '1.1' && lc($h{connection} // '') ne 'close';

    return { version => $v, status => $status, reason => $reason // '',
             headers => \%h, head => $head, keepalive => $ka };
}


sub _parse ($self, $method) {
    $self->{in} =~ /^(HTTP.*?\r\n\r\n)/s or return undef;
    my $head = $1;
    my $h = _head($head);
    my $pos = length $head;
    my ($body, $used);

    if ($method eq 'HEAD' || $h->{status} =~ /^(?:1..|204|304)$/) {
        ($body, $used) = ('', 0);

    } elsif (lc($h->{headers}{'transfer-encoding'} // '') eq 'chunked') {
        ($body, $used) = _dechunk(substr $self->{in}, $pos);

    } elsif (defined(my $n = $h->{headers}{'content-length'})) {
        return undef if length($self->{in}) - $pos < $n;
        ($body, $used) = (substr($self->{in}, $pos, $n), $n);
    }

    return undef unless defined $body;

    substr $self->{in}, 0, $pos + $used, '';
    return { %$h, body => $body };
}


sub _dechunk ($in) {
    my ($out, $pos) = ('', 0);

    while (1) {
        pos($in) = $pos;
        $in =~ /\G([0-9a-fA-F]+)[^\r]*\r\n/gc or return;
        my ($n, $start) = (hex $1, pos $in);
        if ($n == 0) {
            return substr($in, $start, 2) eq "\r\n" ? ($out, $start + 2) : ();
        }
        return if length($in) < $start + $n + 2;
        $out .= substr $in, $start, $n;
        $pos = $start + $n + 2;
    }
}


# True when nothing at all has come for $time seconds.
sub silent ($self, $time) {
    my $end = time + $time;

    while ((my $left = $end - time) > 0) {
        return 0 if $self->{in} ne '' || $self->{eof};
        $self->_fill($left);
    }

    return $self->{in} eq '' && !$self->{eof};
}


# True when the peer closes within $timeout (bytes before that are kept).
sub closed ($self, $timeout = 10) {
    $self->_until($timeout, sub { undef });
    return $self->{eof};
}


sub close ($self) {
    CORE::close(delete $self->{sock}) if $self->{sock};
    $self->{eof} = 1;
}


# RST instead of FIN.
sub reset ($self) {
    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0;
    $self->close;
}


sub half_close ($self) { return $self->{shut} = shutdown $self->{sock}, 1 }


sub DESTROY ($self) { $self->close }


1;
