package Test::SocketIO::Attack;

# Copyright (C) the ngx_http_socketio_module authors

# Words for tests of attacks: besieged(nginx) has bystanders, unharmed() asks
# whether they and the workers still live, clean() whether anything is left at
# the end.  The server needs locations /_status and, with clean(), deadlines
# that end what the attacker has left open: QUICK.

use v5.36;

use Exporter qw/import/;
use POSIX ();
use Test::More;
use Test::SocketIO ();

our @EXPORT = qw/besieged unharmed clean quick status cpu rss QUICK/;

# A server's lines: the status, and /quick/, where silence soon ends a session.
use constant QUICK => <<'CONF';
        location = /_status { socketio_status test json; }
        location /quick/ {
            socketio test;
            socketio_hook /_hook;
            socketio_hook_batch off;
            socketio_ping_interval 300ms;
            socketio_ping_timeout 700ms;
            socketio_upgrade_timeout 500ms;
            socketio_connect_timeout 1s;
        }
CONF

my ($t, @by, @pids);


sub besieged ($nginx) {
    $t = $nginx;
    @pids = $t->worker_pids;
    @by = map { $t->connected($_) } qw/polling websocket/;
}


# The same workers, with the same sessions.
sub unharmed ($name) {
    my @bad;

    for my $s (@by) {
        my $n = ++$s->{asked};
        $s->send(qq{42["by",$n]});
        my $got = $s->next_packet // 'nothing';
        push @bad, "a bystander got $got" if $got ne qq{42["echo",$n]};
    }

    push @bad, 'a worker died' if "@pids" ne join ' ', $t->worker_pids;

    ok(!@bad, "$name: nobody else is harmed") or diag("@bad");
    return !@bad;
}


sub quick ($transport, %o) {
    return $t->connected($transport, %o,
        path => "/quick/" . ($transport eq 'websocket'
            ? '?EIO=4&transport=websocket' : ''));
}


sub status () {
    return Test::SocketIO::from_json($t->http('GET', '/_status')->{body});
}


# All that the zone had is free again, when everybody has left.
sub clean ($timeout = 10) {
    unharmed('at the end');
    $_->send('1') for @by;
    $t->close_all;

    my ($s, $left);
    Test::SocketIO::eventually(sub {
        $s = status();
        $left = $s->{zone}{bytes} - $s->{zone}{free};
        return !$left;
    }, $timeout);

    is_deeply([$left, @{$s->{sessions}}{qw/polling websocket/},
        @{$s->{sockets}}{qw/now rooms/}], [0, 0, 0, 0, 0],
        'nothing is left in the zone');
}


# Seconds of CPU of all workers.
sub cpu () {
    my $n = 0;

    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/stat" or next;
        my @f = split ' ', <$f> =~ s/^.*\) //r;
        $n += $f[11] + $f[12];
    }

    return $n / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


# Bytes of memory of all workers that are theirs alone.
sub rss () {
    my $n = 0;

    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/statm" or next;
        my ($size, $resident, $shared) = split ' ', <$f>;
        $n += ($resident - $shared) * POSIX::sysconf(POSIX::_SC_PAGESIZE());
    }

    return $n;
}


1;
