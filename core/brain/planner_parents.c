/* The parents of one task: opening and closing their piece lists, how fast each really is, and when one is
 * given up. Which piece goes to whom is decided in planner_pick.c. */
#include "core/brain/planner_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MS      100 /* after the first report of an answer's parents */
#define SETTLE_MS      5   /* after the first report of the last one: lists come in bursts */
#define RETRY_MS       200
#define REOPEN_MS      300
#define STRIKES_MAX    2
#define RATE_WINDOW_MS 50
#define RATE_BYTES     ((uint64_t)64 << 10) /* less says nothing of a speed ... */
#define RATE_SLOW_MS   500                  /* ... unless it took so long */
#define RATE_UNKNOWN   (10e9 / 8)           /* bytes/s of a host that announces no ceiling (wire page 3.6) */
#define RATE_REGROW_MS 2000
#define PIECE_STALLS   12  /* a piece may take so many stall times */
#define PIECE_BYTES_MS 128 /* or as long as it takes at so many bytes per ms */

static uint32_t live_count(const struct dtr_planner *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->parent_count; i++)
        count += p->parents[i]->state == PARENT_LIVE;
    return count;
}

static void open_list(struct dtr_planner *p, struct plan_parent *parent)
{
    parent->listening = true;
    parent->heard = false;
    parent->reopen_at = 0;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_PARENT_OPEN, .parent = parent->index});
}

static char *copy_text(char **at, const char *text)
{
    char *copy = *at;
    size_t size = strlen(text) + 1;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

static struct plan_parent *parent_new(struct dtr_planner *p, const struct dtr_plan_parent *said)
{
    struct plan_parent *parent = calloc(1, sizeof(*parent));
    void *parents = p->parents;
    if (!parent || !dtr_plan_room(&parents, &p->parent_capacity, p->parent_count, sizeof(*p->parents)))
        goto out;
    p->parents = parents;
    parent->has = calloc(1, p->piece_count / 8 + (size_t)1);
    parent->text = malloc(strlen(said->peer_id) + strlen(said->host_id) + strlen(said->address) + 3);
    if (!parent->has || !parent->text)
        goto out;
    char *at = parent->text;
    parent->said = *said;
    parent->said.peer_id = copy_text(&at, said->peer_id);
    parent->said.host_id = copy_text(&at, said->host_id);
    parent->said.address = copy_text(&at, said->address);
    parent->index = p->parent_count;
    p->parents[p->parent_count++] = parent;
    return parent;
out:
    p->broken = true;
    if (parent) {
        free(parent->has);
        free(parent->text);
    }
    free(parent);
    return NULL;
}

void dtr_plan_parents_free(struct dtr_planner *p)
{
    for (uint32_t i = 0; i < p->parent_count; i++) {
        free(p->parents[i]->has);
        free(p->parents[i]->text);
        free(p->parents[i]);
    }
    free(p->parents);
}

static struct plan_parent *find(const struct dtr_planner *p, const char *peer_id)
{
    for (uint32_t i = 0; i < p->parent_count; i++)
        if (strcmp(p->parents[i]->said.peer_id, peer_id) == 0)
            return p->parents[i];
    return NULL;
}

static void add(struct dtr_planner *p, const struct dtr_plan_parent *said)
{
    struct plan_parent *parent = find(p, said->peer_id);
    bool anew = !parent;
    if (anew) {
        parent = parent_new(p, said);
        if (!parent)
            return;
    }
    parent->said.max_tx = said->max_tx;
    parent->said.tx = said->tx;
    if (parent->state == PARENT_LOST ||
        (parent->state == PARENT_STALLED && p->config.disable_back_to_source)) {
        /* The scheduler knows what happened and names it again: it may have come back. */
        memset(parent->has, 0, p->piece_count / 8 + (size_t)1);
        parent->state = PARENT_LIVE;
        parent->strikes = 0;
        parent->retry_at = 0;
        anew = true;
    }
    /* A list that had ended may have become longer. */
    if (anew || (parent->state == PARENT_LIVE && !parent->listening))
        open_list(p, parent);
}

void dtr_plan_parents_add(struct dtr_planner *p, const struct dtr_plan_answer *answer)
{
    for (uint32_t i = 0; i < answer->parent_count && !p->broken; i++)
        add(p, &answer->parents[i]);
    p->gather = live_count(p) > 1;
    p->gather_until = 0;
}

void dtr_plan_parents_add_new(struct dtr_planner *p, const struct dtr_plan_answer *answer)
{
    for (uint32_t i = 0; i < answer->parent_count && !p->broken; i++)
        if (!find(p, answer->parents[i].peer_id))
            add(p, &answer->parents[i]);
}

bool dtr_plan_parent_has(const struct plan_parent *parent, uint32_t n)
{
    return parent->has[n / 8] >> n % 8 & 1;
}

bool dtr_plan_parent_usable(const struct dtr_planner *p, const struct plan_parent *parent)
{
    return parent->state == PARENT_LIVE && parent->retry_at <= p->now_ms;
}

uint32_t dtr_plan_parents_usable(const struct dtr_planner *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->parent_count; i++)
        count += dtr_plan_parent_usable(p, p->parents[i]);
    return count;
}

