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

our @EXPORT = qw/besieged unharmed clean quick status cpu rss connections
    QUICK/;

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


# All that the zone had is free again, when everybody has left.  lingering => 1:
# but for sessions that were closed, and of which nobody has fetched the end.
sub clean (%o) {
    unharmed('at the end');
    $t->publish({ op => 'disconnect', all => \1, close => \1 });
    1 while $by[0]->body !~ /^(?:.*\x1e)?1$|^400$|^none$/s;
    $t->close_all;

    my $left;
    Test::SocketIO::eventually(sub {
        my $s = status();
        $left = { map({ $_ => $s->{sockets}{$_} } qw/now rooms/), bytes => $o{lingering} ? 0
            : $s->{zone}{bytes} - $s->{zone}{free},
            map { $_ => $s->{sessions}{$_} }
                $o{lingering} ? () : 'polling', 'websocket' };
        return !grep { $_ } values %$left;
    }, 10);

    is_deeply($left, { map { $_ => 0 } keys %$left },
        'nothing is left in the zone');
}


# Connections of clients that the server has.
sub connections () {
    my $n = 0;
    my $port = sprintf '%04X', $t->port;

    open my $f, '<', '/proc/net/tcp' or return 0;
    /^\s*\d+: [0-9A-F]+:$port [0-9A-F:]+ 0[18] / and $n++ while <$f>;

    return $n;
}


# Seconds of CPU of all workers; a sanitizer takes its own.
sub cpu () {
    my $n = 0;

    return 0 if $ENV{ASAN_OPTIONS};

    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/stat" or next;
        my @f = split ' ', <$f> =~ s/^.*\) //r;
        $n += $f[11] + $f[12];
    }

    return $n / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


# Bytes of memory of all workers that are theirs alone; a sanitizer keeps what
# was freed.
sub rss () {
    my $n = 0;

    return 0 if $ENV{ASAN_OPTIONS};

    for my $pid ($t->worker_pids) {
        open my $f, '<', "/proc/$pid/statm" or next;
        my ($size, $resident, $shared) = split ' ', <$f>;
        $n += ($resident - $shared) * POSIX::sysconf(POSIX::_SC_PAGESIZE());
    }

    return $n;
}


1;
