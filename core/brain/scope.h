/* Which cluster suits a peer: the scopes that an operator gave to the manager's clusters, matched with what a
 * peer says of itself, and the clusters ranked (features page 1.9). All clusters come back, the best first:
 * the peer walks them until it finds one whose schedulers are healthy.
 *
 * Not for filtering: which clusters are ranked at all (those with an active scheduler) is the caller's. */
#ifndef DTR_BRAIN_SCOPE_H
#define DTR_BRAIN_SCOPE_H

#include "core/base/network.h"
#include "core/base/pattern.h"
#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTR_SCOPE_ITEMS_MAX 1000 /* networks, and patterns, of a cluster */
#define DTR_SCOPE_TEXT_MAX  1000 /* bytes of an item, of idc and of location */
/* Patterns of a cluster that may need too many steps for one peer, a few milliseconds each, before the others
 * are left alone: a peer's name must not buy seconds of processor time. */
#define DTR_SCOPE_OVERRUNS_MAX 4

/* --- a cluster's scopes -------------------------------------------------------------------------------- */

/* As a cluster's JSON has them. Borrowed. */
struct dtr_scope_texts {
    const char *idc, *location; /* elements between '|'; "" or NULL: none */
    const char *const *cidrs;
    size_t cidr_count;
    const char *const *hostnames; /* regular expressions, found anywhere in a host's name; case counts */
    size_t hostname_count;
};

struct dtr_scope_hostname {
    struct dtr_pattern *pattern;
    char *text;
    size_t index; /* in the texts */
};

/* The same, parsed. Does not change afterwards: any thread may match with it. */
struct dtr_scope {
    char *idc, *location; /* "" when none */
    struct dtr_network *cidrs;
    size_t cidr_count;
    struct dtr_scope_hostname *hostnames;
    size_t hostname_count;
};

/* Who hears of what was passed over: *err names the item, "scopes.cidrs[2]: ..." for one. Called before the
 * function that it was given to returns. A zeroed one is nobody. */
struct dtr_scope_report {
    void (*passed_over)(void *context, const struct dtr_error *err);
    void *context;
};

/* Parses, and refuses what is invalid: DTR_EINVALID, DTR_ELIMIT or DTR_ENOMEM with the first such item in
 * *err. So an operator hears of a mistake when it is made. */
int dtr_scope_new(const struct dtr_scope_texts *texts, struct dtr_scope **ret_scope, struct dtr_error *err);
/* The same for texts that are in charge already, written by somebody who did not look at them: what is
 * invalid is passed over and reported. DTR_ENOMEM only; `report` NULL makes it dtr_scope_new(). */
int dtr_scope_new_lenient(const struct dtr_scope_texts *texts, const struct dtr_scope_report *report,
                          struct dtr_scope **ret_scope, struct dtr_error *err);
/* NULL is fine. */
void dtr_scope_free(struct dtr_scope *scope);

/* --- what a policy sees -------------------------------------------------------------------------------- */

/* type, name, what it says. Append-only, like the columns of rank.h. */
#define DTR_SCOPE_COLUMNS(X)                                                                                 \
    X(double, cidr, "1 when the peer's address lies in one of the networks, else 0")                         \
    X(double, hostname, "1 when one of the patterns is found in the peer's host name, else 0")               \
    X(double, idc_match, "1 when the peer's idc is the cluster's or one of its elements, else 0")            \
    X(double, location_match, "equal leading elements of location (at most 5) / 5; 1 when all is equal")     \
    X(double, is_default, "1 for the default cluster, else 0")                                               \
    X(double, id, "of the cluster")
/* name, what it says */
#define DTR_SCOPE_LABELS(X)                                                                                  \
    X(name, "of the cluster")                                                                                \
    X(idc, "scope of the cluster, \"\" when none")                                                           \
    X(location, "scope of the cluster, \"\" when none")

struct dtr_scope_input {
    uint32_t count; /* clusters */
#define DTR_SCOPE_COLUMN_FIELD(type, name, help) const type *name;
    DTR_SCOPE_COLUMNS(DTR_SCOPE_COLUMN_FIELD)
#undef DTR_SCOPE_COLUMN_FIELD
#define DTR_SCOPE_LABEL_FIELD(name, help) const char *const *name;
    DTR_SCOPE_LABELS(DTR_SCOPE_LABEL_FIELD)
#undef DTR_SCOPE_LABEL_FIELD
    const char *peer_ip; /* as the peer announced it */
    const char *peer_hostname;
    const char *peer_idc;
    const char *peer_location;
};

/* Writes a finite score per cluster, higher is better. Nonzero: the caller uses the C default instead. */
typedef int (*dtr_scope_fn)(void *context, const struct dtr_scope_input *input, double *ret_scores,
                            struct dtr_error *err);

/* Dragonfly's formula. `context` is not used. */
int dtr_scope_dragonfly(void *context, const struct dtr_scope_input *input, double *ret_scores,
                        struct dtr_error *err);

/* --- ranking ------------------------------------------------------------------------------------------- */

/* What a peer says of itself. Nothing is NULL; "" when it says nothing. No pattern is found in a host name of
 * more than DTR_SCOPE_TEXT_MAX bytes: it comes from a stranger. */
struct dtr_scope_peer {
    const char *ip, *hostname, *idc, *location;
};

struct dtr_scope_cluster {
    uint64_t id;
    const char *name; /* not NULL */
    const struct dtr_scope *scope;
    bool is_default;
};

/* How well one cluster suits a peer, by each term of the formula: what a policy gets as columns. */
struct dtr_scope_terms {
    double cidr, hostname, idc, location, is_default; /* 0 to 1 */
};
/* `report` may be zeroed. Any thread. */
void dtr_scope_terms(const struct dtr_scope_cluster *cluster, const struct dtr_scope_peer *peer,
                     const struct dtr_scope_report *report, struct dtr_scope_terms *ret_terms);

/* Zeroed: the C default, and nobody hears. */
struct dtr_scope_ranker {
    dtr_scope_fn rank; /* NULL: the C default */
    void *context;
    struct dtr_scope_report report; /* of patterns that needed too many steps, which is no match */
};

/* Writes the indexes of all clusters, the best first, and the score of each cluster. Equal scores go by id,
 * the lower first, so that the same question has the same answer. `ret_order` and `ret_scores` have `count`
 * places. DTR_ENOMEM only. Any thread that may call ranker->rank. */
int dtr_scope_rank(const struct dtr_scope_cluster *clusters, uint32_t count,
                   const struct dtr_scope_peer *peer, const struct dtr_scope_ranker *ranker,
                   uint32_t *ret_order, double *ret_scores, struct dtr_error *err);

#endif
