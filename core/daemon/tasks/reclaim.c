/* See reclaim.h. */
#include "core/daemon/tasks/reclaim.h"

#include <stdlib.h>

static int by_last_use(const void *left, const void *right)
{
    const struct reclaim_item *a = left, *b = right;
    if ((a->reason == RECLAIM_NONE) != (b->reason == RECLAIM_NONE))
        return a->reason == RECLAIM_NONE ? 1 : -1;
    if (a->used_at != b->used_at)
        return a->used_at < b->used_at ? -1 : 1;
    return a->created_at < b->created_at ? -1 : a->created_at > b->created_at;
}

/* A clock that was set back makes no task old, and one from the future is as young as can be. */
static bool is_older(int64_t since, int64_t age, int64_t now)
{
    return since <= now && now - since >= age;
}

static uint64_t percent(uint64_t capacity, unsigned share)
{
    return capacity / 100 * share + capacity % 100 * share / 100;
}

static bool may_go(const struct reclaim_item *item, int64_t now)
{
    return item->reason == RECLAIM_NONE && !item->pinned && item->bytes > 0 &&
           (item->finished || is_older(item->created_at, RECLAIM_UNFINISHED_S, now));
}

static uint64_t less(uint64_t used, uint64_t bytes)
{
    return used > bytes ? used - bytes : 0;
}

/* Takes the oldest until no more than `target` is used; returns what is used then. */
static uint64_t take_oldest(struct reclaim_item *items, size_t count, int64_t now, uint64_t used,
                            uint64_t target)
{
    for (size_t i = 0; i < count && used > target; i++) {
        if (!may_go(&items[i], now))
            continue;
        items[i].reason = RECLAIM_SPACE;
        used = less(used, items[i].bytes);
    }
    return used;
}

static uint64_t least_use(const struct reclaim_item *items, size_t count, int64_t now, uint64_t used)
{
    for (size_t i = 0; i < count; i++) {
        if (may_go(&items[i], now))
            used = less(used, items[i].bytes);
    }
    return used;
}

static bool has_room(const struct reclaim_limits *limits, uint64_t used)
{
    return limits->wanted <= limits->capacity && used <= limits->capacity - limits->wanted;
}

/* The disk may be fuller than the part of it that is ours. */
static uint64_t with_disk(const struct reclaim_limits *limits, uint64_t used)
{
    uint64_t gained = less(limits->used, used), left;
    if (__builtin_add_overflow(limits->disk_free, gained, &left) || left >= limits->capacity)
        return used;
    return limits->capacity - left > used ? limits->capacity - left : used;
}

size_t reclaim(struct reclaim_item *items, size_t count, const struct reclaim_limits *limits, bool *ret_room)
{
    uint64_t used = limits->used, capacity = limits->capacity;
    size_t going = 0;
    *ret_room = has_room(limits, with_disk(limits, used));
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        bool old =
            limits->ttl > 0 && !items[i].pinned && is_older(items[i].used_at, limits->ttl, limits->now);
        items[i].reason = old ? RECLAIM_AGE : RECLAIM_NONE;
        used = old ? less(used, items[i].bytes) : used;
    }
    qsort(items, count, sizeof(*items), by_last_use);
    if (limits->high > 0 && capacity > 0 && used >= percent(capacity, limits->high))
        used = take_oldest(items, count, limits->now, used, percent(capacity, limits->low));
    if (limits->wanted > 0)
        used = with_disk(limits, used);
    if (!has_room(limits, used) && has_room(limits, least_use(items, count, limits->now, used)))
        used = take_oldest(items, count, limits->now, used, capacity - limits->wanted);
    *ret_room = has_room(limits, used);
    qsort(items, count, sizeof(*items), by_last_use);
    while (going < count && items[going].reason != RECLAIM_NONE)
        going++;
    return going;
}
