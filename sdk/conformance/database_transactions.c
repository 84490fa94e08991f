/* Cases of the database conformance program: transactions, alone and several at once. */
#include "database_conformance.h"

enum { TRIES = 1000 /* of a transaction that others are in the way of */ };

/* --- one at a time ------------------------------------------------------------------------------------ */

void case_transactions(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_work", "n {number} NOT NULL, UNIQUE (n)", &err), err);
    CHECK_OK(bench, ops->begin(db, &err), err);
    RUN("INSERT INTO conf_work (n) VALUES (1)");
    CHECK_OK(bench, ops->rollback(db, &err), err);
    GIVES(0, "SELECT COUNT(*) FROM conf_work");

    CHECK_OK(bench, ops->begin(db, &err), err);
    RUN("INSERT INTO conf_work (n) VALUES (1)");
    REFUSED(DTR_EEXISTS, "INSERT INTO conf_work (n) VALUES (2), (1)");
    REFUSED(DTR_EINVALID, "INSERT INTO conf_work (n) VALUES (?)", NONE);
    RUN("INSERT INTO conf_work (n) VALUES (3)");
    CHECK_OK(bench, ops->commit(db, &err), err);
    GIVES(4, "SELECT SUM(n) FROM conf_work"); /* without the 2 */

    CHECK_OK(bench, ops->begin(db, &err), err);
    RUN("DELETE FROM conf_work");
    ops->close(db); /* rolls back */
    OPEN(&db);
    GIVES(4, "SELECT SUM(n) FROM conf_work");
    CHECK_OK(bench, ops->rollback(db, &err), err); /* without one */
    RUN("INSERT INTO conf_work (n) VALUES (5)");
    ops->close(db);
    OPEN(&db);
    GIVES(9, "SELECT SUM(n) FROM conf_work");
    ops->close(db);
}

void case_isolation(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct dtr_error err = {0};
    struct dtr_db *db, *writer;

    OPEN(&db);
    CHECK_OK(bench, make_table(bench, db, "conf_work", "n {number}", &err), err);
    OPEN(&writer);
    RUN("INSERT INTO conf_work (n) VALUES (1)");
    CHECK_OK(bench, ops->begin(writer, &err), err);
    CHECK_OK(bench, ops->run(writer, "UPDATE conf_work SET n = 2", NULL, 0, NULL, NULL, &err), err);
    CHECK_OK(bench, ops->run(writer, "INSERT INTO conf_work (n) VALUES (2)", NULL, 0, NULL, NULL, &err), err);
    GIVES(1, "SELECT SUM(n) FROM conf_work"); /* and does not wait */
    CHECK_OK(bench, ops->commit(writer, &err), err);
    GIVES(4, "SELECT SUM(n) FROM conf_work");
    ops->close(writer);
    ops->close(db);
}

/* --- several at once ----------------------------------------------------------------------------------- */

struct worker {
    struct bench *bench;
    int number, rounds;
    int rc; /* of what failed, else DTR_OK */
    int limits;
    struct dtr_error err;
    struct sign *sign;
    int (*work)(struct worker *worker, struct dtr_db *db);
};

/* Runs the work in a transaction until others are not in the way. */
static int transact(struct worker *worker, struct dtr_db *db)
{
    const struct dtr_database_ops *ops = worker->bench->database;
    int rc = DTR_ELIMIT;
    for (int i = 0; i < TRIES && rc == DTR_ELIMIT; i++) {
        rc = ops->begin(db, &worker->err);
        if (rc == DTR_OK) {
            rc = worker->work(worker, db);
            if (rc == DTR_OK)
                rc = ops->commit(db, &worker->err);
            else if (ops->rollback(db, NULL) != DTR_OK)
                return DTR_EINTERNAL;
        }
        worker->limits += rc == DTR_ELIMIT;
    }
    return rc;
}

