/* The fetch planner in small random worlds (planner_world_fixture.h). Whatever happens, it ends in time, with
 * all wanted bytes or with an error that says why, and keeps its rules on the way.
 *
 * Each world follows from a seed. A failure prints it; DTR_SEED=n runs that world alone, DTR_TRACE=1 prints
 * the actions, DTR_WORLDS=n sets how many there are. */
#include "core/brain/planner_world_fixture.h"

#define DEADLINE_MS (30 * 60 * 1000)

static bool have(const struct world *w, uint64_t at)
{
    return (w->piece_length && world_bit(w->verified, at / w->piece_length)) ||
           dtr_ranges_run(&w->arrived, at) > at;
}

static bool unfinished(const struct toy_transfer *t)
{
    return t->at < t->end;
}

/* Whether all that is wanted now is there. */
static bool satisfied(const struct world *w)
{
    for (uint32_t i = 0; i <= READERS; i++) {
        struct dtr_range range = i < READERS ? w->readers[i] : w->base;
        if (i < READERS && !(w->present >> i & 1))
            continue;
        for (uint64_t at = range.start; at < world_smaller(range.end, w->length);) {
            if (!have(w, at))
                return false;
            uint64_t run = dtr_ranges_run(&w->arrived, at);
            uint64_t piece_end = w->piece_length ? (at / w->piece_length + 1) * w->piece_length : 0;
            at = w->piece_length && world_bit(w->verified, at / w->piece_length) ? piece_end : run;
        }
    }
    return true;
}

static void check_fetch(struct world *w, const struct dtr_plan_action *a)
{
    uint32_t same = 0;
    world_check(w, !world_bit(w->verified, a->piece), "asks for a piece that is there");
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        const struct toy_transfer *t = &w->transfers[i];
        if (!t->used || t->cancelled || t->action.kind != DTR_PLAN_FETCH || t->action.piece != a->piece)
            continue;
        world_check(w, t->action.parent != a->parent, "asks the same parent twice at a time");
        same++;
    }
    world_check(w, same <= 1, "asks for a piece three times at once");
    world_check(w, w->parents[w->known[a->parent]].open, "asks a parent that is closed");
}

/* An answer to a question for the length has nothing more to bring. */
static bool is_active(const struct toy_transfer *t)
{
    return t->used && !t->cancelled && !t->held && !(t->action.length_only && t->headed);
}

static void check_origin(struct world *w, const struct dtr_plan_action *a)
{
    world_check(w, !w->config.disable_back_to_source || w->config.need_back_to_source || a->length_only,
                "goes to a forbidden origin");
    world_check(w, !w->length || !have(w, a->offset), "asks the origin for what is there");
    uint32_t others = 0;
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        const struct toy_transfer *t = &w->transfers[i];
        if (!is_active(t) || t->action.kind != DTR_PLAN_ORIGIN || !unfinished(t))
            continue;
        others++;
        world_check(w, a->further, "asks the origin twice");
        world_check(w, a->offset + a->length <= t->at || a->offset >= t->end,
                    "asks the origin for what a stream is about to bring");
    }
    world_check(w, !a->further || !a->rest_too, "a further stream is to bring all");
    world_check(w, !a->further || a->length != DTR_LENGTH_UNKNOWN, "a further stream names no end");
    world_check(w, others < w->config.origin_streams, "more streams than allowed");
    w->further += a->further;
}

static void begin(struct world *w, const struct dtr_plan_action *a)
{
    uint32_t slot = 0, active = 0;
    for (uint32_t i = 0; i < TRANSFERS; i++)
        active += is_active(&w->transfers[i]);
    world_check(w, active < w->config.concurrent_pieces, "more in flight than allowed");
    while (slot < TRANSFERS && w->transfers[slot].used)
        slot++;
    world_check(w, slot < TRANSFERS, "cancelled transfers pile up");
    if (a->kind == DTR_PLAN_FETCH)
        check_fetch(w, a);
    else
        check_origin(w, a);
    struct toy_transfer *t = &w->transfers[slot];
    *t = (struct toy_transfer){.action = *a, .used = true, .at = a->offset, .broken_at = UINT64_MAX};
    t->end = a->length == DTR_LENGTH_UNKNOWN ? w->length : world_smaller(w->length, a->offset + a->length);
    if (a->kind == DTR_PLAN_FETCH) {
        if (w->parents[w->known[a->parent]].habit == SILENT && world_chance(w, 30))
            t->broken_at = t->at + world_draw(w, a->length);
    } else {
        w->origin_requests++;
        if (w->whim == BREAKS_OFF || (w->whim == STALLS && w->origin_requests % 2))
            t->broken_at = t->at + CHUNK + world_draw(w, 8 * MIB);
    }
}

static struct toy_transfer *transfer(struct world *w, uint32_t id)
{
    for (uint32_t i = 0; i < TRANSFERS; i++)
        if (w->transfers[i].used && w->transfers[i].action.id == id)
            return &w->transfers[i];
    world_check(w, false, "names a transfer that is not there");
    return NULL;
}

