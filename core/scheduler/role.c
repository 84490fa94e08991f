/* The scheduler role's life: clock, timer, and the draining of what the swarm decides. */
#include "core/scheduler/role.h"

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/obs/log.h"
#include "core/rpc/methods.h"
#include <stdlib.h>

uint64_t role_now_ms(const struct dtr_scheduler *scheduler)
{
    (void)scheduler;
    return dtr_now_ms();
}

/* After REJECT and CLOSE the swarm has forgotten the stream. */
static void end_stream(struct announce *announce, enum dtr_rpc_code code, const char *text)
{
    announce->over = true;
    dtr_rpc_call_finish(announce->call, code, text);
}

static void perform(struct dtr_scheduler *scheduler, const struct dtr_swarm_action *action)
{
    count_action(action);
    tell_action(action);
    switch (action->kind) {
    case DTR_SWARM_ANSWER_PARENTS:
    case DTR_SWARM_MORE_PARENTS:
        answer_parents(scheduler, action->stream, action);
        break;
    case DTR_SWARM_ANSWER_SOURCE:
    case DTR_SWARM_MORE_SOURCE:
        answer_source(action->stream, action->text);
        break;
    case DTR_SWARM_ANSWER_EMPTY:
        answer_empty(action->stream);
        break;
    case DTR_SWARM_ANSWER_METADATA_ONLY:
        answer_metadata_only(action->stream);
        break;
    case DTR_SWARM_REJECT:
        end_stream(action->stream, (enum dtr_rpc_code)action->code, action->text);
        break;
    case DTR_SWARM_CLOSE:
        ((struct announce *)action->stream)->closed = true;
        end_stream(action->stream, DTR_RPC_OK, NULL);
        break;
    case DTR_SWARM_TRIGGER_SEED:
        seeds_trigger(scheduler, action->host, action->task, action->download);
        break;
    case DTR_SWARM_PROBE_SEED:
        seeds_probe(scheduler, action->host);
        break;
    case DTR_SWARM_HOST_GONE:
        tell_host_gone(action->host, action->silent_ms);
        break;
    }
}

static void set_timer(struct dtr_scheduler *scheduler, uint64_t at_ms)
{
    uint64_t now = role_now_ms(scheduler);
    if (at_ms == scheduler->timer_ms)
        return;
    scheduler->timer_ms = at_ms;
    dtr_timer_set(scheduler->timer, at_ms == UINT64_MAX ? DTR_TIMER_OFF : at_ms > now ? at_ms - now : 0);
}

void role_drain(struct dtr_scheduler *scheduler)
{
    struct dtr_swarm_action action;
    if (scheduler->draining)
        return; /* an event from inside: the outer loop goes on with it */
    scheduler->draining = true;
    while (dtr_swarm_next(scheduler->swarm, &action))
        perform(scheduler, &action);
    scheduler->draining = false;
    set_timer(scheduler, dtr_swarm_wake_ms(scheduler->swarm));
    count_waiting(scheduler);
}

static void on_timer(void *context)
{
    struct dtr_scheduler *scheduler = context;
    scheduler->timer_ms = UINT64_MAX;
    dtr_swarm_time(scheduler->swarm, role_now_ms(scheduler));
    role_drain(scheduler);
}

int dtr_scheduler_new(struct dtr_loop *loop, const struct dtr_scheduler_options *options,
                      struct dtr_scheduler **ret_scheduler, struct dtr_error *err)
{
    struct dtr_scheduler *scheduler = calloc(1, sizeof(*scheduler));
    if (!scheduler)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the scheduler");
    *scheduler = (struct dtr_scheduler){.loop = loop,
                                        .limits = options->swarm,
                                        .seed_timeout_ms = options->seed_timeout_ms,
                                        .count_hosts = options->count_hosts,
                                        .timer_ms = UINT64_MAX,
                                        .seeds_tls = options->seeds_tls,
                                        .peers_tls = options->peers_tls,
                                        .jobs = options->jobs};
    (void)dtr_copy_text(scheduler->ip, sizeof(scheduler->ip), options->ip ? options->ip : "");
    scheduler->settled_ms = role_now_ms(scheduler) + options->jobs.settle_ms;
    scheduler->wall_offset_ms = dtr_wall_ns() / 1000000 - (int64_t)dtr_now_ms();
    dtr_list_init(&scheduler->seed_calls);
    dtr_list_init(&scheduler->works);
    dtr_list_init(&scheduler->images);
    preheats_init(&scheduler->preheats);
    int rc = dtr_timer_open(loop, on_timer, scheduler, &scheduler->timer, err);
    if (rc == DTR_OK)
        rc = policy_start(scheduler, options, err);
    if (rc == DTR_OK) {
        const struct dtr_swarm_config config = policy_config(scheduler);
        rc = dtr_swarm_new(&config, options->seed_number, dtr_now_ms(), &scheduler->swarm, err);
    }
    if (rc != DTR_OK) {
        dtr_timer_close(scheduler->timer);
        policy_free(&scheduler->policy);
        free(scheduler);
        return rc;
    }
    dtr_swarm_watch(scheduler->swarm, explain_decided, scheduler);
    count_begin(scheduler);
    role_drain(scheduler);
    *ret_scheduler = scheduler;
    return DTR_OK;
}

