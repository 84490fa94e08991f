/* How often somebody may fail, by key: for sign-in. A key that failed too often in a minute waits for the end
 * of that minute. Of fixed size: when it is full, the key that failed longest ago is forgotten. Any thread.
 */
#ifndef DTR_MANAGER_REST_THROTTLE_H
#define DTR_MANAGER_REST_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct throttle;

struct throttle *throttle_new(void); /* NULL: out of memory */
void throttle_free(struct throttle *throttle);
/* Seconds until this key may try again; 0: now. `most`: failures a minute. */
unsigned throttle_wait(struct throttle *throttle, const char *key, unsigned most, uint64_t now_ms);
void throttle_failed(struct throttle *throttle, const char *key, uint64_t now_ms);
void throttle_forget(struct throttle *throttle, const char *key);

#endif
