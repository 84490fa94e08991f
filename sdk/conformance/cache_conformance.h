/* What the parts of the cache conformance program share. */
#ifndef CACHE_CONFORMANCE_H
#define CACHE_CONFORMANCE_H

#include "conformance.h"

#include <darter/cache.h>

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
void case_lock(struct bench *bench);
void case_compare(struct bench *bench);
void case_add(struct bench *bench);
void case_shared_queue(struct bench *bench);
void case_wake(struct bench *bench);

/* The program, beside what chooses its connections; see conformance_main(). */
int cache_conformance(int argc, char **argv);

#endif
