/* Cases of the database conformance program: locks by name, interrupts, and processes that are killed. */
#include "database_conformance.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    return dtr_testhost()->now_ns() / 1000000;
}

/* --- locks -------------------------------------------------------------------------------------------- */

struct waiter {
    struct bench *bench;
    struct dtr_db *db;
    int rc;
    struct dtr_error err;
    struct sign started, ended;
};

static void *wait_for_lock(void *context)
{
    struct waiter *waiter = context;
    sign_give(&waiter->started);
    waiter->rc = waiter->bench->database->lock(waiter->db, "conf-one", 60000, &waiter->err);
    sign_give(&waiter->ended);
    return NULL;
}

static void start_waiter(struct waiter *waiter, pthread_t *thread, void *(*run)(void *))
{
    if (pthread_create(thread, NULL, run, waiter) != 0)
        abort();
    (void)sign_wait(&waiter->started, 60000);
}

static void wait_in_turn(struct bench *bench, struct dtr_db *holder, struct dtr_db *second)
{
    struct waiter waiter = {.bench = bench, .db = second, .started = SIGN_INITIAL, .ended = SIGN_INITIAL};
    pthread_t thread;
    start_waiter(&waiter, &thread, wait_for_lock);
    bool early = sign_wait(&waiter.ended, 50);
    bench->database->unlock(holder, "conf-one");
    (void)pthread_join(thread, NULL);
    CHECK(bench, !early, "the lock was had by two (%s)", dtr_code_text(waiter.rc));
    CHECK_OK(bench, waiter.rc, waiter.err);
}

void case_locks(struct bench *bench)
{
    static const char longest[] = "conf-0123456789-0123456789-0123456789-0123456789-0123456789-0123";
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db, *second, *third;

    OPEN(&db);
    OPEN(&second);
    OPEN(&third);
    CHECK_OK(bench, ops->lock(db, "conf-one", 0, &err), err);
    CHECK(bench, ops->lock(second, "conf-one", 0, &err) == DTR_ETIMEOUT, "the lock was had by two");
    uint64_t begun = now_ms();
    CHECK(bench, ops->lock(second, "conf-one", 200, &err) == DTR_ETIMEOUT, "the lock was had by two");
    CHECK(bench, now_ms() - begun >= 150, "it did not wait");
    CHECK_OK(bench, ops->lock(second, "conf-two", 0, &err), err);
    CHECK_OK(bench, ops->lock(second, longest, 0, &err), err);
    CHECK(bench, ops->lock(db, longest, 0, &err) == DTR_ETIMEOUT, "a long name was had by two");
    CHECK_OK(bench,
             ops->lock(db, "conf-0123456789-0123456789-0123456789-0123456789-0123456789-0124", 0, &err), err);
    ops->unlock(second, "conf-one"); /* it has not */
    CHECK(bench, ops->lock(third, "conf-one", 0, &err) == DTR_ETIMEOUT, "unlocked by one that had it not");
    GIVES(1, "SELECT 1"); /* statements go on under a lock */
    wait_in_turn(bench, db, second);
    CHECK(bench, ops->lock(db, "conf-one", 0, &err) == DTR_ETIMEOUT, "the lock was had by two");
    ops->close(second);
    CHECK_OK(bench, ops->lock(db, "conf-one", 5000, &err), err);
    CHECK_OK(bench, ops->lock(third, "conf-two", 5000, &err), err);
    ops->close(third);
    ops->close(db);
}

/* --- processes ------------------------------------------------------------------------------------------ */

/* Starts a child that does `work` and says what it likes into *ret_pipe. */
static pid_t start_child(struct bench *bench, void (*work)(struct bench *bench, int pipe), int *ret_pipe)
{
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        (void)close(ends[0]);
        work(bench, ends[1]);
        _exit(3);
    }
    (void)close(ends[1]);
    *ret_pipe = ends[0];
    return child;
}

