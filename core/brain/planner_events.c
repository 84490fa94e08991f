/* What the world tells the fetch planner: the scheduler's word, how transfers go, what the check of the whole
 * said, and that time passed. Each event is noted here; what follows is decided in planner_plan.c. */
#include "core/brain/planner_internal.h"

#include <stdlib.h>

void dtr_planner_tick(struct dtr_planner *p, uint64_t now_ms)
{
    p->now_ms = now_ms;
    dtr_plan_run(p);
}

/* --- the scheduler ----------------------------------------------------------------------------------- */

void dtr_planner_stat(struct dtr_planner *p, uint64_t now_ms, const struct dtr_plan_stat *stat)
{
    p->now_ms = now_ms;
    if (p->over || !p->stat_until)
        return;
    p->stat_until = 0;
    p->stat_missed = stat->missed;
    bool use = stat->known && stat->available && stat->content_length != DTR_LENGTH_UNKNOWN &&
               stat->content_length > p->config.p2p_threshold;
    if (!use)
        dtr_plan_probe(p);
    else if (dtr_plan_set_length(p, stat->content_length))
        dtr_plan_decide(p);
    dtr_plan_run(p);
}

void dtr_planner_answer(struct dtr_planner *p, uint64_t now_ms, const struct dtr_plan_answer *answer)
{
    p->now_ms = now_ms;
    if (p->talk == TALK_ASKED)
        dtr_plan_answered(p, answer);
    else if (p->talk == TALK_PARENTS && !p->metadata_only)
        dtr_plan_more(p, answer);
    dtr_plan_run(p);
}

void dtr_planner_scheduler_lost(struct dtr_planner *p, uint64_t now_ms, const struct dtr_error *err,
                                bool soon)
{
    p->now_ms = now_ms;
    p->config.have_scheduler = soon;
    if (p->stat_until) {
        p->stat_until = 0;
        p->stat_missed = true;
        dtr_plan_probe(p);
    }
    if (p->talk != TALK_QUIET && p->talk != TALK_CLOSED) {
        p->talk = TALK_CLOSED;
        if (err && !p->over)
            p->why = *err;
    }
    dtr_plan_run(p);
}

void dtr_planner_scheduler_back(struct dtr_planner *p, uint64_t now_ms)
{
    p->now_ms = now_ms;
    p->config.have_scheduler = true;
    /* What was left to the origin for want of a scheduler may be had from peers; a seed has to be known. */
    if (!p->over && !p->checking && p->source == SOURCE_OPEN && !p->source_small && !p->source_dead &&
        dtr_plan_can_register(p) && dtr_plan_bytes_left(p) > p->config.p2p_threshold)
        dtr_plan_decide(p);
    dtr_plan_run(p);
}

/* --- transfers --------------------------------------------------------------------------------------- */

void dtr_planner_origin_head(struct dtr_planner *p, uint64_t now_ms, uint32_t id,
                             const struct dtr_plan_head *head)
{
    struct plan_transfer *t = dtr_plan_transfer(p, id);
    p->now_ms = now_ms;
    if (!t || t->parent || t->cancelled || t->headed)
        return;
    dtr_plan_origin_headed(p, t, head);
    dtr_plan_run(p);
}

void dtr_planner_progress(struct dtr_planner *p, uint64_t now_ms, uint32_t id, uint64_t offset,
                          uint64_t length)
{
    struct plan_transfer *t = dtr_plan_transfer(p, id);
    uint64_t end = dtr_plan_sum(offset, length);
    p->now_ms = now_ms;
    if (!t || end <= t->at)
        return;
    t->moved_at = now_ms;
    if (t->parent) {
        uint64_t to = end < t->end ? end : t->end;
        if (!t->cancelled) /* then these came before, and its parent has nothing to do with it any more */
            dtr_plan_parent_moved(p, t->parent, to - t->at);
        t->at = to;
    } else if (!t->probe) {
        dtr_plan_origin_moved(p, t, offset, end);
    }
    dtr_plan_run(p);
}

void dtr_planner_transfer_waits(struct dtr_planner *p, uint64_t now_ms, uint32_t id)
{
    struct plan_transfer *t = dtr_plan_transfer(p, id);
    p->now_ms = now_ms;
    if (t)
        t->moved_at = p->quiet_since = now_ms;
    dtr_plan_run(p);
}

/* The other transfers of a piece that is there now are not needed. */
static void cancel_twins(struct dtr_planner *p, const struct plan_transfer *t, uint32_t number)
{
    dtr_list_each_safe (node, &p->transfers) {
        struct plan_transfer *other = dtr_container(node, struct plan_transfer, link);
        if (other != t && other->parent && other->piece == number && !other->cancelled)
            dtr_plan_cancel(p, other);
    }
}

void dtr_planner_piece_done(struct dtr_planner *p, uint64_t now_ms, uint32_t id,
                            const struct dtr_piece *piece)
{
    struct plan_transfer *t = dtr_plan_transfer(p, id);
    p->now_ms = now_ms;
    if (!t || p->over || (t->parent && piece->number != t->piece))
        return;
    if (p->content_length != DTR_LENGTH_UNKNOWN && piece->number >= p->piece_count)
        return;
    if (!dtr_plan_pieces_room(p, (uint64_t)piece->number + 1) || p->pieces[piece->number].done)
        return;
    struct plan_piece *state = &p->pieces[piece->number];
    state->done = true;
    state->from = t->parent ? t->parent->index + 1 : 0;
    state->crc32 = piece->crc32;
    state->has_crc32 = piece->has_crc32;
    state->cost_ns = piece->cost_ns;
    p->quiet_since = p->dry_since = now_ms;
    p->anew_at = 0;
    p->unreported++;
    if (t->parent)
        t->parent->strikes = 0;
    cancel_twins(p, t, piece->number);
    dtr_plan_run(p);
}

void dtr_planner_transfer_done(struct dtr_planner *p, uint64_t now_ms, uint32_t id,
                               const struct dtr_error *err)
{
    static const struct dtr_error well;
    struct plan_transfer *t = dtr_plan_transfer(p, id);
    p->now_ms = now_ms;
    if (!t)
        return;
    bool cancelled = t->cancelled;
    dtr_list_remove(&t->link);
    dtr_plan_uncount(p, t);
    p->quiet_since = now_ms;
    if (p->over)
        ;
    else if (cancelled)
        (void)(t->parent || dtr_plan_unverify(p, t->start, t->at));
    else if (t->parent)
        dtr_plan_fetch_ended(p, t, err ? err : &well);
    else
        dtr_plan_origin_ended(p, t, err ? err : &well);
    free(t);
    dtr_plan_run(p);
}

/* --- the whole --------------------------------------------------------------------------------------- */

void dtr_planner_checked(struct dtr_planner *p, uint64_t now_ms, const struct dtr_error *err)
{
    p->now_ms = now_ms;
    if (p->over || p->checked)
        return;
    p->checking = false;
    p->checked = true;
    if (err && err->code)
        dtr_plan_fail(p, err);
    dtr_plan_run(p);
}
