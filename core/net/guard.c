/* The outbound guard; see guard.h. */
#include "core/net/guard.h"

#include "core/base/str.h"
#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>

/* Every address in 16 bytes, v4 as v4-mapped v6, so that one comparison serves both. */
struct network {
    uint8_t bytes[16];
    unsigned bits;
};

static struct {
    struct network *own, *allowed;
    size_t own_count, allowed_count;
} guard;

static bool to_bytes(const struct sockaddr *address, uint8_t bytes[16])
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        memset(bytes, 0, 10);
        memset(bytes + 10, 0xff, 2);
        memcpy(bytes + 12, &v4->sin_addr, 4);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    return true;
}

static bool inside(const uint8_t bytes[16], const struct network *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ network->bytes[whole]) >> (8 - rest)) == 0;
}

static bool listed(const uint8_t bytes[16], const struct network *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (inside(bytes, &list[i]))
            return true;
    }
    return false;
}

static int append(struct network **list, size_t *count, const struct network *network, struct dtr_error *err)
{
    struct network *grown = realloc(*list, (*count + 1) * sizeof(**list));
    if (!grown)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the outbound guard");
    *list = grown;
    grown[(*count)++] = *network;
    return DTR_OK;
}

int dtr_guard_start(struct dtr_error *err)
{
    struct ifaddrs *all = NULL;
    int rc = DTR_OK;
    free(guard.own);
    guard.own = NULL;
    guard.own_count = 0;
    if (getifaddrs(&all) != 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot list network interfaces: %s",
                             strerror(errno));
    for (struct ifaddrs *at = all; at && rc == DTR_OK; at = at->ifa_next) {
        struct network network = {.bits = 128};
        if (at->ifa_addr && to_bytes(at->ifa_addr, network.bytes))
            rc = append(&guard.own, &guard.own_count, &network, err);
    }
    freeifaddrs(all);
    return rc;
}

int dtr_guard_allow(const char *cidr, struct dtr_error *err)
{
    struct network network = {.bits = 128};
    struct dtr_addr addr;
    char ip[64];
    const char *slash = strchr(cidr, '/');
    size_t length = slash ? (size_t)(slash - cidr) : strlen(cidr);
    uint64_t bits = 128;
    if (length >= sizeof(ip))
        goto bad;
    memcpy(ip, cidr, length);
    ip[length] = '\0';
    if (dtr_addr_ip(ip, 0, &addr, NULL) != DTR_OK || !to_bytes(&addr.any, network.bytes))
        goto bad;
    unsigned shift = addr.any.sa_family == AF_INET ? 96 : 0;
    if (slash && (!dtr_parse_u64(slash + 1, strlen(slash + 1), &bits) || bits > 128 - shift))
        goto bad;
    network.bits = slash ? (unsigned)bits + shift : 128;
    return append(&guard.allowed, &guard.allowed_count, &network, err);
bad:
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "'%.64s' is not a network: write ADDRESS/BITS, for example 10.0.0.0/8", cidr);
}

void dtr_guard_stop(void)
{
    free(guard.own);
    free(guard.allowed);
    memset(&guard, 0, sizeof(guard));
}

/* Refused by nature: loopback, link-local, multicast and unspecified, v4-mapped forms included. */
static bool is_special(const uint8_t bytes[16])
{
    static const struct network special[] = {
        {{0}, 128},                                                   /* :: */
        {{[15] = 1}, 128},                                            /* ::1 */
        {{0xfe, 0x80}, 10},                                           /* fe80::/10 */
        {{0xff}, 8},                                                  /* ff00::/8 */
        {{[10] = 0xff, [11] = 0xff}, 104},                            /* 0.0.0.0/8 */
        {{[10] = 0xff, [11] = 0xff, [12] = 127}, 104},                /* 127.0.0.0/8 */
        {{[10] = 0xff, [11] = 0xff, [12] = 169, [13] = 254}, 112},    /* 169.254.0.0/16 */
        {{[10] = 0xff, [11] = 0xff, [12] = 224}, 100},                /* 224.0.0.0/4 */
        {{[10] = 0xff, [11] = 0xff, [12] = 255, 255, 255, 255}, 128}, /* broadcast */
    };
    return listed(bytes, special, sizeof(special) / sizeof(special[0]));
}

bool dtr_guard_allows(const struct sockaddr *address, bool trusted)
{
    uint8_t bytes[16];
    if (!to_bytes(address, bytes))
        return false;
    if (trusted || listed(bytes, guard.allowed, guard.allowed_count))
        return true;
    return !is_special(bytes) && !listed(bytes, guard.own, guard.own_count);
}
