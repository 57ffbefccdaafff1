
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What is JSON, and yet more than many programs can read, or write again once
 * they have read it.
 */


#include "proto/ngx_socketio_json.h"


/* beyond it, and half of what its last bit is worth, is Infinity */

#define NGX_SOCKETIO_JSON_MAX_EXP10   308
#define NGX_SOCKETIO_JSON_MAX_DIGITS  "17976931348623158079"

#define NGX_SOCKETIO_JSON_NDIGITS                                             \
    (sizeof(NGX_SOCKETIO_JSON_MAX_DIGITS) - 1)


static u_char *ngx_socketio_json_mend_string(u_char *p, u_char *last);
static u_char *ngx_socketio_json_mend_number(u_char *p, u_char *last);
static ngx_uint_t ngx_socketio_json_infinite(u_char *p, u_char *last);
static int64_t ngx_socketio_json_exponent(u_char *p, u_char *last);


void
ngx_socketio_json_mend(u_char *p, u_char *last)
{
    while (p < last) {

        if (*p == '"') {
            p = ngx_socketio_json_mend_string(p + 1, last);

        } else if (*p == '-' || ngx_socketio_is_digit(*p)) {
            p = ngx_socketio_json_mend_number(p, last);

        } else {
            p++;
        }
    }
}


/* p is behind the opening quote; returns what is behind the closing one */

static u_char *
ngx_socketio_json_mend_string(u_char *p, u_char *last)
{
    uint32_t  code;

    while (p < last && *p != '"') {

        if (*p != '\\') {
            p++;
            continue;
        }

        if (last - p < 6 || p[1] != 'u') {
            p += 2;
            continue;
        }

        code = ngx_socketio_json_hex4(p + 2, last);

        if (code >= 0xd800 && code <= 0xdbff
            && last - p >= 12 && p[6] == '\\' && p[7] == 'u'
            && (ngx_socketio_json_hex4(p + 8, last) & ~0x3ff) == 0xdc00)
        {
            p += 12;
            continue;
        }

        if (code >= 0xd800 && code <= 0xdfff) {
            ngx_memcpy(p + 2, "fffd", 4);
        }

        p += 6;
    }

    return p + 1;
}


static u_char *
ngx_socketio_json_mend_number(u_char *p, u_char *last)
{
    u_char  *end;

    for (end = p + 1;
         end < last && (ngx_socketio_is_digit(*end) || *end == '.'
                        || *end == 'e' || *end == 'E'
                        || *end == '+' || *end == '-');
         end++)
    {
        /* void */
    }

    /* the shortest is 2e308 */

    if (end - p > 4 && ngx_socketio_json_infinite(p, end)) {
        ngx_memcpy(p, "null", 4);
        ngx_memset(p + 4, ' ', end - p - 4);
    }

    return end;
}


static ngx_uint_t
ngx_socketio_json_infinite(u_char *p, u_char *last)
{
    u_char       digits[NGX_SOCKETIO_JSON_NDIGITS];
    int64_t      exp10;
    ngx_uint_t   n, point;

    ngx_memset(digits, '0', NGX_SOCKETIO_JSON_NDIGITS);

    n = 0;
    point = 0;
    exp10 = -1;         /* of the first digit that is not zero */

    for ( /* void */ ; p < last && *p != 'e' && *p != 'E'; p++) {

        if (*p == '.') {
            point = 1;

        } else if (*p == '0' && n == 0) {
            exp10 -= point;

        } else if (ngx_socketio_is_digit(*p)) {

            if (n < NGX_SOCKETIO_JSON_NDIGITS) {
                digits[n] = *p;
            }

            n++;
            exp10 += !point;
        }
    }

    if (n == 0) {
        return 0;
    }

    exp10 += ngx_socketio_json_exponent(p, last);

    if (exp10 != NGX_SOCKETIO_JSON_MAX_EXP10) {
        return exp10 > NGX_SOCKETIO_JSON_MAX_EXP10;
    }

    return ngx_memcmp(digits, NGX_SOCKETIO_JSON_MAX_DIGITS,
                      NGX_SOCKETIO_JSON_NDIGITS)
           >= 0;
}


/* p is at the "e", if there is one; more than any text is long is enough */

static int64_t
ngx_socketio_json_exponent(u_char *p, u_char *last)
{
    int64_t     exp;
    ngx_uint_t  negative;

    exp = 0;
    negative = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '-') {
            negative = 1;

        } else if (ngx_socketio_is_digit(*p) && exp < (int64_t) 1 << 50) {
            exp = exp * 10 + (*p - '0');
        }
    }

    return negative ? -exp : exp;
}
