/* Vortex: Dragonfly's framing for pieces over TCP, port 4005 (wire page section 4). The descriptor; the
 * two sides are serve.c and fetch.c, the frames frame.c. Not here: Vortex over QUIC. */
#include "vortex.h"

#include <stddef.h>
#include <stdlib.h>

static const struct dtr_host *the_host;

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    struct vortex *vortex = malloc(sizeof(*vortex));
    if (!vortex)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    *vortex = (struct vortex){.host = the_host, .options = options};
    *ret_instance = vortex;
    return DTR_OK;
}

static void stop(void *instance)
{
    free(instance);
}

static const struct dtr_option options[] = {
    {"requestTimeout", DTR_OPTION_DURATION, offsetof(struct vortex_options, request_ms), "10s", "", 1, 600000,
     "how long a peer may take to send its request"},
    {"stallTimeout", DTR_OPTION_DURATION, offsetof(struct vortex_options, stall_ms), "60s", "", 1, 600000,
     "how long a peer may take no bytes before it is dropped"},
    {0},
};

static const struct dtr_transport_ops ops = {
    .size = sizeof(ops),
    .default_port = 4005,
    .serve = vortex_serve,
    .fetch = vortex_fetch,
    .cancel = vortex_cancel,
};

static const struct dtr_feature features[] = {{"transport", "vortex", DTR_CALL_ASYNC, &ops}, {0}};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = "transport_vortex",
    .version = "1.0",
    .summary = "pieces between peers in Dragonfly's Vortex framing over TCP",
    .options_size = sizeof(struct vortex_options),
    .options = options,
    .features = features,
    .start = start,
    .stop = stop,
};

DTR_MODULE_NOTE

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host)
{
    the_host = host;
    return &module;
}
