/* Any text as an address: what is understood is written and read again as the same. */
#include "core/net/addr.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dtr_addr *addr)
{
    char text[DTR_ADDR_TEXT], ip[DTR_ADDR_TEXT];
    struct dtr_addr again, alone;
    dtr_addr_text(addr, text);
    dtr_addr_ip_text(addr, ip);
    if (dtr_addr_ip(ip, dtr_addr_port(addr), &alone, NULL) != DTR_OK || !dtr_addr_equal(addr, &alone))
        abort();
    if (dtr_addr_port(addr) != 0 &&
        (dtr_addr_parse(text, &again, NULL) != DTR_OK || !dtr_addr_equal(addr, &again)))
        abort();
    if (dtr_addr_is_loopback(&addr->any) != dtr_addr_is_loopback(&alone.any))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_addr addr;
    struct dtr_error err;
    char *text = calloc(1, size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    if (dtr_addr_parse(text, &addr, &err) == DTR_OK)
        check(&addr);
    if (dtr_addr_ip(text, 0, &addr, &err) == DTR_OK)
        check(&addr);
    if (dtr_addr_unix(text, &addr, &err) == DTR_OK && strcmp(addr.un.sun_path, text) != 0)
        abort();
    free(text);
    return 0;
}
