/* Reads and exchanges against a small server on loopback that answers by path. */
#include "http.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/loop/loop.h"
#include "core/net/guard.h"
#include "core/net/listen.h"
#include "core/net/stream.h"
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- a host table straight on core -------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void quiet(const char *module, enum dtr_log_level level,
                                                        const char *format, ...)
{
    (void)module;
    (void)level;
    (void)format;
}

static const struct dtr_host host = {
    .size = sizeof(host),
    .log = quiet,
    .now_ns = dtr_now_ns,
    .watch_open = dtr_watch_open,
    .watch_set = dtr_watch_set,
    .watch_close = dtr_watch_close,
    .timer_open = dtr_timer_open,
    .timer_set = dtr_timer_set,
    .timer_close = dtr_timer_close,
    .guard_allows = dtr_guard_allows,
};

/* --- the server ------------------------------------------------------------------------------------------
 */

struct served {
    struct dtr_stream *stream;
    struct dtr_str head;
    bool answered;
};

static struct {
    struct dtr_loop *loop;
    struct dtr_listener *listener;
    uint16_t port;
    char last_request[8192]; /* head and body as received */
    int connections;
    int fickle;   /* requests for /fickle */
    bool expired; /* where it leads is forbidden by now */
} server;

static void say(struct served *served, const char *text)
{
    dtr_stream_write(served->stream, text, strlen(text));
}

static bool asks(const struct served *served, const char *path)
{
    const char *space = strchr(dtr_str_text(&served->head), ' ');
    return space && strncmp(space + 1, path, strlen(path)) == 0;
}

