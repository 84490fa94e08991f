/* A manager's answers to a scheduler; see answers.h. */
#include "core/scheduler/answers.h"

#include "core/conf/value.h"
#include "core/scheduler/priority.h"

#include <jansson.h>
#include <stdlib.h>

/* --- limits -------------------------------------------------------------------------------------------- */

static void take_limit(const json_t *config, const char *key, int64_t most, int64_t *limit)
{
    const json_t *value = json_object_get(config, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    if (number > 0)
        *limit = number < most ? (int64_t)number : most;
}

int answers_limits(const Manager__V2__Scheduler *scheduler, struct dtr_dynconfig *dynconfig,
                   struct dtr_error *err)
{
    const Manager__V2__SchedulerCluster *cluster = scheduler->scheduler_cluster;
    json_error_t why;
    if (!cluster || cluster->config.len == 0)
        return DTR_OK;
    json_t *config = json_loadb((const char *)cluster->config.data, cluster->config.len, 0, &why);
    if (!json_is_object(config)) {
        json_decref(config);
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_SAME,
                             "the config of cluster %llu is no JSON object; its limits stay as they are",
                             (unsigned long long)scheduler->scheduler_cluster_id);
    }
    take_limit(config, "candidate_parent_limit", ANSWERS_CANDIDATES, &dynconfig->candidate_parent_limit);
    take_limit(config, "filter_parent_limit", ANSWERS_FILTER, &dynconfig->filter_parent_limit);
    json_decref(config);
    return DTR_OK;
}

/* --- applications -------------------------------------------------------------------------------------- */

static bool is_priority(int64_t value)
{
    return value >= 0 && value <= PRIORITY_MOST;
}

static int add_urls(const Manager__V2__ApplicationPriority *from, struct dtr_conf_priority_urls *urls,
                    size_t *left_out, struct dtr_error *err)
{
    urls->items = calloc(from->n_urls + 1, sizeof(*urls->items));
    if (!urls->items)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for applications");
    for (size_t i = 0; i < from->n_urls; i++) {
        const Manager__V2__URLPriority *url = from->urls[i];
        if (!*url->regex || !is_priority(url->value) || dtr_value_check_regex(url->regex, NULL) != DTR_OK)
            (*left_out)++;
        else
            urls->items[urls->count++] =
                (struct dtr_conf_priority_url){.regex = url->regex, .value = url->value};
    }
    return DTR_OK;
}

int answers_applications(const Manager__V2__ListApplicationsResponse *applications,
                         struct dtr_dynconfig *dynconfig, size_t *ret_left_out, struct dtr_error *err)
{
    struct dtr_conf_applications *list = &dynconfig->applications;
    int rc = DTR_OK;
    *ret_left_out = 0;
    *list = (struct dtr_conf_applications){
        .items = calloc(applications->n_applications + 1, sizeof(*list->items))};
    if (!list->items)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for applications");
    for (size_t i = 0; i < applications->n_applications && rc == DTR_OK; i++) {
        const Manager__V2__Application *from = applications->applications[i];
        if (!*from->name || !from->priority || !is_priority(from->priority->value)) {
            (*ret_left_out)++;
            continue;
        }
        struct dtr_conf_application *to = &list->items[list->count++];
        *to = (struct dtr_conf_application){.name = from->name, .priority = from->priority->value};
        rc = add_urls(from->priority, &to->urls, ret_left_out, err);
    }
    if (rc != DTR_OK)
        answers_free(dynconfig);
    return rc;
}

void answers_free(struct dtr_dynconfig *dynconfig)
{
    for (size_t i = 0; i < dynconfig->applications.count; i++)
        free(dynconfig->applications.items[i].urls.items);
    free(dynconfig->applications.items);
    dynconfig->applications = (struct dtr_conf_applications){0};
}
