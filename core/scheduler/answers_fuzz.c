/* Any bytes as a manager's Scheduler and as its applications: what is read of them keeps to its limits. */
#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"
#include "core/scheduler/answers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void try_limits(const Manager__V2__Scheduler *scheduler)
{
    struct dtr_dynconfig dynconfig = {.candidate_parent_limit = 1, .filter_parent_limit = 1};
    (void)answers_limits(scheduler, &dynconfig, NULL);
    require(dynconfig.candidate_parent_limit >= 1 && dynconfig.candidate_parent_limit <= ANSWERS_CANDIDATES);
    require(dynconfig.filter_parent_limit >= 1 && dynconfig.filter_parent_limit <= ANSWERS_FILTER);
}

static void try_applications(const Manager__V2__ListApplicationsResponse *applications)
{
    struct dtr_dynconfig dynconfig = {0};
    size_t left_out = 0;
    if (answers_applications(applications, &dynconfig, &left_out, NULL) != DTR_OK)
        return;
    require(dynconfig.applications.count <= applications->n_applications);
    for (size_t i = 0; i < dynconfig.applications.count; i++)
        require(*dynconfig.applications.items[i].name && dynconfig.applications.items[i].priority <= 6);
    answers_free(&dynconfig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message;
    if (dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_get_scheduler.output, data, size, &message, NULL) ==
        DTR_OK)
        try_limits((const void *)message);
    dtr_rpc_arena_reset(&arena);
    if (dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_list_applications.output, data, size, &message,
                       NULL) == DTR_OK)
        try_applications((const void *)message);
    dtr_rpc_arena_free(&arena);
    return 0;
}
