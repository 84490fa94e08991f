/* Which piece next and from whom.
 *
 * The pieces right behind a reader go first; of the others those that the fewest parents have, in random
 * order, so that siblings come to hold different pieces and can exchange them (a parent of ours also tells
 * each of them of other pieces first, see spread.h). A piece goes to the parent
 * that is expected to bring it soonest. Slow tails are asked for a second time elsewhere. */
#include "core/brain/planner_internal.h"

#define QUEUE_MS          2000 /* no more is asked of a parent that has work for so long */
#define QUEUE_MIN         2    /* except that so many requests are always fine */
#define HEDGE_MS          200  /* a hedge must win at least so much */
#define HEDGE_ORIGIN_PART 6    /* of hedge_origin_ms: so long is a transfer watched first */

static bool busy(const struct dtr_planner *p, const struct plan_parent *parent)
{
    uint32_t fair = p->config.concurrent_pieces, usable = dtr_plan_parents_usable(p);
    if (parent->in_flight < QUEUE_MIN)
        return false;
    if (parent->measured)
        return (double)parent->outstanding * 1000 > dtr_plan_parent_rate(p, parent) * QUEUE_MS;
    return parent->in_flight >= (fair + usable - 1) / (usable ? usable : 1);
}

/* When `parent` would have brought `length` more bytes, ms from now. */
static double expected_ms(const struct dtr_planner *p, const struct plan_parent *parent, uint64_t length)
{
    return (double)(parent->outstanding + length) * 1000 / dtr_plan_parent_rate(p, parent);
}

/* The parent to ask for piece n; NULL: nobody, or better wait for somebody who is busy. */
static struct plan_parent *choose(struct dtr_planner *p, uint32_t n, const struct plan_parent *except)
{
    uint64_t length = dtr_plan_piece_end(p, n) - dtr_plan_piece_start(p, n), equals = 0;
    struct plan_parent *best = NULL;
    double best_ms = 0;
    for (uint32_t i = 0; i < p->parent_count; i++) {
        struct plan_parent *parent = p->parents[i];
        if (parent == except || !dtr_plan_parent_usable(p, parent) || !dtr_plan_parent_has(parent, n))
            continue;
        /* Of one whose speed is not known yet nothing is gained by waiting for it. */
        if (!parent->measured && busy(p, parent))
            continue;
        double ms = expected_ms(p, parent, length);
        equals = best && !(ms < best_ms) && !(ms > best_ms) ? equals + 1 : 1;
        if (best && (ms > best_ms || (equals > 1 && dtr_plan_random(p, equals))))
            continue;
        best = parent;
        best_ms = ms;
    }
    return best && !busy(p, best) ? best : NULL;
}

static void fetch(struct dtr_planner *p, uint32_t n, struct plan_parent *parent)
{
    uint64_t start = dtr_plan_piece_start(p, n), end = dtr_plan_piece_end(p, n);
    struct plan_transfer *t = dtr_plan_transfer_new(p, parent, start, end);
    if (!t)
        return;
    t->piece = n;
    p->pieces[n].in_flight++;
    if (parent->in_flight++ == 0) {
        parent->window_at = parent->moved_at = p->now_ms;
        parent->window_bytes = 0;
    }
    parent->outstanding += end - start;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_FETCH,
                                               .id = t->id,
                                               .parent = parent->index,
                                               .piece = n,
                                               .offset = start,
                                               .length = end - start});
}

static uint32_t holders(const struct dtr_planner *p, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->parent_count; i++)
        count += dtr_plan_parent_usable(p, p->parents[i]) && dtr_plan_parent_has(p->parents[i], n);
    return count;
}

/* A piece right behind a reader. */
static struct plan_parent *pick_for_reader(struct dtr_planner *p, uint32_t window, uint32_t *ret_piece)
{
    for (uint32_t i = 0; i < p->reader_count; i++) {
        uint32_t seen = 0;
        for (uint32_t n = dtr_plan_piece_at(p, p->readers[i].at); n < p->piece_count && seen < window; n++) {
            if (!dtr_plan_missing(p, n))
                continue;
            seen++;
            struct plan_parent *parent = dtr_plan_unclaimed(p, n) ? choose(p, n, NULL) : NULL;
            if (parent) {
                *ret_piece = n;
                return parent;
            }
        }
    }
    return NULL;
}

