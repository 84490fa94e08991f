/* The HTTP server over TLS, and who comes without. */
#include "core/http/rig.h"

#include "core/net/tls.h"
#include "core/net/tls_rig.h"

static struct tls_rig keys;
static struct rig rig;
static struct dtr_tls *server_tls, *client_tls;

static struct dtr_tls *tls_of(enum dtr_tls_side side, const char *cert, const char *key)
{
    const struct dtr_tls_options options = {
        .side = side,
        .files = {[DTR_TLS_CA_CERT] = cert ? NULL : tls_rig_path(&keys, "ca.pem"),
                  [DTR_TLS_CERT] = cert ? tls_rig_path(&keys, cert) : NULL,
                  [DTR_TLS_KEY] = key ? tls_rig_path(&keys, key) : NULL}};
    struct dtr_tls *tls = NULL;
    struct dtr_error err = {0};
    if (dtr_tls_new(&options, &tls, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return tls;
}

static void open_server(const struct dtr_http_limits *limits)
{
    tls_rig_open(&keys);
    tls_rig_issue(&keys, "good", &(struct tls_rig_wish){.names = "IP:127.0.0.1"});
    server_tls = tls_of(DTR_TLS_SERVER, "good.pem", "good.key");
    client_tls = tls_of(DTR_TLS_CLIENT, NULL, NULL);
    rig_open(&rig, limits);
    dtr_http_server_secure(rig.server, server_tls);
}

static int begin(void **state)
{
    (void)state;
    open_server(NULL);
    return 0;
}

static int begin_impatient(void **state)
{
    const struct dtr_http_limits limits = {.head_ms = 100}; /* for the handshake as well */
    (void)state;
    open_server(&limits);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_close(&rig);
    dtr_tls_drop(server_tls);
    dtr_tls_drop(client_tls);
    tls_rig_close(&keys);
    return 0;
}

static void open_secure(struct client *client)
{
    client_open(&rig, client, &rig.addr);
    dtr_stream_pause(client->stream);
    assert_int_equal(dtr_stream_secure(client->stream, client_tls, NULL, 20000, NULL), DTR_OK);
    dtr_stream_read(client->stream, UINT64_MAX);
}

static void requests_are_answered_inside(void **state)
{
    (void)state;
    struct client client;
    open_secure(&client);
    for (int i = 0; i < 2; i++) {
        client_send(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        client_expect(&rig, &client, "hello");
        dtr_str_clear(&client.received);
    }
    client_close(&rig, &client);
}

static void who_speaks_plainly_gets_nothing(void **state)
{
    (void)state;
    struct client client;
    client_open(&rig, &client, &rig.addr);
    client_send(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_until(&rig, client.ended || client.closed);
    assert_false(client_has(&client, "hello"));
    assert_int_equal(rig.requests, 0);
    client_close(&rig, &client);
}

static void who_says_nothing_is_sent_away(void **state)
{
    (void)state;
    struct client client;
    client_open(&rig, &client, &rig.addr);
    rig_until(&rig, client.ended || client.closed);
    client_close(&rig, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_answered_inside, begin, end),
        cmocka_unit_test_setup_teardown(who_speaks_plainly_gets_nothing, begin, end),
        cmocka_unit_test_setup_teardown(who_says_nothing_is_sent_away, begin_impatient, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
