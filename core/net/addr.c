/* Addresses as text and as sockaddr; see addr.h. */
#include "core/net/addr.h"

#include "core/base/str.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>

static int bad_address(struct dtr_error *err, const char *text, const char *wanted)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "'%.80s' is not an address: write %s", text,
                         wanted);
}

int dtr_addr_ip(const char *ip, uint16_t port, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    char bare[INET6_ADDRSTRLEN + 2];
    struct dtr_addr addr = {0};
    size_t length = strlen(ip);
    if (length > 2 && ip[0] == '[' && ip[length - 1] == ']') {
        ip++;
        length -= 2;
    }
    if (length >= sizeof(bare))
        return bad_address(err, ip, "an IPv4 or IPv6 address such as 10.0.0.1");
    memcpy(bare, ip, length);
    bare[length] = '\0';
    if (inet_pton(AF_INET, bare, &addr.v4.sin_addr) == 1) {
        addr.v4.sin_family = AF_INET;
        addr.v4.sin_port = htons(port);
        addr.length = sizeof(addr.v4);
    } else if (inet_pton(AF_INET6, bare, &addr.v6.sin6_addr) == 1) {
        addr.v6.sin6_family = AF_INET6;
        addr.v6.sin6_port = htons(port);
        addr.length = sizeof(addr.v6);
    } else {
        return bad_address(err, ip, "an IPv4 or IPv6 address such as 10.0.0.1");
    }
    *ret_addr = addr;
    return DTR_OK;
}

int dtr_addr_parse(const char *text, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    const char *colon = strrchr(text, ':');
    char ip[64];
    uint64_t port = 0;
    if (!colon || (size_t)(colon - text) >= sizeof(ip) ||
        !dtr_parse_u64(colon + 1, strlen(colon + 1), &port) || port == 0 || port > 65535)
        return bad_address(err, text, "IP:PORT, for example 10.0.0.1:8002");
    memcpy(ip, text, (size_t)(colon - text));
    ip[colon - text] = '\0';
    if (strchr(ip, ':') && ip[0] != '[')
        return bad_address(err, text, "[IPV6]:PORT, for example [fd00::1]:8002");
    return dtr_addr_ip(ip, (uint16_t)port, ret_addr, err);
}

int dtr_addr_unix(const char *path, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    struct dtr_addr addr = {.length = sizeof(addr.un)};
    addr.un.sun_family = AF_UNIX;
    if (path[0] == '\0' || !dtr_copy_text(addr.un.sun_path, sizeof(addr.un.sun_path), path))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "socket path '%.120s' must have 1 to %zu characters", path,
                             sizeof(addr.un.sun_path) - 1);
    *ret_addr = addr;
    return DTR_OK;
}

void dtr_addr_ip_text(const struct dtr_addr *addr, char text[DTR_ADDR_TEXT])
{
    if (addr->any.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &addr->v4.sin_addr, text, DTR_ADDR_TEXT);
    else if (addr->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
        (void)inet_ntop(AF_INET, &addr->v6.sin6_addr.s6_addr[12], text, DTR_ADDR_TEXT);
    else if (addr->any.sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &addr->v6.sin6_addr, text, DTR_ADDR_TEXT);
    else
        (void)snprintf(text, DTR_ADDR_TEXT, "unix:%s",
                       addr->length > offsetof(struct sockaddr_un, sun_path) ? addr->un.sun_path : "");
}

void dtr_addr_text(const struct dtr_addr *addr, char text[DTR_ADDR_TEXT])
{
    char ip[DTR_ADDR_TEXT];
    dtr_addr_ip_text(addr, ip);
    if (addr->any.sa_family == AF_INET || addr->any.sa_family == AF_INET6)
        (void)snprintf(text, DTR_ADDR_TEXT, strchr(ip, ':') ? "[%.60s]:%u" : "%.60s:%u", ip,
                       dtr_addr_port(addr));
    else
        memcpy(text, ip, sizeof(ip));
}

uint16_t dtr_addr_port(const struct dtr_addr *addr)
{
    if (addr->any.sa_family == AF_INET)
        return ntohs(addr->v4.sin_port);
    return addr->any.sa_family == AF_INET6 ? ntohs(addr->v6.sin6_port) : 0;
}

bool dtr_addr_equal(const struct dtr_addr *a, const struct dtr_addr *b)
{
    char left[DTR_ADDR_TEXT], right[DTR_ADDR_TEXT];
    dtr_addr_text(a, left);
    dtr_addr_text(b, right);
    return strcmp(left, right) == 0;
}

bool dtr_addr_is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)addr;
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    if (addr->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)addr;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

/* 0 best; -1: not usable. */
static int rank_of(const struct sockaddr *addr, bool prefer_v6)
{
    if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)addr;
        if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            return -1;
    } else if (addr->sa_family != AF_INET) {
        return -1;
    }
    bool preferred = (addr->sa_family == AF_INET6) == prefer_v6;
    return (dtr_addr_is_loopback(addr) ? 2 : 0) + (preferred ? 0 : 1);
}

int dtr_addr_own(bool prefer_v6, struct dtr_addr *ret_addr, struct dtr_error *err)
{
    struct ifaddrs *all = NULL;
    int best = -1;
    if (getifaddrs(&all) != 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot list network interfaces: %s",
                             strerror(errno));
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        int rank = at->ifa_addr && (at->ifa_flags & IFF_UP) ? rank_of(at->ifa_addr, prefer_v6) : -1;
        if (rank < 0 || (best >= 0 && rank >= best))
            continue;
        best = rank;
        *ret_addr = (struct dtr_addr){.length = at->ifa_addr->sa_family == AF_INET ? sizeof(ret_addr->v4)
                                                                                   : sizeof(ret_addr->v6)};
        memcpy(&ret_addr->any, at->ifa_addr, ret_addr->length);
    }
    freeifaddrs(all);
    if (best < 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "no network interface is up with an address; set host.ip");
    return DTR_OK;
}
