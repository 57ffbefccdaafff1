#!/bin/sh
#
# A lower layer never includes a higher one, and only the store takes the
# lock of the zone.
#
#   check-layers.sh [ROOT]      check ROOT/src
#   check-layers.sh --selftest
#
# For each layer: which files it may name in #include, and which words its
# code may not contain.  Comments do not count.

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp

    try()
    {
        rm -rf "$tree/src"
        mkdir -p "$(dirname "$tree/src/$2")"
        printf '%s\n' "$3" > "$tree/src/$2"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok proto/ngx_socketio_a.c '#include "proto/ngx_socketio_b.h"'
    try ok proto/ngx_socketio_a.c '/* malloc(), <ngx_http.h> */'
    try ok store/ngx_socketio_a.c '#include "proto/ngx_socketio_b.h"'
    try ok delivery/ngx_socketio_a.c '#include <ngx_event.h>'
    try ok hook/ngx_http_socketio_a.c '#include "client/ngx_http_socketio_b.h"'
    try ok store/ngx_socketio_a.c '    ngx_socketio_zone_lock(zone);'
    try ok hook/ngx_http_socketio_a.c '/* ngx_socketio_zone_lock() */'
    try ok ngx_http_socketio_a.c '#include "api/ngx_http_socketio_b.h"'

    try store/ngx_socketio_b.h proto/ngx_socketio_a.c \
        '#include "store/ngx_socketio_b.h"'
    try ngx_core.h proto/ngx_socketio_a.c '#include <ngx_core.h>'
    try ngx_socketio_b.h proto/ngx_socketio_a.c '#include "ngx_socketio_b.h"'
    try malloc proto/ngx_socketio_a.c '    p = malloc(1);'
    try ngx_log_debug0 proto/ngx_socketio_a.c \
        '    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log, 0, "x");'
    try ngx_event.h store/ngx_socketio_a.c '#include <ngx_event.h>'
    try ngx_add_timer store/ngx_socketio_a.c '    ngx_add_timer(ev, 1);'
    try ngx_http.h delivery/ngx_socketio_a.c '# include <ngx_http.h>'
    try ngx_http_request_t delivery/ngx_socketio_a.h 'ngx_http_request_t  *r;'
    try delivery/ngx_socketio_b.h store/ngx_socketio_a.c \
        '#include "delivery/ngx_socketio_b.h"'
    try transport/ngx_http_socketio_b.h client/ngx_http_socketio_a.c \
        '#include "transport/ngx_http_socketio_b.h"'
    try hook/ngx_http_socketio_b.h api/ngx_http_socketio_a.c \
        '#include "hook/ngx_http_socketio_b.h"'
    try ngx_socketio_zone_lock delivery/ngx_socketio_a.c \
        '    ngx_socketio_zone_lock(zone);'
    try ngx_socketio_zone_unlock client/ngx_http_socketio_a.c \
        '    ngx_socketio_zone_unlock(zone);'
    try ngx_socketio_find_locked transport/ngx_http_socketio_a.c \
        '    s = ngx_socketio_find_locked(zone, type, ref, gen);'
    try ngx_socketio_message_make_lock hook/ngx_http_socketio_a.c \
        '    ref = ngx_socketio_message_make_lock(zone, &part, 1);'
    try ngx_socketio_free_locked api/ngx_http_socketio_a.c \
        '    ngx_socketio_free_locked(zone, ref);'
    try ngx_socketio_used_locked ngx_http_socketio_a.c \
        '    handler = ngx_socketio_used_locked;'
    try 'only one' proto/ngx_socketio_a.c '#include <zlib.h>'
    try 'unknown layer' utils/ngx_socketio_a.c '#include <stdio.h>'
    try 'no sources' readme/x 'nothing'

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../..}"

for file in src/*.[ch] src/*/*.[ch]; do
    [ -f "$file" ] && printf '\001%s\n' "$file" \
                   && awk -f "$tools/strip-comments.awk" "$file"
