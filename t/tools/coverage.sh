#!/bin/bash
#
# Which lines, branches and functions of src are reached:
#
#   coverage.sh [fuzz] [unit] [wire]       all by default
#
#   fuzz   the corpora of t/fuzz, but for the whole worker's; of a fuzzer
#          without one, what it makes up in RUNS=20000 runs
#   unit   t/unit
#   wire   the module in nginx, with t/*.t and real clients, or with the tests
#          in T; JOBS=2 of them at once
#
# A table for each, and one of what any that has been run here has reached, is
# printed and left in build/coverage, with the functions and lines that have
# not been: MODE.txt and MODE.missed, all.txt and all.missed.  A process that
# is killed leaves nothing: what it has done does not count.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
out=$root/build/coverage
flags="-fprofile-instr-generate -fcoverage-mapping"

export LLVM_PROFILE_FILE

# MODE OBJECT ...

report()
{
    mode=$1; shift
    objects=$1; shift

    for object in "$@"; do
        objects="$objects -object $object"
    done

    find "$out/$mode" -name '*.profraw' > "$out/$mode.list"
    llvm-profdata merge -sparse -f "$out/$mode.list" -o "$out/$mode.profdata"
    llvm-cov export $objects -instr-profile="$out/$mode.profdata" \
        -format=lcov src > "$out/$mode.lcov"
    llvm-cov report $objects -instr-profile="$out/$mode.profdata" \
        -show-region-summary=false src > "$out/$mode.txt"
    rm -rf "${out:?}/$mode"

    echo "coverage by $mode:"
    awk '/\.[ch] |^TOTAL|^Filename/' "$out/$mode.txt"
    t/tools/coverage.pl "$out/$mode.lcov" > "$out/$mode.missed"
}

# names of t/$1/*$2, without .c

binaries()
{
    (cd "t/$1" && printf '%s\n' $2) | sed -n 's|\.c$||p' \
        | grep -v '^fuzz_worker$' | sed 's|^|build/coverage/bin/|'
}

# a test that fails has reached what it has reached

run_unit()
{
    tests=$(binaries unit '*_test.c')
    make -s $tests
    LLVM_PROFILE_FILE=$out/unit/%4m.profraw prove -Q $tests || true
    report unit $tests
}

run_fuzz()
{
    fuzzers=$(binaries fuzz 'fuzz_*.c')
    make -s $fuzzers
    LLVM_PROFILE_FILE=$out/fuzz/%p.profraw

    for fuzzer in $fuzzers; do
        name=${fuzzer##*/fuzz_}
        log=$out/fuzz_$name.log

        if [ -d "t/fuzz/corpus/$name" ]; then
            $fuzzer -runs=0 "t/fuzz/corpus/$name" > "$log" 2>&1
        else
            $fuzzer -runs="${RUNS:-20000}" -seed=1 > "$log" 2>&1
        fi || { tail -n 20 "$log" >&2; exit 1; }
    done

    report fuzz $fuzzers
}

run_wire()
{
    CC=clang WERROR=no CONF_FLAGS=--with-cc=clang CC_OPT="-O1 $flags" \
        LD_OPT="$flags" t/tools/build-nginx.sh "$out/module"
    make -s build/shim/clock.so build/shim/memory.so

    chmod 1777 "$out/wire"
    export NODE_PATH="${NODE_PATH:-$root/build/node/node_modules}"
    LLVM_PROFILE_FILE=$out/wire/%8m.profraw
    [ -n "${T:-}" ] || T="$(printf '%s\n' t/*.t | grep -v '/[09]0_') $(
        printf '%s\n' t/node/{clients,connect,events,recovery,rooms}.t)"
    TEST_NGINX_MODULES=$out/module TEST_NDK_MODULE=$(cat "$out/module/ndk") \
        prove -Q -j "${JOBS:-2}" -It/lib $T || true
    report wire "$out/module/ngx_http_socketio_module.so"
}

[ $# -gt 0 ] || set -- fuzz unit wire

for mode in "$@"; do
    rm -rf "${out:?}/$mode" "$out/$mode.lcov"
    mkdir -p "$out/$mode"
    run_$mode
done

echo "lines and functions reached by any of" "$out"/*.lcov
t/tools/coverage.pl --table "$out"/*.lcov | tee "$out/all.txt"
t/tools/coverage.pl "$out"/*.lcov > "$out/all.missed"
