#!/bin/bash
#
# Builds the module with all stores of src/store counted, into build/faults:
# workers die in the middle of a hold, at a store that the test chooses, see
# t/tools/faults.c.  For the nginx of this machine, as "make build".

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/build/faults

mkdir -p "$out"

export CC=$root/t/tools/faults-cc.sh
export SOCKETIO_FAULTS_OBJECT=$out/faults.o

# the headers are there once it is configured; so the first time it is made
# after the module, which is linked again

make_object()
{
    local tree=$out/tree/src

    cc -g -O2 -fPIC -Wall -Wextra -Wno-unused-parameter -c \
        -I"$root/src" -I"$tree/core" -I"$tree/event" -I"$tree/os/unix" \
        -I"$out/objs" -o "$out/faults.o" "$root/t/tools/faults.c"
}

if [ ! -f "$out/faults.o" ]; then
    echo 'typedef int none;' | cc -c -x c -o "$out/faults.o" -
    "$root/t/tools/build-nginx.sh" "$out" > "$out/first.log" 2>&1 || true
fi

make_object
rm -f "$out/objs/ngx_http_socketio_module.so"

"$root/t/tools/build-nginx.sh" "$out"