int dtr_scheduler_serve(struct dtr_scheduler *scheduler, struct dtr_rpc_table *table, struct dtr_error *err)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_scheduler_announce_peer, .open = announce_open},
        {.method = &dtr_rpc_scheduler_announce_host, .request = hosts_announce},
        {.method = &dtr_rpc_scheduler_list_hosts, .request = hosts_list},
        {.method = &dtr_rpc_scheduler_delete_host, .request = hosts_delete},
        {.method = &dtr_rpc_scheduler_stat_task, .request = tasks_stat},
        {.method = &dtr_rpc_scheduler_delete_task, .request = tasks_delete},
        {.method = &dtr_rpc_scheduler_stat_peer, .request = peers_stat},
        {.method = &dtr_rpc_scheduler_delete_peer, .request = peers_delete},
        {.method = &dtr_rpc_scheduler_preheat_image, .request = preheat_image},
        {.method = &dtr_rpc_scheduler_stat_image, .request = stat_image},
        {.method = &dtr_rpc_scheduler_preheat_file, .request = preheat_file},
        {.method = &dtr_rpc_scheduler_stat_file, .request = stat_file},
        {.method = &dtr_rpc_scheduling_explain, .request = explain_ask},
        {.method = &dtr_rpc_scheduling_stat_preheat, .request = preheat_stat},
        {.method = &dtr_rpc_scheduling_find_task, .request = task_find},
        {.method = &dtr_rpc_scheduling_drop_task, .request = task_drop},
    };
    return dtr_rpc_table_add(table, handlers, sizeof(handlers) / sizeof(handlers[0]), scheduler, err);
}

void dtr_scheduler_configure(struct dtr_scheduler *scheduler, const struct dtr_swarm_config *config)
{
    scheduler->limits = *config;
    const struct dtr_swarm_config whole = policy_config(scheduler);
    dtr_swarm_configure(scheduler->swarm, &whole);
    role_drain(scheduler);
}

void dtr_scheduler_set(struct dtr_scheduler *scheduler, uint64_t seed_timeout_ms, bool count_hosts)
{
    scheduler->seed_timeout_ms = seed_timeout_ms;
    scheduler->count_hosts = count_hosts;
}

int dtr_scheduler_set_applications(struct dtr_scheduler *scheduler, const struct dtr_dynconfig *dynconfig,
                                   struct dtr_error *err)
{
    struct priorities *fresh = NULL;
    int rc = priorities_new(dynconfig, &fresh, err);
    if (rc != DTR_OK)
        return rc;
    if (!priorities_same(fresh, scheduler->priorities))
        dtr_log(DTR_LOG_INFO, NULL, "priorities by application are taken over, for %zu",
                dynconfig->applications.count);
    priorities_free(scheduler->priorities);
    scheduler->priorities = fresh;
    return DTR_OK;
}

static void on_gone(struct dtr_msg *msg)
{
    struct dtr_scheduler *scheduler = dtr_container(msg, struct dtr_scheduler, msg);
    void (*closed)(void *) = scheduler->closed;
    void *context = scheduler->closed_context;
    dtr_timer_close(scheduler->timer);
    dtr_swarm_free(scheduler->swarm);
    policy_free(&scheduler->policy);
    priorities_free(scheduler->priorities);
    explain_free(scheduler->explain);
    preheats_free(&scheduler->preheats);
    free(scheduler);
    if (closed)
        closed(context);
}

void role_let_go(struct dtr_scheduler *scheduler)
{
    if (!scheduler->closing || scheduler->gone || scheduler->policy.load ||
        !dtr_list_empty(&scheduler->seed_calls) || !dtr_list_empty(&scheduler->works) ||
        !dtr_list_empty(&scheduler->images))
        return;
    scheduler->gone = true;
    dtr_loop_post(scheduler->loop, &scheduler->msg);
}

void dtr_scheduler_close(struct dtr_scheduler *scheduler, void (*closed)(void *context), void *context)
{
    scheduler->closing = true;
    scheduler->closed = closed;
    scheduler->closed_context = context;
    scheduler->msg.run = on_gone;
    dtr_timer_set(scheduler->timer, DTR_TIMER_OFF); /* no seed is probed or told to fetch any more */
    policy_stop(&scheduler->policy);
    seeds_cancel_all(scheduler);
    works_cancel_all(scheduler);
    images_cancel_all(scheduler);
    role_let_go(scheduler);
}
