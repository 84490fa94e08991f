/* How often somebody may fail, by key: for sign-in. A key that failed too often in a minute waits for the end
 * of that minute. Of fixed size: when it is full, the key that failed longest ago is forgotten. Worker
 * threads.
 *
 * Managers that share a cache count together; each counts for itself too, which is what counts while the
 * cache is away. So a lost cache never lets through more than one manager alone would. */
#ifndef DTR_MANAGER_REST_THROTTLE_H
#define DTR_MANAGER_REST_THROTTLE_H

#include "core/manager/share/share.h"

struct throttle;

/* `share` (NULL: nobody else) outlives it. NULL: out of memory. */
struct throttle *throttle_new(struct share *share);
void throttle_free(struct throttle *throttle);
/* Seconds until this key may try again, at the latest; 0: now. `most`: failures a minute. */
unsigned throttle_wait(struct throttle *throttle, const char *key, unsigned most, uint64_t now_ms);
void throttle_failed(struct throttle *throttle, const char *key, uint64_t now_ms);
void throttle_forget(struct throttle *throttle, const char *key);

#endif
