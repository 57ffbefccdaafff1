
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_core.h"
#include "proto/ngx_socketio_ws_deflate.h"


/*
 * Socket.IO's messages are small, so what a stream costs at its beginning
 * counts: memory level 5 has a hash table of 8 KB to clear, where zlib's
 * default has 64 KB, and with a window of 4 KB all of the stream fits into
 * the innermost cache.  Level 3 is the last one without lazy matching: level 6
 * takes twice its time to save an eighth more.
 */
#define NGX_SOCKETIO_WS_DEFLATE_LEVEL   3
#define NGX_SOCKETIO_WS_DEFLATE_MEMORY  5


/* what an offer says; each parameter at most once */

#define NGX_SOCKETIO_WS_SERVER_NO_TAKEOVER  0x01
#define NGX_SOCKETIO_WS_CLIENT_NO_TAKEOVER  0x02
#define NGX_SOCKETIO_WS_SERVER_WINDOW       0x04
#define NGX_SOCKETIO_WS_CLIENT_WINDOW       0x08


typedef struct {
    ngx_str_t     name;
    ngx_uint_t    bit;
    ngx_uint_t    value;            /* it may have one */
    ngx_uint_t    required;
} ngx_socketio_ws_known_t;


typedef struct {
    u_char       *pos;
    u_char       *last;

    ngx_str_t     name;             /* of the extension or parameter */
    u_char        value[2];         /* the begin of it, unescaped */
    size_t        len;
    ngx_uint_t    has_value;
} ngx_socketio_ws_offers_t;


static ngx_int_t ngx_socketio_ws_offer(ngx_socketio_ws_offers_t *o,
    ngx_uint_t window, ngx_uint_t *seen);
static ngx_int_t ngx_socketio_ws_offer_name(ngx_socketio_ws_offers_t *o);
static ngx_int_t ngx_socketio_ws_offer_param(ngx_socketio_ws_offers_t *o);
static ngx_int_t ngx_socketio_ws_offer_quoted(ngx_socketio_ws_offers_t *o);
static void ngx_socketio_ws_offer_value(ngx_socketio_ws_offers_t *o,
    u_char ch);
static ngx_int_t ngx_socketio_ws_offer_check(ngx_socketio_ws_offers_t *o,
    ngx_uint_t window, ngx_uint_t *seen);
static ngx_uint_t ngx_socketio_ws_offer_bits(ngx_socketio_ws_offers_t *o);
static void ngx_socketio_ws_offer_space(ngx_socketio_ws_offers_t *o);
static ngx_uint_t ngx_socketio_ws_offer_is(ngx_str_t *name, ngx_str_t *known);
static ngx_uint_t ngx_socketio_ws_is_token(u_char ch);
static void ngx_socketio_ws_answer(ngx_str_t *answer, ngx_uint_t window);


static ngx_str_t  ngx_socketio_ws_deflate_name =
    ngx_string("permessage-deflate");


static ngx_socketio_ws_known_t  ngx_socketio_ws_deflate_params[] = {

    { ngx_string("server_no_context_takeover"),
      NGX_SOCKETIO_WS_SERVER_NO_TAKEOVER, 0, 0 },

    { ngx_string("client_no_context_takeover"),
      NGX_SOCKETIO_WS_CLIENT_NO_TAKEOVER, 0, 0 },

    { ngx_string("server_max_window_bits"),
      NGX_SOCKETIO_WS_SERVER_WINDOW, 1, 1 },

    { ngx_string("client_max_window_bits"),
      NGX_SOCKETIO_WS_CLIENT_WINDOW, 1, 0 },

    { ngx_null_string, 0, 0, 0 }
};


/* what the sender has cut off, RFC 7692, section 7.2.1 */

static u_char  ngx_socketio_ws_deflate_tail[] = { 0x00, 0x00, 0xff, 0xff };


/*
 * RFC 6455, section 9.1.  The first acceptable offer is taken; what is behind
 * it is only checked.  Elements of the list may be empty (RFC 9110, section
 * 5.6.1).
 */

