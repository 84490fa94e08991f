/* What tells one kind of policy from another: the columns and scalars that its scripts see, and what they may
 * declare. Everything else is the same for all. Inside core/policy. */
#ifndef DTR_POLICY_KIND_H
#define DTR_POLICY_KIND_H

#include "core/policy/policy.h"

/* name in Lua and in struct dtr_rank_input, type (enum dtr_scalar_type), what it says. */
#define DTR_SCHEDULING_SCALARS(X)                                                                            \
    X(count, NUMBER, "candidates")                                                                           \
    X(child_idc, TEXT, "label of the child's host, \"\" when none")                                          \
    X(child_location, TEXT, "label of the child's host, \"\" when none")                                     \
    X(child_host_type, NUMBER, "as host_type")                                                               \
    X(child_priority, NUMBER, "of the child's request")                                                      \
    X(content_length, LENGTH, "bytes; nil when unknown")                                                     \
    X(piece_length, POSITIVE, "bytes; nil when unknown")                                                     \
    X(now_ms, NUMBER, "of the scheduler's clock")                                                            \
    X(random, FRACTION, "0 <= random < 1, fresh for each decision")

/* The same of struct dtr_scope_input. */
#define DTR_SCOPE_SCALARS(X)                                                                                 \
    X(count, NUMBER, "clusters")                                                                             \
    X(peer_ip, TEXT, "as the peer announced it, \"\" when it did not")                                       \
    X(peer_hostname, TEXT, "of the peer")                                                                    \
    X(peer_idc, TEXT, "label of the peer, \"\" when none")                                                   \
    X(peer_location, TEXT, "label of the peer, \"\" when none")

#define DTR_COLUMNS_MAX 32 /* of any kind; kind.c checks */

struct dtr_column {
    const char *name;
    size_t offset; /* of the array's pointer in the input */
    bool text;     /* else numbers */
};

enum dtr_scalar_type {
    DTR_SCALAR_NUMBER,
    DTR_SCALAR_LENGTH,   /* nil: DTR_LENGTH_UNKNOWN */
    DTR_SCALAR_POSITIVE, /* nil: 0 */
    DTR_SCALAR_FRACTION, /* 64 bits as a number from 0 to less than 1 */
    DTR_SCALAR_TEXT,
};

struct dtr_scalar {
    const char *name;
    size_t offset, size; /* in the input, of a uint32_t, a uint64_t or a pointer */
    enum dtr_scalar_type type;
};

struct dtr_kind {
    const char *name;
    const struct dtr_column *columns;
    int column_count;
    const struct dtr_scalar *scalars;
    int scalar_count;
    bool swarm; /* its scripts declare settings of the swarm */
};

/* Valid for the life of the program. */
const struct dtr_kind *dtr_kind_of(enum dtr_policy_kind kind);
/* Index of the column called `name`, or -1. */
int dtr_kind_column(const struct dtr_kind *kind, const char *name);
/* Whether a scalar is called `name`. */
bool dtr_kind_has_scalar(const struct dtr_kind *kind, const char *name);

/* What a decision is made from is passed as void: one of these, by kind. */
union dtr_policy_input {
    uint32_t count;
    struct dtr_rank_input scheduling;
    struct dtr_scope_input scope;
};

/* The first member of all of them. */
static inline uint32_t dtr_input_count(const void *input)
{
    return *(const uint32_t *)input;
}

#endif