static void say(int pipe, int64_t number)
{
    if (write(pipe, &number, sizeof(number)) != (ssize_t)sizeof(number))
        _exit(4);
}

static bool hear(int pipe, int64_t *ret_number)
{
    return read(pipe, ret_number, sizeof(*ret_number)) == (ssize_t)sizeof(*ret_number);
}

static void hold_lock(struct bench *bench, int pipe)
{
    struct dtr_db *db;
    if (bench_start(bench, NULL) != DTR_OK ||
        bench->database->open(bench->started.instance, &db, NULL) != DTR_OK ||
        bench->database->lock(db, "conf-dead", 0, NULL) != DTR_OK)
        _exit(5);
    say(pipe, 1);
    for (;;)
        (void)pause();
}

void case_lock_of_dead(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    int64_t said;
    int pipe, how;

    bench_stop(bench);
    pid_t child = start_child(bench, hold_lock, &pipe);
    bool held = hear(pipe, &said);
    CHECK_OK(bench, bench_start(bench, &err), err);
    OPEN(&db);
    int rc = bench->database->lock(db, "conf-dead", 0, &err);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &how, 0);
    (void)close(pipe);
    CHECK(bench, held, "the other process has no lock, status %d", how);
    CHECK(bench, rc == DTR_ETIMEOUT, "the lock was had by two processes: %s", dtr_code_text(rc));
    CHECK_OK(bench, bench->database->lock(db, "conf-dead", 20000, &err), err);
    bench->database->close(db);
}

static void write_on(struct bench *bench, int pipe)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_db *db;
    if (bench_start(bench, NULL) != DTR_OK || ops->open(bench->started.instance, &db, NULL) != DTR_OK)
        _exit(5);
    for (int64_t i = 1;; i++) { /* each number twice, together or not at all */
        if (ops->begin(db, NULL) != DTR_OK)
            _exit(6);
        for (int twice = 0; twice < 2; twice++)
            if (ops->run(db, "INSERT INTO conf_kept (n) VALUES (?)", VALUES(NUMBER(i)), NULL, NULL, NULL) !=
                DTR_OK)
                _exit(6);
        if (ops->commit(db, NULL) != DTR_OK)
            _exit(6);
        say(pipe, i);
    }
}

static void kill_writer(struct bench *bench, uint64_t *seed)
{
    uint64_t most = 1 + next_random(seed) % 30;
    struct dtr_error err = {0};
    struct dtr_db *db;
    int64_t said, last = 0;
    int pipe, how;

    CHECK_OK(bench, bench_start(bench, &err), err);
    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_kept", "n {number}", &err), err);
    bench->database->close(db);
    bench_stop(bench);
    pid_t child = start_child(bench, write_on, &pipe);
    while ((uint64_t)last < most && hear(pipe, &said))
        last = said;
    (void)kill(child, SIGKILL);
    while (hear(pipe, &said))
        last = said;
    (void)close(pipe);
    (void)waitpid(child, &how, 0);
    CHECK(bench, WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "the child ended by itself, status %d", how);
    CHECK_OK(bench, bench_start(bench, &err), err);
    OPEN(&db);
    GIVES(2 * last, "SELECT COUNT(*) FROM conf_kept WHERE n <= ?", NUMBER(last));
    GIVES(0, "SELECT COUNT(*) % 2 FROM conf_kept");
    RUN("INSERT INTO conf_kept (n) VALUES (?)", NUMBER(-1));
    bench->database->close(db);
    bench_stop(bench);
}

void case_killed_writer(struct bench *bench)
{
    bench_stop(bench);
    for (unsigned round = 0; round < bench->rounds && !bench->failed; round++) {
        uint64_t seed = bench->seed + round;
        kill_writer(bench, &seed);
    }
}

/* --- interrupts ------------------------------------------------------------------------------------------
 */

