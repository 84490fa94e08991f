/* The tables of each kind of policy; see kind.h. */
#include "core/policy/kind.h"

#include <assert.h>
#include <string.h>

#define NUMBERS(type, name, help) {#name, offsetof(INPUT, name), false},
#define LABELS(name, help)        {#name, offsetof(INPUT, name), true},
#define SCALAR(name, type, help)                                                                             \
    {#name, offsetof(INPUT, name), sizeof(((INPUT *)0)->name), DTR_SCALAR_##type},

#define INPUT struct dtr_rank_input
static const struct dtr_column scheduling_columns[] = {DTR_RANK_COLUMNS(NUMBERS) LABELS(idc, )
                                                           LABELS(location, )};
static const struct dtr_scalar scheduling_scalars[] = {DTR_SCHEDULING_SCALARS(SCALAR)};
#undef INPUT

#define INPUT struct dtr_scope_input
static const struct dtr_column scope_columns[] = {DTR_SCOPE_COLUMNS(NUMBERS) DTR_SCOPE_LABELS(LABELS)};
static const struct dtr_scalar scope_scalars[] = {DTR_SCOPE_SCALARS(SCALAR)};
#undef INPUT

#define COUNT(table)             (int)(sizeof(table) / sizeof((table)[0]))
#define TABLES(columns, scalars) columns, COUNT(columns), scalars, COUNT(scalars)

static const struct dtr_kind kinds[] = {
    [DTR_POLICY_SCHEDULING] = {"scheduling", TABLES(scheduling_columns, scheduling_scalars), .swarm = true},
    [DTR_POLICY_SCOPE] = {"scope", TABLES(scope_columns, scope_scalars), .swarm = false},
};

static_assert(COUNT(scheduling_columns) <= DTR_COLUMNS_MAX && COUNT(scope_columns) <= DTR_COLUMNS_MAX,
              "DTR_COLUMNS_MAX is too low");
static_assert(offsetof(struct dtr_rank_input, count) == 0 && offsetof(struct dtr_scope_input, count) == 0,
              "dtr_input_count() takes the first member");

const struct dtr_kind *dtr_kind_of(enum dtr_policy_kind kind)
{
    assert(kind < COUNT(kinds));
    return &kinds[kind];
}

int dtr_kind_column(const struct dtr_kind *kind, const char *name)
{
    for (int k = 0; k < kind->column_count; k++) {
        if (strcmp(kind->columns[k].name, name) == 0)
            return k;
    }
    return -1;
}

bool dtr_kind_has_scalar(const struct dtr_kind *kind, const char *name)
{
    for (int k = 0; k < kind->scalar_count; k++) {
        if (strcmp(kind->scalars[k].name, name) == 0)
            return true;
    }
    return false;
}
