/* Host and peer ids; see ids.h. */
#include "core/brain/ids.h"
#include <stdio.h>

static int join(char id[DTR_HOST_ID_SIZE], const char *ip, const char *hostname, const char *uuid, bool seed,
                struct dtr_error *err)
{
    int length;

    if (!*ip || !*hostname)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a host needs an address and a hostname");
    length = snprintf(id, DTR_HOST_ID_SIZE, "%s-%s%s%s%s", ip, hostname, uuid ? "-" : "", uuid ? uuid : "",
                      seed ? "-seed" : "");
    if (length < 0 || length >= DTR_HOST_ID_SIZE)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "hostname is too long for an id: %.64s...",
                             hostname);
    return DTR_OK;
}

int dtr_host_id(char id[DTR_HOST_ID_SIZE], const char *ip, const char *hostname, bool seed,
                struct dtr_error *err)
{
    return join(id, ip, hostname, NULL, seed, err);
}

int dtr_peer_id(char id[DTR_HOST_ID_SIZE], const char *ip, const char *hostname, const char *uuid, bool seed,
                struct dtr_error *err)
{
    return join(id, ip, hostname, uuid, seed, err);
}
