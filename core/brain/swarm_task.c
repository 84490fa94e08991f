/* Tasks: what is downloaded, and the lists they stand in by their number of peers. */
#include "core/brain/swarm_state.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t common_key[16]; /* zeros: every scheduler sends a task to the same seed */

enum { URL, DIGEST, TAG, APPLICATION, TEXTS };

static struct swarm_task *find(const struct dtr_swarm *swarm, const char *id)
{
    struct dtr_map_node *node = id ? dtr_map_find(&swarm->task_map, id) : NULL;
    return node ? dtr_container(node, struct swarm_task, node) : NULL;
}

const struct dtr_swarm_task *dtr_swarm_find_task(const struct dtr_swarm *swarm, const char *task_id)
{
    struct swarm_task *task = find(swarm, task_id);
    return task ? &task->facts : NULL;
}

static struct swarm_task *add(struct dtr_swarm *swarm, const char *id)
{
    size_t length = strlen(id);
    struct swarm_task *task = calloc(1, sizeof(*task) + length + 1);
    if (!task)
        return NULL;
    memcpy(task->id, id, length + 1);
    if (!dtr_map_add(&swarm->task_map, &task->node, task->id, length)) {
        free(task);
        return NULL;
    }
    struct dtr_swarm_task *facts = &task->facts;
    facts->id = task->id;
    facts->url = facts->digest = facts->tag = facts->application = "";
    facts->content_length = DTR_LENGTH_UNKNOWN;
    facts->created_ms = facts->updated_ms = swarm->now_ms;
    task->hash = dtr_swarm_hash(common_key, id);
    dtr_list_init(&task->peers);
    dtr_list_init(&task->waiting);
    dtr_list_init(&task->roomy);
    dtr_list_add_tail(&swarm->empty_tasks, &task->link);
    swarm->counts.tasks++;
    return task;
}

/* The latest register wins: signed URLs change. */
static bool take_texts(struct swarm_task *task, const struct dtr_swarm_register *in)
{
    struct dtr_swarm_task *own = &task->facts;
    if (same_text(own->url, in->url) && same_text(own->digest, in->digest) && same_text(own->tag, in->tag) &&
        same_text(own->application, in->application))
        return true;
    const char *const texts[TEXTS] = {
        [URL] = in->url, [DIGEST] = in->digest, [TAG] = in->tag, [APPLICATION] = in->application};
    const char *at[TEXTS];
    char *memory = dtr_swarm_texts(texts, TEXTS, at);
    if (!memory)
        return false;
    free(task->texts);
    task->texts = memory;
    own->url = at[URL];
    own->digest = at[DIGEST];
    own->tag = at[TAG];
    own->application = at[APPLICATION];
    return true;
}

/* Length and pieces come with the first register that knows them, and anew once nobody is left. */
static void take_geometry(struct swarm_task *task, const struct dtr_swarm_register *in)
{
    struct dtr_swarm_task *own = &task->facts;
    bool unknown = own->content_length == DTR_LENGTH_UNKNOWN || own->peer_count == 0;
    if (!unknown || in->content_length == DTR_LENGTH_UNKNOWN)
        return;
    own->content_length = in->content_length;
    own->piece_length = in->piece_length;
    own->piece_count = in->piece_count;
}

struct swarm_task *dtr_swarm_task_of(struct dtr_swarm *swarm, const char *task_id,
                                     const struct dtr_swarm_register *registered)
{
    struct swarm_task *task = find(swarm, task_id);
    if (!task)
        task = add(swarm, task_id);
    if (!task || !take_texts(task, registered))
        return NULL;
    take_geometry(task, registered);
    task->facts.updated_ms = swarm->now_ms;
    return task;
}

void dtr_swarm_task_place(struct dtr_swarm *swarm, struct swarm_task *task)
{
    uint32_t limit = swarm->config.task_peer_limit, count = task->facts.peer_count;
    struct dtr_list *head = count == 0               ? &swarm->empty_tasks
                            : limit && count > limit ? &swarm->crowded
                                                     : &swarm->tasks;
    dtr_list_remove(&task->link);
    dtr_list_add_tail(head, &task->link);
}

void dtr_swarm_task_remove(struct dtr_swarm *swarm, struct swarm_task *task)
{
    dtr_list_remove(&task->link);
    dtr_map_remove(&swarm->task_map, &task->node);
    free(task->offers);
    free(task->texts);
    free(task);
    swarm->counts.tasks--;
}
