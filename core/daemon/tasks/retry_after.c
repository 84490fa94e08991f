/* See retry_after.h. */
#include "core/daemon/tasks/retry_after.h"

#include "core/base/str.h"
#include <string.h>
#include <time.h>

bool retry_after(const char *text, int64_t now, uint64_t *ret_seconds)
{
    struct tm at = {0};
    if (dtr_parse_u64(text, strlen(text), ret_seconds))
        return true;
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &at);
    if (!end || *end)
        return false;
    int64_t then = timegm(&at);
    *ret_seconds = then > now ? (uint64_t)then - (uint64_t)now : 0;
    return true;
}
