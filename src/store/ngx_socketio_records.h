
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The records of the zone.  store/ alone changes them, under the lock; what
 * others may read, and when, is said by the function that hands it out.
 *
 * Owner and order are truth, links are cache: a member names its socket and
 * room, a node its session or slot and its number, an event its session, a
 * chunk of bytes its owner and position.
 */


#ifndef _NGX_SOCKETIO_RECORDS_H_INCLUDED_
#define _NGX_SOCKETIO_RECORDS_H_INCLUDED_


#include "store/ngx_socketio_zone.h"
#include "proto/ngx_socketio_eio_session.h"


#define NGX_SOCKETIO_SID             16     /* random bytes */
#define NGX_SOCKETIO_SID_TEXT        22     /* base64url of them */
#define NGX_SOCKETIO_SECRET          7      /* random bytes of a socket's id */
#define NGX_SOCKETIO_SOCKET_TEXT     20     /* base64url: ref, gen, secret */
#define NGX_SOCKETIO_PASS_KEY        12     /* random bytes of a pass */
#define NGX_SOCKETIO_RING            128    /* bells a slot keeps */
#define NGX_SOCKETIO_KEY_MAX         64     /* bytes of a command's key */
#define NGX_SOCKETIO_KEY_OP          15     /* ... and name, with its 0 */


/* connections of a session, each in some worker */

enum {
    NGX_SOCKETIO_CONN_GET = 0,
    NGX_SOCKETIO_CONN_POST,
    NGX_SOCKETIO_CONN_WS,                   /* websocket, or probe */
    NGX_SOCKETIO_CONNS
};


typedef struct {
    uint32_t                   gen;         /* of the slot; 0: none */
    uint32_t                   handle;      /* the worker's word for it */
    uint16_t                   slot;
} ngx_socketio_conn_t;


/* what a client can read; fixed at the handshake of polling */

typedef struct {
    ngx_uint_t                 revision;    /* 3 or 4 */
    uint32_t                   jsonp;       /* see below */
    unsigned                   base64:1;    /* binary as text */
    unsigned                   raw:1;       /* no Socket.IO */
    unsigned                   limited:1;   /* what it sends is charged */
} ngx_socketio_peer_t;

/*
 * 0: no JSONP, 1: its "j" has no digits (NGX_SOCKETIO_JSONP_NONE), else their
 * number + 2; and back
 */
#define ngx_socketio_peer_jsonp(j)      ((uint32_t) (j) + 2)
#define ngx_socketio_peer_index(jsonp)  ((uint32_t) (jsonp) - 2)


/* by size, so that nothing is lost between fields: 19 go on a page */

typedef struct {
    ngx_socketio_rec_t         rec;
    u_char                     sid[NGX_SOCKETIO_SID];

    ngx_socketio_eio_session_t eio;
    uint64_t                   deadline;    /* ms: first join; what a packet
                                               lacks; or, when it lingers, the
                                               end; 0: none */
    uint64_t                   from_seq;    /* a websocket ignores older */

    ngx_socketio_ref_t         hash_next;
    uint32_t                   location;    /* stable over reloads */
    uint32_t                   jsonp;       /* see ngx_socketio_peer_t */
    ngx_socketio_ref_t         budget;      /* 0: none */

    /* as at the handshake; a day has less than 2^27 ms */

    unsigned                   interval:27;
    unsigned                   hooked:1;    /* a backend hears of it */
    unsigned                   stuffed:1;   /* somebody waits for room in the
                                               inbox */
    unsigned                   handed:1;    /* to an owner that has not looked
                                               yet */
    unsigned                   kicked:1;    /* the server ended a socket */
    unsigned                   raw:1;       /* Engine.IO without Socket.IO */

    unsigned                   timeout:27;
    unsigned                   base64:1;    /* polling peer takes no binary */
    unsigned                   limited:1;   /* its budget has a rate */
    unsigned                   lacking:1;   /* "deadline" is the partial's */

    ngx_socketio_ref_t         wheel_next;
    ngx_socketio_ref_t         wheel_prev;
    uint16_t                   wheel;       /* bucket + 1; 0: in none */
    uint16_t                   nsockets;

    uint16_t                   owner;       /* slot of the hook owner */
    uint16_t                   handshake_len;
    uint32_t                   owner_gen;   /* 0: nobody owns the inbox */
    uint32_t                   tenure;

    ngx_socketio_ref_t         outbox;      /* nodes, oldest first */
    ngx_socketio_ref_t         outbox_tail;
    uint32_t                   outbox_n;
    uint32_t                   outbox_bytes;
    uint32_t                   outbox_max;
    uint32_t                   outbox_max_bytes;

    ngx_socketio_ref_t         inbox;       /* events and ended sockets */
    ngx_socketio_ref_t         inbox_tail;
    uint32_t                   inbox_n;
    uint32_t                   inbox_bytes;
    uint32_t                   inbox_max;
    uint32_t                   inbox_max_bytes;

    ngx_socketio_ref_t         sockets;
    ngx_socketio_ref_t         partial;     /* event that lacks attachments */
    ngx_socketio_ref_t         handshake;   /* bytes */

    ngx_socketio_conn_t        conns[NGX_SOCKETIO_CONNS];
} ngx_socketio_session_t;


