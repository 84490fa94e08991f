/* A small random world around one fetch planner: parents that are fast, slow, silent, dying or lying, an
 * origin with whims, a scheduler that answers anything or nothing, readers that come and go. Everything
 * follows from the seed. Not for: judging, which planner_random_test.c does, the only file
 * that includes this. */
#ifndef DTR_BRAIN_PLANNER_WORLD_FIXTURE_H
#define DTR_BRAIN_PLANNER_WORLD_FIXTURE_H

#include "core/base/draw.h"
#include "core/base/ranges.h"
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define STEP_MS   10
#define PARENTS   5
#define TRANSFERS 64
#define READERS   4
#define CHUNK     ((uint64_t)256 << 10)

enum habit { GOOD, SLOW, SILENT, LIAR, CLOSES, FORGETS, HABITS };
enum whim {
    FINE,
    IGNORES_RANGE,
    SAYS_NO_LENGTH,
    BREAKS_OFF,
    STALLS,
    REFUSES,
    FAILS,
    FAILS_ALWAYS,
    OTHER,
    REFUSES_MORE,   /* than one stream */
    OTHER_FOR_MORE, /* has another version by then */
    WHIMS
};

struct toy_parent {
    enum habit habit;
    uint64_t speed;          /* bytes per step */
    uint32_t reports, total; /* pieces it will report, per step */
    bool open, list_fails;
};

struct toy_transfer {
    struct dtr_plan_action action;
    bool used, held, cancelled, headed;
    uint64_t at, end, broken_at;
};

struct world {
    uint64_t seed, random, now, length, piece_length;
    struct dtr_plan_config config;
    struct dtr_planner *planner;
    void (*carry_out)(struct world *w, const struct dtr_plan_action *action);
    struct toy_parent parents[PARENTS];
    uint32_t known[PARENTS]; /* planner's parent index -> ours */
    struct toy_transfer transfers[TRANSFERS];
    enum whim whim;
    uint64_t origin_speed;
    uint32_t origin_requests, further;
    uint64_t shared; /* bytes per step of all streams together; 0: each has origin_speed */
    uint64_t twice;  /* bytes that the origin sent again */
    bool late;       /* it sent some that it was told to keep */
    struct dtr_ranges arrived;
    uint8_t verified[64], stored[64];
    struct dtr_range readers[READERS], base;
    uint32_t present;          /* bit per reader */
    uint64_t owed_at, stat_at; /* when the scheduler answers; 0: nothing owed */
    uint64_t check_at;         /* when the check of the whole is answered; 0: not asked for */
    bool owed_never, finished_well, spoilt;
    uint32_t brought; /* pieces that came before the end */
    enum dtr_plan_kind outcome;
    int code;
    struct talk_check talk;
};

static uint64_t world_draw(struct world *w, uint64_t below)
{
    return dtr_draw(&w->random) % below;
}

static bool world_chance(struct world *w, uint32_t percent)
{
    return world_draw(w, 100) < percent;
}

