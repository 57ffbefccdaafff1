#!/bin/sh
#
# Every message that the module logs, but for debugging, has a line in the section
# "Troubleshooting" of README.md: the longest part of its text between two values
# is there.  Messages of nothing but values are left out.
#
#   check-messages.sh [ROOT]
#   check-messages.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir -p "$tree/src/store"

    cat > "$tree/src/store/a.c" << 'END'
    ngx_log_error(NGX_LOG_ERR, log, 0, "zone \"%V\" is full: %s "
                  "refused", a, b);

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &err.err);

    /* ngx_log_error(NGX_LOG_ERR, log, 0, "in a comment"); */

    ngx_log_error(level, log, ngx_errno, ngx_close_file_n " \"%V\" was lost", a);

    ngx_log_error(NGX_LOG_DEBUG, log, 0, "only for debugging");
END

    good='is full, before it
## Troubleshooting
| `zone "NAME" is full: ... refused` |
| `close() "FILE" was lost` |
## Next
'

    try()
    {
        printf '%s\n' "$good" | sed "$2" > "$tree/README.md"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok ''
    try 'a.c:1: .*is full' 's/zone "NAME" is full/zone is empty/'
    try 'a.c:8: .*was lost' 's/was lost//'
    try 'a.c:1: .*is full' 's/## Trouble/## Double/'
    echo '## Troubleshooting' > "$tree/README.md"
    rm "$tree/src/store/a.c"
    fails 'no messages' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

exec perl - "$tools" src/*.[ch] src/*/*.[ch] << 'END'
use strict;
use warnings;

my ($tools, @files) = @ARGV;
my ($bad, $messages) = (0, 0);

open my $fh, '<', 'README.md' or die "README.md: $!\n";
my $readme = join '', <$fh>;
my ($section) = $readme =~ /^## Troubleshooting\n(.*?)(?=^## |\z)/ms;
$section //= '';

for my $file (grep { -f } @files) {
    my $code = qx{awk -f "$tools/strip-comments.awk" "$file"};

    while ($code =~ /\bngx_(?:conf_)?log_error\(\s*(\w+)(,(?:[^;"]|"(?:[^"\\]|\\.)*")*);/g) {
        my ($level, $args) = ($1, $2);
        my $line = 1 + substr($code, 0, $-[0]) =~ tr/\n//;

        next if $level eq 'NGX_LOG_DEBUG';
        next if $args !~ /("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)/;

        my $text = join '', $1 =~ /"((?:[^"\\]|\\.)*)"/g;
        $text =~ s/\\(.)/$1/g;

        my ($longest) = sort { length $b <=> length $a }
            map { s/^[\s":,()]+|[\s":,()]+$//gr } split /%(?:\d+|\*)?(?:u?[xX]?[a-zA-Z])/, $text;

        next if !defined $longest || $longest !~ /\w/;
        $messages++;

        if (index($section, $longest) < 0) {
            print "$file:$line: not in README.md, Troubleshooting: $longest\n";
            $bad = 1;
        }
    }
}

if (!$messages) {
    print "no messages found\n";
    $bad = 1;
}

exit $bad;
END
