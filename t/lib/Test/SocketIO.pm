package Test::SocketIO;

# Copyright (C) the ngx_http_socketio_module authors

# Black-box harness: nginx with the module in a directory of its own, and
# clients that may misbehave.  Core Perl only.
#
#   my $t = Test::SocketIO->new(workers => 2);
#   $t->run(<<'CONF');              # or $t->run_echo(socketio => '...');
#   %%TEST_GLOBALS%%
#   ...
#   CONF
#   my $p = $t->polling(get_worker => 0, post_worker => 1);
#   ...
#   $t->finish;                     # stops nginx, reads error.log, plans
#
# Environment:
#   TEST_NGINX_BINARY   default /usr/sbin/nginx
#   TEST_NGINX_MODULES  directory of ngx_http_socketio_module.so, default
#                       build/; "static": linked in, no load_module
#   TEST_NDK_MODULE     default /usr/lib/nginx/modules/ndk_http_module.so
#   TEST_NGINX_LEAVE=1  keeps the directory; TEST_NGINX_VERBOSE=1 shows the
#                       traffic; TEST_NGINX_DEBUG=1 writes a debug log
#
# Template words: %%TEST_GLOBALS%% (main context), %%TEST_GLOBALS_HTTP%% (http),
# %%PORT%% %%PORT_1%% ... (free ports), %%LISTEN%% %%LISTEN_1%% ... (the same
# with address and reuseport, so that connections spread over all workers),
# %%DIR%%, and what run() is given by name.

use v5.36;

use Carp qw/croak/;
use File::Path qw/remove_tree/;
use File::Spec ();
use File::Temp ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Scalar::Util qw/weaken/;
use Test::More ();
use Time::HiRes qw/sleep time/;

use Test::SocketIO::Backend ();
use Test::SocketIO::HTTP ();
use Test::SocketIO::Session ();
use Test::SocketIO::WebSocket ();

use Exporter qw/import/;
our @EXPORT_OK = qw/eventually from_json to_json free_port/;

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;


sub from_json ($s) { return scalar eval { $JSON->decode($s) } }
sub to_json   ($v) { return $JSON->encode($v) }


# under valgrind, where a process also shows no title of its own
sub slower () { return $ENV{TEST_NGINX_VALGRIND} ? 10 : 1 }


# Calls $code every 10 ms until it gives something true: that, or its last
# answer when $timeout seconds are over.
sub eventually ($code, $timeout = 5) {
    my $end = time + $timeout * slower();

    while (1) {
        my $r = $code->();
        return $r if $r || time > $end;
        sleep 0.01;
    }
}


sub free_port () {
    my $s = IO::Socket::INET->new(
        Proto => 'tcp', LocalAddr => '127.0.0.1', LocalPort => 0)
        or croak "no free port: $!";
    return $s->sockport;
}


# workers: 1; modules: 0 leaves out load_module; alarm: 25 s for all;
# signal: what ends nginx, QUIT (its graceful exit is tested) or TERM;
# globals: more lines for the main context; shim: a library of t/shim, such as
# "clock", that nginx is loaded with, see shim().
sub new ($class, %o) {
    my $self = bless {
        workers => 1, modules => 1, signal => 'QUIT', alarm => 25,
        globals => '', allow => [], conns => [], backends => [], ports => {},
        owner => $$, %o,
    }, $class;

    Test::More->builder->output->autoflush(1);
    $self->{dir} = File::Temp::tempdir('socketio-test-XXXXXXXX', TMPDIR => 1);
    mkdir "$self->{dir}/$_" for qw/logs tmp/;
    $self->shim((0) x 4) if $self->{shim};

    weaken(my $weak = $self);
    $SIG{ALRM} = sub { $weak->_abort('test took too long') };
    $SIG{INT} = $SIG{TERM} = sub { $weak->_abort('interrupted') };
    $SIG{PIPE} = 'IGNORE';
    alarm $self->{alarm} * slower();

    return $self;
}


sub _abort ($self, $why) {
    Test::More::diag($why);
    Test::More::diag($self->tail);
    $self->_clean if $$ == $self->{owner};
    POSIX::_exit(1);
}


sub dir ($self) { return $self->{dir} }


