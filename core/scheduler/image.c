/* What an image is made of; see image.h. */
#include "core/scheduler/image.h"

#include "core/rpc/certificates.h"
#include <stdlib.h>

struct image {
    struct dtr_list link; /* in scheduler.images */
    struct dtr_scheduler *scheduler;
    struct dtr_oci_fetch *fetch;
    bool cancelled;
    image_done *done;
    void *context;
};

static void image_free(struct image *image)
{
    struct dtr_scheduler *scheduler = image->scheduler;
    dtr_list_remove(&image->link);
    free(image);
    role_let_go(scheduler);
}

static void on_done(void *context, const struct dtr_oci_image *found, const struct dtr_error *err)
{
    struct image *image = context;
    image->fetch = NULL;
    image->done(image->context, found, err);
    image_free(image);
}

static int start(struct image *image, const struct wish *wish, struct dtr_error *err)
{
    const struct dtr_scheduler_jobs *jobs = &image->scheduler->jobs;
    uint64_t timeout_ms = wish->timeout_ms < DTR_OCI_TIMEOUT_MS ? wish->timeout_ms : DTR_OCI_TIMEOUT_MS;
    struct dtr_str roots = {0};
    int rc = dtr_certificates_pem(wish->chain, wish->chain_count, &roots, err);
    const struct dtr_oci_options options = {.url = wish->url,
                                            .username = wish->username,
                                            .password = wish->password,
                                            .headers = wish->headers,
                                            .header_count = wish->header_count,
                                            .platform = wish->platform,
                                            .roots = roots.length > 0 ? roots.text : NULL,
                                            .insecure = wish->insecure,
                                            .timeout_ms = timeout_ms};
    if (rc == DTR_OK && !dtr_str_ok(&roots))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
    if (rc == DTR_OK)
        rc = dtr_oci_fetch_start(image->scheduler->loop, jobs->origin, jobs->origin_instance, &options,
                                 on_done, image, &image->fetch, err);
    dtr_str_free(&roots);
    return rc;
}

int image_ask(struct dtr_scheduler *scheduler, const struct wish *wish, image_done *done, void *context,
              struct image **ret_image, struct dtr_error *err)
{
    int rc = dtr_oci_check_url(wish->url, err);
    if (rc == DTR_OK && wish->platform)
        rc = dtr_oci_check_platform(wish->platform, err);
    if (rc != DTR_OK)
        return rc;
    if (!scheduler->jobs.origin)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_ELSEWHERE,
                             "this scheduler cannot ask registries: %.200s", scheduler->jobs.no_origin);
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    *image = (struct image){.scheduler = scheduler, .done = done, .context = context};
    dtr_list_add_tail(&scheduler->images, &image->link);
    rc = start(image, wish, err);
    if (rc != DTR_OK)
        image_free(image);
    else
        *ret_image = image;
    return rc;
}

void image_cancel(struct image *image)
{
    if (image->cancelled || !image->fetch)
        return;
    image->cancelled = true;
    dtr_oci_fetch_cancel(image->fetch);
}

void images_cancel_all(struct dtr_scheduler *scheduler)
{
    dtr_list_each (node, &scheduler->images)
        image_cancel(dtr_container(node, struct image, link));
}
