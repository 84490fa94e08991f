/* One round; see round.h. */
#include "core/manager/jobs/round.h"

#include "core/base/digest.h"
#include "core/obs/log.h"

#include <stdlib.h>
#include <string.h>

enum { SYNC_LOOK_MS = 60000 /* between two looks for jobs about peers that others made */ };

int round_init(struct round *round, struct store *store, uint64_t lease_ms, uint64_t step_ms,
               uint64_t sync_every_ms, uint64_t now_ms, struct dtr_error *err)
{
    *round = (struct round){.store = store,
                            .lease_ms = lease_ms,
                            .step_ms = step_ms,
                            .looked_ms = now_ms,
                            .sync_every_ms = sync_every_ms,
                            .sync_last_id = -1,
                            .seen = calloc(ROWS_LISTED_MOST, sizeof(*round->seen)),
                            .seen_ms = calloc(ROWS_LISTED_MOST, sizeof(*round->seen_ms))};
    dtr_uuid(round->owner);
    return round->seen && round->seen_ms
               ? DTR_OK
               : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
}

void round_clear(struct round *round)
{
    for (size_t i = 0; i < round->note_count; i++)
        job_note_free(&round->notes[i]);
    for (size_t i = 0; i < round->wish_count; i++)
        job_targets_free(&round->wishes[i].targets);
    for (size_t i = 0; i < round->taken_count; i++) {
        job_row_free(&round->taken[i]);
        job_targets_free(&round->targets[i]);
    }
    free(round->notes);
    free(round->wishes);
    free(round->own);
    free(round->watched);
    free(round->taken);
    free(round->targets);
    round->notes = NULL;
    round->wishes = NULL;
    round->own = round->watched = NULL;
    round->taken = NULL;
    round->targets = NULL;
    round->note_count = round->wish_count = round->own_count = round->watched_count = round->taken_count = 0;
    round->written = false;
}

void round_free(struct round *round)
{
    round_clear(round);
    free(round->seen);
    free(round->seen_ms);
}

/* --- what was heard ------------------------------------------------------------------------------------
 */

struct writing {
    struct round *round;
    size_t at;
};

static int write_note(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct writing *writing = context;
    return rows_write(db, writing->round->owner, &writing->round->notes[writing->at], err);
}

/* What the database does not take, as it is too long, it will not take later: the job is over then, or all
 * others of this manager would wait for it. */
static bool make_end(struct job_note *note, const char *why)
{
    json_t *result =
        json_pack("{s:s, s:[{s:s, s:s, s:[], s:s}]}", "state", "FAILURE", "job_states", "task_name",
                  job_kind_text(note->job), "state", "FAILURE", "results", "error", why);
    char *state = strdup("FAILURE"), *text = result ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    if (!state || !text) {
        free(state);
        free(text);
        return false;
    }
    free(note->state);
    free(note->result);
    note->state = state;
    note->result = text;
    note->kind = NOTE_END;
    note->cluster_count = 0;
    return true;
}

static int write_notes(struct round *round, struct dtr_error *err)
{
    struct writing writing = {.round = round};
    int rc = DTR_OK;
    for (; writing.at < round->note_count && rc == DTR_OK; writing.at++) {
        rc = store_do(round->store, write_note, &writing, err);
        if (rc != DTR_EINVALID)
            continue;
        dtr_log(DTR_LOG_ERROR, NULL, "what came of job %lld cannot be written down: %s",
                (long long)round->notes[writing.at].id, err->text);
        if (make_end(&round->notes[writing.at], err->text))
            rc = store_do(round->store, write_note, &writing, err);
    }
    round->written = rc == DTR_OK;
    return rc;
}

/* --- who is there --------------------------------------------------------------------------------------
 */

static int look(struct store_db *db, void *context, struct dtr_error *err)
{
    struct round *round = context;
    int rc = round->own_count > 0 ? rows_renew(db, round->owner, err) : DTR_OK;
    if (rc == DTR_OK && round->watched_count > 0)
        rc = rows_keep_over(db, round->watched, round->watched_count, err);
    for (size_t i = 0; i < round->wish_count && rc == DTR_OK; i++) {
        rc = rows_targets(db, round->wishes[i].id, &round->wishes[i].targets, err);
        round->wishes[i].ok = rc == DTR_OK;
    }
    return rc;
}

/* --- those of others -----------------------------------------------------------------------------------
 */

/* A look that comes late has not seen what was between it and the one before. */
static void count_look(struct round *round)
{
    const uint64_t passed_ms = round->now_ms - round->looked_ms;
    round->looked_ms = round->now_ms;
    round->watched_ms += passed_ms < round->step_ms ? passed_ms : round->step_ms;
}