sub root {
    my @d = File::Spec->splitdir(File::Spec->rel2abs(__FILE__));
    return File::Spec->catdir(@d[0 .. $#d - 4]);
}


sub port ($self, $n = 0) {
    return $self->{ports}{$n} //= free_port();
}


sub _globals ($self) {
    my $modules = $ENV{TEST_NGINX_MODULES} // root() . '/build';
    my $ndk = $ENV{TEST_NDK_MODULE}
        // '/usr/lib/nginx/modules/ndk_http_module.so';
    my $level = $ENV{TEST_NGINX_DEBUG} ? 'debug' : 'info';
    my @g = ('daemon off;', "pid $self->{dir}/nginx.pid;",
        "error_log $self->{dir}/logs/error.log $level;",
        "worker_processes $self->{workers};", $self->{globals});

    push @g, 'user root;' if $> == 0;

    if ($self->{modules} && $modules ne 'static') {
        push @g, "load_module $ndk;" if $ndk ne '';
        push @g, "load_module " . File::Spec->rel2abs($modules, root())
            . '/ngx_http_socketio_module.so;';
    }

    return join "\n", @g;
}


sub _globals_http ($self) {
    my $d = $self->{dir};
    my $out = "access_log off;\nkeepalive_requests 100000;\n";

    $out .= "${_}_temp_path $d/tmp/$_;\n"
        for qw/client_body proxy fastcgi uwsgi scgi/;

    return $out;
}


sub _expand ($self, $conf, %vars) {
    $conf =~ s/%%TEST_GLOBALS%%/$self->_globals/ge;
    $conf =~ s/%%TEST_GLOBALS_HTTP%%/$self->_globals_http/ge;
    $conf =~ s/%%DIR%%/$self->{dir}/g;
    $conf =~ s/%%PORT(?:_(\d+))?%%/$self->port($1 \/\/ 0)/ge;
    $conf =~ s/%%LISTEN(?:_(\d+))?%%/
        '127.0.0.1:' . $self->port($1 \/\/ 0) . ' reuseport'/gex;
    $conf =~ s/%%([A-Z_0-9]+)%%/$vars{$1} \/\/ croak "no %%$1%%"/ge;
    return $conf;
}


# Writes nginx.conf; also for a reload with another configuration.
sub write_conf ($self, $conf, %vars) {
    $self->write_file('nginx.conf', $self->_expand($conf, %vars));
}


sub write_file ($self, $name, $text) {
    open my $f, '>', "$self->{dir}/$name" or croak "$name: $!";
    print {$f} $text;
    close $f or croak "$name: $!";
}


sub read_file ($self, $name) {
    open my $f, '<', "$self->{dir}/$name" or return '';
    local $/;
    return scalar(<$f>) // '';
}


sub nginx { return $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' }


# What "nginx -t" says about a configuration: (exit status, output).
sub test_conf ($self, $conf, %vars) {
    $self->write_file('test.conf', $self->_expand($conf, %vars));
    my $nginx = nginx();
    my $dir = $self->{dir};
    my $out = qx{$nginx -t -p $dir/ -c $dir/test.conf 2>&1};
    return ($? >> 8, $out);
}


# The same about a "socketio" location with these lines in it.
sub test_location ($self, $where, $lines) {
    return $self->test_conf(<<"CONF");
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test 1m;
    server {
        listen 127.0.0.1:%%PORT%%;
        location $where {
            socketio test;
            socketio_hook off;
            $lines
        }
    }
}
CONF
}


sub run ($self, $conf, %vars) {
    for my $try (1 .. 3) {
        $self->write_conf($conf, %vars);
        $self->_spawn;
        return $self if $self->_wait_ready;

        last if $self->tail !~ /Address already in use/;
        $self->{ports} = {};            # taken since we looked: once more
        unlink "$self->{dir}/logs/error.log";
    }

    croak "nginx does not start:\n" . $self->tail;
}


# The numbers that a shim reads.  It is loaded by LD_PRELOAD, which sanitizers
# do not like: such a test is skipped with them.
sub shim ($self, @words) {
    my $file = "$self->{dir}/shim";
    my $so = root() . "/build/shim/$self->{shim}.so";

    Test::More::plan(skip_all => "no $so: run make prove")
        if !-e $so && !$ENV{CI};
    Test::More::plan(skip_all => 'not with sanitizers') if $ENV{ASAN_OPTIONS};

    # In place: it is mapped.
    open my $f, -e $file ? '+<' : '>', $file or croak "$file: $!";
    syswrite $f, pack($self->{shim} eq 'clock' ? 'q2' : 'L4', @words);
}


# What they are now.
sub shim_words ($self) {
    return unpack $self->{shim} eq 'clock' ? 'q2' : 'L4',
        $self->read_file('shim');
}


sub _spawn ($self) {
    my $dir = $self->{dir};

    $self->{pid} = fork // croak "fork: $!";
    return if $self->{pid};

    alarm 0;
    $SIG{$_} = 'DEFAULT' for qw/ALRM INT TERM PIPE/;
    open STDOUT, '>', "$dir/logs/stdout.log";
    open STDERR, '>', "$dir/logs/stderr.log";
    if ($self->{shim}) {
        $ENV{LD_PRELOAD} = root() . "/build/shim/$self->{shim}.so";
        $ENV{'SOCKETIO_' . uc $self->{shim}} = "$dir/shim";
    }
    exec { nginx() } 'nginx', '-p', "$dir/", '-c', "$dir/nginx.conf",
        '-e', "$dir/logs/error.log" or POSIX::_exit(127);
}


# Listening is not enough: the workers exist once /proc knows all of them.
sub _wait_ready ($self) {
    my $end = time + 8 * slower();

    while (time < $end) {
        return 0 if waitpid($self->{pid}, 1) == $self->{pid};
        my $s = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $self->port, Timeout => 1);
        return 1 if $s && $self->worker_pids >= $self->{workers};
        sleep 0.02;
    }

    return 0;
}


# Worker processes in service, oldest first.
sub worker_pids ($self, $kind = qr/^nginx: worker process$/) {
    my @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $stat or next;
        my $line = <$f> // next;
        next unless $line =~ /^(\d+) \(.*\) (\S) (\d+) /;
        my ($pid, $state, $ppid) = ($1, $2, $3);
        next if $ppid != $self->{pid} || $state eq 'Z';
        open my $c, '<', "/proc/$pid/cmdline" or next;
        my $cmd = <$c> // '';
        $cmd =~ s/[\0 ]+$//;
        $cmd = 'nginx: worker process' if $ENV{TEST_NGINX_VALGRIND};
        push @pids, $pid if $cmd =~ $kind;
    }

    @pids = sort { $a <=> $b } @pids;
    return @pids;
}


