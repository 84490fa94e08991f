/* The journal of decisions, and Explain, which tells what it has of a task: who asked, who was a candidate,
 * who was chosen and why. Bounded by task, in number and in bytes; the oldest go first. */
#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/scheduler/role.h"
#include "proto/darter.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OF_TASK = 32, /* decisions that are kept */
    IN_ALL = 1024,
    SHOWN = 16, /* candidates of one */
    BUCKETS = 256,
    TASK_TEXT = 65,
    HOST_TEXT = 48,
    PEER_TEXT = 96,
};
#define BYTES_MOST ((size_t)512 * 1024)

struct candidate {
    char host[HOST_TEXT];
    double score;
    bool chosen;
};

struct decision {
    struct dtr_list age, same; /* in explain.all; in its task's bucket; oldest first */
    char task[TASK_TEXT], peer[PEER_TEXT], host[HOST_TEXT], policy[HOST_TEXT];
    uint64_t generation;
    int64_t wall_ms;
    const char *asked, *answer, *why; /* constants of the swarm */
    uint32_t left_out[DTR_SWARM_REASON_COUNT];
    uint32_t looked_at, count, more;
    bool ranked;
    struct candidate candidates[];
};

struct explain {
    struct dtr_list all, buckets[BUCKETS];
    uint32_t count;
    size_t bytes;
};

/* --- keeping -------------------------------------------------------------------------------------- */

static struct explain *explain_new(void)
{
    struct explain *explain = calloc(1, sizeof(*explain));
    if (!explain)
        return NULL;
    dtr_list_init(&explain->all);
    for (size_t i = 0; i < BUCKETS; i++)
        dtr_list_init(&explain->buckets[i]);
    return explain;
}

static size_t size_of(const struct decision *decision)
{
    return sizeof(*decision) + decision->count * sizeof(struct candidate);
}

static void drop(struct explain *explain, struct decision *decision)
{
    dtr_list_remove(&decision->age);
    dtr_list_remove(&decision->same);
    explain->count--;
    explain->bytes -= size_of(decision);
    free(decision);
}

static void drop_oldest(struct explain *explain)
{
    drop(explain, dtr_container(explain->all.next, struct decision, age));
}

void explain_free(struct explain *explain)
{
    while (explain && explain->count)
        drop_oldest(explain);
    free(explain);
}

static struct dtr_list *bucket_of(struct explain *explain, const char *task_id)
{
    uint32_t hash = 0;
    for (size_t i = 0; task_id[i]; i++)
        hash = hash * 31 + (uint8_t)task_id[i];
    return &explain->buckets[hash % BUCKETS];
}

/* Where a task has all that it may have, its oldest decision goes. */
static void keep(struct explain *explain, struct decision *decision)
{
    struct dtr_list *bucket = bucket_of(explain, decision->task);
    struct decision *oldest = NULL;
    uint32_t count = 0;
    dtr_list_each (node, bucket) {
        struct decision *other = dtr_container(node, struct decision, same);
        if (strcmp(other->task, decision->task) != 0)
            continue;
        oldest = oldest ? oldest : other;
        count++;
    }
    if (count >= OF_TASK)
        drop(explain, oldest);
    while (explain->count >= IN_ALL || (explain->count && explain->bytes + size_of(decision) > BYTES_MOST))
        drop_oldest(explain);
    dtr_list_add_tail(&explain->all, &decision->age);
    dtr_list_add_tail(bucket, &decision->same);
    explain->count++;
    explain->bytes += size_of(decision);
}

static void name_policy(const struct dtr_scheduler *scheduler, const struct dtr_swarm_decision *decided,
                        struct decision *to)
{
    const struct dtr_policy_slot *slot = &scheduler->policy.slot;
    if (!slot->current || decided->fell_back)
        return; /* "": the formula that is built in */
    (void)snprintf(to->policy, sizeof(to->policy), "%s", dtr_policy_settings(slot->current)->name);
    to->generation = slot->generation;
}

static void copy_candidates(const struct dtr_swarm_decision *decided, struct decision *to)
{
    for (uint32_t i = 0; i < to->count; i++) {
        struct candidate *candidate = &to->candidates[i];
        const char *name = decided->candidates[i]->host->facts.hostname;
        (void)snprintf(candidate->host, sizeof(candidate->host), "%s", name);
        candidate->score = decided->scores[i];
        candidate->chosen = decided->taken[i];
    }
}

static struct decision *copy(const struct dtr_scheduler *scheduler, const struct dtr_swarm_decision *decided)
{
    const struct dtr_swarm_peer *peer = decided->peer;
    uint32_t count = decided->count < SHOWN ? decided->count : SHOWN;
    struct decision *to = calloc(1, sizeof(*to) + count * sizeof(struct candidate));
    if (!to)
        return NULL;
    (void)snprintf(to->task, sizeof(to->task), "%s", peer->task->id);
    (void)snprintf(to->peer, sizeof(to->peer), "%s", peer->id);
    (void)snprintf(to->host, sizeof(to->host), "%s", peer->host->facts.hostname);
    to->wall_ms = (int64_t)role_now_ms(scheduler) + scheduler->wall_offset_ms;
    to->asked = decided->asked;
    to->answer = decided->answer;
    to->why = decided->why;
    to->count = count;
    to->more = decided->count - count;
    to->looked_at = decided->count;
    memcpy(to->left_out, decided->left_out, sizeof(to->left_out));
    for (int i = 0; i < DTR_SWARM_REASON_COUNT; i++)
        to->looked_at += to->left_out[i];
    to->ranked = decided->weighed && count > 0;
    if (to->ranked)
        name_policy(scheduler, decided, to);
    copy_candidates(decided, to);
    return to;
}

