/* A connection to a daemon, at the address that it announced and nowhere else. */
#include "core/net/guard.h"
#include "core/scheduler/role.h"

int dial_host(const struct dtr_scheduler *scheduler, const struct dial *to,
              struct dtr_rpc_channel **ret_channel, struct dtr_error *err)
{
    const struct dtr_rpc_channel_options options = {.tls = to->seed ? scheduler->seeds_tls
                                                                    : scheduler->peers_tls};
    struct dtr_addr addr;
    int rc = dtr_addr_ip(to->ip, to->port, &addr, err);
    if (rc == DTR_OK && !dtr_guard_allows(&addr.any, to->proven))
        rc = dtr_error_set(
            err, DTR_EDENIED, DTR_RETRY_NEVER,
            "%s is loopback, link-local or this machine, and the announcement did not come from "
            "there; list it in security.outbound.allow if it is right",
            to->ip);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(scheduler->loop, &addr, &options, ret_channel, err);
    return rc;
}
