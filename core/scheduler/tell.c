/* The scheduler's log lines: hosts at info, conversations at debug, under the short form of the peer's id. A
 * Darter daemon begins the random part of that id with the id of its pull, so both logs can be searched for
 * one word. */
#include "core/base/str.h"
#include "core/obs/log.h"
#include "core/scheduler/role.h"

#include <stdio.h>
#include <string.h>

enum { UUID = 36, SHORT = 8 };

/* The first 8 characters of the uuid in "<ip>-<hostname>-<uuid>" or "...-seed"; of other ids the last 8. */
static const char *short_id(const char *peer_id, char id[SHORT + 1])
{
    static const char seed[] = "-seed";
    size_t length = strlen(peer_id), tail = sizeof(seed) - 1;
    if (length > tail && strcmp(peer_id + length - tail, seed) == 0)
        length -= tail;
    const char *uuid = length > UUID ? peer_id + length - UUID : NULL;
    if (!uuid || !dtr_is_hex(uuid, SHORT) || uuid[SHORT] != '-')
        uuid = length > SHORT ? peer_id + length - SHORT : peer_id;
    (void)snprintf(id, SHORT + 1, "%s", uuid);
    return id;
}

static void tell_register(const struct dtr_swarm_message *event, const char *id)
{
    const struct dtr_swarm_register *registered = event->registered;
    char url[256];
    dtr_log(DTR_LOG_DEBUG, id, "%s registers for task %s, %s%s%s", event->peer_id, event->task_id,
            dtr_log_url(registered->url, url, sizeof(url)),
            registered->need_back_to_source ? ", from the origin" : "",
            registered->metadata_only ? ", which it has" : "");
}

void tell_message(const struct dtr_swarm_message *event)
{
    static const char *const texts[] = {
#define KIND_TEXT(name, text) [DTR_SWARM_##name] = (text),
        DTR_SWARM_MESSAGES(KIND_TEXT)
#undef KIND_TEXT
    };
    char buffer[SHORT + 1];
    if (!dtr_log_on(DTR_LOG_DEBUG))
        return;
    const char *id = short_id(event->peer_id, buffer);
    if (event->kind == DTR_SWARM_REGISTER)
        tell_register(event, id);
    else if (event->kind == DTR_SWARM_PIECE_FAILED)
        dtr_log(DTR_LOG_DEBUG, id, "%s: piece %u of %s", texts[event->kind], event->piece.number,
                event->piece.parent_id);
    else if (event->kind != DTR_SWARM_PIECE_FINISHED && event->kind != DTR_SWARM_SOURCE_PIECE_FINISHED)
        dtr_log(DTR_LOG_DEBUG, id, "%s", texts[event->kind]);
}

static void tell_parents(const struct dtr_swarm_action *action, const char *what, const char *id)
{
    struct dtr_str list = {.limit = 1500};
    for (uint32_t i = 0; i < action->parent_count; i++)
        dtr_str_printf(&list, "%s%s", i ? ", " : "", action->parents[i]->id);
    dtr_log(DTR_LOG_DEBUG, id, "%s: %u parents, %s", what, action->parent_count, dtr_str_text(&list));
    dtr_str_free(&list);
}

void tell_action(const struct dtr_swarm_action *action)
{
    const struct announce *announce = action->stream;
    const char *peer_id = action->peer ? action->peer->id : announce ? announce->peer_id : NULL;
    char buffer[SHORT + 1];
    if (!dtr_log_on(DTR_LOG_DEBUG) || !peer_id)
        return;
    const char *id = short_id(peer_id, buffer);
    switch (action->kind) {
    case DTR_SWARM_ANSWER_PARENTS:
        tell_parents(action, "answer", id);
        break;
    case DTR_SWARM_MORE_PARENTS:
        tell_parents(action, "unasked", id);
        break;
    case DTR_SWARM_MORE_SOURCE:
        dtr_log(DTR_LOG_DEBUG, id, "unasked: back to source, %s", action->text);
        break;
    case DTR_SWARM_ANSWER_SOURCE:
        dtr_log(DTR_LOG_DEBUG, id, "answer: back to source, %s", action->text);
        break;
    case DTR_SWARM_ANSWER_EMPTY:
        dtr_log(DTR_LOG_DEBUG, id, "answer: the object is empty");
        break;
    case DTR_SWARM_ANSWER_METADATA_ONLY:
        dtr_log(DTR_LOG_DEBUG, id, "answer: noted that it has the task");
        break;
    case DTR_SWARM_REJECT:
        dtr_log(DTR_LOG_DEBUG, id, "refused: %s", action->text);
        break;
    case DTR_SWARM_TRIGGER_SEED:
        dtr_log(DTR_LOG_DEBUG, id, "seed %s is asked for task %s", action->host->facts.id, action->task->id);
        break;
    case DTR_SWARM_CLOSE:
    case DTR_SWARM_PROBE_SEED:
    case DTR_SWARM_HOST_GONE:
        break;
    }
}

void tell_host_came(const struct dtr_swarm_announce *facts)
{
    bool v6 = strchr(facts->ip, ':') != NULL;
    dtr_log(DTR_LOG_INFO, NULL, "host %s is there: %s at %s%s%s:%d", facts->id,
            facts->type ? "a seed" : "a peer", v6 ? "[" : "", facts->ip, v6 ? "]" : "", (int)facts->port);
}

void tell_host_left(const char *host_id)
{
    dtr_log(DTR_LOG_INFO, NULL, "host %s has left", host_id);
}

void tell_host_gone(const struct dtr_swarm_host *host, uint64_t silent_ms)
{
    const struct dtr_swarm_announce *facts = &host->facts;
    dtr_log(DTR_LOG_INFO, NULL, "host %s (%s at %s) is removed: it was silent for %.1f s", facts->id,
            facts->hostname, facts->ip, (double)silent_ms / 1000);
}
