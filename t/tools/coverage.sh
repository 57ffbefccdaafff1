#!/bin/bash
#
# Which lines and branches of src are reached:
#
#   coverage.sh [fuzz] [unit] [wire]       all by default
#
#   fuzz   the corpora of t/fuzz, but for the whole worker's
#   unit   t/unit
#   wire   the module in nginx, with t/*.t, or with the tests in T
#
# Tables are printed and, with the lines that nothing has reached, left in
# build/coverage.  A process that is killed leaves nothing: what it has done
# does not count.

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

    llvm-cov report $objects -instr-profile="$out/$mode.profdata" \
        -show-region-summary=false src > "$out/$mode.txt"
    llvm-cov show $objects -instr-profile="$out/$mode.profdata" src \
        > "$out/$mode.lines"

    echo "coverage by $mode:"
    awk '/\.[ch] |^TOTAL|^Filename/' "$out/$mode.txt"
}

run_unit()
{
    make -s $(printf 'build/coverage/bin/%s\n' $(cd t/unit; ls *_test.c) \
              | sed 's/\.c$//')
    LLVM_PROFILE_FILE=$out/unit/%p.profraw
    prove -Q build/coverage/bin/*_test || true
    report unit build/coverage/bin/*_test
}

run_fuzz()
{
    make -s $(printf 'build/coverage/bin/%s\n' $(cd t/fuzz; ls fuzz_*.c) \
              | sed 's/\.c$//' | grep -v worker)
    LLVM_PROFILE_FILE=$out/fuzz/%p.profraw

    for fuzzer in build/coverage/bin/fuzz_*; do
        name=${fuzzer##*/fuzz_}
        found=build/fuzz/corpus/$name
        mkdir -p "$found"
        $fuzzer -runs=0 "$found" "t/fuzz/corpus/$name" > /dev/null 2>&1
    done

    report fuzz build/coverage/bin/fuzz_*
}

run_wire()
{
    CC=clang WERROR=no CONF_FLAGS=--with-cc=clang CC_OPT="-O1 $flags" \
        LD_OPT="$flags" t/tools/build-nginx.sh "$out/module"

    mkdir -p "$out/wire"
    chmod 1777 "$out/wire"
    LLVM_PROFILE_FILE=$out/wire/%8m.profraw
    TEST_NGINX_MODULES=$out/module TEST_NDK_MODULE=$(cat "$out/module/ndk") \
        prove -Q -j "${JOBS:-2}" -It/lib \
        ${T:-$(printf '%s\n' t/*.t | grep -v '/[09]0_')} || true
    report wire "$out/module/ngx_http_socketio_module.so"
}

[ $# -gt 0 ] || set -- fuzz unit wire

for mode in "$@"; do
    rm -rf "${out:?}/$mode"
    mkdir -p "$out/$mode"
    run_$mode
done
