/* What is answered to schedulers and daemons. Each function runs on a worker thread; see ask.h. */
#include "core/manager/fleet/members.h"
#include "core/manager/fleet/message.h"
#include "core/manager/grpc/ask.h"
#include "core/manager/grpc/place.h"
#include "core/obs/metric.h"

#include <jansson.h>
#include <stdlib.h>

/* --- ListSchedulers --------------------------------------------------------------------------------------
 */

static int check_peer(const Manager__V2__ListSchedulersRequest *request, struct dtr_error *err)
{
    int rc = check_hostname(request->hostname, err);
    return rc == DTR_OK ? check_ip(request->ip, false, err) : rc;
}

static int find_place(struct ask *ask, const Manager__V2__ListSchedulersRequest *request,
                      const struct fleet *fleet, struct place *ret_place, struct dtr_error *err)
{
    const struct dtr_scope_peer peer = {
        .ip = request->ip,
        .hostname = request->hostname,
        .idc = request->has_idc_case ? request->idc : "",
        .location = request->has_location_case ? request->location : "",
    };
    if (request->scheduler_cluster_id > INT64_MAX)
        return check_cluster("scheduler_cluster_id", request->scheduler_cluster_id, err);
    if (request->scheduler_cluster_id > 0)
        return place_named(fleet, (int64_t)request->scheduler_cluster_id, ret_place, err);
    return place_by_scopes(fleet, &peer, ask->grpc->options.ranker, ret_place, err);
}

/* What is packed once for each picture is only copied. */
static int reply_place(struct ask *ask, const struct place *place, struct dtr_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < place->count; i++)
        size += place->clusters[i]->offer_size;
    ask->out = dtr_rpc_out_new(size);
    if (!ask->out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
    uint8_t *at = dtr_rpc_out_bytes(ask->out);
    for (size_t i = 0; i < place->count; i++) {
        memcpy(at, place->clusters[i]->offer, place->clusters[i]->offer_size);
        at += place->clusters[i]->offer_size;
    }
    return DTR_OK;
}

int answer_list_schedulers(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__ListSchedulersRequest *request = (const void *)message;
    struct place place = {0};
    const struct fleet *fleet = NULL;
    int rc = check_peer(request, err);
    if (rc == DTR_OK)
        rc = fleet_get_recent(ask->grpc->options.view, &fleet, err);
    if (rc == DTR_OK)
        rc = find_place(ask, request, fleet, &place, err);
    dtr_metric_add(DTR_MANAGER_SEARCH_SCHEDULER_CLUSTER, DTR_LABELS(request->version, request->commit), 1);
    if (rc != DTR_OK)
        dtr_metric_add(DTR_MANAGER_SEARCH_SCHEDULER_CLUSTER_FAILURE,
                       DTR_LABELS(request->version, request->commit), 1);
    if (rc == DTR_OK)
        rc = reply_place(ask, &place, err);
    free(place.clusters);
    fleet_done(fleet);
    return rc;
}

/* --- GetScheduler, UpdateScheduler -----------------------------------------------------------------------
 */

static const struct fleet_scheduler *find_scheduler(const struct fleet_cluster *cluster, const char *hostname,
                                                    const char *ip)
{
    for (size_t i = 0; cluster && i < cluster->scheduler_count; i++) {
        const struct fleet_scheduler *one = &cluster->schedulers[i];
        if (strcmp(one->hostname, hostname) == 0 && (!*ip || strcmp(one->ip, ip) == 0))
            return one;
    }
    return NULL;
}

static int reply_scheduler(struct ask *ask, const struct fleet *fleet, const struct member_name *name,
                           struct dtr_error *err)
{
    struct message_list list = {0};
    const struct fleet_cluster *cluster = fleet_find(fleet, name->cluster_id);
    const struct fleet_scheduler *scheduler = find_scheduler(cluster, name->hostname, name->ip);
    int rc = DTR_OK;
    if (scheduler)
        message_add(&list, cluster, scheduler, true);
    if (!scheduler)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                           "scheduler %.100s is not registered in cluster %lld", name->hostname,
                           (long long)name->cluster_id);
    else if (list.failed)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a scheduler");
    else
        rc = ask_reply(ask, &list.schedulers[0]->base, err);
    message_free(&list);
    return rc;
}

