/* Readiness of descriptors that a library owns; see loop.h and darter/host.h. */
#include "core/loop/loop.h"

#include <stdlib.h>

struct dtr_watch {
    uv_poll_t uv;
    void (*ready)(void *context, int events);
    void *context;
};

static void on_ready(uv_poll_t *uv, int status, int events)
{
    struct dtr_watch *watch = uv->data;
    int seen = status < 0 ? DTR_READABLE | DTR_WRITABLE : 0;
    if (events & UV_READABLE)
        seen |= DTR_READABLE;
    if (events & UV_WRITABLE)
        seen |= DTR_WRITABLE;
    watch->ready(watch->context, seen);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int dtr_watch_open(struct dtr_loop *loop, int fd, void (*ready)(void *context, int events), void *context,
                   struct dtr_watch **ret_watch, struct dtr_error *err)
{
    struct dtr_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a descriptor watch");
    int rc = uv_poll_init(dtr_loop_uv(loop), &watch->uv, fd);
    if (rc != 0) {
        free(watch);
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot watch descriptor %d: %s", fd,
                             uv_strerror(rc));
    }
    watch->uv.data = watch;
    watch->ready = ready;
    watch->context = context;
    *ret_watch = watch;
    return DTR_OK;
}

void dtr_watch_set(struct dtr_watch *watch, int events)
{
    int wanted = (events & DTR_READABLE ? UV_READABLE : 0) | (events & DTR_WRITABLE ? UV_WRITABLE : 0);
    if (wanted)
        (void)uv_poll_start(&watch->uv, wanted, on_ready);
    else
        (void)uv_poll_stop(&watch->uv);
}

void dtr_watch_close(struct dtr_watch *watch)
{
    if (watch) {
        (void)uv_poll_stop(&watch->uv);
        uv_close((uv_handle_t *)&watch->uv, on_closed);
    }
}
