/* Jobs that refresh the peers, and who waits for the end of one. */
#include "core/manager/jobs/runner_rig.h"

#include <pthread.h>

struct waiting {
    struct jobs_waiter waiter;
    bool over;
};

static void on_over(struct jobs_waiter *waiter)
{
    dtr_container(waiter, struct waiting, waiter)->over = true;
}

static void peers_are_refreshed_one_run_at_a_time(void **state)
{
    (void)state;
    int rc;
    struct waiting waiting = {.waiter = {.over = on_over}};
    rig_peer(&rig, 1, "gone", "active", 5);
    rig_peer(&rig, 1, "host-1", "inactive", 5);
    waiting.waiter.id = add_job(JOB_SYNC_PEERS, "{}", 2);
    (void)try_job(JOB_SYNC_PEERS, "{}", 2, &rc);
    assert_int_equal(rc, DTR_EEXISTS);
    start_runner(0);
    jobs_await(runners[0], &waiting.waiter);
    TURN_UNTIL(rig.loop, waiting.over);
    assert_true(is_state(waiting.waiter.id, "SUCCESS"));
    assert_int_equal(count("peers"), 3);
    assert_int_equal(count("peers WHERE host_name = 'gone' AND state = 'inactive'"), 1);
    assert_int_equal(
        count("peers WHERE host_name = 'host-1' AND state = 'active' AND type = 'super' AND port = 4000"
              " AND idc = 'idc-1' AND git_version = '1.2.3' AND os = 'linux'"),
        2);
    (void)add_job(JOB_SYNC_PEERS, "{}", 2);
}

struct maker {
    pthread_t thread;
    int rc;
};

static void *make_one(void *context)
{
    struct maker *maker = context;
    (void)try_job(JOB_SYNC_PEERS, "{}", 2, &maker->rc);
    return NULL;
}

static void of_those_that_come_at_once_one_refreshes_the_peers(void **state)
{
    enum { MAKERS = 4, ROUNDS = 10 };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct maker makers[MAKERS];
        int good = 0, refused = 0;
        for (int i = 0; i < MAKERS; i++)
            assert_int_equal(pthread_create(&makers[i].thread, NULL, make_one, &makers[i]), 0);
        for (int i = 0; i < MAKERS; i++) {
            assert_int_equal(pthread_join(makers[i].thread, NULL), 0);
            good += makers[i].rc == DTR_OK;
            refused += makers[i].rc == DTR_EEXISTS;
        }
        assert_int_equal(good, 1);
        assert_int_equal(refused, MAKERS - 1);
        assert_int_equal(count("jobs"), 1);
        /* Where there are no rows, InnoDB lets all of them wait for each other. */
        rig_sql(&rig, "DELETE FROM jobs");
    }
}

static void a_cluster_that_was_not_heard_of_keeps_its_peers(void **state)
{
    (void)state;
    rig_peer(&rig, 2, "there", "active", 5);
    fake_close(&fakes[1]);
    int64_t id = add_job(JOB_SYNC_PEERS, "{}", 2);
    start_runner(0);
    TURN_UNTIL(rig.loop, is_state(id, "FAILURE"));
    assert_int_equal(count("peers WHERE state = 'active'"), 2);
}

static void peers_are_refreshed_by_itself(void **state)
{
    (void)state;
    start_runner_with(0, (struct jobs_options){.sync_every_ms = 1});
    TURN_UNTIL(rig.loop, count("jobs WHERE type = 'sync_peers' AND state = 'SUCCESS'") == 1);
    assert_int_equal(count("peers"), 2);
}

static void who_waits_for_what_is_not_there_is_told(void **state)
{
    (void)state;
    struct waiting waiting = {.waiter = {.id = 77, .over = on_over}}, forgotten = waiting;
    start_runner(0);
    jobs_await(runners[0], &forgotten.waiter);
    jobs_forget(&forgotten.waiter);
    jobs_await(runners[0], &waiting.waiter);
    TURN_UNTIL(rig.loop, waiting.over);
    assert_false(forgotten.over);
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin_ours, end_runners)
    const struct CMUnitTest tests[] = {
        T(peers_are_refreshed_one_run_at_a_time),
        T(of_those_that_come_at_once_one_refreshes_the_peers),
        T(a_cluster_that_was_not_heard_of_keeps_its_peers),
        T(peers_are_refreshed_by_itself),
        T(who_waits_for_what_is_not_there_is_told),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
