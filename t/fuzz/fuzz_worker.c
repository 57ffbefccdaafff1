
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A whole worker: nginx with the module, one process, its event loop driven
 * from here.  The input is a script of what clients, publishers and a backend
 * do to it, byte by byte if it likes; the clock only goes on when the script
 * says so.  Afterwards all clients go, the backend answers all, time passes,
 * and then nothing may be left: no connection, no record in the zone.  A line
 * at "crit" or above in the log fails, too, and so does a record that is
 * looked for without the zone's lock, or memory or the log with it.
 *
 * The script: 0xff, one letter, and up to the next 0xff what it is about.
 *
 *   0-7  this client from now on (connects); the rest is sent
 *   c x  closes it, resets it                n  sends, and gives no turn
 *   L    location and revision, such as "s4" s  it stops reading, or goes on
 *   o    handshake, with this appended to the query
 *   G P  polls, posts this                   U u  websocket with sid, without;
 *   W V  text frame, binary frame                 these are more headers
 *   F    frame whose first byte is this one  p  publishes this
 *   t    time passes: 10 ms, squared in steps of the byte that follows
 *   B K  next answer of the backend: body; in chunks, a line each
 *   S R  a status and a body; all of it raw, then closed
 *   h    holds the backend, or not           a A  sends this raw; and closes
 *
 * In it "@S" is the last session id, "@I" socket id, "@P" pid, "@0" ... "@3"
 * the last ids of events, as the other sides have been told.
 */


#include "worker_peers.h"

#include <sanitizer/lsan_interface.h>
#include <setjmp.h>


#define FUZZ_STEP   500                     /* ms, of the clock at the end */
#define FUZZ_DRAIN  600000


int fuzz_nginx_main(int argc, char *const *argv);

void __wrap_ngx_process_events_and_timers(ngx_cycle_t *cycle);
void __wrap_ngx_log_error_core(ngx_uint_t level, ngx_log_t *log,
    ngx_err_t err, const char *fmt, ...);
int __wrap_gettimeofday(struct timeval *tv, void *tz);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);
long __wrap_random(void);

void *__real_ngx_alloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);
ngx_socketio_ref_t __real_ngx_socketio_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type);
ngx_socketio_ref_t __wrap_ngx_socketio_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type);
void __real_ngx_socketio_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
void __wrap_ngx_socketio_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
void *__real_ngx_socketio_find_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_socketio_ref_t ref, uint32_t gen);
void *__wrap_ngx_socketio_find_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_socketio_ref_t ref, uint32_t gen);

static ngx_uint_t fuzz_locked(void);
static void fuzz_clean(void);
static ngx_int_t fuzz_process_events(ngx_cycle_t *cycle, ngx_msec_t timer,
    ngx_uint_t flags);
static void fuzz_op(u_char op, u_char *p, size_t len);
static void fuzz_op_backend(u_char op, u_char *p, size_t len);
static void fuzz_request(const char *method, const char *query,
    const char *headers, u_char *body, size_t len);
static void fuzz_frame(u_char first, u_char *p, size_t len);
static size_t fuzz_expand(u_char *p, size_t len);
static void fuzz_end(void);
static ngx_uint_t fuzz_left(void);
static void fuzz_tell(void);


