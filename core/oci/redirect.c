/* Where a registry sends a request; see parts.h. */
#include "core/oci/parts.h"

#include "core/base/str.h"
#include <stdlib.h>
#include <string.h>

enum { LOCATION_MOST = 16384 };

static bool is_secure(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

bool oci_is_http(const char *url)
{
    size_t scheme = is_secure(url) ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    return scheme > 0 && url[scheme] && !strchr("/?#", url[scheme]);
}

/* Scheme, host and port; the length of them. */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    return (size_t)(host - url) + strcspn(host, "/?#");
}

bool oci_same_origin(const char *one, const char *other)
{
    size_t length = origin_length(one);
    return length == origin_length(other) && strncasecmp(one, other, length) == 0;
}

static bool visible(const char *text)
{
    while (*text > ' ' && *text < 0x7f)
        text++;
    return !*text;
}

char *oci_redirect(const char *from, const char *location)
{
    struct dtr_str url = {0};
    if (strlen(location) > LOCATION_MOST || !visible(location))
        return NULL;
    if (oci_is_http(location) && strcspn(location, "@") >= origin_length(location))
        dtr_str_puts(&url, location);
    else if (location[0] == '/' && location[1] != '/')
        dtr_str_printf(&url, "%.*s%s", (int)origin_length(from), from, location);
    if (url.length == 0 || (is_secure(from) && !is_secure(dtr_str_text(&url))))
        dtr_str_free(&url);
    return url.text ? dtr_str_take(&url) : NULL;
}
