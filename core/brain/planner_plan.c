/* What to do next. After every event the same steps run from the top: is it complete, who is overdue, what
 * can be asked for, and if nothing is on its way, who else may have it. Every wait in here has a deadline
 * that dtr_planner_wake() knows of. */
#include "core/brain/planner_internal.h"

#include <stdlib.h>

#define LINGER_MS      10000 /* for the answer to a register that came too late to matter */
#define HEDGE_TICK_MS  250
#define STEPS_PER_TURN 16
#define SMALL          "no more than download.p2pThreshold is missing"
#define WAIT_STALLS    4 /* so many stall times at most is the next piece of living parents waited for */

struct plan_transfer *dtr_plan_transfer(const struct dtr_planner *p, uint32_t id)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (t->id == id)
            return t;
    }
    return NULL;
}

struct plan_transfer *dtr_plan_transfer_new(struct dtr_planner *p, struct plan_parent *parent, uint64_t start,
                                            uint64_t end)
{
    struct plan_transfer *t = calloc(1, sizeof(*t));
    if (!t) {
        p->broken = true;
        return NULL;
    }
    *t = (struct plan_transfer){.id = ++p->next_id,
                                .parent = parent,
                                .start = start,
                                .at = start,
                                .end = end,
                                .started_at = p->now_ms,
                                .moved_at = p->now_ms};
    dtr_list_add_tail(&p->transfers, &t->link);
    p->active++;
    return t;
}

static struct plan_transfer *oldest_stream(const struct dtr_planner *p)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (!t->parent && !t->cancelled)
            return t;
    }
    return NULL;
}

void dtr_plan_uncount(struct dtr_planner *p, struct plan_transfer *t)
{
    if (t->cancelled)
        return;
    t->cancelled = true;
    if (!t->held)
        p->active--;
    if (p->origin == t)
        p->origin = oldest_stream(p);
    if (!t->parent)
        return;
    p->pieces[t->piece].in_flight--;
    t->parent->in_flight--;
    t->parent->outstanding -= t->end - t->at;
    dtr_plan_parent_moved(p, t->parent, 0);
}

void dtr_plan_cancel(struct dtr_planner *p, struct plan_transfer *t)
{
    /* What has brought everything ends by itself, and its connection stays usable. */
    bool complete = t->parent ? p->pieces[t->piece].done && p->pieces[t->piece].from == t->parent->index + 1
                              : t->headed && t->at >= t->end;
    if (!complete)
        dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_CANCEL, .id = t->id});
    dtr_plan_uncount(p, t);
}

static void cancel_all(struct dtr_planner *p)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (!t->cancelled)
            dtr_plan_cancel(p, t);
    }
}

static void end(struct dtr_planner *p, const struct dtr_error *err)
{
    p->over = true;
    cancel_all(p);
    for (uint32_t i = 0; i < p->parent_count; i++)
        if (p->parents[i]->state == PARENT_LIVE)
            dtr_plan_parent_drop(p, p->parents[i], PARENT_LOST);
    if (!err)
        dtr_plan_talk_flush(p);
    dtr_plan_push(p, err ? &(struct dtr_plan_action){.kind = DTR_PLAN_FAIL, .error = &p->why}
                         : &(struct dtr_plan_action){.kind = DTR_PLAN_DONE});
    dtr_plan_talk_end(p, err);
    if (p->talk == TALK_ASKED)
        p->linger_until = p->now_ms + LINGER_MS;
}

static void finish(struct dtr_planner *p)
{
    end(p, NULL);
}

void dtr_plan_fail(struct dtr_planner *p, const struct dtr_error *err)
{
    if (p->over)
        return;
    if (err != &p->why)
        p->why = *err;
    end(p, &p->why);
}

void dtr_plan_probe(struct dtr_planner *p)
{
    p->source = SOURCE_PROBE;
    p->source_why = p->config.need_back_to_source                       ? "a seed fetches from the origin"
                    : !p->config.have_scheduler                         ? "there is no scheduler"
                    : dtr_plan_bytes_left(p) <= p->config.p2p_threshold ? SMALL
                                                                        : "its length is not known";
}

void dtr_plan_open_source(struct dtr_planner *p, const char *reason)
{
    if (p->source_dead) {
        dtr_plan_fail(p, &p->origin_why);
        return;
    }
    if (p->config.disable_back_to_source) {
        struct dtr_error err;
        dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "back to source is disabled, and %s%s%.150s",
                      reason, p->why.code ? ": " : "", p->why.code ? p->why.text : "");
        dtr_plan_fail(p, &err);
        return;
    }
    p->source = SOURCE_OPEN;
    p->source_why = reason;
    dtr_plan_talk_source(p, reason);
    dtr_plan_origin_resume(p);
}

