#!/bin/bash
#
# nginx's own test suite with the module loaded and a zone in use, against the
# same without:
#
#   nginx-tests.sh CHECKOUT [FILE.t ...]
#
#   CHECKOUT  of https://github.com/nginx/nginx-tests; not part of this tree
#   JOBS      files at a time, default 2
#
# Builds the nginx of NGINX_SRC, by default Debian's, with all of its modules
# that need no further library, and ours for it, in build/nginx.  A point of a test that fails with the module and not
# without, twice, is a regression: printed, and the exit status is 1.  Results
# stay in build/nginx-tests.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || { sed -n '3,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }

suite=$(cd "$1" && pwd)
shift
[ -f "$suite/lib/Test/Nginx.pm" ] || {
    echo "$0: $suite is no checkout of nginx-tests" >&2
    exit 2
}

out=$root/build/nginx-tests
rm -rf "$out"
mkdir -p "$out/with" "$out/without"
export out

if [ -z "${NGINX_SRC:-}" ]; then
    "$root/t/tools/build-asan.sh" --source
    export NGINX_SRC=$root/build/asan/debian
fi

more=
for module in addition dav flv gunzip gzip_static mp4 random_index \
              secure_link slice sub
do
    more="$more --with-http_${module}_module"
done
more="$more --with-mail --with-mail_ssl_module --with-stream
      --with-stream_ssl_module --with-stream_ssl_preread_module
      --with-stream_realip_module"

CONF_FLAGS=$(echo $more) "$root/t/tools/build-nginx.sh" "$root/build/nginx"

unset TEST_NGINX_MODULES
ndk=$(cat "$root/build/nginx/ndk")

export TEST_NGINX_BINARY=$root/build/nginx/nginx
export WITH="${ndk:+load_module $ndk;}
    load_module $root/build/nginx/ngx_http_socketio_module.so;"
export WITH_HTTP="socketio_zone nginx_tests 2m;"

[ $# -gt 0 ] || set -- "$suite"/*.t

# names of points that failed, and how the file ended

one()
{
    name=$(basename "$2" .t)

    # of root: workers may not read the directories of the tests otherwise

    TEST_NGINX_GLOBALS=$([ "$(id -u)" != 0 ] || echo "user root;")
    export TEST_NGINX_GLOBALS

    if [ "$1" = with ]; then
        TEST_NGINX_GLOBALS="$TEST_NGINX_GLOBALS $WITH"
        export TEST_NGINX_GLOBALS_HTTP=$WITH_HTTP
    fi

    cd "$(dirname "$2")"
    rc=0
    timeout 120 perl -Ilib "$2" > "$out/$1/$name.tap" 2> "$out/$1/$name.err" \
        < /dev/null || rc=$?

    # a plan says which file had nothing to test here

    {
        grep -v ' # TODO' "$out/$1/$name.tap" | grep '^not ok' || true
        grep -o '^1\.\.[0-9]*' "$out/$1/$name.tap" || true
        echo "exit $([ $rc = 0 ] && echo 0 || echo 1)"
    } > "$out/$1/$name"
}

export -f one

for mode in without with; do
    echo "nginx-tests $mode the module"
    printf '%s\n' "$@" \
        | xargs -P "${JOBS:-2}" -I{} bash -c 'one '$mode' "{}"'

    ran=$(cat "$out/$mode"/*.tap | grep -c '^ok' || true)
    skipped=$(grep -l '^1\.\.0' "$out/$mode"/*.tap | wc -l || true)
    bad=$(grep -L '^exit 0' $(printf '%s\n' "$out/$mode"/* \
                              | grep -v '\.[a-z]*$') | wc -l || true)
    echo "  $ran points passed, $skipped of $# files skipped, $bad failed"
done

# once more, alone, before it is believed

rc=0

for file in "$@"; do
    name=$(basename "$file" .t)

    for try in 1 2; do
        cmp -s "$out/without/$name" "$out/with/$name" && continue 2
        one without "$file"
        one with "$file"
    done

    if grep -vxFf "$out/without/$name" "$out/with/$name" \
       | grep -E '^not ok|^exit 1' > "$out/difference"
    then
        echo "regression: $name"
        cat "$out/difference"
        tail -n 20 "$out/with/$name.err"
        rc=1
    fi
done

rm -f "$out/difference"
[ $rc = 1 ] || echo "no regression"

exit $rc