static const char  fuzz_conf[] =
"daemon off; master_process off; error_log /dev/null info; pid pid;\n"
"events { worker_connections 128; multi_accept on; accept_mutex off; }\n"
"http {\n"
"    log_format all '$request $status $socketio_error $socketio_reason';\n"
"    access_log /dev/null all;\n"
"    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;\n"
"    socketio_zone z 1m recovery=30s;\n"
"    socketio_deflate on threshold=64;\n"
"    socketio_max_payload 20000;\n"
"    socketio_send_queue 24 24k;\n"
"    socketio_hook_queue 8 4k;\n"
"    socketio_hook_batch 6 8k;\n"
"    socketio_hook_secret 0123456789abcdef;\n"
"    socketio_limits rooms=6 attachments=3 acks=3 attached=9000;\n"
"    upstream hook { server unix:%1$s/hook; keepalive 2; }\n"
"    proxy_http_version 1.1;\n"
"    proxy_set_header Connection '';\n"
"    proxy_read_timeout 3s;\n"
"    server {\n"
"        listen unix:%1$s/client;\n"
"        location /s/ { socketio z; socketio_namespaces / /a ~^/x;\n"
"            socketio_hook /_hook;\n"
"            socketio_origins same https://*.example null;\n"
"            socketio_cookie io; }\n"
"        location /r/ { socketio z; socketio_protocol engine.io;\n"
"            socketio_hook /_hook; }\n"
"        location /n/ { socketio z; socketio_namespaces / /a ~^/x;\n"
"            socketio_hook off;\n"
"            socketio_origins *; }\n"
"        location /b/ { socketio z; socketio_namespaces / /a ~^/x;\n"
"            socketio_hook /_one;\n"
"            socketio_hook_events chat message; socketio_hook_batch off;\n"
"            socketio_hook_connect_fail accept; }\n"
"        location = /_hook { internal; proxy_pass http://hook; }\n"
"        location = /_one { internal; proxy_pass http://hook;\n"
"            proxy_set_header X-Event '$socketio_type $socketio_event';\n"
"            proxy_set_header X-Args '$socketio_args$socketio_attachments';\n"
"            proxy_set_header X-Data '$socketio_data $socketio_handshake'; }\n"
"        location /p { socketio_publish z; }\n"
"        location /t { socketio_status z; }\n"
"    }\n"
"}\n";


static jmp_buf               fuzz_up;
static uint64_t              fuzz_msec = 1700000000000;
static uint64_t              fuzz_seed;
static ngx_uint_t            fuzz_connections;
static ngx_msec_t            fuzz_recovery;
static ngx_socketio_zone_t  *fuzz_zone;

static fuzz_peer_t          *fuzz_client;
static char                  fuzz_where[2]; /* location, revision */

static u_char                fuzz_buf[FUZZ_BUFFER];
static u_char                fuzz_out[FUZZ_BUFFER + 1024];

static ngx_int_t           (*fuzz_real_process_events)(ngx_cycle_t *cycle,
                                 ngx_msec_t timer, ngx_uint_t flags);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int                             fd;
    char                            conf[sizeof(fuzz_dir) + 8];
    FILE                           *f;
    ngx_uint_t                      i;
    struct sockaddr_un              sun;
    ngx_http_socketio_main_conf_t  *smcf;

    char  *args[] = { "nginx", "-p", fuzz_dir, "-c", "conf", "-e",
                      "/dev/null", NULL };

    static const int  signals[] = {                     /* nginx's own */
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGWINCH,
        SIGCHLD, SIGIO, SIGSYS
    };

    (void) argc;
    (void) argv;

    snprintf(fuzz_dir, sizeof(fuzz_dir), "%s/socketio-fuzz-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    must(mkdtemp(fuzz_dir) != NULL);
    atexit(fuzz_clean);

    snprintf(conf, sizeof(conf), "%s/conf", fuzz_dir);
    f = fopen(conf, "w");
    must(f != NULL && fprintf(f, fuzz_conf, fuzz_dir) > 0 && fclose(f) == 0);

    fuzz_address(&sun, "hook");

    fuzz_listen = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK, 0);
    must(bind(fuzz_listen, (struct sockaddr *) &sun, sizeof(sun)) == 0);
    must(listen(fuzz_listen, 64) == 0);

    for (i = 0; i < FUZZ_CLIENTS; i++) {
        fuzz_clients[i].fd = -1;
    }

    for (i = 0; i < FUZZ_HOOKS; i++) {
        fuzz_hooks[i].fd = -1;
        fuzz_hooks[i].data = malloc(FUZZ_BUFFER);
    }

    /* nginx makes stderr its log; back as soon as it would begin to wait */

    fd = dup(STDERR_FILENO);
    __lsan_disable();

    if (setjmp(fuzz_up) == 0) {
        fuzz_nginx_main(7, args);
        abort();
    }

    __lsan_enable();
    dup2(fd, STDERR_FILENO);
    close(fd);

    /* libFuzzer takes none that has a handler already: its timeout's, too */

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], SIG_DFL);
    }

    fuzz_real_process_events = ngx_event_actions.process_events;
    ngx_event_actions.process_events = fuzz_process_events;

    smcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_socketio_module);
    fuzz_zone = ((ngx_socketio_zone_t **) smcf->zones.elts)[0];
    fuzz_recovery = fuzz_zone->recovery;

    fuzz_pump();
    fuzz_connections = ngx_cycle->free_connection_n;

    return 0;
}


