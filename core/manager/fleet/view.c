/* The picture that is in use; see fleet.h. */
#include "core/manager/fleet/fleet.h"

#include "core/base/clock.h"

#include <pthread.h>
#include <stdlib.h>

struct fleet_view {
    struct store *store;
    pthread_mutex_t reading; /* one at a time; others wait for what it finds */
    pthread_mutex_t lock;    /* what follows */
    const struct fleet *fleet;
    uint64_t read_ms;
    uint64_t changes, read_changes; /* how many there were; and when the picture was begun */
};

int fleet_view_new(struct store *store, struct fleet_view **ret_view, struct dtr_error *err)
{
    struct fleet_view *view = calloc(1, sizeof(*view));
    if (!view)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the clusters");
    view->store = store;
    (void)pthread_mutex_init(&view->reading, NULL);
    (void)pthread_mutex_init(&view->lock, NULL);
    *ret_view = view;
    return DTR_OK;
}

void fleet_view_free(struct fleet_view *view)
{
    if (!view)
        return;
    fleet_done(view->fleet);
    (void)pthread_mutex_destroy(&view->reading);
    (void)pthread_mutex_destroy(&view->lock);
    free(view);
}

void fleet_changed(struct fleet_view *view)
{
    (void)pthread_mutex_lock(&view->lock);
    view->changes++;
    (void)pthread_mutex_unlock(&view->lock);
}

/* A reference when the picture is as good as a new one; `any`: also when it is not. */
static const struct fleet *take(struct fleet_view *view, bool any)
{
    const struct fleet *fleet = NULL;
    (void)pthread_mutex_lock(&view->lock);
    bool fresh = view->read_changes == view->changes && dtr_now_ms() - view->read_ms < FLEET_FRESH_MS;
    if (view->fleet && (any || fresh))
        fleet = view->fleet;
    if (fleet)
        fleet_hold(fleet);
    (void)pthread_mutex_unlock(&view->lock);
    return fleet;
}

static int read_it(struct store_db *db, void *context, struct dtr_error *err)
{
    return fleet_read(db, context, err);
}

static int renew(struct fleet_view *view, struct dtr_error *err)
{
    const struct fleet *fleet = NULL, *old = NULL;
    (void)pthread_mutex_lock(&view->lock);
    uint64_t changes = view->changes;
    (void)pthread_mutex_unlock(&view->lock);
    int rc = store_read(view->store, read_it, &fleet, err);
    (void)pthread_mutex_lock(&view->lock);
    view->read_ms = dtr_now_ms();
    if (rc == DTR_OK) {
        old = view->fleet;
        view->fleet = fleet;
        view->read_changes = changes;
    } else if (view->fleet) {
        view->read_changes = view->changes; /* not tried again before its time */
    }
    (void)pthread_mutex_unlock(&view->lock);
    fleet_done(old);
    return rc;
}

int fleet_get(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err)
{
    int rc = DTR_OK;
    *ret_fleet = take(view, false);
    if (*ret_fleet)
        return DTR_OK;
    (void)pthread_mutex_lock(&view->reading);
    *ret_fleet = take(view, false);
    if (!*ret_fleet)
        rc = renew(view, err);
    (void)pthread_mutex_unlock(&view->reading);
    if (!*ret_fleet)
        *ret_fleet = take(view, true);
    return *ret_fleet ? DTR_OK : rc;
}
