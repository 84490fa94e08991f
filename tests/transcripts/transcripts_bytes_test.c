/* The recorded HTTP/2 connections, byte for byte, through our gRPC: what Go's and Rust's clients sent to our
 * server, what their servers answered to our client. Every message and every status must come out. */
#include "core/base/str.h"
#include "core/loop/loop.h"
#include "core/net/listen.h"
#include "core/rpc/methods.h"
#include "tests/transcripts/transcript.h"
#include <setjmp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    CALLS = 16,
    FRAME = 9,
    SETTINGS = 4,
    HEADERS = 1,
    STEP = 37 /* bytes, so that frames come in parts */
};

static const char *const sets[] = {"managed-manager",       "managed-scheduler",  "managed-daemon",
                                   "managerless-scheduler", "managerless-daemon", "darter-scheduler",
                                   "darter-daemon",         "guest-scheduler",    "guest-daemon",
                                   "darter-manager",        "guest-manager"};

static const struct dtr_rpc_method *const methods[] = {
#define METHOD(name, path, kind, flags, input, output) &dtr_rpc_##name,
    DTR_RPC_METHODS(METHOD)
#undef METHOD
};

static struct dtr_loop *loop;
static struct dtr_timer *late;
static struct transcript words, bytes; /* the set as events, and as bytes */

static void too_late(void *context)
{
    (void)context;
    fprintf(stderr, "the awaited event did not come within 20 s\n");
    abort();
}

static void turn(void)
{
    dtr_timer_set(late, 20000);
    dtr_loop_turn(loop, true);
    dtr_timer_set(late, DTR_TIMER_OFF);
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(dtr_loop_new("test", &loop, NULL), DTR_OK);
    return dtr_timer_open(loop, too_late, NULL, &late, NULL);
}

static int end(void **state)
{
    (void)state;
    dtr_timer_close(late);
    dtr_loop_free(loop);
    return 0;
}

static void read_set(const char *name)
{
    char text[64];
    transcript_need(&words, name);
    (void)snprintf(text, sizeof(text), "%s-bytes", name);
    transcript_need(&bytes, text);
    assert_int_equal(words.connection_count, bytes.connection_count);
}

static void free_set(void)
{
    transcript_free(&words);
    transcript_free(&bytes);
}

static const struct transcript_event *bytes_of(size_t connection, bool from_client)
{
    for (size_t i = 0; i < bytes.event_count; i++)
        if (bytes.events[i].connection == connection && bytes.events[i].from_client == from_client)
            return &bytes.events[i];
    fail();
    return NULL;
}

static size_t messages_of(size_t connection, uint32_t stream, bool from_client)
{
    size_t count = 0;
    for (size_t i = 0; i < words.event_count; i++) {
        const struct transcript_event *event = &words.events[i];
        count += event->connection == connection && (!stream || event->stream == stream) &&
                 event->from_client == from_client && event->kind == TRANSCRIPT_MESSAGE;
    }
    return count;
}

static void write_all(int fd, const uint8_t *from, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, from, length < STEP ? length : STEP);
        assert_true(count > 0);
        from += count;
        length -= (size_t)count;
        dtr_loop_turn(loop, false);
    }
}

/* --- their clients ------------------------------------------------------------------------------------ */

static size_t requests;
static enum dtr_rpc_code worst;

static void on_request(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    (void)service;
    (void)call;
    (void)message;
    requests++;
}

static void on_message(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    on_request(context, call, message);
}

/* Nothing is answered, so each call ends with its connection at the latest. */
static void on_request_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)context;
    (void)call;
    if (status->code != DTR_RPC_CANCELLED)
        worst = status->code;
}

static void on_open(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_message, .closed = on_request_closed};
    dtr_rpc_call_adopt(call, &events, service);
}

