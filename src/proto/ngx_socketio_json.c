
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_utf8.h"


#define ngx_socketio_json_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')

#define ngx_socketio_json_bit(bits, n)  (((bits)[(n) / 8] >> ((n) % 8)) & 1)

#define ngx_socketio_json_bit_put(bits, n, on)                                \
    (bits)[(n) / 8] = (u_char) (((bits)[(n) / 8] & ~(1 << ((n) % 8)))         \
                                | (on) << ((n) % 8))


static u_char *ngx_socketio_json_scan_name(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_scalar(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_string(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_number(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_digits(u_char *p, u_char *last);
static u_char *ngx_socketio_json_skip_string(u_char *p, u_char *last);
static size_t ngx_socketio_json_unescape(u_char **pos, u_char *last,
    u_char *out);
static uint32_t ngx_socketio_json_hex4(u_char *p, u_char *last);
static size_t ngx_socketio_json_utf8(u_char *out, uint32_t code);
static u_char *ngx_socketio_json_member(u_char *p, u_char *last, u_char *name,
    size_t len);
static u_char *ngx_socketio_json_element(u_char *p, u_char *last,
    u_char *name, size_t len);


ngx_int_t
ngx_socketio_json_check(u_char *p, u_char *last, ngx_uint_t depth)
{
    u_char       ch, object, objects[NGX_SOCKETIO_JSON_MAX_DEPTH / 8];
    uint32_t     utf8;
    ngx_uint_t   level;
    enum {
        sw_value = 0,
        sw_first_value,
        sw_name,
        sw_first_name,
        sw_after_value
    } state;

    utf8 = 0;

    if (ngx_socketio_utf8_check(&utf8, p, last) != NGX_OK || utf8 != 0) {
        return NGX_ERROR;
    }

    /* a bit for every open container, set if it is an object */

    ngx_memzero(objects, sizeof(objects));

    depth = ngx_min(depth, NGX_SOCKETIO_JSON_MAX_DEPTH);
    level = 0;
    object = 0;
    state = sw_value;

    for ( ;; ) {
        p = ngx_socketio_json_space(p, last);

        if (p == last) {
            break;
        }

        ch = *p;

        if (level != 0 && state != sw_value && state != sw_name
            && ch == (object ? '}' : ']'))
        {
            p++;
            level--;
            object = level ? ngx_socketio_json_bit(objects, level - 1) : 0;
            state = sw_after_value;
            continue;
        }

        switch (state) {

        case sw_value:
        case sw_first_value:

            if (ch != '{' && ch != '[') {
                p = ngx_socketio_json_scan_scalar(p, last);
                state = sw_after_value;
                break;
            }

            if (level == depth) {
                return NGX_DECLINED;
            }

            p++;
            object = (ch == '{');
            ngx_socketio_json_bit_put(objects, level, object);
            level++;
            state = object ? sw_first_name : sw_first_value;
            break;

        case sw_name:
        case sw_first_name:
            p = ngx_socketio_json_scan_name(p, last);
            state = sw_value;
            break;

        case sw_after_value:
            p = (level != 0 && ch == ',') ? p + 1 : NULL;
            state = object ? sw_name : sw_value;
            break;
        }

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    return (state == sw_after_value && level == 0) ? NGX_OK : NGX_ERROR;
}


/* scan functions return the first byte after what they scan, NULL if bad */

static u_char *
ngx_socketio_json_scan_name(u_char *p, u_char *last)
{
    if (*p != '"') {
        return NULL;
    }

    p = ngx_socketio_json_scan_string(p, last);

    if (p == NULL) {
        return NULL;
    }

    p = ngx_socketio_json_space(p, last);

    return (p < last && *p == ':') ? p + 1 : NULL;
}


static u_char *
ngx_socketio_json_scan_scalar(u_char *p, u_char *last)
{
    size_t   len;
    u_char  *word;

    switch (*p) {

    case '"':
        return ngx_socketio_json_scan_string(p, last);

    case 't':
        word = (u_char *) "true";
        len = 4;
        break;

    case 'f':
        word = (u_char *) "false";
        len = 5;
        break;

    case 'n':
        word = (u_char *) "null";
        len = 4;
        break;

    default:
        return ngx_socketio_json_scan_number(p, last);
    }

    if ((size_t) (last - p) < len || ngx_memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}


static u_char *
ngx_socketio_json_scan_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p < 0x20) {
            return NULL;
        }

        if (*p != '\\') {
            continue;
        }

        if (++p == last) {
            return NULL;
        }

        switch (*p) {

        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            break;

        case 'u':
            if (ngx_socketio_json_hex4(p + 1, last) > 0xffff) {
                return NULL;
            }

            p += 4;
            break;

        default:
            return NULL;
        }
    }

    return NULL;
}


static u_char *
ngx_socketio_json_scan_number(u_char *p, u_char *last)
{
    if (*p == '-' && ++p == last) {
        return NULL;
    }

    /* RFC 8259, 6: no leading zeros */

    if (*p == '0') {
        p++;

    } else {
        p = ngx_socketio_json_scan_digits(p, last);
    }

    if (p != NULL && p < last && *p == '.') {
        p = ngx_socketio_json_scan_digits(p + 1, last);
    }

    if (p != NULL && p < last && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        p = ngx_socketio_json_scan_digits(p, last);
    }

    return p;
}


static u_char *
ngx_socketio_json_scan_digits(u_char *p, u_char *last)
{
    if (p == last || !ngx_socketio_json_is_digit(*p)) {
        return NULL;
    }

    while (p < last && ngx_socketio_json_is_digit(*p)) {
        p++;
    }

    return p;
}


u_char *
ngx_socketio_json_space(u_char *p, u_char *last)
{
    while (p < last
           && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
    {
        p++;
    }

    return p;
}


u_char *
ngx_socketio_json_skip(u_char *p, u_char *last)
{
    ngx_uint_t  level;

    level = 0;
    p = ngx_socketio_json_space(p, last);

    /*
     * The brackets of valid text match, so that counting them is enough;
     * a scalar ends at white space or at a mark of the container around it.
     */

    while (p < last) {

        switch (*p) {

        case '"':
            p = ngx_socketio_json_skip_string(p, last);

            if (level == 0) {
                return p;
            }

            break;

        case '{':
        case '[':
            p++;
            level++;
            break;

        case '}':
        case ']':
            if (level == 0) {
                return p;
            }

            p++;

            if (--level == 0) {
                return p;
            }

            break;

        case ',':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            if (level == 0) {
                return p;
            }

            /* fall through */

        default:
            p++;
            break;
        }
    }

    return last;
}


static u_char *
ngx_socketio_json_skip_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && ++p == last) {
            break;
        }
    }

    return last;
}


ngx_int_t
ngx_socketio_json_string(u_char *dst, size_t *len, u_char *p, u_char *last)
{
    size_t   n;
    u_char  *start, out[4];

    if (last - p < 2 || *p != '"' || last[-1] != '"') {
        return NGX_ERROR;
    }

    start = dst;
    last--;
    p++;

    /* the output never overtakes the input, hence dst == p is fine */

    while (p < last) {

        if (*p != '\\') {
            *dst++ = *p++;
            continue;
        }

        p++;
        n = ngx_socketio_json_unescape(&p, last, out);
        dst = ngx_cpymem(dst, out, n);
    }

    *len = dst - start;

    return NGX_OK;
}


ngx_uint_t
ngx_socketio_json_equal(u_char *p, u_char *last, u_char *text, size_t len)
{
    size_t  n;
    u_char  out[4];

    if (last - p < 2 || *p != '"' || last[-1] != '"') {
        return 0;
    }

    last--;
    p++;

    while (p < last) {

        if (*p == '\\') {
            p++;
            n = ngx_socketio_json_unescape(&p, last, out);

        } else {
            out[0] = *p++;
            n = 1;
        }

        if (n == 0 || n > len || ngx_memcmp(out, text, n) != 0) {
            return 0;
        }

        text += n;
        len -= n;
    }

    return len == 0;
}


/*
 * Decodes one escape sequence, with *pos after its backslash, to at most 4
 * bytes and never more than the sequence has.
 */

static size_t
ngx_socketio_json_unescape(u_char **pos, u_char *last, u_char *out)
{
    u_char    ch, *p;
    uint32_t  code, low;

    p = *pos;

    if (p == last) {
        return 0;
    }

    ch = *p++;

    switch (ch) {

    case 'b':
        ch = '\b';
        break;

    case 'f':
        ch = '\f';
        break;

    case 'n':
        ch = '\n';
        break;

    case 'r':
        ch = '\r';
        break;

    case 't':
        ch = '\t';
        break;

    case 'u':
        code = ngx_socketio_json_hex4(p, last);

        if (code > 0xffff) {
            *pos = last;
            return 0;
        }

        p += 4;

        if (code >= 0xd800 && code < 0xdc00
            && last - p >= 6 && p[0] == '\\' && p[1] == 'u')
        {
            low = ngx_socketio_json_hex4(p + 2, last);

            if (low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                p += 6;
            }
        }

        *pos = p;

        return ngx_socketio_json_utf8(out, code);

    default:
        break;
    }

    *pos = p;
    *out = ch;

    return 1;
}


/* above 0xffff if there are no four hexadecimal digits */

static uint32_t
ngx_socketio_json_hex4(u_char *p, u_char *last)
{
    u_char      ch;
    uint32_t    code;
    ngx_uint_t  i;

    if (last - p < 4) {
        return 0x10000;
    }

    code = 0;

    for (i = 0; i < 4; i++) {
        ch = p[i];

        if (ngx_socketio_json_is_digit(ch)) {
            code = code * 16 + (ch - '0');
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return 0x10000;
        }

        code = code * 16 + (ch - 'a' + 10);
    }

    return code;
}


static size_t
ngx_socketio_json_utf8(u_char *out, uint32_t code)
{
    if (code >= 0xd800 && code < 0xe000) {
        code = 0xfffd;
    }

    if (code < 0x80) {
        out[0] = (u_char) code;
        return 1;
    }

    if (code < 0x800) {
        out[0] = (u_char) (0xc0 | (code >> 6));
        out[1] = (u_char) (0x80 | (code & 0x3f));
        return 2;
    }

    if (code < 0x10000) {
        out[0] = (u_char) (0xe0 | (code >> 12));
        out[1] = (u_char) (0x80 | ((code >> 6) & 0x3f));
        out[2] = (u_char) (0x80 | (code & 0x3f));
        return 3;
    }

    out[0] = (u_char) (0xf0 | (code >> 18));
    out[1] = (u_char) (0x80 | ((code >> 12) & 0x3f));
    out[2] = (u_char) (0x80 | ((code >> 6) & 0x3f));
    out[3] = (u_char) (0x80 | (code & 0x3f));

    return 4;
}


ngx_int_t
ngx_socketio_json_pick(u_char *p, u_char *last, ngx_str_t *path,
    ngx_str_t *value)
{
    size_t  i, start;

    p = ngx_socketio_json_space(p, last);

    for (start = 0; start < path->len; start = i + 1) {

        for (i = start; i < path->len && path->data[i] != '.'; i++) {
            /* void */
        }

        /* an empty name: "", "a..b", or "a." with the dot as the last byte */

        if (i == start || i + 1 == path->len) {
            return NGX_DECLINED;
        }

        if (p == last) {
            return NGX_DECLINED;
        }

        switch (*p) {

        case '{':
            p = ngx_socketio_json_member(p, last, path->data + start,
                                         i - start);
            break;

        case '[':
            p = ngx_socketio_json_element(p, last, path->data + start,
                                          i - start);
            break;

        default:
            return NGX_DECLINED;
        }

        if (p == NULL) {
            return NGX_DECLINED;
        }
    }

    value->data = p;
    value->len = ngx_socketio_json_skip(p, last) - p;

    return NGX_OK;
}


/* the value of a member of the object at p, NULL if there is none */

static u_char *
ngx_socketio_json_member(u_char *p, u_char *last, u_char *name, size_t len)
{
    u_char  *key, *key_last, *found;

    found = NULL;
    p = ngx_socketio_json_space(p + 1, last);

    while (p < last && *p == '"') {
        key = p;
        key_last = ngx_socketio_json_skip_string(p, last);
        p = ngx_socketio_json_space(key_last, last);

        if (p == last) {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);

        if (ngx_socketio_json_equal(key, key_last, name, len)) {
            found = p;
        }

        p = ngx_socketio_json_skip(p, last);
        p = ngx_socketio_json_space(p, last);

        if (p == last || *p != ',') {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);
    }

    return found;
}


/* the element of the array at p with a decimal index, NULL if none */

static u_char *
ngx_socketio_json_element(u_char *p, u_char *last, u_char *name, size_t len)
{
    size_t    i;
    uint64_t  index;

    /* no text has so many elements, and no overflow is possible below */

    if (len > 15 || (len > 1 && *name == '0')) {
        return NULL;
    }

    index = 0;

    for (i = 0; i < len; i++) {
        if (!ngx_socketio_json_is_digit(name[i])) {
            return NULL;
        }

        index = index * 10 + (name[i] - '0');
    }

    p = ngx_socketio_json_space(p + 1, last);

    while (p < last && *p != ']') {

        if (index-- == 0) {
            return p;
        }

        p = ngx_socketio_json_skip(p, last);
        p = ngx_socketio_json_space(p, last);

        if (p == last || *p != ',') {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);
    }

    return NULL;
}


size_t
ngx_socketio_json_escape(u_char *p, u_char *src, size_t len)
{
    u_char         ch, out[6];
    size_t         n, total;
    static u_char  hex[] = "0123456789abcdef";

    total = 0;

    while (len--) {
        ch = *src++;

        if (ch >= 0x20 && ch != '"' && ch != '\\') {
            total++;

            if (p != NULL) {
                *p++ = ch;
            }

            continue;
        }

        out[0] = '\\';
        n = 2;

        switch (ch) {

        case '"':
        case '\\':
            out[1] = ch;
            break;

        case '\b':
            out[1] = 'b';
            break;

        case '\f':
            out[1] = 'f';
            break;

        case '\n':
            out[1] = 'n';
            break;

        case '\r':
            out[1] = 'r';
            break;

        case '\t':
            out[1] = 't';
            break;

        default:
            out[1] = 'u';
            out[2] = '0';
            out[3] = '0';
            out[4] = hex[ch >> 4];
            out[5] = hex[ch & 0x0f];
            n = 6;
            break;
        }

        total += n;

        if (p != NULL) {
            p = ngx_cpymem(p, out, n);
        }
    }

    return total;
}


size_t
ngx_socketio_json_uint(u_char *p, uint64_t n)
{
    size_t  len;
    u_char  out[20], *digit;

    digit = out + sizeof(out);

    do {
        *--digit = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    len = out + sizeof(out) - digit;

    if (p != NULL) {
        ngx_memcpy(p, digit, len);
    }

    return len;
}
