
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Strings of JSON: decoded, compared, escaped; and numbers written. */


#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_utf8.h"


static size_t ngx_socketio_json_unescape(u_char **pos, u_char *last,
    u_char *out);
static size_t ngx_socketio_json_utf8(u_char *out, uint32_t code);
static size_t ngx_socketio_json_unit(u_char *out, uint32_t unit);


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


uint32_t
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

        if (ngx_socketio_is_digit(ch)) {
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


size_t
ngx_socketio_json_escape(u_char *p, u_char *src, size_t len)
{
    u_char  ch, out[6];
    size_t  n, total;

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
            n = ngx_socketio_json_unit(out, ch);
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
ngx_socketio_json_ascii(u_char *p, u_char *src, size_t len)
{
    size_t    n, total;
    u_char   *end, *last, out[12];
    uint32_t  code;

    total = 0;
    last = src + len;

    while (src < last) {
        end = ngx_socketio_utf8_ascii(src, last);
        n = end - src;
        total += n;

        if (p != NULL) {
            p = ngx_cpymem(p, src, n);
        }

        src = end;

        while (src < last && *src >= 0x80) {
            code = ngx_socketio_utf8_decode(&src, last);

            if (code == NGX_SOCKETIO_UTF8_INVALID) {
                code = 0xfffd;
                src++;
            }

            if (code > 0xffff) {
                n = ngx_socketio_json_unit(out, 0xd7c0 + (code >> 10));
                n += ngx_socketio_json_unit(out + n, 0xdc00 | (code & 0x3ff));

            } else {
                n = ngx_socketio_json_unit(out, code);
            }

            total += n;

            if (p != NULL) {
                p = ngx_cpymem(p, out, n);
            }
        }
    }

    return total;
}


/* writes a UTF-16 code unit as an escape sequence */

static size_t
ngx_socketio_json_unit(u_char *out, uint32_t unit)
{
    static u_char  hex[] = "0123456789abcdef";

    out[0] = '\\';
    out[1] = 'u';
    out[2] = hex[unit >> 12];
    out[3] = hex[(unit >> 8) & 0x0f];
    out[4] = hex[(unit >> 4) & 0x0f];
    out[5] = hex[unit & 0x0f];

    return 6;
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
