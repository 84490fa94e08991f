/* Streams that end together; see stream_group.h. */
#include "core/net/stream_group.h"

void dtr_stream_group_init(struct dtr_stream_group *group, struct dtr_loop *loop)
{
    *group = (struct dtr_stream_group){.loop = loop};
    dtr_list_init(&group->streams);
}

void dtr_stream_group_add(struct dtr_stream_group *group, struct dtr_stream *stream)
{
    struct dtr_stream_member *member = dtr_stream_member(stream);
    member->stream = stream;
    member->group = group;
    dtr_list_add_tail(&group->streams, &member->link);
    group->count++;
}

static void on_empty(struct dtr_msg *msg)
{
    struct dtr_stream_group *group = dtr_container(msg, struct dtr_stream_group, msg);
    dtr_timer_close(group->limit);
    group->limit = NULL;
    group->empty(group->context);
}

static void settle(struct dtr_stream_group *group)
{
    if (!group->ending || !dtr_list_empty(&group->streams))
        return;
    group->ending = false;
    group->msg.run = on_empty;
    dtr_loop_post(group->loop, &group->msg);
}

void dtr_stream_group_left(struct dtr_stream_member *member)
{
    if (!member->group)
        return;
    dtr_list_remove(&member->link);
    member->group->count--;
    settle(member->group);
}

static void close_all(void *context)
{
    struct dtr_stream_group *group = context;
    dtr_list_each (node, &group->streams)
        dtr_stream_close(dtr_container(node, struct dtr_stream_member, link)->stream, false);
}

void dtr_stream_group_end(struct dtr_stream_group *group, uint64_t limit_ms, void (*empty)(void *context),
                          void *context)
{
    group->ending = true;
    group->empty = empty;
    group->context = context;
    if (limit_ms == 0 || dtr_timer_open(group->loop, close_all, group, &group->limit, NULL) != DTR_OK)
        close_all(group);
    else
        dtr_timer_set(group->limit, limit_ms);
    settle(group);
}
