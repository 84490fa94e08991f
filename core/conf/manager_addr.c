/* A manager's address; see manager_addr.h. */
#include "core/conf/manager_addr.h"

#include "core/base/str.h"
#include "core/conf/value.h"

#include <strings.h>

static int wrong(struct dtr_error *err, const char *why)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s; needed is http://host:%d, or host:%d", why,
                         DTR_MANAGER_PORT, DTR_MANAGER_PORT);
}

/* What follows the scheme; NULL: it is none of ours. */
static const char *after_scheme(const char *text, bool *ret_secure)
{
    static const char plain[] = "http://", secure[] = "https://";
    const char *end = strstr(text, "://");
    *ret_secure = strncasecmp(text, secure, sizeof(secure) - 1) == 0;
    if (*ret_secure)
        return text + sizeof(secure) - 1;
    if (strncasecmp(text, plain, sizeof(plain) - 1) == 0)
        return text + sizeof(plain) - 1;
    return end ? NULL : text;
}

/* The length of the host at the beginning of `text`, brackets included; 0: there is none. */
static size_t host_length(const char *text)
{
    size_t length = strcspn(text, ":/?#@ \t[]");
    if (*text != '[')
        return length;
    length = strcspn(text + 1, "]/?#@ \t[");
    return length > 0 && text[1 + length] == ']' ? length + 2 : 0;
}

int dtr_manager_addr_read(const char *text, struct dtr_manager_addr *ret_addr, struct dtr_error *err)
{
    const char *host = after_scheme(text, &ret_addr->secure);
    uint64_t port = DTR_MANAGER_PORT;
    if (!host)
        return wrong(err, "not an address by http or https");
    size_t length = host_length(host);
    const char *rest = host + length;
    if (length == 0)
        return wrong(err, "the host is missing");
    if (*rest == ':') {
        size_t digits = strcspn(++rest, "/");
        if (!dtr_parse_u64(rest, digits, &port) || port == 0 || port > 65535)
            return wrong(err, "the port is not in 1..65535");
        rest += digits;
    }
    if (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0)
        return wrong(err, "something follows the host and the port");
    int written =
        snprintf(ret_addr->place, sizeof(ret_addr->place), "%.*s:%u", (int)length, host, (unsigned)port);
    if (written < 0 || (size_t)written >= sizeof(ret_addr->place))
        return wrong(err, "the host's name is too long");
    return DTR_OK;
}

int dtr_value_check_manager(const char *text, struct dtr_error *err)
{
    struct dtr_manager_addr addr;
    return dtr_manager_addr_read(text, &addr, err);
}
