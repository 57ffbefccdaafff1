
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The life of a session: scripts of events and what each must ask for, and
 * every state of an upgrade, with and without a parked GET and a POST in
 * flight, against whatever may happen then.  Fails if somebody who waits is
 * not rung, if an end comes twice or with the wrong reason, if a GET is
 * answered with the wrong thing, or a heartbeat is off by a millisecond.
 */


#include "tap.h"

#include "proto/ngx_socketio_eio_session.c"


#define nelts(a)  (sizeof(a) / sizeof((a)[0]))

/* the conditional rings: G if a GET is parked, P if a POST is in flight */

#define G  NGX_SOCKETIO_EIO_RING_GET
#define P  NGX_SOCKETIO_EIO_RING_POST
#define W  NGX_SOCKETIO_EIO_RING_WS
#define E  NGX_SOCKETIO_EIO_END
#define F  NGX_SOCKETIO_EIO_FORGET


static ngx_socketio_eio_conf_t  conf = { 250, 200 };


static const char *events[] = {
    "get", "get+", "get-gone", "post", "post-done", "post-gone", "post-bad",
    "parse-error", "bad-packet", "bad-state", "close", "ping", "pong", "msg",
    "open", "2probe", "5", "lost", "ws-close", "ws-error", "kick", "time"
};

static const char *actions[] = {
    "park", "short", "answer", "accept", "refuse", "empty", "3probe",
    "switch", "drop", "GET", "POST", "WS", "END", "FORGET"
};

static const char *answers[] = {
    "stay", "send", "noop", "close", "noop-close"
};


/*
 * "event:what,it,asks,for" ...; "look", "look+", "now", "now+" are answers to
 * a GET, parked or not, with packets queued or not: "send2" has the ping;
 * "@250" sets the clock.
 */

