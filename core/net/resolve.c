/* The system's resolver; see resolve.h. */
#include "core/net/resolve.h"

#include "core/base/str.h"
#include "core/net/reach.h"
#include <netdb.h>
#include <stdlib.h>

enum { HOST_MAX = 256 };

static int by_bytes(const void *a, const void *b)
{
    const struct dtr_addr *left = a, *right = b;
    if (left->any.sa_family != right->any.sa_family)
        return left->any.sa_family < right->any.sa_family ? -1 : 1;
    return left->any.sa_family == AF_INET ? memcmp(&left->v4.sin_addr, &right->v4.sin_addr, 4)
                                          : memcmp(&left->v6.sin6_addr, &right->v6.sin6_addr, 16);
}

static struct dtr_addr taken(const struct addrinfo *found)
{
    struct dtr_addr addr = {.length = found->ai_addrlen};
    memcpy(&addr.any, found->ai_addr, found->ai_addrlen);
    return addr;
}

static int take_sorted(const struct addrinfo *found, const char *host, struct dtr_addr *list, size_t room,
                       size_t *ret_count, struct dtr_error *err)
{
    int family = dtr_reach_family(found);
    size_t count = 0;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        if (at->ai_family != family)
            continue;
        if (count == room)
            return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%.80s has more than %zu addresses", host,
                                 room);
        list[count++] = taken(at);
    }
    qsort(list, count, sizeof(*list), by_bytes);
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_bytes(&list[*ret_count - 1], &list[i]) != 0)
            list[(*ret_count)++] = list[i];
    }
    return DTR_OK;
}

static void take_in_order(const struct addrinfo *found, struct dtr_addr *list, size_t room, size_t *ret_count)
{
    *ret_count = 0;
    for (; found && *ret_count < room; found = found->ai_next)
        list[(*ret_count)++] = taken(found);
}

/* "name:port" in two. */
static bool cut(const char *text, char host[HOST_MAX], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    uint64_t port = 0;
    if (length == 0 || length >= HOST_MAX || !dtr_parse_u64(colon + 1, strlen(colon + 1), &port) ||
        port == 0 || port > UINT16_MAX)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

/* `*ret_found` NULL: the text is an address, and the list has it. */
static int find(const char *text, char host[HOST_MAX], struct dtr_addr *list, size_t room, size_t *ret_count,
                struct addrinfo **ret_found, struct dtr_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const char *port;
    *ret_found = NULL;
    if (room > 0 && dtr_addr_parse(text, &list[0], NULL) == DTR_OK) {
        *ret_count = 1;
        return DTR_OK;
    }
    if (!cut(text, host, &port))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "'%.80s' is no address: write NAME:PORT, for example scheduler:8002", text);
    int answer = getaddrinfo(host, port, &hints, ret_found);
    if (answer != 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "%.80s has no address: %s", host,
                             gai_strerror(answer));
    return DTR_OK;
}

int dtr_resolve(const char *text, struct dtr_addr *list, size_t room, size_t *ret_count,
                struct dtr_error *err)
{
    struct addrinfo *found;
    char host[HOST_MAX];
    int rc = find(text, host, list, room, ret_count, &found, err);
    if (found)
        rc = take_sorted(found, host, list, room, ret_count, err);
    freeaddrinfo(found);
    return rc;
}

int dtr_resolve_to_dial(const char *text, struct dtr_addr *list, size_t room, size_t *ret_count,
                        struct dtr_error *err)
{
    struct addrinfo *found;
    char host[HOST_MAX];
    int rc = find(text, host, list, room, ret_count, &found, err);
    if (found)
        take_in_order(found, list, room, ret_count);
    freeaddrinfo(found);
    return rc;
}
