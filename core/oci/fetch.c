/* The life of a fetch: its options, its end, and the limit of its time; see fetch.h. A manifest is asked for
 * (request.c); where the registry wants a token, or a password, that is got and the manifest asked for again;
 * an index leads to another manifest (answer.c). */
#include "core/oci/asking.h"

#include <stdlib.h>
#include <string.h>

static void fetch_free(struct dtr_oci_fetch *fetch)
{
    for (size_t i = 0; i < fetch->header_count; i++) {
        free((char *)(uintptr_t)fetch->headers[i].name);
        free((char *)(uintptr_t)fetch->headers[i].value);
    }
    dtr_timer_close(fetch->limit);
    oci_reference_free(&fetch->reference);
    dtr_str_free(&fetch->body);
    free(fetch->headers);
    free(fetch->username);
    free(fetch->password);
    free(fetch->roots);
    free(fetch->authorization);
    free(fetch->basic);
    free(fetch->home);
    free(fetch->url);
    free(fetch->location);
    free(fetch);
}

void oci_end(struct dtr_oci_fetch *fetch, const struct dtr_oci_image *image, const struct dtr_error *err)
{
    dtr_timer_set(fetch->limit, DTR_TIMER_OFF);
    fetch->done(fetch->context, image, err);
    fetch_free(fetch);
}

int oci_no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an image");
}

static void on_limit(void *context)
{
    struct dtr_oci_fetch *fetch = context;
    fetch->late = true;
    if (fetch->call && !fetch->cancelled)
        fetch->origin->cancel(fetch->call);
}

static bool keep(char **field, const char *text)
{
    *field = text ? strdup(text) : NULL;
    return !text || *field;
}

/* These are of one connection or one request, and ours to say. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"Accept",
                                        "Accept-Encoding",
                                        "Connection",
                                        "Content-Length",
                                        "Host",
                                        "If-Modified-Since",
                                        "If-Match",
                                        "If-None-Match",
                                        "If-Range",
                                        "If-Unmodified-Since",
                                        "Range",
                                        "TE",
                                        "Transfer-Encoding",
                                        "Upgrade"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Neither ends its line. */
static bool header_ok(const struct dtr_header *header)
{
    return header->name[0] && !strpbrk(header->name, ": \t\r\n") && !strpbrk(header->value, "\r\n");
}

static int keep_headers(struct dtr_oci_fetch *fetch, const struct dtr_oci_options *options,
                        struct dtr_error *err)
{
    if (options->header_count > OCI_HEADERS_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "more than %d headers", OCI_HEADERS_MOST);
    fetch->headers = calloc(options->header_count + 1, sizeof(*fetch->headers));
    if (!fetch->headers)
        return oci_no_memory(err);
    for (size_t i = 0; i < options->header_count; i++) {
        if (!header_ok(&options->headers[i]))
            return dtr_error_set(
                err, DTR_EINVALID, DTR_RETRY_NEVER,
                "header %zu is none: a name without blanks is needed, and a value of one line", i + 1);
        if (is_ours(options->headers[i].name))
            continue;
        struct dtr_header *header = &fetch->headers[fetch->header_count++];
        header->name = strdup(options->headers[i].name);
        header->value = strdup(options->headers[i].value);
        if (!header->name || !header->value)
            return oci_no_memory(err);
        fetch->own_authorization = fetch->own_authorization || strcasecmp(header->name, "Authorization") == 0;
    }
    return DTR_OK;
}

int dtr_oci_fetch_start(struct dtr_loop *loop, const struct dtr_origin_ops *origin, void *instance,
                        const struct dtr_oci_options *options, dtr_oci_done *done, void *context,
                        struct dtr_oci_fetch **ret_fetch, struct dtr_error *err)
{
    struct dtr_oci_fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return oci_no_memory(err);
    fetch->loop = loop;
    fetch->origin = origin;
    fetch->instance = instance;
    fetch->done = done;
    fetch->context = context;
    fetch->insecure = options->insecure;
    fetch->trusted = options->trusted;
    int rc = oci_reference_read(options->url, &fetch->reference, err);
    if (rc == DTR_OK)
        rc = oci_platform_read(options->platform, &fetch->platform, err);
    if (rc == DTR_OK)
        rc = keep_headers(fetch, options, err);
    if (rc == DTR_OK && !(keep(&fetch->username, options->username) &&
                          keep(&fetch->password, options->password) && keep(&fetch->roots, options->roots)))
        rc = oci_no_memory(err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(loop, on_limit, fetch, &fetch->limit, err);
    if (rc == DTR_OK)
        rc = oci_ask_manifest(fetch, err);
    if (rc != DTR_OK) {
        fetch_free(fetch);
        return rc;
    }
    dtr_timer_set(fetch->limit, options->timeout_ms ? options->timeout_ms : DTR_OCI_TIMEOUT_MS);
    *ret_fetch = fetch;
    return DTR_OK;
}

void dtr_oci_fetch_cancel(struct dtr_oci_fetch *fetch)
{
    if (fetch->cancelled)
        return;
    fetch->cancelled = true;
    if (!fetch->late)
        fetch->origin->cancel(fetch->call);
}