static struct {
    const char  *name;
    const char  *script;
} scripts[] = {

    /* polling */

    { "a GET waits for packets",
      "get:park look:stay look+:send get:park" },
    { "a GET finds packets",
      "get+:answer now+:send get:park" },
    { "a second GET ends all",
      "get:park get:empty,GET,END,FORGET look:close" },
    { "a second GET, with packets queued, too",
      "get:park get+:empty,GET,END,FORGET" },
    { "a GET may follow one that was answered",
      "get:park look+:send get:park look+:send" },
    { "a client that leaves its GET",
      "get:park get-gone:END,FORGET" },
    { "a POST, and the next",
      "post:accept msg:accept post-done: post:accept post-done:" },
    { "a second POST ends all",
      "post:accept post:empty,POST,END,FORGET post-done:" },
    { "a POST cut short, GET parked",
      "get:park post:accept post-gone:GET,END,FORGET look:close" },
    { "binary content, GET parked",
      "get:park post:accept post-bad:GET,END,FORGET look:close" },
    { "a malformed payload, GET parked",
      "get:park post:accept parse-error:GET,POST,END,FORGET look:close "
      "post-done:" },
    { "the client's close is answered with a noop",
      "get:park post:accept close:GET,POST,END,FORGET look:noop post-done:" },
    { "nothing more of a closed session",
      "post:accept close:POST,END,FORGET msg: pong: ping: close: kick: time: "
      "parse-error: bad-packet: bad-state: post-done:" },
    { "revision 4: clients do not ping",
      "post:accept ping:POST,END,FORGET" },

    /* closed by the server in good order */

    { "kick: the parked GET gets what is queued, the next one the close",
      "get:park kick:GET,END look+:send get:answer now:noop-close" },
    { "kick: nothing queued",
      "get:park kick:GET,END look:close" },
    { "kick: no GET, it comes later",
      "kick:END get+:answer now+:send get:answer now:noop-close" },
    { "kick: twice is once",
      "kick:END kick: bad-packet: time:" },
    { "a malformed packet, as a kick",
      "get:park post:accept bad-packet:GET,END look:close post-done:" },
    { "a packet at the wrong moment, as a kick",
      "post:accept bad-state:END msg: post-done: get:answer now:noop-close" },
    { "lingering: the client leaves",
      "get:park kick:GET,END get-gone:FORGET" },
    { "lingering: a POST still gets its ok",
      "kick:END post:accept msg: post-done: get:answer now:noop-close" },
    { "lingering: two GETs",
      "get:park kick:GET,END get:empty,GET,FORGET look:close" },
    { "lingering: no heartbeats",
      "kick:END @1250 time: @9999 time: get:answer now:noop-close" },

    /* upgrade */

    { "upgrade by the book",
      "get:park open:accept 2probe:3probe,GET look:noop 5:switch "
      "get:refuse post:refuse msg:accept ws-close:WS,END,FORGET" },
    { "the GET was answered before, the next one is short",
      "get:park open:accept look+:send get:short 2probe:3probe,GET look:noop "
      "get:short 5:switch,GET look:close" },
    { "packets overtake no noop",
      "get:park open:accept 2probe:3probe,GET look+:send" },
    { "5 without a probe",
      "open:accept 5:switch" },
    { "5 without a probe, GET parked",
      "get:park open:accept 5:switch,GET look+:close" },
    { "2probe twice",
      "open:accept 2probe:3probe 2probe:3probe 5:switch" },
    { "POST between 3probe and 5",
      "open:accept 2probe:3probe post:accept msg:accept post-done: 5:switch" },
    { "POST in flight at 5",
      "post:accept open:accept 2probe:3probe 5:switch msg:accept post-done:" },
    { "GET parked at 5, its client leaves: polling is over, not the session",
      "get:park open:accept 5:switch,GET get-gone: msg:accept" },
    { "POST in flight at 5, cut short: the same",
      "post:accept open:accept 5:switch post-gone: msg:accept" },
    { "a probe that is lost is none; the second attempt succeeds",
      "open:accept 2probe:3probe lost:drop get:park open:accept "
      "2probe:3probe,GET look:noop 5:switch" },
    { "a probe lost at once",
      "open:accept lost:drop get:park" },
    { "a second websocket during the probe",
      "open:accept open:drop 2probe:3probe open:drop 5:switch open:drop "
      "msg:accept" },
    { "closed by the client during the probe",
      "open:accept 2probe:3probe post:accept close:POST,WS,END,FORGET "
      "5:drop" },
    { "closed during the probe: 2probe comes late",
      "open:accept post:accept close:POST,WS,END,FORGET 2probe:drop "
      "lost:drop" },
    { "kicked during the probe, 5 comes: the websocket gets the rest",
      "open:accept 2probe:3probe kick:END 5:switch ws-close:WS,FORGET" },
    { "kicked during the probe, a GET fetches the close",
      "open:accept 2probe:3probe kick:END get:answer now:noop-close" },
    { "kicked: no probe any more",
      "kick:END open:drop" },

    /* websocket */

    { "a websocket ignores 1",
      "open:accept 5:switch close: msg:accept" },
    { "a websocket with an error",
      "open:accept 5:switch ws-error:WS,END,FORGET" },
    { "a websocket is kicked",
      "open:accept 5:switch kick:WS,END ws-close:WS,FORGET" },
    { "a websocket's heartbeat is its worker's",
      "open:accept 5:switch @1250 time: @9999 time: msg:accept" },

    /* heartbeat: interval 250, timeout 200, begun at 1000 */

    { "ping at the interval, to the parked GET",
      "get:park @1249 time: @1250 time:GET look:send2 get:park" },
    { "ping waits for a GET",
      "@1250 time: get:answer now:send2 get:park" },
    { "ping goes with packets",
      "@1250 time: get+:answer now+:send2 get:park" },
    { "no pong",
      "get:park @1250 time:GET look:send2 get:park @1449 time: "
      "@1450 time:GET,END,FORGET look:close" },
    { "no pong, never polling",
      "@1250 time: @1450 time:END,FORGET" },
    { "pong sets the schedule",
      "@1250 time: get:answer now:send2 post:accept @1300 pong: post-done: "
      "@1549 time: @1550 time: @1749 time: @1750 time:END,FORGET" },
    { "a pong that nobody asked for, too",
      "post:accept @1200 pong: post-done: @1449 time: get:park "
      "@1450 time:GET" },
    { "eio 121: a packet extends the wait for a pong, once",
      "@1250 time: post:accept @1400 msg:accept @1500 msg:accept post-done: "
      "@1599 time: @1600 time:END,FORGET" },
    { "other packets extend nothing before the ping",
      "post:accept @1200 msg:accept post-done: get:park @1250 time:GET" },
    { "the clock was not looked at for long: ping first",
      "@9000 time: @9199 time: @9200 time:END,FORGET" },
    { "ping due during the upgrade goes with the switch",
      "get:park open:accept 2probe:3probe,GET @1250 time:GET look:send2 "
      "5:switch" },
};


