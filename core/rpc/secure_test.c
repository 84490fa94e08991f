/* gRPC over TLS: calls of several kinds, and what callers and operators hear when it does not come about. */
#include "core/rpc/echo.h"

#include "core/loop/turn_until.h"
#include "core/net/tls.h"
#include "core/net/tls_rig.h"
#include "core/obs/log.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct tls_rig rig;

struct meeting {
    struct dtr_loop *loop;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_channel *channel;
    struct dtr_tls *server_tls, *client_tls;
    struct dtr_addr addr;
    struct echo echo;
    struct record record;
    bool stopped;
    char log[40];
};

#define RUN_UNTIL(m, condition) TURN_UNTIL((m)->loop, condition)

static struct dtr_tls *tls_of(enum dtr_tls_side side, const char *name)
{
    char cert[40], key[40];
    struct dtr_tls_options options = {
        .side = side, .http2 = true, .files = {[DTR_TLS_CA_CERT] = tls_rig_path(&rig, "ca.pem")}};
    struct dtr_tls *tls = NULL;
    (void)snprintf(cert, sizeof(cert), "%s.pem", name ? name : "");
    (void)snprintf(key, sizeof(key), "%s.key", name ? name : "");
    options.files[DTR_TLS_CERT] = name ? tls_rig_path(&rig, cert) : NULL;
    options.files[DTR_TLS_KEY] = name ? tls_rig_path(&rig, key) : NULL;
    assert_int_equal(dtr_tls_new(&options, &tls, NULL), DTR_OK);
    return tls;
}

static void on_stopped(void *context)
{
    ((struct meeting *)context)->stopped = true;
}

