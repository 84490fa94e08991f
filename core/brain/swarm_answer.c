/* Answering registers and reschedules (features page 2.3, 2.4).
 *
 * A question is tried when it comes and again when something happens that may answer it: a peer becomes a
 * possible parent or stops being one, a slow one recovers, the seed fails, the peer that the others wait
 * for is gone, the patience ends. Dragonfly polls instead. Who has nobody to wait for is sent to the origin
 * at once, and the others wait for that peer: one copy leaves the origin. */
#include "core/brain/swarm_state.h"

static uint64_t wait_ms(const struct dtr_swarm *swarm, uint32_t intervals)
{
    uint64_t wait = (uint64_t)intervals * swarm->config.retry_interval_ms;
    return wait < DTR_SWARM_ANSWER_MS ? wait : DTR_SWARM_ANSWER_MS;
}

uint64_t dtr_swarm_error_wait_ms(const struct dtr_swarm *swarm)
{
    return wait_ms(swarm, swarm->config.retry_limit);
}

uint64_t dtr_swarm_source_wait_ms(const struct dtr_swarm *swarm)
{
    uint64_t source = wait_ms(swarm, swarm->config.retry_back_to_source_limit);
    uint64_t error = dtr_swarm_error_wait_ms(swarm);
    return source < error ? source : error;
}

static struct dtr_swarm_action answer(const struct swarm_peer *peer, enum dtr_swarm_action_kind kind,
                                      const char *text)
{
    return (struct dtr_swarm_action){
        .kind = kind, .stream = peer->stream, .peer = &peer->facts, .text = text};
}

bool dtr_swarm_may_go_to_source(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    return !peer->disable_back_to_source &&
           (peer->at_source || peer->facts.task->source_count < swarm->config.back_to_source_count);
}

static struct dtr_swarm_action go_to_source(struct dtr_swarm *swarm, struct swarm_peer *peer, const char *why)
{
    if (!peer->at_source)
        dtr_swarm_peer_send_to_source(swarm, peer);
    return answer(peer, DTR_SWARM_ANSWER_SOURCE, why);
}

/* Whether a parent is about to come: the seed was just asked, or a peer was just sent to the origin. Both
 * count for one patience only: a silent one must not hold up those who come later. */
static bool parent_is_coming(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    const struct swarm_task *task = task_of(peer);
    uint64_t patience = dtr_swarm_source_wait_ms(swarm);
    bool asked = task->seed_running && !is_seed(host_of(peer)); /* a seed does not wait for itself */
    if (asked && swarm->now_ms - task->seed_asked_ms < patience)
        return true;
    const struct swarm_peer *source = task->source;
    return source && source != peer && source->facts.host != peer->facts.host &&
           swarm->now_ms - task->source_since_ms < patience && !dtr_swarm_peer_blocks(peer, source) &&
           dtr_swarm_peer_covers(source, peer);
}

/* The seed to ask for a first download, or NULL. Priority 3 means that the peer goes itself. */
static struct swarm_host *seed_for(struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    const struct swarm_task *task = task_of(peer);
    uint32_t priority = peer->facts.priority;
    if (peer->tried || peer->question != SWARM_REGISTERING || is_seed(host_of(peer)) || task->seed_running)
        return NULL;
    if (priority >= 1 && priority <= 3)
        return NULL;
    if (task->facts.offer_count && peer->blocked_count)
        return NULL; /* somebody has it, and this peer does not want them: no seed would help */
    if (task->seed_failed && swarm->now_ms - task->seed_failed_ms < DTR_SWARM_SEED_RETRY_MS)
        return NULL;
    return dtr_swarm_choose_seed(swarm, task->hash);
}

static struct dtr_swarm_action trigger(struct dtr_swarm *swarm, struct swarm_peer *peer,
                                       struct swarm_host *seed)
{
    struct swarm_task *task = task_of(peer);
    task->seed_running = true;
    task->seed_failed = false;
    task->seed_asked_ms = swarm->now_ms;
    swarm->lent_download = peer->download;
    peer->download = NULL;
    return (struct dtr_swarm_action){.kind = DTR_SWARM_TRIGGER_SEED,
                                     .peer = &peer->facts,
                                     .task = &task->facts,
                                     .host = &seed->facts,
                                     .download = swarm->lent_download};
}

static const char *asked(const struct swarm_peer *peer)
{
    return peer->question == SWARM_REGISTERING ? "register" : "reschedule";
}

