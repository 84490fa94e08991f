/* Preheats by id; see preheats.h. */
#include "core/scheduler/jobs/preheats.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void preheats_init(struct preheats *preheats)
{
    *preheats = (struct preheats){0};
    dtr_list_init(&preheats->running);
    dtr_list_init(&preheats->ended);
}

static size_t rows_of(const struct preheat *preheat)
{
    size_t count = 0;
    if (preheat->plan.grid)
        (void)grid_rows(preheat->plan.grid, &count);
    return count;
}

static void forget(struct preheats *preheats, struct preheat *preheat)
{
    dtr_list_remove(&preheat->link);
    if (preheat->id[0])
        dtr_map_remove(&preheats->by_id, &preheat->node);
    if (preheat->over) {
        preheats->ended_count--;
        preheats->ended_rows -= rows_of(preheat);
    } else {
        preheats->running_count--;
    }
    plan_free(&preheat->plan);
    free(preheat);
}

void preheats_free(struct preheats *preheats)
{
    struct dtr_list *const lists[] = {&preheats->running, &preheats->ended};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        while (!dtr_list_empty(lists[i]))
            forget(preheats, dtr_container(lists[i]->next, struct preheat, link));
    }
    dtr_map_clear(&preheats->by_id);
}

int preheats_check_id(const char *id, struct dtr_error *err)
{
    size_t length = strlen(id), good = 0;
    while (good < length && id[good] > ' ' && id[good] <= '~')
        good++;
    if (length > 0 && length <= PREHEAT_ID_MOST && good == length)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "the id of a preheat has 1 to %d visible ASCII characters", PREHEAT_ID_MOST);
}

static void sweep(struct preheats *preheats, uint64_t now_ms)
{
    while (!dtr_list_empty(&preheats->ended)) {
        struct preheat *oldest = dtr_container(preheats->ended.next, struct preheat, link);
        if (now_ms - oldest->over_ms < PREHEATS_AGE_MS && preheats->ended_rows <= PREHEATS_ROWS_MOST &&
            preheats->ended_count <= PREHEATS_MOST)
            return;
        forget(preheats, oldest);
    }
}

struct preheat *preheats_find(struct preheats *preheats, uint64_t now_ms, const char *id)
{
    sweep(preheats, now_ms);
    struct dtr_map_node *node = dtr_map_find(&preheats->by_id, id);
    return node ? dtr_container(node, struct preheat, node) : NULL;
}

int preheats_begin(struct preheats *preheats, uint64_t now_ms, const char *id, struct preheat **ret_preheat,
                   struct dtr_error *err)
{
    struct preheat *earlier = id[0] ? preheats_find(preheats, now_ms, id) : NULL;
    assert(!earlier || earlier->over);
    if (preheats->running_count == PREHEATS_RUNNING_MOST)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME,
                             "%d preheats run already; try again when one has ended", PREHEATS_RUNNING_MOST);
    struct preheat *preheat = calloc(1, sizeof(*preheat));
    if (!preheat)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a preheat");
    if (earlier)
        forget(preheats, earlier);
    memcpy(preheat->id, id, strlen(id) + 1);
    plan_init(&preheat->plan);
    if (id[0] && !dtr_map_add(&preheats->by_id, &preheat->node, preheat->id, strlen(id))) {
        free(preheat);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a preheat");
    }
    dtr_list_add_tail(&preheats->running, &preheat->link);
    preheats->running_count++;
    *ret_preheat = preheat;
    return DTR_OK;
}

void preheats_end(struct preheats *preheats, uint64_t now_ms, struct preheat *preheat, const char *error)
{
    assert(!preheat->over);
    dtr_list_remove(&preheat->link);
    preheats->running_count--;
    preheat->over = true;
    preheat->over_ms = now_ms;
    (void)snprintf(preheat->error, sizeof(preheat->error), "%s", error ? error : "");
    dtr_list_add_tail(&preheats->ended, &preheat->link);
    preheats->ended_count++;
    preheats->ended_rows += rows_of(preheat);
    if (!preheat->id[0])
        forget(preheats, preheat);
    sweep(preheats, now_ms);
}
