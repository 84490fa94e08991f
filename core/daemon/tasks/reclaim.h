/* Which tasks leave the store: by age, because the disk fills up, or to make room for one that comes. Pure
 * logic: what there is goes in, what is to go comes out (features page 3.6). */
#ifndef DTR_DAEMON_RECLAIM_H
#define DTR_DAEMON_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An unfinished task goes for its space only when it is older, or its download failed. */
#define RECLAIM_UNFINISHED_S ((int64_t)24 * 3600)

enum reclaim_reason { RECLAIM_NONE, RECLAIM_AGE, RECLAIM_SPACE };

struct reclaim_item {
    const void *task;           /* the caller's */
    uint64_t bytes;             /* on the disk */
    int64_t used_at;            /* last use or update, seconds since 1970 */
    int64_t created_at;         /* the same */
    bool finished;              /* or failed: nobody is going to complete it */
    bool pinned;                /* read, downloaded, uploaded or leased: it stays */
    enum reclaim_reason reason; /* the answer */
};

struct reclaim_limits {
    int64_t now;             /* seconds since 1970 */
    int64_t ttl;             /* seconds without use after which a task goes; 0: never */
    uint64_t capacity, used; /* bytes that the store may use, bytes in use */
    unsigned high, low;      /* percent of the capacity: from `high` on the oldest go until `low`; 0: never */
    uint64_t disk_free;      /* bytes that the disk has left; UINT64_MAX: the capacity says it */
    uint64_t wanted;         /* bytes that must become, or be, free */
};

/* Sets every item's reason and sorts the list, those that are to go first and in their order. Returns how
 * many these are. When `wanted` cannot be had, nothing goes for it. *ret_room: `wanted` will be free. */
size_t reclaim(struct reclaim_item *items, size_t count, const struct reclaim_limits *limits, bool *ret_room);

#endif
