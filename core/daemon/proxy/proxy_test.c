/* The proxy over loopback: tasks of a made-up origin and a store in memory, pass-through to an origin that
 * echoes, tunnels, and the end. Clients are threads with blocking sockets. */
#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include "core/loop/turn_until.h"
#include "core/net/guard.h"
#include "core/net/lookup.h"
#include "core/net/resolver_rig.h"
#include "core/obs/log.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_loop *control, *data;
static struct dtr_daemon node;
static struct dtr_daemon_config config;
static struct rig_script script;
static int honest;
static uint16_t port;

/* --- waiting ------------------------------------------------------------------------------------------ */

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* --- an origin that says back what it was sent -------------------------------------------------------- */

struct echo {
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_timer *timer;
    struct dtr_str body;
    char length[24], method[16];
    size_t at;
    bool has_body, asked, last, headed, cancelled;
};

static int echo_head(struct echo *echo)
{
    const struct dtr_header headers[] = {{"Content-Length", echo->length}, {"X-Method", echo->method}};
    (void)snprintf(echo->length, sizeof(echo->length), "%zu", echo->body.length);
    echo->headed = true;
    return echo->sink->head(echo->context,
                            &(struct dtr_origin_head){.status = 418, .headers = headers, .header_count = 2});
}

static void echo_end(struct echo *echo, int code)
{
    struct dtr_error err = {.code = code};
    dtr_timer_close(echo->timer);
    dtr_str_free(&echo->body);
    echo->sink->done(echo->context, &err);
    free(echo);
}

static void echo_tick(void *context)
{
    struct echo *echo = context;
    bool pause = false;
    int rc = echo->cancelled ? DTR_ECANCELLED : DTR_OK;
    if (rc == DTR_OK && echo->has_body && !echo->last) {
        echo->sink->want_body(echo->context);
        return;
    }
    if (rc == DTR_OK && !echo->headed)
        rc = echo_head(echo);
    while (rc == DTR_OK && echo->at < echo->body.length && !pause) {
        size_t part = echo->body.length - echo->at < RIG_BLOCK ? echo->body.length - echo->at : RIG_BLOCK;
        rc = echo->sink->body(echo->context, (uint8_t *)echo->body.text + echo->at, part, &pause);
        echo->at += pause ? 0 : part;
    }
    if (!pause || rc != DTR_OK)
        echo_end(echo, rc);
}

static int echo_exchange(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                         const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret,
                         struct dtr_error *err)
{
    (void)instance;
    if (strstr(request->url, "/refused"))
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "nobody there");
    if (strstr(request->url, "/guarded"))
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "not there");
    struct echo *echo = calloc(1, sizeof(*echo));
    *echo = (struct echo){.sink = sink, .context = context, .has_body = request->has_body};
    (void)dtr_copy_text(echo->method, sizeof(echo->method), request->method);
    if (!request->has_body)
        dtr_str_puts(&echo->body, request->url);
    int rc = dtr_timer_open(loop, echo_tick, echo, &echo->timer, err);
    dtr_timer_set(echo->timer, 0);
    *ret = (struct dtr_origin_call *)(void *)echo;
    return rc;
}

static void echo_send(struct dtr_origin_call *call, const void *bytes, size_t length, bool last)
{
    struct echo *echo = (struct echo *)(void *)call;
    dtr_str_add(&echo->body, bytes, length);
    echo->last = last;
    dtr_timer_set(echo->timer, 0);
}

static void echo_resume(struct dtr_origin_call *call)
{
    dtr_timer_set(((struct echo *)(void *)call)->timer, 0);
}

static void echo_cancel(struct dtr_origin_call *call)
{
    ((struct echo *)(void *)call)->cancelled = true;
    echo_resume(call);
}

static const struct dtr_origin_ops echo_ops = {.size = sizeof(echo_ops),
                                               .exchange = echo_exchange,
                                               .send_body = echo_send,
                                               .resume = echo_resume,
                                               .cancel = echo_cancel};
static const struct dtr_feature echo_feature = {.ops = &echo_ops};

/* --- clients ------------------------------------------------------------------------------------------ */

struct client {
    struct dtr_msg first, msg;
    pthread_t thread;
    const char *head;
    const uint8_t *body;
    size_t body_length;
    size_t leave_after; /* bytes of the answer; 0: all */
    struct dtr_str answer;
    bool begun, done;
};

