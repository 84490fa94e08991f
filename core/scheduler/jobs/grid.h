/* Questions to hosts about objects, and which of them is asked next: so many objects at a time, so many hosts
 * of each at a time, objects in the order in which they were added. One that fails stops no other.
 *
 * Pure. Objects and hosts are the caller's numbers. One thread. */
#ifndef DTR_SCHEDULER_GRID_H
#define DTR_SCHEDULER_GRID_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRID_ROWS_MOST = 1 << 20 }; /* questions of one grid */

/* name, as it is told */
#define GRID_STATES(X)                                                                                       \
    X(WAITING, "waiting")                                                                                    \
    X(RUNNING, "running")                                                                                    \
    X(DONE, "done")                                                                                          \
    X(FAILED, "failed")

enum grid_state {
#define GRID_STATE_ENUM(name, text) GRID_##name,
    GRID_STATES(GRID_STATE_ENUM)
#undef GRID_STATE_ENUM
};

struct grid_row {
    uint32_t object, host;
    enum grid_state state;
    char *why; /* it failed; NULL when it did not, or when there was no memory for the reason */
};

struct grid_limits {
    uint32_t objects; /* that are asked about at a time; at least 1 */
    uint32_t hosts;   /* that are asked about one object at a time; at least 1 */
};

struct grid;

int grid_new(const struct grid_limits *limits, struct grid **ret_grid, struct dtr_error *err);
/* NULL is fine. */
void grid_free(struct grid *grid);
/* The next object, with the hosts that are asked about it. Before the first grid_next(). DTR_EINVALID: these
 * are more than GRID_ROWS_MOST questions. */
int grid_add(struct grid *grid, const uint32_t *hosts, size_t count, struct dtr_error *err);
/* The question to ask now, which is running from here on; false: none, until one ends. */
bool grid_next(struct grid *grid, size_t *ret_row);
/* A running question ended: well (`why` NULL), or not. Copies `why`. */
void grid_ended(struct grid *grid, size_t row, const char *why);
/* All that wait fail for this reason; those that run go on. */
void grid_stop(struct grid *grid, const char *why);
/* Nothing waits and nothing runs. */
bool grid_over(const struct grid *grid);
/* Row by row, those of one object beside each other. Valid until the next change. */
const struct grid_row *grid_rows(const struct grid *grid, size_t *ret_count);
const char *grid_state_text(enum grid_state state);

#endif
