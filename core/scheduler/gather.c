/* What a request of a job is about: an image's blobs, a folder's files, or one file; see job.h. */
#include "core/rpc/methods.h"
#include "core/scheduler/image.h"
#include "core/scheduler/job.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

struct gather {
    struct dtr_scheduler *scheduler;
    const struct wish *wish;
    struct plan *plan;   /* gets the objects */
    struct image *image; /* being asked for, or NULL */
    struct work *work;   /* the question for a folder, or NULL, */
    struct plan folder;  /* to the one host in it */
    struct dtr_error err;
    struct dtr_msg msg;
    gather_done *done;
    void *context;
};

static void finish(struct gather *gather, const struct dtr_header *headers, size_t count)
{
    gather_done *done = gather->done;
    void *context = gather->context;
    struct dtr_error err = gather->err;
    plan_free(&gather->folder);
    free(gather);
    done(context, headers, count, &err);
}

/* --- an image ------------------------------------------------------------------------------------------ */

static void on_image(void *context, const struct dtr_oci_image *image, const struct dtr_error *err)
{
    struct gather *gather = context;
    gather->image = NULL;
    if (!image)
        (void)dtr_error_set(&gather->err, err->code == DTR_ECANCELLED ? DTR_ECANCELLED : DTR_EINVALID,
                            err->retry, "failed to resolve manifests: %.200s", err->text);
    for (size_t i = 0; image && i < image->count && gather->err.code == DTR_OK; i++)
        (void)job_add_url(gather->wish, image->blobs[i].url, gather->plan, &gather->err);
    finish(gather, image ? image->headers : NULL, image ? image->header_count : 0);
}

/* --- a folder ------------------------------------------------------------------------------------------ */

static void folder_request(void *context, const struct plan_object *object, const struct plan_host *host,
                           struct dtr_str *ret_bytes)
{
    const struct gather *gather = context;
    const struct wish *wish = gather->wish;
    Dfdaemon__V2__ListTaskEntriesRequest request = DFDAEMON__V2__LIST_TASK_ENTRIES_REQUEST__INIT;
    Dfdaemon__V2__ListTaskEntriesRequest__RequestHeaderEntry entries[WISH_HEADERS_MOST],
        *list[WISH_HEADERS_MOST];
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    (void)host;
    for (size_t i = 0; i < wish->header_count; i++) {
        dfdaemon__v2__list_task_entries_request__request_header_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)wish->headers[i].name;
        entries[i].value = (char *)(uintptr_t)wish->headers[i].value;
        list[i] = &entries[i];
    }
    timeout.seconds = (int64_t)(wish->timeout_ms / 1000) + 1;
    request.task_id = (char *)(uintptr_t)object->task_id;
    request.url = object->url;
    request.request_header = list;
    request.n_request_header = wish->header_count;
    request.timeout = &timeout;
    request.certificate_chain = wish->chain;
    request.n_certificate_chain = wish->chain_count;
    request.object_storage = wish->object_storage;
    request.hdfs = wish->hdfs;
    if (gather->scheduler->ip[0]) {
        request.has_remote_ip_case = DFDAEMON__V2__LIST_TASK_ENTRIES_REQUEST__HAS_REMOTE_IP_REMOTE_IP;
        request.remote_ip = (char *)(uintptr_t)gather->scheduler->ip;
    }
    wire_put_message(ret_bytes, &request.base);
}

static void on_entries(void *context, size_t row, const struct dtr_rpc_message *message)
{
    struct gather *gather = context;
    const Dfdaemon__V2__ListTaskEntriesResponse *response = (const void *)message->message;
    (void)row;
    for (size_t i = 0; i < response->n_entries && gather->err.code == DTR_OK; i++) {
        if (!response->entries[i]->is_dir)
            (void)job_add_url(gather->wish, response->entries[i]->url, gather->plan, &gather->err);
    }
}

