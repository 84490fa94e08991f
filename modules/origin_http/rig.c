/* The server, the module and the caller; see rig.h. */
#include "rig.h"

#include "core/base/clock.h"
#include "core/loop/turn_until.h"
#include "core/net/listen.h"
#include "core/net/stream.h"
#include <stdlib.h>

struct rig_server server;
struct rig_seen seen;
const struct dtr_origin_ops *ops;

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

static const struct dtr_module *module;
static void *instance;

/* --- the server ----------------------------------------------------------------------------------------- */

struct served {
    struct dtr_stream *stream;
    struct dtr_str head;
};

#define OK        "HTTP/1.1 200 OK\r\n"
#define PARTIAL   "HTTP/1.1 206 Partial Content\r\n"
#define LEADS(to) "Location: " to "\r\nContent-Length: 0\r\n\r\n"

/* By the beginning of the path; "@" in an answer stands for the server's port. */
static const struct {
    const char *path, *answer;
} answers[] = {
    {"/plain", OK "Content-Length: 10\r\nETag: \"v1\"\r\n\r\n0123456789"},
    {"/ranged", PARTIAL "Content-Range: bytes 3-5/10\r\nContent-Length: 3\r\n\r\n345"},
    {"/badrange", PARTIAL "Content-Length: 3\r\n\r\n345"},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /plain\r\nContent-Length: 4\r\n\r\nbody"},
    {"/away", "HTTP/1.1 307 T\r\n" LEADS("http://localhost:@/plain")},
    {"/target", OK "Content-Length: 4\r\n\r\ngood"},
    {"/fickle", "HTTP/1.1 307 T\r\n" LEADS("http://localhost:@/target?signed")},
    /* one slash: libcurl takes it for an absolute URL */
    {"/bent", "HTTP/1.1 302 T\r\n" LEADS("http:/localhost:@/plain")},
    {"/twice", "HTTP/1.1 302 T\r\nLocation: \r\n" LEADS("http://localhost:@/plain")},
    {"/choices", "HTTP/1.1 300 T\r\n" LEADS("http://localhost:@/plain")},
    {"/named", "HTTP/1.1 302 T\r\n" LEADS("/plain?from=http://elsewhere/")},
    {"/scheme", "HTTP/1.1 302 T\r\n" LEADS("ftp://localhost/plain")},
    {"/nonsense", "HTTP/1.1 302 T\r\n" LEADS("http://a b:c/")},
    {"/round", "HTTP/1.1 302 T\r\n" LEADS("/round")},
    {"/short", OK "Content-Length: 100\r\n\r\nonly this"}, /* and closes */
    {"/stall", OK "Content-Length: 100\r\n\r\nthen nothing"},
    {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot there"},
    {"/pieces", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {"", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
};

static void say(struct served *served, const char *answer)
{
    struct dtr_str text = {0};
    for (; *answer; answer++) {
        if (*answer == '@')
            dtr_str_printf(&text, "%u", server.port);
        else
            dtr_str_putc(&text, *answer);
    }
    dtr_stream_write(served->stream, dtr_str_text(&text), text.length);
    dtr_str_free(&text);
}

static bool asks(const struct served *served, const char *path)
{
    const char *space = strchr(dtr_str_text(&served->head), ' ');
    return space && strncmp(space + 1, path, strlen(path)) == 0;
}

static void answer(struct served *served)
{
    server.fickle += asks(served, "/fickle");
    if (server.expired && asks(served, "/target")) {
        say(served, "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nexpired");
        return;
    }
    if (server.expired && asks(served, "/fickle")) { /* leads nowhere any more */
        say(served, OK "Content-Length: 4\r\n\r\ngood");
        return;
    }
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (!asks(served, answers[i].path))
            continue;
        say(served, answers[i].answer);
        break;
    }
    if (asks(served, "/short"))
        dtr_stream_close(served->stream, true);
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
    assert_int_equal(dtr_stream_new(server.loop, fd, &events, served, &served->stream, &err), DTR_OK);
    dtr_stream_read(served->stream, UINT64_MAX);
}

/* --- the caller ----------------------------------------------------------------------------------------- */

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

void turn_until(bool *flag)
{
    TURN_UNTIL(server.loop, *flag);
}

struct dtr_origin_request request_for(const char *path, char url[128])
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

void begin(const struct dtr_origin_request *request, bool read)
{
    struct dtr_error err;
    int rc = read ? ops->read(instance, server.loop, request, &sink, NULL, &seen.call, &err)
                  : ops->exchange(instance, server.loop, request, &sink, NULL, &seen.call, &err);
    assert_int_equal(rc, DTR_OK);
    assert_false(seen.done);
}

void run(const struct dtr_origin_request *request, bool read)
{
    begin(request, read);
    turn_until(&seen.done);
}

/* --- life ----------------------------------------------------------------------------------------------- */

void guard_opens(void)
{
    assert_int_equal(dtr_guard_allow("127.0.0.0/8", NULL), DTR_OK);
    assert_int_equal(dtr_guard_allow("::1", NULL), DTR_OK);
}

void guard_anew(void)
{
    dtr_guard_stop();
    assert_int_equal(dtr_guard_start(NULL), DTR_OK);
}

int rig_open(void **state)
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

int rig_close(void **state)
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