int answer_get_scheduler(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__GetSchedulerRequest *request = (const void *)message;
    const struct fleet *fleet = NULL;
    int rc = check_hostname(request->hostname, err);
    if (rc == DTR_OK)
        rc = check_ip(request->ip, true, err);
    if (rc == DTR_OK)
        rc = check_cluster("scheduler_cluster_id", request->scheduler_cluster_id, err);
    if (rc == DTR_OK)
        rc = fleet_get(ask->grpc->options.view, &fleet, err);
    const struct member_name name = {request->hostname, request->ip, (int64_t)request->scheduler_cluster_id};
    if (rc == DTR_OK)
        rc = reply_scheduler(ask, fleet, &name, err);
    fleet_done(fleet);
    return rc;
}

struct registration {
    struct member member;
    const struct fleet *its; /* its cluster, with it */
};

/* Reads what is answered at once: many schedulers may register while there are many clusters. */
static int register_scheduler(struct store_db *db, void *context, struct dtr_error *err)
{
    struct registration *registration = context;
    fleet_done(registration->its);
    registration->its = NULL;
    int rc = member_register_scheduler(db, &registration->member, err);
    return rc == DTR_OK ? fleet_read(db, registration->member.cluster_id, &registration->its, err) : rc;
}

/* A JSON array of what was said; "schedule" when nothing was. */
static char *features_of(const Manager__V2__UpdateSchedulerRequest *request)
{
    json_t *list = json_array();
    for (size_t i = 0; i < request->n_features; i++)
        (void)json_array_append_new(list, json_string(request->features[i]));
    if (request->n_features == 0)
        (void)json_array_append_new(list, json_string("schedule"));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* As it was given when it is a JSON object, else an empty one. */
static char *config_of(const ProtobufCBinaryData *config)
{
    json_t *root = json_loadb((const char *)config->data, config->len, 0, NULL);
    char *text = json_is_object(root) ? json_dumps(root, JSON_COMPACT) : strdup("{}");
    json_decref(root);
    return text;
}

static int check_update(const Manager__V2__UpdateSchedulerRequest *request, struct dtr_error *err)
{
    int rc = check_hostname(request->hostname, err);
    if (rc == DTR_OK)
        rc = check_ip(request->ip, false, err);
    if (rc == DTR_OK)
        rc = check_port("port", request->port, err);
    return rc == DTR_OK ? check_cluster("scheduler_cluster_id", request->scheduler_cluster_id, err) : rc;
}

int answer_update_scheduler(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__UpdateSchedulerRequest *request = (const void *)message;
    char *features = features_of(request), *config = config_of(&request->config);
    struct registration registration = {
        .member = {.hostname = request->hostname,
                   .ip = request->ip,
                   .idc = request->has_idc_case ? request->idc : "",
                   .location = request->has_location_case ? request->location : "",
                   .port = request->port,
                   .cluster_id = (int64_t)request->scheduler_cluster_id,
                   .features = features,
                   .config = config}};
    int rc = check_update(request, err);
    if (rc == DTR_OK && (!features || !config))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a scheduler");
    if (rc == DTR_OK)
        rc = fleet_do(ask->grpc->options.view, register_scheduler, &registration, NULL, err);
    free(features);
    free(config);
    const struct member_name name = {request->hostname, request->ip, registration.member.cluster_id};
    if (rc == DTR_OK)
        rc = reply_scheduler(ask, registration.its, &name, err);
    fleet_done(registration.its);
    return rc;
}

/* --- ListApplications ------------------------------------------------------------------------------------
 */

enum { APPLICATIONS_MOST = 1000, URLS_MOST = 1000 };

struct application {
    Manager__V2__Application message;
    Manager__V2__ApplicationPriority priority;
    Manager__V2__URLPriority *urls, **url_list;
    char *name, *url, *bio;
    json_t *json; /* the patterns' texts */
};

struct applications {
    struct application *items;
    Manager__V2__Application **list;
    size_t count;
};

static char *dup_value(const struct dtr_value *value)
{
    return value->type == DTR_VALUE_TEXT ? strndup(value->text, value->length) : strdup("");
}

static bool take_urls(struct application *one, const json_t *urls)
{
    const size_t count = json_array_size(urls) < URLS_MOST ? json_array_size(urls) : URLS_MOST;
    one->urls = calloc(count + 1, sizeof(*one->urls));
    one->url_list = calloc(count + 1, sizeof(struct Manager__V2__URLPriority *));
    for (size_t i = 0; i < count && one->urls && one->url_list; i++) {
        const json_t *item = json_array_get(urls, i);
        const char *regex = json_string_value(json_object_get(item, "regex"));
        Manager__V2__URLPriority *url = &one->urls[one->priority.n_urls];
        if (!regex)
            continue;
        manager__v2__urlpriority__init(url);
        url->regex = (char *)(uintptr_t)regex;
        url->value = (Common__V2__Priority)json_integer_value(json_object_get(item, "value"));
        one->url_list[one->priority.n_urls++] = url;
    }
    one->priority.urls = one->url_list;
    return one->urls && one->url_list;
}

static int on_application(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct applications *all = context;
    (void)count;
    if (all->count == APPLICATIONS_MOST)
        return DTR_OK;
    struct application *one = &all->items[all->count];
    manager__v2__application__init(&one->message);
    manager__v2__application_priority__init(&one->priority);
    one->name = dup_value(&c[1]);
    one->url = dup_value(&c[2]);
    one->bio = dup_value(&c[3]);
    one->json = c[4].type == DTR_VALUE_TEXT ? json_loadb(c[4].text, c[4].length, 0, NULL) : NULL;
    all->list[all->count++] = &one->message;
    if (!one->name || !one->url || !one->bio || !take_urls(one, json_object_get(one->json, "urls")))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for applications");
    one->message.id = (uint64_t)c[0].number;
    one->message.name = one->name;
    one->message.url = one->url;
    one->message.bio = one->bio;
    one->message.priority = &one->priority;
    one->priority.value = (Common__V2__Priority)json_integer_value(json_object_get(one->json, "value"));
    return DTR_OK;
}

static int read_applications(struct store_db *db, void *context, struct dtr_error *err)
{
    return store_each(db, "SELECT id, name, url, bio, priority_json FROM applications ORDER BY id", NULL, 0,
                      on_application, context, err);
}

static void free_applications(struct applications *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct application *one = &all->items[i];
        free(one->urls);
        free(one->url_list);
        free(one->name);
        free(one->url);
        free(one->bio);
        json_decref(one->json);
    }
    free(all->items);
    free(all->list);
}

int answer_list_applications(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__ListApplicationsRequest *request = (const void *)message;
    Manager__V2__ListApplicationsResponse response = MANAGER__V2__LIST_APPLICATIONS_RESPONSE__INIT;
    struct applications all = {.items = calloc(APPLICATIONS_MOST, sizeof(*all.items)),
                               .list = calloc(APPLICATIONS_MOST, sizeof(struct Manager__V2__Application *))};
    int rc = check_hostname(request->hostname, err);
    if (rc == DTR_OK && (!all.items || !all.list))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for applications");
    if (rc == DTR_OK)
        rc = store_read(ask->grpc->options.store, read_applications, &all, err);
    if (rc == DTR_OK && all.count == 0)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "there are no applications");
    response.applications = all.list;
    response.n_applications = all.count;
    if (rc == DTR_OK)
        rc = ask_reply(ask, &response.base, err);
    free_applications(&all);
    return rc;
}
