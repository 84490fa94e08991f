/* The commands of `darter ctl` that ask a manager; ctl_command.c has the table of all of them. */
#ifndef DTR_MAIN_CTL_WORDS_H
#define DTR_MAIN_CTL_WORDS_H

#include "core/main/ctl_options.h"

/* Which manager is asked, as whom, and where answers go. */
struct ctl_use {
    struct dtr_manager_access access;
    struct dtr_ctl_show show;
    struct dtr_session session;
    char path[256]; /* of the session */
    char *url;
};

struct ctl {
    struct ctl_options options;
    struct ctl_use use; /* zero for what asks no manager */
};

/* `login`: who asks has no secret yet. What was made is closed also after an error; a zeroed one is fine. */
int ctl_use_open(struct ctl_use *use, const struct ctl_options *options, bool login, struct dtr_error *err);
void ctl_use_close(struct ctl_use *use);

/* The id of a thing, which `what` names. */
int ctl_id(const char *what, const char *text, int64_t *ret_id, struct dtr_error *err);
/* `words` are those behind the command's own; NULL ends them. */
typedef int ctl_run(struct ctl *ctl, char **words, struct dtr_error *err);
ctl_run ctl_login, ctl_logout, ctl_clusters, ctl_cluster, ctl_cluster_add, ctl_cluster_edit,
    ctl_cluster_remove, ctl_schedulers, ctl_seeds, ctl_peers, ctl_explain_peer, ctl_jobs, ctl_job,
    ctl_job_remove, ctl_job_follow, ctl_job_preheat, ctl_job_get_task, ctl_job_delete_task,
    ctl_job_distribution, ctl_job_sync_peers, ctl_job_gc;

#endif
