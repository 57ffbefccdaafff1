#!/bin/bash
#
# Builds the dynamic module, and with an nginx source tree nginx as well.
#
#   build-nginx.sh OUT
#
#   NGINX_SRC  an nginx source tree.  Empty: the headers of Debian's nginx-dev,
#              with its own configure flags, for Debian's nginx.
#   NDK_SRC    NDK sources.  Complete ones (upstream) give ndk_http_module.so
#              too; Debian's, the default, have only the headers, for Debian's
#              version of nginx.  "none": do without.
#   CC_OPT     more compiler flags
#   LD_OPT     more linker flags
#   CONF_FLAGS more configure flags
#   WERROR=no  let warnings pass
#
# Leaves OUT/ngx_http_socketio_module.so, objects in OUT/objs/addon, in OUT/ndk
# the name of the NDK module to load first (or nothing), and with NGINX_SRC
# OUT/nginx.  nginx's configure writes into the source tree, which is
# therefore copied, and is run again only if its input has changed: flags, the
# list of source files, "config", the nginx version or the compiler.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# = 1 ] || { echo "usage: $0 OUT" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)

# two at once would build into the same files

exec 9> "$out/lock"
flock 9

src=${NGINX_SRC:-}
ndk=${NDK_SRC:-/usr/share/nginx-ndk/src}
flags=()
nginx=no

if [ -z "$src" ]; then
    src=/usr/share/nginx/src

    if [ ! -f $src/conf_flags ]; then
        echo "$0: no $src/conf_flags: install nginx-dev, or set NGINX_SRC" >&2
        exit 1
    fi

    . $src/conf_flags
    flags=("${NGX_CONF_FLAGS[@]}")

elif [ -f "$src/src/core/nginx.c" ]; then
    nginx=yes

    # Debian's binary modules (NDK) load into this one if versions match

    flags=(--with-compat --with-debug --with-threads --with-http_ssl_module
           --with-http_v2_module --with-http_realip_module
           --with-http_auth_request_module --with-http_stub_status_module
           --prefix=/usr/share/nginx --error-log-path=stderr)
else
    echo "$0: NGINX_SRC=$src is not an nginx source tree" >&2
    exit 1
fi

cc_opt="-O2 -g -fstack-protector-strong -Wformat -Werror=format-security"
cc_opt="$cc_opt -Wvla"

# sanitizers know more, and less with it

case "${CC_OPT:-}" in
*-fsanitize*) ;;
*) cc_opt="$cc_opt -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2" ;;
esac

[ "${WERROR:-yes}" = yes ] || cc_opt="$cc_opt -Wno-error"
flags+=("--with-cc-opt=$cc_opt ${CC_OPT:-}" "--with-ld-opt=${LD_OPT:-}")
read -r -a more <<< "${CONF_FLAGS:-}"
flags+=("${more[@]}")

# Debian's NDK sources have no .c file: good for "make modules" only, whose
# result finds the symbols in Debian's ndk_http_module.so, which loads into an
# nginx of the same version only.  To also build that nginx, it is configured
# once without and once with them.

version()
{
    sed -n 's/^#define NGINX_VERSION *//p' "$1/src/core/nginx.h" 2> /dev/null
}

ndk_flags=()
ndk_module=

if [ "$ndk" = none ]; then
    :

elif [ -f "$ndk/src/ndk.c" ]; then
    flags+=("--add-dynamic-module=$ndk")
    ndk_module=$out/ndk_http_module.so

elif [ -f "$ndk/config" ] \
     && [ "$(version "$src")" = "$(version /usr/share/nginx/src)" ]
then
    ndk_flags=("--add-module=$ndk")
    ndk_module=/usr/lib/nginx/modules/ndk_http_module.so

elif [ -n "${NDK_SRC:-}" ]; then
    echo "$0: NDK_SRC=$ndk has no NDK for this nginx" >&2
    exit 1
fi

echo "$ndk_module" > "$out/ndk"

tree=$out/tree
stamp=$out/configured
headers=$src/src/core/nginx.h

want=$(
    printf '%s\n' "$src" "${flags[@]}" -- "${ndk_flags[@]}"
    cksum "$root/config" "$headers"
    ${CC:-cc} --version | head -n 1
    cd "$root/src" && LC_ALL=C && printf '%s\n' *.[ch] */*.[ch]
)

run()
{
    log=$out/$1.log; shift
    "$@" > "$log" 2>&1 || { cat "$log" >&2; return 1; }
}

if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
    rm -rf "$tree" "$out/objs" "$out/objs-nginx" "$stamp"
    mkdir -p "$tree"
    tar -C "$src" --exclude=./.git --exclude=./objs --exclude=./Makefile \
        -cf - . | tar -C "$tree" -xf -

    configure=./configure
    [ -x "$tree/configure" ] || configure=auto/configure

    cd "$tree"

    if [ $nginx = yes ]; then
        run configure-nginx $configure "${flags[@]}" \
            --builddir="$out/objs-nginx"
    fi

    run configure $configure "${flags[@]}" "${ndk_flags[@]}" \
        --add-dynamic-module="$root" --builddir="$out/objs"

    printf '%s\n' "$want" > "$stamp"
fi

cd "$tree"
jobs=-j$(nproc)
unset MAKEFLAGS MFLAGS MAKELEVEL

if [ $nginx = yes ]; then
    make -s $jobs -f "$out/objs-nginx/Makefile" "$out/objs-nginx/nginx"
    cmp -s "$out/objs-nginx/nginx" "$out/nginx" \
        || cp -f "$out/objs-nginx/nginx" "$out/nginx"
fi

make -s $jobs -f "$out/objs/Makefile" modules

# by rename: a running nginx must not see its mapped file change

for so in "$out"/objs/*.so; do
    to=$out/${so##*/}
    cmp -s "$so" "$to" || { cp -f "$so" "$to.new" && mv -f "$to.new" "$to"; }
done

echo "built $out/ngx_http_socketio_module.so"
