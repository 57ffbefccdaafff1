#!/bin/sh
#
# Every behaviour of Engine.IO, 1 to 154, and of Socket.IO, 1 to 128, in the
# lists that their tests are named by, is tested: it is in the name of a test as
# "eio 12", "eio 12, 13" or "sio 72-74".  Not so those below, each with its
# reason.
#
#   check-behaviours.sh [ROOT]
#   check-behaviours.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)
lists='eio 154
sio 128'

excused='
eio 21 an id cannot fail but for want of random bytes: 500, without a test
eio 24 there is no middleware of Engine.IO: phases of nginx answer for themselves
eio 31 ids are never custom: they are secrets
'

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir -p "$tree/t/unit" "$tree/t/node"

    # all of Engine.IO but 151-154, all of Socket.IO but 128, and those excused

    try()
    {
        printf 'ok(1, "eio 1-20: all");  # eio 21\n%s\n' "$2" > "$tree/t/a.t"
        printf '    { "eio 22, 23, 25: c, sio 1-120" },\n' \
            > "$tree/t/unit/a_test.c"
        printf "test('eio 26-30, 32-150, sio 121-127: js')\n" \
            > "$tree/t/node/a.t"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok 'is($x, 2, "GET: eio 151-154, sio 128: more");'
    try ok "is(\$x, 2, 'eio 151,152, sio 128'); is(1, 1, 'eio 153, 154');"
    try ok "is(\$x, 2,
    'sio 128, eio 151-154: more');"

    sio='ok(1, "sio 128: odd names");'
    try 'eio 154 is in no name' "$sio"' ok(1, "eio 151-153: more");'
    try 'eio 151 is in no name' "$sio"'
        # "eio 151: more"'
    try 'eio 152 is in no name' "$sio"' ok(1, "eio 151, 153: 152, 154");'
    try 'eio 153 is in no name' "$sio"' my $eio = 153; # eio 153'
    try 'eio 154 is in no name' "$sio"' ok(1, "eio 151-153: video 154");'
    try 'eio 154 is in no name' "$sio"' ok(1, "eio 151-153: video"); # eio 154'
    try 'sio 128 is in no name' 'ok(1, "eio 128, eio 151-154: more");'
    try 'sio 128 is in no name' 'ok(1, "eio 151-154: physio 128");'
    try 'a.t:2: there is no eio 155' "$sio"' ok(1, "eio 151-155: more");'
    try 'a.t:2: there is no eio 0' "$sio"' ok(1, "eio 0: more");'
    try 'a.t:2: there is no sio 129' 'ok(1, "eio 151-154, sio 128-129");'
    try 'eio 24 is tested, but excused' "$sio"' ok(1, "eio 24, 151-154: more");'

    rm -r "$tree/t"
    fails 'no tests' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

find t \( -name '*.t' -o -path 't/unit/*.c' \) -type f 2> /dev/null | sort \
| EXCUSED=$excused LISTS=$lists perl -e '
    use strict;
    use warnings;

    my ($files, $failed, %said) = (0, 0);
    my $number = qr/\d+(?:-\d+)?/;
    my %last = $ENV{LISTS} =~ /^(\w+) (\d+)$/mg;
    my %excused = $ENV{EXCUSED} =~ /^(\w+ \d+) (\S.*)$/mg;

    sub bad { print "$_[0]\n"; $failed = 1 }

    while (my $file = <STDIN>) {
        chomp $file;
        open my $fh, "<", $file or die "$file: $!\n";
        $files++;

        while (my $line = <$fh>) {
            next if $line =~ m{^\s*(?:#|/?\*)};

            # names are literals, whose end may be on another line

            for my $text ($line =~ /(\x27[^\x27]*\x27?|"[^"]*"?|`[^`]*`?)/g) {
                while ($text =~ /\b([es]io)\ ($number(?:,\ ?$number)*)/g) {
                    my $list = $1;

                    for my $n (split /, ?/, $2) {
                        my ($from, $to) = split /-/, $n;
                        $said{"$list $_"} ||= "$file:$."
                            for $from .. $to // $from;
                    }
                }
            }
        }
    }

    bad("no tests in t") if !$files;

    for my $b (sort keys %said) {
        my ($list, $n) = split / /, $b;
        bad("$said{$b}: there is no $b") if $n < 1 || $n > $last{$list};
        bad("$said{$b}: $b is tested, but excused: $excused{$b}")
            if $excused{$b};
    }

    for my $list (sort keys %last) {
        for my $b (map { "$list $_" } 1 .. $last{$list}) {
            bad("$b is in no name of a test")
                if !$said{$b} && !$excused{$b};
        }
    }

    exit $failed;
'
