/* Any text as a script of each kind: it loads or is refused, within its ceilings; one that loads is asked. */
#include "core/policy/policy.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 3

static const double numbers[ROWS] = {0, 1e9, NAN};
static const char *const labels[ROWS] = {"", "a|b", "c"};

static int rank(struct dtr_policy *policy, double *ret_scores, struct dtr_error *err)
{
    const struct dtr_rank_input input = {
        .count = ROWS,
#define COLUMN(type, name, help) .name = numbers,
        DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
            .idc = labels,
        .location = labels,
        .child_idc = "a",
        .child_location = "c",
        .content_length = UINT64_MAX,
        .random = UINT64_MAX,
    };
    return dtr_policy_rank(policy, &input, ret_scores, err);
}

static int scope(struct dtr_policy *policy, double *ret_scores, struct dtr_error *err)
{
    const struct dtr_scope_input input = {
        .count = ROWS,
#define COLUMN(type, name, help) .name = numbers,
        DTR_SCOPE_COLUMNS(COLUMN)
#undef COLUMN
#define LABEL(name, help) .name = labels,
            DTR_SCOPE_LABELS(LABEL)
#undef LABEL
                .peer_ip = "10.0.0.1",
        .peer_hostname = "a",
        .peer_idc = "a",
        .peer_location = "c",
    };
    return dtr_policy_scope(policy, &input, ret_scores, err);
}

static void ask(enum dtr_policy_kind kind, struct dtr_policy *policy)
{
    double scores[ROWS];
    struct dtr_error err;
    if ((kind == DTR_POLICY_SCOPE ? scope : rank)(policy, scores, &err) != DTR_OK)
        return;
    for (int i = 0; i < ROWS; i++) {
        if (!isfinite(scores[i]))
            abort();
    }
}

static void try(enum dtr_policy_kind kind, const char *text, size_t size)
{
    const struct dtr_policy_limits limits = {
        .instructions = 20000, .load_instructions = 100000, .memory = (size_t)256 << 10};
    struct dtr_policy *policy;
    struct dtr_error err;
    if (dtr_policy_load_text(kind, "fuzz.lua", text, size, &limits, &policy, &err) == DTR_OK)
        ask(kind, policy);
    dtr_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > DTR_POLICY_FILE_MAX)
        return 0;
    try(DTR_POLICY_SCHEDULING, (const char *)data, size);
    try(DTR_POLICY_SCOPE, (const char *)data, size);
    return 0;
}