void dtr_plan_parents_reopen(struct dtr_planner *p, bool all)
{
    for (uint32_t i = 0; i < p->parent_count; i++) {
        struct plan_parent *parent = p->parents[i];
        bool due = parent->reopen_at && parent->reopen_at <= p->now_ms;
        if (parent->state == PARENT_LIVE && (all || due))
            open_list(p, parent);
    }
}

void dtr_plan_parent_drop(struct dtr_planner *p, struct plan_parent *parent, enum parent_state state)
{
    parent->state = state;
    parent->listening = false;
    parent->reopen_at = 0;
    (void)snprintf(parent->left, sizeof(parent->left), "%.150s", p->over ? "the pull is over" : p->why.text);
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (t->parent == parent && !t->cancelled)
            dtr_plan_cancel(p, t);
    }
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_PARENT_CLOSE,
                                               .parent = parent->index,
                                               .description = parent->left});
}

bool dtr_plan_parents_alive(const struct dtr_planner *p)
{
    for (uint32_t i = 0; i < p->parent_count; i++) {
        const struct plan_parent *parent = p->parents[i];
        if (parent->state == PARENT_LIVE && parent->listening && parent->alive_at &&
            p->now_ms < parent->alive_at + p->config.stall_timeout_ms)
            return true;
    }
    return false;
}

bool dtr_plan_parents_hope(const struct dtr_planner *p)
{
    for (uint32_t i = 0; i < p->parent_count; i++) {
        const struct plan_parent *parent = p->parents[i];
        if (parent->state != PARENT_LIVE)
            continue;
        if (parent->listening || parent->reopen_at)
            return true;
        for (uint32_t n = p->first_missing; n < p->piece_count; n++)
            if (dtr_plan_parent_has(parent, n) && dtr_plan_missing(p, n))
                return true;
    }
    return false;
}

/* What it announced, bytes/s: the part of its sending that is free, at least a tenth. */
static double announced_rate(const struct plan_parent *parent)
{
    uint64_t max = parent->said.max_tx, tx = parent->said.tx;
    if (!max)
        return RATE_UNKNOWN;
    uint64_t free_tx = tx < max ? max - tx : 0;
    double rate = (double)(free_tx > max / 10 ? free_tx : max / 10) / 8;
    return rate > 1 ? rate : 1;
}

double dtr_plan_parent_rate(const struct dtr_planner *p, const struct plan_parent *parent)
{
    double announced = announced_rate(parent), rate = parent->rate;
    if (!parent->measured)
        return announced;
    if (parent->in_flight)
        return rate;
    /* It may have become faster since: trust grows while it is idle, so that it gets another try. */
    for (uint64_t idle = p->now_ms - parent->idle_at; idle >= RATE_REGROW_MS && rate < announced;
         idle -= RATE_REGROW_MS)
        rate *= 2;
    return rate;
}