# Opens connections until one lands on worker $n (an index into
# worker_pids, or a pid if "pid => 1"), and gives that one, kept alive.
sub connect_to_worker ($self, $n, %o) {
    my @pids = $o{pid} ? ($n) : $self->worker_pids;
    my $want = $o{pid} ? $n : $pids[$n % @pids];
    my $end = time + 10;

    while (time < $end) {
        my $c = $self->connect(%o, quiet => 1) or next;
        $c->request('GET', '/pid');
        my $r = $c->response(2);
        if ($r && $r->{status} == 200 && $r->{body} == $want) {
            $c->{worker} = $want;
            return $c;
        }
        $c->close;
    }

    croak "no connection to worker $want";
}


sub connect ($self, %o) {
    my $c = Test::SocketIO::HTTP->new(
        port => $o{port} // $self->port, quiet => $o{quiet});
    push @{$self->{conns}}, $c;
    weaken $self->{conns}[-1];
    return $c;
}


sub _conn ($self, $worker) {
    return defined $worker ? $self->connect_to_worker($worker)
        : $self->connect;
}


# One request on a connection of its own (or conn =>): the response.
sub http ($self, $method, $path, %o) {
    my $c = delete $o{conn} // $self->_conn(delete $o{worker});
    my $timeout = delete $o{timeout} // 5;
    $c->request($method, $path, %o);
    return $c->response($timeout, $method);
}


sub path ($self) { return $self->{path} // '/socket.io/' }


# A polling session; workers by index: worker (handshake), get_worker,
# post_worker.  query: more of it; handshake => 0: none yet.
sub polling ($self, %o) {
    return Test::SocketIO::Session->new($self, %o);
}


# A websocket.  Without 101 its {res} tells why.  sid: an upgrade.
sub websocket ($self, %o) {
    my $c = $o{conn} // $self->_conn($o{worker});
    my $sid = defined $o{sid} ? "&sid=$o{sid}" : '';
    my $query = 'EIO=' . ($o{eio} // 4) . "&transport=websocket$sid"
        . ($o{query} // '');
    my $path = $o{path} // $self->path;

    $path .= "?$query" unless $path =~ /\?/;

    return Test::SocketIO::WebSocket->new($c, $path, %o);
}


# A session that is connected to the namespace "/": its id is in {id}, with
# eio => 3 as the backend knows it.  The requests of polling go to two workers
# unless told otherwise.
sub connected ($self, $transport, %o) {
    my $s = $self->_session($transport, %o);

    $s->{id} = $s->sio_connect;
    $s->{id} = $self->{backends}[0]->socket($s->{case})
        if $s->{id} && $s->{eio} == 3 && @{$self->{backends}};

    return $s;
}


# The same without Socket.IO, of the server of run_raw(), as the backend knows
# it.
sub raw ($self, $transport, %o) {
    my $s = $self->_session($transport, %o, raw => 1);

    $s->{id} = $self->{backends}[0]->socket($s->{case});

    return $s;
}


# {case} is in its query where its events are to be found by that.
sub _session ($self, $transport, %o) {
    my $s;
    my $case = "s" . ++$self->{cases};

    $o{query} = ($o{query} // '') . "&case=$case"
        if $o{raw} || ($o{eio} // 4) == 3;

    if ($transport eq 'websocket') {
        $s = $self->websocket(worker => 0, %o);
        $s->open_packet;

    } else {
        $s = $self->polling(get_worker => 0, post_worker => 1, %o);
    }

    $s->{case} = $case;

    return $s;
}


# Many polling sessions, each connected to the namespaces, which all must be
# there, cheaply: no object for each.  Their sids.
sub crowd ($self, $n, $path, @nsp) {
    my (@sids, $open);
    my $packets = join "\x1e", map { $_ eq '/' ? '40' : "40$_," } @nsp;

    for (my $done = 0; $done < $n; $done = @sids) {
        my $c = $self->connect;
        my $some = $n - $done < 100 ? $n - $done : 100;
        my $url = "$path?EIO=4&transport=polling";

        $c->request('GET', $url) for 1 .. $some;
        push @sids, map { $open = $c->response; $open->{body} =~ /"sid":"(.+?)"/
            or croak 'no session'; $1 } 1 .. $some;

        $c->request('POST', "$url&sid=$_", body => $packets)
            for @sids[$done .. $#sids];
        $c->response->{status} == 200 or croak 'no connect' for 1 .. $some;
        $c->close;
    }

    return @sids;
}


# Is a session known?  Asked in a way that touches nothing: a plain GET for
# the transport that it is not on is refused with code 3 while it lives, and
# with code 1 afterwards.  $other: that transport.
sub session_alive ($self, $sid, $path = $self->path, $other = 'websocket') {
    my $r = $self->http('GET', "$path?EIO=4&transport=$other&sid=$sid");
    return 0 unless $r && $r->{status} == 400;
    my $e = from_json($r->{body}) // {};
    return ($e->{code} // -1) == 3;
}


# Publish API: (status, decoded answer).
sub publish ($self, $command, %o) {
    my $body = ref $command ? to_json($command) : $command;
    my $r = $self->http('POST', $o{path} // '/_publish', body => $body,
        headers => $o{headers} // {}, port => $o{port} // $self->port,
        map { exists $o{$_} ? ($_ => $o{$_}) : () } qw/worker conn/);
    return $r ? ($r->{status}, from_json($r->{body}), $r) : (0, undef);
}


# A forked HTTP backend for hooks, see Test::SocketIO::Backend.
sub backend ($self, $code = undef, %o) {
    my $b = Test::SocketIO::Backend->new($self->{dir},
        scalar @{$self->{backends}}, $code, %o);
    push @{$self->{backends}}, $b;
    return $b;
}


# The usual server: everything in nginx, every event comes back as "echo",
# and as the ack of who asked for one.  socketio, server, http: more lines
# of those blocks; zone: its size; hook: other contents of /_hook.
sub run_echo ($self, %o) {
    my $hook = $o{hook} // <<'HOOK';
            if ($socketio_type = event) {
                return 200 '[{"event":"echo","args":$socketio_args,
                              "attachments":$socketio_attachments},
                             {"op":"ack","args":$socketio_args,
                              "attachments":$socketio_attachments}]';
            }
            return 204;
HOOK

    return $self->run(<<'CONF', HOOK => $hook, ZONE => $o{zone} // '8m',
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test %%ZONE%%;
    %%HTTP%%
    server {
        listen %%LISTEN%%;
        %%SERVER%%
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_eio %%EIO%%;
            socketio_hook /_hook;
            socketio_hook_batch off;
            %%SOCKETIO%%
        }
        location = /_hook {
            internal;
            default_type application/json;
            %%HOOK%%
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF
        EIO => $o{eio} // '4',
        map { uc($_) => $o{$_} // '' } qw/http server socketio/);
}


# The usual server with hooks that go to a forked backend (made here unless
# given); returns the backend.  Options as run_echo, and proxy: more lines
# of the hook location; read_timeout: its proxy_read_timeout.
sub run_hook ($self, $code = undef, %o) {
    my $b = $o{backend} // $self->backend($code);

    $self->run(<<'CONF', BACKEND => $b->port, ZONE => $o{zone} // '8m',
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    socketio_zone test %%ZONE%%;
    %%HTTP%%
    upstream backend { server 127.0.0.1:%%BACKEND%%; keepalive 16; }
    server {
        listen %%LISTEN%%;
        %%SERVER%%
        location = /pid { return 200 $pid; }
        location /socket.io/ {
            socketio test;
            socketio_eio %%EIO%%;
            socketio_hook /_hook;
            %%SOCKETIO%%
        }
        location = /_hook {
            internal;
            proxy_pass http://backend/events;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout %%READ_TIMEOUT%%;
            %%PROXY%%
        }
        location = /_publish { socketio_publish test; }
    }
}
CONF
        READ_TIMEOUT => $o{read_timeout} // '5s', EIO => $o{eio} // '4',
        map { uc($_) => $o{$_} // '' } qw/http server socketio proxy/);

    return $b;
}


# The same without Socket.IO, for both revisions.
sub run_raw ($self, $code = undef, %o) {
    return $self->run_hook($code, eio => '3 4', %o,
        socketio => "socketio_protocol engine.io;\n" . ($o{socketio} // ''));
}


sub signal ($self, $sig) { return kill $sig, $self->{pid} }


# HUP, and until the new workers answer: the old pids.
sub reload ($self) {
    my %old = map { $_ => 1 } $self->worker_pids;

    $self->signal('HUP');
    eventually(sub {
        my @new = grep { !$old{$_} } $self->worker_pids;
        return @new >= $self->{workers};
    }, 10) or croak "no new workers:\n" . $self->tail;

    # Old workers turn up in the list until they have read their signal.
    eventually(sub { !grep { $old{$_} } $self->worker_pids }, 5);
    sleep 0.1;                          # the title first, then idle ones close

    return sort keys %old;
}


sub tail ($self, $n = 40) {
    my @l = split /^/, $self->read_file('logs/stderr.log')
        . $self->read_file('logs/error.log');
    @l = @l[-$n .. -1] if @l > $n;
    return join '', @l;
}


# Lines of error.log that match.
sub log_lines ($self, $re) {
    return grep { /$re/ } split /\n/, $self->read_file('logs/error.log');
}


# An [alert] and the like that this test provokes.
sub allow_log ($self, $re) { push @{$self->{allow}}, $re }


# Drops all connections of this test.
sub close_all ($self) {
    defined $_ && $_->close for @{$self->{conns}};
    $self->{conns} = [];
}


sub stop ($self) {
    return 1 unless $self->{pid};

    $self->close_all;

    # A worker that shuts down and is then told to terminate complains of the
    # connections it has left, in nginx 1.22: theirs are closed, let it end.
    eventually(sub { !$self->worker_pids(qr/is shutting down$/) }, 3);

    my $graceful = $self->_wait_exit($self->{signal}, 6);
    $self->_kill;

    return $graceful;
}


sub _wait_exit ($self, $sig, $timeout) {
    kill $sig, $self->{pid};
    my $gone = eventually(sub { waitpid($self->{pid}, 1) != 0 }, $timeout);
    $self->{pid} = undef if $gone;
    return $gone;
}


sub _kill ($self) {
    if (my $pid = $self->{pid}) {
        my @workers = $self->worker_pids(qr/^nginx: /);
        kill 'KILL', $pid, @workers;
        waitpid $pid, 0;
        $self->{pid} = undef;
    }
    $_ && $_->stop for @{$self->{backends}};
}


sub bad_log_lines ($self) {
    my $log = $self->read_file('logs/error.log')
        . $self->read_file('logs/stderr.log');
    my @bad;

    for my $l (split /\n/, $log) {
        next unless $l =~ /\[(?:alert|crit|emerg)\]|Sanitizer|runtime error:/;
        push @bad, $l unless grep { $l =~ $_ } @{$self->{allow}};
    }

    return @bad;
}


# Ends every test file.
sub finish ($self) {
    my $graceful = $self->stop;

    Test::More::ok($graceful, "nginx leaves at $self->{signal}");

    my @bad = $self->bad_log_lines;
    Test::More::is(scalar @bad, 0, 'no alert, crit, emerg, sanitizer line');
    Test::More::diag($_) for @bad[0 .. ($#bad > 9 ? 9 : $#bad)];

    alarm 0;
    Test::More::done_testing();
}


sub _clean ($self) {
    $self->_kill;

    if ($ENV{TEST_NGINX_LEAVE}) {
        print STDERR "# left: $self->{dir}\n";
        return;
    }

    remove_tree($self->{dir}, { error => \my $ignored });
}


sub DESTROY ($self) {
    return if $$ != $self->{owner};
    local ($?, $@, $!);
    $self->_clean;
}


1;
