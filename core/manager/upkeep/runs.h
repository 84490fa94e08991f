/* What is cleared away from time to time: old audits and jobs, members and peers that are long gone. Each run
 * leaves a row of `jobs` that says how it went, as Dragonfly's do: type "gc", args {"type":"job"}, result
 * {"purged":12}. Of several managers one does it. Blocking; on worker threads, one call for a kind at a time.
 */
#ifndef DTR_MANAGER_RUNS_H
#define DTR_MANAGER_RUNS_H

#include "core/manager/upkeep/silence.h"

enum run_kind { RUN_JOBS, RUN_AUDITS, RUN_SCHEDULERS, RUN_SEEDS, RUN_PEERS, RUN_KINDS };

enum {
    RUN_FIRST_MS = 5 * 60000, /* after the start, when the last run of any manager is that long ago; */
    /* that of peers comes when they have been refreshed: managers may have been off for days. */
    RUN_PEERS_FIRST_MS = 30 * 60000,
};

/* When they are due, by the steady clock. */
struct runs {
    uint64_t due_ms[RUN_KINDS];
    uint64_t sync_every_ms; /* see upkeep_expire_peers() */
};
void runs_init(struct runs *runs, uint64_t sync_every_ms, uint64_t now_ms);

/* Does it when it is due, by this manager's clock and by what rows of `jobs` say of others. `silence` is for
 * RUN_SCHEDULERS and RUN_SEEDS. A failure is in the row, and logged; what cannot even be written down comes
 * back, and is tried again a minute later. */
int runs_do(struct runs *runs, enum run_kind kind, struct store *store, struct silence *silence,
            uint64_t now_ms, struct dtr_error *err);

/* Does RUN_JOBS or RUN_AUDITS at once, since a user wants it; *ret_id is its row, whose state says how it
 * went. DTR_ETIMEOUT: somebody is at it. */
struct run_order {
    enum run_kind kind;
    int64_t user_id;
    const char *bio;
};
int runs_order(struct store *store, const struct run_order *order, int64_t *ret_id, struct dtr_error *err);

#endif
