
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "tap.h"
#include "proto/ngx_socketio_ws_handshake.c"


typedef ngx_int_t (*check_pt)(ngx_str_t *value);

typedef struct {
    check_pt     check;
    ngx_int_t    rc;
    const char  *text;
} vector_t;


#define connection  ngx_socketio_ws_check_connection
#define upgrade     ngx_socketio_ws_check_upgrade
#define key         ngx_socketio_ws_check_key
#define version     ngx_socketio_ws_check_version


static vector_t  vectors[] = {
    { connection, NGX_OK, "Upgrade" },
    { connection, NGX_OK, "upgrade" },
    { connection, NGX_OK, "UPGRADE" },
    { connection, NGX_OK, "keep-alive, Upgrade" },       /* Firefox */
    { connection, NGX_OK, "Upgrade,keep-alive" },
    { connection, NGX_OK, "a,\t upgrade \t,b" },
    { connection, NGX_OK, ",,upgrade" },
    { connection, NGX_OK, "upgrade,," },
    { connection, NGX_OK, " upgrade" },
    { connection, NGX_OK, "upgrade\t" },
    { connection, NGX_DECLINED, "" },
    { connection, NGX_DECLINED, " " },
    { connection, NGX_DECLINED, "," },
    { connection, NGX_DECLINED, " , ,\t," },
    { connection, NGX_DECLINED, "keep-alive" },
    { connection, NGX_DECLINED, "upgrad" },
    { connection, NGX_DECLINED, "upgrades" },
    { connection, NGX_DECLINED, "xupgrade" },
    { connection, NGX_DECLINED, "upgrade close" },
    { connection, NGX_DECLINED, "up grade" },
    { connection, NGX_DECLINED, "up,grade" },
    { connection, NGX_DECLINED, "upgrade;q=1" },
    { connection, NGX_DECLINED, "\"upgrade\"" },
    { connection, NGX_DECLINED, "websocket" },
    { connection, NGX_DECLINED, "\x0bupgrade" },

    { upgrade, NGX_OK, "websocket" },
    { upgrade, NGX_OK, "WebSocket" },
    { upgrade, NGX_OK, "h2c, websocket" },
    { upgrade, NGX_DECLINED, "" },
    { upgrade, NGX_DECLINED, "h2c" },
    { upgrade, NGX_DECLINED, "websockets" },
    { upgrade, NGX_DECLINED, "websocket/13" },
    { upgrade, NGX_DECLINED, "web socket" },

    { version, NGX_OK, "13" },
    { version, NGX_DECLINED, "" },
    { version, NGX_DECLINED, "1" },
    { version, NGX_DECLINED, "8" },
    { version, NGX_DECLINED, "12" },
    { version, NGX_DECLINED, "23" },
    { version, NGX_DECLINED, "013" },
    { version, NGX_DECLINED, "130" },
    { version, NGX_DECLINED, "13, 8" },

    { key, NGX_OK, "dGhlIHNhbXBsZSBub25jZQ==" },         /* section 1.3 */
    { key, NGX_OK, "AAAAAAAAAAAAAAAAAAAAAA==" },
    { key, NGX_OK, "////++++zzzzZZZZ009aAg==" },
    { key, NGX_DECLINED, "" },
    { key, NGX_DECLINED, "==" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQ" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQ=" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQ===" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQ==A" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQA=" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQ=A" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZQAA" },
    { key, NGX_DECLINED, "dGhlIHNhbXBsZSBub25jZ===" },
    { key, NGX_DECLINED, "=GhlIHNhbXBsZSBub25jZQ==" },
    { key, NGX_DECLINED, " GhlIHNhbXBsZSBub25jZQ==" }
};


static void
test_vectors(void)
{
    size_t      i;
    ngx_str_t   value;
    vector_t   *v;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        v = &vectors[i];

        /* of the exact size, so that a read beyond it is seen */

        value.len = strlen(v->text);
        value.data = malloc(value.len);
        memcpy(value.data, v->text, value.len);

        ok(v->check(&value) == v->rc, "\"%s\" %s", v->text,
           v->rc == NGX_OK ? "is taken" : "is refused");

        free(value.data);
    }
}


static void
test_absent(void)
{
    ngx_str_t  value;

    ngx_str_null(&value);

    ok(connection(&value) == NGX_DECLINED, "no Connection");
    ok(upgrade(&value) == NGX_DECLINED, "no Upgrade");
    ok(key(&value) == NGX_DECLINED, "no Sec-WebSocket-Key");
    ok(version(&value) == NGX_DECLINED, "no Sec-WebSocket-Version");
}


/* each of the 22 digits may be any of 64 characters and no other */

static void
test_key_digits(void)
{
    unsigned    i, ch, good;
    u_char      text[24];
    ngx_str_t   value;

    value.len = 24;
    value.data = text;
    good = 0;

    for (i = 0; i < 24; i++) {
        for (ch = 0; ch < 256; ch++) {
            memcpy(text, "dGhlIHNhbXBsZSBub25jZQ==", 24);
            text[i] = ch;
            good += (key(&value) == NGX_OK);
        }
    }

    ok(good == 22 * 64 + 2, "%u keys of one changed character are good", good);
}


int
main(void)
{
    test_vectors();
    test_absent();
    test_key_digits();

    return tap_done();
}
