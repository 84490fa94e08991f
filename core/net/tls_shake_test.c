/* The handshake of TLS: who is let in, and who is refused with which words. */
#include "core/net/tls_pair.h"

#include "core/base/digest.h"
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- certificates --------------------------------------------------------------------------------------- */

struct meeting {
    const char *server, *server_ca; /* certificate, and whom it asks callers for */
    const char *client, *client_ca;
    const char *host;
    const char *client_says, *server_says; /* NULL: all is well */
};

static const struct meeting meetings[] = {
    {"good", "ca.pem", "good", "ca.pem", NULL, NULL, NULL},
    {"good", NULL, NULL, "ca.pem", NULL, NULL, NULL},
    {"named", "ca.pem", "good", "ca.pem", "node.test", NULL, NULL},
    {"good", "ca.pem", "good", "ca.pem", "elsewhere.test", NULL, NULL}, /* its address does */
    {"good", "ca.pem", NULL, "ca.pem", NULL, "asks for a certificate, and gets none",
     "shows no certificate; one signed by an authority in "},
    {"good", "ca.pem", "stranger", "ca.pem", NULL, "does not know who signed the certificate in ",
     "its certificate (CN=stranger) is signed by no authority in "},
    {"good", "ca.pem", "late", "ca.pem", NULL, "refuses the certificate as expired in ",
     "its certificate (CN=late) expired on "},
    {"good", "ca.pem", "servers", "ca.pem", NULL, "refuses the certificate for its kind in ",
     "its certificate (CN=servers) may not be used by a client"},
    {"late", NULL, NULL, "ca.pem", NULL, "its certificate (CN=late) expired on ",
     "refuses the certificate as expired in "},
    {"early", NULL, NULL, "ca.pem", NULL, "its certificate (CN=early) is not valid before ",
     "refuses the certificate"},
    {"stranger", NULL, NULL, "ca.pem", NULL, "its certificate (CN=stranger) is signed by no authority in ",
     "does not know who signed the certificate in "},
    {"stranger", NULL, NULL, NULL, NULL, "is signed by no authority in the system's store",
     "does not know who signed the certificate in "},
    {"named", NULL, NULL, "ca.pem", NULL, "its certificate (CN=named) is for node.test, not for 127.0.0.1",
     "refuses the certificate in "},
    {"named", NULL, NULL, "ca.pem", "other.test",
     "its certificate (CN=named) is for node.test, not for other.test", "refuses the certificate in "},
    {"nameless", NULL, NULL, "ca.pem", "nameless",
     "its certificate (CN=nameless) is for no name, not for nameless", "refuses the certificate in "},
};

static void meet(const struct meeting *meeting)
{
    struct pair pair;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, meeting->server_ca, meeting->server);
    pair.client_tls = tls_of(DTR_TLS_CLIENT, meeting->client_ca, meeting->client);
    secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
    secure(&pair, &pair.client, pair.client_tls, meeting->host, 5000);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    dtr_stream_read(pair.client.stream, UINT64_MAX);
    dtr_stream_write(pair.client.stream, "ask", 3);
    dtr_stream_write(pair.server.stream, "back", 4);
    TURN_UNTIL(pair.loop, (pair.server.received == 3 && pair.client.received == 4) ||
                              (pair.server.closed && pair.client.closed));
    if (meeting->client_says) {
        assert_int_equal(pair.server.received, 0);
        expect_end(&pair.client, DTR_EDENIED, meeting->client_says);
        expect_end(&pair.server, DTR_EDENIED, meeting->server_says);
    } else {
        assert_false(pair.server.closed || pair.client.closed);
    }
    close_pair(&pair);
}

static void each_side_judges_the_other_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(meetings) / sizeof(meetings[0]); i++)
        meet(&meetings[i]);
}

/* --- strangers ------------------------------------------------------------------------------------------ */

static void expect_refusal(const char *bytes, size_t length, int code, const char *words)
{
    struct pair pair;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, "ca.pem", "good");
    secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
    assert_int_equal(send(pair.client.fd, bytes, length, 0), length);
    assert_int_equal(shutdown(pair.client.fd, SHUT_WR), 0);
    TURN_UNTIL(pair.loop, pair.server.closed);
    assert_int_equal(pair.server.received, 0);
    expect_end(&pair.server, code, words);
    (void)close(pair.client.fd);
    close_pair(&pair);
}

static void what_is_no_tls_is_refused(void **state)
{
    (void)state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char get[] = "GET / HTTP/1.1\r\n\r\n";
    static const char hello[] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    uint8_t noise[512];
    expect_refusal(preface, sizeof(preface) - 1, DTR_EPROTOCOL, "does not speak TLS");
    expect_refusal(get, sizeof(get) - 1, DTR_EPROTOCOL, "does not speak TLS");
    expect_refusal(hello, sizeof(hello) - 1, DTR_EPROTOCOL, "TLS fails");
    expect_refusal(hello, 7, DTR_ECLOSED, "closed by the other side during the TLS handshake");
    expect_refusal("", 0, DTR_ECLOSED, "closed by the other side during the TLS handshake");
    for (int i = 0; i < 50; i++) {
        dtr_random(noise, sizeof(noise));
        noise[0] = noise[1] = 0x55; /* neither a kind of record nor a version */
        expect_refusal((const char *)noise, sizeof(noise), DTR_EPROTOCOL, "");
    }
}

static void a_server_without_tls_is_told_from_one_with(void **state)
{
    (void)state;
    struct pair pair;
    make_pair(&pair);
    pair.client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", NULL);
    secure(&pair, &pair.client, pair.client_tls, NULL, 5000);
    assert_int_equal(send(pair.server.fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0), 28);
    assert_int_equal(shutdown(pair.server.fd, SHUT_WR), 0);
    TURN_UNTIL(pair.loop, pair.client.closed);
    expect_end(&pair.client, DTR_EPROTOCOL, "does not speak TLS");
    (void)close(pair.server.fd);
    close_pair(&pair);
}

