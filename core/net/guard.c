/* The outbound guard; see guard.h. Addresses come and go while a process runs (DHCP, a new interface): the
 * kernel tells a socket of it before whoever changed them goes on, so looking there costs one call and leaves
 * no time in between. */
#include "core/net/guard.h"

#include "core/base/network.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct networks {
    struct dtr_network *list;
    size_t count;
};

static struct {
    pthread_mutex_t lock; /* of what follows */
    struct networks allowed, own;
    bool stale; /* there was news that has not been read */
    int news;   /* -1: not started */
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = -1};

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

static bool listed(const uint8_t bytes[16], const struct dtr_network *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (dtr_network_has(&list[i], bytes))
            return true;
    }
    return false;
}

static int append(struct networks *networks, const struct dtr_network *network, struct dtr_error *err)
{
    struct dtr_network *grown = realloc(networks->list, (networks->count + 1) * sizeof(*grown));
    if (!grown)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the outbound guard");
    networks->list = grown;
    grown[networks->count++] = *network;
    return DTR_OK;
}

/* --- this machine's own addresses ---------------------------------------------------------------------- */

/* The former ones stay when that fails. */
static int read_own(struct dtr_error *err)
{
    struct ifaddrs *all = NULL;
    struct networks own = {0};
    int rc = DTR_OK;
    if (getifaddrs(&all) != 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot list network interfaces: %s",
                             strerror(errno));
    for (struct ifaddrs *at = all; at && rc == DTR_OK; at = at->ifa_next) {
        struct dtr_network network = {.bits = 128};
        if (at->ifa_addr && to_bytes(at->ifa_addr, network.bytes))
            rc = append(&own, &network, err);
    }
    freeifaddrs(all);
    if (rc == DTR_OK) {
        free(guard.own.list);
        guard.own = own;
    } else {
        free(own.list);
    }
    return rc;
}

static int listen_for_news(struct dtr_error *err)
{
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                       .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    guard.news = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (guard.news >= 0 &&
        bind(guard.news, (const struct sockaddr *)(const void *)&groups, sizeof(groups)) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot watch network interfaces: %s",
                         strerror(errno));
}

/* What the news is does not matter. ENOBUFS: there was more than fits. */
static bool has_news(void)
{
    char byte;
    bool any = false;
    while (recv(guard.news, &byte, 1, MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR)
        any = true;
    return any;
}

/* Under the lock. */
static void keep_up(void)
{
    if (guard.news >= 0 && (has_news() || guard.stale))
        guard.stale = read_own(NULL) != DTR_OK;
}

static bool is_own(const uint8_t bytes[16])
{
    (void)pthread_mutex_lock(&guard.lock);
    keep_up();
    bool own = listed(bytes, guard.own.list, guard.own.count);
    (void)pthread_mutex_unlock(&guard.lock);
    return own;
}

static void forget_own(void)
{
    if (guard.news >= 0)
        (void)close(guard.news);
    guard.news = -1;
    guard.stale = false;
    free(guard.own.list);
    guard.own = (struct networks){0};
}

int dtr_guard_start(struct dtr_error *err)
{
    (void)pthread_mutex_lock(&guard.lock);
    forget_own();
    int rc = listen_for_news(err);
    if (rc == DTR_OK)
        rc = read_own(err);
    (void)pthread_mutex_unlock(&guard.lock);
    return rc;
}

/* --- what may be dialled ------------------------------------------------------------------------------- */

/* One address, in brackets or not, is a network too. */
static int parse(const char *cidr, struct dtr_network *network, struct dtr_error *err)
{
    struct dtr_addr addr;
    if (strchr(cidr, '/') || dtr_addr_ip(cidr, 0, &addr, NULL) != DTR_OK)
        return dtr_network_parse(cidr, network, err);
    network->bits = 128;
    (void)to_bytes(&addr.any, network->bytes);
    return DTR_OK;
}

static int add(struct networks *networks, const char *cidr, struct dtr_error *err)
{
    struct dtr_network network;
    int rc = parse(cidr, &network, err);
    return rc == DTR_OK ? append(networks, &network, err) : rc;
}

int dtr_guard_allow(const char *cidr, struct dtr_error *err)
{
    (void)pthread_mutex_lock(&guard.lock);
    int rc = add(&guard.allowed, cidr, err);
    (void)pthread_mutex_unlock(&guard.lock);
    return rc;
}

/* Takes the list over. */
static void replace_allowed(struct networks networks)
{
    (void)pthread_mutex_lock(&guard.lock);
    free(guard.allowed.list);
    guard.allowed = networks;
    (void)pthread_mutex_unlock(&guard.lock);
}

int dtr_guard_allow_only(const char *const *cidrs, size_t count, struct dtr_error *err)
{
    struct networks fresh = {0};
    int rc = DTR_OK;
    for (size_t i = 0; i < count && rc == DTR_OK; i++)
        rc = add(&fresh, cidrs[i], err);
    if (rc == DTR_OK)
        replace_allowed(fresh);
    else
        free(fresh.list);
    return rc;
}

void dtr_guard_stop(void)
{
    (void)pthread_mutex_lock(&guard.lock);
    forget_own();
    (void)pthread_mutex_unlock(&guard.lock);
    replace_allowed((struct networks){0});
}

/* Refused by nature: loopback, link-local, multicast and unspecified, v4-mapped forms included. */
static bool is_special(const uint8_t bytes[16])
{
    static const struct dtr_network special[] = {
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

static bool is_allowed(const uint8_t bytes[16])
{
    (void)pthread_mutex_lock(&guard.lock);
    bool allowed = listed(bytes, guard.allowed.list, guard.allowed.count);
    (void)pthread_mutex_unlock(&guard.lock);
    return allowed;
}

bool dtr_guard_allows(const struct sockaddr *address, bool trusted)
{
    uint8_t bytes[16];
    if (!to_bytes(address, bytes))
        return false;
    return trusted || is_allowed(bytes) || (!is_special(bytes) && !is_own(bytes));
}
