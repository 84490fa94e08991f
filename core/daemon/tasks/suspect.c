/* Who gave which piece, and who lied: see check.c. */
#include "core/daemon/tasks/check.h"

#include "core/base/str.h"
#include "core/obs/log.h"
#include <stdlib.h>

/* Peers that gave pieces of one task, by their addresses; a piece names its giver by the index + 1. */
enum { GIVERS = 255 };

struct suspects {
    char givers[GIVERS][DTR_ADDR_TEXT];
    uint32_t giver_count;
    uint8_t *given_by; /* by piece; 0: the origin */
    uint32_t room;
    uint32_t *crc32; /* of the pieces that were withdrawn; NULL: none were */
};

void suspects_free(struct dtr_task *task)
{
    if (!task->suspects)
        return;
    free(task->suspects->given_by);
    free(task->suspects->crc32);
    free(task->suspects);
    task->suspects = NULL;
}

bool suspects_watched(const struct dtr_task *task)
{
    return task->suspects && task->suspects->crc32;
}

static uint8_t giver(struct suspects *suspects, const char *from)
{
    uint32_t i = 0;
    while (i < suspects->giver_count && strcmp(suspects->givers[i], from) != 0)
        i++;
    if (i == GIVERS)
        return 0; /* no room for another name: it will not be found out */
    if (i == suspects->giver_count)
        (void)dtr_copy_text(suspects->givers[suspects->giver_count++], DTR_ADDR_TEXT, from);
    return (uint8_t)(i + 1);
}

void suspects_gave(struct dtr_task *task, uint32_t piece, const char *from)
{
    struct suspects *suspects = task->suspects;
    if (!check_owed(task) || suspects_watched(task))
        return;
    if (!suspects)
        task->suspects = suspects = calloc(1, sizeof(*suspects));
    if (suspects && piece >= suspects->room) {
        uint8_t *grown = realloc(suspects->given_by, piece + (size_t)64);
        if (!grown)
            return;
        memset(grown + suspects->room, 0, piece + 64 - suspects->room);
        suspects->given_by = grown;
        suspects->room = piece + 64;
    }
    if (suspects)
        suspects->given_by[piece] = giver(suspects, from);
}

void suspects_take(struct dtr_task *task)
{
    struct suspects *suspects = task->suspects;
    if (suspects && !suspects->crc32)
        suspects->crc32 = calloc(suspects->room + (size_t)1, sizeof(*suspects->crc32));
    for (uint32_t i = 0; suspects && suspects->crc32 && i < task->piece_room && i < suspects->room; i++)
        suspects->crc32[i] = task->pieces[i].crc32;
}

/* The address without the port: pieces may come from any of its ports. */
static void blame(struct dtr_tasks *tasks, const char *ip)
{
    for (size_t i = 0; i < tasks->liar_count; i++) {
        if (strcmp(tasks->liars[i], ip) == 0)
            return;
    }
    /* Past the limit the oldest is forgotten. */
    if (tasks->liar_count == TASKS_LIARS)
        memmove(tasks->liars[0], tasks->liars[1], sizeof(tasks->liars) - sizeof(tasks->liars[0]));
    else
        tasks->liar_count++;
    (void)dtr_copy_text(tasks->liars[tasks->liar_count - 1], DTR_ADDR_TEXT, ip);
}

void suspects_compare(struct dtr_task *task, const struct dtr_piece *piece)
{
    const struct suspects *suspects = task->suspects;
    if (!suspects_watched(task) || piece->number >= suspects->room)
        return;
    uint8_t by = suspects->given_by[piece->number];
    if (!by || suspects->crc32[piece->number] == piece->crc32)
        return;
    const char *ip = suspects->givers[by - 1];
    dtr_log(DTR_LOG_ERROR, dtr_task_pull_id(task),
            "peer %s gave wrong bytes for piece %u of task %.8s; nothing is taken from it until a restart",
            ip, piece->number, task->facts.task_id);
    blame(task->tasks, ip);
}

bool dtr_tasks_is_liar(const struct dtr_tasks *tasks, const char *ip)
{
    char text[DTR_ADDR_TEXT];
    struct dtr_addr addr;
    if (dtr_addr_ip(ip, 0, &addr, NULL) != DTR_OK)
        return false; /* and it cannot be dialled */
    dtr_addr_ip_text(&addr, text);
    for (size_t i = 0; i < tasks->liar_count; i++) {
        if (strcmp(tasks->liars[i], text) == 0)
            return true;
    }
    return false;
}
