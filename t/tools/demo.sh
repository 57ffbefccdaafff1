#!/bin/bash
#
# The chat of conf.example/chat.conf, in the foreground until Ctrl-C:
#
#   demo.sh         DEMO_PORT says where, default 8080
#
# Installs what is missing (nginx, its headers, the client from npm), builds,
# and leaves the rest to conf.example/run.sh.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)

"$root/t/tools/install-deps.sh" build demo
"$root/t/tools/build-nginx.sh" "$root/build"

export PORT=${DEMO_PORT:-8080}
export TEST_NGINX_MODULES=$root/build

# An end that was asked for is no failure.

serve()
{
    stopped=no
    trap 'stopped=yes; kill -TERM $! 2> /dev/null' INT TERM HUP

    # a terminal that goes sends SIGHUP to all of them: only here it means the
    # end, nginx would reload

    ( trap '' HUP; exec "$root/conf.example/run.sh" chat ) &

    rc=0
    wait $! || rc=$?

    if [ $stopped = yes ]; then
        wait $! || true
        echo "stopped"
        rc=0
    fi

    exit $rc
}

# Ctrl-C goes to all of the terminal's foreground process group.  With one of
# its own, nginx and this function end, but not this script, nor make.

if [ -t 0 ]; then
    set -m
    ( serve ) && rc=0 || rc=$?
    exit $rc
fi

serve
