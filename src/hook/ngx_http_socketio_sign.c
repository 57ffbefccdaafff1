
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_sign.h"


#if (NGX_HTTP_SOCKETIO_SIGN)

#include <openssl/hmac.h>


static ngx_int_t ngx_http_socketio_sign_body(HMAC_CTX *ctx, u_char *hash,
    ngx_str_t *key, ngx_str_t *now, ngx_chain_t *body);


ngx_int_t
ngx_http_socketio_sign(ngx_str_t *value, ngx_array_t *keys, ngx_chain_t *body,
    ngx_log_t *log)
{
    u_char      *p, hash[EVP_MAX_MD_SIZE];
    HMAC_CTX    *ctx;
    ngx_int_t    rc;
    ngx_str_t    now, *key;
    ngx_uint_t   i;

    p = ngx_cpymem(value->data, "t=", 2);

    now.data = p;
    p = ngx_sprintf(p, "%T", ngx_time());
    now.len = p - now.data;

    ctx = HMAC_CTX_new();
    if (ctx == NULL) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "HMAC_CTX_new() failed");
        return NGX_ERROR;
    }

    rc = NGX_OK;
    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        rc = ngx_http_socketio_sign_body(ctx, hash, &key[i], &now, body);

        if (rc != NGX_OK) {
            ngx_ssl_error(NGX_LOG_ALERT, log, 0, "HMAC of a hook failed");
            break;
        }

        p = ngx_cpymem(p, ",v1=", 4);
        p = ngx_hex_dump(p, hash, 32);
    }

    HMAC_CTX_free(ctx);

    value->len = p - value->data;

    return rc;
}


static ngx_int_t
ngx_http_socketio_sign_body(HMAC_CTX *ctx, u_char *hash, ngx_str_t *key,
    ngx_str_t *now, ngx_chain_t *body)
{
    if (HMAC_Init_ex(ctx, key->data, key->len, EVP_sha256(), NULL) != 1
        || HMAC_Update(ctx, now->data, now->len) != 1
        || HMAC_Update(ctx, (u_char *) ".", 1) != 1)
    {
        return NGX_ERROR;
    }

    for ( /* void */ ; body; body = body->next) {
        if (HMAC_Update(ctx, body->buf->pos, body->buf->last - body->buf->pos)
            != 1)
        {
            return NGX_ERROR;
        }
    }

    return (HMAC_Final(ctx, hash, NULL) == 1) ? NGX_OK : NGX_ERROR;
}


#else


ngx_int_t
ngx_http_socketio_sign(ngx_str_t *value, ngx_array_t *keys, ngx_chain_t *body,
    ngx_log_t *log)
{
    return NGX_ERROR;
}


#endif