void dtr_plan_parent_moved(struct dtr_planner *p, struct plan_parent *parent, uint64_t bytes)
{
    uint64_t passed = p->now_ms - parent->window_at;
    parent->outstanding -= bytes;
    parent->window_bytes += bytes;
    if (bytes) {
        parent->moved_at = parent->bytes_at = parent->alive_at = p->now_ms;
        parent->suspect = false;
    }
    if (!parent->in_flight)
        parent->idle_at = p->now_ms;
    if (!parent->window_bytes || (passed < RATE_WINDOW_MS && parent->in_flight))
        return;
    if (parent->window_bytes < RATE_BYTES && passed < RATE_SLOW_MS)
        return; /* the first bytes of a transfer, which come with the wait for them */
    double sample = (double)parent->window_bytes * 1000 / (double)(passed ? passed : 1);
    parent->rate = parent->measured ? 0.7 * parent->rate + 0.3 * sample : sample;
    parent->measured = true;
    parent->window_at = p->now_ms;
    parent->window_bytes = 0;
}

#define TOO_SLOW      "%.100s is too slow with piece %u"
#define SENDS_NOTHING "%.100s sends nothing of piece %u"

static void piece_failed(struct dtr_planner *p, const struct plan_transfer *t, enum parent_state state)
{
    dtr_plan_talk_piece_failed(p, t->piece, t->parent);
    dtr_plan_parent_drop(p, t->parent, state);
}

/* One more chance, then it is given up. What was under way at the first failure counts with it. */
static void strike(struct dtr_planner *p, const struct plan_transfer *t)
{
    struct plan_parent *parent = t->parent;
    if (parent->strikes && t->started_at <= parent->struck_at)
        return;
    parent->struck_at = p->now_ms;
    parent->retry_at = p->now_ms + RETRY_MS;
    if (++parent->strikes >= STRIKES_MAX)
        piece_failed(p, t, PARENT_LOST);
}

/* The transport gave up what brought nothing for a stall time, before that was noticed here: it counts from
 * bytes that are heard of a little later. Where other transfers of the parent still moved, it is only this
 * one. */
static void fell_silent(struct dtr_planner *p, const struct plan_transfer *t)
{
    uint64_t stall = p->config.stall_timeout_ms, late = stall / 4;
    dtr_error_set(&p->why, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, SENDS_NOTHING, t->parent->said.peer_id,
                  t->piece);
    if (p->now_ms + late >= t->parent->moved_at + stall) {
        piece_failed(p, t, PARENT_STALLED);
    } else {
        t->parent->suspect = true;
        strike(p, t);
    }
}

void dtr_plan_fetch_ended(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_error *err)
{
    struct dtr_error broken_off;
    if (p->pieces[t->piece].done)
        return;
    if (!err->code) {
        dtr_error_set(&broken_off, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE, "%.100s did not send piece %u whole",
                      t->parent->said.peer_id, t->piece);
        err = &broken_off;
    }
    if (err->code == DTR_ENO_SPACE || err->code == DTR_ENOMEM) {
        dtr_plan_fail(p, err);
        return;
    }
    p->why = *err;
    p->pieces[t->piece].failed_at = t->parent->index + 1;
    if (t->parent->state != PARENT_LIVE)
        return;
    if (err->code == DTR_ECORRUPT || err->code == DTR_EPROTOCOL) {
        piece_failed(p, t, PARENT_LIAR);
        return;
    }
    if (err->code == DTR_ENOT_FOUND)
        t->parent->has[t->piece / 8] &= (uint8_t) ~(1u << t->piece % 8);
    if (err->code == DTR_ETIMEOUT)
        fell_silent(p, t);
    else
        strike(p, t);
}

uint64_t dtr_plan_piece_patience(const struct dtr_planner *p, const struct plan_transfer *t)
{
    uint64_t stalls = PIECE_STALLS * p->config.stall_timeout_ms;
    uint64_t slow = (t->end - t->start) / PIECE_BYTES_MS, limit = p->config.piece_timeout_ms;
    uint64_t patience = slow > stalls ? slow : stalls;
    return patience < limit ? patience : limit;
}

