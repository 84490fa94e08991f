/* The journal of decisions, and Explain, which tells what it has of a task: who asked, who was a candidate,
 * who was chosen and why. Bounded by task, in number and in bytes; the oldest go first. */
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/scheduler/role.h"
#include "proto/darter.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum {
    OF_TASK = 32, /* decisions that are kept */
    IN_ALL = 512,
    SHOWN = 8, /* candidates of one */
    TASK_TEXT = 65,
    HOST_TEXT = 48,
    PEER_TEXT = 96,
};

struct candidate {
    char host[HOST_TEXT];
    double score;
    bool chosen;
};

/* A task of which decisions are kept. */
struct remembered {
    struct dtr_map_node node;
    struct dtr_list decisions; /* oldest first */
    uint32_t count;
    char id[TASK_TEXT];
};

struct decision {
    struct dtr_list age, same; /* in explain.all or explain.unused; in its task's; oldest first */
    struct remembered *task;
    char peer[PEER_TEXT], host[HOST_TEXT], policy[DTR_POLICY_NAME_MAX];
    uint64_t generation;
    int64_t wall_ms;
    const char *asked, *answer, *why; /* constants of the swarm */
    uint32_t left_out[DTR_SWARM_REASON_COUNT];
    uint32_t looked_at, count, more;
    bool ranked;
    struct candidate candidates[SHOWN];
};

/* The decisions lie in one block, of which the kernel gives no page before it is used. */
struct explain {
    struct dtr_map tasks;
    struct dtr_list all, unused; /* of those that were used once */
    uint32_t used;
    struct decision decisions[IN_ALL];
};

/* --- keeping -------------------------------------------------------------------------------------- */

static struct explain *explain_new(void)
{
    struct explain *explain = calloc(1, sizeof(*explain));
    if (!explain)
        return NULL;
    dtr_list_init(&explain->all);
    dtr_list_init(&explain->unused);
    return explain;
}

/* Makes room: `decision` is nobody's afterwards. */
static void forget(struct explain *explain, struct decision *decision)
{
    struct remembered *task = decision->task;
    dtr_list_remove(&decision->age);
    dtr_list_remove(&decision->same);
    dtr_list_add_tail(&explain->unused, &decision->age);
    if (--task->count > 0)
        return;
    dtr_map_remove(&explain->tasks, &task->node);
    free(task);
}

static struct decision *oldest_of(const struct dtr_list *all)
{
    return dtr_container(all->next, struct decision, age);
}

void explain_free(struct explain *explain)
{
    while (explain && !dtr_list_empty(&explain->all))
        forget(explain, oldest_of(&explain->all));
    if (explain)
        dtr_map_clear(&explain->tasks);
    free(explain);
}

static struct remembered *remembered(struct explain *explain, const char *id)
{
    struct dtr_map_node *node = dtr_map_find(&explain->tasks, id);
    struct remembered *task = node ? dtr_container(node, struct remembered, node) : calloc(1, sizeof(*task));
    if (node || !task)
        return task;
    dtr_list_init(&task->decisions);
    if (dtr_copy_text(task->id, sizeof(task->id), id) &&
        dtr_map_add(&explain->tasks, &task->node, task->id, strlen(task->id)))
        return task;
    free(task);
    return NULL;
}

/* A place for a decision about this task: where the task has all that it may have, that of its oldest. NULL:
 * out of memory. */
static struct decision *place(struct explain *explain, const char *task_id)
{
    struct remembered *task = remembered(explain, task_id);
    if (!task)
        return NULL;
    task->count++; /* it stays, whatever is forgotten */
    if (task->count > OF_TASK)
        forget(explain, dtr_container(task->decisions.next, struct decision, same));
    else if (explain->used == IN_ALL && dtr_list_empty(&explain->unused))
        forget(explain, oldest_of(&explain->all));
    struct decision *decision =
        dtr_list_empty(&explain->unused) ? &explain->decisions[explain->used++] : oldest_of(&explain->unused);
    if (decision->task)
        dtr_list_remove(&decision->age);
    decision->task = task;
    dtr_list_add_tail(&explain->all, &decision->age);
    dtr_list_add_tail(&task->decisions, &decision->same);
    return decision;
}

