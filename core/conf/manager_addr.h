/* A manager's address as configurations write it. Dragonfly's dfdaemon has a URL there
 * ("http://manager:65003"), its scheduler none of a scheme ("manager:65003"); both are read in both. */
#ifndef DTR_CONF_MANAGER_ADDR_H
#define DTR_CONF_MANAGER_ADDR_H

#include <darter/error.h>
#include <stdbool.h>

enum { DTR_MANAGER_PORT = 65003, DTR_MANAGER_PLACE = 300 };

struct dtr_manager_addr {
    char place[DTR_MANAGER_PLACE]; /* "manager:65003", "[::1]:65003" */
    bool secure;                   /* it says https */
};

/* [http:// or https://] name, v4 or [v6], [:port, else 65003], [/]. */
int dtr_manager_addr_read(const char *text, struct dtr_manager_addr *ret_addr, struct dtr_error *err);

#endif
