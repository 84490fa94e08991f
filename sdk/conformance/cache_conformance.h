/* What the parts of the cache conformance program share. */
#ifndef CACHE_CONFORMANCE_H
#define CACHE_CONFORMANCE_H

#include "check.h"

#include <darter/cache.h>
#include <darter/testhost.h>

/* The module under test. It is started once; each case begins without keys that begin with "t". */
struct bench {
    const struct dtr_cache_ops *ops;
    void *instance;
    bool failed;
};

struct case_row {
    const char *name;
    void (*run)(struct bench *bench);
};

/* What a sink got. Grows as needed; `bytes` is freed by the next get or pop. */
struct got {
    unsigned calls;
    unsigned char *bytes;
    size_t length;
};

int do_get(struct bench *bench, const char *key, struct got *got, struct dtr_error *err);
int do_pop(struct bench *bench, const char *queue, uint64_t wait_ms, struct got *got, struct dtr_error *err);
void got_free(struct got *got);
/* Whether exactly this text came, in one call. */
bool got_text(const struct got *got, const char *text);

struct dtr_cache_bytes text_value(const char *text); /* NULL: none */
uint64_t now_ms(void);

/* cache_threads.c */
extern const struct case_row cache_thread_cases[];
extern const size_t cache_thread_case_count;

/* The program. */
int cache_conformance(int argc, char **argv);

#endif
