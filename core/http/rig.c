/* The test rig; see rig.h. */
#include "core/http/rig.h"

#include <unistd.h>

/* --- the scripted handler ------------------------------------------------------------------------------- */

static void note_release(void *context)
{
    ((struct rig *)context)->released++;
}

uint8_t rig_byte(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 10));
}

void rig_file(struct rig *rig, uint64_t size)
{
    char name[] = "/tmp/darter_http_XXXXXX";
    uint8_t block[4096];
    rig->fd = mkstemp(name);
    assert_true(rig->fd >= 0);
    (void)unlink(name);
    for (uint64_t at = 0; at < size; at += sizeof(block)) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = rig_byte(at + i);
        assert_int_equal(write(rig->fd, block, sizeof(block)), sizeof(block));
    }
    rig->file_size = size;
}

static void send_part(struct rig *rig)
{
    uint64_t length = rig->left < 300000 ? rig->left : 300000;
    struct dtr_extent extent = {.fd = rig->fd,
                                .offset = rig->file_size - rig->left,
                                .length = length,
                                .release = note_release,
                                .release_context = rig};
    rig->left -= length;
    dtr_http_send(rig->exchange, &extent);
    if (rig->left == 0) {
        dtr_http_end(rig->exchange);
        rig->exchange = NULL;
    }
}

static struct dtr_http_exchange *take(struct rig *rig)
{
    struct dtr_http_exchange *exchange = rig->exchange;
    assert_non_null(exchange);
    rig->exchange = NULL;
    return exchange;
}

void rig_reply(struct rig *rig, int status, const char *text)
{
    dtr_http_reply(take(rig), status, NULL, 0, text);
}

void rig_abort(struct rig *rig)
{
    dtr_http_abort(take(rig));
}

static void on_body(void *context, const uint8_t *bytes, size_t length)
{
    struct rig *rig = context;
    dtr_str_add(&rig->body, bytes, length);
    if (length > rig->largest)
        rig->largest = length;
    if (rig->per_call)
        dtr_http_want_body(rig->exchange, length);
}

static void on_body_end(void *context)
{
    struct rig *rig = context;
    rig->ends++;
    if (strcmp(rig->path, "/echo") == 0 || strcmp(rig->path, "/credit") == 0) {
        rig_reply(rig, 200, dtr_str_text(&rig->body));
    }
}

static void on_drained(void *context)
{
    struct rig *rig = context;
    rig->drains++;
    if (rig->exchange && rig->left > 0)
        send_part(rig);
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    struct rig *rig = context;
    rig->aborts++;
    rig->aborted = *err;
    rig->exchange = NULL;
}

static const struct dtr_http_events events = {
    .body = on_body, .body_end = on_body_end, .drained = on_drained, .aborted = on_aborted};

static void answer_in_parts(struct dtr_http_exchange *exchange, uint64_t length, const char *a, const char *b)
{
    struct dtr_header header = {.name = "X-Test", .value = "1"};
    dtr_http_respond(exchange, 200, &header, 1, length);
    dtr_http_write(exchange, a, strlen(a));
    dtr_http_write(exchange, b, strlen(b));
}

/* Paths that are answered at once; false for the others. */
static bool play(struct dtr_http_exchange *exchange, const char *path)
{
    static const struct dtr_header dangerous[] = {{"Connection", "X-Hop"},  {"X-Hop", "1"},
                                                  {"Content-Length", "99"}, {"Transfer-Encoding", "gzip"},
                                                  {"Date", "then"},         {"X-Split", "a\r\nb"},
                                                  {"X-Good", "yes"}};
    if (strcmp(path, "/hello") == 0) {
        dtr_http_reply(exchange, 200, NULL, 0, "hello");
    } else if (strcmp(path, "/headers") == 0) {
        dtr_http_reply(exchange, 200, dangerous, sizeof(dangerous) / sizeof(dangerous[0]), "x");
    } else if (strcmp(path, "/nothing") == 0) {
        dtr_http_reply(exchange, 204, NULL, 0, "");
    } else if (strcmp(path, "/unknown") == 0) {
        answer_in_parts(exchange, DTR_LENGTH_UNKNOWN, "ab", "cde");
        dtr_http_end(exchange);
    } else if (strcmp(path, "/abort") == 0) {
        answer_in_parts(exchange, 10, "ab", "cde");
        dtr_http_abort(exchange);
    } else if (strcmp(path, "/short") == 0) {
        answer_in_parts(exchange, 10, "ab", "cde");
        dtr_http_end(exchange);
    } else if (strcmp(path, "/long") == 0) {
        answer_in_parts(exchange, 4, "ab", "cde");
        dtr_http_end(exchange);
    } else {
        return false;
    }
    return true;
}

