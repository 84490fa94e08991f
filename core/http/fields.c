/* Which headers end at a proxy; see fields.h. */
#include "core/http/fields.h"

#include "core/base/str.h"
#include "core/http/head.h"

bool dtr_http_hop_by_hop(const struct dtr_header *headers, size_t count, const char *name)
{
    static const char *const known[] = {"Connection", "Keep-Alive",    "Proxy-Connection",
                                        "TE",         "Trailer",       "Transfer-Encoding",
                                        "Upgrade",    "Content-Length"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (dtr_casecmp(known[i], name) == 0)
            return true;
    for (size_t i = 0; i < count; i++)
        if (dtr_casecmp(headers[i].name, "Connection") == 0 && dtr_http_has_token(headers[i].value, name))
            return true;
    return false;
}
