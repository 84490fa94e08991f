/* A set of byte positions kept as sorted, disjoint, non-touching half-open ranges [start, end).
 * One thread at a time. */
#ifndef DTR_BASE_RANGES_H
#define DTR_BASE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_range {
    uint64_t start, end;
};

struct dtr_ranges {
    struct dtr_range *list;
    size_t count, capacity;
};

void dtr_ranges_free(struct dtr_ranges *set);
/* False: out of memory, the set is unchanged. Empty ranges are accepted and change nothing. */
bool dtr_ranges_add(struct dtr_ranges *set, uint64_t start, uint64_t end);
bool dtr_ranges_remove(struct dtr_ranges *set, uint64_t start, uint64_t end);
bool dtr_ranges_has(const struct dtr_ranges *set, uint64_t start, uint64_t end);
/* End of the run that covers `at`, or `at` when it is not in the set. */
uint64_t dtr_ranges_run(const struct dtr_ranges *set, uint64_t at);
/* The first gap at or after `at` and before `limit`; false when there is none. */
bool dtr_ranges_gap(const struct dtr_ranges *set, uint64_t at, uint64_t limit, struct dtr_range *ret_gap);
/* Bytes in the set. */
uint64_t dtr_ranges_total(const struct dtr_ranges *set);

#endif