ngx_int_t
ngx_socketio_ws_deflate_negotiate(ngx_str_t *offers, ngx_uint_t window,
    ngx_str_t *answer)
{
    ngx_int_t                 rc;
    ngx_uint_t                seen, agreed;
    ngx_socketio_ws_offers_t  o;

    o.pos = offers->data;
    o.last = offers->data + offers->len;

    agreed = 0;

    for ( ;; ) {
        ngx_socketio_ws_offer_space(&o);

        if (o.pos == o.last) {
            break;
        }

        if (*o.pos == ',') {
            o.pos++;
            continue;
        }

        rc = ngx_socketio_ws_offer(&o, window, &seen);

        if (rc == NGX_ERROR || (o.pos != o.last && *o.pos != ',')) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK && !agreed) {
            agreed = 1;

            ngx_socketio_ws_answer(answer,
                        (seen & NGX_SOCKETIO_WS_SERVER_WINDOW) ? window : 0);
        }
    }

    return agreed ? NGX_OK : NGX_DECLINED;
}


/* one extension with its parameters; NGX_DECLINED: not to be accepted */

static ngx_int_t
ngx_socketio_ws_offer(ngx_socketio_ws_offers_t *o, ngx_uint_t window,
    ngx_uint_t *seen)
{
    ngx_int_t  good;

    *seen = 0;

    if (ngx_socketio_ws_offer_name(o) != NGX_OK) {
        return NGX_ERROR;
    }

    good = ngx_socketio_ws_offer_is(&o->name, &ngx_socketio_ws_deflate_name);

    for ( ;; ) {
        ngx_socketio_ws_offer_space(o);

        if (o->pos == o->last || *o->pos != ';') {
            return good ? NGX_OK : NGX_DECLINED;
        }

        o->pos++;
        ngx_socketio_ws_offer_space(o);

        if (ngx_socketio_ws_offer_param(o) != NGX_OK) {
            return NGX_ERROR;
        }

        if (good) {
            good = ngx_socketio_ws_offer_check(o, window, seen) == NGX_OK;
        }
    }
}


