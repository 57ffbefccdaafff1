
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Strings of JSON: decoded, compared, escaped; and numbers written. */


#include "proto/ngx_socketio_json.h"


static size_t ngx_socketio_json_unescape(u_char **pos, u_char *last,
    u_char *out);
static size_t ngx_socketio_json_utf8(u_char *out, uint32_t code);


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