static void answer(struct served *served)
{
    char text[512];
    if (asks(served, "/plain")) {
        say(served, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\n\r\n0123456789");
    } else if (asks(served, "/ranged")) {
        say(served,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-5/10\r\nContent-Length: 3\r\n\r\n345");
    } else if (asks(served, "/badrange")) {
        say(served, "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\n345");
    } else if (asks(served, "/moved")) {
        say(served, "HTTP/1.1 302 Found\r\nLocation: /plain\r\nContent-Length: 4\r\n\r\nbody");
    } else if (asks(served, "/away")) {
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 307 T\r\nLocation: http://localhost:%u/plain\r\nContent-Length: 0\r\n\r\n",
                       server.port);
        say(served, text);
    } else if (asks(served, "/target") && server.expired) {
        say(served, "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired");
    } else if (asks(served, "/target") || (asks(served, "/fickle") && server.expired)) {
        server.fickle += asks(served, "/fickle");
        say(served, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    } else if (asks(served, "/fickle")) {
        server.fickle++;
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 307 T\r\nLocation: http://localhost:%u/target?signed\r\n"
                       "Content-Length: 0\r\n\r\n",
                       server.port);
        say(served, text);
    } else if (asks(served, "/bent")) { /* one slash: libcurl takes it for an absolute URL */
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 302 T\r\nLocation: http:/localhost:%u/plain\r\nContent-Length: 0\r\n\r\n",
                       server.port);
        say(served, text);
    } else if (asks(served, "/twice")) {
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 302 T\r\nLocation: \r\nLocation: http://localhost:%u/plain\r\n"
                       "Content-Length: 0\r\n\r\n",
                       server.port);
        say(served, text);
    } else if (asks(served, "/choices")) {
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 300 T\r\nLocation: http://localhost:%u/plain\r\nContent-Length: 0\r\n\r\n",
                       server.port);
        say(served, text);
    } else if (asks(served, "/named")) {
        say(served, "HTTP/1.1 302 T\r\nLocation: /plain?from=http://elsewhere/\r\nContent-Length: 0\r\n\r\n");
    } else if (asks(served, "/scheme")) {
        say(served, "HTTP/1.1 302 T\r\nLocation: ftp://localhost/plain\r\nContent-Length: 0\r\n\r\n");
    } else if (asks(served, "/nonsense")) {
        say(served, "HTTP/1.1 302 T\r\nLocation: http://a b:c/\r\nContent-Length: 0\r\n\r\n");
    } else if (asks(served, "/round")) {
        say(served, "HTTP/1.1 302 T\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n");
    } else if (asks(served, "/short")) {
        say(served, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        dtr_stream_close(served->stream, true);
    } else if (asks(served, "/stall")) {
        say(served, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthen nothing");
    } else if (asks(served, "/missing")) {
        say(served, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot there");
    } else if (asks(served, "/pieces")) {
        say(served, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    } else {
        say(served, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    }
}

/* Whether head and announced body are there. */
static bool complete(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    if (!end)
        return false;
    if (strstr(text, "chunked"))
        return strstr(end, "\r\n0\r\n\r\n") != NULL;
    return !length || strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct served *served = context;
    dtr_str_add(&served->head, bytes, length);
    if (!complete(dtr_str_text(&served->head)))
        return;
    (void)dtr_copy_text(server.last_request, sizeof(server.last_request), dtr_str_text(&served->head));
    answer(served);
    dtr_str_clear(&served->head);
}

static void on_end(void *context)
{
    dtr_stream_close(((struct served *)context)->stream, false);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct served *served = context;
    (void)err;
    dtr_str_free(&served->head);
    free(served);
}

static void on_accept(void *context, int fd, const struct dtr_addr *peer)
{
    static const struct dtr_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};
    struct served *served = calloc(1, sizeof(*served));
    struct dtr_error err;
    (void)context;
    (void)peer;
    server.connections++;
    assert_int_equal(dtr_stream_new(server.loop, fd, &events, served, &served->stream, &err), DTR_OK);
    dtr_stream_read(served->stream, UINT64_MAX);
}

/* --- a resolver that does not answer ----------------------------------------------------------------------
 */

static struct {
    sem_t asked, answer;
    _Atomic bool waited_in_vain;
} resolver;

/* In the place of the C library's, also for libcurl. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;
    if (strcmp(name, "silent.test") == 0) {
        (void)sem_post(&resolver.asked);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 5;
        resolver.waited_in_vain = sem_timedwait(&resolver.answer, &until) != 0;
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

/* --- the caller
 * --------------------------------------------------------------------------------------------- */

static struct {
    int status;
    uint64_t offset, total;
    char version[64];
    struct dtr_str body;
    struct dtr_origin_call *call;
    bool done, pause_once, paused, refuse_body;
    const char *upload;
    int refused; /* bytes came so often that were not wanted */
    struct dtr_error result;
} seen;

static int on_head(void *context, const struct dtr_origin_head *head)
{
    (void)context;
    seen.status = head->status;
    seen.offset = head->offset;
    seen.total = head->total_length;
    (void)dtr_copy_text(seen.version, sizeof(seen.version), head->version ? head->version : "");
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    (void)context;
    seen.refused += seen.refuse_body;
    if (seen.refuse_body)
        return DTR_ENO_SPACE;
    if (seen.pause_once) {
        seen.pause_once = false;
        seen.paused = *ret_pause = true;
        return DTR_OK;
    }
    dtr_str_add(&seen.body, bytes, length);
    return DTR_OK;
}

static const struct dtr_module *module;
static void *instance;
static const struct dtr_origin_ops *ops;

static void on_want_body(void *context)
{
    (void)context;
    ops->send_body(seen.call, seen.upload, strlen(seen.upload), true);
}

static void on_done(void *context, const struct dtr_error *err)
{
    (void)context;
    assert_false(seen.done);
    seen.done = true;
    seen.result = *err;
}

static const struct dtr_origin_sink sink = {on_head, on_body, on_want_body, on_done};

static void too_late(void *context)
{
    (void)context;
    fprintf(stderr, "no answer within 10 s\n");
    abort();
}

static void turn_until(bool *flag)
{
    struct dtr_timer *late = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_timer_open(server.loop, too_late, NULL, &late, &err), DTR_OK);
    dtr_timer_set(late, 10000);
    while (!*flag)
        dtr_loop_turn(server.loop, true);
    dtr_timer_close(late);
}

static struct dtr_origin_request request_for(const char *path, char url[128])
{
    (void)snprintf(url, 128, "http://127.0.0.1:%u%s", server.port, path);
    dtr_str_free(&seen.body);
    memset(&seen, 0, sizeof(seen));
    return (struct dtr_origin_request){.url = url,
                                       .method = "GET",
                                       .trusted = true,
                                       .length = DTR_LENGTH_UNKNOWN,
                                       .connect_ms = 2000,
                                       .stall_ms = 5000};
}

static void begin(const struct dtr_origin_request *request, bool read)
{
    struct dtr_error err;
    int rc = read ? ops->read(instance, server.loop, request, &sink, NULL, &seen.call, &err)
                  : ops->exchange(instance, server.loop, request, &sink, NULL, &seen.call, &err);
    assert_int_equal(rc, DTR_OK);
    assert_false(seen.done);
}

static void run(const struct dtr_origin_request *request, bool read)
{
    begin(request, read);
    turn_until(&seen.done);
}

static void a_plain_read_gives_length_and_version(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.total, 10);
    assert_string_equal(seen.version, "\"v1\"");
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
    assert_null(strstr(server.last_request, "Range:"));
    assert_non_null(strstr(server.last_request, "User-Agent: darter/"));
}

static void a_range_is_asked_for_and_understood(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/ranged", url);
    request.offset = 3;
    request.length = 3;
    request.if_range = "\"v1\"";
    run(&request, true);
    assert_int_equal(seen.status, 206);
    assert_int_equal(seen.offset, 3);
    assert_int_equal(seen.total, 10);
    assert_non_null(strstr(server.last_request, "Range: bytes=3-5\r\n"));
    assert_non_null(strstr(server.last_request, "If-Range: \"v1\"\r\n"));

    request = request_for("/plain", url);
    request.offset = 3;
    run(&request, true);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.offset, 0); /* the range was ignored: the caller sees where the body starts */
    assert_non_null(strstr(server.last_request, "Range: bytes=3-\r\n"));

    request = request_for("/badrange", url);
    request.length = 3;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EPROTOCOL);
}

