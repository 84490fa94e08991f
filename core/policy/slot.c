/* The script in charge: putting another in its place, and counting what it does. */
#include "core/obs/log.h"
#include "core/policy/script.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>

void dtr_policy_swap(struct dtr_policy_slot *slot, struct dtr_policy *policy)
{
    assert(!policy || policy->columns.kind == dtr_kind_of(slot->kind));
    dtr_policy_free(slot->current);
    slot->current = policy;
    slot->failures_logged = slot->failures + 1;
    if (policy)
        slot->generation++;
}

void dtr_policy_read(struct dtr_policy_loading *loading)
{
    const struct dtr_policy_limits *limits = loading->limits.memory ? &loading->limits : NULL;
    (void)dtr_script_load(loading->kind, loading->path, limits, &loading->policy, &loading->stamp,
                          &loading->err);
}

int dtr_policy_slot_take(struct dtr_policy_slot *slot, struct dtr_policy_loading *loading,
                         struct dtr_error *err)
{
    if (!slot->path || strcmp(slot->path, loading->path) != 0) {
        char *copy = strdup(loading->path);
        if (!copy) {
            dtr_policy_free(loading->policy);
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "%s: no memory for a name", loading->path);
        }
        free(slot->path);
        slot->path = copy;
    }
    slot->stamp = loading->stamp;
    if (!loading->policy) {
        slot->load_failures++;
        memcpy(slot->last_error, loading->err.text, sizeof(slot->last_error));
        if (err)
            *err = loading->err;
        return loading->err.code;
    }
    dtr_policy_swap(slot, loading->policy);
    return DTR_OK;
}

int dtr_policy_slot_load(struct dtr_policy_slot *slot, const char *path, struct dtr_error *err)
{
    struct dtr_policy_loading loading = {.kind = slot->kind, .path = path, .limits = slot->limits};
    dtr_policy_read(&loading);
    return dtr_policy_slot_take(slot, &loading, err);
}

bool dtr_policy_slot_changed(const struct dtr_policy_slot *slot)
{
    struct stat st;
    const struct dtr_policy_stamp *was = &slot->stamp;
    if (!slot->path)
        return false;
    if (stat(slot->path, &st) != 0)
        return was->inode != 0;
    return st.st_ino != was->inode || st.st_size != was->size ||
           (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != was->mtime_ns;
}

int dtr_policy_reload(struct dtr_policy_slot *slot, bool *ret_swapped, struct dtr_error *err)
{
    *ret_swapped = false;
    if (!dtr_policy_slot_changed(slot))
        return DTR_OK;
    int code = dtr_policy_slot_load(slot, slot->path, err);
    *ret_swapped = code == DTR_OK;
    return code;
}

/* The caller only falls back to the C default, so the error is reported here: the first, and whenever the
 * count since then has doubled. */
static void report(struct dtr_policy_slot *slot, const struct dtr_error *err)
{
    slot->failures++;
    memcpy(slot->last_error, err->text, sizeof(slot->last_error));
    if (slot->failures < slot->failures_logged)
        return;
    dtr_log(DTR_LOG_WARN, NULL, "policy: %s; decided by the built-in formula (%llu of %llu decisions so far)",
            err->text, (unsigned long long)slot->failures, (unsigned long long)slot->decisions);
    slot->failures_logged = slot->failures * 2;
}

static int ask(struct dtr_policy_slot *slot, enum dtr_policy_kind kind, const void *input, double *ret_scores,
               struct dtr_error *err)
{
    struct dtr_error own;
    err = err ? err : &own;
    if (!slot->current)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no policy is loaded");
    slot->decisions++;
    int code = dtr_script_ask(slot->current, kind, input, ret_scores, err);
    if (code != DTR_OK)
        report(slot, err);
    return code;
}

int dtr_policy_slot_rank(void *slot, const struct dtr_rank_input *input, double *ret_scores,
                         struct dtr_error *err)
{
    return ask(slot, DTR_POLICY_SCHEDULING, input, ret_scores, err);
}

int dtr_policy_slot_scope(void *slot, const struct dtr_scope_input *input, double *ret_scores,
                          struct dtr_error *err)
{
    return ask(slot, DTR_POLICY_SCOPE, input, ret_scores, err);
}

void dtr_policy_slot_clear(struct dtr_policy_slot *slot)
{
    dtr_policy_free(slot->current);
    free(slot->path);
    *slot = (struct dtr_policy_slot){0};
}
