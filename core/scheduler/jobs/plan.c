/* Hosts and objects of a job; see plan.h. */
#include "core/scheduler/jobs/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
}

int plan_scope(const char *text, enum plan_scope *ret_scope, struct dtr_error *err)
{
    static const char *const texts[] = {
#define PLAN_SCOPE_TEXT(name, text) [PLAN_##name] = (text),
        PLAN_SCOPES(PLAN_SCOPE_TEXT)
#undef PLAN_SCOPE_TEXT
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(text, texts[i]) == 0 || (i == 0 && !text[0])) {
            *ret_scope = (enum plan_scope)i;
            return DTR_OK;
        }
    }
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "scope \"%.60s\" is none of single_seed_peer, all_seed_peers, all_peers", text);
}

int plan_check(const struct plan_choice *choice, struct dtr_error *err)
{
    if (choice->has_count && choice->count == 0)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "count: 0 hosts are none; name 1 or more");
    if (choice->has_percentage && (choice->percentage == 0 || choice->percentage > 100))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "percentage: %u is not within 1 and 100",
                             choice->percentage);
    return DTR_OK;
}

void plan_init(struct plan *plan)
{
    *plan = (struct plan){0};
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->host_count; i++)
        free(plan->hosts[i].texts);
    for (size_t i = 0; i < plan->object_count; i++)
        free(plan->objects[i].url);
    free(plan->hosts);
    free(plan->objects);
    grid_free(plan->grid);
    *plan = (struct plan){0};
}

/* Room for one more item. */
static bool grow(void **list, size_t size, size_t count, size_t *room)
{
    if (count < *room)
        return true;
    void *grown = reallocarray(*list, *room ? 2 * *room : 16, size);
    if (!grown)
        return false;
    *room = *room ? 2 * *room : 16;
    *list = grown;
    return true;
}

static bool copy_texts(struct plan_host *host)
{
    const char **const fields[] = {&host->id, &host->hostname, &host->ip};
    enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
    size_t lengths[FIELDS], all = 0;
    for (size_t i = 0; i < FIELDS; i++)
        all += lengths[i] = strlen(*fields[i]) + 1;
    char *at = host->texts = malloc(all);
    if (!at)
        return false;
    for (size_t i = 0; i < FIELDS; i++) {
        memcpy(at, *fields[i], lengths[i]);
        *fields[i] = at;
        at += lengths[i];
    }
    return true;
}

int plan_add_host(struct plan *plan, const struct plan_host *host, uint32_t *ret_host, struct dtr_error *err)
{
    void *list = plan->hosts;
    struct plan_host copy = *host;
    if (!grow(&list, sizeof(*plan->hosts), plan->host_count, &plan->host_room))
        return no_memory(err);
    plan->hosts = list;
    if (!copy_texts(&copy))
        return no_memory(err);
    if (ret_host)
        *ret_host = (uint32_t)plan->host_count;
    plan->hosts[plan->host_count++] = copy;
    return DTR_OK;
}

bool plan_find_host(const struct plan *plan, const char *id, uint32_t *ret_host)
{
    for (size_t i = 0; i < plan->host_count; i++) {
        if (strcmp(plan->hosts[i].id, id) == 0) {
            *ret_host = (uint32_t)i;
            return true;
        }
    }
    return false;
}

int plan_add_object(struct plan *plan, const char *url, const char *task_id, struct dtr_error *err)
{
    void *list = plan->objects;
    bool room = grow(&list, sizeof(*plan->objects), plan->object_count, &plan->object_room);
    plan->objects = list;
    char *copy = room ? strdup(url) : NULL;
    if (!copy)
        return no_memory(err);
    struct plan_object *object = &plan->objects[plan->object_count++];
    object->url = copy;
    assert(strlen(task_id) == DTR_TASK_ID_LENGTH);
    memcpy(object->task_id, task_id, sizeof(object->task_id));
    return DTR_OK;
}

/* --- the choice ---------------------------------------------------------------------------------------- */

static bool in_scope(const struct plan_host *host, enum plan_scope scope)
{
    return scope == PLAN_EVERYBODY || (scope == PLAN_ALL_SEEDS) == (host->type != 0);
}

static bool is_listed(const struct plan_host *host, const struct plan_choice *choice)
{
    for (size_t i = 0; i < choice->ip_count; i++) {
        if (strcmp(host->ip, choice->ips[i]) == 0)
            return true;
    }
    return choice->ip_count == 0;
}

/* Keeps those of a list of marks, in their order. */
static void keep(struct plan *plan, const bool *kept)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->host_count; i++) {
        if (kept[i])
            plan->hosts[count++] = plan->hosts[i];
        else
            free(plan->hosts[i].texts);
    }
    plan->host_count = count;
}

/* How many of `there` are wanted. A percentage is rounded down, but never to nobody. */
static size_t wanted(const struct plan_choice *choice, size_t there)
{
    size_t count = there;
    if (choice->ip_count > 0)
        return there;
    if (choice->has_count)
        count = choice->count;
    else if (choice->has_percentage)
        count = there * choice->percentage / 100;
    return count == 0 ? 1 : count > there ? there : count;
}

static int nobody(const struct plan_choice *choice, bool any, struct dtr_error *err)
{
    const char *what = choice->scope == PLAN_ALL_SEEDS ? "seed peer" : "peer";
    if (!any)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE,
                             "no %s has announced itself to this scheduler", what);
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE,
                         "no %s of this scheduler has one of the ips; the first is %.60s", what,
                         choice->ips[0]);
}

int plan_choose(struct plan *plan, const struct plan_choice *choice, struct dtr_error *err)
{
    assert(choice->scope != PLAN_SINGLE_SEED && !plan->grid);
    size_t there = 0, left;
    bool any = false, *kept = calloc(plan->host_count + 1, sizeof(*kept));
    if (!kept)
        return no_memory(err);
    for (size_t i = 0; i < plan->host_count; i++) {
        bool in = in_scope(&plan->hosts[i], choice->scope);
        any = any || in;
        kept[i] = in && is_listed(&plan->hosts[i], choice);
        there += kept[i];
    }
    left = wanted(choice, there);
    for (int serving = 1; serving >= 0; serving--) { /* first those that are known to serve */
        for (size_t i = 0; i < plan->host_count; i++) {
            if (!kept[i] || (int)plan->hosts[i].seed_serves != serving)
                continue;
            kept[i] = left > 0;
            left -= left > 0;
        }
    }
    keep(plan, kept);
    free(kept);
    return plan->host_count > 0 || choice->scope == PLAN_EVERYBODY ? DTR_OK : nobody(choice, any, err);
}

/* --- the grid ------------------------------------------------------------------------------------------ */

int plan_begin(struct plan *plan, const struct grid_limits *limits, struct dtr_error *err)
{
    uint32_t *all = calloc(plan->host_count + 1, sizeof(*all));
    if (!all)
        return no_memory(err);
    for (size_t i = 0; i < plan->host_count; i++)
        all[i] = (uint32_t)i;
    int rc = grid_new(limits, &plan->grid, err);
    for (size_t i = 0; i < plan->object_count && rc == DTR_OK; i++)
        rc = grid_add(plan->grid, all, plan->host_count, err);
    free(all);
    return rc;
}

int plan_begin_single(struct plan *plan, const struct grid_limits *limits, const uint32_t *hosts,
                      struct dtr_error *err)
{
    int rc = grid_new(limits, &plan->grid, err);
    for (size_t i = 0; i < plan->object_count && rc == DTR_OK; i++)
        rc = grid_add(plan->grid, &hosts[i], 1, err);
    return rc;
}
