/* What texts in fields must be; see checks.h. */
#include "core/manager/rest/checks.h"

#include "core/base/network.h"
#include "core/base/pattern.h"
#include "core/net/addr.h"

#include <string.h>

int field_is_ip(const char *text, struct dtr_error *err)
{
    struct dtr_addr addr;
    return dtr_addr_ip(text, 0, &addr, err);
}

int field_is_cidr(const char *text, struct dtr_error *err)
{
    struct dtr_network network;
    return dtr_network_parse(text, &network, err);
}

int field_is_regex(const char *text, struct dtr_error *err)
{
    struct dtr_pattern *pattern = NULL;
    int rc = dtr_pattern_new(text, &pattern, err);
    dtr_pattern_free(pattern);
    return rc;
}

int field_is_link(const char *text, struct dtr_error *err)
{
    if (!*text || strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "must begin with http:// or https://");
}

int field_is_role(const char *text, struct dtr_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (*text && text[strspn(text, letters)] == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "must be of letters, digits, '-' and '_'");
}
