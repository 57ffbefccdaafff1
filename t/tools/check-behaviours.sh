#!/bin/sh
#
# Every behaviour of Engine.IO, 1 to 154 in the list that its tests are named
# by, is tested: it is in the name of a test as "eio 12", "eio 12, 13" or
# "eio 72-74".  Not so those below, each with its reason.
#
#   check-behaviours.sh [ROOT]
#   check-behaviours.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)
last=154

excused='
21 an id cannot fail but for want of random bytes: 500, without a test
24 there is no middleware of Engine.IO: phases of nginx answer for themselves
31 ids are never custom: they are secrets
'

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir -p "$tree/t/unit" "$tree/t/node"

    try()
    {
        printf 'ok(1, "eio 1-20: all");  # eio 21\n%s\n' "$2" > "$tree/t/a.t"
        printf '    { "eio 22, 23, 25: c" },\n' > "$tree/t/unit/a_test.c"
        printf "test('eio 26-30, 32-150: js')\n" > "$tree/t/node/a.t"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok 'is($x, 2, "GET: eio 151-154: more");'
    try ok "is(\$x, 2, 'eio 151,152: more'); is(1, 1, 'eio 153, 154');"
    try ok "is(\$x, 2,
    'eio 151-154: more');"
    try 'eio 154 is in no name' 'ok(1, "eio 151-153: more");'
    try 'eio 151 is in no name' '# "eio 151: more"'
    try 'eio 152 is in no name' 'ok(1, "eio 151, 153: 152, 154");'
    try 'eio 153 is in no name' 'my $eio = 153; # eio 153'
    try 'eio 154 is in no name' 'ok(1, "eio 151-153: video 154");'
    try 'eio 154 is in no name' 'ok(1, "eio 151-153: video"); # eio 154'
    try 'a.t:2: there is no eio 155' 'ok(1, "eio 151-155: more");'
    try 'a.t:2: there is no eio 0' 'ok(1, "eio 0: more");'
    try 'eio 24 is tested, but excused' 'ok(1, "eio 24, 151-154: more");'

    rm -r "$tree/t"
    fails 'no tests' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

find t \( -name '*.t' -o -path 't/unit/*.c' \) -type f 2> /dev/null | sort \
| EXCUSED=$excused LAST=$last perl -e '
    use strict;
    use warnings;

    my ($files, $failed, %said) = (0, 0);
    my %excused = $ENV{EXCUSED} =~ /^(\d+) (\S.*)$/mg;

    sub bad { print "$_[0]\n"; $failed = 1 }

    while (my $file = <STDIN>) {
        chomp $file;
        open my $fh, "<", $file or die "$file: $!\n";
        $files++;

        while (my $line = <$fh>) {
            next if $line =~ m{^\s*(?:#|/?\*)};

            # names are literals, whose end may be on another line

            for my $text ($line =~ /(\x27[^\x27]*\x27?|"[^"]*"?|`[^`]*`?)/g) {
                while ($text =~ /\beio\ (\d+(?:-\d+)?(?:,\ ?\d+(?:-\d+)?)*)/gx)
                {
                    for my $n (split /, ?/, $1) {
                        my ($from, $to) = split /-/, $n;
                        $said{$_} ||= "$file:$." for $from .. $to // $from;
                    }
                }
            }
        }
    }

    bad("no tests in t") if !$files;

    for my $n (sort { $a <=> $b } keys %said) {
        bad("$said{$n}: there is no eio $n") if $n < 1 || $n > $ENV{LAST};
        bad("$said{$n}: eio $n is tested, but excused: $excused{$n}")
            if $excused{$n};
    }

    for my $n (1 .. $ENV{LAST}) {
        bad("eio $n is in no name of a test")
            if !$said{$n} && !$excused{$n};
    }

    exit $failed;
'
