/* Which of some schedulers serve: a health check of each, all at once, as Dragonfly's dfdaemon does before it
 * uses one. Control loop only. */
#ifndef DTR_DAEMON_MANAGED_HEALTH_H
#define DTR_DAEMON_MANAGED_HEALTH_H

#include "core/daemon/talk/talk.h"

struct health;

/* `done` comes once, later, when each has answered or had 3 s for it: by scheduler, whether it says that it
 * serves; the array is gone afterwards, and so is the health. `list` is copied. */
int health_ask(const struct dtr_daemon *daemon, const struct talk_place *list, size_t count,
               void (*done)(void *context, const bool *serves), void *context, struct health **ret_health,
               struct dtr_error *err);
/* `done` comes soon. */
void health_cancel(struct health *health);

#endif
