/* The schedulers: which there are now, connections to them, announcements, leave. The conversations are in
 * talk_peer.c.
 *
 * One that is no longer wanted is chosen for nothing new and announced to no more. When its last call has
 * ended it is told that this host goes (DeleteHost), and dropped. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/daemon/managed/managed.h"
#include "core/obs/log.h"
#include "proto/scheduler.pb-c.h"
#include <stdlib.h>

enum { LEAVE_MS = 1000, RETRY_MS = 5000, RECONNECT_MS = 1000 };

/* --- announcements ------------------------------------------------------------------------------------- */

static void announce(struct scheduler *scheduler);

/* It is not there, and registers wait for it all the same. */
static bool is_expected(const struct scheduler *scheduler)
{
    const struct dtr_daemon_config *config = scheduler->talk->daemon->config;
    return dtr_rpc_channel_state(scheduler->channel) != DTR_RPC_READY &&
           dtr_now_ms() < scheduler->gone_ms + config->download.stall_timeout_ms;
}

static void on_announced(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    struct scheduler *scheduler = context;
    struct talk *talk = scheduler->talk;
    bool known = scheduler->announced;
    scheduler->announcing = NULL;
    if (response && !scheduler->announced)
        dtr_log(DTR_LOG_INFO, NULL, "announced to scheduler %s as %s", scheduler->name,
                talk->daemon->host_id);
    if (!response && status->code != DTR_RPC_CANCELLED)
        dtr_log(DTR_LOG_WARN, NULL, "scheduler %s did not take the announcement: %s", scheduler->name,
                status->message);
    scheduler->announced = response != NULL;
    uint64_t interval_ms = scheduler->stale ? 0 : talk->daemon->config->scheduler.announce_interval_ms;
    if (!talk->closing && scheduler->wanted)
        dtr_timer_set(scheduler->timer, response ? interval_ms : RETRY_MS);
    if (response || talk->closing || !is_expected(scheduler))
        conversations_announced(talk, scheduler, response != NULL);
    if (response && !talk->closing && !known) {
        dtr_tasks_scheduler_back(talk->daemon->tasks);
        again_tell(scheduler);
    }
    talk_call_over(talk);
}

static void announce(struct scheduler *scheduler)
{
    struct talk *talk = scheduler->talk;
    Scheduler__V2__AnnounceHostRequest request = SCHEDULER__V2__ANNOUNCE_HOST_REQUEST__INIT;
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;
    struct host_facts facts;
    struct dtr_error err;
    if (scheduler->announcing || scheduler->leaving || !scheduler->wanted || talk->closing)
        return;
    scheduler->stale = false;
    talk_fill_host(talk->daemon, &facts);
    interval.seconds = (int64_t)(talk->daemon->config->scheduler.announce_interval_ms / 1000);
    request.host = &facts.host;
    request.interval = &interval;
    if (dtr_rpc_unary(scheduler->channel, &dtr_rpc_scheduler_announce_host, &request.base, NULL, on_announced,
                      scheduler, &scheduler->announcing, &err) == DTR_OK)
        talk->open_calls++;
    else
        dtr_timer_set(scheduler->timer, RETRY_MS);
}

static void on_timer(void *context)
{
    announce(context);
}

void scheduler_forgot(struct scheduler *scheduler)
{
    scheduler->announced = false;
    announce(scheduler);
}

void talk_announce(struct talk *talk)
{
    dtr_list_each (node, &talk->schedulers) {
        struct scheduler *scheduler = dtr_container(node, struct scheduler, link);
        scheduler->stale = scheduler->announcing != NULL;
        if (scheduler->announced)
            announce(scheduler); /* the others hear of it as soon as they can be reached */
    }
}

/* Each attempt to connect ends here: only another reason is news. */
static void say_trouble(struct scheduler *scheduler, const char *why)
{
    if (strcmp(scheduler->trouble, why) == 0)
        return;
    (void)dtr_copy_text(scheduler->trouble, sizeof(scheduler->trouble), why);
    dtr_log(DTR_LOG_WARN, NULL, "scheduler %s is %s: %s", scheduler->name,
            scheduler->announced ? "lost" : "out of reach", why);
}

/* The last one that could be reached is not there any more. */
static bool is_last(const struct scheduler *scheduler)
{
    const struct talk *talk = scheduler->talk;
    bool others = false;
    for (size_t i = 0; i < talk->chosen_count; i++)
        others = others || dtr_rpc_channel_state(talk->chosen[i]->channel) == DTR_RPC_READY;
    return scheduler->ready && scheduler->wanted && !others;
}