static bool world_bit(const uint8_t *bits, uint64_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

static uint64_t world_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Fails the test, with seed and time, unless `good`. */
static void world_check(const struct world *w, bool good, const char *what)
{
    if (!good)
        fail_msg("DTR_SEED=%llu at %llu ms: %s", (unsigned long long)w->seed, (unsigned long long)w->now,
                 what);
}

/* Hands the planner's actions to w->carry_out. */
static void world_drain(struct world *w)
{
    struct dtr_plan_action action;
    while (dtr_planner_next(w->planner, &action))
        w->carry_out(w, &action);
    world_check(w, !w->talk.wrong[0], w->talk.wrong);
    world_check(w, dtr_planner_wake(w->planner) > w->now, "wants to be woken in the past");
    world_check(w,
                dtr_planner_over(w->planner) || w->check_at || dtr_planner_wake(w->planner) != DTR_PLAN_NEVER,
                "waits without a deadline");
}

static void end_transfer(struct world *w, struct toy_transfer *t, int code, enum dtr_retry retry)
{
    struct dtr_error err = {0};
    uint32_t id = t->action.id;
    if (t->cancelled)
        code = DTR_ECANCELLED;
    if (code)
        dtr_error_set(&err, code, retry, "toy: %s", dtr_code_text(code));
    t->used = false;
    dtr_planner_transfer_done(w->planner, w->now, id, &err);
}

static void verify(struct world *w, uint32_t id, uint64_t n)
{
    struct dtr_piece piece = {.number = (uint32_t)n, .crc32 = 5, .has_crc32 = true};
    piece.offset = n * w->piece_length;
    piece.length = world_smaller(w->piece_length, w->length - piece.offset);
    w->verified[n / 8] |= (uint8_t)(1u << n % 8);
    dtr_planner_piece_done(w->planner, w->now, id, &piece);
}

static void act_fetch(struct world *w, struct toy_transfer *t)
{
    struct toy_parent *from = &w->parents[w->known[t->action.parent]];
    uint32_t sharing = 0;
    for (uint32_t i = 0; i < TRANSFERS; i++)
        sharing += w->transfers[i].used && w->transfers[i].action.kind == DTR_PLAN_FETCH &&
                   w->transfers[i].action.parent == t->action.parent;
    uint64_t to = world_smaller(world_smaller(t->at + from->speed / sharing + 1, t->end), t->broken_at);
    if (from->habit == CLOSES && world_chance(w, 2))
        return end_transfer(w, t, DTR_ECLOSED, DTR_RETRY_ELSEWHERE);
    if (from->habit == FORGETS && world_chance(w, 5))
        return end_transfer(w, t, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE);
    if (to > t->at)
        dtr_planner_progress(w->planner, w->now, t->action.id, t->at, to - t->at);
    t->at = to;
    if (to < t->end)
        return;
    if (from->habit == LIAR && world_chance(w, 50))
        return end_transfer(w, t, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE);
    if (!world_bit(w->verified, t->action.piece))
        verify(w, t->action.id, t->action.piece);
    end_transfer(w, t, DTR_OK, DTR_RETRY_NEVER);
}

static void origin_head(struct world *w, struct toy_transfer *t)
{
    struct dtr_plan_head head = {w->length, t->action.offset, false, true};
    if (t->action.further && (w->whim == REFUSES_MORE || w->whim == OTHER_FOR_MORE))
        return end_transfer(w, t, w->whim == REFUSES_MORE ? DTR_EORIGIN : DTR_ECORRUPT,
                            w->whim == REFUSES_MORE ? DTR_RETRY_SAME : DTR_RETRY_NEVER);
    if ((t->action.offset || t->action.rest_too) && t->action.offset >= w->length)
        return end_transfer(w, t, DTR_EORIGIN, DTR_RETRY_NEVER);
    if (w->whim == REFUSES)
        return end_transfer(w, t, DTR_EORIGIN, DTR_RETRY_NEVER);
    if (w->whim == FAILS_ALWAYS || (w->whim == FAILS && w->origin_requests < 3))
        return end_transfer(w, t, DTR_EORIGIN, DTR_RETRY_SAME);
    if (w->whim == IGNORES_RANGE && t->action.further)
        return end_transfer(w, t, DTR_EPROTOCOL, DTR_RETRY_NEVER);
    if (w->whim == IGNORES_RANGE) { /* the role cuts off what lies behind what it asked for */
        head.body_offset = t->at = 0;
        head.takes_ranges = world_chance(w, 50); /* so it says */
        head.whole = true;
        if (t->action.rest_too)
            t->end = w->length;
    }
    if (w->whim == SAYS_NO_LENGTH)
        head.total_length = DTR_LENGTH_UNKNOWN;
    if (w->whim == OTHER && w->origin_requests > 1)
        head.body_offset = t->action.offset + 1;
    t->headed = true;
    dtr_planner_origin_head(w->planner, w->now, t->action.id, &head);
}

static void origin_bytes(struct world *w, struct toy_transfer *t, uint64_t to)
{
    uint64_t from = t->at, had = dtr_ranges_total(&w->arrived);
    t->at = to;
    (void)dtr_ranges_add(&w->arrived, from, to);
    w->late = w->late || t->cancelled;
    w->twice += to - from - (dtr_ranges_total(&w->arrived) - had);
    dtr_planner_progress(w->planner, w->now, t->action.id, from, to - from);
    for (uint64_t n = w->piece_length ? from / w->piece_length : 0; n * w->piece_length < to; n++) {
        uint64_t start = n * w->piece_length, end = world_smaller(start + w->piece_length, w->length);
        if (!world_bit(w->verified, n) && dtr_ranges_has(&w->arrived, start, end))
            verify(w, t->action.id, n);
    }
}

static uint32_t origin_streams(const struct world *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < TRANSFERS; i++)
        count +=
            w->transfers[i].used && w->transfers[i].headed && w->transfers[i].action.kind == DTR_PLAN_ORIGIN;
    return count;
}

