#!/bin/sh
#
# Runs one fuzzer for a while.
#
#   fuzz.sh NAME SECONDS        t/fuzz/fuzz_NAME.c, built by "make fuzz"
#
# Starts from t/fuzz/corpus/NAME.  Inputs that it finds go to
# build/fuzz/corpus/NAME, one that crashes to build/fuzz/crash/NAME-*; copy
# into the tree what is worth keeping.

set -eu

[ $# = 2 ] || { echo "usage: $0 NAME SECONDS" >&2; exit 2; }

name=$1
seconds=$2

cd "$(dirname "$0")/../.."

binary=build/fuzz/fuzz_$name
found=build/fuzz/corpus/$name
crash=build/fuzz/crash

[ -x $binary ] || { echo "$0: no $binary, run make $binary" >&2; exit 2; }

mkdir -p "$found" $crash

set -- "$found"
[ -d "t/fuzz/corpus/$name" ] && set -- "$@" "t/fuzz/corpus/$name"
[ -f "t/fuzz/$name.dict" ] && set -- "-dict=t/fuzz/$name.dict" "$@"

# an input that takes 5 s, or 1 GB, is a finding, too

echo "fuzzing $name for $seconds s"

log=build/fuzz/$name.log

if ! UBSAN_OPTIONS=print_stacktrace=1 \
     ./$binary -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
         -artifact_prefix=$crash/"$name"- -print_final_stats=1 "$@" \
         > $log 2>&1
then
    tail -n 60 $log
    echo "fuzzing $name: FAILED, the input is in $crash"
    exit 1
fi

grep -E '^(Done|stat::number_of_executed_units|stat::new_units)' $log || true
