/* How a request begins: its headers, those for another host, and what libcurl is told of it. */
#include "http.h"

#include <stdlib.h>
#include <strings.h>

enum { RECEIVE_BUFFER = 256 << 10 };

static int append_line(struct curl_slist **lines, const char *line)
{
    struct curl_slist *list = curl_slist_append(*lines, line);
    if (!list)
        return DTR_ENOMEM;
    *lines = list;
    return DTR_OK;
}

static int add_header(struct curl_slist **lines, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 4;
    char *line = malloc(size);
    if (!line)
        return DTR_ENOMEM;
    /* "Name;" is libcurl's way to send a header without a value. */
    (void)snprintf(line, size, *value ? "%s: %s" : "%s;", name, value);
    int rc = append_line(lines, line);
    free(line);
    return rc;
}

/* Of these methods a server may insist on being told that there is no body. */
static bool may_have_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

/* What a caller says to one host is no other host's business. */
static bool may_travel(const char *name)
{
    return strcasecmp(name, "Accept") == 0 || strcasecmp(name, "User-Agent") == 0;
}

/* The first `count` of the request's headers, or those of them that may go to another host; and ours. */
static int add_headers(const struct dtr_origin_call *call, const struct dtr_origin_request *request,
                       size_t count, bool away, struct curl_slist **lines)
{
    char range[64];
    int rc = DTR_OK;
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        bool ours = strcasecmp(request->headers[i].name, "Content-Length") == 0 ||
                    strcasecmp(request->headers[i].name, "Transfer-Encoding") == 0 ||
                    (call->is_read && strcasecmp(request->headers[i].name, "Range") == 0);
        if (!ours && (!away || may_travel(request->headers[i].name)))
            rc = add_header(lines, request->headers[i].name, request->headers[i].value);
    }
    if (rc == DTR_OK && !dtr_header_find(request->headers, count, "User-Agent"))
        rc = add_header(lines, "User-Agent", "darter/" DTR_VERSION);
    if (rc == DTR_OK && !dtr_header_find(request->headers, count, "Accept"))
        rc = add_header(lines, "Accept", "*/*");
    if (rc == DTR_OK)
        rc = append_line(lines, "Expect:"); /* without it libcurl waits for a 100 of its own accord */
    if (rc == DTR_OK && request->has_body && request->body_length == DTR_LENGTH_UNKNOWN)
        rc = add_header(lines, "Transfer-Encoding", "chunked");
    if (rc == DTR_OK && !call->is_read && !request->has_body && may_have_body(request->method))
        rc = add_header(lines, "Content-Length", "0");
    if (!call->is_read || rc != DTR_OK)
        return rc;
    if (request->length != DTR_LENGTH_UNKNOWN)
        (void)snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)request->offset,
                       (unsigned long long)(request->offset + request->length - 1));
    else
        (void)snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)request->offset);
    if (request->offset > 0 || request->length != DTR_LENGTH_UNKNOWN)
        rc = add_header(lines, "Range", range);
    if (rc == DTR_OK && request->if_range)
        rc = add_header(lines, "If-Range", request->if_range);
    return rc;
}

static int make_headers(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    size_t count = request->header_count, own = request->own_header_count;
    int rc = add_headers(call, request, count, false, &call->headers);
    if (rc == DTR_OK && call->is_read)
        rc = add_headers(call, request, own <= count ? count - own : 0, true, &call->away);
    return rc;
}

static void set_method(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    const char *method = call->is_read ? "GET" : request->method;
    if (request->has_body) {
        (void)curl_easy_setopt(call->easy, CURLOPT_UPLOAD, 1L);
        if (request->body_length != DTR_LENGTH_UNKNOWN)
            (void)curl_easy_setopt(call->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_length);
        (void)curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "GET") != 0) {
        (void)curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void set_options(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* the end does not wait for a resolver */
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");   /* the environment does not redirect a daemon */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call->is_read ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->http->options->max_redirects);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    if (request->insecure) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_method(call, request);
}

/* The folder of the system's authorities counts in any case. libcurl takes a file or a text: where there are
 * both, what is in the file goes into the text. It is for libcurl to complain of a file that cannot be read.
 */
static CURLcode set_roots(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    FILE *file = request->ca_file && request->roots ? fopen(request->ca_file, "re") : NULL;
    struct curl_blob blob = {.flags = CURL_BLOB_COPY};
    char *text = NULL, part[4096];
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (!request->roots || (request->ca_file && !file))
        return request->ca_file ? curl_easy_setopt(call->easy, CURLOPT_CAINFO, request->ca_file) : CURLE_OK;
    FILE *all = open_memstream(&text, &blob.len);
    bool ok = all && fprintf(all, "%s\n", request->roots) > 0;
    for (size_t got; ok && file && (got = fread(part, 1, sizeof(part), file)) > 0;)
        ok = fwrite(part, 1, got, all) == got;
    ok = all && fclose(all) == 0 && ok;
    blob.data = text;
    if (ok)
        code = curl_easy_setopt(call->easy, CURLOPT_CAINFO_BLOB, &blob);
    if (file)
        (void)fclose(file);
    free(text);
    return code;
}

static void name_call(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    char url[160];
    head_plain_url(request->url, url, sizeof(url));
    (void)snprintf(call->where, sizeof(call->where), "%.16s %s", call->is_read ? "GET" : request->method,
                   url);
}

/* Where the call begins. What an origin says for whom the caller's roots vouch is nothing for others. */
static CURLcode set_url(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    char *target = NULL;
    if (call->is_read && request->redirect_ttl_ms && !request->roots) {
        call->redirect_ttl_ms = request->redirect_ttl_ms;
        call->key = redirects_key(request);
        target = call->key ? redirects_find(call->http->redirects, call->key, http_call_now_ms(call)) : NULL;
    }
    call->shortcut = target != NULL;
    CURLcode code = curl_easy_setopt(call->easy, CURLOPT_URL, target ? target : request->url);
    free(target);
    return code;
}

int http_call_start(struct http *http, struct dtr_loop *loop, const struct dtr_origin_request *request,
                    bool is_read, const struct dtr_origin_sink *sink, void *context,
                    struct dtr_origin_call **ret_call, struct dtr_error *err)
{
    struct dtr_origin_call *call = NULL;
    int rc = http_call_new(http, loop, sink, context, &call, err);
    if (rc != DTR_OK)
        return rc;
    call->is_read = is_read;
    call->trusted = request->trusted;
    call->stall_ms = request->stall_ms;
    name_call(call, request);
    call->url = strdup(request->url);
    if (!call->url || make_headers(call, request) != DTR_OK || set_url(call, request) != CURLE_OK ||
        set_roots(call, request) != CURLE_OK)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    if (rc == DTR_OK) {
        set_options(call, request);
        if (curl_multi_add_handle(call->engine->multi, call->easy) != CURLM_OK)
            rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_SAME, "libcurl takes no more requests");
    }
    if (rc != DTR_OK) {
        http_call_free(call);
        return rc;
    }
    call->added = true;
    if (call->stall_ms)
        http->host->timer_set(call->timer, call->stall_ms);
    *ret_call = call;
    return DTR_OK;
}
