/* An origin's Retry-After header (RFC 9110, 10.2.3): seconds, or the date in the form that HTTP/1.1 sends.
 * Pure; any thread. */
#ifndef DTR_DAEMON_RETRY_AFTER_H
#define DTR_DAEMON_RETRY_AFTER_H

#include <stdbool.h>
#include <stdint.h>

/* How many seconds to wait at `now` (seconds since 1970); 0 for a time that has passed. False: it says
 * nothing that can be understood. */
bool retry_after(const char *text, int64_t now, uint64_t *ret_seconds);

#endif
