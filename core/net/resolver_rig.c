/* A resolver with silent names; see resolver_rig.h. */
#include "core/net/resolver_rig.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIMIT_S = 30 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting;
    bool speaks;
} rig = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool is_silent(const char *name)
{
    static const char domain[] = ".silent.test";
    size_t length = strlen(name);
    return length >= sizeof(domain) - 1 && strcmp(name + length - (sizeof(domain) - 1), domain) == 0;
}

static int stay_silent(void)
{
    (void)pthread_mutex_lock(&rig.lock);
    rig.waiting++;
    (void)pthread_cond_broadcast(&rig.changed);
    while (!rig.speaks) /* for as long as the test likes */
        (void)pthread_cond_wait(&rig.changed, &rig.lock);
    rig.waiting--;
    (void)pthread_cond_broadcast(&rig.changed);
    (void)pthread_mutex_unlock(&rig.lock);
    return EAI_NONAME;
}

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (is_silent(name))
        return stay_silent();
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

void resolver_rig_await(unsigned count)
{
    struct timespec until;
    int status = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    (void)pthread_mutex_lock(&rig.lock);
    while (rig.waiting != count && status == 0)
        status = pthread_cond_timedwait(&rig.changed, &rig.lock, &until);
    if (rig.waiting != count) {
        fprintf(stderr, "%u look-ups wait at the resolver after %d s, not %u\n", rig.waiting, LIMIT_S, count);
        abort();
    }
    (void)pthread_mutex_unlock(&rig.lock);
}

void resolver_rig_speak(void)
{
    (void)pthread_mutex_lock(&rig.lock);
    rig.speaks = true;
    (void)pthread_cond_broadcast(&rig.changed);
    (void)pthread_mutex_unlock(&rig.lock);
}

void resolver_rig_hush(void)
{
    (void)pthread_mutex_lock(&rig.lock);
    rig.speaks = false;
    (void)pthread_mutex_unlock(&rig.lock);
}
