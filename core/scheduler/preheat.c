/* PreheatImage, PreheatFile and StatPreheat: daemons are told to fetch what an image, a folder or a URL is
 * made of. The caller is answered once it is known what that is and who fetches it. */
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include "core/rpc/methods.h"
#include "core/scheduler/job.h"
#include "proto/darter.pb-c.h"
#include "proto/dfdaemon.pb-c.h"
#include <stdlib.h>

typedef Common__V2__Download__RequestHeaderEntry Entry;

/* One that was not answered yet, or that runs. */
struct preheating {
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_call *call; /* NULL: answered, or gone */
    enum dtr_metric_id failures;
    struct preheat *record; /* what StatPreheat tells */
    struct wish wish;
    struct gather *gather; /* while the objects are looked for */
    struct work *work;     /* while they are fetched */
    Entry *entries, **entry_list;
    size_t entry_count;
};

enum { URL_TEXT = 256 };

static const char *url_text(const struct preheating *preheating, char text[URL_TEXT])
{
    return dtr_log_url(preheating->wish.url ? preheating->wish.url : "", text, URL_TEXT);
}

static void preheating_free(struct preheating *preheating)
{
    for (size_t i = 0; i < preheating->entry_count; i++) {
        free(preheating->entries[i].key);
        free(preheating->entries[i].value);
    }
    free(preheating->entries);
    free(preheating->entry_list);
    wish_free(&preheating->wish);
    free(preheating);
}

/* The caller, who has nothing to do with it any more; NULL: gone already. */
static struct dtr_rpc_call *let_go(struct preheating *preheating)
{
    struct dtr_rpc_call *call = preheating->call;
    preheating->call = NULL;
    if (call)
        dtr_rpc_call_adopt(call, NULL, NULL);
    return call;
}

/* It could not be begun. */
static void give_up(struct preheating *preheating, const struct dtr_error *err)
{
    struct dtr_scheduler *scheduler = preheating->scheduler;
    struct dtr_rpc_call *call = let_go(preheating);
    char url[URL_TEXT];
    dtr_metric_add(preheating->failures, NULL, 1);
    dtr_log(DTR_LOG_WARN, NULL, "preheat of %s is not begun: %s", url_text(preheating, url), err->text);
    if (call)
        job_fail(call, err);
    if (preheating->record)
        preheats_end(&scheduler->preheats, role_now_ms(scheduler), preheating->record, err->text);
    preheating_free(preheating);
}

/* --- the fetching -------------------------------------------------------------------------------------- */

static int keep_headers(struct preheating *preheating, const struct dtr_header *headers, size_t count,
                        struct dtr_error *err)
{
    bool kept = true;
    preheating->entries = calloc(count + 1, sizeof(*preheating->entries));
    preheating->entry_list = calloc(count + 1, sizeof(Entry *));
    if (!preheating->entries || !preheating->entry_list)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a preheat");
    for (size_t i = 0; i < count; i++) {
        Entry *entry = preheating->entry_list[i] = &preheating->entries[i];
        common__v2__download__request_header_entry__init(entry);
        entry->key = strdup(headers[i].name);
        entry->value = strdup(headers[i].value);
        kept = kept && entry->key && entry->value;
        preheating->entry_count++;
    }
    return kept ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a preheat");
}

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* What every host is told, but for the URL. */
static void fill_download(const struct preheating *preheating, Common__V2__Download *download,
                          Google__Protobuf__Duration *timeout)
{
    const struct wish *wish = &preheating->wish;
    timeout->seconds = (int64_t)(wish->timeout_ms / 1000);
    timeout->nanos = (int32_t)(wish->timeout_ms % 1000) * 1000000;
    download->timeout = timeout;
    download->type = COMMON__V2__TASK_TYPE__STANDARD;
    if (wish->piece_length) {
        download->has_piece_length_case = COMMON__V2__DOWNLOAD__HAS_PIECE_LENGTH_PIECE_LENGTH;
        download->piece_length = wish->piece_length;
    }
    download->has_tag_case = COMMON__V2__DOWNLOAD__HAS_TAG_TAG;
    download->tag = text(wish->tag);
    download->has_application_case = COMMON__V2__DOWNLOAD__HAS_APPLICATION_APPLICATION;
    download->application = text(wish->application);
    download->priority = wish->priority;
    download->filtered_query_params = (char **)(uintptr_t)wish->filter;
    download->n_filtered_query_params = wish->filter_count;
    download->request_header = preheating->entry_list;
    download->n_request_header = preheating->entry_count;
    download->certificate_chain = wish->chain;
    download->n_certificate_chain = wish->chain_count;
    download->object_storage = wish->object_storage;
    download->hdfs = wish->hdfs;
    download->enable_task_id_based_blob_digest = true; /* as wish_task_id() has it */
    if (wish->output_path) {
        download->has_output_path_case = COMMON__V2__DOWNLOAD__HAS_OUTPUT_PATH_OUTPUT_PATH;
        download->output_path = text(wish->output_path);
    }
    if (preheating->scheduler->ip[0]) {
        download->has_remote_ip_case = COMMON__V2__DOWNLOAD__HAS_REMOTE_IP_REMOTE_IP;
        download->remote_ip = preheating->scheduler->ip;
    }
}

