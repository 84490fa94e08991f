/* For tests: a manager on loopback that a test plays. Its answers are the test's; what it was asked is
 * counted. Everything on the test's loop. */
#ifndef DTR_MANAGED_STUB_H
#define DTR_MANAGED_STUB_H

#include "core/rpc/methods.h"
#include "proto/manager.pb-c.h"

struct stub_manager {
    struct dtr_loop *loop;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct dtr_addr addr;
    char text[DTR_ADDR_TEXT]; /* "127.0.0.1:port" */

    /* Answers. NULL: NOT_FOUND. */
    const Manager__V2__ListSchedulersResponse *schedulers;
    const Manager__V2__Scheduler *scheduler; /* to UpdateScheduler and GetScheduler */
    const Manager__V2__SeedPeer *seed;       /* to UpdateSeedPeer */
    const Manager__V2__ListApplicationsResponse *applications;
    bool mute; /* calls but Health/Check get no answer */

    /* What it was asked, and in which words last. */
    int listed, updated, seeded, got, applied, streams, alive;
    char request[1024];          /* of ListSchedulers or UpdateScheduler: the fields, one after the other */
    char seed_request[1024];     /* of UpdateSeedPeer */
    char beat[512];              /* of KeepAlive */
    struct dtr_rpc_call *stream; /* KeepAlive, open; or NULL */
};

/* At a free port, or at `at` again. */
void stub_manager_open(struct stub_manager *stub, struct dtr_loop *loop, const struct dtr_addr *at);
/* Turns the loop until it is gone; again: nothing. */
void stub_manager_close(struct stub_manager *stub);
/* Removes the folder of the last answers, when writes that were left to themselves have ended. */
void stub_manager_tidy(struct dtr_loop *loop, const char *folder);

#endif
