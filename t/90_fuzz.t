#!/usr/bin/perl

# Runs every fuzzer of t/fuzz for FUZZ_SECONDS (default 5): its corpus, then
# new inputs.  A crash, a sanitizer's report, or an input that takes 5 s fails.
#
# That of a whole worker builds an nginx of its own, which takes longer than
# all tests: "make fuzz" has it.

use warnings;
use strict;

use Test::More;
use FindBin qw($Bin);
use lib "$Bin/tools";
use StaticCheck;

my $seconds = $ENV{FUZZ_SECONDS} || 5;
my @names = grep { $_ ne 'worker' }
    map { m{/fuzz_([^/]+)\.c$} } sort glob("$Bin/fuzz/fuzz_*.c");

if (system('command -v clang > /dev/null') != 0) {
    die "no clang\n" if $ENV{CI};
    plan(skip_all => 'no clang');
}

plan(tests => 1 + 2 * @names);

ok(scalar @names, 'there are fuzzers');

for my $name (@names) {
    StaticCheck::report("build fuzz_$name",
        'make', '-s', '-C', "$Bin/..", "build/fuzz/fuzz_$name");
    StaticCheck::report("fuzz_$name for $seconds s",
        "$Bin/tools/fuzz.sh", $name, $seconds);
}
