/* Explain: what the journal of pulls has of a task, for whoever is at this machine. */
#include "core/base/clock.h"
#include "core/daemon/tasks/journal.h"
#include "core/daemon/upload/upload_internal.h"
#include "core/obs/log.h"
#include "proto/darter.pb-c.h"
#include <stdlib.h>

enum { SHOWN = 4, URL_TEXT = 256 }; /* SHOWN: tasks that an ambiguous name lists */

/* protobuf-c wants char * for what it only reads. */
static char *text(const char *constant)
{
    return (char *)(uintptr_t)(constant ? constant : "");
}

/* --- which task ----------------------------------------------------------------------------------- */

/* The tasks that a name stands for. */
struct search {
    const char *name;
    char url[URL_TEXT]; /* the name as one; "": it is none */
    char ids[SHOWN][DTR_TASK_ID_SIZE];
    uint32_t count;
};

static void found(struct search *search, const char *task_id)
{
    for (uint32_t i = 0; i < search->count && i < SHOWN; i++) {
        if (strcmp(search->ids[i], task_id) == 0)
            return;
    }
    if (search->count < SHOWN)
        memcpy(search->ids[search->count], task_id, DTR_TASK_ID_SIZE);
    search->count++;
}

/* URLs are compared without their queries, where signatures come and go. */
static void look(struct search *search, const char *task_id, const char *url, const char *digest)
{
    char clean[URL_TEXT];
    bool named = strncmp(task_id, search->name, strlen(search->name)) == 0 ||
                 strcmp(digest, search->name) == 0 ||
                 (search->url[0] && strcmp(dtr_log_url(url, clean, sizeof(clean)), search->url) == 0);
    if (named)
        found(search, task_id);
}

static void look_at_task(void *context, const struct dtr_task *task)
{
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    look(context, facts->task_id, facts->url, facts->digest);
}

static void search_all(const struct dtr_daemon *daemon, struct search *search)
{
    const struct journal *journal = dtr_tasks_journal(daemon->tasks);
    if (strstr(search->name, "://"))
        (void)dtr_log_url(search->name, search->url, sizeof(search->url));
    dtr_tasks_each(daemon->tasks, look_at_task, search);
    for (const struct journal_pull *pull = journal_next(journal, NULL); pull;
         pull = journal_next(journal, pull))
        look(search, pull->task_id, pull->url, pull->digest);
}

/* False: the call has ended. */
static bool one_task(struct search *search, struct dtr_rpc_call *call)
{
    char why[200 + SHOWN * DTR_TASK_ID_SIZE];
    if (search->count == 1)
        return true;
    if (search->count == 0) {
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this daemon has no such task, and pulled none");
        return false;
    }
    int length =
        snprintf(why, sizeof(why), "%u tasks go by this name; say which one, by its id:", search->count);
    for (uint32_t i = 0; i < search->count && i < SHOWN; i++)
        length += snprintf(why + length, sizeof(why) - (size_t)length, " %s", search->ids[i]);
    if (search->count > SHOWN)
        (void)snprintf(why + length, sizeof(why) - (size_t)length, " ...");
    dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, why);
    return false;
}

/* --- its pulls ------------------------------------------------------------------------------------ */

/* One pull as a message, with the memory of its lists. */
struct told {
    Darter__V1__Pull pull;
    Darter__V1__Event *events, **event_list;
    Darter__V1__Giver *givers, **giver_list;
};

static void tell_events(struct told *told, const struct journal_pull *pull)
{
    told->pull.n_events = pull->event_count;
    told->pull.events = told->event_list;
    for (uint32_t i = 0; i < pull->event_count; i++) {
        Darter__V1__Event *event = told->event_list[i] = &told->events[i];
        darter__v1__event__init(event);
        event->at_ms = pull->events[i].at_ms;
        event->kind = text(journal_kind_text(pull->events[i].kind));
        event->text = pull->events[i].text;
    }
}

static void tell_giver(Darter__V1__Giver *to, const struct journal_giver *giver)
{
    darter__v1__giver__init(to);
    to->address = text(giver->address);
    to->peer_id = text(giver->peer_id);
    to->host_id = text(giver->host_id);
    to->joined_ms = giver->joined_ms;
    to->last_ms = giver->last_ms;
    to->left = giver->left;
    to->left_ms = giver->left ? giver->left_ms : 0;
    to->why_left = text(giver->left ? giver->why : "");
    to->state = text(giver->state);
    to->asked = giver->asked;
    to->pieces = giver->pieces;
    to->failed = giver->failed;
    to->bytes = giver->bytes;
    to->fresh = giver->fresh;
    to->rate = giver->rate;
    to->measured = giver->measured;
    to->announced = giver->announced;
}

