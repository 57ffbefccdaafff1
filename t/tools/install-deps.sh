#!/bin/bash
#
# Installs what is missing on Debian, and nothing else:
#
#   install-deps.sh [build] [test] [demo] [analyse] [source]
#
#   build   compiler, nginx, its headers, NDK, Jansson (the default)
#   test    build, and what the suite needs: Perl, clang for the fuzzers, PHP,
#           Ruby, a browser, python-socketio, Node.js, and the packages of
#           t/node/package.json
#   demo    build, and the Socket.IO client from npm
#   analyse build, and what "make analyse" and "make valgrind" run
#   source  what it takes to unpack Debian's nginx source ("make asan")
#
# Needs root or sudo only if something is missing.  No service is started by
# the installation: nginx would take port 80, which nobody asked for.  npm
# packages go to build/node.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
node=$root/build/node

packages="build-essential nginx nginx-dev libnginx-mod-http-ndk
          libnginx-mod-http-ndk-dev libjansson-dev zlib1g-dev"
npm=no

for group in "${@:-build}"; do
    case $group in
    build)
        ;;
    test)
        packages="$packages perl clang libclang-rt-dev openssl curl python3
                  php-cli php-fpm ruby ruby-webrick chromium python3-socketio
                  python3-websocket python3-requests"
        npm=yes
        ;;
    demo)
        npm=yes
        ;;
    analyse)
        packages="$packages clang clang-tidy cppcheck valgrind libclang-rt-dev
                  llvm"
        ;;
    source)
        packages="$packages perl dpkg-dev"
        ;;
    *)
        echo "usage: $0 [build] [test] [demo] [analyse] [source]" >&2
        exit 2
        ;;
    esac
done

node_fits()
{
    command -v node > /dev/null && command -v npm > /dev/null \
        && node -e 'process.exit(+(parseInt(process.versions.node) < 18))'
}

if [ $npm = yes ]; then
    packages="$packages ca-certificates"
    node_fits || packages="$packages nodejs npm"
fi

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null \
        | grep -q '^install ok installed$' || missing="$missing $package"
done

if [ -n "$missing" ]; then
    echo "installing:$missing"

    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || {
            echo "$0: needs root or sudo to install:$missing" >&2
            exit 1
        }
        sudo=sudo
    fi

    # A policy of the machine's own stays; ours goes as we go.

    policy=/usr/sbin/policy-rc.d

    if [ ! -e $policy ]; then
        trap '$sudo rm -f $policy' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy > /dev/null
        $sudo chmod 755 $policy
    fi

    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing
fi

if [ $npm = yes ]; then
    mkdir -p "$node"

    if [ -f "$root/t/node/package.json" ]; then
        cp "$root/t/node/package.json" "$node/package.json.new"
    else
        printf '%s\n' '{ "private": true,' \
            '  "dependencies": { "socket.io-client": "^4" } }' \
            > "$node/package.json.new"
    fi

    if [ -d "$node/node_modules" ] \
       && cmp -s "$node/package.json.new" "$node/installed.json"
    then
        rm "$node/package.json.new"
    else
        echo "installing npm packages into build/node"
        mv "$node/package.json.new" "$node/package.json"
        (cd "$node" && npm install --no-audit --no-fund --no-package-lock \
                           --ignore-scripts --loglevel=error)
        cp "$node/package.json" "$node/installed.json"
    fi
fi
