/* Sorted disjoint ranges; see ranges.h. */
#include "core/base/ranges.h"

#include <stdlib.h>
#include <string.h>

void dtr_ranges_free(struct dtr_ranges *set)
{
    free(set->list);
    *set = (struct dtr_ranges){0};
}

/* Index of the first range that ends at or after `at` (touching counts when `touch`). */
static size_t lower_bound(const struct dtr_ranges *set, uint64_t at, bool touch)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t end = set->list[middle].end;
        if (touch ? end < at : end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool room(struct dtr_ranges *set, size_t more)
{
    if (set->count + more <= set->capacity)
        return true;
    size_t capacity = set->capacity ? set->capacity * 2 : 4;
    struct dtr_range *list = realloc(set->list, capacity * sizeof(*list));
    if (!list)
        return false;
    set->list = list;
    set->capacity = capacity;
    return true;
}

/* Replaces list[first, last) by `count` new ranges; there is room. */
static void splice(struct dtr_ranges *set, size_t first, size_t last, const struct dtr_range *with,
                   size_t count)
{
    memmove(set->list + first + count, set->list + last, (set->count - last) * sizeof(*set->list));
    for (size_t i = 0; i < count; i++)
        set->list[first + i] = with[i];
    set->count = set->count - (last - first) + count;
}

bool dtr_ranges_add(struct dtr_ranges *set, uint64_t start, uint64_t end)
{
    if (start >= end)
        return true;
    if (!room(set, 1))
        return false;
    size_t first = lower_bound(set, start, true), last = first;
    struct dtr_range merged = {start, end};
    while (last < set->count && set->list[last].start <= end) {
        if (set->list[last].start < merged.start)
            merged.start = set->list[last].start;
        if (set->list[last].end > merged.end)
            merged.end = set->list[last].end;
        last++;
    }
    splice(set, first, last, &merged, 1);
    return true;
}

bool dtr_ranges_remove(struct dtr_ranges *set, uint64_t start, uint64_t end)
{
    if (start >= end || set->count == 0)
        return true;
    if (!room(set, 1))
        return false;
    size_t first = lower_bound(set, start, false), last = first, count = 0;
    struct dtr_range kept[2];
    while (last < set->count && set->list[last].start < end)
        last++;
    if (first == last)
        return true;
    struct dtr_range left = set->list[first], right = set->list[last - 1];
    if (left.start < start)
        kept[count++] = (struct dtr_range){left.start, start};
    if (right.end > end)
        kept[count++] = (struct dtr_range){end, right.end};
    splice(set, first, last, kept, count);
    return true;
}

uint64_t dtr_ranges_run(const struct dtr_ranges *set, uint64_t at)
{
    size_t i = lower_bound(set, at, false);
    return i < set->count && set->list[i].start <= at ? set->list[i].end : at;
}

bool dtr_ranges_has(const struct dtr_ranges *set, uint64_t start, uint64_t end)
{
    return start >= end || dtr_ranges_run(set, start) >= end;
}

bool dtr_ranges_gap(const struct dtr_ranges *set, uint64_t at, uint64_t limit, struct dtr_range *ret_gap)
{
    uint64_t start = dtr_ranges_run(set, at);
    if (start >= limit)
        return false;
    size_t i = lower_bound(set, start, false);
    uint64_t end = i < set->count && set->list[i].start < limit ? set->list[i].start : limit;
    *ret_gap = (struct dtr_range){start, end};
    return true;
}

uint64_t dtr_ranges_total(const struct dtr_ranges *set)
{
    uint64_t total = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->list[i].end - set->list[i].start;
    return total;
}
