/* One request: options for libcurl, its callbacks turned into the sink's, and the end. */
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 256 << 10, BODY_LIMIT = 4 << 20 };

static uint64_t now_ms(const struct dtr_origin_call *call)
{
    return call->http->host->now_ns() / 1000000;
}

/* --- the guard ------------------------------------------------------------------------------------- */

/* Whether the host that was asked for is the one that is asked now. libcurl knows where it is, after whatever
 * it took for a redirect. */
static bool is_at_home(const struct dtr_origin_call *call)
{
    char *url = NULL;
    (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
    return url && head_same_origin(call->url, url);
}

/* The operator trusts the host that was asked for, not what it points to. */
static bool is_trusted(const struct dtr_origin_call *call)
{
    return call->trusted && is_at_home(call);
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct dtr_origin_call *call = context;
    (void)purpose;
    if (!call->http->host->guard_allows(&address->addr, is_trusted(call))) {
        call->guarded = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A kept connection was opened for another request, perhaps a trusted one: ask again. The head of the request
 * has not been put together yet. */
static int before_request(void *context, char *ip, char *local_ip, int port, int local_port)
{
    struct dtr_origin_call *call = context;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *address = NULL;
    (void)local_ip;
    (void)port;
    (void)local_port;
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        address = (const struct sockaddr *)(const void *)&v4;
    else if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        address = (const struct sockaddr *)(const void *)&v6;
    if (call->away)
        (void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, is_at_home(call) ? call->headers : call->away);
    if (address && call->http->host->guard_allows(address, is_trusted(call)))
        return CURL_PREREQFUNC_OK;
    call->guarded = true;
    return CURL_PREREQFUNC_ABORT;
}

/* --- what arrives ---------------------------------------------------------------------------------- */

static int tell_head(struct dtr_origin_call *call)
{
    struct dtr_header array[HEAD_COUNT_LIMIT];
    struct dtr_origin_head told;
    struct dtr_error err;
    call->head_told = true;
    int rc = head_tell(&call->head, call->is_read, array, &told, &err);
    if (rc != DTR_OK) {
        call->http->host->log("origin_http", DTR_LOG_WARN, "%s: %s", call->where, err.text);
        return rc;
    }
    return call->sink->head(call->context, &told);
}

/* The first redirect of a call is of the URL that was asked for. Only an absolute target tells where it is.
 */
static void note_redirect(struct dtr_origin_call *call)
{
    const char *target = head_find(&call->head, "Location");
    long redirects = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    if (call->key && !call->shortcut && redirects == 0 && call->head.status == 307 &&
        (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0))
        redirects_note(call->http->redirects, call->key, target, now_ms(call) + call->redirect_ttl_ms);
}

/* The empty line ends a head: an interim one, a redirect's that libcurl follows or the one that counts. */
static int end_of_head(struct dtr_origin_call *call)
{
    bool redirects = call->is_read && head_redirects(&call->head);
    if (redirects)
        note_redirect(call);
    if (call->head.status < 200 || redirects)
        return DTR_OK;
    if (call->shortcut && call->head.status >= 400) {
        call->anew = true;
        return DTR_ECANCELLED;
    }
    return tell_head(call);
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct dtr_origin_call *call = context;
    size_t length = size * count;
    call->moved_ms = now_ms(call);
    if (call->head_told)
        return length; /* trailers */
    int rc = head_line(&call->head, line, length);
    if (rc == DTR_OK && length <= 2 && (line[0] == '\r' || line[0] == '\n'))
        rc = end_of_head(call);
    if (rc != DTR_OK && !call->stop && !call->anew)
        call->stop = rc;
    return rc == DTR_OK ? length : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct dtr_origin_call *call = context;
    size_t length = size * count;
    bool pause = false;
    call->moved_ms = now_ms(call);
    if (call->stop)
        return 0;
    if (!call->head_told)
        return length; /* the body of a redirect */
    int rc = call->sink->body(call->context, (const uint8_t *)bytes, length, &pause);
    if (rc != DTR_OK) {
        if (!call->stop)
            call->stop = rc;
        return 0;
    }
    call->paused = pause;
    return pause ? CURL_WRITEFUNC_PAUSE : length;
}

static size_t on_send(char *to, size_t size, size_t count, void *context)
{
    struct dtr_origin_call *call = context;
    size_t room = size * count;
    call->moved_ms = now_ms(call);
    if (call->body_length == 0) {
        if (call->last_sent)
            return 0;
        call->body_waits = true;
        call->sink->want_body(call->context);
        if (call->body_length == 0)
            return call->last_sent ? 0 : CURL_READFUNC_PAUSE;
        call->body_waits = false;
    }
    size_t part = call->body_length < room ? call->body_length : room;
    memcpy(to, call->body, part);
    memmove(call->body, call->body + part, call->body_length - part);
    call->body_length -= part;
    return part;
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void free_call(struct dtr_origin_call *call)
{
    if (call->added)
        (void)curl_multi_remove_handle(call->engine->multi, call->easy);
    if (call->easy)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->away);
    free(call->url);
    free(call->key);
    if (call->timer)
        call->http->host->timer_close(call->timer);
    head_free(&call->head);
    free(call->body);
    free(call);
}

/* libcurl's code, ours, what another try may bring */
static const struct {
    CURLcode curl;
    int code;
    enum dtr_retry retry;
} outcomes[] = {
    {CURLE_OPERATION_TIMEDOUT, DTR_ETIMEOUT, DTR_RETRY_SAME},
    {CURLE_COULDNT_RESOLVE_HOST, DTR_EUNAVAILABLE, DTR_RETRY_SAME},
    {CURLE_COULDNT_CONNECT, DTR_EUNAVAILABLE, DTR_RETRY_SAME},
    {CURLE_PARTIAL_FILE, DTR_ECLOSED, DTR_RETRY_SAME},
    {CURLE_GOT_NOTHING, DTR_ECLOSED, DTR_RETRY_SAME},
    {CURLE_RECV_ERROR, DTR_ECLOSED, DTR_RETRY_SAME},
    {CURLE_SEND_ERROR, DTR_ECLOSED, DTR_RETRY_SAME},
    {CURLE_PEER_FAILED_VERIFICATION, DTR_EUNAVAILABLE, DTR_RETRY_NEVER},
    {CURLE_SSL_CACERT_BADFILE, DTR_EINVALID, DTR_RETRY_NEVER},
    {CURLE_URL_MALFORMAT, DTR_EINVALID, DTR_RETRY_NEVER},
    {CURLE_UNSUPPORTED_PROTOCOL, DTR_EUNSUPPORTED, DTR_RETRY_NEVER},
    {CURLE_OUT_OF_MEMORY, DTR_ENOMEM, DTR_RETRY_SAME},
};

static void explain_outcome(const struct dtr_origin_call *call, CURLcode code, struct dtr_error *err)
{
    int ours = DTR_EIO;
    enum dtr_retry retry = DTR_RETRY_SAME;
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (outcomes[i].curl == code) {
            ours = outcomes[i].code;
            retry = outcomes[i].retry;
        }
    }
    (void)dtr_error_set(err, ours, retry, "%s: %s", call->where, curl_easy_strerror(code));
}

/* The request was right, but the origin names a place that nobody can ask. */
static bool leads_nowhere(const struct dtr_origin_call *call, CURLcode code)
{
    long redirects = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    return code == CURLE_TOO_MANY_REDIRECTS ||
           (redirects > 0 && (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT));
}

static void explain(const struct dtr_origin_call *call, CURLcode code, struct dtr_error *err)
{
    *err = (struct dtr_error){0};
    if (call->stop) {
        (void)dtr_error_set(
            err, call->stop, call->stop == DTR_ETIMEOUT ? DTR_RETRY_SAME : DTR_RETRY_NEVER, "%s: %s",
            call->where, call->stop == DTR_ETIMEOUT ? "nothing arrived in time" : dtr_code_text(call->stop));
        return;
    }
    if (code == CURLE_OK)
        return;
    if (call->guarded) {
        (void)dtr_error_set(
            err, DTR_EDENIED, DTR_RETRY_NEVER,
            "%s: the outbound guard refuses this address; allow it by security.outbound.allow", call->where);
        return;
    }
    if (leads_nowhere(call, code)) {
        (void)dtr_error_set(err, DTR_EORIGIN, DTR_RETRY_NEVER, "%s: its redirect cannot be followed: %s",
                            call->where, curl_easy_strerror(code));
        return;
    }
    explain_outcome(call, code, err);
}

/* Where the redirect led before nobody answers well any more: asks as it was told. False: it cannot. */
static bool ask_anew(struct dtr_origin_call *call)
{
    if (!call->shortcut || call->head_told || call->stop)
        return false;
    redirects_forget(call->http->redirects, call->key);
    call->shortcut = call->anew = call->guarded = false;
    head_reset(&call->head);
    (void)curl_multi_remove_handle(call->engine->multi, call->easy);
    call->added = curl_easy_setopt(call->easy, CURLOPT_URL, call->url) == CURLE_OK &&
                  curl_multi_add_handle(call->engine->multi, call->easy) == CURLM_OK;
    return call->added;
}

void http_call_done(struct dtr_origin_call *call, CURLcode code)
{
    struct dtr_error err;
    if (code != CURLE_OK && ask_anew(call))
        return;
    explain(call, code, &err);
    call->sink->done(call->context, &err);
    free_call(call);
}

/* --- the call's own timer: stalls, and the place where resume() and cancel() act ------------------------ */

static void on_timer(void *context)
{
    struct dtr_origin_call *call = context;
    uint64_t now = now_ms(call);
    if (call->stop) {
        http_call_done(call, CURLE_ABORTED_BY_CALLBACK);
        return;
    }
    if (call->resume) {
        call->resume = call->paused = false;
        call->moved_ms = now;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
        if (call->stop) { /* the sink refused what had waited, which libcurl tells nobody */
            http_call_done(call, CURLE_WRITE_ERROR);
            return;
        }
    }
    bool waiting = call->paused || call->body_waits; /* for us, not for the origin */
    if (call->stall_ms && !waiting && now >= call->moved_ms + call->stall_ms) {
        call->stop = DTR_ETIMEOUT;
        http_call_done(call, CURLE_OPERATION_TIMEDOUT);
        return;
    }
    if (call->stall_ms)
        call->http->host->timer_set(call->timer,
                                    waiting ? call->stall_ms : call->moved_ms + call->stall_ms - now);
}

void http_call_resume(struct dtr_origin_call *call)
{
    call->resume = true;
    call->http->host->timer_set(call->timer, 0);
}

void http_call_cancel(struct dtr_origin_call *call)
{
    if (!call->stop)
        call->stop = DTR_ECANCELLED;
    call->http->host->timer_set(call->timer, 0);
}

void http_call_body(struct dtr_origin_call *call, const void *bytes, size_t length, bool last)
{
    char *grown = length > 0 && length <= BODY_LIMIT ? realloc(call->body, call->body_length + length) : NULL;
    if (length > 0 && !grown) {
        call->stop = length > BODY_LIMIT ? DTR_ELIMIT : DTR_ENOMEM;
        call->http->host->timer_set(call->timer, 0);
        return;
    }
    if (grown) {
        call->body = grown;
        memcpy(call->body + call->body_length, bytes, length);
        call->body_length += length;
    }
    call->last_sent = call->last_sent || last;
    if (call->body_waits) {
        call->body_waits = false;
        http_call_resume(call);
    }
}

/* --- the start ---------------------------------------------------------------------------------------- */

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
        (void)curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_send);
        (void)curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
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
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
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
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    if (request->ca_file)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (request->insecure) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_method(call, request);
}

