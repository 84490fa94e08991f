/* Checks of authorities and schemes; see target.h. */
#include "core/http/target.h"

#include "core/base/str.h"

#include <string.h>
#include <strings.h>

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_ok(const char *text, size_t length)
{
    if (length == 0 || length > 255)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!alnum(text[i]) && text[i] != '-' && text[i] != '.' && text[i] != '_')
            return false;
    return true;
}

/* The characters of an IPv6 literal; whether it is one shows when it is resolved. */
static bool literal_ok(const char *text, size_t length)
{
    if (length < 4 || length > 47 || text[length - 1] != ']' || !memchr(text, ':', length))
        return false;
    for (size_t i = 1; i + 1 < length; i++)
        if (!strchr("0123456789abcdefABCDEF:.", text[i]))
            return false;
    return true;
}

size_t dtr_http_host_length(const char *authority, size_t length)
{
    const char *end = memchr(authority, authority[0] == '[' ? ']' : ':', length);
    if (!end)
        return length;
    return (size_t)(end - authority) + (authority[0] == '[');
}

static bool port_ok(const char *text, size_t length)
{
    uint64_t port;
    return length > 0 && length <= 5 && dtr_parse_u64(text, length, &port) && port >= 1 && port <= 65535;
}

bool dtr_http_authority_ok(const char *text, size_t length, bool need_port)
{
    if (length == 0 || memchr(text, 0, length))
        return false;
    size_t host = dtr_http_host_length(text, length);
    if (text[0] == '[' ? !literal_ok(text, host) : !name_ok(text, host))
        return false;
    if (host == length)
        return !need_port;
    return text[host] == ':' && port_ok(text + host + 1, length - host - 1);
}

const char *dtr_http_scheme(const char *text, size_t length, size_t *ret_length)
{
    static const char *const schemes[] = {"http", "https"};
    for (size_t i = 0; i < 2; i++) {
        size_t name = strlen(schemes[i]);
        if (length >= name + 3 && strncasecmp(text, schemes[i], name) == 0 &&
            memcmp(text + name, "://", 3) == 0) {
            *ret_length = name + 3;
            return schemes[i];
        }
    }
    return NULL;
}
