/* See upload_request.h. What is checked here is what Dragonfly's servers check too (wire page 2.2). */
#include "core/daemon/upload/upload_request.h"

#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/brain/url.h"
#include "core/http/fields.h"
#include "core/http/range.h"
#include "core/rpc/certificates.h"
#include <stdlib.h>

enum { HEADER_BYTES = 64 << 10, FILTER_BYTES = 16 << 10, ROOTS_BYTES = 256 << 10 };

static int refuse(struct dtr_error *err, const char *text)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s", text);
}

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a download");
}

/* Keeps a copy, in the first free place. */
static const char *keep(struct download *download, const char *text)
{
    size_t i = 0;
    while (download->texts[i])
        i++;
    return download->texts[i] = strdup(text);
}

static const char *keep_built(struct download *download, struct dtr_str *text)
{
    const char *kept = dtr_str_ok(text) ? keep(download, dtr_str_text(text)) : NULL;
    dtr_str_free(text);
    return kept;
}

/* --- headers and range -------------------------------------------------------------------------- */

/* The task is the whole object, bytes as they are, over our own connection. */
static bool stays_here(const char *name)
{
    static const char *const names[] = {"Host",
                                        "Expect",
                                        "Range",
                                        "If-Range",
                                        "If-Match",
                                        "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since",
                                        "Accept-Encoding"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dtr_casecmp(names[i], name) == 0)
            return true;
    }
    return dtr_http_hop_by_hop(NULL, 0, name);
}

static int take_headers(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_str lines = {.limit = HEADER_BYTES};
    for (size_t i = 0; i < message->n_request_header; i++) {
        const Common__V2__Download__RequestHeaderEntry *entry = message->request_header[i];
        if (!entry->key[0] || strpbrk(entry->key, "\r\n\t :") || strpbrk(entry->value, "\r\n")) {
            dtr_str_free(&lines);
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "request_header: \"%.60s\" cannot be sent to an origin", entry->key);
        }
        if (!stays_here(entry->key))
            dtr_str_printf(&lines, "%s: %s\n", entry->key, entry->value);
    }
    if (!dtr_str_ok(&lines)) {
        dtr_str_free(&lines);
        return refuse(err, "request_header: more than 64 KiB");
    }
    download->read.headers = keep_built(download, &lines);
    return download->read.headers ? DTR_OK : no_memory(err);
}

/* Who else may vouch for the origin. */
static int take_roots(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_str pem = {.limit = ROOTS_BYTES};
    size_t length = 0;
    for (size_t i = 0; i < message->n_certificate_chain; i++)
        length += message->certificate_chain[i].len;
    if (length > ROOTS_BYTES / 2)
        return refuse(err, "certificate_chain: more than 128 KiB");
    int rc = dtr_certificates_pem(message->certificate_chain, message->n_certificate_chain, &pem, err);
    if (rc == DTR_OK && (download->read.roots = keep_built(download, &pem)) == NULL)
        rc = no_memory(err);
    dtr_str_free(&pem);
    return rc;
}

/* As the field says, else as the caller's Range header does. */
static int take_range(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_http_range range = {0};
    download->read.length = DTR_LENGTH_UNKNOWN;
    if (message->range) {
        download->read.offset = message->range->start;
        download->read.length = message->range->length;
        download->ranged = true;
    }
    for (size_t i = 0; i < message->n_request_header && !download->ranged; i++) {
        if (dtr_casecmp(message->request_header[i]->key, "Range") == 0)
            range = dtr_http_range_parse(message->request_header[i]->value);
    }
    if (range.kind == DTR_RANGE_SUFFIX)
        return refuse(err,
                      "request_header: Range: name the first byte; the last bytes of an object cannot be "
                      "asked for here");
    if (range.kind != DTR_RANGE_NONE) {
        download->ranged = true;
        download->read.offset = range.first;
        if (range.kind == DTR_RANGE_SPAN && range.last - range.first < DTR_LENGTH_UNKNOWN - 1)
            download->read.length = range.last - range.first + 1;
    }
    if (download->read.length == 0)
        return refuse(err, "range: length is 0");
    if (download->read.length != DTR_LENGTH_UNKNOWN &&
        download->read.offset > UINT64_MAX - download->read.length)
        return refuse(err, "range: it ends past 2^64 bytes");
    download->read.prefetch = message->prefetch && download->ranged;
    download->read.is_prefetch = message->is_prefetch;
    return DTR_OK;
}

/* --- what names the task ------------------------------------------------------------------------ */

static int take_url(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_url url = {0};
    struct dtr_error why;
    int rc = DTR_OK;
    if (dtr_url_parse(&url, message->url, strlen(message->url), &why) != DTR_OK) {
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "url: %.200s", why.text);
    } else {
        const char *scheme = dtr_str_text(&url.text);
        if (strncmp(scheme, "http:", 5) != 0 && strncmp(scheme, "https:", 6) != 0)
            rc = dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                               "url: scheme \"%.*s\" is not there yet; only http and https are",
                               (int)(url.scheme_length < 20 ? url.scheme_length : 20), scheme);
    }
    dtr_url_free(&url);
    if (rc != DTR_OK)
        return rc;
    download->read.url = keep(download, message->url);
    return download->read.url ? DTR_OK : no_memory(err);
}

static int take_filter(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_str lines = {.limit = FILTER_BYTES};
    for (size_t i = 0; i < message->n_filtered_query_params; i++) {
        if (strchr(message->filtered_query_params[i], '\n')) {
            dtr_str_free(&lines);
            return refuse(err, "filtered_query_params: a name holds a line end");
        }
        dtr_str_printf(&lines, "%s%s", i ? "\n" : "", message->filtered_query_params[i]);
    }
    if (!dtr_str_ok(&lines)) {
        dtr_str_free(&lines);
        return refuse(err, "filtered_query_params: more than 16 KiB");
    }
    download->read.filter = keep_built(download, &lines);
    return download->read.filter ? DTR_OK : no_memory(err);
}

