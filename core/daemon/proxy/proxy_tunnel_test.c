/* Tunnels, and name servers that do not answer them. */
#include "core/daemon/proxy/proxy_fixture.h"

#include "core/net/lookup.h"
#include "core/net/resolver_rig.h"

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

/* Until no look-up waits; those that come later meet silence again. */
static void let_all_speak(void)
{
    resolver_rig_speak();
    await_names(0);
    resolver_rig_hush();
}

static void begin_tunnels(struct client *tunnels, size_t count, uint64_t lookup_ms)
{
    node.proxy->lookup_ms = lookup_ms;
    for (size_t i = 0; i < count; i++) {
        tunnels[i] = (struct client){.head = TUNNEL};
        client_begin(&tunnels[i]);
    }
}

static void end_tunnels(struct client *tunnels, size_t count, const char *status)
{
    for (size_t i = 0; i < count; i++) {
        client_wait(&tunnels[i]);
        assert_says(&tunnels[i], status);
        assert_says(&tunnels[i], "registry.silent.test");
        dtr_str_free(&tunnels[i].answer);
    }
}

/* More tunnels than look-ups are made at a time. */
static void a_silent_name_server_holds_up_tunnels_only(void **state)
{
    enum { LATE = 2, LONG_MS = 600000, SHORT_MS = 100 };
    struct client held[DTR_LOOKUP_THREADS], late[LATE], client;
    (void)state;
    begin();
    begin_tunnels(held, DTR_LOOKUP_THREADS, LONG_MS);
    await_names(DTR_LOOKUP_THREADS);
    ask(&client, "GET " BLOB "\r\n");
    assert_part(&client, "HTTP/1.1 200 ", 0, RIG_SIZE);
    ask(&client, "GET /v2/a/manifests/1" OTHER "\r\n");
    assert_says(&client, "HTTP/1.1 418 ");
    dtr_str_free(&client.answer);
    ask(&client, "CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nConnection: close\r\n\r\n");
    assert_says(&client, "HTTP/1.1 403 ");
    dtr_str_free(&client.answer);
    /* Their time runs in line as well. */
    begin_tunnels(late, LATE, SHORT_MS);
    end_tunnels(late, LATE, "HTTP/1.1 504 ");
    let_all_speak();
    end_tunnels(held, DTR_LOOKUP_THREADS, "HTTP/1.1 502 ");
    /* And while the name server is asked. */
    begin_tunnels(late, LATE, SHORT_MS);
    end_tunnels(late, LATE, "HTTP/1.1 504 ");
    let_all_speak();
    finish();
}

/* Neither do those that wait for it hold up the end. */
static void closing_waits_for_no_name_server(void **state)
{
    struct client client = {.head = TUNNEL};
    (void)state;
    begin();
    node.proxy->lookup_ms = 600000;
    client_begin(&client);
    await_names(1);
    finish();
    client_wait(&client);
    resolver_rig_speak();
    await_names(0);
    dtr_str_free(&client.answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_to_this_machine_is_refused),
        cmocka_unit_test(a_silent_name_server_holds_up_tunnels_only),
        cmocka_unit_test(closing_waits_for_no_name_server),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
