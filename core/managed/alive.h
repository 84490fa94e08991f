/* Signs of life to a manager (KeepAlive, wire page 5): a stream on which a message goes out at once and then
 * again and again. As long as it is open the manager holds the member for active, if it has a row of it.
 *
 * A stream that ends by itself is reported, and gets the uplink's owner a turn after a pause, which grows
 * while streams do not last. Another stream will do then, unless the manager has forgotten the member:
 * telling it anew what its row has would undo what users have changed there since. One loop; everything is
 * called on its thread, or before it runs. */
#ifndef DTR_MANAGED_ALIVE_H
#define DTR_MANAGED_ALIVE_H

#include "core/managed/uplink.h"
#include "proto/manager.pb-c.h"

struct dtr_alive;

struct dtr_alive_options {
    struct dtr_loop *loop;
    struct dtr_uplink *uplink; /* outlives it */
    Manager__V2__SourceType source;
    const char *hostname, *ip; /* of the member; outlive it */
    uint64_t interval_ms;      /* between two messages */
    /* A stream has ended that was not stopped, and why. */
    void (*ended)(void *context, const char *why);
    void *context;
};

int dtr_alive_new(const struct dtr_alive_options *options, struct dtr_alive **ret_alive,
                  struct dtr_error *err);
/* Opens a stream for this cluster; there is none yet. On an error there still is none. */
int dtr_alive_start(struct dtr_alive *alive, uint64_t cluster_id, struct dtr_error *err);
/* Whether a stream is open. NULL is fine, here and below. */
bool dtr_alive_goes(const struct dtr_alive *alive);
/* Whether the manager has a row of the member in this cluster, as far as it has said. */
bool dtr_alive_known(const struct dtr_alive *alive, uint64_t cluster_id);
/* Ends the stream; `stopped` comes when it has ended, at once where there is none. NULL: nobody waits.
 * Whoever waited before waits no more. */
void dtr_alive_stop(struct dtr_alive *alive, void (*stopped)(void *context), void *context);
/* There is no stream. */
void dtr_alive_free(struct dtr_alive *alive);

#endif