static void
fuzz_clean(void)
{
    char  command[sizeof(fuzz_dir) + 16];

    snprintf(command, sizeof(command), "rm -rf '%s'", fuzz_dir);

    if (system(command) != 0) {
        perror(command);
    }
}


void
__wrap_ngx_process_events_and_timers(ngx_cycle_t *cycle)
{
    (void) cycle;

    longjmp(fuzz_up, 1);
}


/* never waits */

static ngx_int_t
fuzz_process_events(ngx_cycle_t *cycle, ngx_msec_t timer, ngx_uint_t flags)
{
    (void) timer;

    return fuzz_real_process_events(cycle, 0, flags);
}


/* the lock is this process's only if it is held */

static ngx_uint_t
fuzz_locked(void)
{
    return fuzz_zone != NULL
           && *fuzz_zone->shpool->mutex.lock == (ngx_atomic_t) ngx_pid;
}


void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    must(!fuzz_locked());

    return __real_ngx_alloc(size, log);
}


ngx_socketio_ref_t
__wrap_ngx_socketio_alloc_locked(ngx_socketio_zone_t *zone, ngx_uint_t type)
{
    must(fuzz_locked());

    return __real_ngx_socketio_alloc_locked(zone, type);
}


void
__wrap_ngx_socketio_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    must(fuzz_locked());

    __real_ngx_socketio_free_locked(zone, ref);
}


void *
__wrap_ngx_socketio_find_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t ref, uint32_t gen)
{
    must(fuzz_locked());

    return __real_ngx_socketio_find_locked(zone, type, ref, gen);
}


void
__wrap_ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    u_char   *p, line[NGX_MAX_ERROR_STR];
    va_list   args;

    must(!fuzz_locked());

    va_start(args, fmt);
    p = ngx_vslprintf(line, line + sizeof(line), fmt, args);
    va_end(args);

    if (level != NGX_LOG_DEBUG && log->handler) {
        p = log->handler(log, p, line + sizeof(line) - p);
    }

    if (level <= NGX_LOG_CRIT || (getenv("FUZZ_LOG") && level < 8)) {
        fprintf(stderr, "log %d: %.*s (%d)\n", (int) level, (int) (p - line),
                line, err);
    }

    if (level <= NGX_LOG_CRIT) {
        abort();
    }
}


int
__wrap_gettimeofday(struct timeval *tv, void *tz)
{
    (void) tz;

    tv->tv_sec = fuzz_msec / 1000;
    tv->tv_usec = fuzz_msec % 1000 * 1000;

    return 0;
}


int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void) clock;

    ts->tv_sec = fuzz_msec / 1000;
    ts->tv_nsec = fuzz_msec % 1000 * 1000000;

    return 0;
}


ssize_t
__wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    size_t   i;
    u_char  *p;

    (void) flags;

    for (p = buf, i = 0; i < len; i++) {
        p[i] = (u_char) (__wrap_random() >> 16);
    }

    return len;
}


long
__wrap_random(void)
{
    fuzz_seed = fuzz_seed * 6364136223846793005 + 1442695040888963407;

    return (long) (fuzz_seed >> 33);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          len;
    const uint8_t  *p, *last, *next;

    fuzz_seed = 1;
    fuzz_zone->recovery = fuzz_recovery;
    fuzz_held = 0;
    fuzz_where[0] = 's';
    fuzz_where[1] = '4';
    fuzz_client = &fuzz_clients[0];
    ngx_memzero(fuzz_sid, sizeof(fuzz_sid));
    ngx_memzero(fuzz_socket, sizeof(fuzz_socket));
    ngx_memzero(fuzz_pid, sizeof(fuzz_pid));
    ngx_memzero(fuzz_ids, sizeof(fuzz_ids));

    last = data + size;

    for (p = memchr(data, 0xff, size); p && p + 1 < last; p = next) {
        p += 2;
        next = memchr(p, 0xff, last - p);

        len = fuzz_expand((u_char *) p, (next ? next : last) - p);
        fuzz_op(p[-1], fuzz_buf, len);
    }

    fuzz_end();

    return 0;
}


