/* See get_request.h. */
#include "core/tools/get_request.h"

#include "core/base/str.h"
#include "core/brain/url.h"
#include "core/tools/ask.h"
#include <jansson.h>
#include <stdlib.h>

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* --- the request ---------------------------------------------------------------------------------- */

static int check_url(const char *given, struct dtr_error *err)
{
    struct dtr_url url = {0};
    struct dtr_error why;
    int rc = DTR_OK;
    if (dtr_url_parse(&url, given, strlen(given), &why) != DTR_OK) {
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.60s: %.180s", given, why.text);
    } else {
        const char *normal = dtr_str_text(&url.text);
        size_t path_end = url.query;
        if (strncmp(normal, "http:", 5) != 0 && strncmp(normal, "https:", 6) != 0)
            rc = dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                               "%.100s: object stores and model hubs are not there yet; use http or https",
                               given);
        else if (path_end > url.path + 1 && normal[path_end - 1] == '/')
            rc = dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                               "%.100s: folders cannot be downloaded yet; name a file", given);
    }
    dtr_url_free(&url);
    return rc;
}

static int add_header(struct dtr_get_request *request, size_t i, const char *line, struct dtr_error *err)
{
    const char *colon = strchr(line, ':');
    size_t length = colon ? (size_t)(colon - line) : 0;
    Common__V2__Download__RequestHeaderEntry *entry = request->headers[i] = &request->entries[i];
    if (length == 0 || strpbrk(line, "\r\n") || strcspn(line, " \t") < length)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "--header \"%.100s\": write \"Name: value\"",
                             line);
    request->names[i] = strndup(line, length);
    if (!request->names[i])
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    if (dtr_casecmp(request->names[i], "Range") == 0)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "--header Range: parts of an object cannot be downloaded");
    common__v2__download__request_header_entry__init(entry);
    entry->key = request->names[i];
    entry->value = text(colon + 1 + strspn(colon + 1, " \t"));
    return DTR_OK;
}

static int add_headers(struct dtr_get_request *request, const struct dtr_get_options *options,
                       struct dtr_error *err)
{
    int rc = DTR_OK;
    if (options->header_count > DTR_GET_HEADERS)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "more than %d headers", DTR_GET_HEADERS);
    for (size_t i = 0; i < options->header_count && rc == DTR_OK; i++)
        rc = add_header(request, i, options->headers[i], err);
    request->download.request_header = request->headers;
    request->download.n_request_header = options->header_count;
    return rc;
}

static void add_name(Common__V2__Download *download, const struct dtr_get_options *options)
{
    const char *const *filter = options->default_filter ? dtr_url_default_filter : options->filter;
    download->filtered_query_params = (char **)(uintptr_t)filter;
    download->n_filtered_query_params =
        options->default_filter ? dtr_url_default_filter_count : options->filter_count;
    if (options->tag[0]) {
        download->has_tag_case = COMMON__V2__DOWNLOAD__HAS_TAG_TAG;
        download->tag = text(options->tag);
    }
    if (options->application[0]) {
        download->has_application_case = COMMON__V2__DOWNLOAD__HAS_APPLICATION_APPLICATION;
        download->application = text(options->application);
    }
    if (options->content_for_task_id[0]) {
        download->has_content_for_calculating_task_id_case =
            COMMON__V2__DOWNLOAD__HAS_CONTENT_FOR_CALCULATING_TASK_ID_CONTENT_FOR_CALCULATING_TASK_ID;
        download->content_for_calculating_task_id = text(options->content_for_task_id);
    }
    if (options->piece_length) {
        download->has_piece_length_case = COMMON__V2__DOWNLOAD__HAS_PIECE_LENGTH_PIECE_LENGTH;
        download->piece_length = options->piece_length;
    }
}

int dtr_get_request_make(const struct dtr_get_options *options, struct dtr_get_request *request,
                         struct dtr_error *err)
{
    Common__V2__Download *download = &request->download;
    memset(request->names, 0, sizeof(request->names));
    dfdaemon__v2__download_task_request__init(&request->message);
    common__v2__download__init(download);
    google__protobuf__duration__init(&request->timeout);
    request->message.download = download;
    request->timeout.seconds = (int64_t)(options->timeout_ms / 1000);
    request->timeout.nanos = (int32_t)(options->timeout_ms % 1000 * 1000000);
    download->timeout = &request->timeout;
    download->url = text(options->url);
    download->priority = (Common__V2__Priority)options->priority;
    download->disable_back_to_source = options->disable_back_to_source;
    download->need_piece_content = true;
    if (options->digest[0]) {
        download->has_digest_case = COMMON__V2__DOWNLOAD__HAS_DIGEST_DIGEST;
        download->digest = text(options->digest);
    }
    add_name(download, options);
    int rc = check_url(options->url, err);
    if (rc == DTR_OK)
        rc = add_headers(request, options, err);
    return rc;
}

void dtr_get_request_free(struct dtr_get_request *request)
{
    for (size_t i = 0; i < DTR_GET_HEADERS; i++)
        free(request->names[i]);
}

/* --- what a status says --------------------------------------------------------------------------- */

/* {"message": ..., "status_code": ...}; false when it is not of that form. */
static bool origin_said(const struct dtr_rpc_status *status, const struct dtr_get_options *options,
                        struct dtr_error *err)
{
    json_t *details =
        status->details ? json_loadb((const char *)status->details, status->details_length, 0, NULL) : NULL;
    const char *message = json_string_value(json_object_get(details, "message"));
    json_t *code = json_object_get(details, "status_code");
    bool is = message != NULL;
    if (is && json_is_integer(code)) {
        (void)dtr_error_set(err, DTR_EORIGIN, DTR_RETRY_NEVER,
                            "the origin refused %.100s with status %d: %.100s", options->url,
                            (int)json_integer_value(code), message);
        err->status = (int)json_integer_value(code);
    } else if (is) {
        (void)dtr_error_set(err, DTR_EORIGIN, DTR_RETRY_NEVER, "the origin failed for %.100s: %.120s",
                            options->url, message);
    }
    json_decref(details);
    return is;
}

int dtr_get_status(const struct dtr_rpc_status *status, const struct dtr_get_options *options, bool answered,
                   struct dtr_error *err)
{
    struct dtr_error plain;
    (void)dtr_rpc_status_error(status, "the daemon", &plain);
    if (origin_said(status, options, err))
        return err->code;
    if (status->remote)
        return dtr_error_set(err, plain.code, plain.retry, "%s",
                             status->message[0] ? status->message : "the daemon failed without a word");
    if (answered)
        return dtr_error_set(err, plain.code, DTR_RETRY_SAME,
                             "the daemon went away during the download: %.170s", status->message);
    return dtr_ask_no_daemon(options->endpoint, status->message, err);
}
