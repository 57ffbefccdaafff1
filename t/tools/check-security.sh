#!/bin/sh
#
# Each id of t/security.ids is in the name of a test, so that one can see how
# this module meets what broke others.  Not so those below, each with its
# reason.  And tests name no id that is not in the list.
#
#   check-security.sh [ROOT]
#   check-security.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

excused='
CVE-2025-61765 there is no Redis: nodes do not talk to each other yet
CVE-2026-23524 there is no Redis: nodes do not talk to each other yet
nchan-2 there is no Redis: nodes do not talk to each other yet
'

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir -p "$tree/t"

    # the list has those that are excused, and two more

    try()
    {
        printf '# text\n\nCVE-2025-61765 a\nCVE-2026-23524 b\nnchan-2 c\n' \
            > "$tree/t/security.ids"
        printf 'CVE-2026-1 d\nnchan-1 e\n' >> "$tree/t/security.ids"
        printf '%s\n' "$2" > "$tree/t/a.t"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok 'ok(1, "CVE-2026-1: x"); ok(1, q{nchan-1, y});'
    try ok "my \$id = 'CVE-2026-1, nchan-1';"
    try 'CVE-2026-1 is in no name' 'ok(1, "nchan-1, CVE-2026-12");
# CVE-2026-1'
    try 'there is no CVE-2026-12' 'ok(1, "nchan-1, CVE-2026-12");'
    try 'nchan-1 is in no name' 'ok(1, "CVE-2026-1: nchan-10");'
    try 'nchan-2 is tested, but excused' \
        'ok(1, "CVE-2026-1, nchan-1, nchan-2");'

    rm "$tree/t/security.ids"
    fails 'no ids' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

find t -name '*.t' -type f | sort | EXCUSED=$excused perl -e '
    use strict;
    use warnings;

    my ($failed, %listed, %named) = (0);
    my $id = qr/\b(?:(?:CVE|WS)-\d{4}-\d+|nchan-\d+)\b/;
    my %excused = $ENV{EXCUSED} =~ /^(\S+) (\S.*)$/mg;

    sub bad { print "$_[0]\n"; $failed = 1 }

    sub lines {
        open my $fh, "<", $_[0] or return;
        return grep { !/^\s*#/ } <$fh>;
    }

    for (lines("t/security.ids")) {
        $listed{$1} = 1 if /^($id)\s+\S/;
    }

    bad("no ids in t/security.ids") if !%listed;

    while (my $file = <STDIN>) {
        chomp $file;
        for (lines($file)) {
            $named{$_} //= $file for /$id/g;
        }
    }

    for (sort keys %named) {
        bad("$named{$_}: there is no $_ in t/security.ids") if !$listed{$_};
        bad("$named{$_}: $_ is tested, but excused: $excused{$_}")
            if $excused{$_};
    }

    for (sort keys %listed) {
        bad("$_ is in no name of a test") if !$named{$_} && !$excused{$_};
    }

    exit $failed;
'