static void redirects_are_followed_without_credentials(void **state)
{
    (void)state;
    char url[128];
    struct dtr_error err;
    const struct dtr_header headers[] = {{"Authorization", "Bearer secret"}};
    struct dtr_origin_request request = request_for("/moved", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
    assert_non_null(strstr(server.last_request, "Bearer secret")); /* the same host */

    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EDENIED); /* what a trusted host points to is not trusted */

    assert_int_equal(dtr_guard_allow("127.0.0.0/8", &err), DTR_OK);
    assert_int_equal(dtr_guard_allow("::1", &err), DTR_OK);
    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_null(strstr(server.last_request, "secret"));
    dtr_guard_stop();
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
}

/* What the operator adds for a host goes to no other. */
static void redirects_are_followed_without_the_hosts_own_headers(void **state)
{
    (void)state;
    char url[128];
    struct dtr_error err;
    const struct dtr_header headers[] = {{"X-Given", "1"}, {"X-Token", "secret"}};
    struct dtr_origin_request request = request_for("/moved", url);
    request.headers = headers;
    request.header_count = 2;
    request.own_header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_non_null(strstr(server.last_request, "X-Token: secret"));
    assert_int_equal(dtr_guard_allow("127.0.0.0/8", &err), DTR_OK);
    assert_int_equal(dtr_guard_allow("::1", &err), DTR_OK);
    request = request_for("/away", url);
    request.headers = headers;
    request.header_count = 2;
    request.own_header_count = 1;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_null(strstr(server.last_request, "X-Given"));
    assert_non_null(strstr(server.last_request, "User-Agent: "));
    assert_null(strstr(server.last_request, "secret"));
    dtr_guard_stop();
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
}

/* Reads /fickle; how often that was asked for so far, rather than where it leads. */
static int read_fickle(const char *token, uint64_t ttl_ms)
{
    char url[128];
    const struct dtr_header headers[] = {{"Authorization", token}};
    struct dtr_origin_request request = request_for("/fickle", url);
    request.headers = headers;
    request.header_count = token ? 1 : 0;
    request.redirect_ttl_ms = ttl_ms;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 200);
    assert_string_equal(dtr_str_text(&seen.body), "good");
    return server.fickle;
}