/* Ends the question with an error; the peer leaves. */
static struct dtr_swarm_action give_up(struct dtr_swarm *swarm, struct swarm_peer *peer,
                                       enum dtr_swarm_refusal code, const char *text)
{
    struct dtr_swarm_action action = {
        .kind = DTR_SWARM_REJECT, .stream = peer->stream, .code = code, .text = text};
    dtr_swarm_decision_end(swarm, peer, asked(peer), "refused", text);
    peer->stream = NULL;
    dtr_swarm_peer_remove(swarm, peer);
    return action;
}

/* What can be said without looking for parents. */
static bool answer_at_once(struct dtr_swarm *swarm, struct swarm_peer *peer, struct dtr_swarm_action *ret)
{
    if (peer->metadata_only) {
        dtr_swarm_peer_become(swarm, peer, DTR_PEER_SUCCEEDED);
        *ret = answer(peer, DTR_SWARM_ANSWER_METADATA_ONLY, NULL);
        return true;
    }
    if (peer->facts.task->content_length == 0) {
        dtr_swarm_peer_become(swarm, peer, DTR_PEER_RECEIVED_EMPTY);
        *ret = answer(peer, DTR_SWARM_ANSWER_EMPTY, NULL);
        return true;
    }
    if (peer->facts.state == DTR_PEER_PENDING)
        dtr_swarm_peer_become(swarm, peer, DTR_PEER_RECEIVED_NORMAL);
    if (peer->facts.need_back_to_source && dtr_swarm_may_go_to_source(swarm, peer)) {
        *ret = go_to_source(swarm, peer, "the peer asked for it");
        return true;
    }
    return false;
}

static bool answer_with_parents(struct dtr_swarm *swarm, struct swarm_peer *peer, bool *ret_slow,
                                struct dtr_swarm_action *ret)
{
    uint32_t count = dtr_swarm_pick(swarm, peer, swarm->parents, ret_slow);
    if (!count)
        return false;
    *ret = answer(peer, DTR_SWARM_ANSWER_PARENTS, NULL);
    ret->parents = swarm->parents;
    ret->parent_count = count;
    return true;
}

/* What is left when nobody can be a parent and nobody is awaited. */
static bool answer_without_parents(struct dtr_swarm *swarm, struct swarm_peer *peer,
                                   struct dtr_swarm_action *ret)
{
    if (peer->facts.priority == 1)
        *ret = give_up(swarm, peer, DTR_SWARM_FAILED_PRECONDITION, "priority 1: the download is forbidden");
    else if (peer->facts.priority == 2)
        *ret = give_up(swarm, peer, DTR_SWARM_NOT_FOUND, "priority 2: no peer has the task");
    else if (dtr_swarm_may_go_to_source(swarm, peer))
        *ret = go_to_source(swarm, peer, "no peer has the task");
    else if (swarm->now_ms - peer->asked_ms >= dtr_swarm_error_wait_ms(swarm))
        *ret = give_up(swarm, peer, DTR_SWARM_FAILED_PRECONDITION,
                       "no parent was found and the origin is not allowed");
    else
        return false;
    return true;
}

/* A scheduler that has just begun knows nothing of what there is: nobody goes to the origin before the seeds
 * had the time to come back. Who asks for that, or only tells, does not wait. */
static bool is_early(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    return swarm->now_ms < swarm->settled_ms && !peer->tried && peer->question == SWARM_REGISTERING &&
           !peer->metadata_only && !peer->facts.need_back_to_source && !is_seed(host_of(peer)) &&
           !peer->facts.task->offer_count;
}

void dtr_swarm_settle(struct dtr_swarm *swarm)
{
    struct dtr_list *node;
    swarm->settled_ms = 0;
    while ((node = dtr_list_pop(&swarm->early))) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, queue);
        peer->asked_ms = swarm->now_ms; /* its patience begins now, or all would go to the origin at once */
        dtr_list_remove(&peer->clock);
        dtr_list_add_tail(&swarm->patient, &peer->clock);
        dtr_list_add_tail(&swarm->ready, node);
    }
}

enum result { WAITS, ANSWERED, TRIGGERED };

static enum result try_question(struct dtr_swarm *swarm, struct swarm_peer *peer,
                                struct dtr_swarm_action *ret)
{
    bool slow = false;
    bool first = !peer->tried;
    if ((first && answer_at_once(swarm, peer, ret)) || answer_with_parents(swarm, peer, &slow, ret))
        return ANSWERED;
    if (peer->facts.state == DTR_PEER_BACK_TO_SOURCE) { /* it has a way, so it need not wait */
        *ret = go_to_source(swarm, peer, "no other peer has the task");
        return ANSWERED;
    }
    bool coming = slow || parent_is_coming(swarm, peer);
    struct swarm_host *seed = coming ? NULL : seed_for(swarm, peer);
    if (seed) {
        *ret = trigger(swarm, peer, seed);
        return TRIGGERED;
    }
    if (coming && swarm->now_ms - peer->asked_ms < dtr_swarm_source_wait_ms(swarm))
        return WAITS;
    return answer_without_parents(swarm, peer, ret) ? ANSWERED : WAITS;
}