/* The transfer may have ended meanwhile: this world reports some events together. */
static void cancel(struct world *w, uint32_t id)
{
    for (uint32_t i = 0; i < TRANSFERS; i++)
        if (w->transfers[i].used && w->transfers[i].action.id == id)
            w->transfers[i].cancelled = true;
}

/* It comes from an origin that was asked for the rest; it may have ended meanwhile. */
static void cut(struct world *w, uint32_t id, uint64_t end)
{
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        struct toy_transfer *t = &w->transfers[i];
        if (!t->used || t->action.id != id)
            continue;
        world_check(w, t->action.kind == DTR_PLAN_ORIGIN, "cuts a piece of a parent short");
        world_check(w, end % w->piece_length == 0 || end == w->length, "cuts a piece in two");
        t->end = end;
    }
}

static bool whole(const struct world *w)
{
    for (uint64_t n = 0; w->piece_length && n * w->piece_length < w->length; n++)
        if (!world_bit(w->verified, n))
            return false;
    return w->config.check;
}

static void begin_check(struct world *w)
{
    world_check(w, w->config.check && !w->check_at, "asks for a check that is not wanted");
    for (uint64_t n = 0; n * w->piece_length < w->length; n++)
        world_check(w, world_bit(w->verified, n), "asks for a check before every piece is there");
    for (uint32_t i = 0; i < TRANSFERS; i++)
        world_check(w, !w->transfers[i].used || w->transfers[i].cancelled || !unfinished(&w->transfers[i]),
                    "lets a transfer run into the check");
    w->check_at = w->now + 1 + world_draw(w, 20000);
}

static void note_end(struct world *w, const struct dtr_plan_action *a)
{
    w->outcome = a->kind;
    for (uint32_t n = 0; n < 26; n++)
        w->brought += world_bit(w->verified, n) && !world_bit(w->stored, n);
    if (a->kind == DTR_PLAN_DONE) {
        world_check(w, satisfied(w), "done, but wanted bytes are missing");
        world_check(w, !w->check_at && !(w->spoilt && whole(w)),
                    "done, but the whole is not as it should be");
        return;
    }
    w->code = a->error->code;
    world_check(w, a->error->code && a->error->text[0], "fails without saying why");
}

static uint32_t parent_of(const struct world *w, const struct dtr_plan_action *a)
{
    return (uint32_t)(dtr_planner_parent(w->planner, a->parent)->peer_id[0] - 'A');
}

static void carry_out(struct world *w, const struct dtr_plan_action *a)
{
    if (getenv("DTR_TRACE"))
        print_message("%llu %s id %u piece %u parent %u at %llu length %llu\n", (unsigned long long)w->now,
                      dtr_plan_kind_text(a->kind), a->id, a->piece, a->parent, (unsigned long long)a->offset,
                      (unsigned long long)a->length);
    talk_check_action(&w->talk, a);
    switch (a->kind) {
    case DTR_PLAN_STAT_TASK:
        w->stat_at = w->now + world_draw(w, 1500);
        break;
    case DTR_PLAN_REGISTER:
    case DTR_PLAN_RESCHEDULE:
        w->owed_at = w->now + (world_chance(w, 80) ? world_draw(w, 700) : world_draw(w, 9000));
        w->owed_never = world_chance(w, 10);
        break;
    case DTR_PLAN_PARENT_OPEN:
        w->known[a->parent] = parent_of(w, a);
        w->parents[w->known[a->parent]].open = true;
        w->parents[w->known[a->parent]].reports = 0;
        break;
    case DTR_PLAN_PARENT_CLOSE:
        w->parents[w->known[a->parent]].open = false;
        break;
    case DTR_PLAN_FETCH:
    case DTR_PLAN_ORIGIN:
        begin(w, a);
        break;
    case DTR_PLAN_CUT:
        cut(w, a->id, a->offset);
        break;
    case DTR_PLAN_HOLD:
    case DTR_PLAN_RESUME:
        transfer(w, a->id)->held = a->kind == DTR_PLAN_HOLD;
        break;
    case DTR_PLAN_CANCEL:
        cancel(w, a->id);
        break;
    case DTR_PLAN_LENGTH:
        world_check(w, a->content_length == w->length || a->content_length == DTR_LENGTH_UNKNOWN,
                    "wrong length");
        w->piece_length = a->piece_length;
        break;
    case DTR_PLAN_CHECK:
        begin_check(w);
        break;
    case DTR_PLAN_DONE:
    case DTR_PLAN_FAIL:
        note_end(w, a);
        break;
    case DTR_PLAN_FINISHED:
    case DTR_PLAN_BACK_TO_SOURCE_FINISHED:
        w->finished_well = true;
        break;
    default:
        break;
    }
}