static void client_first(struct dtr_msg *msg)
{
    dtr_container(msg, struct client, first)->begun = true;
}

static void client_done(struct dtr_msg *msg)
{
    dtr_container(msg, struct client, msg)->done = true;
}

static int dial(void)
{
    struct dtr_addr addr;
    (void)dtr_addr_ip("127.0.0.1", port, &addr, NULL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &addr.any, addr.length) != 0)
        abort();
    return fd;
}

static void send_all(int fd, const void *bytes, size_t length)
{
    const uint8_t *next = bytes;
    for (ssize_t sent; length > 0; next += sent, length -= (size_t)sent) {
        sent = send(fd, next, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
    }
}

static void *client_run(void *context)
{
    struct client *client = context;
    static const size_t room = 64 << 10;
    char *bytes = malloc(room);
    int fd = dial();
    send_all(fd, client->head, strlen(client->head));
    send_all(fd, client->body, client->body_length);
    for (ssize_t got; (got = recv(fd, bytes, room, 0)) > 0;) {
        if (client->answer.length == 0) {
            client->first.run = client_first;
            dtr_loop_post(control, &client->first);
        }
        dtr_str_add(&client->answer, bytes, (size_t)got);
        if (client->leave_after && client->answer.length >= client->leave_after)
            break;
    }
    (void)close(fd);
    free(bytes);
    client->msg.run = client_done;
    dtr_loop_post(control, &client->msg);
    return NULL;
}

static void client_begin(struct client *client)
{
    assert_int_equal(pthread_create(&client->thread, NULL, client_run, client), 0);
}

static void client_wait(struct client *client)
{
    TURN_UNTIL(control, client->done);
    assert_int_equal(pthread_join(client->thread, NULL), 0);
}

static void ask(struct client *client, const char *head)
{
    *client = (struct client){.head = head};
    client_begin(client);
    client_wait(client);
}

static const char *body_of(const struct client *client)
{
    const char *end = strstr(dtr_str_text(&client->answer), "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static size_t body_size(const struct client *client)
{
    return client->answer.length - (size_t)(body_of(client) - client->answer.text);
}

static void assert_says(const struct client *client, const char *text)
{
    if (!strstr(dtr_str_text(&client->answer), text))
        fail_msg("no \"%s\" in %.600s", text, dtr_str_text(&client->answer));
}

/* The body is this part of the object, and the status begins the answer. */
static void assert_part(struct client *client, const char *status, size_t offset, size_t length)
{
    assert_says(client, status);
    assert_int_equal(body_size(client), length);
    assert_memory_equal(body_of(client), rig_object + offset, length);
    dtr_str_free(&client->answer);
}

/* --- a store that gives out its bytes -----------------------------------------------------------------
 */

static _Atomic int leases;

static void lease_ended(void *context)
{
    (void)context;
    leases--;
}

static int lease(struct dtr_stored *stored, uint64_t offset, uint64_t length, struct dtr_extent *ret_extent,
                 struct dtr_error *err)
{
    (void)err;
    leases++;
    *ret_extent = (struct dtr_extent){
        .fd = -1, .data = stored->bytes + offset, .length = length, .release = lease_ended};
    return DTR_OK;
}

static struct dtr_storage_ops store;

/* --- a daemon with nothing but a proxy ---------------------------------------------------------------- */

static void begin(void)
{
    static struct dtr_conf_proxy_rule rule = {.regex = "blobs/"};
    struct dtr_error err = {0};
    struct dtr_tasks_options options = {.control = control,
                                        .data = &data,
                                        .data_count = 1,
                                        .storage = &store,
                                        .transport = &rig_transport,
                                        .transport_instance = &honest,
                                        .origin = &rig_origin,
                                        .origin_instance = &script,
                                        .connect_ms = 1000};
    store = rig_storage;
    store.lease = lease;
    dtr_plan_config_default(&options.plan);
    options.plan.have_scheduler = false;
    options.plan.stall_timeout_ms = 5000; /* not waited for, however slow the machine */
    memset(&rig_disk, 0, sizeof(rig_disk));
    script =
        (struct rig_script){.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    config.proxy.server.listen.ip = "127.0.0.1";
    config.proxy.server.listen.port = port;
    config.proxy.rules = (struct dtr_conf_proxy_rules){&rule, 1};
    config.proxy.registry_mirror.addr = "http://registry.test";
    node = (struct dtr_daemon){.parts = {.control = control, .data = &data, .data_count = 1},
                               .config = &config,
                               .ip = "10.0.0.7",
                               .origin = {.feature = &echo_feature}};
    assert_int_equal(settings_new(&config, &node.settings, &err), DTR_OK);
    assert_int_equal(dtr_tasks_new(&options, &node.tasks, &err), DTR_OK);
    if (proxy_new(&node, &node.proxy, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void finish(void)
{
    bool closed = false, gone = false;
    proxy_close(node.proxy, 100, set_flag, &closed);
    TURN_UNTIL(control, closed);
    dtr_tasks_close(node.tasks, set_flag, &gone);
    TURN_UNTIL(control, gone);
    settings_swap(&node, NULL);
    assert_int_equal(leases, 0);
}

#define BLOB  "/v2/a/blobs/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
#define OTHER " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"

/* --- tasks -------------------------------------------------------------------------------------------- */

static void a_task_comes_whole_and_then_from_the_store(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "X-Dragonfly-Task-ID: ");
    assert_says(&client, "X-Dragonfly-Server-IP: 10.0.0.7\r\n");
    assert_says(&client, "Accept-Ranges: bytes");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    script.status = 404;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "X-Dragonfly-Task-Download-Finished: true");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

static void ranges_are_answered_by_their_part(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET " BLOB "Range: bytes=-1000\r\n\r\n");
    assert_says(&client, "Content-Range: bytes 6290456-6291455/6291456");
    assert_part(&client, "HTTP/1.1 206 ", RIG_SIZE - 1000, 1000);
    ask(&client, "GET " BLOB "Range: bytes=100-199\r\n\r\n");
    assert_says(&client, "Content-Range: bytes 100-199/6291456");
    assert_part(&client, "HTTP/1.1 206 ", 100, 100);
    ask(&client, "GET " BLOB "Range: bytes=4194000-\r\n\r\n");
    assert_part(&client, "HTTP/1.1 206 ", 4194000, RIG_SIZE - 4194000);
    ask(&client, "GET " BLOB "Range: bytes=100-199\r\nIf-Range: \"another\"\r\n\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client,
        "GET /v2/a/blobs/far" OTHER "Range: bytes=18446744073709551614-18446744073709551615\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    dtr_str_free(&client.answer);
    ask(&client, "GET /v2/a/blobs/farther" OTHER "Range: bytes=18446744073709551615-\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    dtr_str_free(&client.answer);
    ask(&client, "GET " BLOB "Range: bytes=7000000-\r\n\r\n");
    assert_says(&client, "HTTP/1.1 416 ");
    assert_says(&client, "Content-Range: bytes */6291456");
    dtr_str_free(&client.answer);
    finish();
}

static void breathe(struct dtr_msg *msg)
{
    (void)msg;
    script.silent_at = DTR_LENGTH_UNKNOWN;
}

/* The origin holds its breath until the client has the head; so the length is not known by then. */
static void an_unknown_length_is_chunked(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "Range: bytes=100-199\r\n\r\n"};
    struct dtr_msg go_on = {.run = breathe};
    begin();
    script.length_unknown = true;
    script.silent_at = 1 << 20;
    client_begin(&client);
    TURN_UNTIL(control, client.begun);
    dtr_loop_post(data, &go_on);
    client_wait(&client);
    assert_says(&client, "HTTP/1.1 200 ");
    assert_says(&client, "Transfer-Encoding: chunked");
    assert_true(client.answer.length > RIG_SIZE);
    assert_memory_equal(client.answer.text + client.answer.length - 5, "0\r\n\r\n", 5);
    dtr_str_free(&client.answer);
    finish();
}

static void an_origins_refusal_keeps_its_status(void **state)
{
    (void)state;
    struct client client;
    begin();
    script.status = 404;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 404 ");
    assert_says(&client, "X-Dragonfly-Error-Type: backend");
    dtr_str_free(&client.answer);
    finish();
}

/* The client leaves in the middle; closing then waits for nothing. */
static void a_client_that_leaves_is_forgotten(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "\r\n", .leave_after = 100000};
    begin();
    script.silent_at = 1 << 20;
    client_begin(&client);
    client_wait(&client);
    dtr_str_free(&client.answer);
    finish();
}

static void closing_ends_a_task_that_waits(void **state)
{
    (void)state;
    struct client client = {.head = "GET " BLOB "\r\n"};
    begin();
    script.silent_at = 1 << 20;
    client_begin(&client);
    TURN_UNTIL(control, client.begun);
    finish();
    client_wait(&client);
    assert_true(body_size(&client) < RIG_SIZE);
    dtr_str_free(&client.answer);
}

/* --- a full disk --------------------------------------------------------------------------------------- */

static uint64_t disk_room; /* bytes of an object that the store takes */

static int write_while_room(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                            struct dtr_error *err)
{
    if (offset + length > disk_room)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room");
    return rig_storage.write(stored, offset, bytes, length, err);
}

/* The same origin, asked by header lines for what it is asked for otherwise. */
static int exchange_by_reading(void *instance, struct dtr_loop *loop,
                               const struct dtr_origin_request *request, const struct dtr_origin_sink *sink,
                               void *context, struct dtr_origin_call **ret, struct dtr_error *err)
{
    struct dtr_origin_request reading = *request;
    unsigned long long first, last;
    for (size_t i = 0; i < request->header_count; i++) {
        if (dtr_casecmp(request->headers[i].name, "Range") == 0 &&
            sscanf(request->headers[i].value, "bytes=%llu-%llu", &first, &last) == 2) {
            reading.offset = first;
            reading.length = last - first + 1;
        }
    }
    return rig_origin.read(instance, loop, &reading, sink, context, ret, err);
}

static void begin_with_room(uint64_t room)
{
    static struct dtr_origin_ops ops;
    static const struct dtr_feature feature = {.ops = &ops};
    ops = rig_origin;
    ops.exchange = exchange_by_reading;
    begin();
    node.origin = (struct dtr_offer){.feature = &feature, .instance = &script};
    store.write = write_while_room;
    disk_room = room;
}

static void a_full_disk_is_not_the_clients_trouble(void **state)
{
    (void)state;
    struct client client;
    begin_with_room(1 << 20);
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client, "GET " BLOB "Range: bytes=5000000-5999999\r\n\r\n");
    assert_part(&client, "HTTP/1.1 206 ", 5000000, 1000000);
    script.ignore_range = true;
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

/* The blob's origin may need what the operator has every request to it carry. */
static void the_rest_is_asked_for_like_the_beginning(void **state)
{
    (void)state;
    static struct dtr_conf_pair header = {.name = "X-Token", .value = "secret"};
    struct client client;
    config.backend.request_header = (struct dtr_conf_pairs){&header, 1};
    begin_with_room(1 << 20);
    config.backend.request_header.count = 0;
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    assert_non_null(strstr(rig_origin_headers, "X-Token: secret\n"));
    ask(&client, "GET " BLOB "X-Dragonfly-Registry: http://evil.test\r\n\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    assert_string_equal(rig_origin_url, "http://evil.test/v2/a/blobs/x");
    assert_null(strstr(rig_origin_headers, "X-Token"));
    finish();
}

static int open_nothing(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                        struct dtr_error *err)
{
    (void)instance;
    (void)facts;
    (void)ret_stored;
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "read-only");
}

/* What was logged since dtr_log_start(); free() it. */
static char *log_of(FILE *file)
{
    static const size_t room = 64 << 10;
    char *text = calloc(1, room);
    assert_non_null(text);
    dtr_log_stop();
    assert_in_range(fread(text, 1, room - 1, file), 1, room - 2);
    (void)fclose(file);
    return text;
}

/* A signed URL is a credential. */
static void what_signs_a_url_is_not_logged(void **state)
{
    (void)state;
    struct client client;
    char path[] = "/tmp/dtr_proxy_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "r");
    assert_int_equal(dtr_log_start(&(struct dtr_log_settings){.level = DTR_LOG_DEBUG, .file = path}, NULL),
                     DTR_OK);
    begin_with_room(1 << 20);
    ask(&client, "GET /v2/a/blobs/x?signature=s3cr3t" OTHER "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    node.origin = (struct dtr_offer){.feature = &echo_feature};
    store.open = open_nothing;
    ask(&client, "GET /v2/a/blobs/y?signature=s3cr3t" OTHER "\r\n");
    dtr_str_free(&client.answer);
    finish();
    char *text = log_of(file);
    (void)unlink(path);
    assert_non_null(strstr(text, "/v2/a/blobs/x goes on from the origin"));
    assert_non_null(strstr(text, "/v2/a/blobs/y goes on from the origin"));
    assert_null(strstr(text, "s3cr3t"));
    free(text);
}

/* Nothing of the answer has been sent: it passes through as a whole. */
static void a_store_that_cannot_be_written_is_passed_by(void **state)
{
    (void)state;
    struct client client;
    begin();
    store.open = open_nothing;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    assert_string_equal(body_of(&client), "http://registry.test/v2/a/blobs/x");
    dtr_str_free(&client.answer);
    finish();
}

static void what_may_not_come_from_the_origin_does_not(void **state)
{
    (void)state;
    struct client client;
    config.proxy.disable_back_to_source = true;
    begin();
    config.proxy.disable_back_to_source = false;
    store.open = open_nothing;
    ask(&client, "GET " BLOB "\r\n");
    assert_says(&client, "HTTP/1.1 500 ");
    dtr_str_free(&client.answer);
    finish();
}

/* A registry behind which several servers stand tags the same blob in several ways. */
static void a_blob_with_a_digest_is_continued_whatever_its_tag(void **state)
{
    (void)state;
    struct client client;
    char hex[65], head[300];
    begin_with_room(1 << 20);
    dtr_sha256_hex(rig_object, RIG_SIZE, hex);
    (void)snprintf(head, sizeof(head), "GET /v2/a/blobs/sha256:%s" OTHER "\r\n", hex);
    script.renew_after = rig_origin_requests + 1;
    script.only_the_tag = true;
    ask(&client, head);
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    finish();
}

/* The rest would be another object's. */
static void a_version_is_not_continued_by_another(void **state)
{
    (void)state;
    struct client client;
    begin_with_room(1 << 20);
    script.renew_after = rig_origin_requests + 1;
    script.ignore_if_range = true;
    ask(&client, "GET " BLOB "\r\n");
    size_t got = client.answer.length; /* what was on its way is lost */
    const char *body = strstr(dtr_str_text(&client.answer), "\r\n\r\n");
    assert_true(got < RIG_SIZE);
    if (body)
        assert_memory_equal(body + 4, rig_object, got - (size_t)(body + 4 - client.answer.text));
    dtr_str_free(&client.answer);
    finish();
}

/* --- the rest ----------------------------------------------------------------------------------------- */

static void other_requests_pass_through(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "GET /v2/a/manifests/1" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    assert_says(&client, "X-Method: GET");
    assert_string_equal(body_of(&client), "http://registry.test/v2/a/manifests/1");
    dtr_str_free(&client.answer);
    ask(&client, "HEAD " BLOB "\r\n");
    assert_says(&client, "X-Method: HEAD");
    assert_int_equal(body_size(&client), 0);
    dtr_str_free(&client.answer);
    ask(&client, "GET /refused" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 502 ");
    assert_says(&client, "X-Dragonfly-Error-Type: proxy");
    dtr_str_free(&client.answer);
    ask(&client, "GET /guarded" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 403 ");
    dtr_str_free(&client.answer);
    finish();
}

static void a_push_passes_through(void **state)
{
    (void)state;
    struct client client = {.head = "PUT /upload" OTHER "Content-Length: 6291456\r\n\r\n",
                            .body = rig_object,
                            .body_length = RIG_SIZE};
    begin();
    client_begin(&client);
    client_wait(&client);
    assert_says(&client, "X-Method: PUT");
    assert_part(&client, "HTTP/1.1 418 ", 0, RIG_SIZE);
    finish();
}

static void a_tunnel_to_this_machine_is_refused(void **state)
{
    (void)state;
    struct client client;
    begin();
    ask(&client, "CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nConnection: close\r\n\r\n");
    assert_says(&client, "HTTP/1.1 403 ");
    dtr_str_free(&client.answer);
    finish();
}

struct silence {
    struct dtr_msg msg;
    unsigned count;
    bool heard;
};

static void silence_heard(struct dtr_msg *msg)
{
    dtr_container(msg, struct silence, msg)->heard = true;
}

static void *silence_run(void *context)
{
    struct silence *silence = context;
    resolver_rig_await(silence->count);
    silence->msg.run = silence_heard;
    dtr_loop_post(control, &silence->msg);
    return NULL;
}

/* The control loop goes on while so many come to wait for the name server. */
static void await_names(unsigned count)
{
    struct silence silence = {.count = count};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, silence_run, &silence), 0);
    TURN_UNTIL(control, silence.heard);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#define TUNNEL                                                                                               \
    "CONNECT registry.silent.test:443 HTTP/1.1\r\nHost: registry.silent.test:443\r\n"                        \
    "Connection: close\r\n\r\n"

/* More tunnels than look-ups are made at a time. */
static void a_silent_name_server_holds_up_tunnels_only(void **state)
{
    enum { TUNNELS = DTR_LOOKUP_THREADS + 2 };
    struct client tunnels[TUNNELS], client;
    (void)state;
    begin();
    node.proxy->lookup_ms = 1000;
    for (int i = 0; i < TUNNELS; i++) {
        tunnels[i] = (struct client){.head = TUNNEL};
        client_begin(&tunnels[i]);
    }
    await_names(DTR_LOOKUP_THREADS);
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client, "GET /v2/a/manifests/1" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    dtr_str_free(&client.answer);
    ask(&client, "CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nConnection: close\r\n\r\n");
    assert_says(&client, "HTTP/1.1 403 ");
    dtr_str_free(&client.answer);
    for (int i = 0; i < TUNNELS; i++) {
        client_wait(&tunnels[i]);
        assert_says(&tunnels[i], "HTTP/1.1 504 ");
        assert_says(&tunnels[i], "registry.silent.test");
        dtr_str_free(&tunnels[i].answer);
    }
    finish();
}

/* Neither do those that wait for it hold up the end. */
static void closing_waits_for_no_name_server(void **state)
{
    struct client client = {.head = TUNNEL};
    (void)state;
    begin();
    await_names(DTR_LOOKUP_THREADS);
    resolver_rig_speak();
    await_names(0);
    resolver_rig_hush();
    client_begin(&client);
    await_names(1);
    finish();
    client_wait(&client);
    resolver_rig_speak();
    await_names(0);
    dtr_str_free(&client.answer);
}

/* Of those that the kernel gives to nobody who asks for any, so that it stays free. */
static uint16_t free_port(void)
{
    struct dtr_addr addr;
    bool free = false;
    for (int tries = 0; !free && tries < 100; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)dtr_addr_ip("127.0.0.1", (uint16_t)(10000 + arc4random_uniform(10000)), &addr, NULL);
        free = bind(fd, &addr.any, addr.length) == 0;
        (void)close(fd);
    }
    assert_true(free);
    return dtr_addr_port(&addr);
}

static int set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_fill();
    port = free_port();
    return dtr_guard_start(&err) || dtr_loop_new("control", &control, &err) ||
           dtr_loop_new("data", &data, &err) || dtr_loop_start(data, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    dtr_guard_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_comes_whole_and_then_from_the_store),
        cmocka_unit_test(ranges_are_answered_by_their_part),
        cmocka_unit_test(an_unknown_length_is_chunked),
        cmocka_unit_test(an_origins_refusal_keeps_its_status),
        cmocka_unit_test(a_client_that_leaves_is_forgotten),
        cmocka_unit_test(closing_ends_a_task_that_waits),
        cmocka_unit_test(a_full_disk_is_not_the_clients_trouble),
        cmocka_unit_test(the_rest_is_asked_for_like_the_beginning),
        cmocka_unit_test(what_signs_a_url_is_not_logged),
        cmocka_unit_test(a_store_that_cannot_be_written_is_passed_by),
        cmocka_unit_test(what_may_not_come_from_the_origin_does_not),
        cmocka_unit_test(a_blob_with_a_digest_is_continued_whatever_its_tag),
        cmocka_unit_test(a_version_is_not_continued_by_another),
        cmocka_unit_test(other_requests_pass_through),
        cmocka_unit_test(a_push_passes_through),
        cmocka_unit_test(a_tunnel_to_this_machine_is_refused),
        cmocka_unit_test(a_silent_name_server_holds_up_tunnels_only),
        cmocka_unit_test(closing_waits_for_no_name_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
