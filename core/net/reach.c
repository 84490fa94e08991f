/* IPv4 or IPv6, by trying; see reach.h. */
#include "core/net/reach.h"

#include "core/base/clock.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

enum { EACH = 8, HEAD_START_MS = 250, LIMIT_MS = 1000 };

/* Connections being opened to the addresses of one family. */
struct tries {
    struct pollfd list[EACH];
    nfds_t count; /* of those that have not failed */
    bool opened;
};

static bool has(const struct addrinfo *at, int family)
{
    while (at && at->ai_family != family)
        at = at->ai_next;
    return at != NULL;
}

static void begin(struct tries *tries, const struct addrinfo *at, int family)
{
    for (; at && tries->count < EACH && !tries->opened; at = at->ai_next) {
        int fd = at->ai_family == family ? socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
        if (fd < 0)
            continue;
        tries->opened = connect(fd, at->ai_addr, at->ai_addrlen) == 0;
        if (tries->opened || errno == EINPROGRESS)
            tries->list[tries->count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
        else
            (void)close(fd);
    }
}

static void look(struct tries *tries)
{
    for (nfds_t i = 0; i < tries->count;) {
        struct pollfd *try = &tries->list[i];
        int number = 0;
        socklen_t size = sizeof(number);
        if (!try->revents) {
            i++;
            continue;
        }
        if (getsockopt(try->fd, SOL_SOCKET, SO_ERROR, &number, &size) == 0 && number == 0) {
            tries->opened = true;
            return;
        }
        (void)close(try->fd);
        *try = tries->list[--tries->count];
    }
}

/* Waits for one of either family, until `at_ms` at most. It looks once more when the time is over: what came
 * while this process stood still has come. */
static void wait_for_one(struct tries *v4, struct tries *v6, uint64_t at_ms)
{
    bool late = false;
    while (!v4->opened && !v6->opened && v4->count + v6->count > 0 && !late) {
        struct pollfd both[2 * EACH];
        uint64_t now = dtr_now_ms();
        nfds_t count = 0;
        for (nfds_t i = 0; i < v4->count; i++)
            both[count++] = v4->list[i];
        for (nfds_t i = 0; i < v6->count; i++)
            both[count++] = v6->list[i];
        late = now >= at_ms;
        if (poll(both, count, late ? 0 : (int)(at_ms - now)) < 0 && errno != EINTR)
            return;
        for (nfds_t i = 0; i < v4->count; i++)
            v4->list[i].revents = both[i].revents;
        for (nfds_t i = 0; i < v6->count; i++)
            v6->list[i].revents = both[v4->count + i].revents;
        look(v4);
        look(v6);
    }
}

static void end(struct tries *tries)
{
    for (nfds_t i = 0; i < tries->count; i++)
        (void)close(tries->list[i].fd);
}

int dtr_reach_family(const struct addrinfo *list)
{
    struct tries v4 = {.count = 0}, v6 = {.count = 0};
    uint64_t begun = dtr_now_ms();
    if (!has(list, AF_INET) || !has(list, AF_INET6))
        return has(list, AF_INET) ? AF_INET : AF_INET6;
    begin(&v4, list, AF_INET);
    wait_for_one(&v4, &v6, begun + HEAD_START_MS);
    if (!v4.opened) {
        begin(&v6, list, AF_INET6);
        wait_for_one(&v4, &v6, begun + LIMIT_MS);
    }
    end(&v4);
    end(&v6);
    return v6.opened && !v4.opened ? AF_INET6 : AF_INET;
}
