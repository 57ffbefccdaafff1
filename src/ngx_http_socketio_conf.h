
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* private to the files of this directory: directives, variables, init */


#ifndef _NGX_HTTP_SOCKETIO_CONF_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_CONF_H_INCLUDED_


#include "ngx_http_socketio.h"


#define NGX_HTTP_SOCKETIO_TIME_MAX   86400000    /* ms: a day */


void *ngx_http_socketio_create_main_conf(ngx_conf_t *cf);
/* numbers the locations: before the merge, which copies them to "if" blocks */
char *ngx_http_socketio_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_socketio_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_socketio_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

ngx_int_t ngx_http_socketio_add_hook_nsps(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *conf);

void ngx_http_socketio_merge_limits(ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf);
/* contradictions: when all is merged, and in what was said at this level */
char *ngx_http_socketio_check_limits(ngx_conf_t *cf, ngx_str_t *location,
    ngx_http_socketio_loc_conf_t *conf);
char *ngx_http_socketio_check_burst(ngx_conf_t *cf, ngx_str_t *location,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf);

/* setters of directives that have arguments of their own kind */

char *ngx_http_socketio_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_socketio(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_publish(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_hook(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_hook_batch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_hook_headers(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_hook_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_hook_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_namespaces(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_transports(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_deflate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_origins(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_cookie(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_client(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_limits(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_drain(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_socketio_conf_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* "directive "value" what", and NGX_CONF_ERROR */
char *ngx_http_socketio_conf_error(ngx_conf_t *cf, ngx_str_t *value,
    char *what);
ngx_array_t *ngx_http_socketio_conf_default_headers(ngx_conf_t *cf);

ngx_int_t ngx_http_socketio_add_variables(ngx_conf_t *cf);


extern ngx_command_t  ngx_http_socketio_commands[];


#endif /* _NGX_HTTP_SOCKETIO_CONF_H_INCLUDED_ */