static void handle(void *context, struct dtr_http_exchange *exchange, const struct dtr_http_request *request)
{
    struct rig *rig = context;
    rig->requests++;
    (void)snprintf(rig->path, sizeof(rig->path), "%.*s", (int)request->path_length, request->path);
    if (play(exchange, rig->path))
        return;
    rig->exchange = exchange;
    dtr_str_clear(&rig->body);
    dtr_http_attach(exchange, &events, rig);
    if (strcmp(rig->path, "/echo") == 0)
        dtr_http_want_body(exchange, UINT64_MAX);
    if (strcmp(rig->path, "/credit") == 0)
        dtr_http_want_body(exchange, rig->per_call);
    if (strcmp(rig->path, "/parts") == 0) {
        rig->left = rig->file_size;
        dtr_http_respond(exchange, 200, NULL, 0, rig->file_size);
        send_part(rig);
    }
}

/* --- the server ----------------------------------------------------------------------------------------- */

void rig_open_with(struct rig *rig, const struct dtr_http_limits *limits, dtr_http_handle *with,
                   void *context)
{
    struct dtr_addr addr;
    struct dtr_error err;
    *rig = (struct rig){.fd = -1};
    assert_int_equal(dtr_loop_new("test", &rig->loop, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(
        dtr_http_server_new(rig->loop, limits, with, context ? context : rig, &rig->server, &err), DTR_OK);
    assert_int_equal(dtr_http_server_listen(rig->server, &addr, &rig->addr, &err), DTR_OK);
}

void rig_open(struct rig *rig, const struct dtr_http_limits *limits)
{
    rig_open_with(rig, limits, handle, NULL);
}

static void on_stopped(void *context)
{
    ((struct rig *)context)->stopped = true;
}

void rig_close(struct rig *rig)
{
    if (rig->server) {
        dtr_http_server_close(rig->server, 0, on_stopped, rig);
        assert_false(rig->stopped);
        rig_until(rig, rig->stopped);
    }
    if (rig->fd >= 0)
        (void)close(rig->fd);
    dtr_str_free(&rig->body);
    dtr_loop_free(rig->loop);
}

/* --- clients ---------------------------------------------------------------------------------------------
 */

static void client_data(void *context, const uint8_t *bytes, size_t length)
{
    dtr_str_add(&((struct client *)context)->received, bytes, length);
}

static void client_end(void *context)
{
    ((struct client *)context)->ended = true;
}

static void client_closed(void *context, const struct dtr_error *err)
{
    struct client *client = context;
    client->closed = true;
    client->stream = NULL;
    client->result = *err;
}

static const struct dtr_stream_events client_events = {
    .data = client_data, .end = client_end, .closed = client_closed};

void client_open(struct rig *rig, struct client *client, const struct dtr_addr *addr)
{
    struct dtr_error err;
    *client = (struct client){0};
    assert_int_equal(
        dtr_stream_connect(rig->loop, &addr->any, 20000, &client_events, client, &client->stream, &err),
        DTR_OK);
    dtr_stream_read(client->stream, UINT64_MAX);
}

void client_take(struct rig *rig, struct client *client, int fd)
{
    struct dtr_error err;
    *client = (struct client){0};
    assert_int_equal(dtr_stream_new(rig->loop, fd, &client_events, client, &client->stream, &err), DTR_OK);
    dtr_stream_read(client->stream, UINT64_MAX);
}

void client_send(struct client *client, const char *text)
{
    dtr_stream_write(client->stream, text, strlen(text));
}

void client_close(struct rig *rig, struct client *client)
{
    if (client->stream) {
        dtr_stream_close(client->stream, false);
        rig_until(rig, client->closed);
    }
    dtr_str_free(&client->received);
}

bool client_has(const struct client *client, const char *text)
{
    return strstr(dtr_str_text(&client->received), text) != NULL;
}

void client_expect(struct rig *rig, struct client *client, const char *text)
{
    rig_until(rig, client_has(client, text) || client->closed);
    if (!client_has(client, text))
        fail_msg("'%s' did not come, but: %s", text, dtr_str_text(&client->received));
}

void client_whole(struct rig *rig, struct client *client, const char *text)
{
    client_open(rig, client, &rig->addr);
    client_send(client, text);
    rig_until(rig, client->ended || client->closed);
    if (client->stream) {
        dtr_stream_close(client->stream, false);
        rig_until(rig, client->closed);
    }
}

void rig_settle(struct rig *rig)
{
    struct client probe;
    client_open(rig, &probe, &rig->addr);
    client_send(&probe, "GET /hello HTTP/1.1\r\nHost: probe\r\n\r\n");
    client_expect(rig, &probe, "hello");
    client_close(rig, &probe);
}
