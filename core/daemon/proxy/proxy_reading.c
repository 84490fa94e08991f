/* What a request says of its task, copied so that control may read it; see proxy_reading.h. */
#include "core/daemon/proxy/proxy_reading.h"

#include "core/brain/geometry.h"
#include "core/brain/url.h"
#include <stdlib.h>

_Static_assert(DTR_MIRROR_PIECE_MIN == DTR_PIECE_LENGTH_MIN && DTR_MIRROR_PIECE_MAX == DTR_PIECE_LENGTH_MAX,
               "headers may ask for the pieces that there can be");

void reading_free(struct reading *reading)
{
    free(reading->mail.headers);
    free(reading->url);
    free(reading->digest);
    free(reading->tag);
    free(reading->application);
    free(reading->content);
    free(reading->if_range);
    free(reading->version);
    free(reading->output_path);
    dtr_str_free(&reading->headers);
    dtr_str_free(&reading->filter);
    (void)pthread_mutex_destroy(&reading->lock);
    free(reading);
}

static int name_task(struct reading *reading, const struct dtr_mirror_plan *plan, struct dtr_error *err)
{
    const struct dtr_task_key key = {.content = plan->content_for_task_id,
                                     .url = plan->url,
                                     .blob_digest = plan->blob_digest_id,
                                     .tag = plan->tag,
                                     .application = plan->application,
                                     .piece_length = plan->piece_length,
                                     .filter = plan->default_filter ? dtr_url_default_filter
                                                                    : plan->filtered_query_params,
                                     .filter_count = plan->default_filter ? dtr_url_default_filter_count
                                                                          : plan->filtered_query_param_count};
    return dtr_task_id(reading->task_id, &key, err);
}

static bool copy_texts(struct reading *reading, const struct dtr_mirror_plan *plan)
{
    for (size_t i = 0; i < plan->header_count; i++)
        dtr_str_printf(&reading->headers, "%s: %s\n", plan->headers[i].name, plan->headers[i].value);
    for (size_t i = 0; i < plan->filtered_query_param_count; i++)
        dtr_str_printf(&reading->filter, "%s\n", plan->filtered_query_params[i]);
    reading->url = strdup(plan->url);
    reading->digest = dtr_url_blob_digest(plan->url);
    reading->tag = strdup(plan->tag ? plan->tag : "");
    reading->application = strdup(plan->application ? plan->application : "");
    reading->content = strdup(plan->content_for_task_id ? plan->content_for_task_id : "");
    reading->if_range = plan->if_range ? strdup(plan->if_range) : NULL;
    reading->output_path = plan->output_path ? strdup(plan->output_path) : NULL;
    reading->force_hard_link = plan->force_hard_link;
    return dtr_str_ok(&reading->headers) && dtr_str_ok(&reading->filter) && reading->url && reading->digest &&
           reading->tag && reading->application && reading->content &&
           (reading->if_range || !plan->if_range) && (reading->output_path || !plan->output_path);
}

static void fill_request(struct reading *reading, const struct dtr_mirror_plan *plan)
{
    struct dtr_daemon_settings *settings = settings_hold(reading->site->proxy->daemon);
    reading->request =
        (struct dtr_read_request){.task_id = reading->task_id,
                                  .url = reading->url,
                                  .digest = reading->digest,
                                  .tag = reading->tag,
                                  .application = reading->application,
                                  .headers = dtr_str_text(&reading->headers),
                                  .trusted = plan->trusted,
                                  .named = plan->trusted,
                                  .piece_length = plan->piece_length,
                                  .content = reading->content,
                                  .filter = plan->default_filter ? NULL : dtr_str_text(&reading->filter),
                                  .remote_ip = reading->client_ip,
                                  .by_proxy = true,
                                  .priority = (uint32_t)plan->priority,
                                  .prefetch = plan->prefetch && plan->range.kind != DTR_RANGE_NONE,
                                  .disable_back_to_source = settings->disable_back_to_source};
    settings_drop(settings);
}

int reading_new(struct proxy_site *site, const struct dtr_mirror_plan *plan, struct reading **ret_reading,
                struct dtr_error *err)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading || pthread_mutex_init(&reading->lock, NULL) != 0) {
        free(reading);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    }
    reading->site = site;
    reading->range = plan->range;
    int rc = name_task(reading, plan, err);
    if (rc == DTR_OK && !copy_texts(reading, plan))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    if (rc != DTR_OK) {
        reading_free(reading);
        return rc;
    }
    fill_request(reading, plan);
    *ret_reading = reading;
    return DTR_OK;
}
