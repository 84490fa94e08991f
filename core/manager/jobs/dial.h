/* Connections to schedulers: one for each address, kept as long as somebody asks something, and a while
 * longer. On the loop. */
#ifndef DTR_MANAGER_JOBS_DIAL_H
#define DTR_MANAGER_JOBS_DIAL_H

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/rpc/rpc.h"

enum { DIAL_IDLE_MS = 60000 };

/* Whether a scheduler says from this address that it is alive: then it is there. */
typedef bool dial_hears(void *context, const struct dtr_addr *addr);

struct dial {
    struct dtr_loop *loop;
    struct dtr_tls *tls; /* NULL: plain */
    dial_hears *hears;   /* NULL: nobody knows */
    void *hears_context;
    void (*idle)(void *context); /* the last question that was under way is over */
    void *context;
    struct dtr_list lines;
    struct dtr_timer *timer;
    size_t asking; /* questions under way */
};

/* With loop, tls and the functions filled in. */
int dial_open(struct dial *dial, struct dtr_error *err);
/* Ends all calls. One that is zeroed is fine. */
void dial_close(struct dial *dial);
/* Where a scheduler is; its certificate is for the address or the name. */
struct dial_place {
    const char *ip, *name;
    uint16_t port;
};
/* The channel to a scheduler's address, for a call that begins at once. DTR_EDENIED: the address is loopback
 * or link-local, and nothing speaks for it. */
int dial_get(struct dial *dial, const struct dial_place *place, struct dtr_rpc_channel **ret_channel,
             struct dtr_error *err);

#endif
