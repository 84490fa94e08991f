/* One request on its way: libcurl's callbacks turned into the sink's, stalls, and the end. start.c begins it.
 */
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_LIMIT = 4 << 20 };

uint64_t http_call_now_ms(const struct dtr_origin_call *call)
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
        redirects_note(call->http->redirects, call->key, target,
                       http_call_now_ms(call) + call->redirect_ttl_ms);
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
    call->moved_ms = http_call_now_ms(call);
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
    call->moved_ms = http_call_now_ms(call);
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
    call->moved_ms = http_call_now_ms(call);
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

void http_call_free(struct dtr_origin_call *call)
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
    http_call_free(call);
}

/* --- the call's own timer: stalls, and the place where resume() and cancel() act ------------------------ */

static void on_timer(void *context)
{
    struct dtr_origin_call *call = context;
    uint64_t now = http_call_now_ms(call);
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

/* --- the beginning ------------------------------------------------------------------------------------- */

static void set_callbacks(struct dtr_origin_call *call)
{
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
}

int http_call_new(struct http *http, struct dtr_loop *loop, const struct dtr_origin_sink *sink, void *context,
                  struct dtr_origin_call **ret_call, struct dtr_error *err)
{
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    if (!call)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    call->http = http;
    call->sink = sink;
    call->context = context;
    call->moved_ms = http_call_now_ms(call);
    int rc = http_engine_get(http, loop, &call->engine, err);
    if (rc == DTR_OK)
        rc = http->host->timer_open(loop, on_timer, call, &call->timer, err);
    if (rc == DTR_OK && !(call->easy = curl_easy_init()))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    if (rc != DTR_OK) {
        http_call_free(call);
        return rc;
    }
    set_callbacks(call);
    *ret_call = call;
    return DTR_OK;
}
