
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "hook/ngx_http_socketio_call.h"
#include "hook/ngx_http_socketio_lane.h"
#include "delivery/ngx_socketio_worker.h"


static ngx_int_t ngx_http_socketio_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_socketio_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_socketio_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_socketio_bind(ngx_cycle_t *cycle);
static void ngx_http_socketio_leave(ngx_socketio_zone_t *zone);
static void ngx_http_socketio_hurry(ngx_socketio_zone_t *zone);
static void ngx_http_socketio_shutdown(ngx_event_t *ev);
static void ngx_http_socketio_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_socketio_module_ctx = {
    ngx_http_socketio_add_variables,       /* preconfiguration */
    ngx_http_socketio_init,                /* postconfiguration */

    ngx_http_socketio_create_main_conf,    /* create main configuration */
    ngx_http_socketio_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_socketio_create_loc_conf,     /* create location configuration */
    ngx_http_socketio_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_socketio_module = {
    NGX_MODULE_V1,
    &ngx_http_socketio_module_ctx,         /* module context */
    ngx_http_socketio_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_socketio_init_module,         /* init module */
    ngx_http_socketio_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_socketio_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* of the configuration this process runs; NULL: it has no http block */

static ngx_http_socketio_main_conf_t  *ngx_http_socketio_current;
static ngx_uint_t                      ngx_http_socketio_bound;
static ngx_event_t                     ngx_http_socketio_end;
static ngx_connection_t                ngx_http_socketio_end_ident;


ngx_http_socketio_loc_conf_t *
ngx_http_socketio_location(ngx_socketio_zone_t *zone, uint32_t number)
{
    ngx_uint_t                      i;
    ngx_socketio_zone_t            *own;
    ngx_http_socketio_loc_conf_t  **slcf;

    if (ngx_http_socketio_current == NULL) {
        return NULL;
    }

    slcf = ngx_http_socketio_current->locations.elts;

    for (i = 0; i < ngx_http_socketio_current->locations.nelts; i++) {

        if (slcf[i]->number != number) {
            continue;
        }

        /* by its memory: a zone of the cycle before may still be around */

        own = slcf[i]->shm_zone->data;

        if (own->sh == zone->sh) {
            return slcf[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_socketio_init(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_socketio_loc_conf_t  **slcf;
    ngx_http_socketio_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_socketio_module);
    slcf = smcf->locations.elts;

    for (i = 0; i < smcf->locations.nelts; i++) {
        if (ngx_http_socketio_add_hook_nsps(cf, slcf[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* before the access log, which is there already */

    h = cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.elts;

    for (i = cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.nelts - 1; i; i--) {
        h[i] = h[i - 1];
    }

    h[0] = ngx_http_socketio_log_handler;

    /* what comes last goes first: before all that may refuse a request */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_socketio_rewrite_handler;

    return ngx_http_socketio_call_filter_init(cf);
}


static ngx_int_t
ngx_http_socketio_init_module(ngx_cycle_t *cycle)
{
    if (ngx_test_config) {
        return NGX_OK;
    }

    ngx_http_socketio_current = NULL;

    if (ngx_get_conf(cycle->conf_ctx, ngx_http_module) == NULL) {
        return NGX_OK;
    }

    ngx_http_socketio_current = ngx_http_cycle_get_module_main_conf(cycle,
                                                    ngx_http_socketio_module);

    if (ngx_http_socketio_current->zones.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_socketio_worker_init_module(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    /* init_process is not repeated where master and worker are one process */

    if (ngx_http_socketio_bound && ngx_process == NGX_PROCESS_SINGLE) {
        return ngx_http_socketio_bind(cycle);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_init_process(ngx_cycle_t *cycle)
{
    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (ngx_http_socketio_current == NULL
        || ngx_http_socketio_current->zones.nelts == 0)
    {
        return NGX_OK;
    }

    return ngx_http_socketio_bind(cycle);
}


static ngx_int_t
ngx_http_socketio_bind(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_socketio_zone_t  **zones;

    zones = ngx_http_socketio_current->zones.elts;

    for (i = 0; i < ngx_http_socketio_current->zones.nelts; i++) {
        zones[i]->inbox = ngx_http_socketio_lane_inbox;
        zones[i]->leave = ngx_http_socketio_leave;
        zones[i]->hurry = ngx_http_socketio_hurry;
    }

    ngx_http_socketio_bound = 1;

    return ngx_socketio_worker_init(cycle, zones,
                                    ngx_http_socketio_current->zones.nelts);
}


/*
 * A graceful shutdown begins: others take the inboxes.  nginx's own timer for
 * the end of it does not know of backend calls in flight.
 */

static void
ngx_http_socketio_leave(ngx_socketio_zone_t *zone)
{
    ngx_core_conf_t  *ccf;

    ngx_http_socketio_lane_leave();

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    if (ccf->shutdown_timeout && !ngx_http_socketio_end.timer_set) {
        ngx_http_socketio_end.handler = ngx_http_socketio_shutdown;
        ngx_http_socketio_end.log = ngx_cycle->log;
        ngx_http_socketio_end.data = &ngx_http_socketio_end_ident;
        ngx_http_socketio_end.cancelable = 1;

        ngx_add_timer(&ngx_http_socketio_end, ccf->shutdown_timeout);
    }
}


static void
ngx_http_socketio_hurry(ngx_socketio_zone_t *zone)
{
    ngx_http_socketio_drain_hurry();
}


static void
ngx_http_socketio_shutdown(ngx_event_t *ev)
{
    ngx_http_socketio_lane_stop();
}


static void
ngx_http_socketio_exit_process(ngx_cycle_t *cycle)
{
    if (!ngx_http_socketio_bound) {
        return;
    }

    ngx_http_socketio_lane_exit();
    ngx_socketio_worker_exit(cycle);
}
