/* Runs and their rows; see runs.h. */
#include "core/manager/upkeep/runs.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/manager/upkeep/upkeep.h"
#include "core/obs/log.h"

#include <jansson.h>
#include <stdlib.h>

enum { AGAIN_MS = 60000, HOUR_MS = 3600 * 1000, RANDOM = 8 };

/* As Dragonfly's, which has none for peers: it deletes those that a refresh does not see. */
static const struct {
    const char *name, *args;
    uint64_t interval_ms;
} kinds[] = {
    [RUN_JOBS] = {"job", "{\"type\":\"job\"}", 3 * HOUR_MS},
    [RUN_AUDITS] = {"audit", "{\"type\":\"audit\"}", 6 * HOUR_MS},
    [RUN_SCHEDULERS] = {"scheduler", "{\"type\":\"scheduler\"}", HOUR_MS},
    [RUN_SEEDS] = {"seed_peer", "{\"type\":\"seed_peer\"}", HOUR_MS},
    [RUN_PEERS] = {"peer", "{\"type\":\"peer\"}", HOUR_MS},
};

void runs_init(struct runs *runs, uint64_t sync_every_ms, uint64_t now_ms)
{
    runs->sync_every_ms = sync_every_ms;
    for (int kind = 0; kind < RUN_KINDS; kind++)
        runs->due_ms[kind] = now_ms + (kind == RUN_PEERS ? RUN_PEERS_FIRST_MS : RUN_FIRST_MS);
}

struct run {
    enum run_kind kind;
    struct store *store;
    struct silence *silence;
    uint64_t sync_every_ms;
    bool done;                    /* by this manager, or by another not long ago */
    int64_t begun_ms, purged, id; /* id: of the row */
    int rc;                       /* of the work */
    int64_t user_id;              /* who wants it; 0: nobody, it was due */
    const char *bio;
    struct dtr_error err;
};

static int clear_peers(struct run *run)
{
    int rc = upkeep_expire_peers(run->store, run->sync_every_ms, &run->err);
    return rc == DTR_OK ? upkeep_purge(run->store, UPKEEP_PEERS, &run->purged, &run->err) : rc;
}

static int work(struct run *run)
{
    switch (run->kind) {
    case RUN_JOBS:
        return upkeep_purge(run->store, UPKEEP_JOBS, &run->purged, &run->err);
    case RUN_AUDITS:
        return upkeep_purge(run->store, UPKEEP_AUDITS, &run->purged, &run->err);
    case RUN_SCHEDULERS:
        return silence_reap(run->silence, SILENCE_SCHEDULERS, &run->purged, &run->err);
    case RUN_SEEDS:
        return silence_reap(run->silence, SILENCE_SEEDS, &run->purged, &run->err);
    default:
        return clear_peers(run);
    }
}

static char *result_text(const struct run *run)
{
    json_t *result = run->rc == DTR_OK
                         ? json_pack("{sI}", "purged", (json_int_t)run->purged)
                         : json_pack("{sIss}", "purged", (json_int_t)run->purged, "error", run->err.text);
    char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    return text;
}

static int write_down(struct store_db *db, struct run *run, struct dtr_error *err)
{
    unsigned char bytes[RANDOM];
    char random[2 * RANDOM + 1], group[64];
    char *result = result_text(run);
    struct dtr_ran ran = {0};
    dtr_random(bytes, sizeof(bytes));
    dtr_hex(bytes, sizeof(bytes), random);
    (void)snprintf(group, sizeof(group), "gc_%s_%s", kinds[run->kind].name, random);
    int rc = store_run(db,
                       "INSERT INTO jobs (group_id, bio, type, state, args_json, result_json, user_id, owner,"
                       " due_at, tries, created_at, updated_at)"
                       " VALUES (?, ?, 'gc', ?, ?, ?, ?, '', 0, 1, ?, ?)",
                       STORE_VALUES(store_text(group), store_text(run->bio ? run->bio : ""),
                                    store_text(run->rc == DTR_OK ? "SUCCESS" : "FAILURE"),
                                    store_text(kinds[run->kind].args), store_text(result),
                                    STORE_NUMBER(run->user_id), STORE_NUMBER(run->begun_ms),
                                    STORE_NUMBER(store_now_ms())),
                       &ran, err);
    run->id = ran.id;
    free(result);
    return rc;
}

/* Whether any manager did it within nine tenths of the interval: two that do not begin at the same time shall
 * not both do it. Rows of a future that a clock once was in do not count. */
static int is_done(struct store_db *db, struct run *run, struct dtr_error *err)
{
    const int64_t interval = (int64_t)kinds[run->kind].interval_ms, now = store_now_ms();
    int64_t count = 0;
    int rc = store_number(
        db,
        "SELECT COUNT(*) FROM jobs WHERE type = 'gc' AND args_json = ? AND created_at > ? AND created_at < ?",
        STORE_VALUES(store_text(kinds[run->kind].args), STORE_NUMBER(now - interval + interval / 10),
                     STORE_NUMBER(now + interval)),
        &count, err);
    run->done = rc == DTR_OK && count > 0;
    return rc;
}

static int run_now(struct store_db *db, void *context, struct dtr_error *err)
{
    struct run *run = context;
    run->begun_ms = store_now_ms();
    run->rc = work(run);
    if (run->rc != DTR_OK)
        dtr_log(DTR_LOG_ERROR, NULL, "clearing away (%s): %s", kinds[run->kind].name, run->err.text);
    else if (run->purged > 0)
        dtr_log(DTR_LOG_INFO, NULL, "cleared away (%s): %lld rows", kinds[run->kind].name,
                (long long)run->purged);
    run->done = true;
    return write_down(db, run, err);
}

static int run_alone(struct store_db *db, void *context, struct dtr_error *err)
{
    struct run *run = context;
    int rc = is_done(db, run, err);
    return rc == DTR_OK && !run->done ? run_now(db, run, err) : rc;
}

static int alone(struct run *run, int (*work_alone)(struct store_db *, void *, struct dtr_error *),
                 struct dtr_error *err)
{
    char lock[32];
    (void)snprintf(lock, sizeof(lock), "darter-gc-%s", kinds[run->kind].name);
    return store_alone(run->store, lock, work_alone, run, err);
}

int runs_do(struct runs *runs, enum run_kind kind, struct store *store, struct silence *silence,
            uint64_t now_ms, struct dtr_error *err)
{
    struct run run = {.kind = kind, .store = store, .silence = silence, .sync_every_ms = runs->sync_every_ms};
    if (now_ms < runs->due_ms[kind])
        return DTR_OK;
    int rc = alone(&run, run_alone, err);
    runs->due_ms[kind] = now_ms + (rc == DTR_OK && run.begun_ms > 0 ? kinds[kind].interval_ms : AGAIN_MS);
    return rc == DTR_ETIMEOUT ? DTR_OK : rc; /* another manager is at it */
}

int runs_order(struct store *store, const struct run_order *order, int64_t *ret_id, struct dtr_error *err)
{
    struct run run = {.kind = order->kind, .store = store, .user_id = order->user_id, .bio = order->bio};
    int rc = alone(&run, run_now, err);
    *ret_id = run.id;
    return rc;
}