static void tell_totals(Darter__V1__Pull *to, const struct journal_pull *pull)
{
    darter__v1__pull__init(to);
    to->id = text(pull->id);
    to->url = pull->url;
    to->asker = pull->asker;
    to->part = pull->part;
    to->began_wall_ms = pull->began_wall_ms;
    to->took_ms = pull->outcome == JOURNAL_RUNNING ? dtr_now_ms() - pull->began_ms : pull->took_ms;
    to->outcome = text(journal_outcome_text(pull->outcome));
    to->error = text(pull->error);
    if (pull->content_length != DTR_LENGTH_UNKNOWN) {
        to->has_content_length_case = DARTER__V1__PULL__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
        to->content_length = pull->content_length;
    }
    to->from_store = pull->from_store;
    to->from_origin = pull->from_origin;
    to->from_peers = pull->from_peers;
    to->twice = pull->twice;
    to->replans = pull->replans;
    to->origin_requests = pull->origin_requests;
    to->stalls = pull->stalls;
    to->dropped = pull->dropped;
    to->more_givers = pull->more_givers;
}

static bool tell_pull(struct told *told, const struct journal_pull *pull)
{
    tell_totals(&told->pull, pull);
    told->events = calloc(pull->event_count + 1, sizeof(*told->events));
    told->event_list = calloc(pull->event_count + 1, sizeof(*told->event_list));
    told->givers = calloc(pull->giver_count + 1, sizeof(*told->givers));
    told->giver_list = calloc(pull->giver_count + 1, sizeof(*told->giver_list));
    if (!told->events || !told->event_list || !told->givers || !told->giver_list)
        return false;
    tell_events(told, pull);
    told->pull.n_givers = pull->giver_count;
    told->pull.givers = told->giver_list;
    for (uint32_t i = 0; i < pull->giver_count; i++)
        tell_giver(told->giver_list[i] = &told->givers[i], &pull->givers[i]);
    return true;
}

static bool tell_pulls(const struct journal *journal, const char *task_id, struct told *told,
                       Darter__V1__Pull **list, size_t *ret_count)
{
    bool ok = true;
    for (const struct journal_pull *pull = journal_next(journal, NULL); pull && ok;
         pull = journal_next(journal, pull)) {
        if (strcmp(pull->task_id, task_id) != 0 || *ret_count >= JOURNAL_TASK_PULLS)
            continue;
        ok = tell_pull(&told[*ret_count], pull);
        list[*ret_count] = &told[*ret_count].pull;
        (*ret_count)++;
    }
    return ok;
}

static void tell_task(const struct dtr_task *task, Darter__V1__ExplainResponse *response)
{
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    response->known = true;
    response->whole = dtr_task_is_whole(task);
    response->earlier = dtr_task_is_of_earlier(task);
    if (facts->content_length == DTR_LENGTH_UNKNOWN)
        return;
    response->has_content_length_case = DARTER__V1__EXPLAIN_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
    response->content_length = facts->content_length;
}

static void reply(struct dtr_daemon *daemon, struct dtr_rpc_call *call, const char *task_id)
{
    struct told told[JOURNAL_TASK_PULLS + 1] = {0};
    Darter__V1__Pull *list[JOURNAL_TASK_PULLS + 1];
    Darter__V1__ExplainResponse response = DARTER__V1__EXPLAIN_RESPONSE__INIT;
    const struct journal *journal = dtr_tasks_journal(daemon->tasks);
    const struct dtr_task *task = dtr_tasks_find(daemon->tasks, task_id);
    response.task_id = text(task_id);
    response.forgotten = journal->forgotten;
    response.pulls = list;
    if (task)
        tell_task(task, &response);
    if (tell_pulls(journal, task_id, told, list, &response.n_pulls))
        dtr_rpc_call_reply(call, &response.base);
    else
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for the explanation");
    for (size_t i = 0; i < response.n_pulls; i++) {
        free(told[i].events);
        free(told[i].event_list);
        free(told[i].givers);
        free(told[i].giver_list);
    }
}

void explain(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_daemon *daemon = service;
    const Darter__V1__ExplainRequest *message = (const void *)request->message;
    struct search search = {.name = message->task};
    if (!*message->task) {
        dtr_rpc_call_finish(call, DTR_RPC_INVALID_ARGUMENT, "task: it is missing");
    } else if (daemon->upload->closing) {
        dtr_rpc_call_finish(call, DTR_RPC_UNAVAILABLE, "the daemon stops");
    } else {
        search_all(daemon, &search);
        if (one_task(&search, call))
            reply(daemon, call, search.ids[0]);
    }
}
