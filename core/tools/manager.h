/* The REST API of a manager, ours or Dragonfly's, as `darter ctl` asks it: with a session or a personal
 * access token, JSON in and out, and errors that say what to do. Blocks; one thread. */
#ifndef DTR_TOOLS_MANAGER_H
#define DTR_TOOLS_MANAGER_H

#include "core/tools/web.h"
#include <jansson.h>

#define DTR_MANAGER_URL "http://127.0.0.1:8080"

/* Who is asked, and as whom. Texts are borrowed. */
struct dtr_manager_access {
    struct dtr_web *web;
    const char *url;    /* as from dtr_manager_url() */
    const char *secret; /* of a session or a token; NULL: none */
    bool is_token;      /* a personal access token, for /oapi/v1 */
};

/* A manager's address as it is used: a scheme before it ("http://" when there is none), no slash at the end.
 * *ret_url is the caller's (free()). DTR_EINVALID. */
int dtr_manager_url(const char *text, char **ret_url, struct dtr_error *err);
/* `path` is below the API's base: "/clusters?page=1". `body` NULL: none. *ret_answer (the caller's; may be
 * NULL for "not wanted") is NULL when the answer has no body. */
int dtr_manager_ask(const struct dtr_manager_access *access, const char *method, const char *path,
                    const json_t *body, json_t **ret_answer, struct dtr_error *err);
/* The same for what may take long to answer. */
int dtr_manager_ask_for(const struct dtr_manager_access *access, const char *method, const char *path,
                        const json_t *body, uint64_t silence_ms, json_t **ret_answer, struct dtr_error *err);
/* All pages of a list; `query` is "" or "a=b&c=d". *ret_rows is an array. */
int dtr_manager_list(const struct dtr_manager_access *access, const char *path, const char *query,
                     json_t **ret_rows, struct dtr_error *err);
/* Adds "name=value" to a query, encoded; nothing when `value` is NULL. */
void dtr_manager_query(struct dtr_str *query, const char *name, const char *value);

/* What an answer says; for the above, and the fuzz target. */
int dtr_manager_read(const struct dtr_manager_access *access, int status, const char *body, size_t length,
                     json_t **ret_answer, struct dtr_error *err);

#endif
