/* The tables in which a script finds candidates and scalars, filled anew for each decision without making
 * garbage. Inside core/policy. */
#ifndef DTR_POLICY_COLUMNS_H
#define DTR_POLICY_COLUMNS_H

#include "core/brain/rank.h"
#include <lua.h>
#include <stddef.h>

#define DTR_COLUMN_ONE(type, name, help) +1
#define DTR_COLUMN_COUNT                 (0 DTR_RANK_COLUMNS(DTR_COLUMN_ONE) + 2) /* and the two labels */

/* name in Lua and in struct dtr_rank_input, kind, what it says. "unless 0": nil when it is 0. */
#define DTR_POLICY_SCALARS(X)                                                                                \
    X(count, NUMBER, "candidates")                                                                           \
    X(child_idc, TEXT, "label of the child's host, \"\" when none")                                          \
    X(child_location, TEXT, "label of the child's host, \"\" when none")                                     \
    X(child_host_type, NUMBER, "as host_type")                                                               \
    X(child_priority, NUMBER, "of the child's request")                                                      \
    X(content_length, LENGTH, "bytes; nil when unknown")                                                     \
    X(piece_length, POSITIVE, "bytes; nil when unknown")                                                     \
    X(now_ms, NUMBER, "of the scheduler's clock")                                                            \
    X(random, FRACTION, "0 <= random < 1, fresh for each decision")

struct dtr_column {
    const char *name;
    size_t offset; /* of the array's pointer in struct dtr_rank_input */
    bool text;
};
extern const struct dtr_column dtr_column_table[DTR_COLUMN_COUNT];
/* Index of the column called `name`, or -1. */
int dtr_column_find(const char *name);
/* Whether a scalar is called `name`. */
bool dtr_scalar_known(const char *name);

struct dtr_columns {
    bool needed[DTR_COLUMN_COUNT];
    int data[DTR_COLUMN_COUNT]; /* registry references */
    int scalars;                /* the table behind s */
    int c, s;                   /* what rank() gets */
    uint32_t count;             /* rows of the decision that runs */
    uint32_t filled;            /* rows that may hold values */
};

/* All of these raise Lua errors. Makes c and s for the columns marked as needed; `columns` must not move. */
void dtr_columns_make(lua_State *L, struct dtr_columns *columns);
/* Fills them. A needed column whose pointer is NULL is an error. */
void dtr_columns_fill(lua_State *L, struct dtr_columns *columns, const struct dtr_rank_input *input);

/* For test cases: takes the tables `c` and `s` at these stack indexes apart into *input, whose arrays live in
 * userdata that is left on the stack. Number columns that are not given are 0, labels "". */
void dtr_columns_read(lua_State *L, int c, int s, struct dtr_rank_input *ret_input);

#endif
