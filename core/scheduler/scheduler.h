/* The scheduler role: who gets which piece from whom.
 *
 * It feeds the swarm (core/brain/swarm.h) from gRPC and carries out what the swarm decides: answers on
 * AnnouncePeer streams, probes and triggers of seeds. One control loop; everything here is called on its
 * thread. Not for: reading configuration files, opening the port (the caller owns the server). */
#ifndef DTR_SCHEDULER_SCHEDULER_H
#define DTR_SCHEDULER_SCHEDULER_H

#include "core/brain/swarm.h"
#include "core/conf/dynconfig.h"
#include "core/rpc/rpc.h"
#include <darter/origin.h>

struct dtr_scheduler;
/* The script that a scheduler.algorithm names, read and tested. */
struct dtr_scheduler_policy;

/* What preheats need, and who asks. */
struct dtr_scheduler_jobs {
    bool enable; /* job.enable */
    /* So long after its begin a preheat for all seeds or peers, or one that finds nobody, is answered
     * UNAVAILABLE: those that knew an earlier process of the scheduler are still coming back (each tries
     * again every second). 0: never. */
#define DTR_SCHEDULER_JOBS_SETTLE_MS 5000
    uint64_t settle_ms;
    /* Whom registries are asked with; NULL: no module could be had, for the reason `no_origin`. */
    const struct dtr_origin_ops *origin;
    void *origin_instance;
    char no_origin[256];
};

struct dtr_scheduler_options {
    struct dtr_swarm_config swarm;
    uint64_t seed_number;     /* of the swarm's random numbers */
    uint64_t seed_timeout_ms; /* seedPeer.taskDownloadTimeout */
    bool count_hosts;         /* metrics.enableHost: traffic by host too */
    /* scheduler.algorithm: the script that ranks parents (core/policy/policy.h). "default", a script's name
     * or an absolute path; copied. It is looked at while the scheduler runs: a changed one takes over, a bad
     * one leaves the old in charge, and both are logged. NULL: swarm.policy decides. */
    const char *algorithm;
    /* What seeds, and other peers, are shown and asked for; NULL: plain; they outlive the scheduler. */
    struct dtr_tls *seeds_tls, *peers_tls;
    struct dtr_scheduler_jobs jobs;
    const char *ip; /* server.advertiseIP, or what stands for it, told to daemons; copied; NULL: nothing */
    uint64_t policy_look_ms; /* between two looks; 0: a second */
};

/* Whether dtr_scheduler_new() would start with this scheduler.algorithm: the script is found, read, compiled
 * and tested. The error begins with the key. Any thread. */
int dtr_scheduler_check(const char *algorithm, struct dtr_error *err);
/* The same, and keeps the script for dtr_scheduler_take() or dtr_scheduler_forget(). */
int dtr_scheduler_prepare(const char *algorithm, struct dtr_scheduler_policy **ret_policy,
                          struct dtr_error *err);
/* NULL is fine. Any thread. */
void dtr_scheduler_forget(struct dtr_scheduler_policy *policy);
/* Before the loop runs: reads the script. An error names file and line of one that the operator named; where
 * the usual one cannot be had, swarm.policy decides and that is logged. */
int dtr_scheduler_new(struct dtr_loop *loop, const struct dtr_scheduler_options *options,
                      struct dtr_scheduler **ret_scheduler, struct dtr_error *err);
/* Adds scheduler.v2.Scheduler to a table; servers that use the table go before the scheduler does. */
int dtr_scheduler_serve(struct dtr_scheduler *scheduler, struct dtr_rpc_table *table, struct dtr_error *err);
/* Takes over other limits; the script stays in charge. */
void dtr_scheduler_configure(struct dtr_scheduler *scheduler, const struct dtr_swarm_config *config);
/* Another scheduler.algorithm: its script decides from now on, or, where the usual one could not be had,
 * swarm.policy. When the algorithm is the one in charge, nothing changes. Cannot fail. */
void dtr_scheduler_take(struct dtr_scheduler *scheduler, struct dtr_scheduler_policy *policy);
/* What struct dtr_scheduler_options calls by these names. */
void dtr_scheduler_set(struct dtr_scheduler *scheduler, uint64_t seed_timeout_ms, bool count_hosts);
/* Takes over dynconfig->applications, priorities of downloads that name none, in the place of all earlier
 * ones. Copies. When it fails, the earlier ones stay. */
int dtr_scheduler_set_applications(struct dtr_scheduler *scheduler, const struct dtr_dynconfig *dynconfig,
                                   struct dtr_error *err);
/* Forgets everything; calls to seeds are cancelled. `closed` (or NULL) comes later, when it is gone. */
void dtr_scheduler_close(struct dtr_scheduler *scheduler, void (*closed)(void *context), void *context);

#endif
