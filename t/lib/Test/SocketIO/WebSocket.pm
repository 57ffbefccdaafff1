package Test::SocketIO::WebSocket;

# Copyright (C) the ngx_http_socketio_module authors

# RFC 6455 client that sends any frame it is told to, right or wrong.

use v5.36;

use Carp qw/croak/;
use Compress::Raw::Zlib qw/Z_OK Z_BUF_ERROR Z_SYNC_FLUSH/;
use Digest::SHA qw/sha1_base64/;
use MIME::Base64 qw/encode_base64 decode_base64/;
use Time::HiRes qw/time/;

use parent -norequire, 'Test::SocketIO::Packets';
use Test::SocketIO::Session ();

use constant {
    CONT => 0, TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9, PONG => 10,
};


# $conn: Test::SocketIO::HTTP.  headers: added, or with undef left out;
# after: bytes sent in one write with the request; wait => 0: the 101 is
# read by handshake(); deflate => 1: as browsers offer it, or another offer.
# The revision and "b64" are those of the path.
sub new ($class, $conn, $path, %o) {
    my $key = encode_base64(join('', map { chr int rand 256 } 1 .. 16), '');
    my %h = (
        Upgrade => 'websocket', Connection => 'Upgrade',
        'Sec-WebSocket-Key' => $key, 'Sec-WebSocket-Version' => 13,
        %{$o{headers} // {}},
    );
    $h{'Sec-WebSocket-Extensions'} = $o{deflate} ne '1' ? $o{deflate}
        : 'permessage-deflate; client_max_window_bits' if $o{deflate};
    my $self = bless { conn => $conn, key => $key, queue => [],
                       recv_max => 0, eio => $path =~ /[?&]EIO=3\b/ ? 3 : 4,
                       b64 => $path =~ /[?&]b64=[^&]/ ? 1 : 0 }, $class;

    my $bytes = $conn->build($o{method} // 'GET', $path, headers => \%h,
        exists $o{host} ? (host => $o{host}) : ());
    $conn->send($bytes . ($o{after} // ''));
    $self->handshake($o{timeout} // 5) if $o{wait} // 1;

    return $self;
}


sub handshake ($self, $timeout = 10) {
    my $r = $self->{res} = $self->{conn}->response($timeout);
    my $accept = sha1_base64("$self->{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        . '=';

    $self->{ok} = $r && $r->{status} == 101
        && lc($r->{headers}{upgrade} // '') eq 'websocket'
        && lc($r->{headers}{connection} // '') eq 'upgrade'
        && ($r->{headers}{'sec-websocket-accept'} // '') eq $accept;
    $self->{extension} = $r && $r->{headers}{'sec-websocket-extensions'};
    $self->{deflate} = ($self->{extension} // '') =~ /^permessage-deflate\b/;

    return $self->{ok};
}


sub ok ($self) { return $self->{ok} }


sub status ($self) { return $self->{res} ? $self->{res}{status} : 0 }


# RFC 7692, 7.2.1; o: options of Compress::Raw::Zlib::Deflate.
sub deflated ($s, %o) {
    my $d = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15,
        -AppendOutput => 1, %o);
    my $out = '';
    $d->deflate($s, $out) == Z_OK && $d->flush($out, Z_SYNC_FLUSH) == Z_OK
        or croak 'cannot be deflated';
    return substr $out, 0, -4;
}


# undef: it is no deflated message.  In pieces, so that a small window shows.
sub inflated ($s, $window = 15) {
    my $i = Compress::Raw::Zlib::Inflate->new(-WindowBits => -$window,
        -LimitOutput => 1, -Bufsize => 256);
    my ($all, $part) = ('');
    $s .= "\0\0\xff\xff";
    while (1) {
        my $r = $i->inflate($s, $part);
        return undef if $r != Z_OK && $r != Z_BUF_ERROR;
        $all .= $part;
        return $all if $s eq '' && $part eq '';
    }
}


# fin, mask (default 1), rsv (bits 4 2 1), len (a declared length that
# lies), key (four bytes).
sub frame_bytes ($op, $payload = '', %o) {
    my $n = $o{len} // length $payload;
    my $mask = $o{mask} // 1;
    my $b0 = (($o{fin} // 1) ? 0x80 : 0) | (($o{rsv} // 0) << 4) | $op;
    my $m = $mask ? 0x80 : 0;
    my $out = pack 'C', $b0;

    $out .= $n < 126 ? pack('C', $m | $n)
        : $n < 65536 ? pack('Cn', $m | 126, $n)
        : pack('CQ>', $m | 127, $n);

    return $out . $payload unless $mask;

    my $key = $o{key} // pack 'N', int rand 0xffffffff;
    my $pad = $key x (1 + length($payload) / 4);
    return $out . $key . ($payload ^. substr $pad, 0, length $payload);
}


sub send_frame ($self, $op, $payload = '', %o) {
    my $bytes = frame_bytes($op, $payload, %o);
    return $o{slow} ? $self->{conn}->send_slowly($bytes, $o{slow})
        : $self->{conn}->send($bytes);
}


sub send_raw ($self, $bytes) { return $self->{conn}->send($bytes) }
sub send_text ($self, $s)    { return $self->send_frame(TEXT, $s) }
sub send_binary ($self, $s)  { return $self->send_frame(BINARY, $s) }


# Engine.IO packets; a scalar reference is a binary message.  One write.
# Deflated, if that was agreed on.
sub send ($self, @packets) {
    my $old = $self->{eio} == 3;

    return $self->{conn}->send(join '', map {
        my ($op, $p) = !ref $_ ? (TEXT, $_)
            : !$self->{b64} ? (BINARY, ($old ? "\x04" : '') . $$_)
            : (TEXT, ($old ? 'b4' : 'b') . encode_base64($$_, ''));
        $self->{deflate} ? frame_bytes($op, deflated($p), rsv => 4)
            : frame_bytes($op, $p)
    } @packets);
}


# The next frame: { fin, rsv, op, payload, masked }, or undef.
sub frame ($self, $timeout = 10) {
    my $c = $self->{conn};

    return $c->_until($timeout, sub {
        return undef if length $c->{in} < 2;
        my ($b0, $b1) = unpack 'CC', $c->{in};
        my ($n, $pos) = ($b1 & 0x7f, 2);
        if ($n == 126) {
            return undef if length $c->{in} < 4;
            ($n, $pos) = (unpack('x2n', $c->{in}), 4);
        } elsif ($n == 127) {
            return undef if length $c->{in} < 10;
            ($n, $pos) = (unpack('x2Q>', $c->{in}), 10);
        }
        my $masked = $b1 & 0x80;
        $pos += 4 if $masked;
        return undef if length $c->{in} < $pos + $n;
        my $payload = substr $c->{in}, $pos, $n;
        substr $c->{in}, 0, $pos + $n, '';
        return { fin => $b0 >> 7, rsv => ($b0 >> 4) & 7, op => $b0 & 15,
                 masked => $masked ? 1 : 0, payload => $payload };
    });
}


# The next Engine.IO packet: text, or "b" and base64 of a binary message
# (as polling has it, without the type of revision 3).  undef: none in time,
# or closed, see {close}.
sub recv ($self, $timeout = 10) {
    my $f = $self->frame($timeout) or return undef;

    if ($self->{deflate} && $f->{rsv} == 4) {
        $f->{rsv} = 0;
        $f->{payload} = inflated($f->{payload}) // croak 'cannot be inflated';
    }

    croak "masked or reserved bits from the server"
        if $f->{masked} || $f->{rsv};

    return $self->_text($f->{payload}) if $f->{op} == TEXT && $f->{fin};
    return 'b' . encode_base64($self->_binary($f->{payload}), '')
        if $f->{op} == BINARY && $f->{fin};

    if ($f->{op} == CLOSE) {
        $self->{close} = $f;
        return undef;
    }

    return $self->recv($timeout);       # a pong
}


sub _text ($self, $p) {
    return $p unless $p =~ /^b/;
    croak "base64 to a client that reads binary" unless $self->{b64};
    return $p if $self->{eio} != 3;
    return $p =~ s/^b4/b/r if $p =~ /^b4/;
    croak "base64 without its type: $p";
}


sub _binary ($self, $p) {
    croak "binary to a client that cannot read it" if $self->{b64};
    return $p if $self->{eio} != 3;
    return substr $p, 1 if $p =~ /^\x04/;
    croak 'binary frame without its type: ' . unpack 'H*', $p;
}


# Waits for the end: the close code; '' for a Close without one; 'eof' for
# none before EOF; undef when still open after $timeout.  Packets met on the
# way are kept in {late}.
sub closed ($self, $timeout = 10) {
    my $f = $self->{close};

    while (!$f) {
        my $g = $self->frame($timeout);
        if (!$g) {
            return $self->{conn}{eof} ? 'eof' : undef;
        }
        $f = $self->{close} = $g if $g->{op} == CLOSE;
        push @{$self->{late}}, $g->{payload} if $g->{op} < CLOSE;
    }

    return '' if $f->{payload} eq '';
    return unpack 'n', $f->{payload};
}


# A frame in words: "text:...", "binary:...", "pong:...", "close", "close:1000";
# more in front if it is not as a server's should be.
sub said ($f) {
    my %name = (TEXT, 'text', BINARY, 'binary', PONG, 'pong', PING, 'ping');
    my $odd = ($f->{fin} ? '' : 'part ') . ($f->{masked} ? 'masked ' : '')
        . ($f->{rsv} ? "rsv$f->{rsv} " : '');

    return $odd . ($name{$f->{op}} // $f->{op}) . ":$f->{payload}"
        if $f->{op} != CLOSE;

    return $odd . 'close'
        . ($f->{payload} eq '' ? '' : ':' . unpack 'n', $f->{payload});
}


# All frames from now on, as said(), and how TCP ends: "eof", "reset", or
# "open" if it did not in $timeout.  The server's Close is answered; $n: after
# so many frames ours is sent.
sub transcript ($self, $n = undef, $timeout = 10) {
    my $c = $self->{conn};
    my $end = time + $timeout;
    my $sent = $c->{shut};
    my @got;

    while (1) {
        $self->send_frame(CLOSE, pack 'n', 1000)
            if defined $n && @got >= $n && !$sent++;
        my $f = $self->frame($end - time) // last;
        push @got, said($f);
        $self->send_frame(CLOSE, $f->{payload})
            if $f->{op} == CLOSE && !$sent++;
    }

    return @got, length $c->{in} ? 'half a frame' : (),
        $c->{reset} ? 'reset' : $c->{eof} ? 'eof' : 'open';
}


# Nothing from the server for $time seconds, and still open.
sub silent ($self, $time) { return $self->{conn}->silent($time) }


# The polite end: true if the server answered and closed first.
sub close ($self, $code = 1000) {
    $self->send_frame(CLOSE, defined $code ? pack('n', $code) : '');
    my $done = defined $self->closed(3) && $self->{conn}->closed(3);
    $self->{conn}->close;
    return $done;
}


1;
