#!/bin/sh
#
# The compiler of build-faults.sh: src/store is compiled by clang, which calls
# t/tools/faults.c before each store, and the module is linked with that.
# Who is stopped with the lock is found out after 2 s instead of 10.

root=$(cd "$(dirname "$0")/../.." && pwd)

for arg in "$@"; do
    case $arg in
    */src/store/*.c)
        exec clang -Wno-unknown-warning-option -DNGX_SOCKETIO_STUCK=2000000 \
            -fsanitize-coverage=func,trace-pc-guard,trace-stores "$@"
        ;;
    */ngx_http_socketio_module.so)
        exec cc "$@" "$SOCKETIO_FAULTS_OBJECT" \
            -Wl,--wrap=ngx_socketio_zone_lock
        ;;
    esac
done

exec cc "$@"
