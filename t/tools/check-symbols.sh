#!/bin/sh
#
# nginx loads modules with RTLD_GLOBAL, and a static build shares one
# namespace: every extern symbol must carry the prefix of its layer.
#
#   check-symbols.sh [BUILD]    check the objects of a build directory
#   check-symbols.sh --selftest

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

selftest()
{
    . "$tools/selftest.sh"
    selftest_begin
    tree=$selftest_tmp/build

    try()
    {
        rm -rf "$tree"
        mkdir -p "$tree/objs/addon/$2"
        printf '%s\n' "$3" > "$tree/x.c"
        ${CC:-cc} -c -o "$tree/objs/addon/$2/x.o" "$tree/x.c"
        ${CC:-cc} -shared -fPIC -o "$tree/ngx_http_socketio_module.so" \
            "$tree/x.c"
        if [ "$1" = ok ]; then passes "$tree"; else fails "$1" "$tree"; fi
    }

    try ok proto 'int ngx_socketio_a(void) { return 0; }'
    try ok hook 'int ngx_http_socketio_a; static int b; int c(void);'
    try 'proto.*ngx_http_socketio_a' proto 'int ngx_http_socketio_a = 1;'
    try 'src.*ngx_socketio_a' src 'void ngx_socketio_a(void) {}'
    try 'store.*helper' store 'void helper(void) {}'
    try 'api.*common' api 'int common[10];'
    try 'unknown layer' utils 'int ngx_socketio_a = 1;'

    rm -rf "$tree/objs/addon"
    fails 'no objects' "$tree"

    exit $selftest_bad
}

[ "${1:-}" = --selftest ] && selftest

cd "${1:-$tools/../../build}"
failed=0
seen=no

for object in objs/addon/*/*.o; do
    [ -f "$object" ] || continue

    layer=${object#objs/addon/}
    layer=${layer%%/*}

    # upstream's NDK, built along with the module, is in a "src", too

    case $object in
    */ndk.o) continue ;;
    esac

    case $layer in
    proto | store | delivery | cluster)
        prefix=ngx_socketio_ ;;
    client | transport | hook | api | src | main)
        prefix=ngx_http_socketio_ ;;
    *)
        # the directory of the sources of src/*.c is named after "src"
        echo "$object: unknown layer"
        failed=1
        continue ;;
    esac

    seen=yes

    for symbol in $(nm -g --defined-only --format=posix "$object" \
                    | cut -d ' ' -f 1)
    do
        case $symbol in
        $prefix*) ;;
        __odr_asan*) ;;
        *)
            echo "$object ($layer): extern $symbol does not start with $prefix"
            failed=1 ;;
        esac
    done
done

[ $seen = yes ] || { echo "no objects found, build first"; failed=1; }

for symbol in $(nm -D --defined-only --format=posix \
                   ngx_http_socketio_module.so | cut -d ' ' -f 1)
do
    case $symbol in
    ngx_socketio_* | ngx_http_socketio_*) ;;
    ngx_modules | ngx_module_names | ngx_module_order) ;;
    _init | _fini | __odr_asan*) ;;
    *)
        echo "ngx_http_socketio_module.so: exports $symbol"
        failed=1 ;;
    esac
done

exit $failed
