/* What there is: every cluster with its scopes, schedulers and seed peers, as the database had it at one
 * moment.
 *
 * A picture never changes, so any thread may read it; whoever has one holds a reference. Daemons ask each
 * minute, so one picture answers all of them for FLEET_FRESH_MS; what this manager changes is seen at once
 * (fleet_changed()), what another one changes within that time. While the database is away the last picture
 * stays in use. */
#ifndef DTR_MANAGER_FLEET_H
#define DTR_MANAGER_FLEET_H

#include "core/brain/scope.h"
#include "core/manager/store/store.h"

enum { FLEET_FRESH_MS = 2000 };

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
};

struct fleet {
    const struct fleet_cluster *clusters; /* by id */
    size_t count;
};

/* Reads the rows. A stored scope that is invalid is passed over and logged. Give it back by fleet_done(). */
int fleet_read(struct store_db *db, const struct fleet **ret_fleet, struct dtr_error *err);
void fleet_done(const struct fleet *fleet);
/* Another reference. */
void fleet_hold(const struct fleet *fleet);
/* NULL when there is none. */
const struct fleet_cluster *fleet_find(const struct fleet *fleet, int64_t cluster_id);

/* --- the one that is in use ---------------------------------------------------------------------------- */

struct fleet_view;

int fleet_view_new(struct store *store, struct fleet_view **ret_view, struct dtr_error *err);
/* When no work is under way. NULL is fine. */
void fleet_view_free(struct fleet_view *view);
/* Any worker thread. Fails only while there has never been a picture. */
int fleet_get(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err);
/* Rows have changed: who asks from now on gets a picture that has it. */
void fleet_changed(struct fleet_view *view);

#endif
