/* The script that ranks parents: found at the start, looked at every second, swapped between two decisions.
 *
 * A changed file is read, compiled and tested on a worker thread: the tests that a script brings along may
 * take it a good part of a second. */
#include "core/policy/policy.h"
#include "core/loop/pool.h"
#include "core/obs/log.h"
#include "core/scheduler/role.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000 };

/* What stands behind "default", and behind Dragonfly's values that there is nothing for. */
static const char *const usual = "mesh";
static const char *const old_values[] = {"plugin", "ml", "nt"};

static bool is_old(const char *algorithm)
{
    for (size_t i = 0; i < sizeof(old_values) / sizeof(old_values[0]); i++) {
        if (strcmp(algorithm, old_values[i]) == 0)
            return true;
    }
    return false;
}

/* The operator named no script, so the scheduler starts without one too. */
static bool is_usual(const char *algorithm)
{
    return strcmp(algorithm, "default") == 0 || is_old(algorithm);
}

/* Where the script is now: one that was added to the operator's folder goes before the shipped one. */
static int find(const char *algorithm, char **ret_path, struct dtr_error *err)
{
    if (*algorithm != '/')
        return dtr_policy_find("scheduling", is_usual(algorithm) ? usual : algorithm, ret_path, err);
    *ret_path = strdup(algorithm);
    return *ret_path ? DTR_OK
                     : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the policy's name");
}

static void log_swap(const struct policy *policy)
{
    const struct dtr_policy_settings *settings = dtr_policy_settings(policy->slot.current);
    dtr_log(DTR_LOG_INFO, NULL, "policy %s ranks parents now: %s, generation %llu", settings->name,
            policy->slot.path, (unsigned long long)policy->slot.generation);
}

struct dtr_swarm_config policy_config(struct dtr_scheduler *scheduler)
{
    struct dtr_swarm_config config = scheduler->limits;
    struct dtr_policy_slot *slot = &scheduler->policy.slot;
    if (slot->current) {
        const struct dtr_policy_settings *settings = dtr_policy_settings(slot->current);
        config.policy = (struct dtr_swarm_policy){.rank = dtr_policy_slot_rank,
                                                  .context = slot,
                                                  .acyclic = settings->acyclic,
                                                  .sample = settings->sample,
                                                  .keep = settings->keep,
                                                  .newcomers = settings->newcomers,
                                                  .late_offers = settings->late_offers};
    }
    return config;
}

/* --- another script ------------------------------------------------------------------------------------- */

/* One changed file on its way through a worker thread. */
struct policy_load {
    struct dtr_job job;
    struct dtr_scheduler *scheduler;
    struct dtr_pool *pool; /* of one thread, for this */
    char *path;
    bool late; /* another algorithm was chosen meanwhile */
    struct dtr_policy_loading loading;
};

static void load_free(struct policy_load *load)
{
    dtr_pool_free(load->pool);
    free(load->path);
    free(load);
}

static void log_refusal(const struct policy *policy, const struct dtr_error *err)
{
    const struct dtr_policy *current = policy->slot.current;
    dtr_log(DTR_LOG_WARN, NULL, "the changed policy is not taken: %s; %s stays in charge, generation %llu",
            err->text, current ? dtr_policy_settings(current)->name : "the built-in formula",
            (unsigned long long)policy->slot.generation);
}

/* Worker thread. */
static void read_script(struct dtr_job *job)
{
    dtr_policy_read(&dtr_container(job, struct policy_load, job)->loading);
}

/* Control loop. */
static void take_script(struct dtr_job *job)
{
    struct policy_load *load = dtr_container(job, struct policy_load, job);
    struct dtr_scheduler *scheduler = load->scheduler;
    struct policy *policy = &scheduler->policy;
    struct dtr_error err;
    policy->load = NULL;
    if (load->late) {
        dtr_policy_free(load->loading.policy);
    } else if (dtr_policy_slot_take(&policy->slot, &load->loading, &err) == DTR_OK) {
        const struct dtr_swarm_config config = policy_config(scheduler);
        log_swap(policy);
        dtr_swarm_configure(scheduler->swarm, &config);
    } else {
        log_refusal(policy, &err);
    }
    load_free(load);
    role_let_go(scheduler);
}

/* Takes over `path`. */
static void begin_load(struct dtr_scheduler *scheduler, char *path)
{
    struct policy *policy = &scheduler->policy;
    struct policy_load *load = calloc(1, sizeof(*load));
    struct dtr_error err = {.code = DTR_ENOMEM, .text = "out of memory"};
    int rc = DTR_ENOMEM;
    if (!load) {
        free(path);
    } else {
        *load = (struct policy_load){
            .job = {.loop = scheduler->loop, .run = read_script, .done = take_script},
            .scheduler = scheduler,
            .path = path,
            .loading = {.path = path, .limits = policy->slot.limits},
        };
        rc = dtr_pool_new(1, 1, &load->pool, &err);
    }
    if (rc == DTR_OK)
        rc = dtr_pool_submit(load->pool, &load->job, &err);
    if (rc == DTR_OK) {
        policy->load = load;
        return;
    }
    log_refusal(policy, &err);
    if (load)
        load_free(load);
}