static char *
print_actions(char *buf, ngx_uint_t mask)
{
    char        *p;
    ngx_uint_t   i;

    p = buf;
    *p = '\0';

    for (i = 0; i < 16; i++) {
        if (mask & (1 << i)) {
            p += sprintf(p, "%s%s", p == buf ? "" : ",",
                         i < nelts(actions) ? actions[i] : "?");
        }
    }

    return buf;
}


static void
run_step(ngx_socketio_eio_session_t *s, const char *word, uint64_t *now,
    char *got)
{
    ngx_uint_t                  i, ping;
    ngx_socketio_eio_answer_e   answer;

    strcpy(got, "?");

    if (word[0] == '@') {
        *now = strtoul(word + 1, NULL, 10);
        got[0] = '\0';
        return;
    }

    for (i = 0; i < nelts(events); i++) {
        if (strcmp(word, events[i]) == 0) {
            print_actions(got, ngx_socketio_eio_step(s, &conf, i, *now));
            return;
        }
    }

    if (strncmp(word, "look", 4) == 0 || strncmp(word, "now", 3) == 0) {
        answer = ngx_socketio_eio_answer(s, strchr(word, '+') != NULL,
                                         word[0] == 'l', &ping);
        sprintf(got, "%s%s", answers[answer], ping ? "2" : "");
    }
}


static void
test_script(const char *name, const char *script, ngx_uint_t revision)
{
    char                         text[512], got[128];
    char                        *step, *want, *save;
    uint64_t                     now;
    ngx_socketio_eio_session_t   s;

    strcpy(text, script);
    now = 1000;
    ngx_socketio_eio_begin(&s, &conf, revision, NGX_SOCKETIO_EIO_POLLING,
                           now);

    for (step = strtok_r(text, " ", &save);
         step;
         step = strtok_r(NULL, " ", &save))
    {
        want = strchr(step, ':');

        if (want) {
            *want++ = '\0';

        } else {
            want = "";
        }

        run_step(&s, step, &now, got);

        if (strcmp(got, want) != 0) {
            printf("# %s: got \"%s\", expected \"%s\"\n", step, got, want);
            break;
        }
    }

    ok(step == NULL, "%s", name);
}


static void
test_scripts(void)
{
    size_t  i;

    for (i = 0; i < nelts(scripts); i++) {
        test_script(scripts[i].name, scripts[i].script, 4);
    }
}


/* where an upgrade may be, and what then may happen */

enum {
    POLLING = 0,
    PROBE,                                  /* a websocket has come */
    PROBED,                                 /* 2probe */
    UPGRADED
};

static const char  *stages[] = {
    "polling", "probe open", "probed", "upgraded"
};

