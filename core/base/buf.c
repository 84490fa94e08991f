/* Reference-counted memory; see buf.h. Header and bytes are one block. */
#include "core/base/buf.h"

#include <stdlib.h>
#include <string.h>

static void destroy(struct dtr_buf *buf)
{
    free(buf);
}

/* A buffer with one reference and `capacity` bytes; NULL when out of memory. */
static struct dtr_buf *new_buf(size_t capacity)
{
    struct dtr_buf *buf = malloc(sizeof(*buf) + capacity);
    if (buf)
        *buf = (struct dtr_buf){
            .data = (uint8_t *)(buf + 1), .capacity = capacity, .references = 1, .destroy = destroy};
    return buf;
}

struct dtr_buf *dtr_buf_copy(const void *bytes, size_t length)
{
    struct dtr_buf *buf = new_buf(length);
    if (buf) {
        if (length > 0)
            memcpy(buf->data, bytes, length);
        buf->length = length;
    }
    return buf;
}
