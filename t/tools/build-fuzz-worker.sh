#!/bin/bash
#
# Builds build/fuzz/fuzz_worker: Debian's nginx with the module linked in, with
# libFuzzer and the address and UB sanitizers.  Only the module reports what
# it has covered.  About a minute; again only what has changed.
#
# NGX_DEBUG_PALLOC turns each allocation from a pool into a malloc.  Clock,
# randomness, log and the event loop's entry are the fuzzer's: see --wrap.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/build/fuzz/worker
mkdir -p "$out"

exec 9> "$out/lock"
flock 9

if [ -z "${NGINX_SRC:-}" ]; then
    "$root/t/tools/build-asan.sh" --source
    NGINX_SRC=$root/build/asan/debian
fi

sanitize="-fsanitize=address,undefined,fuzzer-no-link
          -fsanitize-coverage-allowlist=$out/covered
          -fno-sanitize=alignment,nonnull-attribute,pointer-overflow,function
          -fno-sanitize-recover=undefined"
sanitize=$(echo $sanitize)

flags=(--with-cc=clang --with-debug --with-http_ssl_module
       --without-http_charset_module --without-http_ssi_module
       --without-http_userid_module --without-http_auth_basic_module
       --without-http_mirror_module --without-http_autoindex_module
       --without-http_geo_module --without-http_split_clients_module
       --without-http_referer_module --without-http_uwsgi_module
       --without-http_scgi_module --without-http_grpc_module
       --without-http_memcached_module --without-http_empty_gif_module
       --without-http_browser_module
       "--with-cc-opt=-O1 -g -Wno-error -fno-omit-frame-pointer $sanitize
                      -DNGX_DEBUG_PALLOC=1"
       "--with-ld-opt=-fsanitize=address,undefined"
       "--add-module=$root" "--builddir=$out/objs")
flags=("${flags[@]//$'\n'/ }")

printf 'src:*socketio*\nfun:*\n' > "$out/covered"

want=$(
    printf '%s\n' "$NGINX_SRC" "${flags[@]}"
    cksum "$root/config"
    cd "$root/src" && LC_ALL=C && printf '%s\n' *.[ch] */*.[ch]
)

run()
{
    log=$out/$1.log; shift
    "$@" > "$log" 2>&1 || { tail -n 40 "$log" >&2; return 1; }
}

if [ ! -f "$out/configured" ] || [ "$(cat "$out/configured")" != "$want" ]; then
    rm -rf "$out/tree" "$out/objs" "$out/configured"
    mkdir -p "$out/tree"
    tar -C "$NGINX_SRC" --exclude=./.git --exclude=./debian -cf - . \
        | tar -C "$out/tree" -xf -
    cd "$out/tree"
    run configure ./configure "${flags[@]}"
    printf '%s\n' "$want" > "$out/configured"
fi

cd "$out/tree"
unset MAKEFLAGS MFLAGS MAKELEVEL
run make make -f "$out/objs/Makefile" -j"$(nproc)" "$out/objs/nginx"

# nginx without its main(), linked again with libFuzzer's

objcopy --redefine-sym main=fuzz_nginx_main \
    "$out/objs/src/core/nginx.o" "$out/nginx_main.o"

includes=$(find src -type d -name modules -prune -o -type d -printf '-isystem %p ')
objects=$(find "$out/objs" -name '*.o' ! -name nginx.o)
wrap=
for name in ngx_process_events_and_timers ngx_log_error_core gettimeofday \
            clock_gettime getrandom random ngx_alloc \
            ngx_socketio_alloc_locked ngx_socketio_free_locked \
            ngx_socketio_find_locked
do
    wrap="$wrap -Wl,--wrap=$name"
done

run link clang -std=gnu11 -Wall -Wextra -Werror -g -O1 \
    -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer \
    -fno-sanitize-recover=undefined \
    -I"$root/src" -I"$root/t/fuzz" $includes -isystem src/event/modules \
    -isystem src/http/modules -isystem "$out/objs" -o "$out/fuzz_worker.new" \
    "$root/t/fuzz/fuzz_worker.c" "$out/nginx_main.o" $objects $wrap \
    -ljansson -lpcre2-8 -lssl -lcrypto -lz -lcrypt -ldl -pthread

mv "$out/fuzz_worker.new" "$root/build/fuzz/fuzz_worker"
