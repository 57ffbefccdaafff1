#!/usr/bin/perl
#
# The rules of the zone's lock (src/README.md), from the sources of src/store:
#
#   check-locks.pl [ROOT]
#   check-locks.pl --selftest
#
# * X_locked() is only called with the lock held, on every path;
# * what locks unlocks once, on every path to a return; X_lock() returns with
#   the lock held, X_try_lock() unless it returns 0;
# * under the lock nothing locks again, logs, allocates memory of the worker,
#   hashes, does I/O or calls back, not even through a function that looks
#   harmless.
#
# A function is read as a tree of statements, and its states are followed
# through it: U without the lock, H held, T not known before the result of
# X_try_lock() has been compared with 0.

use v5.36;

use File::Basename qw/dirname/;
use File::Path qw/make_path/;
use File::Temp qw/tempdir/;

# they are the lock; _create runs before any other process knows the zone; the
# last two tell the time that a rebuild takes, and, in debug builds, its end

my %own = map { ("ngx_socketio_$_" => 1) }
    qw/zone_lock zone_unlock zone_release zone_create
       mutex_lock mutex_spin mutex_wait mutex_stuck
       zone_mend_locked rebuild_check_locked/;

my $forbidden = qr/^(?:
    ngx_(?:log_error|log_error_core|log_debug\d*|log_abort
        |alloc|calloc|free|memalign|palloc|pnalloc|pcalloc|pmemalign|pfree
        |create_pool|destroy_pool|array_\w+|list_push|create_temp_buf
        |slab_\w+|shmtx_\w+|add_timer|del_timer|post_event
        |crc32\w*|murmur_hash2|hash_key\w*|md5_\w+|sha1_\w+
        |read_fd|write_fd|write_stderr|open_file|close_file|msleep
        |time_update|gettimeofday|random)
    |ngx_socketio_(?:name_set|word_set|zone_full)
    |malloc|calloc|realloc|free|posix_memalign|mmap|munmap
    |read|write|readv|writev|send|recv|sendmsg|recvmsg|open|close|fcntl
    |printf|fprintf|getrandom|gettimeofday|clock_gettime|nanosleep|usleep
    |poll|epoll_wait|kill|eventfd_write|deflate|inflate
)$/x;

my (%functions, %takes, %bad, @errors);

my ($fn, %labels, $changed, $try);          # of the function being followed


# ---------------------------------------------------------------- parsing

