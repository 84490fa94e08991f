/* The service as a whole; see grpc.h. */
#include "core/manager/grpc/grpc.h"

#include "core/manager/grpc/ask.h"

#include <stdlib.h>

#define UNARY(name)                                                                                          \
    static void on_##name(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)   \
    {                                                                                                        \
        ask_begin(service, call, request, answer_##name);                                                    \
    }
#define UNARY_METHODS(X)                                                                                     \
    X(list_schedulers)                                                                                       \
    X(get_scheduler)                                                                                         \
    X(update_scheduler)                                                                                      \
    X(list_applications)                                                                                     \
    X(get_seed_peer)                                                                                         \
    X(list_seed_peers)                                                                                       \
    X(update_seed_peer)                                                                                      \
    X(delete_seed_peer)
UNARY_METHODS(UNARY)
#undef UNARY

static const struct dtr_rpc_handler handlers[] = {
#define HANDLER(name) {.method = &dtr_rpc_manager_##name, .request = on_##name},
    UNARY_METHODS(HANDLER)
#undef HANDLER
        {.method = &dtr_rpc_manager_keep_alive, .open = alive_open},
};

int grpc_new(const struct grpc_options *options, struct grpc **ret_grpc, struct dtr_error *err)
{
    struct grpc *grpc = calloc(1, sizeof(*grpc));
    if (!grpc)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the gRPC service");
    grpc->options = *options;
    dtr_list_init(&grpc->alive);
    *ret_grpc = grpc;
    return DTR_OK;
}

int grpc_serve(struct grpc *grpc, struct dtr_rpc_table *table, struct dtr_error *err)
{
    return dtr_rpc_table_add(table, handlers, sizeof(handlers) / sizeof(handlers[0]), grpc, err);
}

bool grpc_hears(const struct grpc *grpc, const struct dtr_addr *addr)
{
    return alive_from(grpc, addr);
}

void grpc_leave(struct grpc *grpc)
{
    grpc->leaving = true;
}

static void end(struct dtr_msg *msg)
{
    struct grpc *grpc = dtr_container(msg, struct grpc, msg);
    void (*closed)(void *) = grpc->closed;
    void *context = grpc->closed_context;
    free(grpc);
    closed(context);
}

static void end_if_done(struct grpc *grpc)
{
    if (!grpc->closing || grpc->under_way > 0)
        return;
    grpc->msg.run = end;
    dtr_loop_post(grpc->options.control, &grpc->msg);
}

void grpc_ended(struct grpc *grpc)
{
    grpc->under_way--;
    end_if_done(grpc);
}

void grpc_close(struct grpc *grpc, void (*closed)(void *context), void *context)
{
    grpc->leaving = grpc->closing = true;
    grpc->closed = closed;
    grpc->closed_context = context;
    end_if_done(grpc);
}
