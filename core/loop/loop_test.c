/* Loops, timers, watches and the pool, by example. */
#include "core/loop/pool.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_loop *new_loop(void)
{
    struct dtr_loop *loop = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_loop_new("test", &loop, &err), DTR_OK);
    return loop;
}

struct counted {
    struct dtr_msg msg;
    int order;
    struct dtr_loop *loop;
};

static int next_order;

static void note_order(struct dtr_msg *msg)
{
    struct counted *counted = dtr_container(msg, struct counted, msg);
    counted->order = next_order++;
    if (counted->order == 99)
        dtr_loop_stop(counted->loop);
}

static void messages_run_in_order(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct counted items[100];
    next_order = 0;
    for (int i = 0; i < 100; i++) {
        items[i] = (struct counted){.msg.run = note_order, .loop = loop, .order = -1};
        dtr_loop_post(loop, &items[i].msg);
    }
    dtr_loop_run(loop);
    for (int i = 0; i < 100; i++)
        assert_int_equal(items[i].order, i);
    dtr_loop_free(loop);
}

struct ping {
    struct dtr_msg msg;
    struct dtr_loop *here, *there;
    int left;
    bool misplaced;
};

static void bounce(struct dtr_msg *msg)
{
    struct ping *ping = dtr_container(msg, struct ping, msg);
    struct dtr_loop *target = ping->left % 2 ? ping->there : ping->here;
    if (!dtr_loop_here(ping->left % 2 ? ping->here : ping->there))
        ping->misplaced = true;
    if (--ping->left == 0) {
        dtr_loop_stop(ping->here);
        dtr_loop_stop(ping->there);
    } else {
        dtr_loop_post(target, msg);
    }
}

static void a_message_travels_between_threads(void **state)
{
    (void)state;
    struct ping ping = {.msg.run = bounce, .here = new_loop(), .there = new_loop(), .left = 10001};
    struct dtr_error err;
    assert_int_equal(dtr_loop_start(ping.here, &err), DTR_OK);
    assert_int_equal(dtr_loop_start(ping.there, &err), DTR_OK);
    dtr_loop_post(ping.here, &ping.msg);
    dtr_loop_join(ping.here);
    dtr_loop_join(ping.there);
    assert_int_equal(ping.left, 0);
    assert_false(ping.misplaced);
    dtr_loop_free(ping.here);
    dtr_loop_free(ping.there);
}

enum { JOBS = 1600 };

struct step {
    struct dtr_job job;
    atomic_int runs;
    int told; /* on the loop's thread only */
    int *left;
};

static void run_step(struct dtr_job *job)
{
    atomic_fetch_add(&dtr_container(job, struct step, job)->runs, 1);
}

static void step_done(struct dtr_job *job)
{
    struct step *step = dtr_container(job, struct step, job);
    step->told += dtr_loop_here(job->loop);
    if (--*step->left == 0)
        dtr_loop_stop(job->loop);
}

static void jobs_run_once_and_are_told(void **state)
{
    (void)state;
    static struct step steps[JOBS];
    struct dtr_loop *loop = new_loop();
    struct dtr_pool *pool = NULL;
    struct dtr_error err;
    int left = JOBS;
    assert_int_equal(dtr_pool_new(4, JOBS, &pool, &err), DTR_OK);
    for (int i = 0; i < JOBS; i++) {
        steps[i] = (struct step){.job = {.loop = loop, .run = run_step, .done = step_done}, .left = &left};
        assert_int_equal(dtr_pool_submit(pool, &steps[i].job, &err), DTR_OK);
    }
    dtr_loop_run(loop);
    dtr_pool_free(pool);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(steps[i].runs, 1);
        assert_int_equal(steps[i].told, 1);
    }
    dtr_loop_free(loop);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct dtr_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void a_full_pool_refuses(void **state)
{
    (void)state;
    struct dtr_pool *pool = NULL;
    struct dtr_error err;
    struct dtr_job jobs[8];
    int accepted = 0, refused = 0;
    assert_int_equal(dtr_pool_new(1, 3, &pool, &err), DTR_OK);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 8; i++) {
        jobs[i] = (struct dtr_job){.run = wait_at_gate};
        if (dtr_pool_submit(pool, &jobs[i], &err) == DTR_OK)
            accepted++;
        else
            refused += err.code == DTR_ELIMIT;
    }
    pthread_mutex_unlock(&gate);
    assert_in_range(accepted, 3, 4); /* three wait, one may run already */
    assert_int_equal(accepted + refused, 8);
    dtr_pool_free(pool);
}

static void pipe_ready(void *context, int events)
{
    struct dtr_loop *loop = context;
    if (events & DTR_READABLE)
        dtr_loop_stop(loop);
}

static void a_watch_sees_its_descriptor(void **state)
{
    (void)state;
    struct dtr_loop *loop = new_loop();
    struct dtr_watch *watch = NULL;
    struct dtr_error err;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dtr_watch_open(loop, ends[0], pipe_ready, loop, &watch, &err), DTR_OK);
    dtr_watch_set(watch, DTR_READABLE);
    assert_int_equal(write(ends[1], "x", 1), 1);
    dtr_loop_run(loop);
    dtr_watch_close(watch);
    close(ends[0]);
    close(ends[1]);
    dtr_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_run_in_order),       cmocka_unit_test(a_message_travels_between_threads),
        cmocka_unit_test(jobs_run_once_and_are_told),  cmocka_unit_test(a_full_pool_refuses),
        cmocka_unit_test(a_watch_sees_its_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
