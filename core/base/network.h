/* Networks in CIDR form, and which addresses lie in them. Pure; any thread. */
#ifndef DTR_BASE_NETWORK_H
#define DTR_BASE_NETWORK_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* v4 as v4-mapped v6, so that one comparison serves both. An address is the network of 128 bits. */
struct dtr_network {
    uint8_t bytes[16];
    unsigned bits; /* 0..128 */
};

/* The first `length` bytes of `ip`: a literal address, v4 or v6, never a name. False: it is none. */
bool dtr_network_ip(const char *ip, size_t length, struct dtr_network *ret_network);
/* "10.0.0.0/8" or "fd00::/8"; bits of the host may be set and do not count. DTR_EINVALID names the text. */
int dtr_network_parse(const char *cidr, struct dtr_network *ret_network, struct dtr_error *err);
/* Whether all of its addresses are v4, whichever way it was written. */
bool dtr_network_is_v4(const struct dtr_network *network);
/* Whether the address lies in the network; a v4 one lies in ::/0 too. */
bool dtr_network_has(const struct dtr_network *network, const uint8_t bytes[16]);

#endif