enum {
    NGX_SOCKETIO_SOCKET_PENDING = 0,        /* its connect is not answered */
    NGX_SOCKETIO_SOCKET_CONNECTED,
    NGX_SOCKETIO_SOCKET_ENDED,              /* its disconnect entry is linked,
                                               or nobody need hear of it */
    NGX_SOCKETIO_SOCKET_ORPHAN,             /* ended while pending: the answer
                                               to its connect decides */
    NGX_SOCKETIO_SOCKET_REFUSED,            /* goes with its connect's entry */
    NGX_SOCKETIO_SOCKET_LOST                /* the backend has heard of its
                                               end: without a session until it
                                               is recovered, or forgotten */
};


typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         session;
    ngx_socketio_ref_t         nsp;         /* a room without parent */
    ngx_socketio_ref_t         next;        /* of the session */
    ngx_socketio_ref_t         members;
    ngx_socketio_ref_t         inbox_next;  /* as its own disconnect entry */
    uint32_t                   seq;         /* of the next hook event */
    uint64_t                   mark;        /* seq of the last emit met; ended:
                                               its order in the inbox, 0: it is
                                               not in there yet */
    uint64_t                   time;        /* ms since 1970: it ended */
    ngx_socketio_ref_t         data;        /* bytes: session data, JSON */
    uint16_t                   data_len;
    uint16_t                   nrooms;
    uint32_t                   end_seq;     /* of its disconnect event */
    ngx_socketio_ref_t         pass;        /* 0: cannot be recovered */
    ngx_socketio_ref_t         awaited;     /* events: acks it has to send,
                                               the newest first */
    uint16_t                   nawaited;
    u_char                     secret[NGX_SOCKETIO_SECRET];
    uint8_t                    state;
    uint8_t                    reason;
} ngx_socketio_socket_t;


/* by what a socket is known again; while it is lost, on the zone's list */

typedef struct {
    ngx_socketio_rec_t         rec;
    uint64_t                   time;        /* ms: its connection ended */
    ngx_socketio_ref_t         socket;
    ngx_socketio_ref_t         next;
    ngx_socketio_ref_t         prev;
    uint32_t                   location;    /* of its last session */
    u_char                     key[NGX_SOCKETIO_PASS_KEY];
} ngx_socketio_pass_t;


/* A namespace is a room without parent; its members are all its sockets. */

typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         parent;
    ngx_socketio_ref_t         hash_next;
    uint32_t                   hash;
    ngx_socketio_ref_t         name;        /* bytes */
    uint32_t                   name_len;
    uint32_t                   refs;        /* members, also of ended sockets,
                                               rooms below, sockets */
    ngx_socketio_ref_t         list[2];     /* members: polling, websocket */
    uint32_t                   n[2];
    uint64_t                   mark;        /* seq: of the socket recovered */
} ngx_socketio_room_t;


typedef struct {
    ngx_socketio_rec_t         rec;         /* kind: which list */
    ngx_socketio_ref_t         socket;
    ngx_socketio_ref_t         room;
    ngx_socketio_ref_t         next;
    ngx_socketio_ref_t         prev;
    ngx_socketio_ref_t         socket_next;
} ngx_socketio_member_t;


/* what a mailbox brings to a worker, a node's kind */

enum {
    NGX_SOCKETIO_TO_SOCKET = 0,             /* message to conn */
    NGX_SOCKETIO_TO_ROOM,                   /* message to room */
    NGX_SOCKETIO_NOT_SOCKET,                /* this seq passes it by */
    NGX_SOCKETIO_NOT_ROOM,
    NGX_SOCKETIO_JOINED,                    /* socket of conn is in room */
    NGX_SOCKETIO_LEFT
};

/* flags of an emit: rec.link of its nodes */

#define NGX_SOCKETIO_VOLATILE        0x01
#define NGX_SOCKETIO_PLAIN           0x02   /* not to be compressed */

/* ... and of a node that came from an outbox to a held list */

