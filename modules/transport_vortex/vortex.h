/* What the files of this module share. */
#ifndef VORTEX_H
#define VORTEX_H

#include <darter/module.h>
#include <darter/transport.h>

struct vortex_options {
    uint64_t request_ms; /* limit for a peer to send its request */
    uint64_t stall_ms;   /* limit between two bytes that move while serving */
};

struct vortex {
    const struct dtr_host *host;
    const struct vortex_options *options;
};

/* serve.c */
void vortex_serve(void *instance, struct dtr_stream *stream, struct dtr_service *service);
/* fetch.c */
int vortex_fetch(void *instance, struct dtr_loop *loop, const struct dtr_fetch_request *request,
                 const struct dtr_fetch_sink *sink, void *context, struct dtr_fetch **ret_fetch,
                 struct dtr_error *err);
void vortex_cancel(struct dtr_fetch *fetch);

#endif
