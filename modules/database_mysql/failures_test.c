/* How database_mysql deals with servers that go away or are silent, and with who gives up.  failures_test
 * SERVER, the script of that name. */
#include "server_rig.h"

#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

static uint64_t now_ms(void)
{
    return dtr_testhost()->now_ns() / 1000000;
}

/* --- servers that go away
 * --------------------------------------------------------------------------------------- */

static void a_killed_server_comes_back(void **state)
{
    struct fixture f = {0};
    struct dtr_db *db, *other;
    (void)state;
    start_usual(&f);
    db = open_usual(&f);
    other = open_usual(&f);
    assert_int_equal(run(&f, db, "DROP TABLE IF EXISTS killed"), DTR_OK);
    assert_int_equal(run(&f, db, "CREATE TABLE killed (n BIGINT)"), DTR_OK);
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (1)"), DTR_OK);
    assert_int_equal(ops->lock(other, "killed", 0, &f.err), DTR_OK);
    assert_int_equal(ops->begin(db, &f.err), DTR_OK);
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (2)"), DTR_OK);
    server("kill", "");
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (3)"), DTR_EUNAVAILABLE);
    assert_int_equal(f.err.retry, DTR_RETRY_SAME);
    assert_int_equal(ops->commit(db, &f.err), DTR_EUNAVAILABLE);
    assert_int_equal(ops->rollback(db, &f.err), DTR_EUNAVAILABLE);
    ops->unlock(other, "killed");
    assert_int_equal(ops->begin(other, &f.err), DTR_EUNAVAILABLE);
    ops->interrupt(db);
    ops->close(db);
    assert_int_equal(ops->open(f.started.instance, &db, &f.err), DTR_EUNAVAILABLE);
    server("start", "");
    db = open_usual(&f);
    assert_int_equal(number_of(&f, db, "SELECT SUM(n) FROM killed"), 1);
    assert_int_equal(ops->lock(db, "killed", 0, &f.err), DTR_OK);
    assert_int_equal(run(&f, other, "SELECT 1"), DTR_EUNAVAILABLE);
    ops->close(other);
    ops->close(db);
    dtr_testhost_stop(&f.started);
}

struct runner {
    struct fixture *f;
    struct dtr_db *db;
    const char *sql;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
    int rc;
    struct dtr_error err;
};

static void *run_apart(void *context)
{
    struct runner *runner = context;
    int rc = ops->run(runner->db, runner->sql, NULL, 0, NULL, NULL, &runner->err);
    (void)pthread_mutex_lock(&runner->mutex);
    runner->rc = rc;
    runner->over = true;
    (void)pthread_cond_signal(&runner->ended);
    (void)pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

/* Runs a statement in another thread and interrupts it until it ends. */
static int run_interrupted(struct fixture *f, struct dtr_db *db, const char *sql)
{
    struct runner runner = {
        .f = f, .db = db, .sql = sql, .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_apart, &runner), 0);
    (void)pthread_mutex_lock(&runner.mutex);
    while (!runner.over) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&runner.ended, &runner.mutex, &until);
        (void)pthread_mutex_unlock(&runner.mutex);
        ops->interrupt(db);
        (void)pthread_mutex_lock(&runner.mutex);
    }
    (void)pthread_mutex_unlock(&runner.mutex);
    (void)pthread_join(thread, NULL);
    f->err = runner.err;
    return runner.rc;
}

/* With a limit that shall run out while the server is silent: opened in time at last while it speaks. */
static struct dtr_db *open_with(struct fixture *f, const char *const *settings, size_t count)
{
    const uint64_t begun = now_ms();
    struct dtr_db *db = NULL;
    assert_int_equal(start(f, number_in("port"), settings, count), DTR_OK);
    while (ops->open(f->started.instance, &db, &f->err) != DTR_OK)
        if (now_ms() - begun > 30000)
            fail_msg("open: %s", f->err.text);
    return db;
}