static void on_look(void *context)
{
    struct dtr_scheduler *scheduler = context;
    struct policy *policy = &scheduler->policy;
    const struct dtr_policy_slot *slot = &policy->slot;
    char *path = NULL;
    dtr_timer_set(policy->timer, policy->look_ms);
    if (policy->load)
        return;
    if (find(policy->algorithm, &path, NULL) != DTR_OK)
        path = slot->path ? strdup(slot->path) : NULL; /* it was taken away: that is said once */
    if (path && (!slot->path || strcmp(path, slot->path) != 0 || dtr_policy_slot_changed(slot)))
        begin_load(scheduler, path);
    else
        free(path);
}

/* --- begin and end -------------------------------------------------------------------------------------- */

struct dtr_scheduler_policy {
    char *algorithm;
    struct dtr_policy_slot slot;
    struct dtr_error why; /* there is no script, where that is no reason to refuse */
};

/* An error is one that the scheduler does not start with. */
static int load_first(struct dtr_scheduler_policy *fresh, struct dtr_error *err)
{
    char *path = NULL;
    int rc = find(fresh->algorithm, &path, &fresh->why);
    if (rc == DTR_OK)
        rc = dtr_policy_slot_load(&fresh->slot, path, &fresh->why);
    free(path);
    if (rc == DTR_OK || is_usual(fresh->algorithm))
        return DTR_OK;
    return dtr_error_set(err, rc, DTR_RETRY_NEVER, "scheduler.algorithm: %.230s", fresh->why.text);
}

int dtr_scheduler_prepare(const char *algorithm, struct dtr_scheduler_policy **ret_policy,
                          struct dtr_error *err)
{
    struct dtr_scheduler_policy *fresh = calloc(1, sizeof(*fresh));
    int rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the policy's name");
    if (fresh)
        fresh->algorithm = strdup(algorithm);
    if (fresh && fresh->algorithm)
        rc = load_first(fresh, err);
    if (rc == DTR_OK)
        *ret_policy = fresh;
    else
        dtr_scheduler_forget(fresh);
    return rc;
}

void dtr_scheduler_forget(struct dtr_scheduler_policy *policy)
{
    if (!policy)
        return;
    dtr_policy_slot_clear(&policy->slot);
    free(policy->algorithm);
    free(policy);
}

int dtr_scheduler_check(const char *algorithm, struct dtr_error *err)
{
    struct dtr_scheduler_policy *fresh = NULL;
    int rc = dtr_scheduler_prepare(algorithm, &fresh, err);
    dtr_scheduler_forget(fresh);
    return rc;
}

/* Its generation follows that of the script before. */
static void put_in_charge(struct policy *policy, struct dtr_scheduler_policy *fresh)
{
    fresh->slot.generation += policy->slot.generation;
    dtr_policy_slot_clear(&policy->slot);
    free(policy->algorithm);
    policy->slot = fresh->slot;
    policy->algorithm = fresh->algorithm;
    fresh->slot = (struct dtr_policy_slot){0};
    fresh->algorithm = NULL;
    if (is_old(policy->algorithm))
        dtr_log(DTR_LOG_WARN, NULL, "scheduler.algorithm: there is no %s here, the default is used",
                policy->algorithm);
    if (policy->slot.current)
        log_swap(policy);
    else
        dtr_log(DTR_LOG_WARN, NULL, "the built-in formula ranks parents, as policy %s cannot: %s", usual,
                fresh->why.text);
    dtr_scheduler_forget(fresh);
}

void dtr_scheduler_take(struct dtr_scheduler *scheduler, struct dtr_scheduler_policy *fresh)
{
    struct policy *policy = &scheduler->policy;
    if (!policy->algorithm || strcmp(policy->algorithm, fresh->algorithm) == 0) {
        dtr_scheduler_forget(fresh);
        return;
    }
    if (policy->load)
        policy->load->late = true;
    put_in_charge(policy, fresh);
    const struct dtr_swarm_config config = policy_config(scheduler);
    dtr_swarm_configure(scheduler->swarm, &config);
    role_drain(scheduler);
}

int policy_start(struct dtr_scheduler *scheduler, const struct dtr_scheduler_options *options,
                 struct dtr_error *err)
{
    struct policy *policy = &scheduler->policy;
    struct dtr_scheduler_policy *fresh = NULL;
    if (!options->algorithm)
        return DTR_OK;
    policy->look_ms = options->policy_look_ms ? options->policy_look_ms : LOOK_MS;
    int rc = dtr_scheduler_prepare(options->algorithm, &fresh, err);
    if (rc != DTR_OK)
        return rc;
    put_in_charge(policy, fresh);
    rc = dtr_timer_open(scheduler->loop, on_look, scheduler, &policy->timer, err);
    if (rc == DTR_OK)
        dtr_timer_set(policy->timer, policy->look_ms);
    return rc;
}

void policy_stop(struct policy *policy)
{
    dtr_timer_close(policy->timer);
    policy->timer = NULL;
}

void policy_free(struct policy *policy)
{
    policy_stop(policy);
    dtr_policy_slot_clear(&policy->slot);
    free(policy->algorithm);
}
