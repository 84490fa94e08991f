/* The entries of the cache: found by key, dropped when their time is over or room is needed.
 *
 * Whoever calls holds the cache's lock, except for blobs. Times are nanoseconds of the host's clock. */
#ifndef CACHE_MEMORY_TABLE_H
#define CACHE_MEMORY_TABLE_H

#include <darter/cache.h>

#define TABLE_NEVER UINT64_MAX /* a time that does not come */

/* Bytes that several threads hold: any thread may drop its share. */
struct blob {
    uint32_t refs;
    size_t length;
    struct blob *next; /* in its queue */
    unsigned char bytes[];
};

enum holding {
    HOLDS_VALUE,  /* goes first when room is needed, the one that was not used for longest before others */
    HOLDS_LOCK,   /* a value that swap() made: goes when no value of the first kind is left */
    HOLDS_NUMBER, /* goes together with locks */
    HOLDS_QUEUE,  /* is never dropped: work would be lost */
};

enum table_line { LINE_VALUES, LINE_KEPT, LINE_QUEUES, LINES };

struct entry {
    struct entry *chain;         /* in its bucket */
    struct entry *older, *newer; /* in its line, by use */
    uint64_t expires_ns;
    size_t heap_at;
    uint64_t charged; /* bytes */
    enum holding holds;
    int64_t number;            /* of HOLDS_NUMBER */
    uint64_t count;            /* blobs of HOLDS_QUEUE */
    struct blob *first, *last; /* of HOLDS_QUEUE; else `first` is the value */
    uint64_t hash;
    char key[];
};

struct table {
    uint64_t size, memory;   /* the most: entries, bytes */
    uint64_t count, used;    /* what there is */
    uint64_t queues, queued; /* of that, in queues */
    uint64_t seed;           /* so that nobody outside can choose keys of one bucket */
    struct entry **buckets;  /* a power of two */
    uint64_t mask;           /* buckets - 1 */
    struct entry **heap;     /* by expiry, the next one first; has room for `size` */
    struct entry *oldest[LINES], *newest[LINES];
};

int table_open(struct table *table, uint64_t size, uint64_t memory, struct dtr_error *err);
void table_close(struct table *table);

/* NULL when there is none whose time is not over. */
struct entry *table_find(struct table *table, const char *key, uint64_t now_ns);
/* It was used just now. */
void table_touch(struct table *table, struct entry *entry);
/* Puts a fresh entry in the place of what `key` had, and drops others to make room for it. `value` (taken
 * over also on errors) is NULL for numbers and queues. DTR_ENO_SPACE: nothing changed. */
int table_put(struct table *table, const char *key, enum holding holds, struct blob *value,
              uint64_t expires_ns, uint64_t now_ns, struct entry **ret_entry, struct dtr_error *err);
/* At the end of a queue; takes the blob over, also on errors. */
int table_push(struct table *table, struct entry *queue, struct blob *blob, uint64_t now_ns,
               struct dtr_error *err);
/* The first of a queue, which goes with its last one. The caller's. */
struct blob *table_pop(struct table *table, struct entry *queue);
void table_drop(struct table *table, struct entry *entry);
void table_forget(struct table *table, const char *prefix);

/* NULL: out of memory. */
struct blob *blob_new(const void *bytes, size_t length);
struct blob *blob_ref(struct blob *blob);
/* NULL is fine. */
void blob_unref(struct blob *blob);

#endif
