/* Failures by key; see throttle.h. */
#include "core/manager/rest/throttle.h"

#include "core/base/digest.h"
#include "core/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024, WAYS = 8, MINUTE_MS = 60000 };

/* A slot that was never used has no failures. */
struct slot {
    uint64_t key, since_ms;
    unsigned failures;
};

struct throttle {
    struct share *share;  /* NULL: nobody else counts */
    pthread_mutex_t lock; /* what follows */
    uint8_t seed[16];
    struct slot slots[SLOTS];
};

struct throttle *throttle_new(struct share *share)
{
    struct throttle *throttle = calloc(1, sizeof(*throttle));
    if (!throttle)
        return NULL;
    throttle->share = share;
    (void)pthread_mutex_init(&throttle->lock, NULL);
    dtr_random(throttle->seed, sizeof(throttle->seed));
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (!throttle)
        return;
    (void)pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* --- what all managers count -----------------------------------------------------------------------------
 */

/* Adds to the failures of all; how many there are, 0 when that is not known. A key has what anybody types in
 * it, so its digest stands for it. */
static int64_t count(struct throttle *throttle, const char *key, int64_t amount)
{
    char name[80] = "failures:";
    int64_t failures = 0;
    if (!throttle->share)
        return 0;
    dtr_sha256_hex(key, strlen(key), name + strlen(name));
    return share_count(throttle->share, name, amount, MINUTE_MS, &failures, NULL) == DTR_OK ? failures : 0;
}

/* --- what this one counts --------------------------------------------------------------------------------
 */

/* The slot of a key, or with `make` the best one to give it; else NULL. A key has WAYS places. */
static struct slot *find(struct throttle *throttle, const char *text, bool make)
{
    uint64_t key = dtr_siphash(throttle->seed, text, strlen(text));
    struct slot *row = &throttle->slots[key % (SLOTS / WAYS) * WAYS], *oldest = row;
    for (struct slot *slot = row; slot < row + WAYS; slot++) {
        if (slot->key == key)
            return slot;
        if (slot->since_ms < oldest->since_ms)
            oldest = slot;
    }
    if (!make)
        return NULL;
    *oldest = (struct slot){.key = key};
    return oldest;
}

static unsigned wait_here(struct throttle *throttle, const char *key, unsigned most, uint64_t now_ms)
{
    unsigned wait = 0;
    (void)pthread_mutex_lock(&throttle->lock);
    const struct slot *slot = find(throttle, key, false);
    if (slot && slot->failures >= most && now_ms < slot->since_ms + MINUTE_MS)
        wait = (unsigned)((slot->since_ms + MINUTE_MS - now_ms + 999) / 1000);
    (void)pthread_mutex_unlock(&throttle->lock);
    return wait;
}

/* When the minute of all managers began is not known here. */
unsigned throttle_wait(struct throttle *throttle, const char *key, unsigned most, uint64_t now_ms)
{
    unsigned wait = wait_here(throttle, key, most, now_ms);
    return wait == 0 && count(throttle, key, 0) >= (int64_t)most ? MINUTE_MS / 1000 : wait;
}

void throttle_failed(struct throttle *throttle, const char *key, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&throttle->lock);
    struct slot *slot = find(throttle, key, true);
    if (slot->failures == 0 || now_ms >= slot->since_ms + MINUTE_MS) {
        slot->since_ms = now_ms;
        slot->failures = 0;
    }
    slot->failures++;
    (void)pthread_mutex_unlock(&throttle->lock);
    (void)count(throttle, key, 1);
}

void throttle_forget(struct throttle *throttle, const char *key)
{
    (void)pthread_mutex_lock(&throttle->lock);
    struct slot *slot = find(throttle, key, false);
    if (slot)
        *slot = (struct slot){0};
    (void)pthread_mutex_unlock(&throttle->lock);
    int64_t failures = count(throttle, key, 0);
    if (failures > 0)
        (void)count(throttle, key, -failures);
}
