/* Channels by address; see dial.h. */
#include "core/manager/jobs/dial.h"

#include "core/base/str.h"
#include "core/net/guard.h"

#include <stdlib.h>
#include <string.h>

struct line {
    struct dtr_list link;
    char place[DTR_ADDR_TEXT];
    struct dtr_rpc_channel *channel;
    uint64_t used_ms;
};

static void hang_up(struct line *line)
{
    dtr_list_remove(&line->link);
    dtr_rpc_channel_close(line->channel);
    free(line);
}

static void on_timer(void *context)
{
    struct dial *dial = context;
    const uint64_t now_ms = dtr_loop_now_ms(dial->loop);
    dtr_list_each_safe (node, &dial->lines) {
        struct line *line = dtr_container(node, struct line, link);
        if (dtr_rpc_channel_calls(line->channel) > 0)
            line->used_ms = now_ms;
        else if (now_ms - line->used_ms >= DIAL_IDLE_MS)
            hang_up(line);
    }
    if (!dtr_list_empty(&dial->lines))
        dtr_timer_set(dial->timer, DIAL_IDLE_MS);
}

int dial_open(struct dial *dial, struct dtr_error *err)
{
    dtr_list_init(&dial->lines);
    return dtr_timer_open(dial->loop, on_timer, dial, &dial->timer, err);
}

void dial_close(struct dial *dial)
{
    while (dial->lines.next && !dtr_list_empty(&dial->lines))
        hang_up(dtr_container(dial->lines.next, struct line, link));
    dtr_timer_close(dial->timer);
    dial->timer = NULL;
}

static int open_line(struct dial *dial, const struct dtr_addr *addr, const char *name, const char *place,
                     struct line **ret_line, struct dtr_error *err)
{
    const struct dtr_rpc_channel_options options = {.tls = dial->tls, .host = name};
    struct line *line = calloc(1, sizeof(*line));
    if (!line)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    int rc = dtr_rpc_channel_new(dial->loop, addr, &options, &line->channel, err);
    if (rc != DTR_OK) {
        free(line);
        return rc;
    }
    (void)dtr_copy_text(line->place, sizeof(line->place), place);
    if (dtr_list_empty(&dial->lines))
        dtr_timer_set(dial->timer, DIAL_IDLE_MS);
    dtr_list_add_tail(&dial->lines, &line->link);
    *ret_line = line;
    return DTR_OK;
}

static bool is_link_local(const struct dtr_addr *addr)
{
    if (addr->any.sa_family == AF_INET)
        return ntohl(addr->v4.sin_addr.s_addr) >> 16 == 0xA9FE;
    return IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr);
}

/* Anybody may have registered there who reaches the manager. This machine's own addresses are where a
 * scheduler beside the manager is. */
static bool may_dial(const struct dial *dial, const struct dtr_addr *addr)
{
    const bool usual = !dtr_addr_is_loopback(&addr->any) && !is_link_local(addr);
    return dtr_guard_allows(&addr->any, usual || (dial->hears && dial->hears(dial->hears_context, addr)));
}

int dial_get(struct dial *dial, const struct dial_place *where, struct dtr_rpc_channel **ret_channel,
             struct dtr_error *err)
{
    struct dtr_addr addr;
    char place[DTR_ADDR_TEXT];
    struct line *line = NULL;
    int rc = dtr_addr_ip(where->ip, where->port, &addr, err);
    if (rc != DTR_OK)
        return rc;
    if (!may_dial(dial, &addr))
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                             "%s is loopback or link-local, and no scheduler is alive from there at this "
                             "manager; list it in security.outbound.allow if it is right",
                             where->ip);
    dtr_addr_text(&addr, place);
    dtr_list_each (node, &dial->lines) {
        struct line *there = dtr_container(node, struct line, link);
        if (strcmp(there->place, place) == 0)
            line = there;
    }
    if (!line)
        rc = open_line(dial, &addr, where->name, place, &line, err);
    if (rc != DTR_OK)
        return rc;
    line->used_ms = dtr_loop_now_ms(dial->loop);
    *ret_channel = line->channel;
    return DTR_OK;
}
