/* See journal.h. */
#include "core/daemon/tasks/journal.h"

#include "core/base/str.h"
#include <stdlib.h>
#include <string.h>

enum { OVERHEAD = 16 /* of the allocator, for each text */ };

const char *journal_kind_text(enum journal_kind kind)
{
    static const char *const texts[] = {
#define JOURNAL_KIND_TEXT(name, text, detail) text,
        JOURNAL_KINDS(JOURNAL_KIND_TEXT)
#undef JOURNAL_KIND_TEXT
    };
    return texts[kind];
}

static bool is_detail(enum journal_kind kind)
{
    static const bool details[] = {
#define JOURNAL_KIND_DETAIL(name, text, detail) detail,
        JOURNAL_KINDS(JOURNAL_KIND_DETAIL)
#undef JOURNAL_KIND_DETAIL
    };
    return details[kind];
}

const char *journal_outcome_text(enum journal_outcome outcome)
{
    static const char *const texts[] = {"running", "done", "failed", "given up"};
    return texts[outcome];
}

static struct journal_pull *pull_of(struct dtr_list *node)
{
    return dtr_container(node, struct journal_pull, link);
}

static void forget(struct journal_pull *pull)
{
    struct journal *journal = pull->journal;
    dtr_list_remove(&pull->link);
    journal->memory -= pull->memory;
    journal->count--;
    for (uint32_t i = 0; i < pull->event_count; i++)
        free(pull->events[i].text);
    free(pull->events);
    free(pull->givers);
    free(pull->url);
    free(pull->digest);
    free(pull->asker);
    free(pull->part);
    free(pull->error);
    free(pull);
}

void journal_init(struct journal *journal)
{
    *journal = (struct journal){0};
    dtr_list_init(&journal->pulls);
}

void journal_clear(struct journal *journal)
{
    while (!dtr_list_empty(&journal->pulls))
        forget(pull_of(journal->pulls.next));
}

/* The oldest pull that has ended goes, of this task or (NULL) of any; not `except`. */
static bool forget_oldest(struct journal *journal, const char *task_id, const struct journal_pull *except)
{
    dtr_list_each (node, &journal->pulls) {
        struct journal_pull *pull = pull_of(node);
        if (pull->outcome == JOURNAL_RUNNING || pull == except ||
            (task_id && strcmp(task_id, pull->task_id) != 0))
            continue;
        forget(pull);
        journal->forgotten++;
        return true;
    }
    return false;
}

/* Counts memory before it is taken. */
static bool reserve(struct journal *journal, struct journal_pull *pull, size_t bytes)
{
    while (journal->memory + bytes > JOURNAL_BYTES) {
        if (!forget_oldest(journal, NULL, pull))
            return false;
    }
    journal->memory += bytes;
    pull->memory += bytes;
    return true;
}

/* A copy, cut; NULL: there is no room. */
static char *keep(struct journal_pull *pull, const char *text)
{
    size_t length = strnlen(text, JOURNAL_TEXT);
    return reserve(pull->journal, pull, length + 1 + OVERHEAD) ? strndup(text, length) : NULL;
}

static uint32_t of_task(const struct journal *journal, const char *task_id)
{
    uint32_t count = 0;
    dtr_list_each (node, &journal->pulls)
        count += strcmp(pull_of(node)->task_id, task_id) == 0;
    return count;
}

