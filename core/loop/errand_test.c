/* Errands, by example: one that is waited for, one that is left to itself. */
#include "core/loop/errand.h"

#include "core/base/list.h"

#include <poll.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* The job waits for a byte; who ends it says so by another one. */
struct job {
    struct dtr_errand errand;
    int begin, ended;
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
    int ended = job->ended;
    free(job);
    (void)!write(ended, "x", 1);
}

struct pipes {
    int begin[2], ended[2];
};

static struct job *start(struct dtr_loop *loop, struct pipes *pipes)
{
    struct job *job = calloc(1, sizeof(*job));
    struct dtr_error err;
    assert_int_equal(pipe(pipes->begin), 0);
    assert_int_equal(pipe(pipes->ended), 0);
    *job = (struct job){.begin = pipes->begin[0], .ended = pipes->ended[1]};
    job->errand.run = run;
    job->errand.done = done;
    job->errand.drop = drop;
    assert_int_equal(dtr_errand_start(&job->errand, loop, &err), DTR_OK);
    return job;
}

static bool dropped(const struct pipes *pipes, int timeout_ms)
{
    struct pollfd wait = {.fd = pipes->ended[0], .events = POLLIN};
    char byte;
    return poll(&wait, 1, timeout_ms) == 1 && read(pipes->ended[0], &byte, 1) == 1;
}

static void close_pipes(const struct pipes *pipes)
{
    for (int i = 0; i < 2; i++) {
        (void)close(pipes->begin[i]);
        (void)close(pipes->ended[i]);
    }
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
    struct pipes pipes;
    struct job *job = start(loop, &pipes);
    assert_false(job->done);
    assert_int_equal(write(pipes.begin[1], "x", 1), 1);
    dtr_loop_run(loop);
    assert_true(job->done);
    assert_false(dropped(&pipes, 0));
    free(job);
    close_pipes(&pipes);
    dtr_loop_free(loop);
}

static void may_outlive_the_loop(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct pipes pipes;
    struct job *job = start(loop, &pipes);
    dtr_errand_abandon(&job->errand);
    dtr_loop_free(loop);
    assert_false(dropped(&pipes, 0));
    assert_int_equal(write(pipes.begin[1], "x", 1), 1);
    assert_true(dropped(&pipes, 10000));
    close_pipes(&pipes);
}

static void is_dropped_when_it_was_on_its_way_back(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct pipes pipes;
    for (int i = 0; i < 50; i++) { /* sometimes it is, sometimes not */
        struct job *job = start(loop, &pipes);
        assert_int_equal(write(pipes.begin[1], "x", 1), 1);
        if (i % 2)
            (void)sched_yield();
        dtr_errand_abandon(&job->errand);
        while (!dropped(&pipes, 1))
            dtr_loop_turn(loop, false);
        close_pipes(&pipes);
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