static struct {
    ngx_uint_t                stage;
    ngx_socketio_eio_event_e  event;
    ngx_uint_t                actions;      /* G and P: if there */
    ngx_uint_t                state;
    ngx_uint_t                reason;
} cases[] = {

#define OPENED    NGX_SOCKETIO_EIO_OPENED, NGX_SOCKETIO_REASON_NONE
#define LINGERS(r)  NGX_SOCKETIO_EIO_LINGERS, NGX_SOCKETIO_REASON_##r
#define CLOSED(r)   NGX_SOCKETIO_EIO_CLOSED, NGX_SOCKETIO_REASON_##r
#define EV(e)       NGX_SOCKETIO_EIO_EV_##e

    { POLLING, EV(PROBE_OPEN), NGX_SOCKETIO_EIO_ACCEPT, OPENED },
    { POLLING, EV(CLOSE), G|P|E|F, CLOSED(TRANSPORT_CLOSE) },
    { POLLING, EV(PING), G|P|E|F, CLOSED(TRANSPORT_ERROR) },
    { POLLING, EV(PARSE_ERROR), G|P|E|F, CLOSED(PARSE_ERROR) },
    { POLLING, EV(BAD_PACKET), G|E, LINGERS(FORCED) },
    { POLLING, EV(BAD_STATE), G|E, LINGERS(FORCED_SERVER) },
    { POLLING, EV(KICK), G|E, LINGERS(SERVER_NSP) },
    { POLLING, EV(TIME), G, OPENED },

    { PROBE, EV(PROBE_OPEN), NGX_SOCKETIO_EIO_DROP, OPENED },
    { PROBE, EV(PROBE_PING), NGX_SOCKETIO_EIO_PROBE_PONG|G, OPENED },
    { PROBE, EV(PROBE_UPGRADE), NGX_SOCKETIO_EIO_SWITCH|G, OPENED },
    { PROBE, EV(PROBE_LOST), NGX_SOCKETIO_EIO_DROP, OPENED },
    { PROBE, EV(CLOSE), G|P|W|E|F, CLOSED(TRANSPORT_CLOSE) },
    { PROBE, EV(PING), G|P|W|E|F, CLOSED(TRANSPORT_ERROR) },
    { PROBE, EV(PARSE_ERROR), G|P|W|E|F, CLOSED(PARSE_ERROR) },
    { PROBE, EV(KICK), G|E, LINGERS(SERVER_NSP) },
    { PROBE, EV(TIME), G, OPENED },

    { PROBED, EV(PROBE_OPEN), NGX_SOCKETIO_EIO_DROP, OPENED },
    { PROBED, EV(PROBE_PING), NGX_SOCKETIO_EIO_PROBE_PONG|G, OPENED },
    { PROBED, EV(PROBE_UPGRADE), NGX_SOCKETIO_EIO_SWITCH|G, OPENED },
    { PROBED, EV(PROBE_LOST), NGX_SOCKETIO_EIO_DROP, OPENED },
    { PROBED, EV(CLOSE), G|P|W|E|F, CLOSED(TRANSPORT_CLOSE) },
    { PROBED, EV(PARSE_ERROR), G|P|W|E|F, CLOSED(PARSE_ERROR) },
    { PROBED, EV(BAD_PACKET), G|E, LINGERS(FORCED) },
    { PROBED, EV(KICK), G|E, LINGERS(SERVER_NSP) },
    { PROBED, EV(TIME), G, OPENED },

    { UPGRADED, EV(PROBE_OPEN), NGX_SOCKETIO_EIO_DROP, OPENED },
    { UPGRADED, EV(GET), NGX_SOCKETIO_EIO_REFUSE, OPENED },
    { UPGRADED, EV(GET_PENDING), NGX_SOCKETIO_EIO_REFUSE, OPENED },
    { UPGRADED, EV(POST), NGX_SOCKETIO_EIO_REFUSE, OPENED },
    { UPGRADED, EV(CLOSE), 0, OPENED },
    { UPGRADED, EV(WS_CLOSE), G|P|W|E|F, CLOSED(TRANSPORT_CLOSE) },
    { UPGRADED, EV(WS_ERROR), G|P|W|E|F, CLOSED(TRANSPORT_ERROR) },
    { UPGRADED, EV(PARSE_ERROR), G|P|W|E|F, CLOSED(PARSE_ERROR) },
    { UPGRADED, EV(KICK), G|W|E, LINGERS(SERVER_NSP) },
    { UPGRADED, EV(TIME), 0, OPENED },
};


static void
test_case(size_t n, ngx_uint_t get, ngx_uint_t post)
{
    char                         got[128], want[128];
    ngx_uint_t                   done, expected, ping;
    ngx_socketio_eio_answer_e    answer;
    ngx_socketio_eio_session_t   s;

    ngx_socketio_eio_begin(&s, &conf, 4, NGX_SOCKETIO_EIO_POLLING, 1000);

    if (get) {
        ngx_socketio_eio_step(&s, &conf, EV(GET), 1000);
    }

    if (post) {
        ngx_socketio_eio_step(&s, &conf, EV(POST), 1000);
    }

    if (cases[n].stage >= PROBE) {
        ngx_socketio_eio_step(&s, &conf, EV(PROBE_OPEN), 1000);
    }

    if (cases[n].stage == PROBED) {
        ngx_socketio_eio_step(&s, &conf, EV(PROBE_PING), 1000);
    }

    if (cases[n].stage == UPGRADED) {
        ngx_socketio_eio_step(&s, &conf, EV(PROBE_UPGRADE), 1000);
    }

    expected = cases[n].actions;
    expected &= ~((get ? 0 : G)|(post ? 0 : P));

    done = ngx_socketio_eio_step(&s, &conf, cases[n].event, 1250);

    if (!ok(done == expected && s.state == cases[n].state
            && s.reason == cases[n].reason && s.get == get && s.post == post,
            "%s%s%s: %s", stages[cases[n].stage], get ? ", GET parked" : "",
            post ? ", POST in flight" : "", events[cases[n].event]))
    {
        printf("#   \"%s\", expected \"%s\", state %d, reason %d\n",
               print_actions(got, done), print_actions(want, expected),
               s.state, s.reason);
    }

    if (!get) {
        return;
    }

    /* the GET that was parked all along */

    answer = ngx_socketio_eio_answer(&s, 0, 1, &ping);

    ok(answer == (s.transport == NGX_SOCKETIO_EIO_WEBSOCKET
                      ? NGX_SOCKETIO_EIO_SEND_CLOSE
                  : s.state == NGX_SOCKETIO_EIO_CLOSED && s.polite
                      ? NGX_SOCKETIO_EIO_SEND_NOOP
                  : s.state != NGX_SOCKETIO_EIO_OPENED
                      ? NGX_SOCKETIO_EIO_SEND_CLOSE
                  : cases[n].event == EV(TIME)
                      ? NGX_SOCKETIO_EIO_SEND
                  : s.probe == NGX_SOCKETIO_EIO_PROBED
                      ? NGX_SOCKETIO_EIO_SEND_NOOP : NGX_SOCKETIO_EIO_STAY)
       && ping == (answer == NGX_SOCKETIO_EIO_SEND),
       "... and its answer: %s", answers[answer]);
}