/* Since when it is as it is now. */
static uint64_t seen_since(const struct round *round, const struct job_lost *job)
{
    for (size_t i = 0; i < round->seen_count; i++) {
        const struct job_lost *seen = &round->seen[i];
        if (seen->id == job->id && seen->due_at == job->due_at && strcmp(seen->owner, job->owner) == 0)
            return round->seen_ms[i];
    }
    return round->watched_ms;
}

static void keep_seen(struct round *round, const struct job_lost *others, const uint64_t *since_ms,
                      size_t count)
{
    memcpy(round->seen, others, count * sizeof(*others));
    memcpy(round->seen_ms, since_ms, count * sizeof(*since_ms));
    round->seen_count = count;
}

static int take_targets(struct store_db *db, struct round *round, struct dtr_error *err)
{
    const size_t at = round->taken_count;
    int rc = rows_targets(db, round->taken[at].id, &round->targets[at], err);
    if (rc == DTR_OK)
        round->taken_count++;
    else
        job_row_free(&round->taken[at]); /* it is this owner's all the same; see take_strays() */
    return rc;
}

static int take_lost(struct store_db *db, struct round *round, const struct job_lost *lost,
                     struct dtr_error *err)
{
    bool taken;
    int rc = rows_take_lost(db, round->owner, lost, &round->taken[round->taken_count], &taken, err);
    return rc == DTR_OK && taken ? take_targets(db, round, err) : rc;
}

static int take_others(struct store_db *db, struct round *round, struct dtr_error *err)
{
    struct job_lost *others = calloc(ROWS_LISTED_MOST, sizeof(*others));
    uint64_t *since_ms = calloc(ROWS_LISTED_MOST, sizeof(*since_ms));
    size_t count = 0, before = round->taken_count;
    int rc = others && since_ms ? rows_list(db, round->owner, false, others, &count, err)
                                : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
    if (rc == DTR_OK)
        count_look(round);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        since_ms[i] = seen_since(round, &others[i]);
        if (round->watched_ms - since_ms[i] >= round->lease_ms &&
            round->taken_count < before + ROUND_TAKEN_MOST)
            rc = take_lost(db, round, &others[i], err);
    }
    for (size_t i = before; i < round->taken_count; i++)
        dtr_log(DTR_LOG_WARN, NULL, "job %lld is taken over from a manager that shows no sign of life",
                (long long)round->taken[i].id);
    if (rc == DTR_OK)
        keep_seen(round, others, since_ms, count);
    free(others);
    free(since_ms);
    return rc;
}

/* --- those that are due --------------------------------------------------------------------------------
 */

static int take_due(struct store_db *db, struct round *round, bool quick, struct dtr_error *err)
{
    struct job_row rows[ROUND_TAKEN_MOST];
    const size_t room = round->room[quick];
    size_t count = 0;
    int rc = room == 0 ? DTR_OK
                       : rows_take_due(db, round->owner, quick,
                                       room < ROUND_TAKEN_MOST ? room : ROUND_TAKEN_MOST, rows, &count, err);
    for (size_t i = 0; i < count; i++) {
        round->taken[round->taken_count] = rows[i];
        if (rc == DTR_OK)
            rc = take_targets(db, round, err);
        else
            job_row_free(&round->taken[round->taken_count]);
    }
    return rc;
}

/* --- its own -------------------------------------------------------------------------------------------
 */

static size_t place(const struct round *round, int64_t id)
{
    size_t at = 0;
    while (at < round->own_count && round->own[at] != id)
        at++;
    return at;
}

/* Those that run and are this owner's no more; and those that are its and do not run, since the database went
 * away when they were taken. */
static int take_own(struct store_db *db, struct round *round, struct dtr_error *err)
{
    struct job_lost *list = calloc(ROWS_LISTED_MOST, sizeof(*list));
    bool *there = calloc(round->own_count + 1, sizeof(*there));
    size_t count = 0, before = round->taken_count;
    int rc = list && there ? rows_list(db, round->owner, true, list, &count, err)
                           : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        const size_t at = place(round, list[i].id);
        if (at < round->own_count)
            there[at] = true;
        else if (!round->leaving && round->taken_count < before + ROUND_TAKEN_MOST)
            rc = take_lost(db, round, &list[i], err);
    }
    for (size_t i = 0; i < round->own_count && rc == DTR_OK; i++)
        round->own[i] = there[i] ? round->own[i] : 0;
    free(list);
    free(there);
    return rc;
}

