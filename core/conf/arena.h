/* Memory that is given back in one go: a configuration's nodes and strings. One thread at a time. */
#ifndef DTR_CONF_ARENA_H
#define DTR_CONF_ARENA_H

#include <stddef.h>

struct dtr_arena {
    struct dtr_arena_chunk *chunks; /* a zeroed arena is empty */
};

/* Zeroed bytes, aligned for any type, until the arena is freed; NULL when out of memory. */
void *dtr_arena_get(struct dtr_arena *arena, size_t size);
/* A copy with a final NUL. */
char *dtr_arena_text(struct dtr_arena *arena, const void *bytes, size_t length);
void dtr_arena_free(struct dtr_arena *arena);

#endif
