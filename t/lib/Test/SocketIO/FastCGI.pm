package Test::SocketIO::FastCGI;

# Copyright (C) the ngx_http_socketio_module authors

# The same backend behind fastcgi_pass; answers are reply(stream => ...) or what
# becomes JSON.  cut => 1: no end of the request.

use v5.36;

use parent 'Test::SocketIO::Backend';

# FastCGI 1.0, 8: types of records.
use constant { FCGI_END => 3, FCGI_PARAMS => 4, FCGI_STDIN => 5, FCGI_STDOUT => 6 };


sub _record ($type, $content) {
    return pack('CCnnCx', 1, $type, 1, length $content, 0) . $content;
}


sub _request ($self, $c) {
    my $r = $c->{fcgi} //= { in => '', body => '' };

    while (length $c->{in} >= 8) {
        my ($v, $type, $id, $n, $padding) = unpack 'CCnnC', $c->{in};
        last if length $c->{in} < 8 + $n + $padding;

        my $content = substr $c->{in}, 8, $n;
        substr $c->{in}, 0, 8 + $n + $padding, '';

        $r->{params} .= $content if $type == FCGI_PARAMS;
        $r->{body} .= $content if $type == FCGI_STDIN;
        next if $type != FCGI_STDIN || $n;

        delete $c->{fcgi};
        my %p = _params($r->{params} // '');
        return { n => $self->{n}++, method => $p{REQUEST_METHOD},
            uri => $p{REQUEST_URI}, body => $r->{body}, time => time,
            headers => { map { lc(s/^HTTP_//r =~ tr/_/-/r) => $p{$_} }
                grep { /^HTTP_/ } keys %p } };
    }

    return undef;
}


sub _params ($s) {
    my @p;

    while (length $s) {
        my @n = map {
            my $n = unpack 'C', $s;
            $n = unpack('N', $s) & 0x7fffffff if my $long = $n > 127;
            substr $s, 0, $long ? 4 : 1, '';
            $n;
        } 1 .. 2;
        push @p, substr($s, 0, $_, '') for @n;
    }

    return @p;
}


sub _write ($self, $c, $r) {
    my $body = ref $r->{body} ? Test::SocketIO::to_json($r->{body})
        : $r->{body} // '';

    $r->{stream} = [$body];
    $self->_stream($c, $r);
}


sub _head ($self, $r, %h) {
    $r->{close} = 1;
    return _record(FCGI_STDOUT, join "\r\n", 'Status: ' . ($r->{status} // 200),
        map({ "$_: $h{$_}" } sort keys %h), '', '');
}


sub _piece ($self, $r, $p) {
    return join '', map { _record(FCGI_STDOUT, $_) } unpack '(a60000)*', $p;
}


sub _tail ($self, $r) {
    return _record(FCGI_STDOUT, '') . _record(FCGI_END, pack 'NCx3', 0, 0);
}


1;
