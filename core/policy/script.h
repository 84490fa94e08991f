/* A loaded script. Inside core/policy. */
#ifndef DTR_POLICY_SCRIPT_H
#define DTR_POLICY_SCRIPT_H

#include "core/policy/columns.h"
#include "core/policy/policy.h"
#include "core/policy/sandbox.h"

struct dtr_policy {
    struct dtr_sandbox box;
    struct dtr_policy_limits limits;
    struct dtr_policy_settings settings;
    struct dtr_columns columns;
    int rank;       /* registry reference of the function */
    char place[96]; /* file:line of it, for results that are wrong */
};

/* Inside dtr_sandbox_call(); both raise errors. Reads the table on top of the stack that a script returned,
 * and replaces it by its `tests`. */
void dtr_script_describe(lua_State *L, struct dtr_policy *policy);
/* Runs the test cases of the table on top. */
void dtr_script_test(lua_State *L, struct dtr_policy *policy);
/* One decision under the budget that is armed; `input` is of the policy's kind. */
void dtr_script_decide(lua_State *L, struct dtr_policy *policy, const void *input, double *ret_scores);

/* dtr_policy_rank() or dtr_policy_scope(), by `kind`, which is the policy's. */
int dtr_script_ask(struct dtr_policy *policy, enum dtr_policy_kind kind, const void *input,
                   double *ret_scores, struct dtr_error *err);

/* dtr_policy_load() that also says what file it read; on failure too, as far as it is known. */
int dtr_script_load(enum dtr_policy_kind kind, const char *path, const struct dtr_policy_limits *limits,
                    struct dtr_policy **ret_policy, struct dtr_policy_stamp *ret_stamp,
                    struct dtr_error *err);

#endif