static void
test_reasons(void)
{
    ok(ngx_socketio_reason(NGX_SOCKETIO_REASON_NONE)->len == 0, "no reason");
    ok(ngx_socketio_reason(NGX_SOCKETIO_REASON_LAST)->len == 0,
       "none beyond the last");
    ok(strcmp((char *) ngx_socketio_reason(NGX_SOCKETIO_REASON_SHUTDOWN)->data,
              "server shutting down")
       == 0, "the last");
    ok(strcmp((char *)
              ngx_socketio_reason(NGX_SOCKETIO_REASON_PING_TIMEOUT)->data,
              "ping timeout")
       == 0, "one in the middle");

    ok(ngx_socketio_eio_reason(NGX_SOCKETIO_REASON_SHUTDOWN)
       == ngx_socketio_reason(NGX_SOCKETIO_REASON_FORCED)
       && ngx_socketio_eio_reason(NGX_SOCKETIO_REASON_PARSE_ERROR)
          == ngx_socketio_reason(NGX_SOCKETIO_REASON_PARSE_ERROR),
       "in words that know no namespaces");
}


/* the part that a websocket's worker runs on its copy */

static void
test_beat(void)
{
    ngx_socketio_eio_session_t   s;
    ngx_socketio_eio_beat_t     *beat;

    ngx_socketio_eio_begin(&s, &conf, 4, NGX_SOCKETIO_EIO_WEBSOCKET, 1000);
    beat = &s.beat;

    ok(beat->at == 1250, "the first ping after an interval");
    ok(ngx_socketio_eio_beat(beat, &conf, 1249) == NGX_OK, "not yet");
    ok(ngx_socketio_eio_beat(beat, &conf, 1253) == NGX_AGAIN, "ping");
    ok(beat->at == 1453, "the timeout counts from the ping");
    ok(ngx_socketio_eio_beat(beat, &conf, 1452) == NGX_OK, "waiting");

    ngx_socketio_eio_heard(beat, &conf, 1400);
    ok(beat->at == 1600, "a packet extends it");
    ngx_socketio_eio_heard(beat, &conf, 1500);
    ok(beat->at == 1600, "once");

    ngx_socketio_eio_pong(beat, &conf, 1550);
    ok(beat->at == 1800, "pong");
    ngx_socketio_eio_heard(beat, &conf, 1700);
    ok(beat->at == 1800, "no extension while nothing is awaited");
    ok(ngx_socketio_eio_beat(beat, &conf, 1800) == NGX_AGAIN, "ping");
    ngx_socketio_eio_heard(beat, &conf, 1900);
    ok(beat->at == 2100, "each ping may be extended");
    ok(ngx_socketio_eio_beat(beat, &conf, 2099) == NGX_OK, "waiting");
    ok(ngx_socketio_eio_beat(beat, &conf, 2100) == NGX_DONE, "timed out");

    /* nobody looked: the process was stopped, the machine suspended */

    ok(ngx_socketio_eio_beat(beat, &conf, 3099) == NGX_DONE, "a bit late");
    ok(ngx_socketio_eio_beat(beat, &conf, 3100) == NGX_OK
       && beat->at == 3300, "as if asleep: a timeout more");
    ok(ngx_socketio_eio_beat(beat, &conf, 3300) == NGX_DONE, "then over");

    ok(ngx_socketio_eio_grace(1000, 2500, 2000) == 1500, "as long as it slept");
    ok(ngx_socketio_eio_grace(1000, 5000, 2000) == 2000, "at the most");
}