/* Why a question has no answer yet. */
static const char *why_it_waits(const struct dtr_swarm *swarm, const struct swarm_peer *peer)
{
    const struct swarm_task *task = task_of(peer);
    if (swarm->decision.left_out[DTR_SWARM_SLOW])
        return "a peer that has it is slow at present";
    if (!parent_is_coming(swarm, peer))
        return "nobody has it, and the origin is not allowed or has too many already";
    return task->seed_running ? "the seed fetches it" : "another peer was just sent to the origin";
}

/* Refusals were told of by give_up(), as their peer is gone. */
static void tell(struct dtr_swarm *swarm, const struct swarm_peer *peer, enum result result,
                 const struct dtr_swarm_action *action)
{
    if (result == TRIGGERED) {
        dtr_swarm_decision_end(swarm, peer, asked(peer), "seed",
                               "nobody has it: the seed is told to fetch it");
    } else if (result == WAITS) {
        if (!peer->tried)
            dtr_swarm_decision_end(swarm, peer, asked(peer), "waits", why_it_waits(swarm, peer));
    } else if (action->kind == DTR_SWARM_ANSWER_PARENTS) {
        dtr_swarm_decision_end(swarm, peer, asked(peer), "parents", NULL);
    } else if (action->kind == DTR_SWARM_ANSWER_SOURCE) {
        dtr_swarm_decision_end(swarm, peer, asked(peer), "origin", action->text);
    } else if (action->kind != DTR_SWARM_REJECT) {
        bool empty = action->kind == DTR_SWARM_ANSWER_EMPTY;
        dtr_swarm_decision_end(swarm, peer, asked(peer), empty ? "empty" : "metadata only", NULL);
    }
}

/* To where the events of its task find it. */
static void park(struct swarm_peer *peer)
{
    peer->tried = true;
    dtr_buf_drop(peer->download);
    peer->download = NULL;
    dtr_list_add_tail(&task_of(peer)->waiting, &peer->queue);
}

static void answered(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    dtr_swarm_peer_settle(swarm, peer);
    dtr_swarm_more_room(swarm, peer);
}

bool dtr_swarm_answer(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node;
    while ((node = dtr_list_pop(&swarm->ready))) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, queue);
        dtr_swarm_decision_begin(swarm);
        if (is_early(swarm, peer)) {
            dtr_swarm_decision_end(swarm, peer, asked(peer), "waits",
                                   "no seed came back yet after the start");
            dtr_list_add_tail(&swarm->early, node);
            continue;
        }
        enum result result = try_question(swarm, peer, ret_action);
        if (swarm->decided)
            tell(swarm, peer, result, ret_action);
        if (result != ANSWERED)
            park(peer);
        else if (ret_action->kind != DTR_SWARM_REJECT)
            answered(swarm, peer);
        if (result != WAITS)
            return true;
    }
    return false;
}

/* Takes those out of a list whose question is older than `limit_ms`. */
static void expire(struct dtr_swarm *swarm, struct dtr_list *from, uint64_t limit_ms, struct dtr_list *to)
{
    while (!dtr_list_empty(from)) {
        struct swarm_peer *peer = dtr_container(from->next, struct swarm_peer, clock);
        if (swarm->now_ms - peer->asked_ms < limit_ms)
            return;
        dtr_list_remove(&peer->clock);
        if (to)
            dtr_list_add_tail(to, &peer->clock);
        dtr_list_remove(&peer->queue);
        dtr_list_add_tail(&swarm->ready, &peer->queue);
    }
}

void dtr_swarm_answer_expired(struct dtr_swarm *swarm)
{
    if (swarm->now_ms >= swarm->settled_ms)
        dtr_swarm_settle(swarm);
    expire(swarm, &swarm->patient, dtr_swarm_source_wait_ms(swarm), &swarm->late);
    expire(swarm, &swarm->late, dtr_swarm_error_wait_ms(swarm), NULL);
}

void dtr_swarm_seed_done(struct dtr_swarm *swarm, uint64_t now_ms, const char *task_id, bool ok)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_task *task = (struct swarm_task *)(uintptr_t)dtr_swarm_find_task(swarm, task_id);
    if (!task)
        return;
    task->seed_running = false;
    if (!ok) {
        task->seed_failed = true;
        task->seed_failed_ms = swarm->now_ms;
    }
    dtr_swarm_stir(swarm, task);
    dtr_swarm_more_source(swarm, task);
}