static void download_request(void *context, const struct plan_object *object, const struct plan_host *host,
                             struct dtr_str *ret_bytes)
{
    Dfdaemon__V2__DownloadTaskRequest request = DFDAEMON__V2__DOWNLOAD_TASK_REQUEST__INIT;
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    (void)host;
    fill_download(context, &download, &timeout);
    download.url = object->url;
    request.download = &download;
    wire_put_message(ret_bytes, &request.base);
}

static void on_over(void *context, bool late)
{
    struct preheating *preheating = context;
    struct dtr_scheduler *scheduler = preheating->scheduler;
    size_t count, failed = 0;
    const struct grid_row *rows = grid_rows(preheating->record->plan.grid, &count);
    char why[80] = "", url[URL_TEXT];
    for (size_t i = 0; i < count; i++)
        failed += rows[i].state == GRID_FAILED;
    if (late)
        (void)snprintf(why, sizeof(why), "it was not done within %.1f s",
                       (double)preheating->wish.timeout_ms / 1000);
    dtr_log(failed ? DTR_LOG_WARN : DTR_LOG_INFO, NULL, "preheat of %s is over: %zu done, %zu failed%s%s",
            url_text(preheating, url), count - failed, failed, late ? "; " : "", why);
    preheats_end(&scheduler->preheats, role_now_ms(scheduler), preheating->record, late ? why : NULL);
    preheating_free(preheating);
}

/* One that is there may serve soon. */
static int no_seed(const struct dtr_scheduler *scheduler, struct dtr_error *err)
{
    const struct dtr_swarm_host *host = NULL;
    while ((host = dtr_swarm_next_host(scheduler->swarm, host))) {
        if (host->announced && host->facts.type != 0)
            return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_ELSEWHERE,
                                 "no seed peer of this scheduler serves at present");
    }
    int rc = job_knows_hosts(scheduler, err);
    return rc != DTR_OK ? rc
                        : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE,
                                        "no seed peer has announced itself to this scheduler");
}

/* Each object on the seed that its pulls will ask. */
static int plan_single(const struct preheating *preheating, struct plan *plan, struct dtr_error *err)
{
    const struct dtr_scheduler *scheduler = preheating->scheduler;
    uint32_t *places = calloc(plan->object_count + 1, sizeof(*places));
    int rc = places ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a preheat");
    for (size_t i = 0; i < plan->object_count && rc == DTR_OK; i++) {
        const struct dtr_swarm_host *seed = dtr_swarm_find_seed(scheduler->swarm, plan->objects[i].task_id);
        if (!seed)
            rc = no_seed(scheduler, err);
        else if (!plan_find_host(plan, seed->facts.id, &places[i]))
            rc = job_add_host(scheduler, seed, plan, &places[i], err);
    }
    if (rc == DTR_OK)
        rc = plan_begin_single(plan, &preheating->wish.limits, places, err);
    free(places);
    return rc;
}