/* A server with or without TLS. */
static void begin(struct meeting *m, bool secure)
{
    *m = (struct meeting){.log = "/tmp/dtr_rpc_secure_test.XXXXXX"};
    const struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = m->log};
    assert_int_equal(close(mkstemp(m->log)), 0);
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    assert_int_equal(dtr_loop_new("test", &m->loop, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&m->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(m->table, echo_handlers, 4, &m->echo, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &m->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(m->loop, NULL, &m->server, NULL), DTR_OK);
    m->server_tls = secure ? tls_of(DTR_TLS_SERVER, "good") : NULL;
    dtr_rpc_server_secure(m->server, m->server_tls);
    assert_int_equal(dtr_rpc_server_listen(m->server, &m->addr, m->table, &m->addr, NULL), DTR_OK);
}

static void dial(struct meeting *m, bool secure, const char *name, const char *host)
{
    m->client_tls = secure ? tls_of(DTR_TLS_CLIENT, name) : NULL;
    const struct dtr_rpc_channel_options options = {.tls = m->client_tls, .host = host};
    assert_int_equal(dtr_rpc_channel_new(m->loop, &m->addr, &options, &m->channel, NULL), DTR_OK);
}

static void start(struct meeting *m, const struct dtr_rpc_method *method)
{
    m->record = (struct record){0};
    assert_int_equal(
        dtr_rpc_call_start(m->channel, method, NULL, &record_events, &m->record, &m->record.call, NULL),
        DTR_OK);
}

static void finish(struct meeting *m)
{
    dtr_rpc_channel_close(m->channel);
    dtr_rpc_server_stop(m->server, 1000, on_stopped, m);
    RUN_UNTIL(m, m->stopped);
    dtr_tls_drop(m->server_tls);
    dtr_tls_drop(m->client_tls);
    dtr_loop_free(m->loop);
    dtr_rpc_table_free(m->table);
    dtr_log_stop();
    (void)unlink(m->log);
}

static void ask(struct meeting *m)
{
    start(m, &echo_unary);
    (void)echo_send(m->record.call, "hello");
    dtr_rpc_call_end(m->record.call);
    RUN_UNTIL(m, m->record.closed == 1);
}

static bool log_says(const struct meeting *m, const char *words)
{
    char text[8192] = "";
    assert_true(dtr_log_flush(5000));
    FILE *file = fopen(m->log, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return strstr(text, words) != NULL;
}

/* --- what goes through ------------------------------------------------------------------------------------
 */

static void calls_go_through_with_certificates_on_both_sides(void **state)
{
    (void)state;
    struct meeting m;
    begin(&m, true);
    dial(&m, true, "good", NULL);
    ask(&m);
    assert_int_equal(m.record.code, DTR_RPC_OK);
    assert_string_equal(m.record.last, "hello");
    start(&m, &echo_server_stream); /* more than any window or queue holds */
    assert_int_equal(echo_send(m.record.call, "400 100000"), DTR_OK);
    dtr_rpc_call_end(m.record.call);
    RUN_UNTIL(&m, m.record.closed == 1);
    assert_int_equal(m.record.code, DTR_RPC_OK);
    assert_int_equal(m.record.messages, 400);
    assert_int_equal(m.record.bytes, 400 * 100000);
    start(&m, &echo_bidi);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(echo_send(m.record.call, "back and forth"), DTR_OK);
        RUN_UNTIL(&m, m.record.messages == i);
    }
    dtr_rpc_call_cancel(m.record.call);
    RUN_UNTIL(&m, m.echo.server.closed == 1);
    assert_int_equal(m.record.code, DTR_RPC_CANCELLED);
    ask(&m); /* the connection lives on */
    assert_int_equal(m.record.code, DTR_RPC_OK);
    assert_int_equal(dtr_rpc_server_connections(m.server), 1);
    assert_false(log_says(&m, "refused"));
    finish(&m);
}

static void a_server_that_stops_lets_calls_end(void **state)
{
    (void)state;
    struct meeting m;
    begin(&m, true);
    dial(&m, true, "good", NULL);
    start(&m, &echo_bidi);
    assert_int_equal(echo_send(m.record.call, "one"), DTR_OK);
    RUN_UNTIL(&m, m.record.messages == 1);
    dtr_rpc_server_stop(m.server, 10000, on_stopped, &m);
    assert_int_equal(echo_send(m.record.call, "finish"), DTR_OK);
    RUN_UNTIL(&m, m.record.closed == 1);
    assert_int_equal(m.record.code, DTR_RPC_OK);
    RUN_UNTIL(&m, m.stopped);
    m.stopped = false;
    assert_int_equal(dtr_rpc_server_new(m.loop, NULL, &m.server, NULL), DTR_OK);
    finish(&m);
}

static void unix_sockets_stay_plain(void **state)
{
    (void)state;
    struct meeting m;
    char path[80];
    begin(&m, true);
    (void)snprintf(path, sizeof(path), "%s/sock", rig.folder);
    assert_int_equal(dtr_addr_unix(path, &m.addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(m.server, &m.addr, m.table, NULL, NULL), DTR_OK);
    dial(&m, true, "good", NULL);
    ask(&m);
    assert_int_equal(m.record.code, DTR_RPC_OK);
    finish(&m);
}

/* --- what does not ----------------------------------------------------------------------------------------
 */

static void expect_refusal(bool server, bool client, const char *name, const char *host,
                           const char *client_hears, const char *log)
{
    struct meeting m;
    begin(&m, server);
    dial(&m, client, name, host);
    ask(&m);
    assert_int_equal(m.record.code, DTR_RPC_UNAVAILABLE);
    if (!strstr(m.record.text, client_hears))
        fail_msg("the client hears '%s', not '%s'", m.record.text, client_hears);
    RUN_UNTIL(&m, dtr_rpc_server_connections(m.server) == 0);
    if (log && !log_says(&m, log))
        fail_msg("the log does not say '%s'", log);
    assert_int_equal(m.echo.requests, 0);
    finish(&m);
}

static void both_sides_say_why_nothing_comes_about(void **state)
{
    (void)state;
    expect_refusal(true, true, NULL, NULL, "asks for a certificate, and gets none",
                   "a caller is refused: 127.0.0.1:");
    expect_refusal(true, true, NULL, NULL,
                   "127.0.0.1:", "shows no certificate; one signed by an authority in ");
    expect_refusal(true, true, "late", NULL, "refuses the certificate as expired in ",
                   "its certificate (CN=late) expired on ");
    expect_refusal(true, true, "stranger", NULL, "does not know who signed the certificate in ",
                   "its certificate (CN=stranger) is signed by no authority in ");
    expect_refusal(true, false, NULL, NULL, "does it ask for TLS?", "does not speak TLS");
    expect_refusal(false, true, "good", NULL, "TLS", NULL);
}

/* Somebody at this address of loopback who does not speak TLS. */
static void knock_plainly(struct meeting *m, const char *from)
{
    struct dtr_addr own;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(dtr_addr_ip(from, 0, &own, NULL), DTR_OK);
    assert_int_equal(bind(fd, &own.any, own.length), 0);
    assert_int_equal(connect(fd, &m->addr.any, m->addr.length), 0);
    assert_int_equal(send(fd, "PRI * HTTP/2.0\r\n\r\n", 18, 0), 18);
    RUN_UNTIL(m, dtr_rpc_server_connections(m->server) == 1);
    (void)close(fd);
    RUN_UNTIL(m, dtr_rpc_server_connections(m->server) == 0);
}

static void a_flood_of_refused_callers_neither_fills_the_log_nor_hides_another(void **state)
{
    (void)state;
    struct meeting m;
    char text[65536];
    size_t lines = 0;
    begin(&m, true);
    for (int i = 0; i < 40; i++)
        knock_plainly(&m, "127.0.0.1");
    for (int i = 2; i < 40; i++) {
        char from[16];
        (void)snprintf(from, sizeof(from), "127.0.0.%d", i);
        knock_plainly(&m, from);
    }
    assert_true(dtr_log_flush(5000));
    FILE *file = fopen(m.log, "r");
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    for (const char *at = text; (at = strstr(at, "a caller is refused")); at++)
        lines++;
    assert_int_equal(lines, 20); /* three of the first */
    assert_non_null(strstr(text, "127.0.0.18:"));
    finish(&m);
}

static int open_rig(void **state)
{
    (void)state;
    tls_rig_open(&rig);
    tls_rig_issue(&rig, "good", &(struct tls_rig_wish){.names = "IP:127.0.0.1"});
    tls_rig_issue(&rig, "stranger", &(struct tls_rig_wish){.names = "IP:127.0.0.1", .other = true});
    tls_rig_issue(&rig, "late", &(struct tls_rig_wish){.from_s = -7200, .until_s = -3600});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    tls_rig_close(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_go_through_with_certificates_on_both_sides),
        cmocka_unit_test(a_server_that_stops_lets_calls_end),
        cmocka_unit_test(unix_sockets_stay_plain),
        cmocka_unit_test(both_sides_say_why_nothing_comes_about),
        cmocka_unit_test(a_flood_of_refused_callers_neither_fills_the_log_nor_hides_another),
    };
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