static void where_a_temporary_redirect_led_is_remembered(void **state)
{
    (void)state;
    struct dtr_error err;
    assert_int_equal(dtr_guard_allow("127.0.0.0/8", &err), DTR_OK);
    assert_int_equal(dtr_guard_allow("::1", &err), DTR_OK);
    assert_int_equal(read_fickle("Bearer a", 60000), 1);
    assert_null(strstr(server.last_request, "Bearer"));
    assert_int_equal(read_fickle("Bearer a", 60000), 1);
    assert_null(strstr(server.last_request, "Bearer"));  /* nor when it goes there straight away */
    assert_int_equal(read_fickle("Bearer b", 60000), 2); /* signed for somebody else */
    assert_int_equal(read_fickle("Bearer a", 0), 3);     /* not wanted */
    server.expired = true;
    assert_int_equal(read_fickle("Bearer a", 60000), 4); /* no good any more: asked anew, by itself */
    assert_int_equal(read_fickle("Bearer a", 60000), 5);
    dtr_guard_stop();
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
}

/* However a trusted host writes it down, and whatever status it gives: what libcurl follows is not trusted.
 */
static void no_redirect_gets_past_the_guard(void **state)
{
    (void)state;
    static const char *const away[] = {"/bent", "/twice", "/choices"};
    char url[128];
    struct dtr_origin_request request;
    for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++) {
        request = request_for(away[i], url);
        run(&request, true);
        assert_int_equal(seen.result.code, DTR_EDENIED);
        assert_int_equal(seen.body.length, 0);
    }
    request = request_for("/named", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK); /* the same host */
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
}

/* The request was right: it is the origin that cannot be followed. */
static void a_redirect_to_nowhere_is_the_origins_fault(void **state)
{
    (void)state;
    static const char *const nowhere[] = {"/scheme", "/nonsense", "/round"};
    char url[128];
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        struct dtr_origin_request request = request_for(nowhere[i], url);
        run(&request, true);
        assert_int_equal(seen.result.code, DTR_EORIGIN);
        assert_int_equal(seen.result.retry, DTR_RETRY_NEVER);
        assert_non_null(strstr(seen.result.text, "cannot be followed"));
        assert_int_equal(seen.status, 0);
    }
    struct dtr_origin_request request = request_for("/plain", url);
    request.url = "ftp://localhost/plain";
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EUNSUPPORTED); /* nobody but the asker chose this */
}

static void the_guard_is_asked(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    run(&request, true); /* leaves a connection that an untrusted request must not use */
    request = request_for("/plain?token=hidden", url);
    request.trusted = false;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EDENIED);
    assert_null(strstr(seen.result.text, "hidden"));
    assert_int_equal(seen.status, 0);
}

static void failures_have_their_codes(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/short", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_ECLOSED);
    assert_string_equal(dtr_str_text(&seen.body), "only this");

    request = request_for("/stall", url);
    request.stall_ms = 50;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_ETIMEOUT);

    request = request_for("/missing", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 404);
    assert_string_equal(dtr_str_text(&seen.body), "not there");

    request = request_for("/plain", url);
    begin(&request, true);
    seen.refuse_body = true;
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ENO_SPACE);

    request = request_for("", url);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:1/");
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EUNAVAILABLE);
}

static void a_pause_holds_and_a_cancel_ends(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    begin(&request, true);
    seen.pause_once = true;
    turn_until(&seen.paused);
    assert_false(seen.done);
    ops->resume(seen.call);
    assert_int_equal(seen.body.length, 0); /* never from inside the call */
    turn_until(&seen.done);
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");

    request = request_for("/stall", url);
    begin(&request, true);
    ops->cancel(seen.call);
    assert_false(seen.done);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ECANCELLED);
}

/* The system's resolver cannot be stopped: a call that ends must not wait for it. */
static void a_silent_resolver_holds_nobody_up(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("", url);
    (void)snprintf(url, sizeof(url), "http://silent.test/");
    (void)sem_init(&resolver.asked, 0, 0);
    (void)sem_init(&resolver.answer, 0, 0);
    begin(&request, true);
    while (sem_trywait(&resolver.asked) != 0)
        dtr_loop_turn(server.loop, false);
    ops->cancel(seen.call);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ECANCELLED);
    (void)sem_post(&resolver.answer);
    assert_false(resolver.waited_in_vain);
}

