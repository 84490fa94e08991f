/* The fetch planner and several streams from the origin: when there are more, which bytes they ask for, and
 * what becomes of the pull when the origin minds. The origin here brings whole MiB, each connection one per
 * TICK_MS or all together. The notation is that of planner_test.c. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define TICK_MS 125 /* a MiB in so long is 8 MiB/s */

struct origin {
    struct scene scene;
    bool headed[600];
    bool shared;    /* one MiB per tick, whoever's turn it is */
    uint32_t turn;  /* of `shared` */
    uint32_t most;  /* streams at once */
    uint64_t bytes; /* it sent */
    int refuses;    /* status for every stream but the first; 0: none */
    enum dtr_retry retry;
    int code;
    uint32_t refused;
};

static void begin(struct origin *o, uint64_t content_length)
{
    memset(o, 0, sizeof(*o));
    scene_set(&o->scene, content_length);
    o->scene.config.have_scheduler = false;
    o->scene.config.origin_streams = 4;
    o->scene.config.check = true;
}

static void pass(struct origin *o)
{
    o->scene.now += TICK_MS;
    if (dtr_planner_wake(o->scene.planner) <= o->scene.now)
        dtr_planner_tick(o->scene.planner, o->scene.now);
}

/* The pull of 256 MiB begins, and is looked at event by event. */
static void begin_by_hand(struct origin *o)
{
    begin(o, 256 * MIB);
    scene_start(&o->scene, 0, DTR_LENGTH_UNKNOWN, false);
    expect(&o->scene, "origin 1: 0 64M");
}

static bool is_open(const struct origin *o, uint32_t id)
{
    return o->scene.transfers[id].open && o->scene.transfers[id].action.kind == DTR_PLAN_ORIGIN;
}

/* A stream is answered, brings a MiB or ends. */
static void moves(struct origin *o, uint32_t id)
{
    struct scene *s = &o->scene;
    if (!o->headed[id] && o->code && s->transfers[id].action.further) {
        o->refused++;
        scene_ends(s, id, o->code, o->retry, o->refuses);
        return;
    }
    if (!o->headed[id])
        scene_head(s, id);
    o->headed[id] = true;
    scene_origin(s, id, MIB);
    o->bytes += MIB;
    if (s->transfers[id].action.offset >= s->transfers[id].end && s->transfers[id].open)
        scene_ends(s, id, DTR_OK, DTR_RETRY_NEVER, 0);
}

static void tick(struct origin *o)
{
    uint32_t open = 0, last = o->scene.transfer_count;
    pass(o);
    for (uint32_t id = 1; id <= last; id++)
        open += is_open(o, id);
    if (open > o->most)
        o->most = open;
    uint32_t turn = o->shared && open ? o->turn++ % open : 0;
    for (uint32_t id = 1; id <= last; id++) {
        if (is_open(o, id) && (!o->shared || turn-- == 0))
            moves(o, id);
        (void)scene_drain(&o->scene);
    }
}

/* Until it is over; ticks that it took. */
static uint32_t run(struct origin *o)
{
    uint32_t ticks = 0;
    scene_start(&o->scene, 0, DTR_LENGTH_UNKNOWN, false);
    (void)scene_drain(&o->scene);
    while (!dtr_planner_over(o->scene.planner) && ticks++ < 2000) {
        tick(o);
        if (dtr_planner_checking(o->scene.planner))
            dtr_planner_checked(o->scene.planner, o->scene.now, NULL);
        (void)scene_drain(&o->scene);
    }
    assert_true(o->scene.talk.over);
    scene_end(&o->scene);
    return ticks;
}

static void where_each_connection_is_limited_there_are_several(void **state)
{
    struct origin o;
    (void)state;
    begin(&o, 256 * MIB);
    uint32_t ticks = run(&o);
    assert_int_equal(o.most, 4);
    assert_int_equal(o.bytes, 256 * MIB); /* each byte once */
    assert_true(ticks <= 256 * 10 / 25);
}

static void the_configuration_bounds_them(void **state)
{
    struct origin o;
    (void)state;
    for (uint32_t most = 1; most <= 3; most++) {
        begin(&o, 256 * MIB);
        o.scene.config.origin_streams = most;
        (void)run(&o);
        assert_int_equal(o.most, most);
        assert_int_equal(o.bytes, 256 * MIB);
    }
}

static void where_the_line_is_the_limit_one_remains(void **state)
{
    struct origin o;
    (void)state;
    begin(&o, 256 * MIB);
    o.shared = true;
    uint32_t ticks = run(&o);
    assert_int_equal(o.most, 2); /* it was tried */
    assert_int_equal(o.bytes, 256 * MIB);
    assert_true(ticks <= 256 + 4);
    assert_true(o.scene.transfer_count <= 12); /* and not again and again */
}

static void small_objects_and_those_without_ranges_have_one(void **state)
{
    struct origin o;
    (void)state;
    begin(&o, 15 * MIB);
    (void)run(&o);
    assert_int_equal(o.scene.transfer_count, 1);
    begin(&o, 256 * MIB);
    o.scene.no_ranges = true;
    (void)run(&o);
    assert_int_equal(o.most, 1);
    assert_int_equal(o.bytes, 256 * MIB);
}