struct journal_pull *journal_begin(struct journal *journal, const struct journal_start *start)
{
    if (of_task(journal, start->task_id) >= JOURNAL_TASK_PULLS)
        (void)forget_oldest(journal, start->task_id, NULL);
    if (journal->count >= JOURNAL_PULLS)
        (void)forget_oldest(journal, NULL, NULL);
    struct journal_pull *pull = journal->count < JOURNAL_PULLS ? calloc(1, sizeof(*pull)) : NULL;
    if (!pull) {
        journal->forgotten++;
        return NULL;
    }
    pull->journal = journal;
    (void)dtr_copy_text(pull->id, sizeof(pull->id), start->id);
    (void)dtr_copy_text(pull->task_id, sizeof(pull->task_id), start->task_id);
    pull->began_wall_ms = start->wall_ms;
    pull->began_ms = start->now_ms;
    pull->content_length = start->content_length;
    pull->from_store = start->from_store;
    dtr_list_add_tail(&journal->pulls, &pull->link);
    journal->count++;
    bool room = reserve(journal, pull, sizeof(*pull));
    pull->url = room ? keep(pull, start->url) : NULL;
    pull->digest = room ? keep(pull, start->digest) : NULL;
    pull->asker = room ? keep(pull, start->asker) : NULL;
    pull->part = room ? keep(pull, start->part) : NULL;
    if (pull->url && pull->digest && pull->asker && pull->part)
        return pull;
    forget(pull);
    journal->forgotten++;
    return NULL;
}

/* Room for one more of an array, which grows by doubling from 4. */
static void *grown(struct journal_pull *pull, void *array, uint32_t count, uint32_t *room, size_t size)
{
    uint32_t more = *room ? *room * 2 : 4;
    if (count < *room)
        return array;
    if (!reserve(pull->journal, pull, (more - *room) * size))
        return NULL;
    void *fresh = realloc(array, more * size);
    if (fresh)
        *room = more;
    return fresh;
}

void journal_event(struct journal_pull *pull, uint64_t now_ms, enum journal_kind kind, const char *text)
{
    if (!pull)
        return;
    bool detail = is_detail(kind);
    bool full = pull->event_count >= JOURNAL_EVENTS || (detail && pull->detail_count >= JOURNAL_DETAILS);
    void *events =
        full ? NULL : grown(pull, pull->events, pull->event_count, &pull->event_room, sizeof(*pull->events));
    if (events)
        pull->events = events;
    char *copy = events ? keep(pull, text) : NULL;
    if (!copy) {
        pull->dropped++;
        return;
    }
    pull->events[pull->event_count++] =
        (struct journal_event){.at_ms = now_ms - pull->began_ms, .kind = kind, .text = copy};
    pull->detail_count += detail;
}

struct journal_giver *journal_giver(struct journal_pull *pull, uint32_t parent)
{
    for (uint32_t i = 0; pull && i < pull->giver_count; i++) {
        if (pull->givers[i].parent == parent)
            return &pull->givers[i];
    }
    return NULL;
}

struct journal_giver *journal_join(struct journal_pull *pull, uint64_t now_ms, uint32_t parent,
                                   const char *address, const char *peer_id, const char *host_id)
{
    struct journal_giver *giver = journal_giver(pull, parent);
    if (giver || !pull)
        return giver;
    void *givers = pull->giver_count >= JOURNAL_GIVERS ? NULL
                                                       : grown(pull, pull->givers, pull->giver_count,
                                                               &pull->giver_room, sizeof(*pull->givers));
    if (!givers) {
        pull->more_givers++;
        return NULL;
    }
    pull->givers = givers;
    giver = &pull->givers[pull->giver_count++];
    *giver = (struct journal_giver){.parent = parent, .joined_ms = now_ms - pull->began_ms, .state = "live"};
    (void)dtr_copy_text(giver->address, sizeof(giver->address), address);
    (void)snprintf(giver->peer_id, sizeof(giver->peer_id), "%s", peer_id);
    (void)snprintf(giver->host_id, sizeof(giver->host_id), "%s", host_id);
    return giver;
}

void journal_end(struct journal_pull *pull, uint64_t now_ms, enum journal_outcome outcome, const char *error)
{
    if (!pull)
        return;
    pull->took_ms = now_ms - pull->began_ms;
    if (*error)
        pull->error = keep(pull, error);
    pull->outcome = outcome;
}

const struct journal_pull *journal_next(const struct journal *journal, const struct journal_pull *previous)
{
    const struct dtr_list *next = previous ? previous->link.next : journal->pulls.next;
    return next == &journal->pulls ? NULL : dtr_container(next, const struct journal_pull, link);
}
