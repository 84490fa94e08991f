/* Connections to daemons that all jobs share; see role.h. */
#include "core/scheduler/role.h"

#include <stdlib.h>

enum { KEEP_MOST = 512 }; /* with more than these, one that nobody uses is closed at once */

struct line {
    struct dtr_map_node node; /* in scheduler.lines, by `key` */
    struct dtr_rpc_channel *channel;
    uint32_t users;
    char key[DTR_ADDR_TEXT + 12];
};

/* Certificates and what the guard lets pass depend on more than the address. */
static void make_key(const struct dial *to, char key[sizeof(((struct line *)NULL)->key)])
{
    (void)snprintf(key, sizeof(((struct line *)NULL)->key), "%c%c%.*s %u", to->seed ? 's' : 'p',
                   to->proven ? '+' : '-', DTR_ADDR_TEXT, to->ip, to->port);
}

static void line_close(struct dtr_scheduler *scheduler, struct line *line)
{
    dtr_map_remove(&scheduler->lines, &line->node);
    dtr_rpc_channel_close(line->channel);
    free(line);
}

static int line_open(struct dtr_scheduler *scheduler, const struct dial *to, struct line **ret_line,
                     struct dtr_error *err)
{
    struct line *line = calloc(1, sizeof(*line));
    if (!line)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    make_key(to, line->key);
    int rc = dial_host(scheduler, to, &line->channel, err);
    if (rc == DTR_OK && !dtr_map_add(&scheduler->lines, &line->node, line->key, strlen(line->key))) {
        dtr_rpc_channel_close(line->channel);
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    }
    if (rc == DTR_OK)
        *ret_line = line;
    else
        free(line);
    return rc;
}

int line_take(struct dtr_scheduler *scheduler, const struct dial *to, struct line **ret_line,
              struct dtr_error *err)
{
    char key[sizeof((*ret_line)->key)];
    make_key(to, key);
    struct dtr_map_node *node = dtr_map_find(&scheduler->lines, key);
    int rc = DTR_OK;
    if (node)
        *ret_line = dtr_container(node, struct line, node);
    else
        rc = line_open(scheduler, to, ret_line, err);
    if (rc == DTR_OK)
        (*ret_line)->users++;
    return rc;
}

struct dtr_rpc_channel *line_channel(const struct line *line)
{
    return line->channel;
}

void line_give_back(struct dtr_scheduler *scheduler, struct line *line)
{
    if (--line->users == 0 && scheduler->lines.count > KEEP_MOST)
        line_close(scheduler, line);
}

void lines_close_idle(struct dtr_scheduler *scheduler)
{
    for (struct dtr_map_node *node = dtr_map_next(&scheduler->lines, NULL), *next; node; node = next) {
        struct line *line = dtr_container(node, struct line, node);
        next = dtr_map_next(&scheduler->lines, node);
        if (line->users == 0)
            line_close(scheduler, line);
    }
    if (scheduler->lines.count == 0)
        dtr_map_clear(&scheduler->lines);
}
