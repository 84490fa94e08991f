/* A configuration in the place of the one in charge, while the program runs: what is different, and taking it
 * over. */
#ifndef DTR_CONF_CHANGE_H
#define DTR_CONF_CHANGE_H

#include "core/conf/conf.h"

enum dtr_conf_change {
    DTR_CHANGE_NOW,     /* the key is reloadable */
    DTR_CHANGE_RESTART, /* it counts at the next start */
    DTR_CHANGE_NEVER,   /* it has no effect, now or then */
};

/* Tells of every key whose value differs, in the order of the table; both are of one role. `text` is "KEY OLD
 * -> NEW", long values cut and secrets masked, until `each` returns. */
void dtr_conf_compare(const struct dtr_conf *charge, const struct dtr_conf *next,
                      void (*each)(void *context, enum dtr_conf_change kind, const char *text),
                      void *context);
/* Gives the struct of `charge` the values of reloadable keys, in place: whoever has a pointer to the struct
 * sees them, on the thread that calls. The others stay. `next` belongs to `charge` from here on, and what it
 * took before this is freed: a text of a reloadable key lasts until the next take, so who keeps one copies
 * it. */
void dtr_conf_take(struct dtr_conf *charge, struct dtr_conf *next);

#endif
