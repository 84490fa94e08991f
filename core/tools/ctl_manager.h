/* `darter ctl` for a manager: its clusters, who belongs to them, which one a peer gets, and jobs. Each
 * function asks, blocks, and prints to `show->out`: tables for people, for scripts the JSON that the manager
 * answers. */
#ifndef DTR_TOOLS_CTL_MANAGER_H
#define DTR_TOOLS_CTL_MANAGER_H

#include "core/tools/ctl_table.h"
#include "core/tools/manager.h"
#include "core/tools/session.h"

/* --- signing in; ctl_login.c -------------------------------------------------------------------------- */

/* Signs in and keeps the session at `path`. Prints who is signed in. `access` is without a secret. */
int dtr_ctl_login(const struct dtr_manager_access *access, const char *user, const char *password,
                  const char *path, const struct dtr_ctl_show *show, struct dtr_error *err);
/* Ends it; a manager that is away does not keep it. */
int dtr_ctl_logout(const struct dtr_manager_access *access, const char *path, struct dtr_error *err);

/* --- clusters; ctl_clusters.c ------------------------------------------------------------------------- */

/* Of texts that were given several times; count 0: not given, one "": none. */
struct dtr_ctl_texts {
    const char *const *items;
    size_t count;
};
/* What is given of a cluster. NULL, and -1 of a number: not given. */
struct dtr_ctl_cluster {
    const char *name, *bio, *idc, *location;
    struct dtr_ctl_texts cidrs, hostnames;
    int64_t candidate_parent_limit, filter_parent_limit, job_rate_limit, peer_load_limit, seed_load_limit;
    int is_default;
};

int dtr_ctl_clusters(const struct dtr_manager_access *access, const struct dtr_ctl_show *show,
                     struct dtr_error *err);
int dtr_ctl_cluster(const struct dtr_manager_access *access, int64_t id, const struct dtr_ctl_show *show,
                    struct dtr_error *err);
int dtr_ctl_cluster_add(const struct dtr_manager_access *access, const struct dtr_ctl_cluster *given,
                        const struct dtr_ctl_show *show, struct dtr_error *err);
/* What is not given stays as it is, also at a manager whose PATCH would change it. */
int dtr_ctl_cluster_edit(const struct dtr_manager_access *access, int64_t id,
                         const struct dtr_ctl_cluster *given, const struct dtr_ctl_show *show,
                         struct dtr_error *err);
/* Prints nothing. */
int dtr_ctl_cluster_remove(const struct dtr_manager_access *access, int64_t id, struct dtr_error *err);

/* --- who belongs to them; ctl_members.c --------------------------------------------------------------- */

enum dtr_ctl_kind { DTR_CTL_SCHEDULERS, DTR_CTL_SEEDS, DTR_CTL_PEERS };
/* `cluster` 0: of all; `state` NULL: in any. */
int dtr_ctl_members(const struct dtr_manager_access *access, enum dtr_ctl_kind kind, int64_t cluster,
                    const char *state, const struct dtr_ctl_show *show, struct dtr_error *err);

/* --- which cluster a peer gets, and why; ctl_ranking.c ------------------------------------------------ */

/* NULL: it does not say. */
struct dtr_ctl_peer {
    const char *ip, *hostname, *idc, *location;
};
int dtr_ctl_explain_peer(const struct dtr_manager_access *access, const struct dtr_ctl_peer *peer,
                         const struct dtr_ctl_show *show, struct dtr_error *err);
/* Prints such an answer. */
int ctl_print_ranking(const json_t *answer, const struct dtr_ctl_show *show);

/* --- jobs; ctl_jobs.c, ctl_job_start.c ---------------------------------------------------------------- */

/* NULL: of all. */
int dtr_ctl_jobs(const struct dtr_manager_access *access, const char *type, const char *state,
                 const struct dtr_ctl_show *show, struct dtr_error *err);
/* One of them, with what came of it. */
int dtr_ctl_job(const struct dtr_manager_access *access, int64_t id, const struct dtr_ctl_show *show,
                struct dtr_error *err);
/* Looks each `pause_ms` until it has ended, says on `progress` (NULL: nowhere) what changes, and prints it
 * then. A manager that is away for a while is waited for. An error when the job failed. */
int dtr_ctl_job_follow(const struct dtr_manager_access *access, int64_t id, unsigned pause_ms, FILE *progress,
                       const struct dtr_ctl_show *show, struct dtr_error *err);
/* Prints nothing. */
int dtr_ctl_job_remove(const struct dtr_manager_access *access, int64_t id, struct dtr_error *err);

enum { DTR_CTL_FOLLOW_MS = 1000 };

/* What to do. Texts that are NULL, and numbers that are -1, are not given. */
struct dtr_ctl_work {
    const char *type;             /* as the API has it: "preheat", "get_task" */
    struct dtr_ctl_texts targets; /* URLs, a task's id, or what a gc clears away */
    const char *kind;             /* of a preheat: "image" or "file"; NULL: as the URL looks */
    struct dtr_ctl_texts ips;
    struct dtr_ctl_texts headers; /* "NAME: VALUE" */
    struct dtr_ctl_texts clusters;
    const char *scope, *platform, *username, *password, *tag, *application, *filtered_query_params;
    int64_t count, percentage, piece_length, timeout_ms;
};
/* The body of POST /jobs; the caller's. DTR_EINVALID. */
int ctl_job_body(const struct dtr_ctl_work *work, json_t **ret_body, struct dtr_error *err);
/* Prints what was begun, unless `quiet`. *ret_id is its id; 0: it is over, and what came of it was printed.
 */
int dtr_ctl_job_start(const struct dtr_manager_access *access, const struct dtr_ctl_work *work, bool quiet,
                      const struct dtr_ctl_show *show, int64_t *ret_id, struct dtr_error *err);
/* Prints a job and what came of it. */
int ctl_print_job(const json_t *job, const struct dtr_ctl_show *show);

#endif
