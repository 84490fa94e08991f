/* For the tests of core/policy: scripts from text, and candidates to rank. */
#ifndef DTR_POLICY_FIXTURE_H
#define DTR_POLICY_FIXTURE_H

#include "core/policy/policy.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define ROWS 4

/* The clock is left out: a test must not fail because the machine was busy. */
static inline struct dtr_policy_limits no_clock(void)
{
    struct dtr_policy_limits limits = dtr_policy_limits_default();
    limits.time_ms = limits.load_time_ms = 0;
    return limits;
}

static inline int load_kind(enum dtr_policy_kind kind, const char *text, struct dtr_policy **ret_policy,
                            struct dtr_error *err)
{
    const struct dtr_policy_limits limits = no_clock();
    *err = (struct dtr_error){0};
    return dtr_policy_load_text(kind, "t.lua", text, strlen(text), &limits, ret_policy, err);
}

static inline int load_text(const char *text, struct dtr_policy **ret_policy, struct dtr_error *err)
{
    return load_kind(DTR_POLICY_SCHEDULING, text, ret_policy, err);
}

static inline struct dtr_policy *must_load(const char *text)
{
    struct dtr_policy *policy;
    struct dtr_error err;
    if (load_text(text, &policy, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return policy;
}

/* `text` is refused with this code, and the error contains `wanted`. */
static inline void refused_kind(enum dtr_policy_kind kind, const char *text, int code, const char *wanted)
{
    struct dtr_policy *policy;
    struct dtr_error err;
    int got = load_kind(kind, text, &policy, &err);
    dtr_policy_free(policy);
    if (got != code || !strstr(err.text, wanted))
        fail_msg("%s\ngave %d (%s) instead of %d (%s)", text, got, got ? err.text : "", code, wanted);
    assert_null(policy);
}

static inline void refused(const char *text, int code, const char *wanted)
{
    refused_kind(DTR_POLICY_SCHEDULING, text, code, wanted);
}

/* Four candidates: every number column is 1, 2, 3 and not known. */
static inline struct dtr_rank_input four(void)
{
    static const double numbers[ROWS] = {1, 2, 3, NAN};
    static const char *const labels[ROWS] = {"a", "b", "", NULL};
    return (struct dtr_rank_input){
        .count = ROWS,
#define COLUMN(type, name, help) .name = numbers,
        DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
            .idc = labels,
        .location = labels,
        .child_idc = "b",
        .child_location = "x|y",
        .child_priority = 6,
        .content_length = UINT64_MAX,
        .piece_length = 4 << 20,
        .now_ms = 12345,
        .random = UINT64_MAX,
    };
}

#endif
