
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What goes beside Engine.IO: the cookie of a handshake, the client's files. */


#include "ngx_http_socketio_conf.h"


/* in the order in which they are written, which is that of Node's server */

#define NGX_HTTP_SOCKETIO_COOKIE_MAX_AGE   0
#define NGX_HTTP_SOCKETIO_COOKIE_DOMAIN    1
#define NGX_HTTP_SOCKETIO_COOKIE_PATH      2
#define NGX_HTTP_SOCKETIO_COOKIE_HTTPONLY  3
#define NGX_HTTP_SOCKETIO_COOKIE_SECURE    4
#define NGX_HTTP_SOCKETIO_COOKIE_SAMESITE  5
#define NGX_HTTP_SOCKETIO_COOKIE_N         6


typedef struct {
    ngx_str_t    word;
    ngx_uint_t   kind;          /* NGX_HTTP_SOCKETIO_COOKIE_... */
    ngx_str_t    text;
} ngx_http_socketio_attr_t;


static char *ngx_http_socketio_cookie_attr(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *texts);
static char *ngx_http_socketio_cookie_value(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_uint_t kind, ngx_str_t *value, ngx_str_t *text);
static ngx_uint_t ngx_http_socketio_cookie_name(ngx_str_t *name);
static ngx_uint_t ngx_http_socketio_cookie_path(ngx_str_t *path);
static ngx_uint_t ngx_http_socketio_cookie_domain(ngx_str_t *domain);
static char *ngx_http_socketio_cookie_write(ngx_conf_t *cf,
    ngx_http_socketio_cookie_t *cookie, ngx_str_t *texts);
static ngx_int_t ngx_http_socketio_cookie_join(ngx_conf_t *cf,
    ngx_str_t *texts, ngx_str_t *tail);


static ngx_http_socketio_attr_t  ngx_http_socketio_attrs[] = {

    { ngx_string("httponly"), NGX_HTTP_SOCKETIO_COOKIE_HTTPONLY,
      ngx_string("; HttpOnly") },
    { ngx_string("nohttponly"), NGX_HTTP_SOCKETIO_COOKIE_HTTPONLY,
      ngx_string("") },

    { ngx_string("secure"), NGX_HTTP_SOCKETIO_COOKIE_SECURE,
      ngx_string("; Secure") },
    { ngx_string("nosecure"), NGX_HTTP_SOCKETIO_COOKIE_SECURE,
      ngx_string("") },

    { ngx_string("samesite=strict"), NGX_HTTP_SOCKETIO_COOKIE_SAMESITE,
      ngx_string("; SameSite=Strict") },
    { ngx_string("samesite=lax"), NGX_HTTP_SOCKETIO_COOKIE_SAMESITE,
      ngx_string("; SameSite=Lax") },
    { ngx_string("samesite=none"), NGX_HTTP_SOCKETIO_COOKIE_SAMESITE,
      ngx_string("; SameSite=None") },
    { ngx_string("nosamesite"), NGX_HTTP_SOCKETIO_COOKIE_SAMESITE,
      ngx_string("") },

    { ngx_string("nopath"), NGX_HTTP_SOCKETIO_COOKIE_PATH, ngx_string("") },

    /* these have a value behind them */

    { ngx_string("path="), NGX_HTTP_SOCKETIO_COOKIE_PATH,
      ngx_null_string },
    { ngx_string("domain="), NGX_HTTP_SOCKETIO_COOKIE_DOMAIN,
      ngx_null_string },
    { ngx_string("max-age="), NGX_HTTP_SOCKETIO_COOKIE_MAX_AGE,
      ngx_null_string },

    { ngx_null_string, 0, ngx_null_string }
};


char *
ngx_http_socketio_conf_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t                   *value;
    ngx_str_t                    texts[NGX_HTTP_SOCKETIO_COOKIE_N];
    ngx_uint_t                   i;
    ngx_http_socketio_cookie_t  *cookie;

    if (slcf->cookie != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_socketio_conf_error(cf, &value[2],
                                                "makes no sense with \"off\"");
        }

        slcf->cookie = NULL;

        return NGX_CONF_OK;
    }

    if (!ngx_http_socketio_cookie_name(&value[1])) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "is no name of a cookie");
    }

    ngx_memzero(texts, sizeof(texts));

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_cookie_attr(cf, &value[i], texts)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    cookie = ngx_pcalloc(cf->pool, sizeof(ngx_http_socketio_cookie_t));
    if (cookie == NULL) {
        return NGX_CONF_ERROR;
    }

    cookie->name = value[1];
    slcf->cookie = cookie;

    return ngx_http_socketio_cookie_write(cf, cookie, texts);
}


static char *
ngx_http_socketio_cookie_attr(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *texts)
{
    ngx_str_t                  value;
    ngx_http_socketio_attr_t  *attr;

    for (attr = ngx_http_socketio_attrs; attr->word.len; attr++) {

        if (arg->len < attr->word.len
            || ngx_memcmp(arg->data, attr->word.data, attr->word.len) != 0
            || (arg->len > attr->word.len && attr->text.data))
        {
            continue;
        }

        if (texts[attr->kind].data) {
            return ngx_http_socketio_conf_error(cf, arg, "is duplicate");
        }

        if (attr->text.data) {
            texts[attr->kind] = attr->text;
            return NGX_CONF_OK;
        }

        value.len = arg->len - attr->word.len;
        value.data = arg->data + attr->word.len;

        return ngx_http_socketio_cookie_value(cf, arg, attr->kind, &value,
                                              &texts[attr->kind]);
    }

    return ngx_http_socketio_conf_error(cf, arg,
                                        "is no attribute of a cookie");
}