#define NGX_SOCKETIO_HELD            0x8000


typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         owner;       /* session, or slot if < 256 */
    ngx_socketio_ref_t         next;
    ngx_socketio_ref_t         prev;
    ngx_socketio_ref_t         message;
    uint64_t                   seq;
    ngx_socketio_ref_t         room;
    uint32_t                   room_gen;
    ngx_socketio_ref_t         socket;
    uint32_t                   conn;        /* handle in this slot */
    uint32_t                   session_gen;
} ngx_socketio_node_t;


/*
 * Immutable once emitted: the very bytes a revision 4 websocket receives, one
 * frame for the packet and one for each attachment.
 */

typedef struct {
    ngx_socketio_rec_t         rec;
    uint32_t                   nodes;       /* that hold it */
    uint32_t                   len;
    ngx_socketio_ref_t         bytes;
    ngx_socketio_ref_t         owner;       /* slot + 1 while it is filled */
    ngx_socketio_ref_t         next;
    ngx_socketio_ref_t         prev;
} ngx_socketio_message_t;


enum {
    NGX_SOCKETIO_EVENT_CONNECT = 0,
    NGX_SOCKETIO_EVENT_RECOVERED,           /* a connect that needs no answer */
    NGX_SOCKETIO_EVENT_EVENT,
    NGX_SOCKETIO_EVENT_TEXT,                /* messages of a raw session */
    NGX_SOCKETIO_EVENT_BINARY,
    NGX_SOCKETIO_EVENT_DROPPED,             /* the backend does not want it:
                                               waits for its attachments */
    NGX_SOCKETIO_EVENT_ACK,                 /* the answer to an emit */
    NGX_SOCKETIO_EVENT_ACK_TIMEOUT,         /* ... which did not come */
    NGX_SOCKETIO_EVENT_ACK_GONE,            /* ... and its socket has ended */
    NGX_SOCKETIO_EVENT_ACK_PART             /* one that lacks attachments */
};


/*
 * An answer that is awaited is an event already, of its socket's list and of
 * its ack's: whatever comes of it, an entry or one for the worker that waits,
 * needs no memory then but for what the client says.
 */


typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         session;
    ngx_socketio_ref_t         socket;      /* 0: ended before all was there */
    ngx_socketio_ref_t         next;        /* of the inbox */
    uint32_t                   seq;
    uint32_t                   body_len;
    uint32_t                   order;       /* in the inbox, or of answers; 0:
                                               it is in neither */
    uint64_t                   time;        /* ms since 1970 */
    uint64_t                   ack;         /* client's id + 1; 0: none.  ACK:
                                               the ack; PART: its number */
    ngx_socketio_ref_t         ack_next;    /* awaited by the same ack */
    ngx_socketio_ref_t         ack_prev;
    ngx_socketio_ref_t         body;        /* bytes: JSON as it came */
    ngx_socketio_ref_t         attached;    /* bytes: each with a u32 length */
    ngx_socketio_ref_t         attached_tail;
    uint32_t                   attached_len;
    uint16_t                   attachments; /* announced */
    uint16_t                   got;
} ngx_socketio_event_t;


/*
 * An emit that clients are to acknowledge, and who is told: the backend, with
 * the token, or a worker that waits; then it is on the list of that slot.
 */

typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         awaited;     /* events */
    ngx_socketio_ref_t         answers;     /* events, for who waits */
    ngx_socketio_ref_t         answers_tail;
    ngx_socketio_ref_t         token;       /* bytes: JSON; 0: a worker waits */
    uint64_t                   number;      /* the packet's id */
    uint64_t                   deadline;    /* ms */
    uint32_t                   expected;
    uint32_t                   received;
    uint32_t                   refs;        /* events that name it */
    uint16_t                   token_len;
    uint16_t                   wheel;       /* as in a session */
    ngx_socketio_ref_t         wheel_next;
    ngx_socketio_ref_t         wheel_prev;
    ngx_socketio_ref_t         next;        /* of the slot */
    ngx_socketio_ref_t         prev;
    ngx_socketio_conn_t        conn;        /* who waits */
    uint8_t                    sending;     /* not everybody is told yet */
} ngx_socketio_ack_t;


enum {
    NGX_SOCKETIO_KEY_RUNS = 0,              /* rec.kind of a key */
    NGX_SOCKETIO_KEY_SENT,                  /* ... and all have its message */
    NGX_SOCKETIO_KEY_RAN
};


/*
 * Of a command, as given; found by its hash, forgotten by its deadline.
 * rec.link: the slot whose worker runs it.
 */

