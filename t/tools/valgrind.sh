#!/bin/bash
#
# Runs programs under valgrind's memcheck:
#
#   valgrind.sh PROGRAM|t/some.t ...
#
# A unit test fails by its exit status.  Of a test of nginx, which is run with
# a wrapper as TEST_NGINX_BINARY, the reports count: memory that is lost when a
# process ends is not among them, as pools are freed with the process.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
chmod 1777 "$logs"

memcheck="valgrind -q --error-exitcode=99 --num-callers=24
          --suppressions=$root/t/tools/valgrind.supp"

rc=0

for program in "$@"; do
    case $program in
    *.t)
        cat > "$logs/nginx" <<END
#!/bin/sh
exec $(echo $memcheck) --trace-children=no --log-file=$logs/report.%p \\
    ${TEST_NGINX_BINARY:-/usr/sbin/nginx} "\$@"
END
        chmod 755 "$logs/nginx"
        TEST_NGINX_BINARY=$logs/nginx TEST_NGINX_VALGRIND=1 \
            prove -I"$root/t/lib" "$program" || rc=1
        ;;

    *)
        if ! $memcheck --leak-check=full "$program" \
                 > "$logs/out" 2> "$logs/report.unit"
        then
            rc=1
            grep '^not ok' "$logs/out" || true
        fi

        echo "${program##*/}: $(grep -c '^ok' "$logs/out") points"
        ;;
    esac

    for report in "$logs"/report.*; do
        [ -s "$report" ] || continue
        cat "$report"
        rc=1
    done

    rm -f "$logs"/report.*
done

exit $rc
