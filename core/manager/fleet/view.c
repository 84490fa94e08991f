/* The picture that is in use; see fleet.h. */
#include "core/manager/fleet/fleet.h"

#include "core/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct fleet_view {
    struct store *store;
    pthread_mutex_t reading; /* one at a time; others wait for what it finds */
    pthread_mutex_t lock;    /* what follows */
    const struct fleet *fleet;
    uint64_t reads, read;           /* how many were begun; and which one made the picture */
    uint64_t read_ms, cost_ms;      /* when it was read, and how much processor time that took */
    uint64_t changes, read_changes; /* how many there were; and when the picture was begun */
    uint64_t own_changes;           /* of `changes`, those of this manager */
    uint64_t changing;              /* that are in the database, or not, by now: a picture may lack them */
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

struct doing {
    struct fleet_view *view;
    store_work *work;
    void *context;
    fleet_did *did;
    bool told; /* it counts as one that is changing something */
};

/* It may run several times. */
static int do_and_tell(struct store_db *db, void *context, struct dtr_error *err)
{
    struct doing *doing = context;
    int rc = doing->work(db, doing->context, err);
    if (rc != DTR_OK || doing->told || (doing->did && !doing->did(doing->context)))
        return rc;
    doing->told = true;
    (void)pthread_mutex_lock(&doing->view->lock);
    doing->view->changing++;
    (void)pthread_mutex_unlock(&doing->view->lock);
    return rc;
}

int fleet_do(struct fleet_view *view, store_work *work, void *context, fleet_did *did, struct dtr_error *err)
{
    struct doing doing = {view, work, context, did, false};
    int rc = store_do(view->store, do_and_tell, &doing, err);
    if (!doing.told)
        return rc;
    (void)pthread_mutex_lock(&view->lock);
    view->changing--;
    view->changes++;
    view->own_changes++;
    (void)pthread_mutex_unlock(&view->lock);
    return rc;
}

void fleet_heard(struct fleet_view *view)
{
    (void)pthread_mutex_lock(&view->lock);
    view->changes++;
    (void)pthread_mutex_unlock(&view->lock);
}

uint64_t fleet_changes(struct fleet_view *view)
{
    (void)pthread_mutex_lock(&view->lock);
    uint64_t changes = view->own_changes;
    (void)pthread_mutex_unlock(&view->lock);
    return changes;
}

/* How good a picture must be. */
enum need { NEED_ANY, NEED_RECENT, NEED_ALL };

bool fleet_is_recent(uint64_t age_ms, uint64_t cost_ms, bool changed)
{
    bool rests = cost_ms >= FLEET_SMALL_MS && age_ms < FLEET_REST * cost_ms;
    return age_ms < FLEET_FRESH_MS && (!changed || rests);
}

static bool good(const struct fleet_view *view, enum need need)
{
    uint64_t age_ms = dtr_now_ms() - view->read_ms;
    bool changed = view->read_changes != view->changes || view->changing > 0;
    if (need == NEED_ALL)
        return age_ms < FLEET_FRESH_MS && !changed;
    return need == NEED_ANY || fleet_is_recent(age_ms, view->cost_ms, changed);
}

/* A reference when the picture is as good as it must be, or was begun after the first `reads` of them. */
static const struct fleet *take(struct fleet_view *view, enum need need, uint64_t reads)
{
    const struct fleet *fleet = NULL;
    (void)pthread_mutex_lock(&view->lock);
    if (view->fleet && (view->read > reads || good(view, need)))
        fleet = view->fleet;
    if (fleet)
        fleet_hold(fleet);
    (void)pthread_mutex_unlock(&view->lock);
    return fleet;
}

static uint64_t processor_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int read_it(struct store_db *db, void *context, struct dtr_error *err)
{
    return fleet_read(db, 0, context, err);
}

static int renew(struct fleet_view *view, struct dtr_error *err)
{
    const struct fleet *fleet = NULL, *old = NULL;
    (void)pthread_mutex_lock(&view->lock);
    uint64_t changes = view->changes, read = ++view->reads;
    (void)pthread_mutex_unlock(&view->lock);
    uint64_t start = processor_ms();
    int rc = store_read(view->store, read_it, &fleet, err);
    (void)pthread_mutex_lock(&view->lock);
    view->read_ms = dtr_now_ms();
    view->cost_ms = processor_ms() - start;
    view->read = read;
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

static int get(struct fleet_view *view, enum need need, const struct fleet **ret_fleet, struct dtr_error *err)
{
    int rc = DTR_OK;
    (void)pthread_mutex_lock(&view->lock);
    const uint64_t reads = view->reads;
    (void)pthread_mutex_unlock(&view->lock);
    *ret_fleet = take(view, need, reads);
    if (*ret_fleet)
        return DTR_OK;
    (void)pthread_mutex_lock(&view->reading);
    *ret_fleet = take(view, need, reads);
    if (!*ret_fleet)
        rc = renew(view, err);
    (void)pthread_mutex_unlock(&view->reading);
    if (!*ret_fleet)
        *ret_fleet = take(view, NEED_ANY, reads);
    return *ret_fleet ? DTR_OK : rc;
}

int fleet_get(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err)
{
    return get(view, NEED_ALL, ret_fleet, err);
}

int fleet_get_recent(struct fleet_view *view, const struct fleet **ret_fleet, struct dtr_error *err)
{
    return get(view, NEED_RECENT, ret_fleet, err);
}