/* Would run for a very long time. */
static void *run_long(void *context)
{
    static const char sql[] = "SELECT COUNT(*) FROM conf_many a, conf_many b, conf_many c, conf_many d"
                              " WHERE a.n + b.n + c.n + d.n < 0";
    struct waiter *waiter = context;
    sign_give(&waiter->started);
    waiter->rc = waiter->bench->database->run(waiter->db, sql, NULL, 0, NULL, NULL, &waiter->err);
    sign_give(&waiter->ended);
    return NULL;
}

/* Interrupts until the call ends: what has not begun is not ended. */
static void end_waiter(struct bench *bench, struct dtr_db *db, void *(*run)(void *))
{
    struct waiter waiter = {.bench = bench, .db = db, .started = SIGN_INITIAL, .ended = SIGN_INITIAL};
    uint64_t begun = now_ms();
    pthread_t thread;
    start_waiter(&waiter, &thread, run);
    for (bool ended = sign_wait(&waiter.ended, 100); !ended; ended = sign_wait(&waiter.ended, 20))
        bench->database->interrupt(db);
    (void)pthread_join(thread, NULL);
    CHECK(bench, waiter.rc == DTR_ECANCELLED, "%s (%s)", dtr_code_text(waiter.rc), waiter.err.text);
    CHECK(bench, now_ms() - begun < 20000, "it took %llu ms to end", (unsigned long long)(now_ms() - begun));
}

void case_interrupt(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_many", "n {number}", &err), err);
    CHECK_OK(bench, make_table(bench, db, "conf_work", "n {number}", &err), err);
    RUN("INSERT INTO conf_many (n) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)");
    RUN("INSERT INTO conf_many (n) SELECT a.n FROM conf_many a, conf_many b, conf_many c");
    ops->interrupt(db); /* nothing runs */
    GIVES(1010, "SELECT COUNT(*) FROM conf_many");
    CHECK_OK(bench, ops->begin(db, &err), err);
    RUN("INSERT INTO conf_work (n) VALUES (1)");
    end_waiter(bench, db, run_long);
    if (bench->failed)
        return;
    ops->close(db); /* rolls back */
    OPEN(&db);
    RUN("INSERT INTO conf_work (n) VALUES (2)");
    GIVES(2, "SELECT SUM(n) FROM conf_work");
    ops->close(db);
}

/* Waits for what a transaction of another connection holds. */
static void *wait_for_row(void *context)
{
    struct waiter *waiter = context;
    const struct dtr_database_ops *ops = waiter->bench->database;
    sign_give(&waiter->started);
    waiter->rc = ops->begin(waiter->db, &waiter->err);
    if (waiter->rc == DTR_OK)
        waiter->rc = ops->run(waiter->db, "UPDATE conf_work SET n = 3", NULL, 0, NULL, NULL, &waiter->err);
    sign_give(&waiter->ended);
    return NULL;
}

void case_interrupted_writer(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db, *holder;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_work", "n {number}", &err), err);
    RUN("INSERT INTO conf_work (n) VALUES (1)");
    OPEN(&holder);
    CHECK_OK(bench, ops->begin(holder, &err), err);
    CHECK_OK(bench, ops->run(holder, "UPDATE conf_work SET n = 2", NULL, 0, NULL, NULL, &err), err);
    end_waiter(bench, db, wait_for_row);
    if (bench->failed)
        return;
    ops->close(db);
    CHECK_OK(bench, ops->commit(holder, &err), err);
    ops->close(holder);
    OPEN(&db);
    GIVES(2, "SELECT n FROM conf_work");
    RUN("UPDATE conf_work SET n = 4"); /* nothing is held */
    ops->close(db);
}

void case_interrupted_wait(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db, *holder;

    OPEN(&holder);
    OPEN(&db);
    CHECK_OK(bench, ops->lock(holder, "conf-one", 0, &err), err);
    end_waiter(bench, db, wait_for_lock);
    if (bench->failed)
        return;
    ops->close(db);
    ops->unlock(holder, "conf-one");
    OPEN(&db);
    CHECK_OK(bench, ops->lock(db, "conf-one", 5000, &err), err);
    ops->close(db);
    ops->close(holder);
}
