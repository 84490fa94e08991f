/* Two streams joined: what comes from one goes to the other, with back-pressure, half-close in both
 * directions and a limit on silence. On the loop of the streams. Not for: deciding who may dial where (the
 * outbound guard has been asked before). */
#ifndef DTR_HTTP_TUNNEL_H
#define DTR_HTTP_TUNNEL_H

#include "core/http/server.h"

struct dtr_tunnel_result {
    struct dtr_error err; /* code 0: both sides closed in order */
    uint64_t up, down;    /* bytes client to target, target to client */
};

/* `done` comes once, last. */
struct dtr_tunnel_owner {
    void (*done)(void *context, const struct dtr_tunnel_result *result);
    void *context;
};

/* Serves a CONNECT request: dials `target` (the guard has allowed it) within connect_ms, answers 200 and
 * joins the two; or answers 502 or 504, or 503 when the server has as many tunnels as it may. After `idle_ms`
 * without a byte both are closed; 0: no limit. Takes over the exchange, whatever happens. `owner` may be
 * NULL. */
void dtr_tunnel_connect(struct dtr_http_exchange *exchange, const struct dtr_addr *target,
                        uint64_t connect_ms, uint64_t idle_ms, const struct dtr_tunnel_owner *owner);

#endif
