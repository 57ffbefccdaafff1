#!/bin/sh
#
# run.sh chat|node|php|python|ruby|channels: starts a demo, its backend and nginx,
# until Ctrl-C.  Everything runs in a directory of its own that is removed at the
# end, as the user who started it, or, started by root, as nobody.
#
#   PORT           8080       where the page is, as in "listen"
#   BACKEND_PORT   8081       where the backend listens, with node, python and ruby
#   SIO_SECRET                what the backend takes for socketio_hook_secret, by default
#                             what it is; empty: it does not look
#   NGINX_BINARY, SOCKETIO_MODULE, NDK_MODULE (empty: none), CLIENT_DIST, NODE,
#   PHP_FPM, PYTHON, RUBY: files, looked for where a build and the distribution
#   put them

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
demo=${1:-chat}
port=${PORT:-8080}

die() {
    echo "run.sh: $*" >&2
    exit 1
}

first() {
    for f; do
        case $f in
        */*) [ -e "$f" ] && echo "$f" && return ;;
        *)   command -v "$f" 2>/dev/null && return ;;
        esac
    done
    return 1
}

nginx=${NGINX_BINARY:-${TEST_NGINX_BINARY:-$(first nginx /usr/sbin/nginx)}} \
    || die "no nginx"
ndk=${NDK_MODULE-${TEST_NDK_MODULE-$(first \
    /usr/lib/nginx/modules/ndk_http_module.so \
    /usr/lib64/nginx/modules/ndk_http_module.so \
    /usr/share/nginx/modules/ndk_http_module.so)}} \
    || die "no ndk_http_module.so: set NDK_MODULE"
module=${SOCKETIO_MODULE:-${TEST_NGINX_MODULES:-$build}/ngx_http_socketio_module.so}
client=${CLIENT_DIST:-${TEST_NODE_MODULES:-$build/node/node_modules}/socket.io-client/dist}

[ -e "$module" ] || die "no $module: run make, or set SOCKETIO_MODULE"
[ -e "$client/socket.io.min.js" ] \
    || die "no $client: npm install socket.io-client, or set CLIENT_DIST"

conf=$demo
page=app

case $demo in
chat|channels)
    page=$demo
    ;;
esac

case $demo in
chat)
    ;;
node)
    interpreter=${NODE:-$(first node nodejs)} || die "no node"
    script=$here/node/app.js
    ;;
php|channels)
    fpm=${PHP_FPM:-$(first php-fpm /usr/sbin/php-fpm*)} || die "no php-fpm"
    ;;
python)
    interpreter=${PYTHON:-$(first python3)} || die "no python3"
    script=$here/python/app.py
    ;;
ruby)
    interpreter=${RUBY:-$(first ruby)} || die "no ruby"
    script=$here/ruby/app.rb
    ;;
*)
    die "usage: run.sh chat|node|php|python|ruby|channels"
    ;;
esac

prefix=$(mktemp -d)
backend=
server=

stop() {
    trap '' HUP INT TERM
    for pid in $server $backend; do     # nginx misses a backend that is gone
        kill "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
    [ ! -e "$prefix/error.log" ] \
        || grep -E '\[(emerg|alert|crit)\]|Sanitizer' "$prefix/error.log" >&2 || :
    rm -rf "$prefix"
}

trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# copies, since the workers of a master started by root are nobody's

[ -z "${script:-}" ] || conf=proxy

mkdir "$prefix/$page" "$prefix/client" "$prefix/php"
cp "$here/$page/index.html" "$prefix/$page"
cp "$client"/socket.io*js* "$prefix/client"
cp "$here"/php/*.php "$prefix/php"
chmod -R a+rX "$prefix"

sed -e "s|listen  8080|listen  $port|" \
    -e "s|127.0.0.1:8081|127.0.0.1:${BACKEND_PORT:-8081}|" \
    -e "s|unix:/run/php/php-fpm.sock|unix:$prefix/php.sock|" \
    "$here/$conf.conf" > "$prefix/nginx.conf"

secret=$(sed -n 's/.*socketio_hook_secret *"\(.*\)";.*/\1/p' "$prefix/nginx.conf")
export SIO_SECRET="${SIO_SECRET-$secret}"

if [ -n "${script:-}" ]; then
    "$interpreter" "$script" "${BACKEND_PORT:-8081}" &
    backend=$!

elif [ -n "${fpm:-}" ]; then
    {
        printf '[global]\nerror_log = %s/php-fpm.log\ndaemonize = no\n' "$prefix"
        printf '[app]\nlisten = %s/php.sock\nlisten.mode = 0666\n' "$prefix"
        printf 'pm = static\npm.max_children = 4\n'
        [ -z "$SIO_SECRET" ] || printf 'env[SIO_SECRET] = "%s"\n' "$SIO_SECRET"
        if [ "$(id -u)" = 0 ]; then
            printf 'user = nobody\ngroup = %s\n' "$(id -gn nobody)"
        fi
    } > "$prefix/php-fpm.conf"
    "$fpm" -n -F -y "$prefix/php-fpm.conf" &
    backend=$!

    # nginx has much to say of a socket that is not there
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ ! -S "$prefix/php.sock" ] || break
        sleep 0.5
    done
fi

"$nginx" -p "$prefix/" -c "$prefix/nginx.conf" -e "$prefix/error.log" -g "daemon off;
    ${ndk:+load_module $ndk;} load_module $module; ${TEST_NGINX_GLOBALS:-}" &
server=$!

echo "http://localhost:${port##*:}/  (Ctrl-C ends it)"

# one that ends takes the other with it

while kill -0 $server $backend 2>/dev/null; do
    sleep 1 &
    wait $!
done

cat "$prefix"/*.log >&2 2>/dev/null || :
die "$demo demo ended"
