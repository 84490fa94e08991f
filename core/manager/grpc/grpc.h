/* manager.v2.Manager: which schedulers a daemon is to use, and what schedulers ask and tell. Control loop,
 * but where something else is said. */
#ifndef DTR_MANAGER_GRPC_H
#define DTR_MANAGER_GRPC_H

#include "core/loop/pool.h"
#include "core/manager/fleet/fleet.h"
#include "core/manager/fleet/ranker.h"
#include "core/rpc/rpc.h"

struct grpc;

struct grpc_options {
    struct dtr_loop *control;
    struct dtr_pool *pool; /* where calls are answered */
    struct store *store;
    struct fleet_view *view;
    struct ranker *ranker; /* ranks clusters for a peer */
};

int grpc_new(const struct grpc_options *options, struct grpc **ret_grpc, struct dtr_error *err);
/* Adds the methods to a table; servers that use the table go before grpc_close(). */
int grpc_serve(struct grpc *grpc, struct dtr_rpc_table *table, struct dtr_error *err);
/* Whether a scheduler that says it is at this address keeps alive here from there, or from this machine. On
 * the loop. */
bool grpc_hears(const struct grpc *grpc, const struct dtr_addr *addr);
/* The manager ends: streams that end from now on are not their schedulers' doing. Before the server is
 * stopped. */
void grpc_leave(struct grpc *grpc);
/* `closed` comes later, when the work under way has ended and it is gone. */
void grpc_close(struct grpc *grpc, void (*closed)(void *context), void *context);

#endif
