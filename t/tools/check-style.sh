#!/bin/sh
#
# The mechanical part of nginx's style, for every text file of the project.
#
#   check-style.sh [ROOT]
#   check-style.sh --selftest
#
# Everywhere: no tabs (but in Makefile), no trailing space, a newline at the
# end.  C: 80 columns, /* */ comments, a licence comment below a blank line,
# two blank lines before a function, its return type on a line of its own.

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir "$tree/src"
    file=$tree/src/ngx_socketio_a.c

    head='
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include <ngx_core.h>


static int  a;'
    f='

int
ngx_socketio_a(void)
{
    return 0;  /* "//" and http:// are fine here */
}'

    try()
    {
        printf "$2" > "$file"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok "$head\n$f\n"
    try ok "$head\n$f\n$f\n"
    try ok "$head\n\n\n/* why\n */$f\n"
    try ok "$head\n\n\n/* why */$f\n"
    try 'no newline' "$head\n$f"
    try 'trailing space' "$head \n"
    try 'tab' "$head\n\tint b;\n"
    try 'columns' "$head\n/* $(printf '%080d' 0) */\n"
    try '// comment' "$head\nint b;  // no\n"
    try 'two blank lines' "$head\n\nint\nngx_socketio_a(void)\n{\n}\n"
    try 'licence' "$f\n"
    try 'blank line at the end' "$head\n\n"
    try 'carriage return' "$head\r\n"
    try 'its own line' "$head\n\n\nint ngx_socketio_a(void)\n{\n}\n"

    rm "$file"
    fails 'no files' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

# a fuzzer's corpus is bytes

if [ -e .git ]; then
    git ls-files -co --exclude-standard
else
    find . -name build -prune -o -type f -print | sed 's|^\./||'
fi | LC_ALL=C sort | grep -v -E \
    -e '^t/fuzz/corpus/' -e '\.(png|ico|gif|jpg|woff2?|zip|gz)$' \
    -e '(^|/)package-lock\.json$' -e '(^|/)node_modules/' \
| perl -e '
    use strict;
    use warnings;

    my ($files, $failed) = (0, 0);
    my $file;

    sub bad { print "$file:$_[0]: $_[1]\n"; $failed = 1 }

    # comments become blanks, strings empty; lines stay

    sub code {
        my ($text) = @_;
        $text =~ s{
            (/\*.*?\*/) | "(?:[^"\\\n]|\\.)*" | \x27(?:[^\x27\\\n]|\\.)*\x27
        }{ $1 ? $1 =~ s/[^\n]//gr : q("") }gsex;
        return split /\n/, $text, -1;
    }

    sub check_c {
        my ($text, @line) = @_;
        my @code = code($text);

        bad(1, "no licence comment below a blank first line")
            if $text !~ m{^\n/\*\n \* Copyright \(C\)};

        for my $i (0 .. $#line) {
            my $utf8 = $line[$i] =~ s/[\x80-\xbf]//gr;

            bad($i + 1, "more than 80 columns") if length $utf8 > 80;
            bad($i + 1, "// comment") if $code[$i] =~ m{//};

            # "{" in column one ends the head of a function, whose name
            # begins a line; its parameters may go on below

            next if $line[$i] ne "{";

            my $k = $i - 1;
            $k-- while $k > 0 && $line[$k] =~ /^\s+\S/;

            if ($line[$k] =~ /^[a-z_]\w*\(/) {

                # above: the return type, and what belongs to the function:
                # its comment, directives of the preprocessor

                $k -= 2;

                if ($line[$k + 1] !~ /^[a-z_][\w\s*]*$/i) {
                    bad($k + 2, "the return type has its own line");
                }

                $k-- if $line[$k] eq "" && $line[$k - 1] =~ m{\*/$};

                while ($k > 0 && $line[$k] ne "") {
                    last if $line[$k] !~ m{^( \*|/\*|#|\s+\S)};
                    $k--;
                }

                if ($line[$k] ne "" || $k == 0 || $line[$k - 1] ne "") {
                    bad($i + 1, "no two blank lines before this function");
                }

            } elsif ($line[$k] =~ /^\w[\w\s*]*[\s*]\w+\(/) {
                bad($k + 1, "the return type has its own line");
            }
        }
    }

    while (my $name = <STDIN>) {
        chomp($file = $name);
        next if !-f $file || !-s _;
        $files++;

        open my $fh, "<:raw", $file or die "$file: $!\n";
        my $text = do { local $/; <$fh> };
        my @line = split /\n/, $text, -1;

        bad(scalar @line, "no newline at the end") if $line[-1] ne "";
        pop @line;
        bad(scalar @line, "blank line at the end") if @line && $line[-1] eq "";

        for my $i (0 .. $#line) {
            bad($i + 1, "carriage return") if $line[$i] =~ /\r/;
            bad($i + 1, "trailing space") if $line[$i] =~ /[ \t]$/;
            bad($i + 1, "tab")
                if $line[$i] =~ /\t/ && $file !~ m{(^|/)Makefile$};
        }

        check_c($text, @line) if $file =~ /\.[ch]$/;
    }

    if (!$files) {
        print "no files found\n";
        $failed = 1;
    }

    exit $failed;
'
