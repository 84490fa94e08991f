/* The two forms in which bytes cross the module boundary: reference-counted memory and extents.
 *
 * A dtr_extent names bytes where they lie (a file descriptor and a range, or memory); whoever receives
 * one calls dtr_extent_release() exactly once, after the last use. Until then the bytes stay put: a
 * storage module neither evicts nor moves them. */
#ifndef DARTER_BYTES_H
#define DARTER_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Reference-counted memory. Counted atomically: any thread may hold and drop a reference; the bytes are
 * written before the second reference is taken and not changed after it. */
struct dtr_buf {
    uint8_t *data;
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes at data */
    uint32_t references;
    void (*destroy)(struct dtr_buf *); /* called by the last drop */
};

static inline struct dtr_buf *dtr_buf_hold(struct dtr_buf *buf)
{
    (void)__atomic_add_fetch(&buf->references, 1, __ATOMIC_RELAXED);
    return buf;
}

static inline void dtr_buf_drop(struct dtr_buf *buf)
{
    if (buf && __atomic_sub_fetch(&buf->references, 1, __ATOMIC_ACQ_REL) == 0)
        buf->destroy(buf);
}

struct dtr_extent {
    int fd;                  /* -1: the bytes are at data */
    const uint8_t *data;     /* used when fd is -1 */
    uint64_t offset;         /* first byte in the file; 0 for memory */
    uint64_t length;         /* bytes */
    void (*release)(void *); /* NULL: nothing to release */
    void *release_context;
};

static inline void dtr_extent_release(struct dtr_extent *extent)
{
    if (extent->release)
        extent->release(extent->release_context);
    extent->release = NULL;
}

#endif