static void an_origin_that_refuses_is_not_asked_again(void **state)
{
    static const struct {
        int code, status;
        enum dtr_retry retry;
    } answers[] = {
        {DTR_EORIGIN, 429, DTR_RETRY_SAME},    {DTR_EORIGIN, 503, DTR_RETRY_SAME},
        {DTR_EORIGIN, 416, DTR_RETRY_NEVER},   {DTR_EPROTOCOL, 200, DTR_RETRY_NEVER},
        {DTR_ECORRUPT, 0, DTR_RETRY_NEVER},    {DTR_ECLOSED, 0, DTR_RETRY_SAME},
        {DTR_EUNAVAILABLE, 0, DTR_RETRY_SAME},
    };
    struct origin o;
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        begin(&o, 256 * MIB);
        o.code = answers[i].code;
        o.refuses = answers[i].status;
        o.retry = answers[i].retry;
        uint32_t ticks = run(&o);
        assert_int_equal(o.refused, 1);
        assert_int_equal(o.scene.transfer_count, 3); /* the first, the one refused, and one for the rest */
        assert_int_equal(o.bytes, 256 * MIB);
        assert_true(ticks <= 256 + 8);
    }
}

/* A stream of the origin brings `count` MiB, a tick each. */
static void flows(struct origin *o, uint32_t id, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pass(o);
        moves(o, id);
    }
}

static void the_first_trial_names_its_end(void **state)
{
    struct origin o;
    (void)state;
    begin_by_hand(&o);
    flows(&o, 1, 8);
    expect(&o.scene, "length 256M/4M"); /* how fast it is has been measured once, and may still rise */
    flows(&o, 1, 1);
    expect(&o.scene, "origin 2: 64M 4M");
    scene_ends(&o.scene, 2, DTR_EORIGIN, DTR_RETRY_SAME, 503);
    flows(&o, 1, 55);
    expect(&o.scene, "origin 3: 64M rest");
    scene_end(&o.scene);
}

static void without_a_digest_the_first_asks_for_all(void **state)
{
    struct origin o;
    (void)state;
    begin(&o, 256 * MIB);
    o.scene.config.check = false;
    (void)run(&o);
    assert_int_equal(o.scene.transfer_count, 1);
}

/* The next is on its way before the first ends, and brings the rest, which will not take long. */
static void a_fast_origin_is_asked_ahead(void **state)
{
    struct origin o;
    (void)state;
    begin_by_hand(&o);
    scene_head(&o.scene, 1);
    o.headed[1] = true;
    o.scene.now += 250;
    scene_origin(&o.scene, 1, 55 * MIB);
    expect(&o.scene, "length 256M/4M");
    scene_origin(&o.scene, 1, 5 * MIB);
    expect(&o.scene, "origin 2: 64M 192M");
    scene_end(&o.scene);
}

static void one_that_is_silent_is_given_up(void **state)
{
    struct origin o;
    (void)state;
    begin_by_hand(&o);
    flows(&o, 1, 10);
    (void)scene_drain(&o.scene);
    for (uint32_t i = 0; i < 10000 / TICK_MS && o.scene.transfers[2].open; i++) {
        flows(&o, 1, 1);
        (void)scene_drain(&o.scene);
    }
    assert_string_equal(o.scene.said, "cancel 2; origin 3: 64M rest");
    scene_end(&o.scene);
}

static void parents_take_their_place(void **state)
{
    struct origin o;
    (void)state;
    begin(&o, 256 * MIB);
    o.scene.config.have_scheduler = true;
    scene_start(&o.scene, 0, DTR_LENGTH_UNKNOWN, true);
    scene_answer(&o.scene, DTR_PLAN_ANSWER_BACK_TO_SOURCE);
    expect(&o.scene, "length 256M/4M; register; back_to_source_started; origin 1: 0 64M");
    flows(&o, 1, 9);
    assert_non_null(strstr(scene_drain(&o.scene), "origin 2: 64M 4M"));
    scene_lost(&o.scene);
    dtr_planner_scheduler_back(o.scene.planner, o.scene.now);
    expect(&o.scene, "register");
    scene_parents(&o.scene, "A");
    expect(&o.scene, "started; cancel 1; cancel 2; parent_open A; back_to_source_started; "
                     "back_to_source_piece_finished 0; back_to_source_piece_finished 1");
    scene_end(&o.scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_each_connection_is_limited_there_are_several),
        cmocka_unit_test(the_configuration_bounds_them),
        cmocka_unit_test(where_the_line_is_the_limit_one_remains),
        cmocka_unit_test(small_objects_and_those_without_ranges_have_one),
        cmocka_unit_test(an_origin_that_refuses_is_not_asked_again),
        cmocka_unit_test(the_first_trial_names_its_end),
        cmocka_unit_test(without_a_digest_the_first_asks_for_all),
        cmocka_unit_test(a_fast_origin_is_asked_ahead),
        cmocka_unit_test(one_that_is_silent_is_given_up),
        cmocka_unit_test(parents_take_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
