/* Look-ups for threads that may block; see lookup.h. The resolver is asked on a thread of its own, which a
 * caller whose time is over leaves behind: whoever of the two is last frees what they share. */
#include "core/net/lookup.h"

#include "core/net/resolve.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SECONDS_MOST = 24 * 3600 };

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered, left; /* `left`: nobody waits any more */
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    size_t count;
    int status;
    struct dtr_error err;
    char text[];
};

static atomic_uint threads;

static void shared_free(struct shared *shared)
{
    (void)pthread_cond_destroy(&shared->changed);
    (void)pthread_mutex_destroy(&shared->lock);
    free(shared);
}

static void *ask(void *context)
{
    struct shared *shared = context;
    (void)pthread_setname_np(pthread_self(), "dtr-lookup");
    int status =
        dtr_resolve_to_dial(shared->text, shared->list, DTR_LOOKUP_ADDRS, &shared->count, &shared->err);
    (void)atomic_fetch_sub(&threads, 1); /* before the caller, who may ask for the next at once, knows */
    (void)pthread_mutex_lock(&shared->lock);
    shared->status = status;
    shared->answered = true;
    bool left = shared->left;
    (void)pthread_cond_signal(&shared->changed);
    (void)pthread_mutex_unlock(&shared->lock);
    if (left)
        shared_free(shared);
    return NULL;
}

/* Whether the answer came in time; what is shared is the caller's then, and else the thread's. */
static bool await(struct shared *shared, uint64_t limit_ms)
{
    struct timespec until;
    uint64_t seconds = limit_ms / 1000;
    int status = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(seconds < SECONDS_MOST ? seconds : SECONDS_MOST);
    until.tv_nsec += (long)(limit_ms % 1000 * 1000000);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&shared->lock);
    while (!shared->answered && status == 0)
        status = pthread_cond_timedwait(&shared->changed, &shared->lock, &until);
    bool answered = shared->answered;
    shared->left = !answered;
    (void)pthread_mutex_unlock(&shared->lock);
    return answered;
}

static struct shared *shared_new(const char *text)
{
    size_t length = strlen(text);
    struct shared *shared = calloc(1, sizeof(*shared) + length + 1);
    pthread_condattr_t monotonic;
    if (!shared)
        return NULL;
    memcpy(shared->text, text, length);
    (void)pthread_mutex_init(&shared->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&shared->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return shared;
}

static int start_thread(struct shared *shared, struct dtr_error *err)
{
    pthread_attr_t detached;
    pthread_t thread;
    if (atomic_fetch_add(&threads, 1) >= DTR_LOOKUP_ROOM) {
        (void)atomic_fetch_sub(&threads, 1);
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME,
                             "%.80s is not looked up: %d names are without an answer; see /etc/resolv.conf",
                             shared->text, DTR_LOOKUP_ROOM);
    }
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int number = pthread_create(&thread, &detached, ask, shared);
    (void)pthread_attr_destroy(&detached);
    if (number == 0)
        return DTR_OK;
    (void)atomic_fetch_sub(&threads, 1);
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot start a thread: %s", strerror(number));
}

int dtr_lookup_wait(const char *text, uint64_t limit_ms, struct dtr_addr list[DTR_LOOKUP_ADDRS],
                    size_t *ret_count, struct dtr_error *err)
{
    struct shared *shared = shared_new(text);
    if (!shared)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a look-up");
    int status = start_thread(shared, err);
    if (status != DTR_OK) {
        shared_free(shared);
        return status;
    }
    if (!await(shared, limit_ms))
        return dtr_error_set(err, DTR_ETIMEOUT, DTR_RETRY_SAME,
                             "%.80s: the name servers do not answer in time; see /etc/resolv.conf", text);
    memcpy(list, shared->list, sizeof(shared->list));
    *ret_count = shared->count;
    status = shared->status;
    if (status != DTR_OK && err)
        *err = shared->err;
    shared_free(shared);
    return status;
}