static void act_origin(struct world *w, struct toy_transfer *t)
{
    if (!t->headed && !t->cancelled && world_chance(w, 20))
        return origin_head(w, t);
    if (t->headed && t->action.length_only)
        return end_transfer(w, t, DTR_OK, DTR_RETRY_NEVER);
    if (!t->headed || t->held)
        return;
    uint64_t speed = world_smaller(w->origin_speed, CHUNK);
    if (w->shared)
        speed = world_smaller(speed, w->shared / origin_streams(w) + 1);
    uint64_t to = world_smaller(world_smaller(t->at + speed, t->end), t->broken_at);
    if (to > t->at)
        origin_bytes(w, t, to);
    if (t->used && t->at >= t->broken_at && w->whim == BREAKS_OFF)
        return end_transfer(w, t, world_chance(w, 50) ? DTR_ECLOSED : DTR_OK, DTR_RETRY_SAME);
    if (t->used && t->at >= t->end)
        end_transfer(w, t, DTR_OK, DTR_RETRY_NEVER);
}

static void act_transfer(struct world *w, struct toy_transfer *t)
{
    if (t->cancelled && world_chance(w, 70))
        end_transfer(w, t, DTR_ECANCELLED, DTR_RETRY_NEVER);
    else if (t->action.kind == DTR_PLAN_FETCH)
        act_fetch(w, t);
    else
        act_origin(w, t);
}

static void act_parent(struct world *w, uint32_t index)
{
    struct dtr_error err;
    struct toy_parent *from = &w->parents[w->known[index]];
    uint32_t count = dtr_planner_piece_count(w->planner);
    if (!dtr_planner_parent(w->planner, index) || !from->open || from->reports > count)
        return;
    dtr_error_set(&err, DTR_EINTERNAL, DTR_RETRY_ELSEWHERE, "toy: unknown task");
    for (uint32_t i = 0; i < from->total && from->open && from->reports < count; i++)
        dtr_planner_piece_seen(w->planner, w->now, index, from->reports++);
    if (from->reports == count || (from->list_fails && world_chance(w, 5))) {
        bool fails = from->list_fails;
        from->reports = count + 1;
        dtr_planner_parent_ended(w->planner, w->now, index, fails ? &err : NULL);
    }
}

static void scheduler_answers(struct world *w)
{
    struct dtr_plan_parent parents[PARENTS];
    static const char *const ids[] = {"A", "B", "C", "D", "E"};
    struct dtr_plan_answer answer = {DTR_PLAN_ANSWER_NORMAL, parents, 0, w->length};
    uint64_t dice = world_draw(w, 100);
    if (w->talk.state == TALK_WAITS && dice < 4) {
        w->talk.lost = true;
        dtr_planner_scheduler_lost(w->planner, w->now, NULL, world_chance(w, 50));
        return;
    }
    if (dice < 25)
        answer.kind = DTR_PLAN_ANSWER_BACK_TO_SOURCE;
    else if (dice < 30)
        answer.kind = world_chance(w, 50) ? DTR_PLAN_ANSWER_EMPTY : DTR_PLAN_ANSWER_METADATA_ONLY;
    for (uint32_t i = 0; answer.kind == DTR_PLAN_ANSWER_NORMAL && i < PARENTS; i++)
        if (world_chance(w, 50))
            parents[answer.parent_count++] =
                (struct dtr_plan_parent){ids[i], ids[i], "192.0.2.1", 4000, world_draw(w, 3) * 1000000000, 0};
    talk_check_answer(&w->talk, answer.kind);
    dtr_planner_answer(w->planner, w->now, &answer);
}

