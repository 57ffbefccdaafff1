
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Keys: a command that changes or sends something runs once, however often
 * somebody who did not get its result repeats it.
 */


#include "client/ngx_http_socketio_command_internal.h"
#include "store/ngx_socketio_key.h"


static void ngx_http_socketio_command_key_result(
    ngx_http_socketio_command_t *command, ngx_socketio_key_result_t *result);


ngx_int_t
ngx_http_socketio_command_key(ngx_http_socketio_run_t *run)
{
    json_t                       *value;
    ngx_int_t                     rc;
    ngx_str_t                     text;
    ngx_socketio_name_t           key;
    ngx_socketio_key_result_t     result;
    ngx_http_socketio_command_t  *command;

    command = run->command;
    value = json_object_get(run->object, "key");

    if (value == NULL) {
        return NGX_OK;
    }

    if (!json_is_string(value)
        || json_string_length(value) == 0
        || json_string_length(value) > NGX_SOCKETIO_KEY_MAX)
    {
        return ngx_http_socketio_command_error(run, "bad_args",
                                       "key is not a string of 1 to 64 bytes");
    }

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    ngx_socketio_name_set(&key, &text);
    ngx_http_socketio_command_key_result(command, &result);

    rc = ngx_socketio_key_take(command->zone, &key, &run->key, &result,
                               ngx_current_msec);

    switch (rc) {

    case NGX_OK:
        run->keyed = 1;
        return NGX_OK;

    case NGX_DONE:
        command->op = ngx_http_socketio_command_op_name(result.op);
        command->count = result.count;
        command->dup = 1;
        return NGX_DONE;

    case NGX_DECLINED:
        command->error = "busy";
        command->message = "a command with this key is running";
        return NGX_BUSY;

    default: /* NGX_BUSY */
        return ngx_http_socketio_command_done(run, NGX_ERROR, 0);
    }
}


void
ngx_http_socketio_command_key_end(ngx_http_socketio_run_t *run, ngx_int_t rc)
{
    ngx_socketio_key_result_t     result;
    ngx_http_socketio_command_t  *command;

    if (!run->keyed) {
        return;
    }

    run->keyed = 0;
    command = run->command;

    if (rc == NGX_DECLINED || rc == NGX_BUSY) {
        ngx_socketio_key_drop(command->zone, &run->key);
        return;
    }

    ngx_http_socketio_command_key_result(command, &result);

    ngx_socketio_key_ran(command->zone, &run->key, &result, ngx_current_msec);
}


static void
ngx_http_socketio_command_key_result(ngx_http_socketio_command_t *command,
    ngx_socketio_key_result_t *result)
{
    ngx_memzero(result, sizeof(ngx_socketio_key_result_t));
    (void) ngx_cpystrn(result->op, (u_char *) command->op,
                       NGX_SOCKETIO_KEY_OP);
    result->count = (uint32_t) command->count;
}