/* The bytes that waited are refused: the call ends, and no later ones come. */
static void what_waited_may_be_refused(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/stall", url);
    request.stall_ms = 0;
    begin(&request, true);
    seen.pause_once = true;
    turn_until(&seen.paused);
    seen.refuse_body = true;
    ops->resume(seen.call);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ENO_SPACE);
    assert_int_equal(seen.refused, 1);
}

static void exchanges_pass_things_through(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/moved", url);
    run(&request, false);
    assert_int_equal(seen.status, 302); /* the client follows it, not we */

    request = request_for("/plain", url);
    request.method = "HEAD";
    run(&request, false);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body.length, 0);

    request = request_for("/pieces", url);
    run(&request, false);
    assert_string_equal(dtr_str_text(&seen.body), "hello");

    request = request_for("/push", url);
    request.method = "PUT";
    request.has_body = true;
    request.body_length = 9;
    begin(&request, false);
    seen.upload = "some body";
    turn_until(&seen.done);
    assert_int_equal(seen.status, 201);
    assert_non_null(strstr(server.last_request, "PUT /push"));
    assert_non_null(strstr(server.last_request, "\r\n\r\nsome body"));
    assert_null(strstr(server.last_request, "Expect"));

    request = request_for("/push", url);
    request.method = "POST";
    run(&request, false);
    assert_int_equal(seen.status, 201);
    assert_non_null(strstr(server.last_request, "POST /push"));
    assert_non_null(strstr(server.last_request, "Content-Length: 0\r\n"));

    request = request_for("/push", url);
    request.method = "PATCH";
    request.has_body = true;
    request.body_length = DTR_LENGTH_UNKNOWN;
    begin(&request, false);
    seen.upload = "chunk";
    turn_until(&seen.done);
    assert_non_null(strstr(server.last_request, "5\r\nchunk\r\n0\r\n"));
}

static void heads_are_read_strictly(void **state)
{
    (void)state;
    char text[64];
    head_plain_url("https://user:pw@host/p?q=1#f", text, sizeof(text));
    assert_string_equal(text, "https://host/p");
    assert_true(head_same_origin("http://a:1/x", "HTTP://A:1/y"));
    assert_false(head_same_origin("http://a:1/x", "http://a:2/y"));
    assert_false(head_same_origin("http://a", "http://a@b"));
    assert_false(head_same_origin("https://a/x", "http://a/x"));
}

static int set_up(void **state)
{
    static struct http_options options = {.max_redirects = 10, .max_idle_connections = 4};
    struct dtr_addr addr;
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
    assert_int_equal(dtr_loop_new("test", &server.loop, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(dtr_listen(server.loop, &addr, on_accept, NULL, &server.listener, &err), DTR_OK);
    dtr_listener_addr(server.listener, &addr);
    server.port = dtr_addr_port(&addr);
    module = dtr_module_open(&host);
    ops = module->features[0].ops;
    return module->start(&options, &instance, &err);
}

static int tear_down(void **state)
{
    (void)state;
    module->stop(instance);
    dtr_listener_close(server.listener);
    for (int i = 0; i < 20; i++)
        dtr_loop_turn(server.loop, false); /* the server's streams see the end */
    dtr_loop_free(server.loop);
    dtr_str_free(&seen.body);
    dtr_guard_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_read_gives_length_and_version),
        cmocka_unit_test(a_range_is_asked_for_and_understood),
        cmocka_unit_test(redirects_are_followed_without_credentials),
        cmocka_unit_test(redirects_are_followed_without_the_hosts_own_headers),
        cmocka_unit_test(where_a_temporary_redirect_led_is_remembered),
        cmocka_unit_test(no_redirect_gets_past_the_guard),
        cmocka_unit_test(a_redirect_to_nowhere_is_the_origins_fault),
        cmocka_unit_test(the_guard_is_asked),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(a_pause_holds_and_a_cancel_ends),
        cmocka_unit_test(what_waited_may_be_refused),
        cmocka_unit_test(a_silent_resolver_holds_nobody_up),
        cmocka_unit_test(exchanges_pass_things_through),
        cmocka_unit_test(heads_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
