
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_header.h"


ngx_str_t *
ngx_http_socketio_header(ngx_http_request_t *r, char *name, size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return &h[i].value;
            }
        }
    }

    return NULL;
}


/* RFC 9110, section 5.3; RFC 9113, section 8.2.3 */

ngx_int_t
ngx_http_socketio_header_joined(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i, n, cookie;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = 0;
    n = 0;
    p = NULL;
    cookie = (name->len == 6 && ngx_memcmp(name->data, "cookie", 6) == 0);

again:

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != name->len
                || ngx_strncasecmp(h[i].key.data, name->data, name->len) != 0)
            {
                continue;
            }

            if (p == NULL) {
                *value = h[i].value;
                len += value->len + 2;
                n++;
                continue;
            }

            if (p != value->data) {
                *p++ = cookie ? ';' : ',';
                *p++ = ' ';
            }

            p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
        }
    }

    if (n == 0) {
        return NGX_DECLINED;
    }

    if (n > 1 && p == NULL) {
        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        value->data = p;
        goto again;
    }

    if (p) {
        value->len = p - value->data;
    }

    return NGX_OK;
}


ngx_table_elt_t *
ngx_http_socketio_header_add(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;
    h->lowcase_key = NULL;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}
