/* What core does with the plan of a runtime module: show it, write it, take it back.
 *
 * Writing is safe to interrupt at any point: a journal with the old texts is on disk before the first file
 * changes, each file is replaced as a whole (write aside, fsync, rename), and undo works from whatever
 * state is found. Not for making plans. Blocking; any one thread. */
#ifndef DTR_TOOLS_PLAN_H
#define DTR_TOOLS_PLAN_H

#include "core/base/str.h"

#include <darter/error.h>
#include <darter/runtime.h>
#include <stdbool.h>
#include <stdio.h>

#define DTR_PLAN_JOURNAL "/var/lib/dragonfly/init-journal.json"

struct dtr_plan_options {
    const char *journal; /* NULL: DTR_PLAN_JOURNAL */
    bool dry_run;        /* undo only: print the differences, change nothing */
    /* Called before each file that changes, with its path; may be NULL. A negative return stops there as
     * a crash would: what is written stays, and undo takes it back. */
    int (*step)(void *context, const char *path, struct dtr_error *err);
    void *context;
};

/* Appends a unified diff of one change (3 lines of context), as `patch` reads it; nothing when both texts
 * are equal. `colour` adds terminal colours. A failure sticks in the string. */
void dtr_plan_diff(const struct dtr_runtime_change *change, bool colour, struct dtr_str *text);

/* Writes the plan's files. A file whose text is no longer old_text makes it fail before anything changes;
 * one that has its new text already is passed over, so a plan can be applied again after a crash. */
int dtr_plan_apply(const struct dtr_runtime_plan *plan, const struct dtr_plan_options *options,
                   struct dtr_error *err);

/* Takes back every plan in the journal, the last first, and removes the folders that were made and the
 * journal. When a file is neither what was written nor what was there before, it names that file and
 * changes nothing. Prints a line per file and what must be restarted to `out` (which may be NULL).
 * DTR_ENOT_FOUND: there is no journal. */
int dtr_plan_undo(const struct dtr_plan_options *options, FILE *out, struct dtr_error *err);

#endif
