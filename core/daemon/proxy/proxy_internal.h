/* What the files of the proxy share: its places on the data loops, and how errors are answered. Others
 * include proxy.h. */
#ifndef DTR_DAEMON_PROXY_INTERNAL_H
#define DTR_DAEMON_PROXY_INTERNAL_H

#include "core/daemon/bypass.h"
#include "core/daemon/proxy/proxy.h"
#include "core/daemon/settings.h"
#include <darter/origin.h>

enum {
    PROXY_LOOKUP_MS = 10000, /* a silent name server costs glibc 5 s, then the next one is asked */
    PROXY_CONNECT_MS = 10000,
    PROXY_STALL_MS = 60000,
    PROXY_TUNNEL_IDLE_MS = 600000,
    PROXY_PENDING = 1 << 20, /* bytes that wait for the client; then the origin is paused */
};

/* The proxy's place on one data loop; what runs there is counted, so that closing can wait for it. */
struct proxy_site {
    struct proxy *proxy;
    struct dtr_loop *loop;
    struct dtr_http_server *server;
    uint64_t live;      /* exchanges that hold on to this; on the data loop */
    bool stopped;       /* the server is gone; on the data loop */
    struct dtr_msg msg; /* the order to close, then the word that it is done */
    uint64_t limit_ms;  /* for running exchanges when closing */
};

struct proxy {
    struct dtr_daemon *daemon;
    struct dtr_listener *listener; /* control loop */
    struct proxy_site *sites;
    size_t site_count, next_site;
    uint64_t lookup_ms; /* that a tunnel's name may take */
    size_t open_sites;  /* control loop, while closing */
    void (*closed)(void *context);
    void *closed_context;
};

/* An exchange begins and ends to hold on to its site. On the data loop; the site may be gone after the
 * second. */
void proxy_hold(struct proxy_site *site);
void proxy_release(struct proxy_site *site);

/* Answers that it failed, counts it, and ends the exchange. `type` is a DTR_ERROR_TYPE_*, NULL: by the
 * error. */
void proxy_fail(struct dtr_http_exchange *exchange, int status, const char *type,
                const struct dtr_error *err);
/* The HTTP status that says this error. */
int proxy_status(const struct dtr_error *err);
/* A failure after the head was sent: counts it and breaks the connection. */
void proxy_break(struct dtr_http_exchange *exchange);

/* What the request asks for. Takes over the exchange. */
void proxy_answer(struct proxy_site *site, struct dtr_http_exchange *exchange,
                  const struct dtr_http_request *request);
/* proxy_limit.c. True: there are more requests than proxy.server.requestRateLimit allows; it is answered a
 * little later, or was refused. */
bool proxy_put_off(struct proxy_site *site, struct dtr_http_exchange *exchange,
                   const struct dtr_http_request *request);

/* Goes on with an answer that has begun: the rest passes from the origin to the client and is kept nowhere.
 * Takes over the exchange. */
void proxy_rescue(struct proxy_site *site, struct dtr_http_exchange *exchange,
                  const struct bypass_request *rest);

/* The three things that a request can be. Each takes over the exchange; the plan stays the caller's and is
 * used during the call only. */
void proxy_task(struct proxy_site *site, struct dtr_http_exchange *exchange,
                const struct dtr_http_request *request, const struct dtr_mirror_plan *plan);
void proxy_pass(struct proxy_site *site, struct dtr_http_exchange *exchange,
                const struct dtr_http_request *request, const struct dtr_mirror_plan *plan);
void proxy_tunnel(struct proxy_site *site, struct dtr_http_exchange *exchange, const char *authority);

#endif
