/* The tables in which a script finds candidates and scalars, filled anew for each decision without making
 * garbage. Inside core/policy. */
#ifndef DTR_POLICY_COLUMNS_H
#define DTR_POLICY_COLUMNS_H

#include "core/policy/kind.h"
#include <lua.h>
#include <stddef.h>

#define DTR_COLUMN_ROWS 64 /* made in advance, so that growing is rare */

/* What lies in the first rows of a column of numbers. */
struct dtr_column_shown {
    uint32_t count;
    double numbers[DTR_COLUMN_ROWS];
};

struct dtr_columns {
    const struct dtr_kind *kind;
    bool needed[DTR_COLUMNS_MAX];
    int data[DTR_COLUMNS_MAX]; /* registry references */
    int scalars;               /* the table behind s */
    int c, s;                  /* what rank() gets */
    uint32_t count;            /* rows of the decision that runs */
    uint32_t filled;           /* rows that may hold values */
    struct dtr_column_shown shown[DTR_COLUMNS_MAX];
};

/* All of these raise Lua errors. Makes c and s for the columns marked as needed; `columns` must not move. */
void dtr_columns_make(lua_State *L, struct dtr_columns *columns);
/* Fills them; `input` is of their kind. A needed column whose pointer is NULL is an error. */
void dtr_columns_fill(lua_State *L, struct dtr_columns *columns, const void *input);

/* For test cases: takes the tables `c` and `s` at these stack indexes apart into *input, whose arrays live in
 * userdata that is left on the stack. Number columns that are not given are 0, labels "". */
void dtr_columns_read(lua_State *L, const struct dtr_kind *kind, int c, int s,
                      union dtr_policy_input *ret_input);

#endif