typedef struct {
    ngx_socketio_rec_t         rec;
    uint64_t                   deadline;    /* ms: those before have less */
    ngx_socketio_ref_t         next;
    ngx_socketio_ref_t         prev;
    ngx_socketio_ref_t         hash_next;
    uint32_t                   hash;
    uint32_t                   slot_gen;
    uint32_t                   count;       /* the result of the command */
    u_char                     op[NGX_SOCKETIO_KEY_OP];
    uint8_t                    len;
    u_char                     key[NGX_SOCKETIO_KEY_MAX];
} ngx_socketio_keyed_t;


/*
 * A message that a lost socket may have missed, which it holds as a node
 * does.  A word is a room, counted as if it had a member more (gen 0), or a
 * socket, which may be gone.
 */

#define NGX_SOCKETIO_LOG_WORDS       4

typedef struct {
    ngx_socketio_rec_t         rec;
    uint64_t                   token;       /* its offset as clients know it */
    uint64_t                   time;        /* ms */
    ngx_socketio_ref_t         next;        /* of the zone's */
    ngx_socketio_ref_t         prev;
    ngx_socketio_ref_t         message;
    ngx_socketio_ref_t         nsp;         /* counted like a room */
    ngx_socketio_ref_t         more;        /* bytes: all words, if there are
                                               more than... */
    uint16_t                   nin;         /* 0: for all */
    uint16_t                   nexcept;     /* behind those */
    ngx_socketio_id_t          words[NGX_SOCKETIO_LOG_WORDS];
} ngx_socketio_log_t;


/*
 * An address that sessions come from, while there are any: as many as budgets
 * name it, which n is a cache of.  IPv4 is 4 bytes, IPv6 a /64; of unix
 * sockets there is one, without any.
 */

#define NGX_SOCKETIO_ADDRESS_MAX     8

typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         hash_next;
    uint32_t                   hash;
    uint32_t                   n;
    uint8_t                    len;
    u_char                     address[NGX_SOCKETIO_ADDRESS_MAX];
} ngx_socketio_address_t;


/*
 * What a session may use, as at its handshake: its place among those of its
 * address, and two token buckets.  One event is NGX_SOCKETIO_BUDGET_EVENT, so
 * that "rate" is added each ms; one byte NGX_SOCKETIO_BUDGET_BYTE, likewise.
 */

#define NGX_SOCKETIO_BUDGET_EVENT    60000
#define NGX_SOCKETIO_BUDGET_BYTE     1000

typedef struct {
    ngx_socketio_rec_t         rec;
    ngx_socketio_ref_t         session;
    ngx_socketio_ref_t         address;     /* 0: not counted */
    uint64_t                   at;          /* ms: when there were... */
    int64_t                    events;
    int64_t                    bytes;       /* below 0: a debt */
    uint32_t                   rate;        /* events a minute; 0: off */
    uint32_t                   burst;       /* events */
    uint32_t                   bytes_rate;  /* a second; 0: off */
    uint32_t                   paused;      /* it has been told to wait */
} ngx_socketio_budget_t;


struct ngx_socketio_slot_s {
    uint32_t                   gen;         /* of the claim; 0: free */
    uint32_t                   websockets;  /* sessions with one here */
    uint64_t                   tick;        /* ms: last sign of life */
    uint64_t                   lag;         /* ms: how late that was */
    uint64_t                   pid;

    ngx_socketio_ref_t         mailbox;
    ngx_socketio_ref_t         mailbox_tail;
    uint32_t                   mailbox_n;

    ngx_socketio_ref_t         held;
    ngx_socketio_ref_t         held_tail;
    uint64_t                   taken;       /* seq: up to this one, nodes are
                                               on the held list */

    ngx_socketio_ref_t         messages;    /* being filled */
    ngx_socketio_ref_t         acks;        /* that it waits for */

    uint8_t                    exiting;     /* takes no inbox any more */
    uint8_t                    overrun;
    uint8_t                    robbed;      /* its sessions are others' */
    uint8_t                    all;         /* the ring was full: look at all
                                               of yours */
    uint8_t                    hurry;       /* others need it: leave soon */
    uint32_t                   ring_head;
    uint32_t                   ring_tail;
    ngx_socketio_id_t          ring[NGX_SOCKETIO_RING];
};


/* of a node of this slot: it is on the held list, not in the mailbox */

#define ngx_socketio_node_held(slot, node)                                    \
    (((node)->rec.link & NGX_SOCKETIO_HELD) || (node)->seq <= (slot)->taken)


#endif /* _NGX_SOCKETIO_RECORDS_H_INCLUDED_ */
