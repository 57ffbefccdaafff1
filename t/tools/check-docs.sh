#!/bin/sh
#
# Every directive in an ngx_command_t table and every variable in one of
# ngx_http_variable_t or of the module's own ngx_http_socketio_variable_t is
# documented in README.md: named in a heading or in the first cell of a table.
# Below a heading with "Directives" no first cell names an unknown one, nor
# an unknown $socketio_ below one with "Variables".
#
#   check-docs.sh [ROOT]
#   check-docs.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp
    mkdir "$tree/src"

    cat > "$tree/src/a.c" << 'END'
static ngx_command_t  ngx_http_socketio_commands[] = {

    { ngx_string("socketio_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      0 },

    { ngx_string("socketio"),
      0 },

    /* { ngx_string("socketio_commented"), 0 }, */

      ngx_null_command
};

static ngx_http_socketio_variable_t  ngx_http_socketio_vars[] = {

    { ngx_string("socketio_sid"),
      -1, -1, ngx_string("[]") },

    { ngx_null_string, -1, -1, ngx_null_string }
};

static ngx_http_variable_t  ngx_http_socketio_old_vars[] = {

    { ngx_string("socketio_old"), NULL, 0, 0, 0, 0 },

      ngx_http_null_variable
};

static ngx_str_t  ngx_http_socketio_text = ngx_string("socketio_other");
END

    good='## Directives

| directive | default |
|---|---|
| `socketio zone` | - |
| **`socketio_zone name size`** (http) | - |

## Variables

### $socketio_sid

| `$socketio_old` | `$socketio_gone` |

## Metrics

| `socketio_sessions` | gauge |'

    try()
    {
        printf '%s\n' "$good" | sed "$2" > "$tree/README.md"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok ''
    try 'socketio_zone is not' 's/^.*socketio_zone.*/see socketio_zone/'
    try 'directive socketio is not' 's/^| .socketio zone.*//'
    try 'socketio_sid is not' 's/^.*socketio_sid.*/see $socketio_sid/'
    try 'socketio_old is not' 's/^.*socketio_old.*/see $socketio_old/'
    try 'directive: socketio_gone' \
        's/Variables/More directives\n| `socketio_gone` |/'
    try 'variable: $socketio_gone' 's/Variables/&\n| `$socketio_gone` |/'

    good=$(printf '%s\n' "$good" | grep -v '[$]')
    sed '/_vars\[\]/,/^};/d' "$tree/src/a.c" > "$tree/src/b.c"
    rm "$tree/src/a.c"
    try 'no variables' ''
    rm "$tree/src/b.c"

    fails 'no directives' "$tree"
    rm "$tree/README.md"
    fails 'README' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

[ -f README.md ] || { echo "no README.md"; exit 1; }

for file in src/*.[ch] src/*/*.[ch]; do
    [ -f "$file" ] && awk -f "$tools/strip-comments.awk" "$file"
done | awk '
    function cell() {
        name = $0
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        return name
    }

    FILENAME == "-" {
        if (/ngx_command_t[ \t].*=[ \t]*\{/) {
            table = "directive"
        } else if (/ngx_http_(socketio_)?variable_t[ \t].*=[ \t]*\{/) {
            table = "variable"
        } else if (/^\};/) {
            table = ""
        }

        if (table != "" && /^[ \t]*\{[ \t]*ngx_string\("/) {
            known[table " " cell()] = 1
            count[table]++
        }
        next
    }

    # README.md: what a heading or a first cell names

    /^#/ {
        section = tolower($0)
        names = $0
    }

    /^\|/ {
        names = $0
        sub(/^\|/, "", names)
        sub(/\|.*/, "", names)
    }

    /^[#|]/ {
        row = /^\|/
        while (match(names, /\$?[a-z_][a-z0-9_]*/)) {
            word = substr(names, RSTART, RLENGTH)
            names = substr(names, RSTART + RLENGTH)

            if (word ~ /^\$/) {
                said["variable " substr(word, 2)] = 1
                if (row && section ~ /variables/ && word ~ /^\$socketio_/ \
                    && !(("variable " substr(word, 2)) in known))
                {
                    print "README.md:" FNR ": no such variable: " word
                    failed = 1
                }
                continue
            }

            # arguments that follow a directive are no directives
            if (word ~ /socketio/) {
                said["directive " word] = 1
                if (row && section ~ /directives/ \
                    && word ~ /^(set_)?socketio/ \
                    && !(("directive " word) in known))
                {
                    print "README.md:" FNR ": no such directive: " word
                    failed = 1
                }
            }
        }
    }

    END {
        if (!count["directive"]) {
            print "no directives found in src"
            failed = 1
        }

        if (!count["variable"]) {
            print "no variables found in src"
            failed = 1
        }

        for (name in known) {
            if (!(name in said)) {
                print "README.md: " name " is not documented"
                failed = 1
            }
        }

        exit failed
    }
' - README.md
