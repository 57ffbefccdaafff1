package Test::SocketIO::Faults;

# Copyright (C) the ngx_http_socketio_module authors

# Workers that die in the middle of a hold of the zone's lock, at a store that
# the test chooses; see t/tools/faults.c.  To be made before nginx starts.

use v5.36;
use warnings;

use File::Basename qw/dirname/;
use File::Spec;
use Test::More ();


my $build = File::Spec->rel2abs(dirname(__FILE__) . '/../../../../build/faults');


# Points the harness to that module, or ends the test.
sub require_build ($class) {
    return if -f "$build/ngx_http_socketio_module.so";

    Test::More::BAIL_OUT('no build/faults: "make faults-build"') if $ENV{CI};
    Test::More::plan(skip_all => 'no build/faults: "make faults-build"');
}


sub new ($class, $t) {
    my $self = bless { file => $t->dir . '/faults' }, $class;

    $ENV{TEST_NGINX_MODULES} = $build;
    $ENV{SOCKETIO_FAULTS} = $self->{file};

    $self->_write(0, 0, 0, 0);
    return $self;
}


# In place: the workers have it mapped.
sub _write ($self, @numbers) {
    open my $f, -f $self->{file} ? '+<' : '>', $self->{file} or die $!;
    binmode $f;
    syswrite $f, pack 'L4', @numbers;
    close $f;
}


sub _read ($self) {
    open my $f, '<', $self->{file} or die $!;
    binmode $f;
    sysread $f, my $text, 16;
    return unpack 'L4', $text;
}


# The n-th store of this worker from now on is its last.
sub arm ($self, $pid, $n, $signal = 'KILL') {
    my %signals = (KILL => 9, SEGV => 11, STOP => 19);
    $self->_write($pid, 0, $signals{$signal}, 0);
    $self->_write($pid, $n, $signals{$signal}, 0);
}


sub disarm ($self) { $self->_write(0, 0, 0, 0) }


# How many stores of this worker the code makes; wait is up to the code.
sub count ($self, $pid, $code) {
    $self->_write($pid, 0, 0, 0);
    $code->();
    my $n = ($self->_read)[3];
    $self->disarm;
    return $n;
}


# Whether the one that was armed is dead.
sub died ($self) { return ($self->_read)[1] == 0 }


1;
