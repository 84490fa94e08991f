/* Which schedulers and seed peers have fallen silent, as this manager has seen itself.
 *
 * Dates in rows are not compared with this machine's: another manager may have written them, and clocks jump.
 * What counts is how long, by the steady clock, a row has not changed before the eyes of this manager. So
 * whoever does not look for a while (it was stopped, or the database was away) has seen nothing, and begins
 * anew.
 *
 * Blocking; on worker threads, one call at a time. */
#ifndef DTR_MANAGER_SILENCE_H
#define DTR_MANAGER_SILENCE_H

#include "core/manager/fleet/fleet.h"

#include <stdbool.h>

enum {
    SILENCE_INTERVALS = 3, /* of its keep-alive: then a member is not there any more, */
    SILENCE_LEAST_MS = 15000,
    SILENCE_REAP_MS = 30 * 60000, /* and so long after that its row goes */
    SILENCE_BEGIN_MS = 20000,     /* of looking, before anything is judged: they need time to come back */
    SILENCE_GAP_MS = 10000,       /* between two looks: more is not looking */
};

enum silence_kind { SILENCE_SCHEDULERS, SILENCE_SEEDS, SILENCE_KINDS };

struct silence;

/* What it changes is by way of `view`, which outlives it. NULL: out of memory. */
struct silence *silence_new(struct fleet_view *view);
void silence_free(struct silence *silence);

/* Looks at all rows; those that are active and were silent for too long become inactive. `now_ms` is the
 * steady clock. After an error it begins anew. */
int silence_look(struct silence *silence, struct store *store, uint64_t now_ms, struct dtr_error *err);
/* Deletes those that were inactive for SILENCE_REAP_MS until the last look. */
int silence_reap(struct silence *silence, enum silence_kind kind, int64_t *ret_reaped, struct dtr_error *err);

#endif
