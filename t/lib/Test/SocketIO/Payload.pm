package Test::SocketIO::Payload;

# Copyright (C) the ngx_http_socketio_module authors

# Payloads of long polling, as clients of both revisions write and read them.
# A packet is its text, or a reference to the bytes of a binary message; what
# was decoded has "b" and base64 for those, whatever the payload had.

use v5.36;

use Carp qw/croak/;
use Encode qw/decode encode FB_CROAK/;
use Exporter qw/import/;
use JSON::PP ();
use MIME::Base64 qw/encode_base64/;

our @EXPORT_OK = qw/units text3 binary3 text4 form script packets/;


# Of UTF-8 bytes, the UTF-16 code units.
sub units ($bytes) {
    utf8::decode(my $s = $bytes) or croak 'not UTF-8';
    return length($s) + (() = $s =~ /[\x{10000}-\x{10ffff}]/g);
}


sub text4 (@packets) {
    return join "\x1e",
        map { ref $_ ? 'b' . encode_base64($$_, '') : $_ } @packets;
}


sub text3 (@packets) {
    return join '', map { units($_) . ":$_" }
        map { ref $_ ? 'b4' . encode_base64($$_, '') : $_ } @packets;
}


sub binary3 (@packets) {
    return join '', map {
        my $p = ref $_ ? "\x04$$_" : $_;
        (ref $_ ? "\x01" : "\x00")
            . join('', map { chr } split //, length $p) . "\xff$p"
    } @packets;
}


# The form that a script's client fills in: newlines would not survive.
sub form ($payload) {
    $payload =~ s/\\n/\\\n/g;
    $payload =~ s/\n/\\n/g;
    $payload =~ s/([^A-Za-z0-9_.*-])/sprintf '%%%02X', ord $1/ge;
    return "d=$payload";
}


# (index, payload) of an answer to a script, which must be JavaScript of any
# age: () if it is not.
sub script ($body) {
    my ($j, $string) = $body =~ /^___eio\[(\d*)\]\((".*")\);$/s or return;
    my $json = JSON::PP->new->utf8->allow_nonref;

    return if $string =~ /\xe2\x80[\xa8\xa9]/;
    my $payload = eval { $json->decode($string) } // return;
    utf8::encode($payload);
    return ($j, $payload);
}


# Lengths are counted in UTF-16, so it is cut there, and strictly back.
sub _packets3 ($body) {
    my $rest = encode('UTF-16BE', decode('UTF-8', $body, FB_CROAK));
    my @out;

    while ($rest ne '') {
        $rest =~ s/^((?:\0[0-9])+)\0://s or croak "no length: $body";
        my $n = $1 =~ tr/\0//dr;
        croak "length $n" if $n !~ /^[1-9]\d*$/ || 2 * $n > length $rest;
        my $p = encode('UTF-8',
            decode('UTF-16BE', substr($rest, 0, 2 * $n, ''), FB_CROAK));
        croak "base64 without its type: $p" if $p =~ /^b(?!4)/;
        push @out, $p =~ s/^b4/b/r;
    }

    return @out;
}


sub _packets_binary3 ($body) {
    my @out;

    while ($body ne '') {
        $body =~ s/^([\x00\x01])([\x00-\x09]+)\xff//
            or croak 'no header: ' . unpack 'H*', $body;
        my ($binary, $n) = (ord $1, join '', map { ord } split //, $2);
        croak "cut: $n bytes" if $n > length $body;
        my $p = substr $body, 0, $n, '';
        croak 'binary packet without its type' if $binary && $p !~ s/^\x04//;
        push @out, $binary ? 'b' . encode_base64($p, '') : $p;
    }

    return @out;
}


# The packets in the answer to a GET, for the session that it belongs to.
sub packets ($session, $res) {
    my $body = $res->{body};
    my $type = $res->{headers}{'content-type'} // '';

    if ($type eq 'application/octet-stream') {
        croak 'binary for a client that cannot read it'
            if $session->{eio} != 3 || $session->{b64}
                || defined $session->{j};
        return _packets_binary3($body);
    }

    if (defined $session->{j}) {
        (my $j, $body) = script($body) or croak "no script: $body";
        croak "index $j" if $j ne $session->{j};
    }

    return $session->{eio} == 3 ? _packets3($body) : split /\x1e/, $body, -1;
}


1;
