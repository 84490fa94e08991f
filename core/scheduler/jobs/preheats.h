/* The preheats that a scheduler knows of, by the ids that their callers gave them. Bounded in number, in age
 * and in rows: of those that have ended the oldest is forgotten first.
 *
 * Pure; times are the caller's. One thread. */
#ifndef DTR_SCHEDULER_PREHEATS_H
#define DTR_SCHEDULER_PREHEATS_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/scheduler/jobs/plan.h"

enum {
    PREHEATS_RUNNING_MOST = 64,
    PREHEATS_MOST = 256,
    PREHEATS_ROWS_MOST = 2 * GRID_ROWS_MOST, /* of those that have ended */
    PREHEATS_AGE_MS = 3600 * 1000,           /* since the end */
    PREHEAT_ID_MOST = 128,
};

struct preheat {
    struct dtr_map_node node;
    struct dtr_list link; /* in running or ended, oldest first */
    struct plan plan;
    bool over;
    uint64_t over_ms;
    char error[512];              /* it could not be begun, or ran out of time; "": neither */
    char id[PREHEAT_ID_MOST + 1]; /* "": nobody will ask for it */
};

struct preheats {
    struct dtr_map by_id;
    struct dtr_list running, ended;
    size_t running_count, ended_count, ended_rows;
};

void preheats_init(struct preheats *preheats);
/* Forgets all; none is used any more. */
void preheats_free(struct preheats *preheats);
/* Whether a caller may use this id: 1 to PREHEAT_ID_MOST characters without blanks. */
int preheats_check_id(const char *id, struct dtr_error *err);
/* The one of this id, or NULL. Forgets those that are too old. */
struct preheat *preheats_find(struct preheats *preheats, uint64_t now_ms, const char *id);
/* A new one that runs, in the place of one that has ended under the same id. It is not to be called while one
 * of this id runs. `id` "": nobody will ask for it. Valid until preheats_end(). DTR_ELIMIT: too many run. */
int preheats_begin(struct preheats *preheats, uint64_t now_ms, const char *id, struct preheat **ret_preheat,
                   struct dtr_error *err);
/* It ended; `error` (or NULL) is copied. */
void preheats_end(struct preheats *preheats, uint64_t now_ms, struct preheat *preheat, const char *error);

#endif
