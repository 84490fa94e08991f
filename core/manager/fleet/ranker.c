/* The policy that ranks clusters; see ranker.h. */
#include "core/manager/fleet/ranker.h"

#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/policy/policy.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ranker {
    pthread_mutex_t lock; /* what follows */
    char *algorithm;      /* NULL: the formula in the program */
    struct dtr_policy_slot slot;
    unsigned taken;       /* times that another took its place */
    struct dtr_error why; /* there is no script, where that is no reason to refuse */
};

/* What stands behind "default". */
static const char *const usual = "dragonfly";

static bool is_usual(const char *algorithm)
{
    return strcmp(algorithm, "default") == 0;
}

/* Where the script is now: one that was added to the operator's folder goes before the shipped one. */
static int find(const char *algorithm, char **ret_path, struct dtr_error *err)
{
    if (*algorithm != '/')
        return dtr_policy_find("scope", is_usual(algorithm) ? usual : algorithm, ret_path, err);
    *ret_path = strdup(algorithm);
    return *ret_path ? DTR_OK
                     : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the policy's name");
}

static void log_swap(const struct ranker *ranker)
{
    dtr_log(DTR_LOG_INFO, NULL, "policy %s ranks clusters now: %s, generation %llu",
            dtr_policy_settings(ranker->slot.current)->name, ranker->slot.path,
            (unsigned long long)ranker->slot.generation);
}

static int load_first(struct ranker *ranker, struct dtr_error *err)
{
    char *path = NULL;
    int rc = find(ranker->algorithm, &path, &ranker->why);
    if (rc == DTR_OK)
        rc = dtr_policy_slot_load(&ranker->slot, path, &ranker->why);
    free(path);
    if (rc == DTR_OK || is_usual(ranker->algorithm))
        return DTR_OK;
    return dtr_error_set(err, rc, DTR_RETRY_NEVER, "scope.algorithm: %.230s", ranker->why.text);
}

void ranker_say(const struct ranker *ranker)
{
    if (ranker->slot.current)
        log_swap(ranker);
    else if (ranker->algorithm)
        dtr_log(DTR_LOG_WARN, NULL, "the built-in formula ranks clusters, as policy %s cannot: %s", usual,
                ranker->why.text);
}

