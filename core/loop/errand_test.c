/* Errands, by example: one that is waited for, one that is left to itself. */
#include "core/loop/errand.h"

#include "core/base/list.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* The job waits for a byte; who drops it says so. */
struct job {
    struct dtr_errand errand;
    int begin;
    sem_t *dropped;
    bool done;
};

static void run(struct dtr_errand *errand)
{
    struct job *job = dtr_container(errand, struct job, errand);
    char byte;
    (void)!read(job->begin, &byte, 1);
}

static void done(struct dtr_errand *errand)
{
    struct job *job = dtr_container(errand, struct job, errand);
    job->done = true;
    dtr_loop_stop(errand->loop);
}

static void drop(struct dtr_errand *errand)
{
    struct job *job = dtr_container(errand, struct job, errand);
    sem_t *dropped = job->dropped;
    free(job);
    (void)sem_post(dropped);
}

struct ends {
    int begin[2];
    sem_t dropped;
};

static struct job *start(struct dtr_loop *loop, struct ends *ends)
{
    struct job *job = calloc(1, sizeof(*job));
    struct dtr_error err;
    assert_int_equal(pipe(ends->begin), 0);
    assert_int_equal(sem_init(&ends->dropped, 0, 0), 0);
    *job = (struct job){.begin = ends->begin[0], .dropped = &ends->dropped};
    job->errand.run = run;
    job->errand.done = done;
    job->errand.drop = drop;
    assert_int_equal(dtr_errand_start(&job->errand, loop, &err), DTR_OK);
    return job;
}

static bool dropped(struct ends *ends, long timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    long ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return sem_timedwait(&ends->dropped, &until) == 0;
}

static void close_ends(struct ends *ends)
{
    (void)close(ends->begin[0]);
    (void)close(ends->begin[1]);
    (void)sem_destroy(&ends->dropped);
}

static struct dtr_loop *new_loop(void)
{
    struct dtr_loop *loop = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_loop_new("test", &loop, &err), DTR_OK);
    return loop;
}

static void comes_back_to_its_loop(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct ends ends;
    struct job *job = start(loop, &ends);
    assert_false(job->done);
    assert_int_equal(write(ends.begin[1], "x", 1), 1);
    dtr_loop_run(loop);
    assert_true(job->done);
    assert_false(dropped(&ends, 0));
    free(job);
    close_ends(&ends);
    dtr_loop_free(loop);
}

static void may_outlive_the_loop(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct ends ends;
    struct job *job = start(loop, &ends);
    dtr_errand_abandon(&job->errand);
    dtr_loop_free(loop);
    assert_false(dropped(&ends, 0));
    assert_int_equal(write(ends.begin[1], "x", 1), 1);
    assert_true(dropped(&ends, 10000));
    close_ends(&ends);
}

static void is_dropped_when_it_was_on_its_way_back(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct ends ends;
    for (int i = 0; i < 50; i++) { /* sometimes it is, sometimes not */
        struct job *job = start(loop, &ends);
        assert_int_equal(write(ends.begin[1], "x", 1), 1);
        if (i % 2)
            (void)sched_yield();
        dtr_errand_abandon(&job->errand);
        while (!dropped(&ends, 1))
            dtr_loop_turn(loop, false);
        close_ends(&ends);
    }
    dtr_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_to_its_loop),
        cmocka_unit_test(may_outlive_the_loop),
        cmocka_unit_test(is_dropped_when_it_was_on_its_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