static void
fuzz_op(u_char op, u_char *p, size_t len)
{
    char  text[1024];

    snprintf(text, sizeof(text), "%.*s", (int) ngx_min(len, 1000),
             (char *) p);

    switch (op) {

    case '0': case '1': case '2': case '3':
    case '4': case '5': case '6': case '7':
        fuzz_client = &fuzz_clients[op - '0'];
        fuzz_connect(fuzz_client);
        fuzz_send(fuzz_client, p, len);
        break;

    case 'n':
        fuzz_send(fuzz_client, p, len);
        return;

    case 'c':
    case 'x':
        fuzz_close(fuzz_client, op == 'x');
        break;

    case 's':
        fuzz_client->stalled ^= 1;
        break;

    case 'L':
        fuzz_where[0] = len > 0 && ngx_strchr("srnb", p[0]) ? p[0] : 's';
        fuzz_where[1] = len > 1 && p[1] == '3' ? '3' : '4';
        return;

    case 'o':
        fuzz_sid[0] = '\0';
        fuzz_request("GET", text, "", NULL, 0);
        break;

    case 'G':
        fuzz_request("GET", text, "", NULL, 0);
        break;

    case 'P':
        fuzz_request("POST", "", "Content-Type: text/plain\r\n", p, len);
        break;

    case 'u':
        fuzz_sid[0] = '\0';

        /* fall through */

    case 'U':
        fuzz_request("GET", NULL, text, NULL, 0);
        break;

    case 'W':
    case 'V':
        fuzz_frame(op == 'W' ? 0x81 : 0x82, p, len);
        break;

    case 'F':
        if (len) {
            fuzz_frame(p[0], p + 1, len - 1);
        }

        break;

    case 'p':
        len = snprintf((char *) fuzz_out, sizeof(fuzz_out),
                       "POST /p HTTP/1.1\r\nHost: a\r\n"
                       "Content-Length: %d\r\n\r\n%.*s", (int) len,
                       (int) len, (char *) p);
        fuzz_send(fuzz_client, fuzz_out, ngx_min(len, sizeof(fuzz_out) - 1));
        break;

    case 't':
        fuzz_msec += 10 * (len ? (uint64_t) p[0] * p[0] : 1);
        break;

    default:
        fuzz_op_backend(op, p, len);
    }

    fuzz_pump();
}


static void
fuzz_op_backend(u_char op, u_char *p, size_t len)
{
    ngx_uint_t      i;
    fuzz_peer_t    *h;
    fuzz_answer_t  *a;

    switch (op) {

    case 'B':
    case 'K':
    case 'S':
    case 'R':
        if (fuzz_nanswers < FUZZ_ANSWERS) {
            a = &fuzz_answers[fuzz_nanswers++];
            a->kind = op;
            a->len = len;
            a->data = malloc(len + 1);
            ngx_memcpy(a->data, p, len);
        }

        break;

    case 'h':
        fuzz_held ^= 1;
        break;

    case 'a':
    case 'A':
        for (i = 0; i < FUZZ_HOOKS; i++) {
            h = &fuzz_hooks[i];

            if (h->fd != -1 && h->waiting) {
                fuzz_send(h, p, len);

                if (op == 'A') {
                    fuzz_close(h, 0);
                }

                break;
            }
        }
    }
}


/* query NULL: a websocket */

static void
fuzz_request(const char *method, const char *query, const char *headers,
    u_char *body, size_t len)
{
    size_t  n;

    static const char  websocket[] =
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    n = snprintf((char *) fuzz_out, sizeof(fuzz_out),
                 "%s /%c/?EIO=%c&transport=%s%s%s%s HTTP/1.1\r\n"
                 "Host: a\r\n%s%s", method, fuzz_where[0], fuzz_where[1],
                 query ? "polling" : "websocket", fuzz_sid[0] ? "&sid=" : "",
                 fuzz_sid, query ? query : "", query ? "" : websocket,
                 headers);

    if (body) {
        n += snprintf((char *) fuzz_out + n, sizeof(fuzz_out) - n,
                      "Content-Length: %d\r\n", (int) len);
    }

    n += snprintf((char *) fuzz_out + n, sizeof(fuzz_out) - n, "\r\n");

    len = ngx_min(len, sizeof(fuzz_out) - n);

    if (len) {
        ngx_memcpy(fuzz_out + n, body, len);
    }

    fuzz_send(fuzz_client, fuzz_out, n + len);
}