void dtr_plan_parents_stalled(struct dtr_planner *p)
{
    uint64_t now = p->now_ms, stall = p->config.stall_timeout_ms;
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (!t->parent || t->cancelled)
            continue;
        bool crawls = now >= t->started_at + dtr_plan_piece_patience(p, t);
        bool gone = t->parent->suspect && now >= t->parent->bytes_at + stall;
        if (now < t->moved_at + stall && !crawls && !gone)
            continue;
        dtr_error_set(&p->why, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE, crawls ? TOO_SLOW : SENDS_NOTHING,
                      t->parent->said.peer_id, t->piece);
        if (crawls || gone || now >= t->parent->moved_at + stall) {
            piece_failed(p, t, PARENT_STALLED);
        } else {
            t->parent->suspect = true;
            p->pieces[t->piece].failed_at = t->parent->index + 1;
            dtr_plan_cancel(p, t);
            strike(p, t);
        }
    }
}

const struct dtr_plan_parent *dtr_planner_parent(const struct dtr_planner *p, uint32_t parent)
{
    return parent < p->parent_count ? &p->parents[parent]->said : NULL;
}

struct dtr_plan_view dtr_planner_parent_view(const struct dtr_planner *p, uint32_t parent)
{
    static const char *const states[] = {
        [PARENT_LIVE] = "live", [PARENT_LOST] = "lost", [PARENT_STALLED] = "stalled", [PARENT_LIAR] = "lied"};
    const struct plan_parent *of = parent < p->parent_count ? p->parents[parent] : NULL;
    return of ? (struct dtr_plan_view){.state = states[of->state],
                                       .rate = of->measured ? of->rate : announced_rate(of),
                                       .measured = of->measured,
                                       .announced = of->said.max_tx != 0}
              : (struct dtr_plan_view){.state = "lost"};
}

static struct plan_parent *live(const struct dtr_planner *p, uint32_t index)
{
    return index < p->parent_count && p->parents[index]->state == PARENT_LIVE ? p->parents[index] : NULL;
}

static void gathered(struct dtr_planner *p)
{
    bool all = true;
    for (uint32_t i = 0; i < p->parent_count; i++)
        all = all && (p->parents[i]->heard || p->parents[i]->state != PARENT_LIVE);
    if (!p->gather)
        return;
    uint64_t until = p->now_ms + (all ? SETTLE_MS : GATHER_MS);
    if (!p->gather_until || until < p->gather_until)
        p->gather_until = until;
}

void dtr_planner_piece_seen(struct dtr_planner *p, uint64_t now_ms, uint32_t parent, uint32_t number)
{
    struct plan_parent *from = live(p, parent);
    p->now_ms = now_ms;
    if (p->over || !from || number >= p->piece_count)
        return;
    from->has[number / 8] |= (uint8_t)(1u << number % 8);
    from->heard = true;
    from->alive_at = now_ms;
    gathered(p);
    dtr_plan_run(p);
}

void dtr_planner_parent_load(struct dtr_planner *p, uint64_t now_ms, uint32_t parent, uint64_t max_tx,
                             uint64_t tx)
{
    struct plan_parent *from = live(p, parent);
    p->now_ms = now_ms;
    if (!from)
        return;
    from->said.max_tx = max_tx;
    from->said.tx = tx;
    from->alive_at = now_ms;
}

void dtr_planner_parent_ended(struct dtr_planner *p, uint64_t now_ms, uint32_t parent,
                              const struct dtr_error *err)
{
    struct plan_parent *from = live(p, parent);
    p->now_ms = now_ms;
    if (p->over || !from || !from->listening)
        return;
    from->listening = false;
    from->heard = true;
    gathered(p);
    if (err && err->code) {
        p->why = *err;
        if (++from->strikes >= STRIKES_MAX)
            dtr_plan_parent_drop(p, from, PARENT_LOST);
        else
            from->reopen_at = now_ms + REOPEN_MS;
    }
    dtr_plan_run(p);
}