static char *
ngx_http_socketio_cookie_value(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_uint_t kind, ngx_str_t *value, ngx_str_t *text)
{
    u_char     *p;
    ngx_int_t   age;

    age = 0;

    switch (kind) {

    case NGX_HTTP_SOCKETIO_COOKIE_PATH:

        if (!ngx_http_socketio_cookie_path(value)) {
            return ngx_http_socketio_conf_error(cf, arg,
                                                "is no path of a cookie");
        }

        break;

    case NGX_HTTP_SOCKETIO_COOKIE_DOMAIN:

        if (!ngx_http_socketio_cookie_domain(value)) {
            return ngx_http_socketio_conf_error(cf, arg,
                                                "is no domain of a cookie");
        }

        break;

    default: /* NGX_HTTP_SOCKETIO_COOKIE_MAX_AGE */

        age = ngx_parse_time(value, 1);

        if (age == NGX_ERROR || age == 0) {
            return ngx_http_socketio_conf_error(cf, arg,
                                                "is no time above zero");
        }
    }

    p = ngx_pnalloc(cf->pool, sizeof("; Max-Age=") + NGX_INT_T_LEN
                              + value->len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    text->data = p;

    p = age ? ngx_sprintf(p, "; Max-Age=%i", age)
            : ngx_sprintf(p, "; %s=%V",
                          kind == NGX_HTTP_SOCKETIO_COOKIE_PATH ? "Path"
                                                                : "Domain",
                          value);

    text->len = p - text->data;

    return NGX_CONF_OK;
}


/* a token (RFC 6265, 4.1.1; RFC 9110, 5.6.2) */

static ngx_uint_t
ngx_http_socketio_cookie_name(ngx_str_t *name)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (ch <= ' ' || ch >= 0x7f || ngx_strchr("()<>@,;:\\\"/[]?={}$", ch))
        {
            return 0;
        }
    }

    return i != 0;
}


/* more narrow than RFC 6265: nothing that any parser may take for an end */

static ngx_uint_t
ngx_http_socketio_cookie_path(ngx_str_t *path)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < path->len; i++) {
        ch = path->data[i];

        if (ch <= ' ' || ch >= 0x7f || ngx_strchr(",;\"\\<>$", ch)) {
            return 0;
        }
    }

    return i != 0 && path->data[0] == '/';
}


/* labels with dots between them, perhaps one before (RFC 6265, 5.2.3) */

static ngx_uint_t
ngx_http_socketio_cookie_domain(ngx_str_t *domain)
{
    u_char  ch, prev;
    size_t  i;

    prev = '.';

    for (i = (domain->len && domain->data[0] == '.'); i < domain->len; i++) {
        ch = ngx_tolower(domain->data[i]);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ((ch != '.' && ch != '-') || prev == '.'
                || (ch == '.' && prev == '-')))
        {
            return 0;
        }

        prev = ch;
    }

    return prev != '.' && prev != '-';
}


/* the defaults, and all of it as text, for connections without TLS and with */

static char *
ngx_http_socketio_cookie_write(ngx_conf_t *cf,
    ngx_http_socketio_cookie_t *cookie, ngx_str_t *texts)
{
    ngx_str_t   *secure, *samesite;
    ngx_uint_t   given, none;

    secure = &texts[NGX_HTTP_SOCKETIO_COOKIE_SECURE];
    samesite = &texts[NGX_HTTP_SOCKETIO_COOKIE_SAMESITE];

    /* browsers drop such a cookie without Secure */

    none = samesite->len && ngx_strcmp(samesite->data, "; SameSite=None") == 0;

    if (none && secure->data && secure->len == 0) {
        return "has both \"samesite=none\" and \"nosecure\", which browsers "
               "do not take";
    }

    if (texts[NGX_HTTP_SOCKETIO_COOKIE_PATH].data == NULL) {
        ngx_str_set(&texts[NGX_HTTP_SOCKETIO_COOKIE_PATH], "; Path=/");
    }

    if (texts[NGX_HTTP_SOCKETIO_COOKIE_HTTPONLY].data == NULL) {
        ngx_str_set(&texts[NGX_HTTP_SOCKETIO_COOKIE_HTTPONLY], "; HttpOnly");
    }

    if (samesite->data == NULL) {
        ngx_str_set(samesite, "; SameSite=Lax");
    }

    given = (secure->data != NULL);

    if (!given && none) {
        ngx_str_set(secure, "; Secure");
    }

    if (ngx_http_socketio_cookie_join(cf, texts, &cookie->tail[0]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (!given) {
        ngx_str_set(secure, "; Secure");
    }

    if (ngx_http_socketio_cookie_join(cf, texts, &cookie->tail[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_socketio_cookie_join(ngx_conf_t *cf, ngx_str_t *texts,
    ngx_str_t *tail)
{
    u_char      *p;
    ngx_uint_t   i;

    tail->len = 0;

    for (i = 0; i < NGX_HTTP_SOCKETIO_COOKIE_N; i++) {
        tail->len += texts[i].len;
    }

    p = ngx_pnalloc(cf->pool, tail->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    tail->data = p;

    for (i = 0; i < NGX_HTTP_SOCKETIO_COOKIE_N; i++) {
        if (texts[i].len) {
            p = ngx_cpymem(p, texts[i].data, texts[i].len);
        }
    }

    return NGX_OK;
}


char *
ngx_http_socketio_conf_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t  *value;

    if (slcf->client.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(&slcf->client, "");
        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "is not a directory");
    }

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '$')) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "must be without variables");
    }

    slcf->client = value[1];

    if (ngx_conf_full_name(cf->cycle, &slcf->client, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    while (slcf->client.len > 1
           && slcf->client.data[slcf->client.len - 1] == '/')
    {
        slcf->client.len--;
    }

    return NGX_CONF_OK;
}
