/* Tasks leave the store: which ones says reclaim.h, here they are told to.
 *
 * How full the disk is is asked on a data thread, as a disk may be slow. A pull that finds no room ends, and
 * its readers wait while some is made: the oldest tasks go, then it begins anew. When that does not help, or
 * nothing can go, the readers hear of it. */
#include "core/daemon/tasks/check.h"

#include "core/base/clock.h"
#include "core/daemon/tasks/reclaim.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <stdlib.h>

enum { ROOM_UNKNOWN = 64 << 20 }; /* bytes to make free for an object of unknown length */

/* --- what there is --------------------------------------------------------------------------------- */

/* Space is reserved for all of an object whose length is known. */
static uint64_t bytes_of(const struct dtr_task *task)
{
    uint64_t there = dtr_ranges_total(&task->readable);
    bool known = there > 0 && task->facts.content_length != DTR_LENGTH_UNKNOWN;
    return known ? task->facts.content_length : there;
}

static int64_t last_use(const struct dtr_task_facts *facts)
{
    int64_t last = facts->created_at;
    last = facts->finished_at > last ? facts->finished_at : last;
    return facts->used_at > last ? facts->used_at : last;
}

/* Bytes of all tasks but one. */
static uint64_t bytes_of_all(const struct dtr_tasks *tasks, const struct dtr_task *but)
{
    uint64_t sum = 0;
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL); node;
         node = dtr_map_next(&tasks->by_id, node)) {
        const struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        sum += task == but ? 0 : bytes_of(task);
    }
    return sum;
}

bool clean_fits(const struct dtr_task *task)
{
    uint64_t most = task->tasks->cleaning.policy.threshold, length = task->facts.content_length;
    if (most == 0 || length == DTR_LENGTH_UNKNOWN)
        return true;
    return length <= most && bytes_of_all(task->tasks, task) <= most - length;
}

/* --- going ------------------------------------------------------------------------------------------- */

struct leaving {
    struct dtr_tasks *tasks;
    char id[DTR_TASK_ID_LENGTH + 1];
    uint64_t bytes;
    int64_t used_at;
    enum reclaim_reason reason;
};

static void serve_waiting(struct dtr_tasks *tasks);

static void on_left(void *context, const struct dtr_error *err)
{
    struct leaving *leaving = context;
    struct dtr_tasks *tasks = leaving->tasks;
    bool age = leaving->reason == RECLAIM_AGE;
    tasks->cleaning.leaving--;
    if (err->code == DTR_OK) {
        dtr_log(DTR_LOG_INFO, NULL, "task %.8s left the store: %s; %llu bytes, last used %lld s ago",
                leaving->id, age ? "it is old" : "its space is needed", (unsigned long long)leaving->bytes,
                (long long)(dtr_wall_ns() / 1000000000 - leaving->used_at));
        dtr_metric_add(DTR_EVICTED_TASKS, DTR_LABELS(age ? "age" : "space"), 1);
        dtr_metric_add(DTR_EVICTED_BYTES, DTR_LABELS(age ? "age" : "space"), (double)leaving->bytes);
        if (tasks->options.withdrawn)
            tasks->options.withdrawn(tasks->options.withdrawn_context, leaving->id);
    } else if (err->code != DTR_ECANCELLED && err->code != DTR_EUNAVAILABLE) {
        dtr_log(DTR_LOG_WARN, NULL, "task %.8s cannot be removed from the store: %s", leaving->id, err->text);
    }
    free(leaving);
    serve_waiting(tasks);
}

static void let_go(struct dtr_tasks *tasks, const struct reclaim_item *item)
{
    const struct dtr_task *task = item->task;
    struct leaving *leaving = calloc(1, sizeof(*leaving));
    if (!leaving)
        return; /* the next cleaning finds it */
    *leaving = (struct leaving){
        .tasks = tasks, .bytes = item->bytes, .used_at = item->used_at, .reason = item->reason};
    memcpy(leaving->id, task->facts.task_id, DTR_TASK_ID_LENGTH);
    tasks->cleaning.leaving++;
    if (dtr_tasks_delete(tasks, leaving->id, on_left, leaving, NULL) != DTR_OK) {
        tasks->cleaning.leaving--;
        free(leaving);
    }
}

/* --- who waits for room ------------------------------------------------------------------------------ */

static uint64_t wanted_by(const struct dtr_task *task)
{
    uint64_t length = task->facts.content_length;
    if (!task->awaits_room)
        return 0;
    return length == DTR_LENGTH_UNKNOWN ? ROOM_UNKNOWN : length - dtr_ranges_total(&task->readable);
}

/* Nothing is on its way out any more: they try again, and hear the store's own word when there is no room. */
static void serve_waiting(struct dtr_tasks *tasks)
{
    struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL);
    if (tasks->cleaning.leaving > 0 || tasks->cleaning.asked)
        return;
    while (node) {
        struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        node = dtr_map_next(&tasks->by_id, node);
        if (!task->awaits_room)
            continue;
        task->awaits_room = false;
        task_settle(task);
    }
}

/* --- how full it is ----------------------------------------------------------------------------------- */

static struct reclaim_item *list_items(const struct dtr_tasks *tasks, size_t *ret_count, uint64_t *ret_wanted)
{
    struct reclaim_item *items = calloc(tasks->by_id.count + 1, sizeof(*items));
    *ret_count = 0;
    *ret_wanted = 0;
    for (struct dtr_map_node *node = items ? dtr_map_next(&tasks->by_id, NULL) : NULL; node;
         node = dtr_map_next(&tasks->by_id, node)) {
        const struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        items[(*ret_count)++] =
            (struct reclaim_item){.task = task,
                                  .bytes = bytes_of(task),
                                  .used_at = last_use(&task->facts),
                                  .created_at = task->facts.created_at,
                                  .finished = task->facts.finished_at != 0 || task->failed,
                                  .pinned = !task_idle(task)};
        *ret_wanted += wanted_by(task);
    }
    return items;
}