/* The rarest piece; walking from a random one makes the order among equals random. */
static struct plan_parent *pick_rare(struct dtr_planner *p, uint32_t *ret_piece)
{
    struct plan_parent *best = NULL;
    uint32_t best_holders = UINT32_MAX, first = (uint32_t)dtr_plan_random(p, p->piece_count);
    for (uint32_t k = 0; k < p->piece_count && best_holders > 1; k++) {
        uint32_t n = (first + k) % p->piece_count, count = holders(p, n);
        if (!count || count >= best_holders || !dtr_plan_unclaimed(p, n))
            continue;
        struct plan_parent *parent = choose(p, n, NULL);
        if (!parent)
            continue;
        best = parent;
        best_holders = count;
        *ret_piece = n;
    }
    return best;
}

static bool next_for_reader(const struct dtr_planner *p, uint32_t piece)
{
    for (uint32_t i = 0; i < p->reader_count; i++) {
        uint32_t n = dtr_plan_piece_at(p, p->readers[i].at);
        while (n < piece && !dtr_plan_missing(p, n))
            n++;
        if (n == piece)
            return true;
    }
    return false;
}

/* How long a transfer still needs, ms; never less than it has been silent. */
static double remaining_ms(const struct dtr_planner *p, const struct plan_transfer *t)
{
    double silent = (double)(p->now_ms - t->moved_at);
    if (!t->parent->measured)
        return silent;
    double ms = (double)(t->end - t->at) * 1000 * t->parent->in_flight / dtr_plan_parent_rate(p, t->parent);
    return ms > silent ? ms : silent;
}

/* Only a transfer that crawls itself, and did so for a while: one copy is to leave the origin, and how fast a
 * parent is says little while it waits for its own bytes. */
static bool origin_may_hedge(const struct dtr_planner *p, const struct plan_transfer *t)
{
    uint64_t passed = p->now_ms - t->started_at, done = t->at - t->start;
    double whole_ms = (double)passed * (double)(t->end - t->start) / (double)(done ? done : 1);
    return p->config.hedge_origin_ms && passed >= p->config.hedge_origin_ms / HEDGE_ORIGIN_PART &&
           whole_ms > (double)p->config.hedge_origin_ms && !p->origin && p->source == SOURCE_CLOSED &&
           !p->source_dead && !p->config.disable_back_to_source && p->talk != TALK_ASKED;
}

static void hedge_one(struct dtr_planner *p, struct plan_transfer *t)
{
    double mine = remaining_ms(p, t);
    bool silent = p->now_ms - t->moved_at >= p->config.hedge_silent_ms;
    struct plan_parent *other = choose(p, t->piece, t->parent);
    struct dtr_range gap;
    if (other) {
        double theirs = expected_ms(p, other, t->end - t->start);
        bool faster = other->measured && mine > p->config.hedge_factor * theirs + HEDGE_MS;
        if (!silent && !faster)
            return;
        fetch(p, t->piece, other);
    } else if (origin_may_hedge(p, t) && dtr_ranges_gap(&p->arrived, t->start, t->end, &gap)) {
        p->source_why = "a parent is too slow with a piece";
        dtr_plan_origin_range(p, gap.start, gap.end, false);
    } else {
        return;
    }
    t->hedged = true;
}

static void hedge(struct dtr_planner *p, bool for_readers)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (p->active >= p->config.concurrent_pieces || p->broken)
            return;
        if (!t->parent || t->cancelled || t->hedged || p->pieces[t->piece].done ||
            p->pieces[t->piece].in_flight > 1)
            continue;
        if (!for_readers || next_for_reader(p, t->piece))
            hedge_one(p, t);
    }
}

void dtr_plan_fill(struct dtr_planner *p)
{
    uint32_t limit = p->config.concurrent_pieces, n = 0;
    if (!p->parent_count || p->active >= limit)
        return;
    if (p->gather_until && p->now_ms >= p->gather_until) {
        p->gather = false;
        p->gather_until = 0;
    }
    hedge(p, true);
    while (p->active < limit && !p->broken) {
        struct plan_parent *parent = pick_for_reader(p, p->gather ? 1 : p->config.reader_window, &n);
        if (!parent && !p->gather)
            parent = pick_rare(p, &n);
        if (!parent)
            break;
        fetch(p, n, parent);
    }
    hedge(p, false);
}
