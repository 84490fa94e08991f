/* Runners over a real database; see runner_rig.h. */
#include "core/manager/jobs/runner_rig.h"

#include "core/net/guard.h"

struct rig rig;
struct fake fakes[2];
struct jobs *runners[2];

static struct dtr_pool *pool;

void start_runner_with(int at, struct jobs_options options)
{
    struct dtr_error err;
    options.loop = rig.loop;
    options.pool = pool;
    options.store = rig.store;
    options.sync_timeout_ms = 60000;
    options.sync_batch = 2;
    options.round_ms = 10;
    options.pause_ms = options.pause_ms ? options.pause_ms : 10;
    options.lease_ms = options.lease_ms ? options.lease_ms : 10000;
    assert_int_equal(jobs_new(&options, &runners[at], &err), DTR_OK);
}

void start_runner(int at)
{
    start_runner_with(at, (struct jobs_options){0});
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

void stop_runner(int at)
{
    bool closed = false;
    if (!runners[at])
        return;
    jobs_close(runners[at], on_closed, &closed);
    TURN_UNTIL(rig.loop, closed);
    runners[at] = NULL;
}

static void add_scheduler(int64_t cluster, const struct fake *fake, const char *name)
{
    char sql[FAKE_SQL];
    fake_row(fake, cluster, name, sql);
    rig_sql(&rig, sql);
}

static int begin_with(bool theirs)
{
    struct dtr_error err;
    rig_open(&rig);
    assert_int_equal(dtr_guard_allow("127.0.0.1", &err), DTR_OK);
    assert_int_equal(dtr_pool_new(4, 1000, &pool, &err), DTR_OK);
    for (int i = 0; i < 2; i++) {
        fake_open(&fakes[i], rig.loop, theirs);
        rig_cluster(&rig, i + 1, "{}", i == 0);
        add_scheduler(i + 1, &fakes[i], i == 0 ? "sched-1" : "sched-2");
    }
    return 0;
}

int begin_ours(void **state)
{
    (void)state;
    return begin_with(false);
}

int begin_theirs(void **state)
{
    (void)state;
    return begin_with(true);
}

int end_runners(void **state)
{
    (void)state;
    stop_runner(0);
    stop_runner(1);
    fake_close(&fakes[0]);
    fake_close(&fakes[1]);
    dtr_pool_free(pool);
    rig_close(&rig);
    dtr_guard_stop();
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------------------
 */

struct made {
    struct job_new new;
    int64_t id;
    int rc;
};

static int insert(struct store_db *db, void *context, struct dtr_error *err)
{
    struct made *made = context;
    return rows_insert(db, &made->new, &made->id, err);
}

int64_t try_job(enum job_kind kind, const char *text, size_t clusters, int *ret_rc)
{
    static const int64_t ids[] = {1, 2};
    struct dtr_error err;
    json_t *args = json_loads(text, 0, NULL);
    struct made made = {
        .new = {
            .kind = kind, .bio = "", .args = args, .user_id = 1, .clusters = ids, .cluster_count = clusters}};
    assert_non_null(args);
    *ret_rc = store_do(rig.store, insert, &made, &err);
    json_decref(args);
    return made.id;
}

int64_t add_job(enum job_kind kind, const char *text, size_t clusters)
{
    int rc;
    int64_t id = try_job(kind, text, clusters, &rc);
    assert_int_equal(rc, DTR_OK);
    return id;
}

int64_t count(const char *what)
{
    char sql[500];
    (void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", what);
    return rig_number(&rig, sql);
}

bool is_state(int64_t id, const char *state)
{
    char sql[200];
    (void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM jobs WHERE id = %lld AND state = '%s'",
                   (long long)id, state);
    return rig_number(&rig, sql) == 1;
}

struct text_of {
    const char *sql;
    char *text;
};

static int read_text(struct store_db *db, void *context, struct dtr_error *err)
{
    struct text_of *of = context;
    return store_string(db, of->sql, NULL, 0, &of->text, err);
}

char *column(int64_t id, const char *name)
{
    char sql[200];
    struct dtr_error err;
    (void)snprintf(sql, sizeof(sql), "SELECT %s FROM jobs WHERE id = %lld", name, (long long)id);
    struct text_of of = {sql, NULL};
    assert_int_equal(store_read(rig.store, read_text, &of, &err), DTR_OK);
    return of.text;
}

json_t *result_of(int64_t id)
{
    char *text = column(id, "result_json");
    json_t *json = json_loads(text, 0, NULL);
    if (!json)
        fail_msg("no result: %s", text);
    free(text);
    return json;
}

json_t *part_of(json_t *result, size_t at)
{
    return json_array_get(json_object_get(result, "job_states"), at);
}

json_t *first_of(json_t *part)
{
    return json_array_get(json_object_get(part, "results"), 0);
}

json_t *row_of(json_t *part, const char *list)
{
    return json_array_get(json_object_get(first_of(part), list), 0);
}

const char FILE_ARGS[] = "{\"type\":\"file\",\"url\":\"http://o/f?a=1&Signature=secret1\",\"headers\":"
                         "{\"Authorization\":\"secret2\"},\"scope\":\"all_peers\"}";

const char TASK_ARGS[] = "{\"task_id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}";
