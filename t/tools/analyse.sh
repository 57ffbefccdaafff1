#!/bin/bash
#
# Static analysers over src, with the nginx as "make build" has configured it:
#
#   analyse.sh [cppcheck] [clang] [tidy] [gcc]      all by default
#
# A finding fails.  What is none is silenced where it is, with a reason, or in
# the tables below, also with one.  JOBS at a time, by default all processors.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"

tree=$root/build/tree/src
out=$root/build/analyse
mkdir -p "$out"

[ -f build/configured ] || t/tools/build-nginx.sh build

# the include path of the module, relative to the copy of nginx's tree

includes=$(sed -n '/^ALL_INCS/,/[^\\]$/s/.*-I \([^ ]*\).*/\1/p' \
               build/objs/Makefile \
           | sed "s,^src/,$tree/,; s,^$root/src\$,," | sort -u)

flags="-std=gnu11 -D_GNU_SOURCE -Isrc"
for dir in $includes; do
    flags="$flags -isystem $dir"
done
export flags

# Clang's checks.  Not alpha (unfinished), not style.
#
#   bugprone-*           but for the names and order of parameters, casts in
#                        nginx's own macros, and assignments in conditions
#   cert-*               but for functions of libc that are banned as a whole

checks="-*,bugprone-*,cert-*"
checks="$checks,-bugprone-easily-swappable-parameters"
checks="$checks,-bugprone-narrowing-conversions"
checks="$checks,-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp"
checks="$checks,-bugprone-assignment-in-if-condition"
checks="$checks,-bugprone-implicit-widening-of-multiplication-result"
checks="$checks,-bugprone-sizeof-expression"
checks="$checks,-bugprone-branch-clone,-bugprone-macro-parentheses"
checks="$checks,-clang-diagnostic-*"
export checks

files=$(printf '%s\n' src/*.c src/*/*.c)
each()
{
    printf '%s\n' $files | xargs -P "${JOBS:-$(nproc)}" -n 4 bash -c "$1" _
}

run_cppcheck()
{
    cppcheck -q --std=c11 --enable=warning,performance,portability \
        --suppressions-list=t/tools/cppcheck.supp --library=posix -j "${JOBS:-$(nproc)}" -Isrc src
}

# unix.Malloc does not see that an element taken off an ngx_queue_t is not its
# head any more; that memory is the address sanitizer's business

run_clang()
{
    each 'for f; do
        clang --analyze -Xclang -analyzer-output=text \
            -Xclang -analyzer-disable-checker=deadcode.DeadStores \
            -Xclang -analyzer-disable-checker=unix.Malloc \
            $flags "$f" || true
    done'
}

run_tidy()
{
    each 'clang-tidy --quiet -checks="$checks" "$@" -- $flags 2> /dev/null \
        || true'
}

# gcc 12 takes the head of an ngx_queue_t for one of its elements, of which it
# then knows that nobody has set them

run_gcc()
{
    each 'for f; do
        gcc -fanalyzer -Wno-analyzer-use-of-uninitialized-value -O1 \
            -c -o /dev/null $flags "$f" || true
    done'
}

[ $# -gt 0 ] || set -- cppcheck clang tidy gcc

rc=0

for tool in "$@"; do
    command -v "${tool/#tidy/clang-tidy}" > /dev/null || {
        echo "$0: no $tool: t/tools/install-deps.sh analyse" >&2
        exit 2
    }

    begin=$SECONDS
    run_$tool > "$out/$tool" 2>&1 || true

    n=$(grep -cE '(warning|error|portability|performance): ' "$out/$tool" \
        || true)
    echo "$tool: $n findings, $((SECONDS - begin)) s"

    if [ -s "$out/$tool" ]; then
        cat "$out/$tool"
        rc=1
    fi
done

exit $rc