static int take(struct store_db *db, void *context, struct dtr_error *err)
{
    struct round *round = context;
    round->taken = calloc(4 * ROUND_TAKEN_MOST, sizeof(*round->taken));
    round->targets = calloc(4 * ROUND_TAKEN_MOST, sizeof(*round->targets));
    int rc = round->taken && round->targets
                 ? take_own(db, round, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
    if (rc == DTR_OK && !round->leaving)
        rc = take_others(db, round, err);
    if (rc == DTR_OK && !round->leaving)
        rc = take_due(db, round, false, err);
    return rc == DTR_OK && !round->leaving ? take_due(db, round, true, err) : rc;
}

/* --- jobs about peers, by themselves -------------------------------------------------------------------
 */

struct sync {
    json_t *args;         /* NULL: it is not to be made yet */
    size_t cluster_count; /* that it is for; 0: there is nobody to ask */
};

static int make_sync(struct store_db *db, void *context, struct dtr_error *err)
{
    struct sync *sync = context;
    struct job_new made = {.kind = JOB_SYNC_PEERS, .bio = "", .args = sync->args};
    int64_t *clusters = NULL, id;
    int rc = rows_usable(db, JOB_SYNC_PEERS, &clusters, &made.cluster_count, err);
    made.clusters = clusters;
    sync->cluster_count = made.cluster_count;
    if (rc == DTR_OK && made.args && made.cluster_count > 0)
        rc = rows_insert(db, &made, &id, err);
    free(clusters);
    return rc == DTR_EEXISTS ? DTR_OK : rc;
}

static int last_sync(struct store_db *db, void *context, struct dtr_error *err)
{
    return rows_last_sync(db, context, err);
}

static void put_off(struct round *round, uint64_t ms)
{
    if (round->sync_due_ms < round->now_ms + ms)
        round->sync_due_ms = round->now_ms + ms;
}

/* What any manager made counts for all. One that comes while we look was made just now, whatever its date
 * says. How old one from before the start is, only its date tells; when that cannot be, the peers are
 * refreshed once too often, which does no harm. */
static void hear_of_sync(struct round *round, const struct job_made *last)
{
    const int64_t every_ms = (int64_t)round->sync_every_ms;
    const int64_t age_ms = round->sync_last_id < 0 ? store_now_ms() - last->at_ms : 0;
    if (last->id > round->sync_last_id && last->id > 0 && age_ms >= 0 && age_ms < every_ms)
        put_off(round, (uint64_t)(every_ms - age_ms));
    round->sync_last_id = last->id;
}

static int wait_for_schedulers(struct round *round, struct dtr_error *err)
{
    struct sync sync = {0};
    int rc = store_read(round->store, make_sync, &sync, err);
    round->sync_ready = rc == DTR_OK && sync.cluster_count > 0;
    if (round->sync_ready && round->sync_every_ms > ROUND_SYNC_FIRST_MS)
        put_off(round, ROUND_SYNC_FIRST_MS);
    return rc;
}

static int sync_now(struct round *round, struct dtr_error *err)
{
    struct sync sync = {.args = json_object()};
    int rc = sync.args ? store_do(round->store, make_sync, &sync, err)
                       : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for jobs");
    json_decref(sync.args);
    round->sync_ready = rc != DTR_OK || sync.cluster_count > 0;
    if (rc == DTR_OK && round->sync_ready)
        put_off(round, round->sync_every_ms);
    return rc;
}

static int sync_peers(struct round *round, struct dtr_error *err)
{
    struct job_made last;
    if (round->sync_every_ms == 0 || round->now_ms < round->sync_look_ms)
        return DTR_OK;
    round->sync_look_ms = round->now_ms + SYNC_LOOK_MS;
    int rc = store_read(round->store, last_sync, &last, err);
    if (rc == DTR_OK)
        hear_of_sync(round, &last);
    if (rc == DTR_OK && !round->sync_ready)
        rc = wait_for_schedulers(round, err);
    return rc == DTR_OK && round->sync_ready && round->now_ms >= round->sync_due_ms ? sync_now(round, err)
                                                                                    : rc;
}

/* --- all of it -----------------------------------------------------------------------------------------
 */

void round_do(struct round *round)
{
    round->rc = write_notes(round, &round->err);
    if (round->rc == DTR_OK && !round->leaving)
        round->rc = sync_peers(round, &round->err);
    if (round->rc == DTR_OK)
        round->rc = store_read(round->store, look, round, &round->err);
    if (round->rc == DTR_OK)
        round->rc = store_read(round->store, take, round, &round->err);
}
