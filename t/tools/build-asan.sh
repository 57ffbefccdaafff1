#!/bin/bash
#
# Builds Debian's nginx, from its patched source, and the module, both with
# address and undefined behaviour sanitizers, into build/asan.  About two
# minutes; again only if something changed.
#
# NGX_DEBUG_PALLOC turns each allocation from a pool into a malloc: an overrun
# within a pool is seen, too.  Set NGINX_SRC for another nginx.
#
#   build-asan.sh --source      only unpacks that source: build/asan/debian

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/build/asan

mkdir -p "$out"

# The source needs a deb-src entry, which few machines have: one of our own,
# made of the machine's deb entries, in directories of our own.

get_source()
{
    "$root/t/tools/install-deps.sh" build source

    apt=$out/apt
    rm -rf "$apt" "$out/debian"
    mkdir -p "$apt/lists/partial" "$apt/sources.d"

    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" \
            > "$apt/sources.d/${file##*/}"
    done

    [ ! -f /etc/apt/sources.list ] \
        || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > "$apt/list"

    options=(-o "Dir::Etc::SourceList=$apt/list"
             -o "Dir::Etc::SourceParts=$apt/sources.d"
             -o "Dir::State::Lists=$apt/lists"
             -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache="
             -o "APT::Sandbox::User=$(id -un)" -q)

    touch "$apt/list"
    apt-get "${options[@]}" update

    version=$(dpkg-query -W -f '${Version}' nginx-dev)
    (cd "$apt" && { apt-get "${options[@]}" source --download-only \
                        "nginx=$version" \
                    || apt-get "${options[@]}" source --download-only nginx; })

    dpkg-source -x "$apt"/nginx_*.dsc "$out/debian.new"
    mv "$out/debian.new" "$out/debian"
    rm -rf "$apt"
}

if [ -z "${NGINX_SRC:-}" ]; then
    [ -d "$out/debian" ] || get_source
    [ "${1:-}" != --source ] || exit 0
    export NGINX_SRC=$out/debian
fi

sanitize="-fsanitize=address,undefined"
sanitize="$sanitize -fno-sanitize=alignment,nonnull-attribute,pointer-overflow"

# not an error: nginx itself has warnings with these flags

export WERROR=no
export CC_OPT="-O1 -fno-omit-frame-pointer $sanitize -DNGX_DEBUG_PALLOC=1"
export LD_OPT="-fsanitize=address,undefined"

"$root/t/tools/build-nginx.sh" "$out"
