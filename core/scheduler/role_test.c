/* The end of a scheduler. */
#include "core/scheduler/rig.h"

#include "core/base/clock.h"

/* The timer is due when the end comes, and the swarm wants a seed to be looked at. */
static void nothing_is_begun_at_the_end(void **state)
{
    (void)state;
    const struct dtr_scheduler_options options = {.swarm = dtr_swarm_defaults(), .seed_number = 1};
    const struct dtr_swarm_announce seed = {.id = "seed",
                                            .hostname = "seed",
                                            .ip = "127.0.0.1",
                                            .idc = "",
                                            .location = "",
                                            .type = 1,
                                            .port = 9,
                                            .proven = true};
    struct dtr_scheduler *scheduler = NULL;
    struct dtr_loop *loop = NULL;
    struct dtr_error err;
    bool closed = false;
    assert_int_equal(dtr_loop_new("control", &loop, &err), DTR_OK);
    assert_int_equal(dtr_scheduler_new(loop, &options, &scheduler, &err), DTR_OK);
    assert_int_equal(dtr_swarm_host_announced(scheduler->swarm, dtr_now_ms(), &seed, &err), DTR_OK);
    dtr_timer_set(scheduler->timer, 0);
    dtr_scheduler_close(scheduler, rig_set, &closed);
    while (!closed)
        dtr_loop_turn(loop, true);
    dtr_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_begun_at_the_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