static void a_handshake_has_its_time(void **state)
{
    (void)state;
    struct pair pair;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, NULL, "good");
    secure(&pair, &pair.server, pair.server_tls, NULL, 50);
    dtr_stream_deadline(pair.server.stream, 60000, 0); /* counts from the handshake on */
    assert_int_equal(send(pair.client.fd, "\x16\x03\x01", 3, 0), 3);
    TURN_UNTIL(pair.loop, pair.server.closed);
    expect_end(&pair.server, DTR_ETIMEOUT, "no TLS handshake in time");
    (void)close(pair.client.fd);
    close_pair(&pair);
    make_pair(&pair);
    pair.client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", NULL);
    secure(&pair, &pair.client, pair.client_tls, NULL, 50);
    TURN_UNTIL(pair.loop, pair.client.closed);
    expect_end(&pair.client, DTR_ETIMEOUT, "no TLS handshake in time");
    (void)close(pair.server.fd);
    close_pair(&pair);
}

/* --- a client of OpenSSL's own -------------------------------------------------------------------------- */

static SSL *raw_client(const struct pair *pair, SSL_CTX **ret_ctx, int version, const char *protocol)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    (void)SSL_CTX_set_min_proto_version(ctx, version);
    (void)SSL_CTX_set_max_proto_version(ctx, version);
    if (protocol)
        (void)SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)protocol, (unsigned)strlen(protocol));
    SSL *ssl = SSL_new(ctx);
    assert_int_equal(SSL_set_fd(ssl, pair->client.fd), 1);
    SSL_set_connect_state(ssl);
    *ret_ctx = ctx;
    return ssl;
}

static void client_is_readable(void *context, int events)
{
    (void)context;
    (void)events;
}

/* The client's socket wakes the loop as well. */
static struct dtr_watch *watch_client(const struct pair *pair)
{
    struct dtr_watch *watch = NULL;
    assert_int_equal(dtr_watch_open(pair->loop, pair->client.fd, client_is_readable, NULL, &watch, NULL),
                     DTR_OK);
    dtr_watch_set(watch, DTR_READABLE);
    return watch;
}

static bool shake(SSL *ssl, int *answer)
{
    *answer = SSL_do_handshake(ssl);
    return *answer == 1 || SSL_get_error(ssl, *answer) != SSL_ERROR_WANT_READ;
}

/* Goes on with the handshake until it is done (true) or fails. */
static bool drive(struct pair *pair, SSL *ssl)
{
    int answer = 0;
    struct dtr_watch *watch = watch_client(pair);
    TURN_UNTIL(pair->loop, shake(ssl, &answer));
    dtr_watch_close(watch);
    return answer == 1;
}

static void free_client(struct pair *pair, SSL *ssl, SSL_CTX *ctx)
{
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(pair->client.fd);
    close_pair(pair);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    SSL_CTX *ctx;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, NULL, "good");
    secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    SSL *ssl = raw_client(&pair, &ctx, TLS1_2_VERSION, "\2h2");
    assert_true(drive(&pair, ssl));
    assert_int_equal(SSL_write(ssl, "0123456789", 10), 10);
    TURN_UNTIL(pair.loop, pair.server.received >= 10);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_false(drive(&pair, ssl));
    free_client(&pair, ssl, ctx);
}

static void new_keys_may_come_in_between(void **state)
{
    (void)state;
    struct pair pair;
    SSL_CTX *ctx;
    char answer[8];
    int count = -1;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, NULL, "good");
    secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    SSL *ssl = raw_client(&pair, &ctx, TLS1_3_VERSION, "\2h2");
    assert_true(drive(&pair, ssl));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(ssl, "01234567", 8), 8);
    }
    TURN_UNTIL(pair.loop, pair.server.received >= 16);
    dtr_stream_write(pair.server.stream, "back", 4);
    struct dtr_watch *watch = watch_client(&pair);
    TURN_UNTIL(pair.loop, (count = SSL_read(ssl, answer, sizeof(answer))) > 0);
    dtr_watch_close(watch);
    assert_int_equal(count, 4);
    free_client(&pair, ssl, ctx);
}

static void old_versions_and_other_protocols_are_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *protocol, *words;
    } cases[] = {{TLS1_1_VERSION, NULL, "offers no TLS version that is spoken here"},
                 {TLS1_3_VERSION, "\x8http/1.1", "does not offer HTTP/2"}};
    for (size_t i = 0; i < 2; i++) {
        struct pair pair;
        SSL_CTX *ctx;
        make_pair(&pair);
        pair.server_tls = tls_of(DTR_TLS_SERVER, NULL, "good");
        secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
        SSL *ssl = raw_client(&pair, &ctx, cases[i].version, cases[i].protocol);
        assert_false(drive(&pair, ssl));
        assert_int_equal(shutdown(pair.client.fd, SHUT_WR), 0);
        TURN_UNTIL(pair.loop, pair.server.closed);
        expect_end(&pair.server, DTR_EPROTOCOL, cases[i].words);
        free_client(&pair, ssl, ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_judges_the_other_and_says_why),
        cmocka_unit_test(what_is_no_tls_is_refused),
        cmocka_unit_test(a_server_without_tls_is_told_from_one_with),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(new_keys_may_come_in_between),
        cmocka_unit_test(old_versions_and_other_protocols_are_refused),
    };
    return cmocka_run_group_tests(tests, tls_set_up, tls_tear_down);
}