static int plan_hosts(const struct preheating *preheating, struct plan *plan, struct dtr_error *err)
{
    const struct wish *wish = &preheating->wish;
    if (wish->choice.scope == PLAN_SINGLE_SEED)
        return plan_single(preheating, plan, err);
    int rc = job_knows_hosts(preheating->scheduler, err);
    if (rc == DTR_OK)
        rc = job_add_hosts(preheating->scheduler, plan, err);
    if (rc == DTR_OK)
        rc = plan_choose(plan, &wish->choice, err);
    if (rc == DTR_OK)
        rc = plan_begin(plan, &wish->limits, err);
    return rc;
}

static void on_gathered(void *context, const struct dtr_header *headers, size_t header_count,
                        const struct dtr_error *found)
{
    static const struct work_kind kind = {.method = &dtr_rpc_upload_download_task,
                                          .call_ms = JOB_FETCH_MS,
                                          .request = download_request,
                                          .over = on_over};
    struct preheating *preheating = context;
    struct dtr_scheduler *scheduler = preheating->scheduler;
    struct plan *plan = &preheating->record->plan;
    struct dtr_error err = *found;
    char url[URL_TEXT];
    preheating->gather = NULL;
    int rc = err.code;
    if (rc == DTR_OK && (scheduler->closing || !preheating->call))
        rc = dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_SAME,
                           "its caller did not wait, or the scheduler stops");
    if (rc == DTR_OK)
        rc = plan_hosts(preheating, plan, &err);
    if (rc == DTR_OK)
        rc = keep_headers(preheating, headers, header_count, &err);
    if (rc == DTR_OK)
        rc = work_begin(scheduler, plan, &kind, preheating->wish.timeout_ms, preheating, &preheating->work,
                        &err);
    if (rc != DTR_OK) {
        give_up(preheating, &err);
        return;
    }
    dtr_log(DTR_LOG_INFO, NULL, "preheat of %s begins: %zu objects, %zu hosts", url_text(preheating, url),
            plan->object_count, plan->host_count);
    answer_nothing(let_go(preheating));
}

/* --- the calls ----------------------------------------------------------------------------------------- */

/* Nobody waits for it: so it is not begun, unless it was. */
static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct preheating *preheating = context;
    (void)call;
    (void)status;
    preheating->call = NULL;
    gather_cancel(preheating->gather);
}

/* Whether it is one that runs already, as the caller's id says; else *ret_id is the id, "" without one. */
static bool is_running(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call, const char **ret_id)
{
    const char *id = dtr_rpc_call_metadata(call, DTR_RPC_PREHEAT_ID);
    const struct preheat *earlier =
        id ? preheats_find(&scheduler->preheats, role_now_ms(scheduler), id) : NULL;
    *ret_id = id ? id : "";
    return earlier && !earlier->over;
}

static void preheat(struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                    const struct dtr_rpc_message *request, bool image, enum dtr_metric_id failures)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct dtr_error err;
    const char *id;
    if (is_running(scheduler, call, &id)) {
        answer_nothing(call);
        return;
    }
    struct preheating *preheating = calloc(1, sizeof(*preheating));
    if (!preheating) {
        dtr_metric_add(failures, NULL, 1);
        dtr_rpc_call_finish(call, DTR_RPC_RESOURCE_EXHAUSTED, "out of memory for a preheat");
        return;
    }
    preheating->scheduler = scheduler;
    preheating->call = call;
    preheating->failures = failures;
    int rc = wish_read(&preheating->wish, dtr_rpc_call_method(call), request->bytes, request->length, &err);
    if (rc == DTR_OK && id[0])
        rc = preheats_check_id(id, &err);
    if (rc == DTR_OK)
        rc = preheats_begin(&scheduler->preheats, role_now_ms(scheduler), id, &preheating->record, &err);
    if (rc == DTR_OK)
        rc = gather_begin(scheduler, &preheating->wish, image, &preheating->record->plan, on_gathered,
                          preheating, &preheating->gather, &err);
    if (rc == DTR_OK)
        dtr_rpc_call_adopt(call, &events, preheating);
    else
        give_up(preheating, &err);
}

void preheat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    dtr_metric_add(DTR_SCHEDULER_PREHEAT_IMAGE, NULL, 1);
    if (job_taken(service, call))
        preheat(service, call, request, true, DTR_SCHEDULER_PREHEAT_IMAGE_FAILURE);
    else
        dtr_metric_add(DTR_SCHEDULER_PREHEAT_IMAGE_FAILURE, NULL, 1);
}