/* revision 3: the client pings, and whatever it sends is a sign of life */

static struct {
    const char  *name;
    const char  *script;
} scripts3[] = {
    { "the parked GET has the answer to a ping",
      "get:park post:accept ping:GET look:send2 post-done: get:park" },
    { "one that comes later, too",
      "ping: get:answer now:send2 get:park" },
    { "behind what is queued",
      "get:park ping:GET look+:send2 get:park" },
    { "two pings, one answer",
      "ping: ping: get:answer now:send2 get:park" },
    { "a pong takes no answer away",
      "ping: pong: get:answer now:send2" },
    { "the server never pings",
      "get:park @1250 time: look:stay @1449 time: look:stay" },
    { "silence",
      "get:park @1450 time:GET,END,FORGET look:close" },
    { "a ping puts off the end",
      "@1400 ping: @1849 time: @1850 time:END,FORGET" },
    { "so does a message",
      "post:accept @1400 msg:accept post-done: @1849 time: "
      "@1850 time:END,FORGET" },
    { "and a pong",
      "@1400 pong: @1849 time: @1850 time:END,FORGET" },
    { "requests do not",
      "@1400 get:park post:accept @1450 time:GET,POST,END,FORGET look:close "
      "post-done:" },
    { "each packet by as much",
      "@1400 msg:accept @1800 msg:accept @2200 ping: @2649 time: "
      "@2650 time:END,FORGET" },
    { "a ping while it upgrades",
      "get:park open:accept ping:GET look:send2 get:short 2probe:3probe,GET "
      "look:noop 5:switch" },
    { "a ping with the probe there, GET parked",
      "get:park open:accept 2probe:3probe,GET ping:GET look:send2" },
    { "on a websocket the worker answers",
      "open:accept 5:switch ping: time: msg:accept" },
    { "kicked: no answer, but the close",
      "ping: kick:END get:answer now:noop-close" },
    { "lingering: a ping is nothing",
      "kick:END ping: get:answer now:noop-close" },
    { "closed: nothing is anything",
      "close:END,FORGET ping: pong: msg: time:" },
};


static void
test_beat3(void)
{
    size_t                       i;
    ngx_socketio_eio_session_t   s;
    ngx_socketio_eio_beat_t     *beat;

    for (i = 0; i < nelts(scripts3); i++) {
        test_script(scripts3[i].name, scripts3[i].script, 3);
    }

    ngx_socketio_eio_begin(&s, &conf, 3, NGX_SOCKETIO_EIO_POLLING, 1000);
    (void) ngx_socketio_eio_step(&s, &conf, NGX_SOCKETIO_EIO_EV_PING, 1100);
    (void) ngx_socketio_eio_step(&s, &conf, NGX_SOCKETIO_EIO_EV_PROBE_OPEN,
                                 1100);
    (void) ngx_socketio_eio_step(&s, &conf,
                                 NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE, 1200);
    ok(s.ping && s.beat.at == 1550,
       "an unanswered ping goes with the upgrade");

    /* a websocket's own */

    ngx_socketio_eio_begin(&s, &conf, 3, NGX_SOCKETIO_EIO_WEBSOCKET, 1000);
    beat = &s.beat;

    ok(beat->at == 1450, "interval and timeout");
    ok(ngx_socketio_eio_beat(beat, &conf, 1449) == NGX_OK, "not yet");
    ngx_socketio_eio_heard(beat, &conf, 1440);
    ok(ngx_socketio_eio_beat(beat, &conf, 1889) == NGX_OK, "heard");
    ngx_socketio_eio_pong(beat, &conf, 1880);
    ok(beat->at == 2330, "a pong is a packet like any other");
    ok(ngx_socketio_eio_beat(beat, &conf, 2330) == NGX_DONE, "timed out");
}


int
main(void)
{
    size_t  i, k;

    test_scripts();

    for (i = 0; i < nelts(cases); i++) {
        for (k = 0; k < 4; k++) {
            test_case(i, k & 1, k >> 1);
        }
    }

    test_reasons();
    test_beat();
    test_beat3();

    return tap_done();
}
