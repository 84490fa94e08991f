/* The scheduler under a manager (manager.addr; wire page 5.2): it makes itself known (UpdateScheduler), shows
 * that it lives (KeepAlive, a stream), and asks every dynConfig.refreshInterval for what dynconfig.yaml says
 * otherwise: limits of its cluster and the applications' priorities (GetScheduler, ListApplications). It
 * makes itself known once, and again to a manager that has forgotten it.
 *
 * The scheduler serves whether or not the manager is there. The last answers count meanwhile, over a restart
 * too (server.cacheDir). One loop; everything is called on its thread, or before it runs. */
#ifndef DTR_SCHEDULER_REGISTRATION_H
#define DTR_SCHEDULER_REGISTRATION_H

#include "core/conf/dynconfig.h"
#include "core/conf/scheduler_config.h"
#include "core/loop/loop.h"

struct registration;

struct registration_options {
    struct dtr_loop *loop;
    const struct dtr_scheduler_config *config; /* names a manager; outlives it */
    uint16_t port;                             /* it listens there */
    bool preheats;                             /* the feature "preheat" is announced too */
    /* Limits that count where the cluster sets none. */
    int64_t candidate_parent_limit, filter_parent_limit;
    /* What the manager says, or said before a restart, whether anything changed or not; gone afterwards. From
     * inside registration_open() too. */
    void (*taken)(void *context, const struct dtr_dynconfig *dynconfig);
    void *context;
};

int registration_open(const struct registration_options *options, struct registration **ret_registration,
                      struct dtr_error *err);
/* dynConfig.refreshInterval has another value. NULL is fine. */
void registration_interval(struct registration *registration);
/* The manager hears that it goes. `closed` comes when that is done, at once for NULL. */
void registration_close(struct registration *registration, void (*closed)(void *context), void *context);

#endif
