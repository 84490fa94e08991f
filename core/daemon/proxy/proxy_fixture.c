/* See proxy_fixture.h. */
#include "core/daemon/proxy/proxy_fixture.h"

#include "core/base/list.h"
#include "core/net/guard.h"
#include <unistd.h>

struct dtr_loop *control, *data;
struct dtr_daemon node;
struct dtr_daemon_config config;
struct rig_script script;
struct dtr_storage_ops store;
static int honest;
static uint16_t port;

/* --- an origin that says back what it was sent ---------------------------------------------------------- */

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
const struct dtr_feature echo_feature = {.ops = &echo_ops};

/* --- clients -------------------------------------------------------------------------------------------- */

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

void client_begin(struct client *client)
{
    assert_int_equal(pthread_create(&client->thread, NULL, client_run, client), 0);
}

void client_wait(struct client *client)
{
    TURN_UNTIL(control, client->done);
    assert_int_equal(pthread_join(client->thread, NULL), 0);
}

void ask(struct client *client, const char *head)
{
    *client = (struct client){.head = head};
    client_begin(client);
    client_wait(client);
}

const char *body_of(const struct client *client)
{
    const char *end = strstr(dtr_str_text(&client->answer), "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

size_t body_size(const struct client *client)
{
    return client->answer.length - (size_t)(body_of(client) - client->answer.text);
}

void assert_says(const struct client *client, const char *text)
{
    if (!strstr(dtr_str_text(&client->answer), text))
        fail_msg("no \"%s\" in %.600s", text, dtr_str_text(&client->answer));
}

void assert_part(struct client *client, const char *status, size_t offset, size_t length)
{
    assert_says(client, status);
    assert_int_equal(body_size(client), length);
    assert_memory_equal(body_of(client), rig_object + offset, length);
    dtr_str_free(&client->answer);
}

/* --- a store that gives out its bytes ------------------------------------------------------------------- */

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

/* --- a daemon with nothing but a proxy ------------------------------------------------------------------ */

static void set_flag(void *context)
{
    *(bool *)context = true;
}

void begin(void)
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

void finish(void)
{
    bool closed = false, gone = false;
    proxy_close(node.proxy, 100, set_flag, &closed);
    TURN_UNTIL(control, closed);
    dtr_tasks_close(node.tasks, set_flag, &gone);
    TURN_UNTIL(control, gone);
    settings_swap(&node, NULL);
    assert_int_equal(leases, 0);
}

/* --- loops and a port ----------------------------------------------------------------------------------- */

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

int fixture_set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_fill();
    port = free_port();
    return dtr_guard_start(&err) || dtr_loop_new("control", &control, &err) ||
           dtr_loop_new("data", &data, &err) || dtr_loop_start(data, &err);
}

int fixture_tear_down(void **state)
{
    (void)state;
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    dtr_guard_stop();
    return 0;
}