static void assert_ends_at_the_server(struct fixture *f, struct dtr_db *db)
{
    uint64_t begun = now_ms();
    while (number_of(f, db,
                     "SELECT COUNT(*) FROM information_schema.processlist"
                     " WHERE info LIKE '%SLEEP(600)%' ESCAPE '!' AND id <> CONNECTION_ID()") > 0)
        assert_true(now_ms() - begun < 30000);
}

static void what_is_given_up_ends_at_the_server(void **state)
{
    struct fixture f = {0}, hasty = {0};
    struct dtr_db *db, *late, *other;
    (void)state;
    start_usual(&f);
    db = open_usual(&f);
    late = open_with(&hasty, LIST("io_timeout=4s"));
    other = open_usual(&f);
    assert_int_equal(run_interrupted(&f, db, "SELECT SLEEP(600)"), DTR_ECANCELLED);
    assert_int_equal(run(&f, db, "SELECT 1"), DTR_EUNAVAILABLE);
    assert_ends_at_the_server(&f, other);
    assert_int_equal(run(&hasty, late, "SELECT SLEEP(600)"), DTR_EUNAVAILABLE); /* by io_timeout */
    assert_ends_at_the_server(&f, other);
    ops->close(db);
    ops->close(late);
    ops->close(other);
    dtr_testhost_stop(&f.started);
    dtr_testhost_stop(&hasty.started);
}

static bool thread_stands(const char *path)
{
    char state = 'X'; /* it has ended meanwhile */
    FILE *in = fopen(path, "re");
    if (in) {
        (void)!fscanf(in, "%*d (%*[^)]) %c", &state);
        (void)fclose(in);
    }
    return strchr("TXZ", state) != NULL;
}

static bool all_stand(pid_t pid)
{
    char pattern[64];
    glob_t paths;
    bool stand = true;
    (void)snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stat", (int)pid);
    assert_int_equal(glob(pattern, 0, NULL, &paths), 0);
    for (size_t i = 0; i < paths.gl_pathc; i++)
        stand = stand && thread_stands(paths.gl_pathv[i]);
    globfree(&paths);
    return stand;
}

/* A signal takes its time: until then the server may answer. */
static void halt(pid_t pid)
{
    const uint64_t begun = now_ms();
    assert_int_equal(kill(pid, SIGSTOP), 0);
    while (!all_stand(pid)) {
        assert_true(now_ms() - begun < 30000);
        (void)sched_yield();
    }
}

static void a_silent_server_is_given_up(void **state)
{
    struct fixture f = {0}, hasty = {0};
    struct dtr_db *db, *other, *third;
    (void)state;
    other = open_with(&f, LIST("connect_timeout=1s")); /* for what it ends at the server after an interrupt */
    db = open_with(&hasty, LIST("connect_timeout=1s", "io_timeout=2s"));
    pid_t pid = (pid_t)number_in("pid");
    halt(pid);
    uint64_t begun = now_ms();
    int interrupted = run_interrupted(&f, other, "SELECT 1");
    int silent = run(&hasty, db, "SELECT 1"), opened = ops->open(hasty.started.instance, &third, &hasty.err);
    uint64_t took = now_ms() - begun;
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(interrupted, DTR_ECANCELLED);
    assert_int_equal(silent, DTR_EUNAVAILABLE);
    assert_int_equal(opened, DTR_EUNAVAILABLE);
    assert_true(took < 30000); /* less than the usual io_timeout */
    ops->close(db);
    ops->close(other);
    dtr_testhost_stop(&f.started);
    dtr_testhost_stop(&hasty.started);
    start_usual(&f);
    db = open_usual(&f);
    assert_int_equal(run(&f, db, "SELECT 1"), DTR_OK);
    ops->close(db);
    dtr_testhost_stop(&f.started);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_server_comes_back),
        cmocka_unit_test(what_is_given_up_ends_at_the_server),
        cmocka_unit_test(a_silent_server_is_given_up),
    };
    if (!rig_arguments(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
