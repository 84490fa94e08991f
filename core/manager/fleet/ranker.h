/* Which cluster suits a peer: a Lua policy of the kind "scope" in charge, looked at while the manager runs,
 * Dragonfly's formula behind it. Worker threads, several at a time; one decision after the other. */
#ifndef DTR_MANAGER_RANKER_H
#define DTR_MANAGER_RANKER_H

#include "core/brain/scope.h"

struct ranker;

/* `algorithm` is scope.algorithm: "default", a script's name, or an absolute path; copied. An error begins
 * with the key and names file and line of a script that the operator named; where the usual one cannot be
 * had, the formula in the program ranks, and that is logged. NULL: that formula. */
int ranker_new(const char *algorithm, struct ranker **ret_ranker, struct dtr_error *err);
/* Logs what is in charge. */
void ranker_say(const struct ranker *ranker);
/* NULL is fine. */
void ranker_free(struct ranker *ranker);
/* What ranks: a policy's name and its generation, or generation 0 and "" for the formula in the program. */
struct ranker_charge {
    char name[64];
    uint64_t generation;
};
void ranker_charge(struct ranker *ranker, struct ranker_charge *ret_charge);
/* dtr_scope_rank() by what is in charge. */
int ranker_rank(struct ranker *ranker, const struct dtr_scope_cluster *clusters, uint32_t count,
                const struct dtr_scope_peer *peer, uint32_t *ret_order, double *ret_scores,
                struct dtr_error *err);
/* Takes over a changed script; a bad one leaves the old in charge. Both are logged. One thread at a time. */
void ranker_look(struct ranker *ranker);

/* `fresh` takes its place, and is freed; when it is of the same algorithm nothing changes. Any thread. */
void ranker_take(struct ranker *ranker, struct ranker *fresh);

#endif