done | awk '
    # libc and nginx core are for all above proto; a name of libc has no "_"
    BEGIN {
        core = "<ngx_(config|core)\\.h>|<[a-z/0-9]+\\.h>"
        glue = "<jansson\\.h>|<ngx_(http|event)[a-z_]*\\.h>"
        root = "\"ngx_http_socketio\\.h\""

        may["proto"]     = own("proto")
        may["store"]     = own("proto|store") "|" core
        may["delivery"]  = own("proto|store|delivery") "|" core \
                           "|<ngx_event[a-z_]*\\.h>|<ngx_channel\\.h>"
        may["cluster"]   = own("proto|store|delivery|cluster") "|" core \
                           "|<ngx_event[a-z_]*\\.h>"
        below            = "proto|store|delivery|client"
        may["client"]    = own(below) "|" core "|" glue "|" root
        may["transport"] = own(below "|transport") "|" core "|" glue "|" root
        may["hook"]      = own(below "|hook") "|" core "|" glue "|" root
        may["api"]       = own(below "|api") "|" core "|" glue "|" root
        may["top"]       = "\"[a-z_/0-9]+\\.h\"|<[a-z_/0-9]+\\.h>"

        # NDK and Jansson are not for the lower layers, though their names
        # look like those of libc
        low = "<(ndk|jansson|zlib)\\.h>"
        bans["store"] = bans["delivery"] = bans["cluster"] = low

        words["proto"] = "malloc|calloc|realloc|free|printf|time" \
            "|gettimeofday|clock_gettime|random|rand|getenv|read|write" \
            "|ngx_alloc|ngx_calloc|ngx_free|ngx_p[n]?c?alloc|ngx_time" \
            "|ngx_random|ngx_log_[a-z0-9_]+|ngx_current_msec" \
            "|ngx_slab_[a-z_]+|ngx_http_[a-z0-9_]+|ngx_event_[a-z0-9_]+"
        words["store"] = "ngx_http_[a-z0-9_]+|ngx_event_[a-z0-9_]+" \
            "|ngx_connection_[a-z_]+|ngx_(add|del)_(timer|event)"

        # the lock of the zone, and what wants it held
        held = "ngx_socketio_zone_(un)?lock|ngx_socketio_[a-z0-9_]+_locked" \
            "|ngx_socketio_message_[a-z0-9_]+_lock"

        words["delivery"] = words["cluster"] = held "|ngx_http_[a-z0-9_]+"
        words["client"] = words["transport"] = words["hook"] = held
        words["api"] = words["top"] = held
    }

    function own(layers) {
        return "\"(" layers ")/ngx_[a-z_0-9]+\\.h\""
    }

    function bad(text) {
        print file ":" line ": " text
        failed = 1
    }

    function include(name) {
        if (layer == "proto") {
            if (base == "src/proto/ngx_socketio_core.h") {
                return
            }

            if (name == "<zlib.h>") {
                if (base != "src/proto/ngx_socketio_ws_deflate.c"\
                    && base != "src/proto/ngx_socketio_ws_deflate.h")
                {
                    bad("<zlib.h>: only one file may, ws_deflate")
                }
                return
            }
        }

        # a part of nginx core that ngx_core.h does not include
        if (name == "<ngx_sha1.h>" && layer != "proto") {
            return
        }

        if (name !~ ("^(" may[layer] ")$") \
            || (layer in bans && name ~ bans[layer]))
        {
            bad("src/" layer " may not include " name)
        }
    }

    /^\001/ {
        file = base = substr($0, 2)
        line = 0
        files++

        n = split(file, part, "/")
        layer = n == 2 ? "top" : part[2]
        if (!(layer in may)) {
            bad("unknown layer")
            may[layer] = may["top"]
        }
        next
    }

    { line++ }

    /^[ \t]*#[ \t]*include/ {
        name = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
        sub(/[ \t]+$/, "", name)
        include(name)
        next
    }

    layer in words {
        if (base == "src/proto/ngx_socketio_core.h") {
            next
        }

        rest = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", rest)
        while (match(rest, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(?/)) {
            word = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            call = sub(/[ \t]*\($/, "", word)
            sub(/[ \t]+$/, "", word)

            # short names of libc are only banned as calls
            if (word ~ ("^(" words[layer] ")$") \
                && (call || word ~ /^ngx_/))
            {
                bad("src/" layer " may not use " word)
            }
        }
    }

    END {
        if (files == 0) {
            print "no sources found"
            failed = 1
        }
        exit failed
    }
'
