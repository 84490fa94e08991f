/* What a register says of the download: whatever another daemon needs to find the same task by it. */
#include "core/daemon/talk/talk_internal.h"

#include "core/brain/url.h"
#include <stdlib.h>

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

void talk_download_free(struct talk_download *download)
{
    free(download->header_lines);
    free(download->filter_lines);
    dtr_certificates_free(&download->roots);
}

static void fill_headers(struct talk_download *download, const char *lines)
{
    struct dtr_header headers[HEADER_LINES];
    download->header_lines = strdup(lines);
    download->message.request_header = download->headers;
    download->message.n_request_header = header_lines_cut(download->header_lines, headers);
    for (size_t i = 0; i < download->message.n_request_header; i++) {
        common__v2__download__request_header_entry__init(&download->entries[i]);
        download->entries[i].key = text(headers[i].name);
        download->entries[i].value = text(headers[i].value);
        download->headers[i] = &download->entries[i];
    }
}

/* The names that were left out of the task id, so that a seed that is told to fetch it gets the same id. */
static void fill_filter(struct talk_download *download, const struct dtr_task *task)
{
    Common__V2__Download *message = &download->message;
    const char *lines = dtr_task_wish(task)->filter;
    char *rest = NULL;
    if (!lines && strchr(message->url, '?')) {
        message->filtered_query_params = (char **)(uintptr_t)dtr_url_default_filter;
        message->n_filtered_query_params = dtr_url_default_filter_count;
    }
    if (!lines)
        return;
    download->filter_lines = strdup(lines);
    message->filtered_query_params = download->filter;
    for (char *name = download->filter_lines ? strtok_r(download->filter_lines, "\n", &rest) : NULL;
         name && message->n_filtered_query_params < TALK_FILTER; name = strtok_r(NULL, "\n", &rest))
        download->filter[message->n_filtered_query_params++] = name;
}

void talk_download_name(Common__V2__Download *message, const struct dtr_task_facts *facts)
{
    if (facts->tag[0]) {
        message->has_tag_case = COMMON__V2__DOWNLOAD__HAS_TAG_TAG;
        message->tag = text(facts->tag);
    }
    if (facts->application[0]) {
        message->has_application_case = COMMON__V2__DOWNLOAD__HAS_APPLICATION_APPLICATION;
        message->application = text(facts->application);
    }
}

void talk_download_size(Common__V2__Download *message, uint64_t content_length, uint64_t piece_length,
                        uint64_t piece_count)
{
    message->has_actual_content_length_case =
        COMMON__V2__DOWNLOAD__HAS_ACTUAL_CONTENT_LENGTH_ACTUAL_CONTENT_LENGTH;
    message->actual_content_length = content_length;
    message->has_actual_piece_length_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_LENGTH_ACTUAL_PIECE_LENGTH;
    message->actual_piece_length = piece_length;
    message->has_actual_piece_count_case = COMMON__V2__DOWNLOAD__HAS_ACTUAL_PIECE_COUNT_ACTUAL_PIECE_COUNT;
    message->actual_piece_count = piece_count;
}

/* What else the task id was calculated from, and who asked. */
static void fill_name(struct talk_download *download, const struct dtr_task *task)
{
    Common__V2__Download *message = &download->message;
    const struct dtr_task_facts *facts = dtr_task_facts(task);
    const struct dtr_read_request *wish = dtr_task_wish(task);
    size_t digest = strlen(facts->digest);
    /* A task named by its blob's digest has the same name only where this is on. */
    message->enable_task_id_based_blob_digest =
        digest >= DTR_TASK_ID_LENGTH &&
        strcmp(facts->digest + digest - DTR_TASK_ID_LENGTH, facts->task_id) == 0;
    talk_download_name(message, facts);
    if (wish->piece_length) {
        message->has_piece_length_case = COMMON__V2__DOWNLOAD__HAS_PIECE_LENGTH_PIECE_LENGTH;
        message->piece_length = wish->piece_length;
    }
    if (wish->content && wish->content[0]) {
        message->has_content_for_calculating_task_id_case =
            COMMON__V2__DOWNLOAD__HAS_CONTENT_FOR_CALCULATING_TASK_ID_CONTENT_FOR_CALCULATING_TASK_ID;
        message->content_for_calculating_task_id = text(wish->content);
    }
    if (wish->remote_ip && wish->remote_ip[0]) {
        message->has_remote_ip_case = COMMON__V2__DOWNLOAD__HAS_REMOTE_IP_REMOTE_IP;
        message->remote_ip = text(wish->remote_ip);
    }
    fill_filter(download, task);
}

void talk_download_fill(struct talk_download *download, const struct dtr_daemon *daemon,
                        const struct dtr_task *task, const struct dtr_plan_action *action)
{
    Common__V2__Download *message = &download->message;
    download->header_lines = download->filter_lines = NULL;
    common__v2__download__init(message);
    message->url = text(dtr_task_url(task));
    message->priority = (Common__V2__Priority)dtr_task_wish(task)->priority;
    message->need_back_to_source = dtr_task_is_trigger(task) && !action->metadata_only;
    message->metadata_only = action->metadata_only;
    fill_name(download, task);
    if (action->content_length != DTR_LENGTH_UNKNOWN) {
        talk_download_size(message, action->content_length, action->piece_length, action->piece_count);
    }
    message->has_concurrent_piece_count_case =
        COMMON__V2__DOWNLOAD__HAS_CONCURRENT_PIECE_COUNT_CONCURRENT_PIECE_COUNT;
    message->concurrent_piece_count = (uint32_t)daemon->config->download.concurrent_piece_count;
    fill_headers(download, dtr_task_request_headers(task));
    /* A seed that is told to fetch it does not trust its origin otherwise. */
    struct dtr_error err;
    (void)dtr_certificates_read(dtr_task_request_roots(task), &download->roots, &err);
    message->certificate_chain = download->roots.list;
    message->n_certificate_chain = download->roots.count;
}
