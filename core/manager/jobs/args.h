/* What jobs are about: their types, and what may be shown of their arguments. Pure; any thread. */
#ifndef DTR_MANAGER_JOBS_ARGS_H
#define DTR_MANAGER_JOBS_ARGS_H

#include "core/base/str.h"
#include "core/brain/task_id.h"

#include <jansson.h>

/* name, as requests and rows spell it */
#define JOB_KINDS(X)                                                                                         \
    X(PREHEAT, "preheat")                                                                                    \
    X(GET_TASK, "get_task")                                                                                  \
    X(DELETE_TASK, "delete_task")                                                                            \
    X(IMAGE_DISTRIBUTION, "get_image_distribution")                                                          \
    X(SYNC_PEERS, "sync_peers")                                                                              \
    X(GC, "gc")

enum job_kind {
#define JOB_KIND_ENUM(name, text) JOB_##name,
    JOB_KINDS(JOB_KIND_ENUM)
#undef JOB_KIND_ENUM
        JOB_KIND_COUNT
};

const char *job_kind_text(enum job_kind kind);
/* False: there is no such type. */
bool job_kind_find(const char *text, enum job_kind *ret_kind);

/* One argument: "" or 0 when it was not given. */
const char *arg_text(const json_t *args, const char *name);
int64_t arg_number(const json_t *args, const char *name);

/* How many URLs a preheat has, `url` and `urls` together, and one of them. */
size_t args_url_count(const json_t *args);
const char *args_url(const json_t *args, size_t at);

/* The task that get_task and delete_task are about: `url` with what belongs to its identity, else
 * `content_for_calculating_task_id`, else `task_id`. DTR_EINVALID says what is wrong. */
int args_task_id(const json_t *args, char id[DTR_TASK_ID_SIZE], struct dtr_error *err);
/* `filtered_query_params` apart: `names` point into *ret_text, which is the caller's (free()), NULL when out
 * of memory. Returns how many; the default ones when there is none. */
enum { ARGS_FILTER_MOST = 256 };
size_t args_filter(const json_t *args, const char *names[ARGS_FILTER_MOST], char **ret_text);

/* A copy for everybody's eyes: without passwords, tokens, values of headers, and what signs URLs. NULL: out
 * of memory. */
json_t *args_shown(const json_t *args);
/* A URL as it may be shown; and what somebody said, with all URLs in it so. Adds to `text`. */
void args_show_url(const char *url, struct dtr_str *text);
void args_show_text(const char *said, struct dtr_str *text);

#endif