static void act_scheduler(struct world *w)
{
    if (w->stat_at && w->now >= w->stat_at) {
        bool known = world_chance(w, 50), missed = !known && world_chance(w, 50);
        struct dtr_plan_stat stat = {known, world_chance(w, 50), w->length, missed};
        w->stat_at = 0;
        dtr_planner_stat(w->planner, w->now, &stat);
    } else if (w->owed_at && w->now >= w->owed_at) {
        w->owed_at = 0;
        if (!w->owed_never)
            scheduler_answers(w);
    } else if (world_draw(w, 3000) == 0) {
        w->owed_at = 0;
        w->talk.lost = true;
        dtr_planner_scheduler_lost(w->planner, w->now, NULL, world_chance(w, 50));
    } else if (w->talk.lost && world_draw(w, 300) == 0) {
        dtr_planner_scheduler_back(w->planner, w->now);
    } else if (world_draw(w, 2000) == 0) {
        scheduler_answers(w); /* nobody asked */
    }
}

static void act_check(struct world *w)
{
    struct dtr_error err;
    dtr_error_set(&err, DTR_ECORRUPT, DTR_RETRY_SAME, "toy: wrong digest");
    if (!w->check_at || w->now < w->check_at)
        return;
    w->check_at = 0;
    dtr_planner_checked(w->planner, w->now, w->spoilt ? &err : NULL);
}

static void act_readers(struct world *w)
{
    uint32_t reader = (uint32_t)world_draw(w, READERS);
    uint64_t start = world_draw(w, w->length ? w->length : 1), dice = world_draw(w, 2000);
    if (dice == 0 && !(w->present >> reader & 1)) {
        uint64_t length = world_chance(w, 50) ? DTR_LENGTH_UNKNOWN : 1 + world_draw(w, w->length + 1);
        uint64_t end = length > UINT64_MAX - start ? UINT64_MAX : start + length;
        w->readers[reader] = (struct dtr_range){start, end};
        w->present |= 1u << reader;
        if (!dtr_planner_want(w->planner, w->now, reader, start, length))
            w->present &= ~(1u << reader);
    } else if (dice == 1 && w->present >> reader & 1) {
        w->present &= ~(1u << reader);
        dtr_planner_unwant(w->planner, w->now, reader);
    } else if (dice < 50 && w->present >> reader & 1) {
        dtr_planner_reader_at(w->planner, reader, start);
    }
}

/* What a confused role might say. */
static void act_nonsense(struct world *w)
{
    struct dtr_piece piece = {.number = 3};
    uint32_t id = 1000000 + (uint32_t)world_draw(w, 10);
    dtr_planner_progress(w->planner, w->now, id, 0, 10);
    dtr_planner_piece_done(w->planner, w->now, id, &piece);
    dtr_planner_transfer_done(w->planner, w->now, id, NULL);
    dtr_planner_piece_seen(w->planner, w->now, 77, 0);
    dtr_planner_piece_seen(w->planner, w->now, 0, UINT32_MAX);
    dtr_planner_parent_load(w->planner, w->now, (uint32_t)world_draw(w, 3), world_draw(w, 1000000000),
                            world_draw(w, 1000000000));
}

/* STEP_MS pass, and everybody acts. */
static void world_step(struct world *w)
{
    uint32_t first = (uint32_t)world_draw(w, TRANSFERS);
    w->now += STEP_MS;
    if (dtr_planner_wake(w->planner) <= w->now)
        dtr_planner_tick(w->planner, w->now);
    world_drain(w);
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        if (w->transfers[(first + i) % TRANSFERS].used)
            act_transfer(w, &w->transfers[(first + i) % TRANSFERS]);
        world_drain(w);
    }
    for (uint32_t i = 0; i < PARENTS; i++) {
        act_parent(w, i);
        world_drain(w);
    }
    act_scheduler(w);
    world_drain(w);
    act_check(w);
    world_drain(w);
    act_readers(w);
    world_drain(w);
    if (world_draw(w, 200) == 0)
        act_nonsense(w);
    world_drain(w);
}

#endif