int ranker_new(const char *algorithm, struct ranker **ret_ranker, struct dtr_error *err)
{
    struct ranker *ranker = calloc(1, sizeof(*ranker));
    int rc = DTR_OK;
    if (!ranker)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the policy");
    (void)pthread_mutex_init(&ranker->lock, NULL);
    ranker->slot.kind = DTR_POLICY_SCOPE;
    if (algorithm) {
        ranker->algorithm = strdup(algorithm);
        rc = ranker->algorithm
                 ? load_first(ranker, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the policy's name");
    }
    if (rc == DTR_OK)
        *ret_ranker = ranker;
    else
        ranker_free(ranker);
    return rc;
}

void ranker_free(struct ranker *ranker)
{
    if (!ranker)
        return;
    dtr_policy_slot_clear(&ranker->slot);
    (void)pthread_mutex_destroy(&ranker->lock);
    free(ranker->algorithm);
    free(ranker);
}

static void log_overrun(void *context, const struct dtr_error *err)
{
    const struct dtr_scope_peer *peer = context;
    dtr_log(DTR_LOG_WARN, NULL, "a scope took too long for host %.100s: %s", peer->hostname, err->text);
}

void ranker_charge(struct ranker *ranker, struct ranker_charge *ret_charge)
{
    *ret_charge = (struct ranker_charge){0};
    (void)pthread_mutex_lock(&ranker->lock);
    if (ranker->slot.current) {
        (void)dtr_copy_text(ret_charge->name, sizeof(ret_charge->name),
                            dtr_policy_settings(ranker->slot.current)->name);
        ret_charge->generation = ranker->slot.generation;
    }
    (void)pthread_mutex_unlock(&ranker->lock);
}

/* The script is for one thread at a time; what is compared before it is not. */
static int decide(void *context, const struct dtr_scope_input *input, double *ret_scores,
                  struct dtr_error *err)
{
    struct ranker *ranker = context;
    (void)pthread_mutex_lock(&ranker->lock);
    int rc = ranker->slot.current ? dtr_policy_slot_scope(&ranker->slot, input, ret_scores, err)
                                  : dtr_scope_dragonfly(NULL, input, ret_scores, err);
    (void)pthread_mutex_unlock(&ranker->lock);
    return rc;
}

int ranker_rank(struct ranker *ranker, const struct dtr_scope_cluster *clusters, uint32_t count,
                const struct dtr_scope_peer *peer, uint32_t *ret_order, double *ret_scores,
                struct dtr_error *err)
{
    const struct dtr_scope_ranker by = {
        .rank = decide, .context = ranker, .report = {log_overrun, (void *)(uintptr_t)peer}};
    return dtr_scope_rank(clusters, count, peer, &by, ret_order, ret_scores, err);
}

/* --- another script --------------------------------------------------------------------------------------
 */

/* The path of a script that is another than the one in charge, or NULL. With the lock held: there are only
 * looks at files. */
static char *changed(struct ranker *ranker)
{
    const struct dtr_policy_slot *slot = &ranker->slot;
    char *path = NULL;
    if (!ranker->algorithm)
        return NULL;
    if (find(ranker->algorithm, &path, NULL) != DTR_OK)
        path = slot->path ? strdup(slot->path) : NULL; /* it was taken away: that is said once */
    bool same = path && slot->path && strcmp(path, slot->path) == 0 && !dtr_policy_slot_changed(slot);
    if (same) {
        free(path);
        path = NULL;
    }
    return path;
}

static void take_script(struct ranker *ranker, struct dtr_policy_loading *loading)
{
    struct dtr_error err;
    int rc = dtr_policy_slot_take(&ranker->slot, loading, &err);
    const char *in_charge =
        ranker->slot.current ? dtr_policy_settings(ranker->slot.current)->name : "the built-in formula";
    if (rc == DTR_OK)
        log_swap(ranker);
    else
        dtr_log(DTR_LOG_WARN, NULL,
                "the changed policy is not taken: %s; %s stays in charge, generation %llu", err.text,
                in_charge, (unsigned long long)ranker->slot.generation);
}

void ranker_look(struct ranker *ranker)
{
    (void)pthread_mutex_lock(&ranker->lock);
    char *path = changed(ranker);
    struct dtr_policy_loading loading = {
        .path = path, .kind = ranker->slot.kind, .limits = ranker->slot.limits};
    unsigned taken = ranker->taken;
    (void)pthread_mutex_unlock(&ranker->lock);
    if (!path)
        return;
    dtr_policy_read(&loading);
    (void)pthread_mutex_lock(&ranker->lock);
    if (ranker->taken == taken)
        take_script(ranker, &loading);
    else
        dtr_policy_free(loading.policy);
    (void)pthread_mutex_unlock(&ranker->lock);
    free(path);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void ranker_take(struct ranker *ranker, struct ranker *fresh)
{
    (void)pthread_mutex_lock(&ranker->lock);
    if (!same_text(ranker->algorithm, fresh->algorithm)) {
        const struct dtr_policy_slot old_slot = ranker->slot;
        char *old_algorithm = ranker->algorithm;
        ranker->slot = fresh->slot;
        ranker->slot.generation += old_slot.generation;
        ranker->algorithm = fresh->algorithm;
        ranker->why = fresh->why;
        ranker->taken++;
        fresh->slot = old_slot;
        fresh->algorithm = old_algorithm;
        ranker_say(ranker);
    }
    (void)pthread_mutex_unlock(&ranker->lock);
    ranker_free(fresh);
}
