/* What an earlier process left in the folder: the tasks that are whole enough to go on with are told, what is
 * damaged and what belongs to no task is removed. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct scan {
    struct store *store;
    const struct dtr_scan_sink *sink;
    uint32_t tasks, damaged, strays;
};

/* Leaves out pieces that the data file is too short for. DTR_ECORRUPT: there is no data file. */
static int fit_pieces(struct scan *scan, const char *id, struct index_content *content, struct dtr_error *err)
{
    char path[PATH_SIZE];
    struct stat st;
    uint32_t kept = 0;
    int found;

    task_path(path, id, "");
    found = fstatat(scan->store->tasks, path, &st, AT_SYMLINK_NOFOLLOW);
    if (found != 0 && errno != ENOENT)
        return index_fail(err, path);
    if (found != 0 || !S_ISREG(st.st_mode) || strcmp(content->facts.task_id, id) != 0)
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "its data or its name is missing");
    for (uint32_t i = 0; i < content->count; i++)
        if (content->pieces[i].offset + content->pieces[i].length <= (uint64_t)st.st_size)
            content->pieces[kept++] = content->pieces[i];
    content->count = kept;
    return DTR_OK;
}

/* Only what is surely damaged is removed: a task that cannot be read now may be readable another time. */
static void scan_task(struct scan *scan, const char *path, const char *id)
{
    struct index_content content;
    struct index index;
    struct dtr_error err = {0};
    int opened = index_open(scan->store->tasks, path, scan->store->boot, &index, &content, &err);
    int status = opened == DTR_OK ? fit_pieces(scan, id, &content, &err) : opened;

    if (status == DTR_OK) {
        scan->sink->task(scan->sink->context, &content.facts, content.pieces, content.count, content.checked);
        scan->tasks++;
    } else if (status == DTR_ECORRUPT) {
        store_host->log(STORE_NAME, DTR_LOG_WARN, "task %s removed: %s", id, err.text);
        task_remove(scan->store, id);
        scan->damaged++;
    } else {
        store_host->log(STORE_NAME, DTR_LOG_WARN, "task %s is left out: %s", id, err.text);
    }
    if (opened == DTR_OK) {
        free(content.pieces);
        index_close(&index);
    }
}

static void scan_one(void *context, const char *prefix, const char *name)
{
    struct scan *scan = context;
    size_t length = strlen(name);
    char path[2 * NAME_MAX + 2], index_path[PATH_SIZE], id[DTR_TASK_ID_LENGTH + 1] = "";
    bool named;

    if (length >= DTR_TASK_ID_LENGTH)
        memcpy(id, name, DTR_TASK_ID_LENGTH);
    named = task_is_id(id, strlen(id)) && strlen(prefix) == PREFIX && strncmp(prefix, id, PREFIX) == 0;
    (void)snprintf(path, sizeof(path), "%s/%s", prefix, name);
    task_path(index_path, id, INDEX_SUFFIX);
    if (named && strcmp(path, index_path) == 0)
        scan_task(scan, path, id);
    else if (named && length == DTR_TASK_ID_LENGTH &&
             (faccessat(scan->store->tasks, index_path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
        return; /* the data of a task, which its index reports, or nobody knows */
    else if (unlinkat(scan->store->tasks, path, 0) == 0)
        scan->strays++;
}

int file_scan(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err)
{
    struct scan scan = {.store = instance, .sink = sink};
    int status = folder_walk(instance, scan_one, &scan, err);
    if (scan.strays > 0)
        store_host->log(STORE_NAME, DTR_LOG_INFO, "%u files that belong to no task removed", scan.strays);
    store_host->count(STORE_NAME, TASKS_RECOVERED, scan.tasks);
    store_host->count(STORE_NAME, TASKS_DAMAGED, scan.damaged);
    store_host->count(STORE_NAME, STRAYS_REMOVED, scan.strays);
    return status;
}
