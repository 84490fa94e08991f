/* A list of chunks, filled from the front. */
#include "core/conf/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 };

struct dtr_arena_chunk {
    struct dtr_arena_chunk *next;
    size_t used, size;
    max_align_t bytes[];
};

static size_t aligned(size_t size)
{
    return (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
}

void *dtr_arena_get(struct dtr_arena *arena, size_t size)
{
    struct dtr_arena_chunk *chunk = arena->chunks;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = aligned(size);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t capacity = size > CHUNK ? size : CHUNK;
        chunk = calloc(1, sizeof(*chunk) + capacity);
        if (!chunk)
            return NULL;
        chunk->size = capacity;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *bytes = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    return bytes;
}

char *dtr_arena_text(struct dtr_arena *arena, const void *bytes, size_t length)
{
    char *text = dtr_arena_get(arena, length + 1);
    if (text && length)
        memcpy(text, bytes, length);
    return text;
}

void dtr_arena_free(struct dtr_arena *arena)
{
    while (arena->chunks) {
        struct dtr_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