/* A scheduler that comes back may have forgotten everybody. */
static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    struct scheduler *scheduler = context;
    (void)channel;
    if (state == DTR_RPC_LOST) {
        say_trouble(scheduler, err ? err->text : "");
        if (scheduler->ready)
            scheduler->gone_ms = dtr_now_ms();
        if (is_last(scheduler))
            managed_lost(scheduler->talk->daemon->managed);
        scheduler->announced = scheduler->ready = false;
        if (!is_expected(scheduler))
            conversations_announced(scheduler->talk, scheduler, false);
    }
    if (state == DTR_RPC_READY) {
        scheduler->trouble[0] = '\0';
        scheduler->ready = true;
        announce(scheduler);
    }
}

/* --- leave -----------------------------------------------------------------------------------------------
 */

static void on_left(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct scheduler *scheduler = context;
    (void)response;
    (void)status;
    scheduler->leaving = scheduler->announced = false;
    announce(scheduler); /* it was named again meanwhile */
    talk_call_over(scheduler->talk);
}

/* False: there is nobody to tell. */
static bool take_leave(struct scheduler *scheduler)
{
    Scheduler__V2__DeleteHostRequest request = SCHEDULER__V2__DELETE_HOST_REQUEST__INIT;
    const struct dtr_rpc_call_options options = {.timeout_ms = LEAVE_MS};
    struct talk *talk = scheduler->talk;
    request.host_id = talk->daemon->host_id;
    if (scheduler->leaving || dtr_rpc_channel_state(scheduler->channel) != DTR_RPC_READY ||
        dtr_rpc_unary(scheduler->channel, &dtr_rpc_scheduler_delete_host, &request.base, &options, on_left,
                      scheduler, NULL, NULL) != DTR_OK)
        return false;
    scheduler->leaving = true;
    talk->open_calls++;
    return true;
}

static void drop(struct scheduler *scheduler)
{
    conversations_announced(scheduler->talk, scheduler, false);
    dtr_list_remove(&scheduler->link);
    dtr_rpc_channel_close(scheduler->channel);
    dtr_timer_close(scheduler->timer);
    free(scheduler);
}

bool schedulers_tidy(struct talk *talk)
{
    bool left = false;
    dtr_list_each_safe (node, &talk->schedulers) {
        struct scheduler *scheduler = dtr_container(node, struct scheduler, link);
        if (scheduler->wanted)
            continue;
        if (dtr_rpc_channel_calls(scheduler->channel) > 0 ||
            (scheduler->announced && take_leave(scheduler))) {
            left = true;
            continue;
        }
        dtr_log(DTR_LOG_INFO, NULL, "left scheduler %s", scheduler->name);
        drop(scheduler);
    }
    return left;
}

void schedulers_leave(struct talk *talk)
{
    dtr_list_each (node, &talk->schedulers) {
        struct scheduler *scheduler = dtr_container(node, struct scheduler, link);
        if (scheduler->announcing)
            dtr_rpc_call_cancel(scheduler->announcing);
        again_cancel(scheduler);
        (void)take_leave(scheduler);
    }
}

void schedulers_free(struct talk *talk)
{
    dtr_list_each_safe (node, &talk->schedulers)
        drop(dtr_container(node, struct scheduler, link));
    dtr_ring_free(&talk->ring);
    free(talk->chosen);
    if (talk->expectation)
        dtr_timer_close(talk->expectation);
}

/* --- which there are -------------------------------------------------------------------------------------
 */

static struct scheduler *find(const struct talk *talk, const struct dtr_addr *addr)
{
    dtr_list_each (node, &talk->schedulers) {
        struct scheduler *scheduler = dtr_container(node, struct scheduler, link);
        if (dtr_addr_equal(&scheduler->addr, addr))
            return scheduler;
    }
    return NULL;
}

