/* Connections and transactions; see store.h. */
#include "core/manager/store/store.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/manager/store/schema.h"
#include "core/obs/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    IDLE_MOST = 16,      /* connections that are kept for the next work: one for each worker of the manager */
    TRUST_MS = 1000,     /* one that lay idle longer is asked whether it still lives */
    TRY_MS = 5000,       /* for so long a transaction is begun again that others are in the way of */
    PAUSE_MOST_MS = 64,  /* between two such tries */
    LOCK_WAIT_MS = 60000 /* for a process that brings the tables up to date */
};

struct store {
    struct store_options options;
    pthread_mutex_t lock; /* what follows */
    struct idle {
        struct dtr_db *db;
        uint64_t since_ms;
    } idle[IDLE_MOST];
    size_t idle_count;
    bool ready;
    bool away; /* that it is was logged */
    pthread_mutex_t preparing;
};

int store_new(const struct store_options *options, struct store **ret_store, struct dtr_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the database");
    store->options = *options;
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_mutex_init(&store->preparing, NULL);
    *ret_store = store;
    return DTR_OK;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->idle_count; i++)
        store->options.ops->close(store->idle[i].db);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_mutex_destroy(&store->preparing);
    free(store);
}

/* --- connections -----------------------------------------------------------------------------------------
 */

/* Says it once when the database goes away, and once when it is back. */
static void note(struct store *store, const struct dtr_error *err)
{
    (void)pthread_mutex_lock(&store->lock);
    bool news = store->away != (err != NULL);
    store->away = err != NULL;
    (void)pthread_mutex_unlock(&store->lock);
    if (news && err)
        dtr_log(DTR_LOG_ERROR, NULL, "the database is away: %s", err->text);
    else if (news)
        dtr_log(DTR_LOG_INFO, NULL, "the database is back");
}

static bool take_idle(struct store *store, struct idle *ret_idle)
{
    (void)pthread_mutex_lock(&store->lock);
    bool got = store->idle_count > 0;
    if (got)
        *ret_idle = store->idle[--store->idle_count];
    (void)pthread_mutex_unlock(&store->lock);
    return got;
}

static bool lives(const struct store *store, const struct idle *idle)
{
    return dtr_now_ms() - idle->since_ms < TRUST_MS ||
           store->options.ops->run(idle->db, "SELECT 1", NULL, 0, NULL, NULL, NULL) == DTR_OK;
}

static int take(struct store *store, struct store_db *ret_db, struct dtr_error *err)
{
    struct idle idle = {0};
    int rc = DTR_OK;
    while (take_idle(store, &idle) && !lives(store, &idle)) {
        store->options.ops->close(idle.db);
        idle.db = NULL;
    }
    if (!idle.db)
        rc = store->options.ops->open(store->options.instance, &idle.db, err);
    *ret_db = (struct store_db){
        .ops = store->options.ops, .dialect = store->options.ops->dialect, .db = idle.db, .store = store};
    if (rc == DTR_EUNAVAILABLE)
        note(store, err);
    else if (rc == DTR_OK)
        note(store, NULL);
    return rc;
}

static void give(struct store_db *db)
{
    struct store *store = db->store;
    bool kept = false;
    if (!db->broken) {
        (void)pthread_mutex_lock(&store->lock);
        kept = store->idle_count < IDLE_MOST;
        if (kept)
            store->idle[store->idle_count++] = (struct idle){db->db, dtr_now_ms()};
        (void)pthread_mutex_unlock(&store->lock);
    }
    if (!kept)
        db->ops->close(db->db);
}

/* --- tables ----------------------------------------------------------------------------------------------
 */

static const char lock_name[] = "darter-schema";

static int prepare(struct store *store, struct dtr_error *err)
{
    struct store_db db;
    int rc = take(store, &db, err);
    if (rc != DTR_OK)
        return rc;
    rc = db.ops->lock(db.db, lock_name, LOCK_WAIT_MS, err);
    if (rc == DTR_OK) {
        rc = schema_bring_up(&db, store->options.migrate, err);
        db.ops->unlock(db.db, lock_name);
    }
    give(&db);
    return rc;
}

static bool is_ready(struct store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    bool ready = store->ready;
    (void)pthread_mutex_unlock(&store->lock);
    return ready;
}

int store_ready(struct store *store, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (is_ready(store))
        return DTR_OK;
    (void)pthread_mutex_lock(&store->preparing);
    if (!is_ready(store))
        rc = prepare(store, err);
    (void)pthread_mutex_lock(&store->lock);
    store->ready = rc == DTR_OK;
    (void)pthread_mutex_unlock(&store->lock);
    (void)pthread_mutex_unlock(&store->preparing);
    return rc;
}

/* --- work ------------------------------------------------------------------------------------------------
 */

static int once(struct store_db *db, store_work *work, void *context, struct dtr_error *err)
{
    int rc = db->ops->begin(db->db, err);
    if (rc != DTR_OK)
        return rc;
    rc = work(db, context, err);
    if (rc == DTR_OK)
        return db->ops->commit(db->db, err);
    if (db->broken || db->ops->rollback(db->db, NULL) != DTR_OK)
        db->broken = true;
    return rc;
}

/* Somewhere in the first `most` milliseconds, so that those who were in each other's way do not meet again.
 */
