/* Jobs of a manager: listing, showing, following, removing; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"
#include "core/tools/ctl_text.h"

#include <time.h>

static const struct ctl_column columns[] = {
    {"ID", "id", CTL_PLAIN},        {"TYPE", "type", CTL_PLAIN},      {"STATE", "state", CTL_PLAIN},
    {"AGE", "created_at", CTL_AGE}, {"KIND", "args.type", CTL_PLAIN}, {"SCOPE", "args.scope", CTL_PLAIN},
    {"WHAT", "what", CTL_PLAIN},
};
static const struct ctl_column sheet[] = {
    {"id", "id", CTL_PLAIN},
    {"type", "type", CTL_PLAIN},
    {"state", "state", CTL_PLAIN},
    {"bio", "bio", CTL_PLAIN},
    {"begun, ago", "created_at", CTL_AGE},
    {"changed, ago", "updated_at", CTL_AGE},
    {"kind", "args.type", CTL_PLAIN},
    {"url", "args.url", CTL_PLAIN},
    {"urls", "args.urls", CTL_PLAIN},
    {"task", "args.task_id", CTL_PLAIN},
    {"scope", "args.scope", CTL_PLAIN},
    {"ips", "args.ips", CTL_PLAIN},
    {"platform", "args.platform", CTL_PLAIN},
    {"purged", "result.purged", CTL_PLAIN},
};
/* Of a preheat, a deletion and a search. */
static const struct ctl_column tasks[] = {
    {"CLUSTER", "scheduler_cluster_id", CTL_PLAIN},
    {"OUTCOME", "outcome", CTL_PLAIN},
    {"HOST", "hostname", CTL_PLAIN},
    {"IP", "ip", CTL_PLAIN},
    {"TYPE", "host_type", CTL_PLAIN},
    {"URL", "url", CTL_PLAIN},
    {"WHY", "description", CTL_PLAIN},
};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* What a job is about, in the words of one cell: a URL, the first of several, or a task. */
static json_t *what_of(const json_t *job)
{
    const json_t *url = ctl_at(job, "args.url"), *task = ctl_at(job, "args.task_id");
    const json_t *urls = ctl_at(job, "args.urls");
    const char *first = json_string_value(json_array_get(urls, 0));
    if (first && json_array_size(urls) > 1)
        return json_sprintf("%s and %zu more", first, json_array_size(urls) - 1);
    return first ? json_string(first) : json_copy((json_t *)(uintptr_t)(url ? url : task));
}

int dtr_ctl_jobs(const struct dtr_manager_access *access, const char *type, const char *state,
                 const struct dtr_ctl_show *show, struct dtr_error *err)
{
    struct dtr_str query = {0};
    json_t *rows = NULL, *row;
    size_t i;
    dtr_manager_query(&query, "type", type);
    dtr_manager_query(&query, "state", state);
    int rc = dtr_manager_list(access, "/jobs", dtr_str_text(&query), &rows, err);
    dtr_str_free(&query);
    if (rc == DTR_OK && !show->json)
        json_array_foreach(rows, i, row)(void) json_object_set_new(row, "what", what_of(row));
    return rc == DTR_OK ? ctl_show_table(columns, COUNT(columns), rows, show, err) : rc;
}

/* --- what came of it ------------------------------------------------------------------------------- */

/* The rows of a list in a result, each with its cluster and its outcome. */
static void add_rows(json_t *rows, const json_t *result, const char *list, const char *outcome)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(result, list), i, row)
    {
        const json_t *whole = json_object_get(row, "IsFinished");
        json_t *copy = json_is_object(row) ? json_copy((json_t *)(uintptr_t)row) : NULL;
        json_t *cluster = json_object_get(result, "scheduler_cluster_id");
        if (copy && cluster)
            (void)json_object_set(copy, "scheduler_cluster_id", cluster);
        if (copy)
            (void)json_object_set_new(copy, "outcome",
                                      json_string(!whole || json_is_true(whole) ? outcome : "has a part"));
        (void)json_array_append_new(rows, copy);
    }
}

/* Dragonfly's schedulers answer one by one: job_states of a group, each with its results. */
static json_t *result_rows(const json_t *job)
{
    size_t i, j;
    const json_t *state, *result;
    json_t *rows = json_array();
    json_array_foreach(ctl_at(job, "result.job_states"), i, state)
    {
        json_array_foreach(json_object_get(state, "results"), j, result)
        {
            add_rows(rows, result, "success_tasks", "done");
            add_rows(rows, result, "failure_tasks", "failed");
            add_rows(rows, result, "peers", "has it");
        }
    }
    return rows;
}

static size_t count_rows(const json_t *rows, const char *outcome)
{
    size_t i, count = 0;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *text = json_string_value(json_object_get(row, "outcome"));
        count += text && strcmp(text, outcome) == 0;
    }
    return count;
}

/* What the manager counted, also of rows for which the result has no room; where it did not, those that there
 * are. */
static size_t counted(const json_t *job, const char *what, size_t rows)
{
    size_t i, count = 0;
    const json_t *state;
    json_array_foreach(ctl_at(job, "result.job_states"), i, state)
    {
        const json_int_t part = json_integer_value(json_object_get(json_object_get(state, "progress"), what));
        count += part > 0 ? (size_t)part : 0;
    }
    return count > rows ? count : rows;
}

/* The first error that a scheduler gave for all of its part; "" when there is none. */
static const char *first_error(const json_t *job)
{
    size_t i;
    const json_t *state;
    json_array_foreach(ctl_at(job, "result.job_states"), i, state)
    {
        const char *error = json_string_value(json_object_get(state, "error"));
        if (error && *error)
            return error;
    }
    return "";
}