static void clean(struct dtr_tasks *tasks)
{
    struct cleaning *cleaning = &tasks->cleaning;
    const struct dtr_clean_policy *policy = &cleaning->policy;
    struct reclaim_limits limits = {.now = dtr_wall_ns() / 1000000000,
                                    .capacity = cleaning->total,
                                    .used = cleaning->used,
                                    .disk_free = UINT64_MAX};
    size_t count;
    bool room;
    struct reclaim_item *items = list_items(tasks, &count, &limits.wanted);
    if (cleaning->due) {
        limits.ttl = (int64_t)(policy->ttl_ms / 1000);
        limits.high = policy->high;
        limits.low = policy->low;
    }
    cleaning->due = false;
    if (policy->threshold) {
        limits.capacity = policy->threshold;
        limits.used = bytes_of_all(tasks, NULL);
        limits.disk_free = cleaning->total > cleaning->used ? cleaning->total - cleaning->used : 0;
    }
    size_t going = items ? reclaim(items, count, &limits, &room) : 0;
    for (size_t i = 0; i < going; i++)
        let_go(tasks, &items[i]);
    free(items);
}

static void ask(struct dtr_tasks *tasks);

/* Control thread. */
static void on_usage(struct dtr_msg *msg)
{
    struct cleaning *cleaning = dtr_container(msg, struct cleaning, msg);
    struct dtr_tasks *tasks = dtr_container(cleaning, struct dtr_tasks, cleaning);
    cleaning->asked = false;
    if (tasks->closing) {
        tasks_end(tasks);
        return;
    }
    if (cleaning->again)
        ask(tasks);
    else if (cleaning->rc == DTR_OK)
        clean(tasks);
    serve_waiting(tasks);
}

/* Data thread. */
static void look_at_disk(struct dtr_msg *msg)
{
    struct cleaning *cleaning = dtr_container(msg, struct cleaning, msg);
    const struct dtr_tasks *tasks = dtr_container(cleaning, struct dtr_tasks, cleaning);
    const struct dtr_tasks_options *options = &tasks->options;
    cleaning->rc =
        options->storage->usage(options->storage_instance, &cleaning->total, &cleaning->used, NULL);
    msg->run = on_usage;
    dtr_loop_post(options->control, msg);
}

static void ask(struct dtr_tasks *tasks)
{
    struct cleaning *cleaning = &tasks->cleaning;
    cleaning->again = cleaning->asked;
    if (cleaning->asked || tasks->closing)
        return;
    cleaning->asked = true;
    cleaning->msg.run = look_at_disk;
    dtr_loop_post(tasks->options.data[0], &cleaning->msg);
}

bool clean_wait(struct dtr_task *task, const struct dtr_error *err)
{
    if (err->code != DTR_ENO_SPACE || task->room_tried || task->spoilt || task->tasks->closing)
        return false;
    task->room_tried = task->awaits_room = true;
    ask(task->tasks);
    return true;
}

/* --- the page cache ------------------------------------------------------------------------------------ */

struct chill {
    struct dtr_msg msg;
    const struct dtr_tasks_options *options;
    char id[DTR_TASK_ID_LENGTH + 1];
};

/* Data thread. */
static void chill(struct dtr_msg *msg)
{
    struct chill *order = dtr_container(msg, struct chill, msg);
    order->options->storage->cool(order->options->storage_instance, order->id);
    free(order);
}

static void chill_idle(struct dtr_tasks *tasks)
{
    int64_t now = dtr_wall_ns() / 1000000000,
            idle = (int64_t)(tasks->cleaning.policy.page_cache_idle_ms / 1000);
    if (!DTR_STORAGE_HAS(tasks->options.storage, cool) || tasks->cleaning.policy.page_cache_idle_ms == 0)
        return;
    for (struct dtr_map_node *node = dtr_map_next(&tasks->by_id, NULL); node;
         node = dtr_map_next(&tasks->by_id, node)) {
        struct dtr_task *task = dtr_container(node, struct dtr_task, node);
        bool due = task->state == COPY_CLOSED && !task->cold && last_use(&task->facts) + idle <= now;
        struct chill *order = due && task_idle(task) ? calloc(1, sizeof(*order)) : NULL;
        if (!order)
            continue;
        *order = (struct chill){.msg.run = chill, .options = &tasks->options};
        memcpy(order->id, task->facts.task_id, DTR_TASK_ID_LENGTH);
        task->cold = true;
        dtr_loop_post(task->data, &order->msg);
    }
}

void dtr_tasks_clean(struct dtr_tasks *tasks, const struct dtr_clean_policy *policy)
{
    tasks->cleaning.policy = *policy;
    if (tasks->closing)
        return;
    chill_idle(tasks);
    tasks->cleaning.due = true;
    ask(tasks);
}

/* --- what is on its way to a peer ------------------------------------------------------------------------
 */

void dtr_task_pin(struct dtr_task *task)
{
    task->pins++;
}

void dtr_tasks_unpin(struct dtr_tasks *tasks, const char *task_id)
{
    struct dtr_task *task = dtr_tasks_find(tasks, task_id);
    if (task && task->pins > 0)
        task->pins--;
}
