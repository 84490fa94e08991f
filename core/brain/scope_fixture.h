/* For the tests of scopes: one from literals, and reports kept. */
#ifndef DTR_BRAIN_SCOPE_FIXTURE_H
#define DTR_BRAIN_SCOPE_FIXTURE_H

#include "core/brain/scope.h"
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define LIST_MAX 4

/* A scope as a table row of a test has it; lists end at the first NULL. */
struct scope_row {
    const char *idc, *location;
    const char *cidrs[LIST_MAX], *hostnames[LIST_MAX];
};

static inline size_t list_length(const char *const *list)
{
    size_t length = 0;
    while (length < LIST_MAX && list[length])
        length++;
    return length;
}

static inline struct dtr_scope_texts texts_of(const struct scope_row *row)
{
    return (struct dtr_scope_texts){
        .idc = row->idc,
        .location = row->location,
        .cidrs = row->cidrs,
        .cidr_count = list_length(row->cidrs),
        .hostnames = row->hostnames,
        .hostname_count = list_length(row->hostnames),
    };
}

static inline struct dtr_scope *must_parse(const struct scope_row *row)
{
    const struct dtr_scope_texts texts = texts_of(row);
    struct dtr_scope *scope;
    struct dtr_error err;
    if (dtr_scope_new(&texts, &scope, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return scope;
}

struct heard {
    unsigned count;
    char texts[LIST_MAX][256];
};

static inline void hear(void *context, const struct dtr_error *err)
{
    struct heard *heard = context;
    assert_true(heard->count < LIST_MAX);
    memcpy(heard->texts[heard->count++], err->text, sizeof(err->text));
}

#endif