void dtr_plan_decide(struct dtr_planner *p)
{
    bool small = dtr_plan_bytes_wanted(p) <= p->config.p2p_threshold;
    if (dtr_plan_complete(p))
        return;
    p->source_small = small;
    p->dry_since = p->now_ms;
    if (!dtr_plan_can_register(p) || (small && !p->config.disable_back_to_source)) {
        dtr_plan_open_source(p, small && !p->config.disable_back_to_source ? SMALL : "there is no scheduler");
        return;
    }
    p->source_small = false;
    if (p->config.need_back_to_source) {
        p->source = SOURCE_OPEN;
        p->source_why = "a seed fetches from the origin";
    } else {
        if (p->source == SOURCE_PROBE)
            dtr_plan_origin_hold(p);
        p->source = SOURCE_CLOSED;
        p->source_why = NULL;
    }
    dtr_plan_register(p);
}

static void ask_scheduler(struct dtr_planner *p)
{
    p->stat_until = p->now_ms + p->config.stat_timeout_ms;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_STAT_TASK});
}

/* The origin does not answer: peers may have the object, and it may be anything. */
bool dtr_plan_expected_in_vain(struct dtr_planner *p, const struct plan_transfer *t)
{
    if (!t->expected || t->headed || p->content_length != DTR_LENGTH_UNKNOWN || !p->config.have_scheduler)
        return false;
    p->config.expected = 0;
    p->asked_length = false;
    p->source = SOURCE_CLOSED;
    p->source_why = NULL;
    ask_scheduler(p);
    return true;
}

/* Without a length nobody can register, so the pull would end with the origin's tries, whoever has the
 * object. They bound this too. */
void dtr_plan_stat_again(struct dtr_planner *p)
{
    if (!p->stat_missed || p->source != SOURCE_PROBE || p->content_length != DTR_LENGTH_UNKNOWN ||
        !p->config.have_scheduler)
        return;
    p->stat_missed = false;
    p->source = SOURCE_CLOSED;
    p->source_why = NULL;
    ask_scheduler(p);
}

void dtr_plan_begin(struct dtr_planner *p)
{
    bool large = dtr_plan_bytes_left(p) > p->config.p2p_threshold || p->config.disable_back_to_source;
    if (p->over)
        return;
    if (p->content_length != DTR_LENGTH_UNKNOWN) {
        dtr_plan_decide(p);
    } else if (p->config.have_scheduler && !p->config.need_back_to_source && large && !p->config.expected) {
        ask_scheduler(p);
    } else if (p->config.disable_back_to_source) {
        dtr_plan_open_source(p, "there is no scheduler");
    } else {
        dtr_plan_probe(p);
    }
    dtr_plan_run(p);
}

static bool quiet_too_long(const struct dtr_planner *p)
{
    return p->now_ms >= p->quiet_since + p->config.stall_timeout_ms;
}

/* No piece was verified for a stall time after the plan was made anew for that: answers of the scheduler and
 * parents that fail in new ways must not put the origin off. */
static bool dried_up(const struct dtr_planner *p)
{
    return p->anew_at && p->now_ms >= p->anew_at + p->config.stall_timeout_ms && !p->source_dead &&
           !p->config.disable_back_to_source;
}

static void plan_anew(struct dtr_planner *p)
{
    if (!p->anew_at && p->now_ms >= p->dry_since + p->config.stall_timeout_ms)
        p->anew_at = p->now_ms;
    dtr_plan_reschedule(p, p->why.code ? p->why.text : "no parent has the missing pieces");
}

/* The parents live and have no piece for us yet: what they wait for is slow, and would be slower still if all
 * their children went there too. */
static bool worth_waiting(const struct dtr_planner *p)
{
    return (p->talk == TALK_PARENTS || p->talk == TALK_CLOSED) && !p->anew_at && dtr_plan_parents_alive(p) &&
           p->now_ms < p->dry_since + WAIT_STALLS * p->config.stall_timeout_ms;
}