/* Without memory there is no entry: nothing else depends on it. */
void explain_decided(void *context, const struct dtr_swarm_decision *decided)
{
    struct dtr_scheduler *scheduler = context;
    if (!scheduler->explain && !(scheduler->explain = explain_new()))
        return;
    struct decision *decision = copy(scheduler, decided);
    if (decision)
        keep(scheduler->explain, decision);
}

/* --- telling -------------------------------------------------------------------------------------- */

/* protobuf-c wants char * for what it only reads. */
static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* One decision as a message, with the memory of its lists. */
struct told {
    Darter__V1__Decision decision;
    Darter__V1__LeftOut left_out[DTR_SWARM_REASON_COUNT], *left_out_list[DTR_SWARM_REASON_COUNT];
    Darter__V1__Candidate candidates[SHOWN], *candidate_list[SHOWN];
};

static void tell_left_out(const struct decision *from, struct told *told)
{
    static const char *const reasons[] = {
#define REASON_TEXT(name, text) [DTR_SWARM_##name] = (text),
        DTR_SWARM_REASONS(REASON_TEXT)
#undef REASON_TEXT
    };
    size_t count = 0;
    for (size_t i = 0; i < DTR_SWARM_REASON_COUNT; i++) {
        if (!from->left_out[i])
            continue;
        Darter__V1__LeftOut *to = told->left_out_list[count] = &told->left_out[count];
        count++;
        darter__v1__left_out__init(to);
        to->reason = text(reasons[i]);
        to->count = from->left_out[i];
    }
    told->decision.left_out = told->left_out_list;
    told->decision.n_left_out = count;
}

static void tell_decision(const struct decision *from, struct told *told)
{
    Darter__V1__Decision *to = &told->decision;
    darter__v1__decision__init(to);
    to->wall_ms = from->wall_ms;
    to->peer_id = text(from->peer);
    to->host = text(from->host);
    to->asked = text(from->asked);
    to->answer = text(from->answer);
    to->why = text(from->why);
    to->looked_at = from->looked_at;
    to->policy = text(from->policy);
    to->generation = from->generation;
    to->ranked = from->ranked;
    to->more_candidates = from->more;
    to->n_candidates = from->count;
    to->candidates = told->candidate_list;
    for (uint32_t i = 0; i < from->count; i++) {
        Darter__V1__Candidate *candidate = told->candidate_list[i] = &told->candidates[i];
        darter__v1__candidate__init(candidate);
        candidate->host = text(from->candidates[i].host);
        candidate->score = from->candidates[i].score;
        candidate->chosen = from->candidates[i].chosen;
    }
    tell_left_out(from, told);
}

/* The task whose id begins so; NULL: the call has ended. */
static const char *find_task(const struct explain *explain, const char *name, struct dtr_rpc_call *call)
{
    const char *found = NULL;
    size_t length = strlen(name);
    for (const struct dtr_list *node = explain ? explain->all.next : NULL; node && node != &explain->all;
         node = node->next) {
        const char *task = dtr_container((struct dtr_list *)(uintptr_t)node, struct decision, age)->task;
        if (strncmp(task, name, length) != 0 || (found && strcmp(found, task) == 0))
            continue;
        if (found) {
            dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT,
                                "several tasks have an id that begins so; give more of it");
            return NULL;
        }
        found = task;
    }
    if (!found)
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND,
                            "this scheduler remembers no decision about such a task");
    return found;
}

void explain_ask(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Darter__V1__DecisionsRequest *message = (const void *)request->message;
    Darter__V1__DecisionsResponse response = DARTER__V1__DECISIONS_RESPONSE__INIT;
    Darter__V1__Decision *list[OF_TASK];
    const char *task = find_task(scheduler->explain, message->task, call);
    if (!task)
        return;
    struct told *told = calloc(OF_TASK, sizeof(*told));
    if (!told) {
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for the decisions");
        return;
    }
    dtr_list_each (node, bucket_of(scheduler->explain, task)) {
        const struct decision *decision = dtr_container(node, struct decision, same);
        if (strcmp(decision->task, task) != 0 || response.n_decisions == OF_TASK)
            continue;
        tell_decision(decision, &told[response.n_decisions]);
        list[response.n_decisions] = &told[response.n_decisions].decision;
        response.n_decisions++;
    }
    response.task_id = text(task);
    response.decisions = list;
    dtr_rpc_call_reply(call, &response.base);
    free(told);
}