static void *work_often(void *context)
{
    struct worker *worker = context;
    const struct dtr_database_ops *ops = worker->bench->database;
    struct dtr_db *db = NULL;
    worker->rc = ops->open(worker->bench->started.instance, &db, &worker->err);
    for (int i = 0; i < worker->rounds && worker->rc == DTR_OK; i++)
        worker->rc = transact(worker, db);
    if (db)
        ops->close(db);
    return NULL;
}

/* Runs `count` workers, at most 16, and answers whether all did their work. */
static bool run_workers(struct bench *bench, int count, int rounds,
                        int (*work)(struct worker *worker, struct dtr_db *db))
{
    struct worker workers[16];
    pthread_t threads[16];
    bool good = true;
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){.bench = bench, .number = i, .rounds = rounds, .work = work};
        if (pthread_create(&threads[i], NULL, work_often, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
        if (workers[i].rc != DTR_OK)
            bench_fail(bench, __FILE__, __LINE__, "thread %d: %s (%s)", i, dtr_code_text(workers[i].rc),
                       workers[i].err.text);
        good = good && workers[i].rc == DTR_OK;
    }
    return good;
}

/* Reads, and writes what follows from it. */
static int count_up(struct worker *worker, struct dtr_db *db)
{
    struct bench *bench = worker->bench;
    char sql[128];
    int64_t n = 0;
    (void)snprintf(sql, sizeof(sql), "SELECT n FROM conf_work WHERE name = 'it' %s",
                   bench->database->dialect->for_update);
    int rc = get_number(bench, db, sql, NULL, 0, &n, &worker->err);
    if (rc == DTR_OK)
        rc = bench->database->run(db, "UPDATE conf_work SET n = ? WHERE name = 'it'", VALUES(NUMBER(n + 1)),
                                  NULL, NULL, &worker->err);
    return rc;
}

void case_lost_update(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_work", "name {name} NOT NULL, n {number}, UNIQUE (name)", &err),
             err);
    RUN("INSERT INTO conf_work (name, n) VALUES ('it', 0)");
    if (!run_workers(bench, 4, 25, count_up))
        return;
    GIVES(100, "SELECT n FROM conf_work");
    bench->database->close(db);
}

/* A row of its own, one that all share, and one that is made by whoever comes first. */
static int do_several(struct worker *worker, struct dtr_db *db)
{
    const struct dtr_database_ops *ops = worker->bench->database;
    struct dtr_ran ran;
    char name[32];
    (void)snprintf(name, sizeof(name), "thread %d", worker->number);
    int rc =
        ops->run(db, "INSERT INTO conf_log (name) VALUES (?)", VALUES(TEXT(name)), NULL, &ran, &worker->err);
    if (rc == DTR_OK)
        rc = ops->run(db, "UPDATE conf_work SET n = n + 1 WHERE name = 'all'", NULL, 0, NULL, NULL,
                      &worker->err);
    if (rc == DTR_OK)
        rc = ops->run(db, "INSERT INTO conf_work (name, n) VALUES (?, ?)",
                      VALUES(TEXT("first"), NUMBER(ran.id)), NULL, NULL, &worker->err);
    return rc == DTR_EEXISTS ? DTR_OK : rc;
}

void case_threads(struct bench *bench)
{
    enum { THREADS = 8, ROUNDS = 25 };
    struct dtr_error err = {0};
    struct dtr_db *db;
    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_work", "name {name} NOT NULL, n {number}, UNIQUE (name)", &err),
             err);
    CHECK_OK(bench, make_table(bench, db, "conf_log", "id {id}, name {name}", &err), err);
    RUN("INSERT INTO conf_work (name, n) VALUES ('all', 0)");
    if (!run_workers(bench, THREADS, ROUNDS, do_several))
        return;
    GIVES(THREADS * ROUNDS, "SELECT n FROM conf_work WHERE name = 'all'");
    GIVES(THREADS * ROUNDS, "SELECT COUNT(*) FROM conf_log");
    GIVES(ROUNDS, "SELECT COUNT(*) FROM conf_log WHERE name = 'thread 3'");
    GIVES(1, "SELECT COUNT(*) FROM conf_work WHERE name = 'first'");
    bench->database->close(db);
}