int ctl_print_job(const json_t *job, const struct dtr_ctl_show *show)
{
    json_t *rows = result_rows(job);
    int rc = ctl_sheet(sheet, COUNT(sheet), job, show->now_s, show->out);
    if (*first_error(job)) {
        (void)fputs("error: ", show->out);
        ctl_put(show->out, 0, first_error(job));
        (void)fputc('\n', show->out);
    }
    if (rc == DTR_OK && json_array_size(rows) > 0) {
        (void)fputc('\n', show->out);
        rc = ctl_table(tasks, COUNT(tasks), rows, show->now_s, show->out);
    }
    const size_t there = json_array_size(rows), done = counted(job, "done", 0),
                 failed = counted(job, "failed", 0);
    if (rc == DTR_OK && done + failed > there)
        (void)fprintf(show->out, "and %zu more: %zu done, %zu failed in all\n", done + failed - there, done,
                      failed);
    json_decref(rows);
    return rc == DTR_OK ? ctl_written(show->out) : rc;
}

static int show_job(json_t *job, const struct dtr_ctl_show *show, struct dtr_error *err)
{
    if (show->json)
        return ctl_printed(ctl_dump(job, show->out), err);
    int rc = ctl_printed(ctl_print_job(job, show), err);
    json_decref(job);
    return rc;
}

static int read_job(const struct dtr_manager_access *access, int64_t id, json_t **ret_job,
                    struct dtr_error *err)
{
    char path[48];
    (void)snprintf(path, sizeof(path), "/jobs/%lld", (long long)id);
    return dtr_manager_ask(access, "GET", path, NULL, ret_job, err);
}

int dtr_ctl_job(const struct dtr_manager_access *access, int64_t id, const struct dtr_ctl_show *show,
                struct dtr_error *err)
{
    json_t *job;
    int rc = read_job(access, id, &job, err);
    return rc == DTR_OK ? show_job(job, show, err) : rc;
}

int dtr_ctl_job_remove(const struct dtr_manager_access *access, int64_t id, struct dtr_error *err)
{
    char path[48];
    (void)snprintf(path, sizeof(path), "/jobs/%lld", (long long)id);
    return dtr_manager_ask(access, "DELETE", path, NULL, NULL, err);
}

/* --- following ------------------------------------------------------------------------------------- */

enum { AWAY_MOST = 60 /* looks without an answer, one after the other */ };

static const char *state_of(const json_t *job)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    return state ? state : "";
}

static bool is(const json_t *job, const char *state)
{
    return strcmp(state_of(job), state) == 0;
}

enum { LINE = 160 };

/* Unless that was said last. */
static void say(const char *line, char said[LINE], FILE *progress)
{
    if (strcmp(line, said) == 0)
        return;
    (void)snprintf(said, LINE, "%s", line);
    if (!progress)
        return;
    ctl_put(progress, 0, line);
    (void)fputc('\n', progress);
    (void)fflush(progress);
}

static void say_where(const json_t *job, int64_t id, char said[LINE], FILE *progress)
{
    char line[LINE];
    json_t *rows = result_rows(job);
    (void)snprintf(line, sizeof(line), "job %lld: %.40s, %zu done, %zu failed", (long long)id, state_of(job),
                   counted(job, "done", count_rows(rows, "done") + count_rows(rows, "has it")),
                   counted(job, "failed", count_rows(rows, "failed")));
    json_decref(rows);
    say(line, said, progress);
}

static void say_away(const struct dtr_error *why, int64_t id, char said[LINE], FILE *progress)
{
    char line[LINE];
    (void)snprintf(line, sizeof(line), "job %lld: asked for again, as %.120s", (long long)id, why->text);
    say(line, said, progress);
}

/* Whether it may come back: there was no answer, or none for now. */
static bool is_away(int rc, const struct dtr_error *err)
{
    return rc != DTR_OK && rc != DTR_ENOMEM && (err->status == 0 || err->status == 503) &&
           rc != DTR_EPROTOCOL;
}

static int outcome(const json_t *job, int64_t id, struct dtr_error *err)
{
    const char *error = first_error(job);
    if (is(job, "SUCCESS"))
        return DTR_OK;
    return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "job %lld failed%s%.230s", (long long)id,
                         *error ? ": " : "", error);
}

int dtr_ctl_job_follow(const struct dtr_manager_access *access, int64_t id, unsigned pause_ms, FILE *progress,
                       const struct dtr_ctl_show *show, struct dtr_error *err)
{
    const struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
    char said[LINE] = "";
    for (unsigned away = 0;;) {
        struct dtr_error why = {0};
        json_t *job = NULL;
        int rc = read_job(access, id, &job, &why);
        away = is_away(rc, &why) ? away + 1 : 0;
        if (rc != DTR_OK && (away == 0 || away > AWAY_MOST || !*said))
            return dtr_error_set(err, rc, why.retry, "%s", why.text);
        if (rc == DTR_OK)
            say_where(job, id, said, progress);
        else
            say_away(&why, id, said, progress);
        if (rc == DTR_OK && (is(job, "SUCCESS") || is(job, "FAILURE"))) {
            int result = outcome(job, id, err);
            rc = show_job(job, show, result == DTR_OK ? err : NULL);
            return result == DTR_OK ? rc : result;
        }
        json_decref(job);
        (void)nanosleep(&pause, NULL);
    }
}