/* Connects as soon as the loop runs. It is not wanted yet. */
static struct scheduler *add(struct talk *talk, const struct talk_place *place, struct dtr_error *err)
{
    const struct dtr_addr *addr = &place->addr;
    struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
    const struct dtr_rpc_channel_options options = {.tls = talk->daemon->schedulers_tls,
                                                    .host = place->host[0] ? place->host : NULL,
                                                    .keep_connected = true,
                                                    .backoff_max_ms = RECONNECT_MS,
                                                    .state = on_state,
                                                    .context = scheduler};
    if (!scheduler) {
        (void)dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a scheduler");
        return NULL;
    }
    *scheduler = (struct scheduler){.talk = talk, .addr = *addr, .gone_ms = dtr_now_ms()};
    dtr_addr_text(addr, scheduler->name);
    dtr_list_add_tail(&talk->schedulers, &scheduler->link);
    int rc = dtr_timer_open(talk->daemon->parts.control, on_timer, scheduler, &scheduler->timer, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_channel_new(talk->daemon->parts.control, addr, &options, &scheduler->channel, err);
    if (rc == DTR_OK)
        return scheduler;
    drop(scheduler);
    return NULL;
}

/* A choice in the making: the schedulers of a list, each once. */
struct choice {
    struct scheduler **list;
    struct sockaddr_storage *addresses;
    size_t count;
    struct dtr_ring ring;
};

static void choice_free(struct choice *choice)
{
    free(choice->list);
    free(choice->addresses);
    dtr_ring_free(&choice->ring);
}

static int choose(struct talk *talk, const struct talk_place *list, size_t count, struct choice *choice,
                  struct dtr_error *err)
{
    choice->list = calloc(count + 1, sizeof(struct scheduler *));
    choice->addresses = calloc(count + 1, sizeof(*choice->addresses));
    if (!choice->list || !choice->addresses)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the schedulers");
    for (size_t i = 0; i < count; i++) {
        struct scheduler *scheduler = find(talk, &list[i].addr);
        bool twice = false;
        for (size_t j = 0; j < choice->count; j++)
            twice = twice || choice->list[j] == scheduler;
        if (twice)
            continue;
        if (!scheduler)
            scheduler = add(talk, &list[i], err);
        if (!scheduler)
            return DTR_ENOMEM;
        memcpy(&choice->addresses[choice->count], &list[i].addr.any, list[i].addr.length);
        choice->list[choice->count++] = scheduler;
    }
    return dtr_ring_build(&choice->ring, choice->addresses, choice->count, err);
}

static bool is_new(const struct talk *talk, const struct choice *choice)
{
    bool other = choice->count != talk->chosen_count;
    for (size_t i = 0; i < choice->count; i++)
        other = other || !choice->list[i]->wanted;
    return other;
}

static void log_choice(const struct choice *choice)
{
    struct dtr_str names = {.limit = 4096};
    if (choice->count == 0)
        dtr_log(DTR_LOG_WARN, NULL, "no scheduler is named: everything comes from the origin");
    for (size_t i = 0; i < choice->count; i++)
        dtr_str_printf(&names, "%s%s", i ? ", " : "", choice->list[i]->name);
    if (choice->count > 0)
        dtr_log(DTR_LOG_INFO, NULL, "schedulers: %s", dtr_str_text(&names));
    dtr_str_free(&names);
}

/* Pulls that begin ask a scheduler, or wait for one, when one is chosen or expected. */
static void expect(struct talk *talk, bool expecting)
{
    talk->expecting = expecting;
    dtr_tasks_have_scheduler(talk->daemon->tasks, expecting || talk->chosen_count > 0);
    if (!expecting)
        conversations_chosen(talk);
}

/* The choice's list and ring are the talk's from here on. */
static void take(struct talk *talk, struct choice *choice)
{
    dtr_list_each (node, &talk->schedulers)
        dtr_container(node, struct scheduler, link)->wanted = false;
    dtr_ring_free(&talk->ring);
    free(talk->chosen);
    talk->ring = choice->ring;
    talk->chosen = choice->list;
    talk->chosen_count = choice->count;
    choice->ring = (struct dtr_ring){0};
    choice->list = NULL;
    for (size_t i = 0; i < talk->chosen_count; i++) {
        struct scheduler *scheduler = talk->chosen[i];
        scheduler->wanted = true;
        if (dtr_rpc_channel_state(scheduler->channel) == DTR_RPC_READY && !scheduler->announced)
            announce(scheduler); /* it was to be left */
    }
    expect(talk, false);
}

/* Nobody was named in time. */
static void on_expectation(void *context)
{
    expect(context, false);
}

void talk_expect(struct talk *talk)
{
    if (dtr_timer_open(talk->daemon->parts.control, on_expectation, talk, &talk->expectation, NULL) != DTR_OK)
        return;
    dtr_timer_set(talk->expectation, talk->daemon->config->download.stall_timeout_ms);
    expect(talk, true);
}

int talk_schedulers(struct talk *talk, const struct talk_place *list, size_t count, struct dtr_error *err)
{
    struct choice choice = {0};
    int rc = choose(talk, list, count, &choice, err);
    if (rc == DTR_OK && is_new(talk, &choice)) {
        log_choice(&choice);
        take(talk, &choice);
    }
    choice_free(&choice);
    talk_turn(talk); /* also after an error: those that were added are not wanted */
    return rc;
}

struct scheduler *talk_scheduler_for(struct talk *talk, const char *task_id)
{
    for (size_t nth = 0; nth < talk->chosen_count && !talk->closing; nth++) {
        struct scheduler *scheduler = talk->chosen[dtr_ring_pick(&talk->ring, task_id, nth)];
        if (dtr_rpc_channel_state(scheduler->channel) == DTR_RPC_READY)
            return scheduler;
    }
    return NULL;
}

struct scheduler *talk_scheduler_soon(struct talk *talk, const char *task_id)
{
    struct scheduler *soon = NULL;
    for (size_t nth = 0; nth < talk->chosen_count && !talk->closing; nth++) {
        struct scheduler *scheduler = talk->chosen[dtr_ring_pick(&talk->ring, task_id, nth)];
        if (dtr_rpc_channel_state(scheduler->channel) == DTR_RPC_READY)
            return NULL;
        if (!soon && is_expected(scheduler))
            soon = scheduler;
    }
    return soon;
}
