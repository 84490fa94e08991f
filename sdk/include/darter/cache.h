/* Kind "cache": what managers share for a while: answers that are costly to find, counters, locks that
 * expire, work that waits. What must last is in the database; a cache may forget everything at any time.
 *
 * Threads: operations are blocking and come from several worker threads at once. None takes longer than the
 * options of the module say.
 *
 * Keys are texts of 1 to 250 printable ASCII characters, space included; values have up to 1 MiB of any
 * bytes, or none at all. DTR_EINVALID for other keys and for a value that is not given where one is needed,
 * DTR_ELIMIT for longer values. A `ttl_ms` of 0 is for ever. Times are the cache's own: what expires does so
 * for all managers at once.
 *
 * A key holds a value (set, swap), a number (add) or a queue (push). set() puts a value in the place of
 * whatever is there; any other operation on a key that holds something else is DTR_EINVALID and changes
 * nothing, but get() gives a number's decimal digits and forget() removes all kinds.
 *
 * Errors: DTR_ENOT_FOUND where that is said; DTR_EUNAVAILABLE (retry SAME) when the server cannot be reached,
 * is not ready, or was lost: whether the operation was done is not known then; DTR_EDENIED when it refuses
 * user, password or certificate; DTR_EPROTOCOL when it is no such server; DTR_ENO_SPACE when it is full. Each
 * failure stands for itself: the next operation connects anew where that is needed. */
#ifndef DARTER_CACHE_H
#define DARTER_CACHE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTR_CACHE_KEY_MAX    250
#define DTR_CACHE_PREFIX_MAX 200
#define DTR_CACHE_VALUE_MAX  ((size_t)1 << 20)

/* Gets a value, at most once and during the call that asked for it, on its thread. It may use the cache. */
struct dtr_cache_sink {
    void (*value)(void *context, const void *bytes, size_t length);
    void *context;
};

struct dtr_cache_bytes {
    const void *bytes; /* NULL: there is, or shall be, no value; which is not the empty value */
    size_t length;
};

struct dtr_cache_ops {
    uint32_t size; /* of this table */
    /* DTR_ENOT_FOUND when there is none, or it has expired. */
    int (*get)(void *instance, const char *key, const struct dtr_cache_sink *sink, struct dtr_error *err);
    /* Whatever was there before. */
    int (*set)(void *instance, const char *key, struct dtr_cache_bytes value, uint64_t ttl_ms,
               struct dtr_error *err);
    /* In one step: when the value is `old`, it becomes `value` (which may be none: it is removed) for
     * `ttl_ms`. *ret_done says whether it was. A lock is a key whose value names its owner: taken from none
     * to the owner, kept alive from owner to owner, given up from the owner to none, and lost when its time
     * is over. */
    int (*swap)(void *instance, const char *key, struct dtr_cache_bytes old, struct dtr_cache_bytes value,
                uint64_t ttl_ms, bool *ret_done, struct dtr_error *err);
    /* Removes all keys that begin with `prefix` (1 to 200 characters); nothing is fine. */
    int (*forget)(void *instance, const char *prefix, struct dtr_error *err);
    /* In one step: adds to a number, which begins at 0 and then lives for `ttl_ms`; later calls leave that
     * time. DTR_ELIMIT when the sum is no int64_t; the number stays as it was. */
    int (*add)(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
               struct dtr_error *err);
    /* A queue, first in first out, which is there as long as something is in it. push(): DTR_ELIMIT (retry
     * SAME) when `limit` values wait. pop() waits up to `wait_ms` for one; DTR_ENOT_FOUND when none came.
     * Each value is given to one caller, and is gone with it. */
    int (*push)(void *instance, const char *queue, struct dtr_cache_bytes value, uint64_t limit,
                struct dtr_error *err);
    int (*pop)(void *instance, const char *queue, uint64_t wait_ms, const struct dtr_cache_sink *sink,
               struct dtr_error *err);
};

/* --- for those who implement it: what callers may ask for ------------------------------------------- */

static inline int dtr_cache_check_text(const char *what, const char *text, size_t most, struct dtr_error *err)
{
    size_t length = strnlen(text, most + 1);
    bool printable = length > 0 && length <= most;
    for (size_t i = 0; printable && i < length; i++)
        printable = text[i] >= ' ' && text[i] <= '~';
    return printable ? DTR_OK
                     : dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                     "a %s of the cache has 1 to %zu printable ASCII characters", what, most);
}

static inline int dtr_cache_check_key(const char *key, struct dtr_error *err)
{
    return dtr_cache_check_text("key", key, DTR_CACHE_KEY_MAX, err);
}

static inline int dtr_cache_check_value(struct dtr_cache_bytes value, struct dtr_error *err)
{
    if (!value.bytes)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "no value is given for the cache");
    if (value.length > DTR_CACHE_VALUE_MAX)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER,
                             "a value of %zu bytes is too long for the cache: at most %zu", value.length,
                             DTR_CACHE_VALUE_MAX);
    return DTR_OK;
}

/* A key with a value that must be there. */
static inline int dtr_cache_check(const char *key, struct dtr_cache_bytes value, struct dtr_error *err)
{
    int status = dtr_cache_check_key(key, err);
    return status == DTR_OK ? dtr_cache_check_value(value, err) : status;
}

/* What swap() gets: either value may be none. */
static inline int dtr_cache_check_swap(const char *key, struct dtr_cache_bytes old,
                                       struct dtr_cache_bytes value, struct dtr_error *err)
{
    int status = dtr_cache_check_key(key, err);
    if (status == DTR_OK && old.bytes)
        status = dtr_cache_check_value(old, err);
    if (status == DTR_OK && value.bytes)
        status = dtr_cache_check_value(value, err);
    return status;
}

#endif
