/* The table of core/rpc/methods.h as objects. */
#include "core/rpc/methods.h"

#include "proto/darter.pb-c.h"
#include "proto/dfdaemon.pb-c.h"
#include "proto/google.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/manager.pb-c.h"
#include "proto/scheduler.pb-c.h"

#define DEFINE(name, path, kind, flags, input, output)                                                       \
    const struct dtr_rpc_method dtr_rpc_##name = {path, DTR_RPC_##kind, flags, &input##__descriptor,         \
                                                  &output##__descriptor};
DTR_RPC_METHODS(DEFINE)
