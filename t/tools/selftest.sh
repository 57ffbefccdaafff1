# Sourced by the checks.  A check that cannot fail checks nothing: each has
# "--selftest", which runs it on small trees and asks for the right verdict.
#
#   fails  "what" TREE     the check must fail there, and say "what"
#   passes TREE            the check must pass there

selftest_tmp=
selftest_bad=0

selftest_begin()
{
    selftest_tmp=$(mktemp -d)
    trap 'rm -rf "$selftest_tmp"' EXIT
}

fails()
{
    if selftest_out=$("$0" "$2" 2>&1); then
        echo "selftest: not noticed: $1"
        selftest_bad=1

    elif ! printf '%s\n' "$selftest_out" | grep -q -e "$1"; then
        echo "selftest: failed without saying \"$1\":"
        printf '%s\n' "$selftest_out"
        selftest_bad=1
    fi
}

passes()
{
    if ! selftest_out=$("$0" "$1" 2>&1); then
        echo "selftest: a good tree failed:"
        printf '%s\n' "$selftest_out"
        selftest_bad=1
    fi
}
