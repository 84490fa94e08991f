/* Names of hosts and peers as they travel between daemons and schedulers (wire page 3.4). Whoever
 * receives one treats it as opaque. Pure: the random part is the caller's. Any thread. */
#ifndef DTR_BRAIN_IDS_H
#define DTR_BRAIN_IDS_H

#include <darter/error.h>
#include <darter/piece.h>
#include <stdbool.h>

#define DTR_HOST_ID_SIZE (DTR_PEER_ID_MAX + 1) /* bytes, with the NUL; peer ids fit as well */

/* "<ip>-<hostname>", and "-seed" behind it for a seed peer. `ip` is the announced address as text. Two
 * daemons with one address and one hostname get the same id: give them different hostnames. */
int dtr_host_id(char id[DTR_HOST_ID_SIZE], const char *ip, const char *hostname, bool seed,
                struct dtr_error *err);
/* "<ip>-<hostname>-<uuid>" and "-seed"; new for each download attempt. `uuid` from dtr_uuid(). */
int dtr_peer_id(char id[DTR_HOST_ID_SIZE], const char *ip, const char *hostname, const char *uuid, bool seed,
                struct dtr_error *err);

#endif
