/* Room for the pieces of DownloadTask streams: who may read one now, who waits, and who has to go because
 * others wait; see upload_order.h. */
#include "core/daemon/upload/upload_order.h"

#include "core/obs/log.h"

enum {
    STALL_MS = 10000,
    STALL_BYTES = 64 << 10, /* a caller that takes less in that time stalls */
};

/* Those who wait for room ask again, first come, first served. */
static void on_room(struct dtr_msg *msg)
{
    struct upload_content *content = dtr_container(msg, struct upload_content, room);
    struct dtr_list *waiting = &content->budget.waiting, *last = NULL;
    content->room_posted = false;
    while (!dtr_list_empty(waiting) && waiting->next != last) {
        last = waiting->next;
        order_advance(dtr_container(last, struct order, turn));
    }
}

static void room_soon(struct upload_content *content)
{
    if (!content->room_posted && !dtr_list_empty(&content->budget.waiting)) {
        content->room_posted = true;
        dtr_loop_post(content->upload->daemon->parts.control, &content->room);
    }
}

void order_leave_line(struct order *order)
{
    if (dtr_list_linked(&order->turn)) {
        dtr_list_remove(&order->turn);
        room_soon(order->room);
    }
}

void order_room_freed(void *context, uint64_t bytes)
{
    struct upload_content *content = context;
    budget_give(&content->budget, bytes);
    room_soon(content);
}

/* Its caller took next to nothing since the last look. */
static bool stalls(struct order *order)
{
    uint64_t queued = order->call ? dtr_rpc_call_queued(order->call) : 0;
    uint64_t taken = order->given > queued ? order->given - queued : 0, before = order->taken;
    order->taken = queued > 0 ? taken + 1 : 0; /* 0: nothing waited for it then */
    return queued > 0 && before > 0 && taken + 1 < before + STALL_BYTES;
}

/* Somebody waits for room: who holds it and does not take it has to go. */
static void on_stalls(void *context)
{
    struct upload *upload = context;
    bool wanted = false;
    dtr_list_each_safe (node, &upload->orders) {
        struct order *order = dtr_container(node, struct order, link);
        bool others_wait = !dtr_list_empty(&order->room->budget.waiting);
        wanted = wanted || others_wait;
        if (stalls(order) && others_wait) {
            dtr_log(DTR_LOG_WARN, order->download.task_id,
                    "%s is dropped: it does not take its pieces, and others wait for room",
                    dtr_rpc_call_peer(order->call));
            dtr_rpc_call_cancel(order->call);
        }
    }
    upload->looking = wanted;
    dtr_timer_set(upload->stalls, wanted ? upload->stall_ms : DTR_TIMER_OFF);
}

static void look_for_stalls(struct upload *upload)
{
    if (upload->looking || upload->closing)
        return;
    if (!upload->stalls &&
        dtr_timer_open(upload->daemon->parts.control, on_stalls, upload, &upload->stalls, NULL) != DTR_OK)
        return; /* the next one that waits tries again */
    dtr_list_each (node, &upload->orders)
        dtr_container(node, struct order, link)->taken = 0;
    upload->looking = true;
    dtr_timer_set(upload->stalls, upload->stall_ms);
}

bool order_take_room(struct order *order, uint64_t bytes)
{
    if (budget_take(&order->room->budget, &order->turn, bytes))
        return true;
    look_for_stalls(order->upload);
    return false;
}

void orders_init(struct upload *upload)
{
    dtr_list_init(&upload->orders);
    upload->stall_ms = STALL_MS;
    for (size_t i = 0; i < 2; i++) {
        upload->content[i] = (struct upload_content){.upload = upload, .room.run = on_room};
        budget_init(&upload->content[i].budget, upload->daemon->config->upload.content_memory);
    }
}

void upload_limit_content(struct upload *upload)
{
    for (size_t i = 0; i < 2; i++) {
        upload->content[i].budget.limit = upload->daemon->config->upload.content_memory;
        room_soon(&upload->content[i]);
    }
}

void orders_stop(struct upload *upload)
{
    dtr_timer_close(upload->stalls);
    upload->stalls = NULL;
}
