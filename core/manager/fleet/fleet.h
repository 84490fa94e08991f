/* What there is: every cluster with its scopes, schedulers and seed peers, as the database had it at one
 * moment.
 *
 * A picture never changes, so any thread may read it; whoever has one holds a reference. Daemons ask each
 * minute, so one picture answers all of them for FLEET_FRESH_MS; what this manager changes (fleet_do()) is in
 * what is asked for afterwards, what another one changes within that time, or sooner (news.h). A large
 * picture is not read again for each of many changes: see fleet_get_recent(). While the database is away the
 * last picture stays in use. */
#ifndef DTR_MANAGER_FLEET_H
#define DTR_MANAGER_FLEET_H

#include "core/brain/scope.h"
#include "core/manager/store/store.h"

enum {
    FLEET_FRESH_MS = 2000,
    FLEET_SMALL_MS = 5, /* of processor time to read it: then it is read as often as it changes */
    FLEET_REST = 9,     /* a larger one is not read for so many times the time that it took */
};

#define FLEET_ACTIVE   "active"
#define FLEET_INACTIVE "inactive"

/* Texts are never NULL; idc and location are "" when they were not said. */
struct fleet_scheduler {
    int64_t id;
    const char *hostname, *idc, *location, *ip, *state, *features; /* features: a JSON array */
    int64_t port, cluster_id;
    bool usable; /* active, and it schedules */
};

struct fleet_seed {
    int64_t id;
    const char *hostname, *type, *idc, *location, *ip, *state;
    int64_t port, download_port, cluster_id; /* of the seed peer cluster */
};

struct fleet_cluster {
    int64_t id;
    const char *name, *bio, *config, *client_config, *scopes; /* the last three: JSON objects */
    struct dtr_scope *scope;
    bool is_default;
    /* The seed peer cluster that is linked to it; id 0: none. */
    struct {
        int64_t id;
        const char *name, *bio, *config;
        const char *client_config; /* JSON: what of `config` is for the seed peers themselves */
    } seeds;
    const struct fleet_scheduler *schedulers; /* by id */
    size_t scheduler_count;
    const struct fleet_seed *seed_peers; /* by id */
    size_t seed_count;
    bool usable; /* one of its schedulers is */
    /* A ListSchedulersResponse with those that are usable, packed; with all when none is, since they may be
     * better than the manager knows. Several of them one after the other are an answer too. */
    uint8_t *offer;
    size_t offer_size;
};

struct fleet {
    const struct fleet_cluster *clusters; /* by id */
    size_t count;
};

/* Reads the rows of one cluster, or (0) of all. A stored scope that is invalid is passed over and logged.
 * Give it back by fleet_done(). */
int fleet_read(struct store_db *db, int64_t cluster_id, const struct fleet **ret_fleet,
               struct dtr_error *err);
void fleet_done(const struct fleet *fleet);
/* Another reference. */
void fleet_hold(const struct fleet *fleet);
/* NULL when there is none. */
const struct fleet_cluster *fleet_find(const struct fleet *fleet, int64_t cluster_id);
/* How many of its schedulers a peer can be told of. */
size_t fleet_usable(const struct fleet_cluster *cluster);

/* --- the one that is in use ---------------------------------------------------------------------------- */

struct fleet_view;

int fleet_view_new(struct store *store, struct fleet_view **ret_view, struct dtr_error *err);
/* When no work is under way. NULL is fine. */
void fleet_view_free(struct fleet_view *view);
/* Any worker thread. Fails only while there has never been a picture. */
int fleet_get(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err);
/* The same, where it does not matter when the picture lacks what changed in the last moments: at most a tenth
 * of a worker's time goes into reading a large one, however often something changes. */
int fleet_get_recent(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err);
/* That rule: whether a picture that was read so long ago, in so much processor time, will do. Pure. */
bool fleet_is_recent(uint64_t age_ms, uint64_t cost_ms, bool changed);
/* Whether work that went well has changed rows which a picture shows, as its context says. */
typedef bool fleet_did(const void *context);
/* store_do() with the store of `view`, for all such work: whoever has seen in the database what it changed
 * sees it in a picture that he asks for afterwards. `did` NULL: it always has. Any worker thread. */
int fleet_do(struct fleet_view *view, store_work *work, void *context, fleet_did *did, struct dtr_error *err);
/* Another manager has changed rows: who asks from now on gets a picture that has it. */
void fleet_heard(struct fleet_view *view);
/* How often fleet_do() has changed something. */
uint64_t fleet_changes(struct fleet_view *view);
/* Whether a picture shows rows of this table. */
bool fleet_shows(const char *table);

#endif
