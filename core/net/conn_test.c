/* Blocking connections, by example on loopback: what comes through, what ends them, and that every wait ends.
 * The other side is a thread of the test. */
#include "core/net/conn.h"

#include "core/base/clock.h"
#include "core/net/addr.h"
#include "core/net/resolver_rig.h"
#include "core/net/tls_rig.h"

#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LONG_MS = 20000, SHORT_MS = 60, LARGE = 8 << 20 };

static struct tls_rig rig;

/* --- the other side --------------------------------------------------------------------------------- */

struct server {
    int listener, fd; /* `fd`: of the one connection */
    uint16_t port;
    const char *cert; /* of TLS, or NULL */
    bool asks;        /* for the client's certificate */
    SSL_CTX *ctx;
    SSL *ssl;
    int go[2]; /* a pipe: the test lets the server go on */
    void (*serve)(struct server *server);
    pthread_t thread;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the other side: %s failed\n", what);
    abort();
}

static SSL_CTX *server_context(const struct server *server)
{
    char file[64];
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    (void)snprintf(file, sizeof(file), "%s.pem", server->cert);
    must(ctx && SSL_CTX_use_certificate_chain_file(ctx, tls_rig_path(&rig, file)) == 1, "the certificate");
    (void)snprintf(file, sizeof(file), "%s.key", server->cert);
    must(SSL_CTX_use_PrivateKey_file(ctx, tls_rig_path(&rig, file), SSL_FILETYPE_PEM) == 1, "the key");
    must(SSL_CTX_load_verify_file(ctx, tls_rig_path(&rig, "ca.pem")) == 1, "the authority");
    if (server->asks)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

static void *run_server(void *context)
{
    struct server *server = context;
    bool ready = true;
    int on = 1;
    server->fd = accept(server->listener, NULL, NULL);
    must(server->fd >= 0 && setsockopt(server->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "accept");
    if (server->ctx) {
        server->ssl = SSL_new(server->ctx);
        must(server->ssl && SSL_set_fd(server->ssl, server->fd) == 1, "TLS");
        ready = SSL_accept(server->ssl) == 1;
    }
    if (ready)
        server->serve(server);
    SSL_free(server->ssl);
    (void)close(server->fd);
    return NULL;
}

static void start(struct server *server, const char *ip)
{
    struct dtr_addr addr;
    assert_int_equal(dtr_addr_ip(ip, 0, &addr, NULL), DTR_OK);
    server->listener = socket(addr.any.sa_family, SOCK_STREAM, 0);
    assert_true(bind(server->listener, &addr.any, addr.length) == 0 && listen(server->listener, 4) == 0);
    assert_int_equal(getsockname(server->listener, &addr.any, &addr.length), 0);
    server->port = dtr_addr_port(&addr);
    server->ctx = server->cert ? server_context(server) : NULL;
    assert_int_equal(pipe(server->go), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

static void finish(struct server *server)
{
    (void)close(server->go[1]);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    SSL_CTX_free(server->ctx);
    (void)close(server->go[0]);
    (void)close(server->listener);
}

static void go_on(const struct server *server)
{
    assert_int_equal(write(server->go[1], "", 1), 1);
}

/* On the server's thread: until go_on() or finish(). */
static void await_go(const struct server *server)
{
    char byte;
    (void)!read(server->go[0], &byte, 1);
}

static ssize_t get(struct server *server, void *bytes, size_t room)
{
    return server->ssl ? SSL_read(server->ssl, bytes, (int)room) : recv(server->fd, bytes, room, 0);
}

static void put(struct server *server, const void *bytes, size_t length)
{
    ssize_t count = server->ssl ? SSL_write(server->ssl, bytes, (int)length)
                                : send(server->fd, bytes, length, MSG_NOSIGNAL);
    must(count == (ssize_t)length, "sending");
}

static void serve_echo(struct server *server)
{
    static char bytes[64 << 10];
    for (ssize_t count; (count = get(server, bytes, sizeof(bytes))) > 0;)
        put(server, bytes, (size_t)count);
    must(!server->ssl || SSL_get_shutdown(server->ssl) & SSL_RECEIVED_SHUTDOWN, "hearing of the end");
}

static void serve_drops(struct server *server)
{
    for (const char *at = "drop"; *at; at++) {
        put(server, at, 1);
        await_go(server);
    }
}

static void serve_nothing(struct server *server)
{
    await_go(server);
}

static void serve_after_go(struct server *server)
{
    await_go(server);
    put(server, "late", 4);
    await_go(server);
}

/* Says that it sends no more, and then hears what is sent. */
static void serve_half(struct server *server)
{
    char bytes[16];
    must(shutdown(server->fd, SHUT_WR) == 0, "half-closing");
    must(recv(server->fd, bytes, sizeof(bytes), MSG_WAITALL) == 5 && memcmp(bytes, "heard", 5) == 0,
         "hearing");
}

static void serve_end_of_tls(struct server *server)
{
    (void)SSL_shutdown(server->ssl);
    await_go(server);
}

static void serve_garbage(struct server *server)
{
    char bytes[16];
    put(server, "-ERR no TLS here\r\n", 18);
    (void)get(server, bytes, sizeof(bytes));
    await_go(server);
}

/* --- this side -------------------------------------------------------------------------------------- */

static struct dtr_conn_target plain(const struct server *server)
{
    return (struct dtr_conn_target){.host = "127.0.0.1", .port = server->port, .connect_ms = LONG_MS};
}

static struct dtr_conn_target secure(const struct server *server, const char *ca)
{
    struct dtr_conn_target target = plain(server);
    target.tls = true;
    target.ca_cert = ca ? tls_rig_path(&rig, ca) : "";
    target.cert = target.key = "";
    return target;
}

static struct dtr_conn *dial(const struct dtr_conn_target *target)
{
    struct dtr_conn *conn = NULL;
    struct dtr_error err;
    if (dtr_conn_dial(target, &conn, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return conn;
}

static void refused(const struct dtr_conn_target *target, int code, const char *words)
{
    struct dtr_conn *conn = NULL;
    struct dtr_error err = {0};
    int status = dtr_conn_dial(target, &conn, &err);
    if (status != code || err.code != code || !strstr(err.text, words))
        fail_msg("%s: %s", dtr_code_text(status), err.text);
    assert_null(conn);
}

static void check_read(struct dtr_conn *conn, const char *text)
{
    char bytes[64];
    size_t count = 0;
    struct dtr_error err;
    if (dtr_conn_read(conn, bytes, sizeof(bytes), LONG_MS, &count, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(count, strlen(text));
    assert_memory_equal(bytes, text, count);
}

static int read_fails(struct dtr_conn *conn, uint64_t limit_ms, struct dtr_error *err)
{
    char byte;
    size_t count = 0;
    int status = dtr_conn_read(conn, &byte, 1, limit_ms, &count, err);
    assert_int_equal(status, err->code);
    assert_int_equal(count, 0);
    return status;
}

static void write_all(struct dtr_conn *conn, const void *bytes, size_t length)
{
    struct dtr_error err;
    if (dtr_conn_write(conn, bytes, length, LONG_MS, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

/* --- plain ------------------------------------------------------------------------------------------ */

/* In steps, as the echo does not read on while it cannot write. */
static void echo_large(struct dtr_conn *conn)
{
    enum { STEP = 48 << 10 };
    static unsigned char sent[STEP], got[STEP];
    for (size_t total = 0; total < LARGE; total += STEP) {
        for (size_t i = 0; i < STEP; i++)
            sent[i] = (unsigned char)((total + i) * 2654435761u >> 13);
        write_all(conn, sent, STEP);
        for (size_t at = 0, count; at < STEP; at += count)
            assert_int_equal(dtr_conn_read(conn, got + at, STEP - at, LONG_MS, &count, NULL), DTR_OK);
        assert_memory_equal(sent, got, STEP);
    }
}

static void bytes_go_and_come(void **state)
{
    struct server server = {.serve = serve_echo};
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    write_all(conn, "", 0);
    write_all(conn, "hello", 5);
    check_read(conn, "hello");
    echo_large(conn);
    dtr_conn_close(conn);
    finish(&server);
}

static void names_and_v6_are_dialled(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "::1"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct server server = {.serve = serve_echo};
        start(&server, i == 2 ? "::1" : "127.0.0.1");
        struct dtr_conn_target target = plain(&server);
        target.host = hosts[i];
        struct dtr_conn *conn = dial(&target);
        write_all(conn, "hello", 5);
        check_read(conn, "hello");
        dtr_conn_close(conn);
        finish(&server);
    }
}

static void a_slow_peer_is_read_as_it_sends(void **state)
{
    struct server server = {.serve = serve_drops};
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    struct dtr_error err;
    for (const char *at = "drop"; *at; at++) {
        const char one[2] = {*at, 0};
        check_read(conn, one);
        assert_int_equal(read_fails(conn, 0, &err), DTR_ETIMEOUT);
        go_on(&server);
    }
    assert_int_equal(read_fails(conn, LONG_MS, &err), DTR_ECLOSED);
    dtr_conn_close(conn);
    finish(&server);
}

static void a_silent_peer_costs_the_limit_and_no_more(void **state)
{
    struct server server = {.serve = serve_after_go};
    struct dtr_error err;
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    uint64_t begun = dtr_now_ms();
    assert_int_equal(read_fails(conn, SHORT_MS, &err), DTR_ETIMEOUT);
    assert_in_range(dtr_now_ms() - begun, SHORT_MS, LONG_MS / 2);
    assert_non_null(strstr(err.text, " sent nothing within 60 ms"));
    assert_int_equal(err.retry, DTR_RETRY_SAME);
    go_on(&server);
    check_read(conn, "late");
    dtr_conn_close(conn);
    finish(&server);
}

static void a_peer_that_takes_nothing_ends_a_write(void **state)
{
    struct server server = {.serve = serve_nothing};
    struct dtr_error err;
    char *bytes = calloc(1, 64 << 20);
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    assert_int_equal(dtr_conn_write(conn, bytes, 64 << 20, SHORT_MS, &err), DTR_ETIMEOUT);
    assert_non_null(strstr(err.text, "did not take what was sent within 60 ms"));
    dtr_conn_close(conn);
    finish(&server);
    free(bytes);
}

static void a_half_closed_connection_takes_bytes(void **state)
{
    struct server server = {.serve = serve_half};
    struct dtr_error err;
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    assert_int_equal(read_fails(conn, LONG_MS, &err), DTR_ECLOSED);
    assert_non_null(strstr(err.text, "closed the connection"));
    write_all(conn, "heard", 5);
    dtr_conn_close(conn);
    finish(&server);
}

static void a_lost_peer_is_an_error(void **state)
{
    struct server server = {.serve = serve_nothing};
    struct dtr_error err = {0};
    static const char bytes[4096];
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    struct dtr_conn *conn = dial(&target);
    finish(&server);
    while (dtr_conn_write(conn, bytes, sizeof(bytes), LONG_MS, &err) == DTR_OK) /* until it hears RST */
        continue;
    assert_int_equal(err.code, DTR_ECLOSED);
    dtr_conn_close(conn);
    dtr_conn_close(NULL);
}

/* --- no connection ---------------------------------------------------------------------------------- */

static void what_cannot_be_reached_is_said(void **state)
{
    struct server server = {.serve = serve_nothing};
    char words[64];
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = plain(&server);
    dtr_conn_close(dial(&target));
    finish(&server); /* nobody listens there now */
    (void)snprintf(words, sizeof(words), "127.0.0.1:%u cannot be reached: Connection refused", target.port);
    refused(&target, DTR_EUNAVAILABLE, words);
    target.host = "localhost";
    refused(&target, DTR_EUNAVAILABLE, ") cannot be reached: Connection refused");
    target.host = "a..b";
    refused(&target, DTR_ENOT_FOUND, "a..b has no address: ");
    target.host = "";
    refused(&target, DTR_EINVALID, "is nothing to dial");
    target.host = "127.0.0.1";
    target.port = 0;
    refused(&target, DTR_EINVALID, "is nothing to dial");
}

static void a_silent_name_server_costs_the_limit(void **state)
{
    struct dtr_conn_target target = {.host = "a.silent.test", .port = 6379, .connect_ms = SHORT_MS};
    (void)state;
    resolver_rig_hush();
    uint64_t begun = dtr_now_ms();
    refused(&target, DTR_ETIMEOUT, "a.silent.test:6379: the name servers do not answer in time");
    assert_in_range(dtr_now_ms() - begun, SHORT_MS, LONG_MS / 2);
    resolver_rig_await(1);
    resolver_rig_speak();
    resolver_rig_await(0);
}

/* A listener whose queue is full answers nobody. */
static void a_host_that_does_not_answer_costs_the_limit(void **state)
{
    enum { FILLERS = 4 };
    struct dtr_addr addr;
    int fillers[FILLERS], listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, NULL), DTR_OK);
    assert_true(bind(listener, &addr.any, addr.length) == 0 && listen(listener, 0) == 0);
    assert_int_equal(getsockname(listener, &addr.any, &addr.length), 0);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], &addr.any, addr.length);
    }
    struct dtr_conn_target target = {
        .host = "127.0.0.1", .port = dtr_addr_port(&addr), .connect_ms = SHORT_MS};
    uint64_t begun = dtr_now_ms();
    refused(&target, DTR_ETIMEOUT, " cannot be reached: Connection timed out");
    assert_in_range(dtr_now_ms() - begun, SHORT_MS, LONG_MS / 2);
    for (int i = 0; i < FILLERS; i++)
        (void)close(fillers[i]);
    (void)close(listener);
}

/* --- TLS -------------------------------------------------------------------------------------------- */

static void tls_carries_bytes_both_ways(void **state)
{
    struct server server = {.serve = serve_echo, .cert = "server", .asks = true};
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = secure(&server, "ca.pem");
    target.cert = tls_rig_path(&rig, "client.pem");
    target.key = tls_rig_path(&rig, "client.key");
    struct dtr_conn *conn = dial(&target);
    struct dtr_error err;
    assert_int_equal(read_fails(conn, 0, &err), DTR_ETIMEOUT); /* the server's tickets carry nothing */
    assert_int_equal(read_fails(conn, SHORT_MS, &err), DTR_ETIMEOUT);
    write_all(conn, "hello", 5);
    check_read(conn, "hello");
    echo_large(conn);
    dtr_conn_close(conn);
    finish(&server);
}

static void a_server_that_cannot_be_trusted_is_refused(void **state)
{
    static const struct {
        const char *cert, *ca, *words;
    } rows[] = {{"server", "other.pem", "is signed by no authority in "},
                {"server", NULL, "is signed by no authority in the system's store"},
                {"elsewhere", "ca.pem", " is for 10.0.0.1, not for 127.0.0.1"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server server = {.serve = serve_echo, .cert = rows[i].cert};
        start(&server, "127.0.0.1");
        struct dtr_conn_target target = secure(&server, rows[i].ca);
        refused(&target, DTR_EDENIED, rows[i].words);
        finish(&server);
        struct server again = {.serve = serve_echo, .cert = rows[i].cert};
        start(&again, "127.0.0.1");
        target.port = again.port;
        target.skip_verify = true; /* a key says so */
        struct dtr_conn *conn = dial(&target);
        write_all(conn, "hello", 5);
        check_read(conn, "hello");
        dtr_conn_close(conn);
        finish(&again);
    }
}

/* With TLS 1.3 the client hears of it with its first read. */
static void a_certificate_that_is_asked_for_and_missing(void **state)
{
    struct server server = {.serve = serve_echo, .cert = "server", .asks = true};
    struct dtr_error err;
    (void)state;
    start(&server, "127.0.0.1");
    struct dtr_conn_target target = secure(&server, "ca.pem");
    struct dtr_conn *conn = dial(&target);
    assert_int_equal(read_fails(conn, LONG_MS, &err), DTR_EDENIED);
    assert_non_null(strstr(err.text, "asks for a certificate, and gets none"));
    dtr_conn_close(conn);
    finish(&server);
}

static void tls_ends_in_order_or_not(void **state)
{
    static const struct {
        void (*serve)(struct server *server);
        const char *words;
    } rows[] = {{serve_end_of_tls, "closed the connection"},
                {serve_nothing, "cut off: the other side ended without TLS's close_notify"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct server server = {.serve = rows[i].serve, .cert = "server"};
        struct dtr_error err;
        start(&server, "127.0.0.1");
        struct dtr_conn_target target = secure(&server, "ca.pem");
        struct dtr_conn *conn = dial(&target);
        go_on(&server);
        assert_int_equal(read_fails(conn, LONG_MS, &err), DTR_ECLOSED);
        assert_non_null(strstr(err.text, rows[i].words));
        dtr_conn_close(conn);
        finish(&server);
    }
}

static void a_peer_without_tls_is_refused(void **state)
{
    struct server talks = {.serve = serve_garbage}, silent = {.serve = serve_nothing};
    (void)state;
    start(&talks, "127.0.0.1");
    struct dtr_conn_target target = secure(&talks, "ca.pem");
    refused(&target, DTR_EPROTOCOL, "does not speak TLS");
    finish(&talks);
    start(&silent, "127.0.0.1");
    target.port = silent.port;
    target.connect_ms = SHORT_MS;
    refused(&target, DTR_ETIMEOUT, "did not finish TLS's handshake within 60 ms");
    finish(&silent);
}

static void files_that_are_no_good_are_named(void **state)
{
    struct server server = {.port = 1};
    struct dtr_conn_target target = secure(&server, "ca.pem");
    (void)state;
    target.cert = tls_rig_path(&rig, "client.pem");
    refused(&target, DTR_EINVALID, "client.pem: needs the file of its key too");
    target.key = tls_rig_path(&rig, "nowhere.key");
    refused(&target, DTR_EINVALID, "nowhere.key: No such file or directory");
}

static int set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* of the other side: OpenSSL's own sockets */
    tls_rig_open(&rig);
    tls_rig_issue(&rig, "server", &(struct tls_rig_wish){.names = "IP:127.0.0.1", .usage = "serverAuth"});
    tls_rig_issue(&rig, "elsewhere", &(struct tls_rig_wish){.names = "IP:10.0.0.1"});
    tls_rig_issue(&rig, "client", &(struct tls_rig_wish){.usage = "clientAuth"});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_rig_close(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_and_come),
        cmocka_unit_test(names_and_v6_are_dialled),
        cmocka_unit_test(a_slow_peer_is_read_as_it_sends),
        cmocka_unit_test(a_silent_peer_costs_the_limit_and_no_more),
        cmocka_unit_test(a_peer_that_takes_nothing_ends_a_write),
        cmocka_unit_test(a_half_closed_connection_takes_bytes),
        cmocka_unit_test(a_lost_peer_is_an_error),
        cmocka_unit_test(what_cannot_be_reached_is_said),
        cmocka_unit_test(a_silent_name_server_costs_the_limit),
        cmocka_unit_test(a_host_that_does_not_answer_costs_the_limit),
        cmocka_unit_test(tls_carries_bytes_both_ways),
        cmocka_unit_test(a_server_that_cannot_be_trusted_is_refused),
        cmocka_unit_test(a_certificate_that_is_asked_for_and_missing),
        cmocka_unit_test(tls_ends_in_order_or_not),
        cmocka_unit_test(a_peer_without_tls_is_refused),
        cmocka_unit_test(files_that_are_no_good_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