static void name_call(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    char url[160];
    head_plain_url(request->url, url, sizeof(url));
    (void)snprintf(call->where, sizeof(call->where), "%.16s %s", call->is_read ? "GET" : request->method,
                   url);
}

/* Where the call begins. */
static CURLcode set_url(struct dtr_origin_call *call, const struct dtr_origin_request *request)
{
    char *target = NULL;
    if (call->is_read && request->redirect_ttl_ms) {
        call->redirect_ttl_ms = request->redirect_ttl_ms;
        call->key = redirects_key(request);
        target = call->key ? redirects_find(call->http->redirects, call->key, now_ms(call)) : NULL;
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
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    if (!call)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    call->http = http;
    call->sink = sink;
    call->context = context;
    call->is_read = is_read;
    call->trusted = request->trusted;
    call->stall_ms = request->stall_ms;
    call->moved_ms = now_ms(call);
    name_call(call, request);
    int rc = http_engine_get(http, loop, &call->engine, err);
    if (rc == DTR_OK)
        rc = http->host->timer_open(loop, on_timer, call, &call->timer, err);
    if (rc == DTR_OK) {
        call->easy = curl_easy_init();
        call->url = strdup(request->url);
        if (!call->easy || !call->url || make_headers(call, request) != DTR_OK ||
            set_url(call, request) != CURLE_OK)
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    }
    if (rc == DTR_OK) {
        set_options(call, request);
        if (curl_multi_add_handle(call->engine->multi, call->easy) != CURLM_OK)
            rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_SAME, "libcurl takes no more requests");
    }
    if (rc != DTR_OK) {
        free_call(call);
        return rc;
    }
    call->added = true;
    if (call->stall_ms)
        http->host->timer_set(call->timer, call->stall_ms);
    *ret_call = call;
    return DTR_OK;
}
