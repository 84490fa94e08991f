/* Any text as a script: it loads or is refused, within its ceilings; one that loads is asked. */
#include "core/policy/policy.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 3

static void ask(struct dtr_policy *policy)
{
    static const double numbers[ROWS] = {0, 1e9, NAN};
    static const char *const labels[ROWS] = {"", "a|b", "c"};
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
    double scores[ROWS];
    struct dtr_error err;
    if (dtr_policy_rank(policy, &input, scores, &err) != DTR_OK)
        return;
    for (int i = 0; i < ROWS; i++) {
        if (!isfinite(scores[i]))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dtr_policy_limits limits = {
        .instructions = 20000, .load_instructions = 100000, .memory = (size_t)256 << 10};
    struct dtr_policy *policy;
    struct dtr_error err;
    if (size > DTR_POLICY_FILE_MAX)
        return 0;
    if (dtr_policy_load_text("fuzz.lua", (const char *)data, size, &limits, &policy, &err) == DTR_OK)
        ask(policy);
    dtr_policy_free(policy);
    return 0;
}
