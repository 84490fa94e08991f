/* Jobs of a manager: what is asked for; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"
#include "core/tools/ctl_text.h"

/* Some jobs are answered when they are over. */
enum { SILENCE_MS = 31 * 60 * 1000 };

static void set_text(json_t *args, const char *name, const char *text)
{
    if (text)
        (void)json_object_set_new(args, name, json_string(text));
}

static void set_number(json_t *args, const char *name, int64_t number)
{
    if (number >= 0)
        (void)json_object_set_new(args, name, json_integer(number));
}

static void set_list(json_t *args, const char *name, const struct dtr_ctl_texts *texts)
{
    json_t *list = texts->count > 0 ? json_array() : NULL;
    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, json_string(texts->items[i]));
    if (list)
        (void)json_object_set_new(args, name, list);
}

static int set_headers(json_t *args, const struct dtr_ctl_texts *headers, struct dtr_error *err)
{
    json_t *object = headers->count > 0 ? json_object() : NULL;
    for (size_t i = 0; i < headers->count; i++) {
        const char *text = headers->items[i], *colon = strchr(text, ':');
        if (!colon || colon == text) {
            json_decref(object);
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "--header '%.60s': needed is 'NAME: VALUE'", text);
        }
        (void)json_object_setn_new(object, text, (size_t)(colon - text),
                                   json_string(colon + 1 + strspn(colon + 1, " ")));
    }
    if (object)
        (void)json_object_set_new(args, "headers", object);
    return DTR_OK;
}

static bool is_url(const char *text)
{
    return strstr(text, "://") != NULL;
}

/* As a registry has it: /v2/<repository>/manifests/<reference>. */
static bool is_image(const char *url)
{
    const char *v2 = strstr(url, "/v2/");
    return v2 && strstr(v2, "/manifests/");
}

static int set_targets(json_t *args, const struct dtr_ctl_work *work, struct dtr_error *err)
{
    const struct dtr_ctl_texts *targets = &work->targets;
    const char *first = targets->count > 0 ? targets->items[0] : NULL;
    const bool preheat = strcmp(work->type, "preheat") == 0;
    if (strcmp(work->type, "gc") == 0) {
        set_text(args, "type", first);
        return DTR_OK;
    }
    for (size_t i = 0; i < targets->count && preheat; i++) {
        if (!is_url(targets->items[i]))
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "'%.80s' is no URL; an image is https://REGISTRY/v2/NAME/manifests/TAG",
                                 targets->items[i]);
    }
    if (preheat)
        set_text(args, "type", work->kind ? work->kind : is_image(first) ? "image" : "file");
    if (targets->count > 1)
        set_list(args, "urls", targets);
    else
        set_text(args, !first || is_url(first) ? "url" : "task_id", first);
    return DTR_OK;
}

static int set_clusters(json_t *body, const struct dtr_ctl_texts *clusters, struct dtr_error *err)
{
    json_t *list = clusters->count > 0 ? json_array() : NULL;
    for (size_t i = 0; i < clusters->count; i++) {
        const char *text = clusters->items[i];
        uint64_t id;
        if (!dtr_parse_u64(text, strlen(text), &id) || id == 0 || id > INT64_MAX) {
            json_decref(list);
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "--cluster %.40s: needed is a cluster's id", text);
        }
        (void)json_array_append_new(list, json_integer((json_int_t)id));
    }
    if (list)
        (void)json_object_set_new(body, "scheduler_cluster_ids", list);
    return DTR_OK;
}

int ctl_job_body(const struct dtr_ctl_work *work, json_t **ret_body, struct dtr_error *err)
{
    json_t *args = json_object(), *body = json_pack("{s:s, s:o}", "type", work->type, "args", args);
    *ret_body = NULL;
    if (!body)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    set_text(args, "scope", work->scope);
    set_text(args, "platform", work->platform);
    set_text(args, "username", work->username);
    set_text(args, "password", work->password);
    set_text(args, "tag", work->tag);
    set_text(args, "application", work->application);
    set_text(args, "filtered_query_params", work->filtered_query_params);
    set_list(args, "ips", &work->ips);
    set_number(args, "count", work->count);
    set_number(args, "percentage", work->percentage);
    set_number(args, "piece_length", work->piece_length);
    set_number(args, "timeout", work->timeout_ms < 0 ? -1 : work->timeout_ms * 1000000);
    int rc = set_targets(args, work, err);
    if (rc == DTR_OK)
        rc = set_headers(args, &work->headers, err);
    if (rc == DTR_OK)
        rc = set_clusters(body, &work->clusters, err);
    if (rc == DTR_OK)
        *ret_body = body;
    else
        json_decref(body);
    return rc;
}

/* --- starting -------------------------------------------------------------------------------------- */

static const struct ctl_column holders[] = {
    {"CLUSTER", "scheduler_cluster_id", CTL_PLAIN},
    {"HOST", "hostname", CTL_PLAIN},
    {"IP", "ip", CTL_PLAIN},
    {"LAYERS", "layers", CTL_PLAIN},
};

/* Which nodes hold an image: how many of its layers each has. */
static int print_holders(const json_t *answer, const struct dtr_ctl_show *show)
{
    size_t i;
    const json_t *peer;
    json_t *rows = json_array();
    json_array_foreach(json_object_get(answer, "peers"), i, peer)
    {
        json_t *row = json_is_object(peer) ? json_copy((json_t *)(uintptr_t)peer) : NULL;
        if (row)
            ctl_set_number(row, "layers", json_array_size(json_object_get(peer, "cached_layers")));
        (void)json_array_append_new(rows, row);
    }
    (void)fprintf(show->out, "layers of the image: %zu\n", json_array_size(ctl_at(answer, "image.layers")));
    int rc = ctl_table(holders, sizeof(holders) / sizeof(holders[0]), rows, show->now_s, show->out);
    json_decref(rows);
    return rc;
}

static int print_begun(const json_t *answer, int64_t id, const struct dtr_ctl_show *show)
{
    if (json_is_array(json_object_get(answer, "peers")))
        return print_holders(answer, show);
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (state && (strcmp(state, "SUCCESS") == 0 || strcmp(state, "FAILURE") == 0))
        return ctl_print_job(answer, show);
    if (id == 0)
        (void)fputs("done\n", show->out);
    else
        (void)fprintf(show->out, "job %lld is begun; \"darter ctl job follow %lld\" tells how it goes\n",
                      (long long)id, (long long)id);
    return ctl_written(show->out);
}

int dtr_ctl_job_start(const struct dtr_manager_access *access, const struct dtr_ctl_work *work, bool quiet,
                      const struct dtr_ctl_show *show, int64_t *ret_id, struct dtr_error *err)
{
    json_t *body = NULL, *answer = NULL;
    *ret_id = 0;
    int rc = ctl_job_body(work, &body, err);
    if (rc == DTR_OK)
        rc = dtr_manager_ask_for(access, "POST", "/jobs", body, SILENCE_MS, &answer, err);
    if (rc == DTR_OK)
        *ret_id = json_integer_value(json_object_get(answer, "id"));
    if (rc == DTR_OK && (*ret_id == 0 || !quiet))
        rc = ctl_printed(show->json ? ctl_dump(answer ? json_incref(answer) : json_null(), show->out)
                                    : print_begun(answer, *ret_id, show),
                         err);
    json_decref(body);
    json_decref(answer);
    return rc;
}
