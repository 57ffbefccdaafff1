
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What the load generators share: connections to 127.0.0.1, frames, time. */


#ifndef _WIRE_H_INCLUDED_
#define _WIRE_H_INCLUDED_


#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define MESSAGE_MAX   60000
#define MAX_EVENTS    512


static void
die(const char *what)
{
    perror(what);
    exit(2);
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static int
dial(int port)
{
    int                 fd, one;
    static unsigned     host;
    struct sockaddr_in  sin, from;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd == -1) {
        die("socket");
    }

    one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));

    /* 28,000 ports an address: enough for anybody with several of these */

    memset(&from, 0, sizeof(from));
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7f000001 + (host++ / 20000));

    if (bind(fd, (struct sockaddr *) &from, sizeof(from)) == -1) {
        die("bind");
    }

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
        die("connect");
    }

    return fd;
}


static void
put(int fd, const void *p, size_t len)
{
    ssize_t  n;

    while (len) {
        n = write(fd, p, len);
        if (n == -1) {
            if (errno == EAGAIN) {
                continue;
            }

            die("write");
        }

        p = (const char *) p + n;
        len -= (size_t) n;
    }
}


/* a masked text frame; the mask of zeros is a legal one */

static void
put_text(int fd, const char *text)
{
    size_t         len;
    unsigned char  frame[128];

    len = strlen(text);
    frame[0] = 0x81;
    frame[1] = (unsigned char) (0x80 | len);
    memset(&frame[2], 0, 4);
    memcpy(&frame[6], text, len);

    put(fd, frame, len + 6);
}


#endif /* _WIRE_H_INCLUDED_ */
