/* The REST API as it runs. Only for rest.c and visit.c. */
#ifndef DTR_MANAGER_REST_STATE_H
#define DTR_MANAGER_REST_STATE_H

#include "core/manager/rest/call.h"
#include "core/manager/rest/seed.h"

#include <pthread.h>

struct rest {
    struct rest_parts parts;
    pthread_mutex_t seeding; /* held while rest_seed() works; guards what follows */
    bool seeded;
    char key[SEED_KEY];
    /* On the loop. */
    size_t jobs, bodies; /* requests that a worker has, or will; bytes of all bodies */
    struct dtr_timer *audit_timer;
    struct dtr_job audit_job;
    bool auditing, closing, last_written;
    void (*closed)(void *context);
    void *closed_context;
    struct dtr_msg end;
};

/* When it is closing and nothing runs, it ends. On the loop. */
void rest_end_if_done(struct rest *rest);

#endif
