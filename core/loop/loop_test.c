/* Loops, timers, operations, the pool and strands, by example. */
#include "core/loop/op.h"
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

struct watched_op {
    struct dtr_op op;
    int done, abandoned;
};

static void op_done(struct dtr_op *op)
{
    struct watched_op *watched = dtr_container(op, struct watched_op, op);
    watched->done++;
    dtr_loop_stop(op->loop);
}

static void op_abandoned(struct dtr_op *op)
{
    dtr_container(op, struct watched_op, op)->abandoned++;
}

static void an_operation_completes_once(void **state)
{
    (void)state;
    struct dtr_error err;
    for (int how = 0; how < 3; how++) {
        struct dtr_loop *loop = new_loop();
        struct watched_op watched = {.op.done = op_done, .op.abandon = op_abandoned};
        assert_int_equal(dtr_op_start(&watched.op, loop, how == 0 ? 5 : 60000, &err), DTR_OK);
        if (how == 1)
            dtr_op_finish(&watched.op, NULL);
        if (how == 2)
            dtr_op_cancel(&watched.op);
        assert_int_equal(watched.done, 0); /* never from inside */
        if (how > 0) {
            dtr_op_cancel(&watched.op);
            dtr_op_finish(&watched.op, NULL);
        }
        dtr_loop_run(loop);
        assert_int_equal(watched.done, 1);
        assert_int_equal(watched.abandoned, how == 1 ? 0 : 1);
        assert_int_equal(watched.op.result.code, how == 0   ? DTR_ETIMEOUT
                                                 : how == 1 ? DTR_OK
                                                            : DTR_ECANCELLED);
        dtr_loop_free(loop);
    }
}

enum { STRANDS = 8, JOBS = 200 };

struct step {
    struct dtr_job job;
    int strand, number;
};

static atomic_int last_step[STRANDS];
static atomic_int disorder, finished;

static void run_step(struct dtr_job *job)
{
    struct step *step = dtr_container(job, struct step, job);
    if (atomic_exchange(&last_step[step->strand], step->number) != step->number - 1)
        atomic_fetch_add(&disorder, 1);
}

static void step_done(struct dtr_job *job)
{
    if (atomic_fetch_add(&finished, 1) + 1 == STRANDS * JOBS)
        dtr_loop_stop(job->loop);
}

static void strands_keep_their_order(void **state)
{
    (void)state;
    static struct step steps[STRANDS][JOBS];
    struct dtr_strand strands[STRANDS];
    struct dtr_loop *loop = new_loop();
    struct dtr_pool *pool = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_pool_new(4, STRANDS * JOBS, &pool, &err), DTR_OK);
    for (int s = 0; s < STRANDS; s++) {
        dtr_strand_init(&strands[s], pool);
        last_step[s] = -1;
    }
    for (int j = 0; j < JOBS; j++) {
        for (int s = 0; s < STRANDS; s++) {
            steps[s][j] = (struct step){
                .job = {.loop = loop, .run = run_step, .done = step_done}, .strand = s, .number = j};
            assert_int_equal(dtr_strand_submit(&strands[s], &steps[s][j].job, &err), DTR_OK);
        }
    }
    dtr_loop_run(loop);
    assert_int_equal(disorder, 0);
    assert_int_equal(finished, STRANDS * JOBS);
    dtr_pool_free(pool);
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
        cmocka_unit_test(an_operation_completes_once), cmocka_unit_test(strands_keep_their_order),
        cmocka_unit_test(a_full_pool_refuses),         cmocka_unit_test(a_watch_sees_its_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