/* What of a text fits. */
static void shorten(char *field, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(field, text, length);
    field[length] = '\0';
}

static void name_policy(const struct dtr_scheduler *scheduler, const struct dtr_swarm_decision *decided,
                        struct decision *to)
{
    const struct dtr_policy_slot *slot = &scheduler->policy.slot;
    bool built_in = !to->ranked || !slot->current || decided->fell_back;
    const char *name = built_in ? "" : dtr_policy_settings(slot->current)->name;
    shorten(to->policy, sizeof(to->policy), name);
    to->generation = built_in ? 0 : slot->generation;
}

/* Those that were chosen, and the best of the others, best first. */
static void copy_candidates(const struct dtr_swarm_decision *decided, struct decision *to)
{
    uint32_t others = decided->chosen < SHOWN ? SHOWN - decided->chosen : 0;
    to->count = 0;
    for (uint32_t i = 0; i < decided->count && to->count < SHOWN; i++) {
        struct candidate *candidate = &to->candidates[to->count];
        if (!decided->taken[i] && others == 0)
            continue;
        others -= !decided->taken[i];
        shorten(candidate->host, sizeof(candidate->host), decided->candidates[i]->host->facts.hostname);
        candidate->score = decided->scores[i];
        candidate->chosen = decided->taken[i];
        to->count++;
    }
    to->more = decided->count - to->count;
}

static void copy(const struct dtr_scheduler *scheduler, const struct dtr_swarm_decision *decided,
                 struct decision *to)
{
    shorten(to->peer, sizeof(to->peer), decided->peer->id);
    shorten(to->host, sizeof(to->host), decided->peer->host->facts.hostname);
    to->wall_ms = (int64_t)role_now_ms(scheduler) + scheduler->wall_offset_ms;
    to->asked = decided->asked;
    to->answer = decided->answer;
    to->why = decided->why;
    to->looked_at = decided->count;
    memcpy(to->left_out, decided->left_out, sizeof(to->left_out));
    for (int i = 0; i < DTR_SWARM_REASON_COUNT; i++)
        to->looked_at += to->left_out[i];
    copy_candidates(decided, to);
    to->ranked = decided->weighed && to->count > 0;
    name_policy(scheduler, decided, to);
}

/* Without memory there is no entry: nothing else depends on it. */
void explain_decided(void *context, const struct dtr_swarm_decision *decided)
{
    struct dtr_scheduler *scheduler = context;
    if (!scheduler->explain && !(scheduler->explain = explain_new()))
        return;
    struct decision *decision = place(scheduler->explain, decided->peer->task->id);
    if (decision)
        copy(scheduler, decided, decision);
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
static const struct remembered *find_task(const struct explain *explain, const char *name,
                                          struct dtr_rpc_call *call)
{
    const struct remembered *found = NULL;
    size_t length = strlen(name);
    for (struct dtr_map_node *node = explain ? dtr_map_next(&explain->tasks, NULL) : NULL; node;
         node = dtr_map_next(&explain->tasks, node)) {
        const struct remembered *task = dtr_container(node, struct remembered, node);
        if (strncmp(task->id, name, length) != 0)
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
    const struct remembered *task = find_task(scheduler->explain, message->task, call);
    if (!task)
        return;
    struct told *told = calloc(OF_TASK, sizeof(*told));
    if (!told) {
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for the decisions");
        return;
    }
    dtr_list_each (node, &task->decisions) {
        tell_decision(dtr_container(node, struct decision, same), &told[response.n_decisions]);
        list[response.n_decisions] = &told[response.n_decisions].decision;
        response.n_decisions++;
    }
    response.task_id = text(task->id);
    response.decisions = list;
    dtr_rpc_call_reply(call, &response.base);
    free(told);
}