static void on_folder(void *context, bool late)
{
    struct gather *gather = context;
    size_t count;
    const struct grid_row *row = grid_rows(gather->folder.grid, &count);
    (void)late;
    if (row->state == GRID_FAILED)
        (void)dtr_error_set(&gather->err, DTR_EINVALID, DTR_RETRY_ELSEWHERE,
                            "failed to list task entries: host %.60s: %.150s",
                            gather->folder.hosts[row->host].hostname, row->why ? row->why : "it failed");
    else if (gather->err.code == DTR_OK && gather->plan->object_count == 0)
        (void)dtr_error_set(&gather->err, DTR_EINVALID, DTR_RETRY_NEVER, "url: it is a folder without files");
    finish(gather, gather->wish->headers, gather->wish->header_count);
}

/* A seed that serves, else any peer. */
static const struct dtr_swarm_host *who_lists(const struct dtr_scheduler *scheduler, const char *task_id)
{
    const struct dtr_swarm_host *host = dtr_swarm_find_seed(scheduler->swarm, task_id);
    const struct dtr_swarm_host *at = NULL;
    while (!host && (at = dtr_swarm_next_host(scheduler->swarm, at)))
        host = at->announced && at->facts.type == 0 ? at : NULL;
    return host;
}

static int begin_folder(struct gather *gather, struct dtr_error *err)
{
    static const struct work_kind kind = {.method = &dtr_rpc_upload_list_task_entries,
                                          .call_ms = JOB_FETCH_MS,
                                          .request = folder_request,
                                          .answer = on_entries,
                                          .over = on_folder};
    const struct grid_limits one = {1, 1};
    const uint64_t timeout_ms = gather->wish->timeout_ms;
    int rc = job_add_url(gather->wish, gather->wish->url, &gather->folder, err);
    const struct dtr_swarm_host *host =
        rc == DTR_OK ? who_lists(gather->scheduler, gather->folder.objects[0].task_id) : NULL;
    if (rc == DTR_OK && !host)
        rc = job_knows_hosts(gather->scheduler, err);
    if (rc == DTR_OK && !host)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE,
                           "no host has announced itself to this scheduler that could list the folder");
    if (rc == DTR_OK)
        rc = job_add_host(gather->scheduler, host, &gather->folder, NULL, err);
    if (rc == DTR_OK)
        rc = plan_begin(&gather->folder, &one, err);
    if (rc == DTR_OK)
        rc = work_begin(gather->scheduler, &gather->folder, &kind, timeout_ms, gather, &gather->work, err);
    return rc;
}

/* --- all ----------------------------------------------------------------------------------------------- */

static void on_file(struct dtr_msg *msg)
{
    struct gather *gather = dtr_container(msg, struct gather, msg);
    finish(gather, gather->wish->headers, gather->wish->header_count);
}

static int begin(struct gather *gather, bool image, struct dtr_error *err)
{
    if (image)
        return image_ask(gather->scheduler, gather->wish, on_image, gather, &gather->image, err);
    if (wish_is_folder(gather->wish))
        return begin_folder(gather, err);
    int rc = job_add_url(gather->wish, gather->wish->url, gather->plan, err);
    if (rc == DTR_OK) {
        gather->msg.run = on_file;
        dtr_loop_post(gather->scheduler->loop, &gather->msg);
    }
    return rc;
}

int gather_begin(struct dtr_scheduler *scheduler, const struct wish *wish, bool image, struct plan *plan,
                 gather_done *done, void *context, struct gather **ret_gather, struct dtr_error *err)
{
    struct gather *gather = calloc(1, sizeof(*gather));
    if (!gather)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    gather->scheduler = scheduler;
    gather->wish = wish;
    gather->plan = plan;
    gather->done = done;
    gather->context = context;
    int rc = begin(gather, image, err);
    if (rc != DTR_OK) {
        plan_free(&gather->folder);
        free(gather);
        return rc;
    }
    *ret_gather = gather;
    return DTR_OK;
}

void gather_cancel(struct gather *gather)
{
    if (gather->image)
        image_cancel(gather->image);
    else if (gather->work)
        work_cancel(gather->work);
}