sub strip ($text) {
    my $keep = sub ($s) { $s =~ s/[^\n]/ /g; return $s };

    $text =~ s{(/\*.*?\*/)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')}
              { defined $1 ? $keep->($1) : '0' . $keep->(substr $2, 1) }gse;
    $text =~ s/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*/$keep->($&)/gme;

    return $text;
}


# functions as nginx writes them: name, "{" and "}" at the beginning of a line

sub read_file ($file) {
    open my $fh, '<', $file or die "$file: $!\n";
    my $text = strip(do { local $/; <$fh> });
    my $name;
    my $line = 0;
    my ($body, $at);

    for my $l (split /\n/, $text) {
        $line++;

        if ($l =~ /^(\w+)\(/) {
            $name = $1;

        } elsif ($l =~ /^\{/ && $name) {
            $body = [];
            $at = $line;

        } elsif ($l =~ /^\}/ && $body) {
            $functions{$name} = {
                name => $name, file => $file, line => $at, tokens => $body,
            };
            ($name, $body) = ();

        } elsif ($body) {
            push @$body, map { [ $_, $line ] }
                $l =~ /\w+|->|&&|\|\||==|!=|[<>]=|\+\+|--|\S/g;

        } elsif ($l =~ /;\s*$/) {
            undef $name;
        }
    }
}


# A statement is [ kind, ... ]; the tokens are taken from @$t.

sub block ($t) {
    my @list;

    while (@$t && $t->[0][0] ne '}') {
        push @list, statement($t);
    }

    return \@list;
}


sub until_semicolon ($t) {
    my @e;

    while (@$t) {
        my $tok = shift @$t;
        last if $tok->[0] eq ';';
        push @e, $tok;
    }

    return \@e;
}


sub parens ($t) {
    my ($depth, @e) = (0);

    while (@$t) {
        my $tok = shift @$t;
        $depth++ if $tok->[0] eq '(';
        $depth-- if $tok->[0] eq ')';
        push @e, $tok;
        last if $depth == 0;
    }

    return [ @e[1 .. $#e - 1] ];
}


sub statement ($t) {
    my ($word, $line) = @{$t->[0]};
    my $next = @$t > 1 ? $t->[1][0] : '';

    if ($word eq '{') {
        shift @$t;
        my $list = block($t);
        shift @$t;
        return [ 'block', $list ];
    }

    if ($word eq 'if') {
        shift @$t;
        my $cond = parens($t);
        my $then = statement($t);
        my $else;

        if (@$t && $t->[0][0] eq 'else') {
            shift @$t;
            $else = statement($t);
        }

        return [ 'if', $cond, $then, $else ];
    }

    if ($word eq 'while' || $word eq 'switch') {
        shift @$t;
        my $cond = parens($t);
        return [ $word, $cond, statement($t) ];
    }

    if ($word eq 'for') {
        shift @$t;
        my @part = ([], [], []);
        my $i = 0;
        my $depth = 0;

        for my $tok (@{parens($t)}) {
            $depth++ if $tok->[0] eq '(';
            $depth-- if $tok->[0] eq ')';
            if ($tok->[0] eq ';' && $depth == 0) { $i++; next }
            push @{$part[$i]}, $tok;
        }

        return [ 'for', @part, statement($t) ];
    }

    if ($word eq 'do') {
        shift @$t;
        my $body = statement($t);
        shift @$t;
        my $cond = parens($t);
        shift @$t;
        return [ 'do', $cond, $body ];
    }

    if ($word =~ /^(?:return|goto|break|continue)$/) {
        shift @$t;
        return [ $word, until_semicolon($t), $line ];
    }

    if ($word eq 'case' || $word eq 'default') {
        shift @$t while $t->[0][0] ne ':';
        shift @$t;
        return [ 'case' ];
    }

    if ($next eq ':' && $word =~ /^[a-z]\w*$/) {
        splice @$t, 0, 2;
        return [ 'label', $word ];
    }

    return [ 'expr', until_semicolon($t) ];
}


# --------------------------------------------------------------- following

sub complain ($line, $text) {
    push @errors, "$fn->{file}:$line: $fn->{name}(): $text";
}


sub join_states (@sets) {
    my %s;
    $s{$_} = 1 for map { keys %$_ } @sets;
    return \%s;
}


# the calls of an expression, in the order of its text

sub calls ($e) {
    my @calls;

    for my $i (0 .. $#$e - 1) {
        next unless $e->[$i + 1][0] eq '(' && $e->[$i][0] =~ /^[A-Za-z_]/;
        next if $e->[$i][0] =~ /^(?:sizeof|return|if|while|for|switch)$/;
        push @calls, { name => $e->[$i][0], line => $e->[$i][1], at => $i,
                       indirect => $i && $e->[$i - 1][0] =~ /^(?:->|\.)$/
                                   ? 1 : 0 };
    }

    return @calls;
}


sub run_expr ($e, $in) {
    my $s = $in;

    for my $c (calls($e)) {
        my ($name, $line) = @$c{qw/name line/};
        my $h = $s->{H};

        if (!%$s) {
            next;                           # cannot be reached

        } elsif ($s->{T}) {
            complain($line, "calls $name() without looking at the result of "
                . "..._try_lock() first");
            $s = { H => 1 };

        } elsif ($c->{indirect}) {
            complain($line, "calls back ($name) under the lock") if $h;

        } elsif ($name eq 'ngx_socketio_zone_lock') {
            complain($line, 'locks again') if $h;
            $s = { H => 1 };

        } elsif ($name eq 'ngx_socketio_zone_unlock') {
            complain($line, 'unlocks without the lock') if $s->{U};
            $s = { U => 1 };

        } elsif ($name =~ /_try_lock$/) {
            complain($line, "$name() locks again") if $h;
            $try = join '', map { $_->[0] } @$e[0 .. $c->{at} - 2];
            $s = { T => 1 };

        } elsif ($name =~ /_lock$/) {
            complain($line, "$name() locks again") if $h;
            $s = { H => 1 };

        } elsif ($name =~ /_locked$/) {
            complain($line, "$name() without the lock") if $s->{U};

        } elsif ($h && $takes{$name}) {
            complain($line, "$name() locks again");

        } elsif ($h && $name =~ $forbidden) {
            complain($line, "$name() under the lock");

        } elsif ($h && $bad{$name}) {
            complain($line, "$name() under the lock, which calls $bad{$name}");
        }
    }

    return $s;
}


# after a condition: the states if it is true, and if not

sub branch ($e, $in) {
    my $text = join '', map { $_->[0] } @$e;

    if ($in->{T}) {
        return ({ U => 1 }, { H => 1 }) if $text eq "$try==0";
        return ({ H => 1 }, { U => 1 }) if $text eq $try;
    }

    my $s = run_expr($e, $in);

    if ($s->{T} && $text =~ /==0$/) {
        return ({ U => 1 }, { H => 1 });
    }

    return ($s, $s);
}


sub leave ($s, $line) {
    if ($fn->{name} =~ /_try_lock$/) {
        return;                             # its callers are checked
    }

    my $held = $fn->{name} =~ /_lock(?:ed)?$/ ? 1 : 0;

    complain($line, 'returns with the lock held') if !$held && $s->{H};
    complain($line, 'returns without the lock') if $held && $s->{U};
    complain($line, 'returns, and nobody knows whether it is locked')
        if $s->{T};
}


# $jump: where "break" and "continue" leave their states

sub run ($st, $in, $jump) {
    my ($kind, @a) = @$st;

    if ($kind eq 'block') {
        my $s = $in;
        $s = run($_, $s, $jump) for @{$a[0]};
        return $s;
    }

    if ($kind eq 'expr') {
        return run_expr($a[0], $in);
    }

    if ($kind eq 'if') {
        my ($yes, $no) = branch($a[0], $in);
        $yes = run($a[1], $yes, $jump);
        $no = run($a[2], $no, $jump) if $a[2];
        return join_states($yes, $no);
    }

    if ($kind eq 'switch') {
        my $j = { case => run_expr($a[0], $in), break => {},
                  continue => $jump->{continue} };
        my $out = run($a[1], {}, $j);
        $jump->{continue} = $j->{continue};
        return join_states($out, $j->{break}, $j->{case});
    }

    if ($kind eq 'case') {
        return join_states($in, $jump->{case} // {});
    }

    if ($kind =~ /^(?:while|for|do)$/) {
        return loop($st, $in);
    }

    if ($kind eq 'label') {
        my $s = join_states($in, $labels{$a[0]} // {});
        return $s;
    }

    my $s = run_expr($a[0], $in);

    if ($kind eq 'return') {
        leave($s, $a[1]);

    } elsif ($kind eq 'goto') {
        my $label = $a[0][0][0];
        my $old = $labels{$label} // {};
        $labels{$label} = join_states($old, $s);
        $changed = 1 if keys %{$labels{$label}} != keys %$old;

    } else {
        $jump->{$kind} = join_states($jump->{$kind} // {}, $s);
    }

    return {};
}


sub loop ($st, $in) {
    my ($kind, @a) = @$st;
    my ($cond, $step, $body);
    my $exit = {};

    if ($kind eq 'for') {
        $in = run_expr($a[0], $in);
        ($cond, $step, $body) = @a[1 .. 3];

    } else {
        ($cond, $step, $body) = ($a[0], [], $a[1]);
    }

    my $forever = $kind eq 'for' && !@$cond;
    my $top = $in;

    for (1 .. 4) {
        my $j = { break => {}, continue => {} };
        my ($yes, $no) = $kind eq 'do' ? ($top, {}) : branch($cond, $top);

        my $out = join_states(run($body, $yes, $j), $j->{continue});
        ($out, $no) = branch($cond, $out) if $kind eq 'do';
        $out = run_expr($step, $out);
        $exit = join_states($forever ? () : $no, $j->{break});
        my $again = join_states($top, $out);

        last if keys %$again == keys %$top;
        $top = $again;
    }

    return $exit;
}


sub follow ($f) {
    $fn = $f;
    %labels = ();

    my @tokens = @{$f->{tokens}};
    my $tree = [ 'block', block(\@tokens) ];
    my $before = @errors;

    do {
        splice @errors, $before;
        $changed = 0;
        my $begin = $f->{name} =~ /_locked$/ ? 'H' : 'U';
        my $s = run($tree, { $begin => 1 }, {});
        leave($s, $f->{line}) if %$s;
    } while ($changed);
}


# Which functions lock, and which do what must not be done under the lock,
# themselves or through others.  Not to be followed are those that have the
# lock: they are complained of where they do it.

sub spread () {
    my $more = 1;

    while ($more) {
        $more = 0;

        for my $f (values %functions) {
            my $name = $f->{name};

            for my $c (calls($f->{tokens})) {
                my $called = $c->{name};

                if (!$takes{$name} && $name !~ /_locked$/
                    && ($called =~ /_lock$/ || $takes{$called}))
                {
                    $more = $takes{$name} = 1;
                }

                next if $bad{$name} || $name =~ /_lock(?:ed)?$/;

                if (!$c->{indirect} && $called =~ $forbidden) {
                    $bad{$name} = "$called()";
                    $more = 1;

                } elsif ($bad{$called}) {
                    $bad{$name} = "$called(), which calls $bad{$called}";
                    $more = 1;
                }
            }
        }
    }
}


sub check ($root) {
    (%functions, %takes, %bad, @errors) = ();

    read_file($_) for sort glob("$root/src/store/*.[ch]");
    return ('no sources found') if !%functions;

    spread();

    for my $name (sort keys %functions) {
        follow($functions{$name}) if !$own{$name};
    }

    my %once;
    return grep { !$once{$_}++ } @errors;
}


# ---------------------------------------------------------------- self test

sub selftest () {
    my $dir = tempdir(CLEANUP => 1);
    my $failed = 0;
    make_path("$dir/src/store");

    my $try = sub ($want, $name, $body, $more = '') {
        open my $fh, '>', "$dir/src/store/a.c" or die;
        print $fh "$more\n\nint\n$name(z)\n{\n    ",
            $body =~ s/\n/\n    /gr, "\n}\n";
        close $fh;

        my $got = join "\n", check($dir);
        $got =~ s/^\Q$dir\E[^:]*:\d+: //gm;

        if ($want eq '' ? $got ne '' : $got !~ /\Q$want\E/) {
            print "selftest: \"$want\" expected, got \"$got\" for:\n$body\n";
            $failed = 1;
        }
    };

    my ($l, $u) = map { "ngx_socketio_zone_$_(z);" } qw/lock unlock/;

    $try->('', 'f', "$l g_locked(z); $u return 0;");
    $try->('', 'f_locked', 'g_locked(z); return 0;');
    $try->('', 'f', "$l if (z) { goto done; } g_locked(z);\ndone:\n$u");
    $try->('', 'f', "while (z) { $l if (a) { $u break; } $u }");
    $try->('', 'f', "x = g_try_lock(z); if (x == 0) { return 1; } $u");
    $try->('', 'f', "x = g_lock(z); if (x) { h_locked(z); } $u");
    $try->('', 'f_lock', "if (z) { return g_lock(z); } $l return 0;");
    $try->('', 'f', "do { $l a = g_locked(z); $u } while (a);");
    $try->('', 'f', "$l switch (z) { case 1: $u return 1; default: break; } $u");
    $try->('', 'f', "/* g_locked(z) */ h(\"g_locked()\", '(');");
    $try->('', 'f', "for (;;) { $l if (g_locked()) { $u continue; } $u return 1; }");

    $try->('without the lock', 'f', 'g_locked(z);');
    $try->('without the lock', 'f', "$l $u g_locked(z);");
    $try->('without the lock', 'f', "if (z) { $l } g_locked(z); $u");
    $try->('without the lock', 'f', "$l while (z) { g_locked(); $u }");
    $try->('without the lock', 'f', "for (; g_locked(z); ) { }");
    $try->('returns with the lock held', 'f', "$l return 0;");
    $try->('returns with the lock held', 'f', "$l if (z) { return 0; } $u");
    $try->('returns with the lock held', 'f', "$l\nx:\n if (z) { goto y; } $u\ny:\n return 0;");
    $try->('returns with the lock held', 'f', "while (z) { $l if (a) { break; } $u }");
    $try->('returns with the lock held', 'f', "switch (z) { case 1: $l break; }");
    $try->('returns with the lock held', 'f', "x = g_try_lock(z); if (x == 0) { return 1; }");
    $try->('nobody knows', 'f', 'x = g_try_lock(z); return x;');
    $try->('without looking', 'f', "x = g_try_lock(z); h_locked(z); $u");
    $try->('returns without the lock', 'f_lock', 'return 0;');
    $try->('returns without the lock', 'f_locked', "$u return 0;");
    $try->('unlocks without', 'f', $u);
    $try->('unlocks without', 'f', "$l if (z) { $u } $u");
    $try->('locks again', 'f', "$l $l $u");
    $try->('locks again', 'f_locked', $l);
    $try->('h() locks again', 'f_locked', 'h(z);', "int\nh(z)\n{\n    $l $u\n}\n");
    $try->('h() locks again', 'f_locked', 'h(z);',
        "int\nh(z)\n{\n    k(z);\n}\n\nint\nk(z)\n{\n    $l $u\n}\n");
    $try->('ngx_alloc() under the lock', 'f_locked', 'p = ngx_alloc(1, log);');
    $try->('free() under the lock', 'f', "$l free(p); $u");
    $try->('ngx_log_error() under the lock', 'f',
        "$l ngx_log_error(NGX_LOG_ERR, log, 0, \"x\"); $u");
    $try->('which calls malloc()', 'f_locked', 'h(z);',
        "int\nh(z)\n{\n    k(z);\n}\n\nint\nk(z)\n{\n    malloc(1);\n}\n");
    $try->('calls back', 'f', "$l z->wake(z, 1); $u");

    exit $failed;
}


selftest() if @ARGV && $ARGV[0] eq '--selftest';

my @found = check($ARGV[0] // dirname($0) . '/../..');
print "$_\n" for @found;
exit(@found ? 1 : 0);