static void make_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .random = seed, .now = 5000};
    w->length = world_chance(w, 5)    ? world_draw(w, 3)
                : world_chance(w, 30) ? world_draw(w, 8 * MIB)
                                      : world_draw(w, 100 * MIB);
    w->whim = world_chance(w, 40) ? FINE : (enum whim)world_draw(w, WHIMS);
    w->origin_speed = CHUNK / (1 + world_draw(w, 20));
    w->shared = world_chance(w, 30) ? w->origin_speed : 0;
    dtr_plan_config_default(&w->config);
    w->config.have_scheduler = world_chance(w, 85);
    w->config.disable_back_to_source = world_chance(w, 15);
    w->config.need_back_to_source = world_chance(w, 15);
    w->config.detached = world_chance(w, 20);
    w->config.concurrent_pieces = 1 + (uint32_t)world_draw(w, 8);
    w->config.origin_streams = 1 + (uint32_t)world_draw(w, 6);
    w->config.ask_length = world_chance(w, 50);
    w->config.expected = world_chance(w, 50) ? world_draw(w, 2 * MIB) : 0;
    w->config.check = world_chance(w, 50);
    w->spoilt = w->config.check && world_chance(w, 20);
    w->config.seed = seed;
    w->talk.answers_max = w->config.max_schedule_count;
    for (uint32_t i = 0; i < PARENTS; i++) {
        struct toy_parent *parent = &w->parents[i];
        parent->habit = world_chance(w, 40) ? GOOD : (enum habit)world_draw(w, HABITS);
        parent->speed = (parent->habit == SLOW ? 1000 : 40000) * (1 + world_draw(w, 20));
        parent->total = 1 + (uint32_t)world_draw(w, 20);
        parent->list_fails = world_chance(w, 10);
    }
}

static void start_world(struct world *w)
{
    struct dtr_plan_start start = {.length = DTR_LENGTH_UNKNOWN, .content_length = DTR_LENGTH_UNKNOWN};
    if (world_chance(w, 40)) {
        start.offset = world_draw(w, w->length + 1);
        start.length = 1 + world_draw(w, w->length + 1);
    }
    if (world_chance(w, 40)) {
        start.content_length = w->length;
        for (uint32_t n = 0; n < 26; n++)
            if (world_chance(w, 20) && n * 4 * MIB < w->length)
                w->stored[n / 8] |= (uint8_t)(1u << n % 8);
        memcpy(w->verified, w->stored, sizeof(w->stored));
        start.stored = w->stored;
        start.stored_count = 26;
    }
    w->present = 1;
    w->readers[0] = (struct dtr_range){
        start.offset, start.length == DTR_LENGTH_UNKNOWN ? UINT64_MAX : start.offset + start.length};
    if (w->config.detached || w->config.need_back_to_source)
        w->base = w->readers[0];
    assert_int_equal(dtr_planner_new(&w->config, &start, w->now, &w->planner, NULL), DTR_OK);
}

static void judge(struct world *w)
{
    uint32_t told = 0;
    bool allowed = !w->config.disable_back_to_source || w->config.need_back_to_source;
    bool outside = w->readers[0].start >= w->length && w->code;
    world_check(w, dtr_planner_over(w->planner), "hangs");
    world_check(w, dtr_planner_ended(w->planner), "does not end the conversation");
    world_check(w, w->talk.state == TALK_NONE || w->talk.state == TALK_ENDED || w->talk.lost,
                "leaves the scheduler without a last word");
    if (w->outcome == DTR_PLAN_FAIL && w->code != DTR_ECANCELLED && !outside &&
        !(w->spoilt && w->code == DTR_ECORRUPT))
        world_check(w,
                    !allowed || w->whim == REFUSES || w->whim == FAILS_ALWAYS || w->whim == OTHER ||
                        w->whim == STALLS || w->whim == BREAKS_OFF,
                    "fails although the origin is well");
    if (w->code == DTR_ECANCELLED)
        world_check(w, !w->present && !w->base.end, "cancels what is still wanted");
    if (w->whim == FINE || w->whim == REFUSES_MORE || w->whim == OTHER_FOR_MORE)
        world_check(w, w->twice == 0 || w->late, "takes bytes from the origin twice");
    for (uint32_t n = 0; n < 26; n++)
        told += world_bit(w->talk.reported, n);
    if (w->finished_well && !w->talk.lost)
        world_check(w, told == w->brought, "pieces were not all reported");
    if (getenv("DTR_TRACE"))
        print_message("world %llu: %s %d after %llu ms, %u of %u pieces told, origin %u, further %u\n",
                      (unsigned long long)w->seed, dtr_plan_kind_text(w->outcome), w->code,
                      (unsigned long long)w->now, told, w->brought, w->origin_requests, w->further);
}

static void run_world(uint64_t seed)
{
    static struct world w;
    make_world(&w, seed);
    w.carry_out = carry_out;
    start_world(&w);
    world_drain(&w);
    while (!dtr_planner_over(w.planner) && w.now < DEADLINE_MS)
        world_step(&w);
    for (uint64_t end = w.now + 11000; w.now < end && !dtr_planner_ended(w.planner);)
        world_step(&w);
    judge(&w);
    dtr_planner_free(w.planner);
    dtr_ranges_free(&w.arrived);
}

static void every_world_ends_well_or_with_a_reason(void **state)
{
    const char *one = getenv("DTR_SEED"), *count = getenv("DTR_WORLDS");
    uint64_t worlds = count ? strtoull(count, NULL, 10) : 400;
    (void)state;
    if (one) {
        run_world(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= worlds; seed++)
        run_world(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_world_ends_well_or_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
