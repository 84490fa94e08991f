/* Acting on files as somebody else, on the calling thread only: for what a local caller wants to have
 * written. Permissions, quotas and ownership of new files are then the caller's. Blocks nothing. */
#ifndef DTR_DAEMON_ACT_AS_H
#define DTR_DAEMON_ACT_AS_H

#include "core/net/stream.h"

/* Who the thread was. */
struct acting {
    struct dtr_cred self;
    bool switched;
};

/* DTR_EDENIED: this process may not act as others. Afterwards act_as_self(), whatever happens in between. */
int act_as(const struct dtr_cred *cred, struct acting *acting, struct dtr_error *err);
void act_as_self(struct acting *acting);

#endif