static void accept_connection(struct dtr_rpc_server *server, struct dtr_rpc_table *table, size_t connection)
{
    const struct transcript_event *sent = bytes_of(connection, true);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(dtr_rpc_server_accept(server, pair[0], table, NULL), DTR_OK);
    requests = 0;
    write_all(pair[1], sent->bytes, sent->length);
    while (requests < messages_of(connection, 0, true))
        turn();
    (void)close(pair[1]);
    while (dtr_rpc_server_connections(server) > 0)
        turn();
    assert_int_equal(requests, messages_of(connection, 0, true));
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void our_server_reads_what_their_clients_sent(void **state)
{
    static struct dtr_rpc_handler handlers[COUNT(methods)];
    struct dtr_rpc_table *table = NULL;
    struct dtr_rpc_server *server = NULL;
    bool stopped = false;
    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        bool single = methods[i]->kind == DTR_RPC_UNARY || methods[i]->kind == DTR_RPC_SERVER_STREAM;
        handlers[i] = (struct dtr_rpc_handler){.method = methods[i]};
        if (single)
            handlers[i].request = on_request;
        else
            handlers[i].open = on_open;
    }
    assert_int_equal(dtr_rpc_table_new(&table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(table, handlers, COUNT(methods), NULL, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(loop, NULL, &server, NULL), DTR_OK);
    worst = DTR_RPC_OK;
    for (size_t i = 0; i < COUNT(sets); i++) {
        read_set(sets[i]);
        for (size_t j = 0; j < words.connection_count; j++)
            accept_connection(server, table, j);
        free_set();
    }
    assert_int_equal(worst, DTR_RPC_OK);
    dtr_rpc_server_stop(server, 0, set_flag, &stopped);
    while (!stopped)
        turn();
    dtr_rpc_table_free(table);
}

/* --- their servers ------------------------------------------------------------------------------------ */

/* One of our calls in the place of a recorded one. */
struct asked {
    uint32_t stream;
    size_t messages, expected_messages;
    bool ends, closed; /* the recorded one ended by its server */
    enum dtr_rpc_code code, expected;
};

static struct asked asked[CALLS];
static size_t asked_count;
static int server_fd;

static void on_accept(void *context, int fd, const struct dtr_addr *peer)
{
    (void)context;
    (void)peer;
    assert_int_equal(server_fd, -1);
    server_fd = fd;
}

static void on_answer(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    (void)call;
    (void)message;
    ((struct asked *)context)->messages++;
}

static void on_answered(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct asked *one = context;
    (void)call;
    one->closed = true;
    one->code = status->code;
}

static const struct dtr_rpc_method *method_of(size_t connection, uint32_t stream)
{
    char path[128] = "";
    assert_true(transcript_header(&words, connection, stream, true, ":path", path, sizeof(path)));
    for (size_t i = 0; i < COUNT(methods); i++)
        if (strcmp(methods[i]->path, path) == 0)
            return methods[i];
    fail_msg("no such method: %s", path);
    return NULL;
}

/* grpc-status of the headers or trailers that the server sent. */
static void note_status(const struct transcript_event *event)
{
    const char *at = strstr(event->text, "grpc-status=");
    for (size_t i = 0; i < asked_count && at; i++) {
        if (asked[i].stream != event->stream)
            continue;
        asked[i].ends = true;
        asked[i].expected = (enum dtr_rpc_code)strtoul(at + strlen("grpc-status="), NULL, 10);
    }
}

static void collect(size_t connection)
{
    asked_count = 0;
    for (size_t i = 0; i < words.event_count; i++) {
        const struct transcript_event *event = &words.events[i];
        if (event->connection != connection)
            continue;
        if (event->kind == TRANSCRIPT_HEADERS && event->from_client) {
            assert_true(asked_count < CALLS);
            asked[asked_count++] = (struct asked){
                .stream = event->stream, .expected_messages = messages_of(connection, event->stream, false)};
        } else if (!event->from_client &&
                   (event->kind == TRANSCRIPT_HEADERS || event->kind == TRANSCRIPT_TRAILERS)) {
            note_status(event);
        }
    }
}

static size_t settings_length(const struct transcript_event *sent)
{
    assert_true(sent->length > FRAME && sent->bytes[3] == SETTINGS);
    return FRAME + ((size_t)sent->bytes[1] << 8 | sent->bytes[2]);
}

/* Until our client has sent the headers of all calls; its streams have the recorded numbers then. */
static void read_requests(size_t count)
{
    static uint8_t got[64 << 10];
    size_t length = 0, headers = 0, at = strlen("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    while (headers < count) {
        dtr_loop_turn(loop, false);
        ssize_t more = read(server_fd, got + length, sizeof(got) - length);
        length += more > 0 ? (size_t)more : 0;
        while (at + FRAME <= length) {
            headers += got[at + 3] == HEADERS;
            at += FRAME + ((size_t)got[at] << 16 | (size_t)got[at + 1] << 8 | got[at + 2]);
        }
    }
}

static bool all_ended(void)
{
    for (size_t i = 0; i < asked_count; i++)
        if (asked[i].ends && !asked[i].closed)
            return false;
    return true;
}

static void answer_connection(const struct dtr_addr *addr, size_t connection)
{
    static const struct dtr_rpc_events events = {.message = on_answer, .closed = on_answered};
    const struct dtr_rpc_channel_options options = {.keep_connected = true};
    const struct transcript_event *sent = bytes_of(connection, false);
    struct dtr_rpc_channel *channel = NULL;
    size_t first = settings_length(sent);
    collect(connection);
    server_fd = -1;
    assert_int_equal(dtr_rpc_channel_new(loop, addr, &options, &channel, NULL), DTR_OK);
    while (server_fd < 0)
        turn();
    write_all(server_fd, sent->bytes, first);
    while (dtr_rpc_channel_state(channel) != DTR_RPC_READY)
        turn();
    for (size_t i = 0; i < asked_count; i++) {
        struct dtr_rpc_call *call = NULL;
        assert_int_equal(asked[i].stream, 2 * i + 1);
        assert_int_equal(dtr_rpc_call_start(channel, method_of(connection, asked[i].stream), NULL, &events,
                                            &asked[i], &call, NULL),
                         DTR_OK);
    }
    read_requests(asked_count);
    write_all(server_fd, sent->bytes + first, sent->length - first);
    while (!all_ended())
        turn();
    for (size_t i = 0; i < asked_count; i++) {
        assert_int_equal(asked[i].messages, asked[i].expected_messages);
        if (asked[i].ends)
            assert_int_equal(asked[i].code, asked[i].expected);
    }
    dtr_rpc_channel_close(channel);
    (void)close(server_fd);
    for (size_t i = 0; i < asked_count; i++)
        while (!asked[i].closed)
            turn();
}

static void our_client_reads_what_their_servers_answered(void **state)
{
    struct dtr_listener *listener = NULL;
    struct dtr_addr addr;
    (void)state;
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, NULL), DTR_OK);
    assert_int_equal(dtr_listen(loop, &addr, on_accept, NULL, &listener, NULL), DTR_OK);
    dtr_listener_addr(listener, &addr);
    for (size_t i = 0; i < COUNT(sets); i++) {
        read_set(sets[i]);
        for (size_t j = 0; j < words.connection_count; j++)
            answer_connection(&addr, j);
        free_set();
    }
    dtr_listener_close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(our_server_reads_what_their_clients_sent, begin, end),
        cmocka_unit_test_setup_teardown(our_client_reads_what_their_servers_answered, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