static const char *given(bool has, const char *text)
{
    return has ? text : "";
}

static int take_name(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    struct dtr_read_request *read = &download->read;
    read->tag = keep(download, given(message->has_tag_case != 0, message->tag));
    read->application = keep(download, given(message->has_application_case != 0, message->application));
    read->content = keep(download, given(message->has_content_for_calculating_task_id_case != 0,
                                         message->content_for_calculating_task_id));
    read->piece_length = message->has_piece_length_case ? message->piece_length : 0;
    if (!read->tag || !read->application || !read->content)
        return no_memory(err);
    if (message->has_piece_length_case &&
        (read->piece_length < DTR_PIECE_LENGTH_MIN || read->piece_length > DTR_PIECE_LENGTH_MAX))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "piece_length: %llu is not within 4 MiB and 64 MiB",
                             (unsigned long long)read->piece_length);
    const struct dtr_task_key key = {
        .content = read->content[0] ? read->content : NULL,
        .url = read->url,
        .blob_digest = message->enable_task_id_based_blob_digest,
        .tag = read->tag,
        .application = read->application,
        .piece_length = read->piece_length,
        .filter = (const char *const *)message->filtered_query_params,
        .filter_count = message->n_filtered_query_params,
    };
    read->task_id = download->task_id;
    return dtr_task_id(download->task_id, &key, err);
}

/* --- the rest ----------------------------------------------------------------------------------- */

/* The caller's digest is about the caller's file: the task is everybody's, and only its URL can say what it
 * should be. */
static int take_digest(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    const char *digest = given(message->has_digest_case, message->digest);
    struct dtr_expected *expected = NULL;
    struct dtr_error why;
    char *blob = dtr_url_blob_digest(message->url);
    if (digest[0] && dtr_expected_new(digest, &expected, &why) != DTR_OK) {
        free(blob);
        return dtr_error_set(err, why.code, why.retry, "digest: %.200s", why.text);
    }
    dtr_expected_free(expected);
    download->digest = keep(download, digest);
    download->read.digest = blob ? keep(download, blob) : NULL;
    free(blob);
    return download->digest && download->read.digest ? DTR_OK : no_memory(err);
}

static int take_output(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    const char *path = given(message->has_output_path_case != 0, message->output_path);
    download->overwrite = message->overwrite;
    download->force_hard_link = message->force_hard_link;
    if (!path[0])
        return message->force_hard_link ? refuse(err, "force_hard_link: without output_path") : DTR_OK;
    if (path[0] != '/')
        return refuse(err, "output_path: it must begin with /");
    if (message->force_hard_link && download->ranged)
        return refuse(err, "force_hard_link: a part of an object cannot be linked");
    download->output_path = keep(download, path);
    return download->output_path ? DTR_OK : no_memory(err);
}

/* Schedulers refuse one that is no address. */
static int take_remote_ip(struct download *download, const Common__V2__Download *message,
                          struct dtr_error *err)
{
    const char *ip = given(message->has_remote_ip_case, message->remote_ip);
    char text[DTR_ADDR_TEXT] = "";
    struct dtr_addr addr;
    if (ip[0] && dtr_addr_ip(ip, 0, &addr, NULL) != DTR_OK)
        return refuse(err, "remote_ip: it is no IP address");
    if (ip[0])
        dtr_addr_ip_text(&addr, text);
    download->read.remote_ip = keep(download, text);
    return download->read.remote_ip ? DTR_OK : no_memory(err);
}

static int take_limits(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    const Google__Protobuf__Duration *timeout = message->timeout;
    if (message->type != COMMON__V2__TASK_TYPE__STANDARD)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "type: only standard tasks are there yet");
    if ((uint32_t)message->priority > COMMON__V2__PRIORITY__LEVEL6)
        return refuse(err, "priority: it is not within 0 and 6");
    if (timeout && (timeout->seconds < 0 || timeout->nanos < 0 || timeout->nanos >= 1000000000 ||
                    (timeout->seconds == 0 && timeout->nanos == 0)))
        return refuse(err, "timeout: it must be longer than 0");
    if (timeout)
        download->timeout_ms =
            timeout->seconds > INT32_MAX
                ? (uint64_t)INT32_MAX * 1000
                : (uint64_t)timeout->seconds * 1000 + (uint64_t)(timeout->nanos + 999999) / 1000000;
    download->need_content = message->need_piece_content;
    download->read.priority = (uint32_t)message->priority;
    download->read.need_back_to_source = message->need_back_to_source;
    download->read.disable_back_to_source = message->disable_back_to_source;
    download->read.announce = message->need_back_to_source;
    return DTR_OK;
}

int download_take(struct download *download, const Common__V2__Download *message, struct dtr_error *err)
{
    static int (*const steps[])(struct download *, const Common__V2__Download *, struct dtr_error *) = {
        take_limits,  take_url,   take_filter, take_name,   take_digest,
        take_headers, take_roots, take_range,  take_output, take_remote_ip};
    int rc = DTR_OK;
    *download = (struct download){0};
    if (!message)
        return refuse(err, "download: it is missing");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == DTR_OK; i++)
        rc = steps[i](download, message, err);
    return rc;
}

void download_free(struct download *download)
{
    for (size_t i = 0; i < DOWNLOAD_TEXTS; i++)
        free(download->texts[i]);
    *download = (struct download){0};
}
