#!/bin/sh
#
# Runs a command with the environment of a test of build/asan:
#
#   asan-env.sh prove t/some.t
#
# Reports go to build/asan/report.*, since the user that workers run as may not
# write elsewhere, and fail the run here, whatever the tests noticed.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/build/asan
reports=$(mktemp -d)

trap 'rm -rf "$reports"' EXIT
chmod 1777 "$reports"

export TEST_NGINX_BINARY="$out/nginx"
export TEST_NGINX_MODULES="$out"
export TEST_NDK_MODULE="$(cat "$out/ndk")"

# every module exports ngx_modules and the like: no violation of the ODR

options="detect_odr_violation=0:abort_on_error=0:log_path=$reports/report"

export ASAN_OPTIONS="$options:detect_leaks=${ASAN_LEAKS:-1}"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/report"
export LSAN_OPTIONS="suppressions=$root/t/tools/lsan.supp:print_suppressions=0"

rc=0
"$@" || rc=$?

rm -f "$out"/report.*

# The first pool of an nginx whose configuration is wrong is never freed.  A
# suppression would name ngx_create_pool, and hide every pool; so leave out
# here what main() itself has created.

known='
    my $text = <STDIN>;
    my $leak = qr/^(?:Direct|Indirect) leak .*?\n\n/ms;
    my $main = qr/\A.*\n(?:.*\n)*?.*ngx_create_pool .*\n.* main .*\n/;

    $text =~ s/($leak)/$1 =~ $main ? "" : $1/ge;
    exit($text =~ /LeakSanitizer/ && $text !~ $leak ? 0 : 1);
'

for report in "$reports"/report*; do
    [ -s "$report" ] || continue
    ! perl -0777 -e "$known" < "$report" || continue
    cp "$report" "$out/"
    cat "$report"
    echo "a sanitizer reported: build/asan/${report##*/}"
    rc=1
done

exit $rc
