/* Priorities by application and URL; see priority.h. */
#include "core/scheduler/priority.h"

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/pattern.h"
#include "core/base/str.h"

#include <stdlib.h>
#include <string.h>

struct url_priority {
    struct dtr_pattern *pattern;
    uint32_t value;
};

struct application {
    struct dtr_map_node node; /* by name; the first one of a name stands */
    char *name;
    uint32_t value;
    struct url_priority *urls;
    size_t url_count;
};

struct priorities {
    struct application *applications;
    size_t count;
    struct dtr_map by_name;
    struct dtr_str text; /* all of them, written out, to see a change */
};

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the applications' priorities");
}

static int add_urls(struct application *application, const struct dtr_conf_priority_urls *urls,
                    struct dtr_error *err)
{
    application->urls = calloc(urls->count + 1, sizeof(*application->urls));
    if (!application->urls)
        return no_memory(err);
    for (; application->url_count < urls->count; application->url_count++) {
        const struct dtr_conf_priority_url *from = &urls->items[application->url_count];
        struct url_priority *to = &application->urls[application->url_count];
        struct dtr_error why;
        int rc = dtr_pattern_new(from->regex, &to->pattern, &why);
        if (rc != DTR_OK)
            return dtr_error_set(err, rc, why.retry, "application %.64s, priority.urls[%zu].regex: %s",
                                 application->name, application->url_count, why.text);
        to->value = (uint32_t)from->value;
    }
    return DTR_OK;
}

static int add(struct priorities *priorities, const struct dtr_conf_application *from, struct dtr_error *err)
{
    struct application *to = &priorities->applications[priorities->count++];
    to->name = strdup(from->name);
    to->value = (uint32_t)from->priority;
    bool known = to->name && dtr_map_find(&priorities->by_name, to->name);
    if (!to->name || (!known && !dtr_map_add(&priorities->by_name, &to->node, to->name, strlen(to->name))))
        return no_memory(err);
    return add_urls(to, &from->urls, err);
}

static void write_out(const struct dtr_conf_application *from, struct dtr_str *text)
{
    dtr_str_printf(text, "%zu %s %d %zu\n", strlen(from->name), from->name, (int)from->priority,
                   from->urls.count);
    for (size_t i = 0; i < from->urls.count; i++)
        dtr_str_printf(text, "%zu %s %d\n", strlen(from->urls.items[i].regex), from->urls.items[i].regex,
                       (int)from->urls.items[i].value);
}

int priorities_new(const struct dtr_dynconfig *dynconfig, struct priorities **ret_priorities,
                   struct dtr_error *err)
{
    struct priorities *priorities = calloc(1, sizeof(*priorities));
    if (priorities)
        priorities->applications =
            calloc(dynconfig->applications.count + 1, sizeof(*priorities->applications));
    int rc = priorities && priorities->applications ? DTR_OK : no_memory(err);
    for (size_t i = 0; rc == DTR_OK && i < dynconfig->applications.count; i++) {
        rc = add(priorities, &dynconfig->applications.items[i], err);
        write_out(&dynconfig->applications.items[i], &priorities->text);
    }
    if (rc == DTR_OK && !dtr_str_ok(&priorities->text))
        rc = no_memory(err);
    if (rc != DTR_OK) {
        priorities_free(priorities);
        return rc;
    }
    *ret_priorities = priorities;
    return DTR_OK;
}

void priorities_free(struct priorities *priorities)
{
    if (!priorities)
        return;
    dtr_map_clear(&priorities->by_name);
    for (size_t i = 0; i < priorities->count; i++) {
        struct application *application = &priorities->applications[i];
        for (size_t u = 0; application->urls && u < application->url_count; u++)
            dtr_pattern_free(application->urls[u].pattern);
        free(application->urls);
        free(application->name);
    }
    free(priorities->applications);
    dtr_str_free(&priorities->text);
    free(priorities);
}

bool priorities_same(const struct priorities *a, const struct priorities *b)
{
    return strcmp(a ? dtr_str_text(&a->text) : "", b ? dtr_str_text(&b->text) : "") == 0;
}

uint32_t priorities_of(const struct priorities *priorities, const char *application, const char *url)
{
    struct dtr_map_node *node = priorities ? dtr_map_find(&priorities->by_name, application) : NULL;
    const struct application *found = node ? dtr_container(node, struct application, node) : NULL;
    size_t length = strlen(url);
    for (size_t i = 0; found && i < found->url_count; i++) {
        if (dtr_pattern_found(found->urls[i].pattern, url, length))
            return found->urls[i].value;
    }
    return found ? found->value : 0;
}