static ngx_int_t
ngx_socketio_ws_offer_name(ngx_socketio_ws_offers_t *o)
{
    o->name.data = o->pos;

    while (o->pos < o->last && ngx_socketio_ws_is_token(*o->pos)) {
        o->pos++;
    }

    o->name.len = o->pos - o->name.data;

    return o->name.len ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_ws_offer_param(ngx_socketio_ws_offers_t *o)
{
    o->len = 0;
    o->has_value = 0;

    if (ngx_socketio_ws_offer_name(o) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_socketio_ws_offer_space(o);

    if (o->pos == o->last || *o->pos != '=') {
        return NGX_OK;
    }

    o->pos++;
    o->has_value = 1;

    ngx_socketio_ws_offer_space(o);

    if (o->pos < o->last && *o->pos == '"') {
        o->pos++;
        return ngx_socketio_ws_offer_quoted(o);
    }

    while (o->pos < o->last && ngx_socketio_ws_is_token(*o->pos)) {
        ngx_socketio_ws_offer_value(o, *o->pos++);
    }

    return o->len ? NGX_OK : NGX_ERROR;
}


/*
 * What is in the quotes would have to be a token, but that is no concern of
 * ours in an extension that we do not know.
 */

static ngx_int_t
ngx_socketio_ws_offer_quoted(ngx_socketio_ws_offers_t *o)
{
    u_char  ch;

    while (o->pos < o->last) {
        ch = *o->pos++;

        if (ch == '"') {
            return NGX_OK;
        }

        if (ch == '\\') {
            if (o->pos == o->last) {
                break;
            }

            ch = *o->pos++;
        }

        ngx_socketio_ws_offer_value(o, ch);
    }

    return NGX_ERROR;
}


static void
ngx_socketio_ws_offer_value(ngx_socketio_ws_offers_t *o, u_char ch)
{
    if (o->len < sizeof(o->value)) {
        o->value[o->len] = ch;
    }

    o->len++;
}


/* RFC 7692, section 7.1: what makes a server decline an offer */

static ngx_int_t
ngx_socketio_ws_offer_check(ngx_socketio_ws_offers_t *o, ngx_uint_t window,
    ngx_uint_t *seen)
{
    ngx_uint_t                bits;
    ngx_socketio_ws_known_t  *known;

    known = ngx_socketio_ws_deflate_params;

    while (known->bit && !ngx_socketio_ws_offer_is(&o->name, &known->name)) {
        known++;
    }

    if (known->bit == 0
        || (*seen & known->bit)
        || (o->has_value && !known->value)
        || (!o->has_value && known->required))
    {
        return NGX_DECLINED;
    }

    *seen |= known->bit;

    if (!o->has_value) {
        return NGX_OK;
    }

    bits = ngx_socketio_ws_offer_bits(o);

    if (bits == 0) {
        return NGX_DECLINED;
    }

    /* all messages are deflated with one window, which may be too large */

    if (known->bit == NGX_SOCKETIO_WS_SERVER_WINDOW && bits < window) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* 8 to 15 in decimal without leading zeros; 0: anything else */

static ngx_uint_t
ngx_socketio_ws_offer_bits(ngx_socketio_ws_offers_t *o)
{
    if (o->len == 1 && (o->value[0] == '8' || o->value[0] == '9')) {
        return o->value[0] - '0';
    }

    if (o->len == 2
        && o->value[0] == '1' && o->value[1] >= '0' && o->value[1] <= '5')
    {
        return 10 + o->value[1] - '0';
    }

    return 0;
}


static void
ngx_socketio_ws_offer_space(ngx_socketio_ws_offers_t *o)
{
    while (o->pos < o->last && (*o->pos == ' ' || *o->pos == '\t')) {
        o->pos++;
    }
}


static ngx_uint_t
ngx_socketio_ws_offer_is(ngx_str_t *name, ngx_str_t *known)
{
    return name->len == known->len
           && ngx_memcmp(name->data, known->data, known->len) == 0;
}


/* RFC 9110, section 5.6.2 */

static ngx_uint_t
ngx_socketio_ws_is_token(u_char ch)
{
    static uint32_t  bits[] = {
        0x00000000,
        0x03ff6cfa,     /* !#$%&'*+-. 0-9 */
        0xc7fffffe,     /* A-Z ^_ */
        0x57ffffff      /* ` a-z | ~ */
    };

    return ch < 128 && (bits[ch >> 5] & ((uint32_t) 1 << (ch & 31)));
}


/*
 * Both sides are told to begin each message anew, which section 7.1.1 lets a
 * server ask for by itself.  It may name its window unasked, too (7.1.2.1),
 * but not all clients know that, and any of them can inflate a smaller one.
 * The client's window is up to the client.
 */

static void
ngx_socketio_ws_answer(ngx_str_t *answer, ngx_uint_t window)
{
    u_char  *p;

    static ngx_str_t  text = ngx_string("permessage-deflate"
                                        "; server_no_context_takeover"
                                        "; client_no_context_takeover");
    static ngx_str_t  bits = ngx_string("; server_max_window_bits=");

    p = ngx_cpymem(answer->data, text.data, text.len);

    if (window) {
        p = ngx_cpymem(p, bits.data, bits.len);

        if (window > 9) {
            *p++ = '1';
        }

        *p++ = (u_char) ('0' + window % 10);
    }

    answer->len = p - answer->data;
}


ngx_int_t
ngx_socketio_ws_inflate_init(ngx_socketio_ws_inflate_t *inf)
{
    ngx_memzero(inf, sizeof(ngx_socketio_ws_inflate_t));

    /* the largest, since the client's own may be any */

    inf->ready = inflateInit2(&inf->z, -NGX_SOCKETIO_WS_WINDOW_MAX) == Z_OK;

    return inf->ready ? NGX_OK : NGX_ERROR;
}


void
ngx_socketio_ws_inflate_end(ngx_socketio_ws_inflate_t *inf)
{
    if (inf->ready) {
        (void) inflateEnd(&inf->z);
        inf->ready = 0;
    }
}


void
ngx_socketio_ws_inflate_begin(ngx_socketio_ws_inflate_t *inf,
    ngx_str_t *payload, size_t max)
{
    size_t  most;

    most = max;

    if (payload->len <= max / NGX_SOCKETIO_WS_INFLATE_RATIO) {
        most = ngx_max(payload->len * NGX_SOCKETIO_WS_INFLATE_RATIO,
                       NGX_SOCKETIO_WS_INFLATE_FREE);
    }

    (void) inflateReset(&inf->z);

    inf->z.next_in = payload->data;
    inf->z.avail_in = (uInt) payload->len;

    if (payload->len == 0) {

        /* it should be one zero (section 7.2.3.6), but what else can it mean */

        inf->z.next_in = ngx_socketio_ws_deflate_tail;
        inf->z.avail_in = 1;
    }

    inf->left = ngx_min(most, max);
    inf->tail = 0;
}


/*
 * The payload, then the four bytes that belong to it (section 7.2.2).  With
 * these ends an empty block that the payload has begun: they may neither add
 * to the message nor leave anything open, else the payload was cut short.
 */

ngx_int_t
ngx_socketio_ws_inflate(ngx_socketio_ws_inflate_t *inf, u_char **pos,
    u_char *last)
{
    int        rc;
    u_char     extra;
    size_t     size;
    z_stream  *z;

    z = &inf->z;

    for ( ;; ) {

        size = inf->tail ? 0 : ngx_min((size_t) (last - *pos), inf->left);

        if (size) {
            z->next_out = *pos;
            z->avail_out = (uInt) size;

        } else if (inf->tail || inf->left == 0) {
            z->next_out = &extra;
            z->avail_out = 1;

        } else {
            return NGX_AGAIN;
        }

        rc = inflate(z, inf->tail ? Z_BLOCK : Z_SYNC_FLUSH);

        if (size) {
            *pos += size - z->avail_out;
            inf->left -= size - z->avail_out;

        } else if (z->avail_out == 0) {
            return inf->tail ? NGX_DECLINED : NGX_ABORT;
        }

        if (rc == Z_MEM_ERROR) {
            return NGX_ERROR;
        }

        if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END) {
            return NGX_DECLINED;
        }

        if (rc == Z_STREAM_END) {

            /* BFINAL: other blocks may follow, section 7.2.3.4 */

            (void) inflateReset(z);

            if (z->avail_in) {
                continue;
            }

        } else if (z->avail_out == 0) {
            continue;
        }

        if (inf->tail) {
            break;
        }

        inf->tail = 1;
        z->next_in = ngx_socketio_ws_deflate_tail;
        z->avail_in = sizeof(ngx_socketio_ws_deflate_tail);
    }

    /* behind a block, which may be a final one (64), with no bit left over */

    return (z->avail_in == 0 && (z->data_type & ~64) == 128) ? NGX_OK
                                                             : NGX_DECLINED;
}


ngx_int_t
ngx_socketio_ws_deflate_init(ngx_socketio_ws_deflate_t *d, ngx_uint_t window)
{
    ngx_memzero(d, sizeof(ngx_socketio_ws_deflate_t));

    d->ready = deflateInit2(&d->z, NGX_SOCKETIO_WS_DEFLATE_LEVEL, Z_DEFLATED,
                            - (int) window, NGX_SOCKETIO_WS_DEFLATE_MEMORY,
                            Z_DEFAULT_STRATEGY)
               == Z_OK;

    return d->ready ? NGX_OK : NGX_ERROR;
}


void
ngx_socketio_ws_deflate_end(ngx_socketio_ws_deflate_t *d)
{
    if (d->ready) {
        (void) deflateEnd(&d->z);
        d->ready = 0;
    }
}


/* if all of the room is used it has not become smaller: no need to go on */

void
ngx_socketio_ws_deflate_begin(ngx_socketio_ws_deflate_t *d, u_char *out,
    size_t len)
{
    (void) deflateReset(&d->z);

    d->size = len + NGX_SOCKETIO_WS_DEFLATE_SLACK;
    d->z.next_out = out;
    d->z.avail_out = (uInt) d->size;
}


ngx_int_t
ngx_socketio_ws_deflate_add(ngx_socketio_ws_deflate_t *d, u_char *p,
    size_t len)
{
    d->z.next_in = p;
    d->z.avail_in = (uInt) len;

    (void) deflate(&d->z, Z_NO_FLUSH);

    return d->z.avail_out ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_socketio_ws_deflate_finish(ngx_socketio_ws_deflate_t *d, size_t *len)
{
    d->z.avail_in = 0;

    (void) deflate(&d->z, Z_SYNC_FLUSH);

    if (d->z.avail_out == 0) {
        return NGX_DECLINED;
    }

    *len = d->size - d->z.avail_out - sizeof(ngx_socketio_ws_deflate_tail);

    return NGX_OK;
}