static void pause_within(uint64_t most_ms)
{
    uint32_t drawn;
    dtr_random(&drawn, sizeof(drawn));
    const struct timespec pause = {.tv_nsec = (long)(drawn % (most_ms * 1000)) * 1000};
    (void)nanosleep(&pause, NULL);
}

/* A deadlock's loser that came back at once would lose again, as long as a third keeps the winner waiting. */
static int transact(struct store_db *db, store_work *work, void *context, struct dtr_error *err)
{
    const uint64_t end_ms = dtr_now_ms() + TRY_MS;
    for (uint64_t most_ms = 1;; most_ms = most_ms < PAUSE_MOST_MS ? 2 * most_ms : most_ms) {
        int rc = once(db, work, context, err);
        if (rc != DTR_ELIMIT || db->broken || dtr_now_ms() >= end_ms)
            return rc;
        pause_within(most_ms);
    }
}

static int with_connection(struct store *store,
                           int (*run)(struct store_db *, store_work *, void *, struct dtr_error *),
                           store_work *work, void *context, struct dtr_error *err)
{
    struct store_db db;
    int rc = store_ready(store, err);
    if (rc == DTR_OK)
        rc = take(store, &db, err);
    if (rc != DTR_OK)
        return rc;
    rc = run(&db, work, context, err);
    db.broken |= rc == DTR_EUNAVAILABLE || rc == DTR_ECANCELLED;
    give(&db);
    return rc;
}

static int plain(struct store_db *db, store_work *work, void *context, struct dtr_error *err)
{
    return work(db, context, err);
}

int store_do(struct store *store, store_work *work, void *context, struct dtr_error *err)
{
    return with_connection(store, transact, work, context, err);
}

int store_read(struct store *store, store_work *work, void *context, struct dtr_error *err)
{
    return with_connection(store, plain, work, context, err);
}

struct alone {
    const char *name;
    store_work *work;
    void *context;
};

static int locked(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct alone *alone = context;
    int rc = db->ops->lock(db->db, alone->name, 0, err);
    if (rc == DTR_OK) {
        rc = alone->work(db, alone->context, err);
        db->ops->unlock(db->db, alone->name);
    }
    return rc;
}

int store_alone(struct store *store, const char *name, store_work *work, void *context, struct dtr_error *err)
{
    struct alone alone = {name, work, context};
    return with_connection(store, plain, locked, &alone, err);
}

/* --- statements ------------------------------------------------------------------------------------------
 */

struct dtr_value store_text(const char *t)
{
    return (struct dtr_value){
        .type = t ? DTR_VALUE_TEXT : DTR_VALUE_NULL, .text = t, .length = t ? strlen(t) : 0};
}

int store_run(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
              struct dtr_ran *ret_ran, struct dtr_error *err)
{
    return db->ops->run(db->db, sql, values, count, NULL, ret_ran, err);
}

int store_each(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
               int (*row)(void *context, const struct dtr_value *columns, size_t count,
                          struct dtr_error *err),
               void *context, struct dtr_error *err)
{
    const struct dtr_row_sink sink = {.row = row, .context = context};
    return db->ops->run(db->db, sql, values, count, &sink, NULL, err);
}

struct one {
    bool got;
    int64_t number;
    struct dtr_str text;
};

static int on_one(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct one *one = context;
    if (one->got || count != 1)
        return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "one value was asked for, more came");
    one->got = true;
    one->number = columns[0].number;
    if (columns[0].type == DTR_VALUE_TEXT)
        dtr_str_add(&one->text, columns[0].text, columns[0].length);
    return DTR_OK;
}

static int get_one(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                   struct one *one, struct dtr_error *err)
{
    int rc = store_each(db, sql, values, count, on_one, one, err);
    if (rc == DTR_OK && !one->got)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "not found");
    if (rc == DTR_OK && !dtr_str_ok(&one->text))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a text of the database");
    return rc;
}

int store_number(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 int64_t *ret_number, struct dtr_error *err)
{
    struct one one = {0};
    int rc = get_one(db, sql, values, count, &one, err);
    if (rc == DTR_OK)
        *ret_number = one.number;
    dtr_str_free(&one.text);
    return rc;
}

struct numbers {
    int64_t *list;
    size_t count;
};

static int on_number(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct numbers *numbers = context;
    int64_t *list = realloc(numbers->list, (numbers->count + 1) * sizeof(*list));
    (void)count;
    if (!list)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for numbers of the database");
    numbers->list = list;
    list[numbers->count++] = columns[0].number;
    return DTR_OK;
}

int store_numbers(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                  int64_t **ret_list, size_t *ret_count, struct dtr_error *err)
{
    struct numbers numbers = {0};
    int rc = store_each(db, sql, values, count, on_number, &numbers, err);
    if (rc != DTR_OK) {
        free(numbers.list);
        numbers = (struct numbers){0};
    }
    *ret_list = numbers.list;
    *ret_count = numbers.count;
    return rc;
}

int store_string(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 char **ret_text, struct dtr_error *err)
{
    struct one one = {0};
    int rc = get_one(db, sql, values, count, &one, err);
    if (rc == DTR_OK) {
        *ret_text = one.text.length > 0 ? dtr_str_take(&one.text) : strdup("");
        if (!*ret_text)
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a text of the database");
    }
    dtr_str_free(&one.text);
    return rc;
}

int64_t store_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