static void
fuzz_frame(u_char first, u_char *p, size_t len)
{
    size_t   i;
    u_char  *q;

    static const u_char  mask[4] = { 0x11, 0x00, 0x5a, 0x20 };

    q = fuzz_out;
    *q++ = first;

    if (len < 126) {
        *q++ = 0x80 | (u_char) len;

    } else {
        *q++ = 0x80 | 126;
        *q++ = (u_char) (len >> 8);
        *q++ = (u_char) len;
    }

    q = ngx_cpymem(q, mask, 4);

    for (i = 0; i < len; i++) {
        *q++ = p[i] ^ mask[i % 4];
    }

    fuzz_send(fuzz_client, fuzz_out, q - fuzz_out);
}


/* into fuzz_buf, with what has been learned in place of its names */

static size_t
fuzz_expand(u_char *p, size_t len)
{
    char    *word;
    size_t   i, n, m;

    for (n = 0, i = 0; i < len && n < sizeof(fuzz_buf) - FUZZ_ID; i++) {
        word = NULL;

        if (p[i] == '@' && i + 1 < len) {
            switch (p[i + 1]) {

            case 'S':
                word = fuzz_sid;
                break;

            case 'I':
                word = fuzz_socket;
                break;

            case 'P':
                word = fuzz_pid;
                break;

            case '0': case '1': case '2': case '3':
                word = fuzz_ids[p[i + 1] - '0'];
            }
        }

        if (word == NULL) {
            fuzz_buf[n++] = p[i];
            continue;
        }

        m = strlen(word);
        ngx_memcpy(fuzz_buf + n, word, m);
        n += m;
        i++;
    }

    return ngx_min(n, 65535);
}


/*
 * All go, time passes: in steps well below NGX_SOCKETIO_EIO_ASLEEP, or the
 * worker takes each for a sleep of its own and gives its sessions that time.
 */

static void
fuzz_end(void)
{
    ngx_uint_t  i;

    fuzz_held = 0;

    /* messages for the lost are kept as long as there is memory */

    fuzz_zone->recovery = 0;

    while (fuzz_nanswers) {
        free(fuzz_answers[--fuzz_nanswers].data);
    }

    for (i = 0; i < FUZZ_CLIENTS; i++) {
        fuzz_close(&fuzz_clients[i], 1);
    }

    fuzz_pump();

    for (i = 0; i < FUZZ_HOOKS; i++) {
        fuzz_close(&fuzz_hooks[i], 1);
    }

    for (i = 0; i < FUZZ_DRAIN / FUZZ_STEP && fuzz_left(); i++) {
        __real_ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);

        if (i % 4 == 0) {
            fuzz_pump();
        }

        fuzz_msec += FUZZ_STEP;
    }

    if (fuzz_left()) {
        fuzz_tell();
        abort();
    }
}


/* what is left */

static void
fuzz_tell(void)
{
    ngx_uint_t  i, p, n[NGX_SOCKETIO_TYPES];

    fprintf(stderr, "left: connections %d; records by type:",
            (int) (fuzz_connections - ngx_cycle->free_connection_n));
    ngx_memzero(n, sizeof(n));

    for (p = 0; p < fuzz_zone->sh->npages; p++) {
        n[fuzz_zone->table[p].type] += fuzz_zone->table[p].used;
    }

    for (i = 1; i < NGX_SOCKETIO_TYPES; i++) {
        fprintf(stderr, " %d", (int) n[i]);
    }

    fprintf(stderr, "\n");
}


static ngx_uint_t
fuzz_left(void)
{
    ngx_uint_t               i, left;
    ngx_socketio_zone_sh_t  *sh;

    sh = fuzz_zone->sh;
    left = sh->npages - sh->free_pages + sh->stats.sessions
           + sh->stats.sockets + sh->stats.rooms;

    must(sh->stats.emptied == 0);

    for (i = 0; i < FUZZ_HOOKS; i++) {
        if (fuzz_hooks[i].fd != -1) {
            fuzz_close(&fuzz_hooks[i], 1);
        }
    }

    return left + (ngx_cycle->free_connection_n != fuzz_connections);
}