void preheat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    dtr_metric_add(DTR_SCHEDULER_PREHEAT_FILE, NULL, 1);
    if (job_taken(service, call))
        preheat(service, call, request, false, DTR_SCHEDULER_PREHEAT_FILE_FAILURE);
    else
        dtr_metric_add(DTR_SCHEDULER_PREHEAT_FILE_FAILURE, NULL, 1);
}

/* --- how it goes on ------------------------------------------------------------------------------------ */

/* darter.v1.StatPreheatResponse and its PreheatRow */
enum { ENDED = 1, ERROR = 2, ROWS = 3, DONE = 4, FAILED = 5, WAITING = 6, NOWHERE = 7, WHY = 8 };
enum { ROW_URL = 1, ROW_HOSTNAME = 2, ROW_IP = 3, ROW_STATE = 4, ROW_DESCRIPTION = 5 };
enum { ROWS_TOLD = 10000 }; /* a reader asks again and again, and shows no more of them than that */

static void put_row(struct dtr_str *out, struct dtr_str *scratch, const struct plan *plan,
                    const struct grid_row *row)
{
    const struct plan_host *host = &plan->hosts[row->host];
    dtr_str_clear(scratch);
    wire_put_text(scratch, ROW_URL, plan->objects[row->object].url);
    wire_put_text(scratch, ROW_HOSTNAME, host->hostname);
    wire_put_text(scratch, ROW_IP, host->ip);
    wire_put_text(scratch, ROW_STATE, grid_state_text(row->state));
    wire_put_text(scratch, ROW_DESCRIPTION, row->why ? row->why : "");
    wire_put_bytes(out, ROWS, dtr_str_text(scratch), scratch->length);
}

/* What all rows come to, and the first object that no host got. */
static void put_counts(struct dtr_str *out, const struct plan *plan, const struct grid_row *rows,
                       size_t count)
{
    uint64_t of_state[GRID_FAILED + 1] = {0};
    const struct grid_row *nowhere = NULL;
    for (size_t i = 0, next; i < count; i = next) {
        bool failed = true;
        for (next = i; next < count && rows[next].object == rows[i].object; next++) {
            of_state[rows[next].state]++;
            failed = failed && rows[next].state == GRID_FAILED;
        }
        if (failed && !nowhere)
            nowhere = &rows[i];
    }
    wire_put_number(out, DONE, of_state[GRID_DONE]);
    wire_put_number(out, FAILED, of_state[GRID_FAILED]);
    wire_put_number(out, WAITING, of_state[GRID_WAITING] + of_state[GRID_RUNNING]);
    wire_put_text(out, NOWHERE, nowhere ? plan->objects[nowhere->object].url : "");
    wire_put_text(out, WHY, nowhere && nowhere->why ? nowhere->why : "");
}

/* Those that failed, or the others. */
static size_t put_rows(struct dtr_str *out, const struct plan *plan, const struct grid_row *rows,
                       size_t count, bool failed, size_t room)
{
    struct dtr_str scratch = {0};
    for (size_t i = 0; i < count && room > 0; i++) {
        if ((rows[i].state == GRID_FAILED) == failed) {
            put_row(out, &scratch, plan, &rows[i]);
            room--;
        }
    }
    dtr_str_free(&scratch);
    return room;
}

void preheat_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct dtr_scheduler *scheduler = service;
    const Darter__V1__StatPreheatRequest *message = (const void *)request->message;
    const struct preheat *preheat = preheats_find(&scheduler->preheats, role_now_ms(scheduler), message->id);
    struct dtr_str out = {0};
    size_t count = 0;
    if (!preheat) {
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "this scheduler knows no preheat with this id");
        return;
    }
    const struct grid_row *rows = preheat->plan.grid ? grid_rows(preheat->plan.grid, &count) : NULL;
    wire_put_number(&out, ENDED, preheat->over);
    wire_put_text(&out, ERROR, preheat->error);
    size_t room = put_rows(&out, &preheat->plan, rows, count, true, ROWS_TOLD);
    (void)put_rows(&out, &preheat->plan, rows, count, false, room);
    put_counts(&out, &preheat->plan, rows, count);
    job_reply(call, &out);
}
