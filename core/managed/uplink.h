/* A part's connection to its manager (wire page 5): one of the configured addresses, each of a name's one
 * after the other, that answers a health check.
 *
 * The owner gets a turn as soon as the loop runs and then again and again: after its interval when the last
 * turn was good, else after 1 s, 2 s, 4 s and so on up to half a minute or the interval. Each pause is cut by
 * up to a tenth, so that parts that began together do not ask together. In a turn the owner asks what it
 * wants to know, or learns that nobody answers; dtr_uplink_end_turn() ends it. A connection stays between
 * turns. That managers are away, and that one is back, is logged here, once.
 *
 * One loop; everything is called on its thread, or before it runs. */
#ifndef DTR_MANAGED_UPLINK_H
#define DTR_MANAGED_UPLINK_H

#include "core/conf/types.h"
#include "core/rpc/methods.h"

struct dtr_uplink;

struct dtr_uplink_options {
    struct dtr_loop *loop;
    const struct dtr_conf_strings *addrs; /* as configured, at least one; outlives it */
    struct dtr_tls *tls;   /* for all addresses; NULL: plain, but for those with https; outlives it */
    uint64_t interval_ms;  /* between turns */
    const char *meanwhile; /* what holds while nobody answers, for the log; stays */
    /* A turn begins. `err` NULL: a manager is there, dtr_uplink_ask() leads to it. Never from inside a
     * function of this header. */
    void (*turn)(void *context, const struct dtr_error *err);
    void *context;
};

/* How a turn went. */
enum dtr_uplink_end {
    DTR_UPLINK_GOOD,  /* the next one after the interval */
    DTR_UPLINK_BAD,   /* sooner */
    DTR_UPLINK_LEAVE, /* sooner, and at another address if there is one: this manager does not answer */
};

int dtr_uplink_open(const struct dtr_uplink_options *options, struct dtr_uplink **ret_uplink,
                    struct dtr_error *err);
void dtr_uplink_end_turn(struct dtr_uplink *uplink, enum dtr_uplink_end end);
/* The next turn comes after `delay_ms`, if it would come later. During a turn: after that. */
void dtr_uplink_soon(struct dtr_uplink *uplink, uint64_t delay_ms);
/* NULL is fine, here and below. */
void dtr_uplink_interval(struct dtr_uplink *uplink, uint64_t interval_ms);
/* A unary call to the manager of this turn; `done` as in dtr_rpc_unary(), also with CANCELLED after
 * dtr_uplink_close(). */
int dtr_uplink_ask(struct dtr_uplink *uplink, const struct dtr_rpc_method *method,
                   const ProtobufCMessage *request,
                   void (*done)(void *context, const struct dtr_rpc_message *response,
                                const struct dtr_rpc_status *status),
                   void *context, struct dtr_error *err);
/* A stream to it, without deadline. The owner hears of its end before he closes the uplink. */
int dtr_uplink_stream(struct dtr_uplink *uplink, const struct dtr_rpc_method *method,
                      const struct dtr_rpc_events *events, void *context, struct dtr_rpc_call **ret_call,
                      struct dtr_error *err);
/* Whether another manager, or the same one later, may do better than what this status says. */
bool dtr_uplink_is_away(const struct dtr_rpc_status *status);
/* "manager:65003 (10.0.0.1:65003)", of the one that is there or was last. */
const char *dtr_uplink_name(const struct dtr_uplink *uplink);
/* No turn follows; calls are cancelled. `closed` comes when they have ended and the uplink is gone. */
void dtr_uplink_close(struct dtr_uplink *uplink, void (*closed)(void *context), void *context);

#endif