/* Bytes are missing and nothing brings any. True: something was done about it, look again. */
static bool seek_more(struct dtr_planner *p)
{
    if (p->source != SOURCE_CLOSED && !p->source_dead) {
        /* Waiting to try again, or for the verification of what came over a cancelled transfer. */
        return quiet_too_long(p) && p->retry_at <= p->now_ms && dtr_plan_unverify(p, 0, UINT64_MAX) > 0;
    }
    bool wait = p->talk == TALK_ASKED && !p->config.need_back_to_source && p->now_ms < p->schedule_until;
    if ((wait || dtr_plan_parents_hope(p)) && !quiet_too_long(p))
        return false;
    p->quiet_since = p->now_ms;
    if (worth_waiting(p))
        return false;
    if (p->talk == TALK_ASKED)
        dtr_plan_open_source(p, "the scheduler does not answer");
    else if (dried_up(p))
        dtr_plan_open_source(p, "the peers bring nothing");
    else if (dtr_plan_can_reschedule(p))
        plan_anew(p);
    else if (dtr_plan_can_register(p) && !p->source_small)
        dtr_plan_register(p);
    else
        dtr_plan_open_source(p, "no peer has the missing pieces");
    return true;
}

/* All wanted bytes are there. */
static void complete(struct dtr_planner *p)
{
    if (!p->config.check || p->checked || !dtr_plan_whole(p)) {
        finish(p);
        return;
    }
    p->checking = true;
    cancel_all(p);
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_CHECK});
}

/* One pass. True: the state changed in a way that needs another. */
static bool step(struct dtr_planner *p)
{
    if (!p->reader_count && !p->base.end) {
        struct dtr_error err;
        dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "nobody reads it any more");
        dtr_plan_fail(p, &err);
        return false;
    }
    if (p->checking)
        return false; /* the role answers, whatever comes of it */
    if (dtr_plan_complete(p)) {
        complete(p);
        return false;
    }
    if (p->stat_until) {
        if (p->now_ms < p->stat_until)
            return false;
        p->stat_until = 0;
        p->stat_missed = true;
        dtr_plan_probe(p);
    }
    dtr_plan_parents_stalled(p);
    dtr_plan_origin_stalled(p);
    dtr_plan_parents_reopen(p, false);
    dtr_plan_origin(p);
    dtr_plan_fill(p);
    return !p->over && p->active == 0 && seek_more(p);
}

static void sooner(uint64_t *wake, uint64_t at)
{
    if (at < *wake)
        *wake = at;
}

static void wake_for_transfers(const struct dtr_planner *p, uint64_t *wake)
{
    uint64_t stall = p->config.stall_timeout_ms;
    dtr_list_each (node, &p->transfers) {
        const struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (t->cancelled || t->held)
            continue;
        if (!t->parent) {
            sooner(wake, t->moved_at + dtr_plan_origin_patience(p, t));
            continue;
        }
        sooner(wake, t->moved_at + stall);
        if (t->parent->suspect)
            sooner(wake, t->parent->bytes_at + stall);
        sooner(wake, t->started_at + dtr_plan_piece_patience(p, t));
        if (p->pieces[t->piece].in_flight == 1)
            sooner(wake, p->now_ms + HEDGE_TICK_MS);
    }
}

static void wake_for_parents(const struct dtr_planner *p, uint64_t *wake)
{
    if (p->gather_until)
        sooner(wake, p->gather_until);
    for (uint32_t i = 0; i < p->parent_count; i++) {
        const struct plan_parent *parent = p->parents[i];
        if (parent->state != PARENT_LIVE)
            continue;
        if (parent->retry_at > p->now_ms)
            sooner(wake, parent->retry_at);
        if (parent->reopen_at)
            sooner(wake, parent->reopen_at);
    }
}

static uint64_t next_wake(const struct dtr_planner *p)
{
    uint64_t wake = DTR_PLAN_NEVER;
    if (p->over)
        return p->linger_until ? p->linger_until : DTR_PLAN_NEVER;
    if (p->checking)
        return DTR_PLAN_NEVER;
    if (p->stat_until)
        return p->stat_until;
    wake_for_transfers(p, &wake);
    wake_for_parents(p, &wake);
    if (p->source != SOURCE_CLOSED && !p->origin && p->retry_at > p->now_ms)
        sooner(&wake, p->retry_at);
    if (p->active == 0)
        sooner(&wake, p->quiet_since + p->config.stall_timeout_ms);
    if (p->active == 0 && p->talk == TALK_ASKED && p->now_ms < p->schedule_until)
        sooner(&wake, p->schedule_until);
    return wake > p->now_ms ? wake : p->now_ms + 1;
}

void dtr_plan_run(struct dtr_planner *p)
{
    for (int i = 0; i < STEPS_PER_TURN && !p->over && !p->broken; i++)
        if (!step(p))
            break;
    dtr_plan_talk_flush(p);
    if (p->linger_until && (p->talk != TALK_ASKED || p->now_ms >= p->linger_until)) {
        struct dtr_error err;
        p->linger_until = 0;
        dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_SAME, "done before the scheduler answered");
        dtr_plan_talk_end(p, &err);
    }
    p->wake = next_wake(p);
}