/* --- in each other's way -------------------------------------------------------------------------------- */

static int add_to(struct bench *bench, struct dtr_db *db, const char *name, struct dtr_error *err)
{
    return bench->database->run(db, "UPDATE conf_work SET n = n + 1 WHERE name = ?", VALUES(TEXT(name)), NULL,
                                NULL, err);
}

/* Takes "two", then wants "one", which the other has. */
static void *want_the_other(void *context)
{
    struct worker *worker = context;
    const struct dtr_database_ops *ops = worker->bench->database;
    struct dtr_db *db = NULL;
    int rc = ops->open(worker->bench->started.instance, &db, &worker->err);
    if (rc == DTR_OK)
        rc = ops->begin(db, &worker->err);
    if (rc == DTR_OK)
        rc = add_to(worker->bench, db, "two", &worker->err);
    sign_give(worker->sign);
    if (rc == DTR_OK)
        rc = add_to(worker->bench, db, "one", &worker->err);
    worker->rc = rc == DTR_OK ? ops->commit(db, &worker->err) : rc;
    if (db)
        ops->close(db);
    return NULL;
}

/* Of two that want what the other has, or of one that waits too long, at least one is told to try again. */
void case_deadlock(struct bench *bench)
{
    const struct dtr_database_ops *ops = bench->database;
    struct sign sign = SIGN_INITIAL;
    struct worker other = {.bench = bench, .sign = &sign};
    struct dtr_error err = {0}, after = {0};
    pthread_t thread;
    struct dtr_db *db;

    OPEN(&db);
    CHECK_OK(bench,
             make_table(bench, db, "conf_work", "name {name} NOT NULL, n {number}, UNIQUE (name)", &err),
             err);
    RUN("INSERT INTO conf_work (name, n) VALUES ('one', 0), ('two', 0)");
    CHECK_OK(bench, ops->begin(db, &err), err);
    CHECK_OK(bench, add_to(bench, db, "one", &err), err);
    if (pthread_create(&thread, NULL, want_the_other, &other) != 0)
        abort();
    bool came = sign_wait(&sign, 60000);
    int rc = add_to(bench, db, "two", &err), later = DTR_ELIMIT;
    if (rc == DTR_OK)
        rc = ops->commit(db, &err);
    else
        later =
            ops->run(db, "INSERT INTO conf_work (name, n) VALUES ('three', 0)", NULL, 0, NULL, NULL, &after);
    (void)pthread_join(thread, NULL);
    CHECK(bench, came, "the other thread did not come so far");
    CHECK(bench, rc == DTR_OK || (rc == DTR_ELIMIT && err.retry == DTR_RETRY_SAME), "%s (%s)",
          dtr_code_text(rc), err.text);
    CHECK(bench, other.rc == DTR_OK || (other.rc == DTR_ELIMIT && other.err.retry == DTR_RETRY_SAME),
          "the other: %s (%s)", dtr_code_text(other.rc), other.err.text);
    CHECK(bench, rc == DTR_ELIMIT || other.rc == DTR_ELIMIT, "both had what the other had");
    CHECK(bench, later == DTR_ELIMIT, "a statement after DTR_ELIMIT: %s (%s)", dtr_code_text(later),
          after.text);
    CHECK_OK(bench, ops->rollback(db, &err), err);
    GIVES(rc == DTR_OK || other.rc == DTR_OK ? 2 : 0, "SELECT SUM(n) FROM conf_work");
    GIVES(2, "SELECT COUNT(*) FROM conf_work");
    CHECK_OK(bench, ops->begin(db, &err), err);
    CHECK_OK(bench, add_to(bench, db, "two", &err), err);
    CHECK_OK(bench, ops->commit(db, &err), err);
    ops->close(db);
}
