/* TLS on streams, by example on loopback: what goes through, and what is refused with which words. */
#include "core/base/digest.h"
#include "core/net/stream.h"
#include "core/net/tls.h"
#include "core/net/tls_rig.h"

#include "core/loop/loop.h"
#include "core/obs/log.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct tls_rig rig;

/* One side of a connection. */
struct end {
    int fd; /* the stream's, or the test's own when there is no stream */
    struct dtr_stream *stream;
    uint64_t received, grant; /* `grant`: credit given for each byte that came */
    uint32_t sum;
    bool ended, closed, drained;
    struct dtr_error result;
};

struct pair {
    struct dtr_loop *loop;
    struct dtr_tls *server_tls, *client_tls;
    struct end server, client;
};

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct end *end = context;
    end->received += length;
    for (size_t i = 0; i < length; i++)
        end->sum = end->sum * 31 + bytes[i];
    if (end->grant)
        dtr_stream_read(end->stream, length);
}

static void on_end(void *context)
{
    ((struct end *)context)->ended = true;
}

static void on_drained(void *context)
{
    ((struct end *)context)->drained = true;
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct end *end = context;
    end->closed = true;
    end->stream = NULL;
    end->result = *err;
}

static const struct dtr_stream_events end_events = {on_data, on_end, on_drained, on_closed};

static struct dtr_tls *tls_of(enum dtr_tls_side side, const char *ca, const char *name)
{
    char cert[64], key[64];
    struct dtr_tls_options options = {.side = side, .http2 = true, .who = "test"};
    struct dtr_tls *tls = NULL;
    struct dtr_error err;
    (void)snprintf(cert, sizeof(cert), "%s.pem", name ? name : "");
    (void)snprintf(key, sizeof(key), "%s.key", name ? name : "");
    options.files[DTR_TLS_CA_CERT] = ca ? tls_rig_path(&rig, ca) : NULL;
    options.files[DTR_TLS_CERT] = name ? tls_rig_path(&rig, cert) : NULL;
    options.files[DTR_TLS_KEY] = name ? tls_rig_path(&rig, key) : NULL;
    if (dtr_tls_new(&options, &tls, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return tls;
}

/* Connected sockets on 127.0.0.1. */
static void connect_sockets(struct pair *pair)
{
    struct dtr_addr addr;
    int on = 1;
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, NULL), DTR_OK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(bind(listener, &addr.any, addr.length) == 0 && listen(listener, 1) == 0);
    assert_int_equal(getsockname(listener, &addr.any, &addr.length), 0);
    pair->client.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair->client.fd, &addr.any, addr.length), 0);
    pair->server.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(pair->server.fd >= 0);
    (void)close(listener);
    (void)setsockopt(pair->server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(fcntl(pair->client.fd, F_SETFL, O_NONBLOCK), 0);
}

static void make_pair(struct pair *pair)
{
    *pair = (struct pair){0};
    assert_int_equal(dtr_loop_new("test", &pair->loop, NULL), DTR_OK);
    connect_sockets(pair);
}

static void secure(struct pair *pair, struct end *end, struct dtr_tls *tls, const char *host,
                   uint64_t limit_ms)
{
    assert_int_equal(dtr_stream_new(pair->loop, end->fd, &end_events, end, &end->stream, NULL), DTR_OK);
    assert_int_equal(dtr_stream_secure(end->stream, tls, host, limit_ms, NULL), DTR_OK);
}

/* Both ends speak TLS; each has a certificate and asks for one. */
static void open_pair(struct pair *pair)
{
    make_pair(pair);
    pair->server_tls = tls_of(DTR_TLS_SERVER, "ca.pem", "good");
    pair->client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", "good");
    secure(pair, &pair->server, pair->server_tls, NULL, 5000);
    secure(pair, &pair->client, pair->client_tls, NULL, 5000);
}

static void on_late(void *context)
{
    (void)context;
    fprintf(stderr, "the awaited event did not come within 10 s\n");
    abort();
}

static void run_until(struct pair *pair, bool (*until)(const struct pair *))
{
    struct dtr_timer *late = NULL;
    assert_int_equal(dtr_timer_open(pair->loop, on_late, NULL, &late, NULL), DTR_OK);
    dtr_timer_set(late, 10000);
    while (!until(pair))
        dtr_loop_turn(pair->loop, true);
    dtr_timer_close(late);
}

static bool nobody_is_left(const struct pair *pair)
{
    return !pair->client.stream && !pair->server.stream;
}

static void close_pair(struct pair *pair)
{
    if (pair->client.stream)
        dtr_stream_close(pair->client.stream, false);
    if (pair->server.stream)
        dtr_stream_close(pair->server.stream, false);
    run_until(pair, nobody_is_left);
    dtr_tls_drop(pair->server_tls);
    dtr_tls_drop(pair->client_tls);
    dtr_loop_free(pair->loop);
}

static bool server_closed(const struct pair *pair)
{
    return pair->server.closed;
}

static bool client_closed(const struct pair *pair)
{
    return pair->client.closed;
}

static bool both_closed(const struct pair *pair)
{
    return pair->server.closed && pair->client.closed;
}

static bool server_ended(const struct pair *pair)
{
    return pair->server.ended;
}

static bool client_ended(const struct pair *pair)
{
    return pair->client.ended;
}

static bool both_drained(const struct pair *pair)
{
    return pair->server.drained && pair->client.drained;
}

/* Handshake done on both sides. */
static void settle(struct pair *pair)
{
    dtr_stream_write(pair->client.stream, "", 0);
    dtr_stream_write(pair->server.stream, "", 0);
    run_until(pair, both_drained);
    pair->client.drained = pair->server.drained = false;
}

/* --- what goes through ------------------------------------------------------------------------------------
 */

enum { BIG = 12 << 20, WINDOW = 100000 };

static void count_release(void *context)
{
    (*(int *)context)++;
}

/* A file, memory and written bytes, with a reader who takes a little at a time. */
static void big_things_arrive_whole_within_the_credit(void **state)
{
    (void)state;
    struct pair pair;
    int released = 0, fd = memfd_create("big", MFD_CLOEXEC);
    uint8_t *bytes = malloc(BIG);
    uint32_t sum = 0;
    assert_non_null(bytes);
    dtr_random(bytes, BIG);
    assert_int_equal(write(fd, bytes, BIG), BIG);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < BIG; i++)
            sum = sum * 31 + bytes[i];
    }
    for (const char *c = "tail"; *c; c++)
        sum = sum * 31 + (uint8_t)*c;
    open_pair(&pair);
    pair.server.grant = 1;
    dtr_stream_read(pair.server.stream, WINDOW);
    const struct dtr_extent file = {
        .fd = fd, .length = BIG, .release = count_release, .release_context = &released};
    const struct dtr_extent memory = {
        .fd = -1, .data = bytes, .length = BIG, .release = count_release, .release_context = &released};
    dtr_stream_send(pair.client.stream, &file);
    dtr_stream_send(pair.client.stream, &memory);
    dtr_stream_write(pair.client.stream, "tail", 4);
    dtr_stream_end(pair.client.stream);
    run_until(&pair, server_ended);
    assert_int_equal(pair.server.received, 2 * (uint64_t)BIG + 4);
    assert_int_equal(pair.server.sum, sum);
    assert_int_equal(released, 2);
    assert_int_equal(dtr_stream_sent(pair.client.stream), 2 * (uint64_t)BIG + 4);
    assert_int_equal(dtr_stream_received(pair.server.stream), 2 * (uint64_t)BIG + 4);
    close_pair(&pair);
    free(bytes);
    (void)close(fd);
}

static bool server_has_ten(const struct pair *pair)
{
    return pair->server.received >= 10;
}

static bool server_has_sixteen(const struct pair *pair)
{
    return pair->server.received >= 16;
}

/* The rest of a record is in OpenSSL's hands, where the socket's readiness does not tell of it. */
static void what_the_credit_left_behind_comes_with_the_next(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, 10);
    dtr_stream_write(pair.client.stream, "0123456789abcdef", 16);
    run_until(&pair, server_has_ten);
    for (int i = 0; i < 10; i++)
        dtr_loop_turn(pair.loop, false);
    assert_int_equal(pair.server.received, 10);
    dtr_stream_read(pair.server.stream, 3);
    dtr_stream_read(pair.server.stream, 3);
    run_until(&pair, server_has_sixteen);
    close_pair(&pair);
}

static bool client_has_four(const struct pair *pair)
{
    return pair->client.received == 4;
}

static void the_half_closed_side_still_receives(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    dtr_stream_read(pair.client.stream, UINT64_MAX);
    dtr_stream_write(pair.client.stream, "ask", 3);
    dtr_stream_end(pair.client.stream);
    run_until(&pair, server_ended);
    assert_int_equal(pair.server.received, 3);
    dtr_stream_write(pair.server.stream, "back", 4);
    run_until(&pair, client_has_four);
    assert_false(pair.client.ended);
    dtr_stream_close(pair.server.stream, true);
    run_until(&pair, client_ended);
    assert_false(pair.client.closed);
    close_pair(&pair);
}

/* --- how it ends -------------------------------------------------------------------------------------------
 */

static void expect(const struct end *end, int code, const char *words)
{
    if (end->result.code != code || !strstr(end->result.text, words))
        fail_msg("%d '%s', wanted %d '%s'", end->result.code, end->result.text, code, words);
    assert_non_null(strstr(end->result.text, "127.0.0.1:")); /* the peer's address */
}

static void an_end_without_close_notify_is_no_end(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    assert_int_equal(shutdown(pair.client.fd, SHUT_WR), 0);
    run_until(&pair, server_closed);
    assert_false(pair.server.ended);
    expect(&pair.server, DTR_ECLOSED, "cut off");
    close_pair(&pair);
}

/* A client that is being served must not take the bytes for complete. */
static void a_stream_that_is_given_up_looks_cut_off(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    dtr_stream_close(pair.client.stream, false);
    run_until(&pair, server_closed);
    assert_false(pair.server.ended);
    expect(&pair.server, DTR_ECLOSED, "cut off");
    close_pair(&pair);
}

static void a_stream_closed_after_its_bytes_ends_in_order(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t *bytes = calloc(1, BIG); /* more than the kernel holds while nobody reads */
    const struct dtr_extent extent = {.fd = -1, .data = bytes, .length = BIG};
    open_pair(&pair);
    dtr_stream_write(pair.client.stream, "0123456789", 10);
    dtr_stream_send(pair.client.stream, &extent);
    dtr_stream_close(pair.client.stream, true);
    for (int i = 0; i < 100; i++)
        dtr_loop_turn(pair.loop, false);
    pair.server.grant = 1;
    dtr_stream_read(pair.server.stream, WINDOW);
    run_until(&pair, server_ended);
    assert_int_equal(pair.server.received, 10 + (uint64_t)BIG);
    assert_false(pair.server.closed);
    close_pair(&pair);
    free(bytes);
}

static void bytes_that_were_changed_on_the_way_break_it_off(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    assert_int_equal(send(pair.client.fd,
                          "\x17\x03\x03\x00\x20"
                          "01234567890123456789012345678901",
                          37, 0),
                     37);
    run_until(&pair, server_closed);
    assert_int_equal(pair.server.received, 0);
    expect(&pair.server, DTR_EPROTOCOL, "TLS fails");
    close_pair(&pair);
}

/* --- certificates ------------------------------------------------------------------------------------------
 */

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

static bool bytes_came_or_it_failed(const struct pair *pair)
{
    return (pair->server.received == 3 && pair->client.received == 4) || both_closed(pair);
}

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
    run_until(&pair, bytes_came_or_it_failed);
    if (meeting->client_says) {
        assert_int_equal(pair.server.received, 0);
        expect(&pair.client, DTR_EDENIED, meeting->client_says);
        expect(&pair.server, DTR_EDENIED, meeting->server_says);
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

/* --- strangers ---------------------------------------------------------------------------------------------
 */

static void expect_refusal(const char *bytes, size_t length, int code, const char *words)
{
    struct pair pair;
    make_pair(&pair);
    pair.server_tls = tls_of(DTR_TLS_SERVER, "ca.pem", "good");
    secure(&pair, &pair.server, pair.server_tls, NULL, 5000);
    assert_int_equal(send(pair.client.fd, bytes, length, 0), length);
    assert_int_equal(shutdown(pair.client.fd, SHUT_WR), 0);
    run_until(&pair, server_closed);
    assert_int_equal(pair.server.received, 0);
    expect(&pair.server, code, words);
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
    run_until(&pair, client_closed);
    expect(&pair.client, DTR_EPROTOCOL, "does not speak TLS");
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
    run_until(&pair, server_closed);
    expect(&pair.server, DTR_ETIMEOUT, "no TLS handshake in time");
    (void)close(pair.client.fd);
    close_pair(&pair);
    make_pair(&pair);
    pair.client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", NULL);
    secure(&pair, &pair.client, pair.client_tls, NULL, 50);
    run_until(&pair, client_closed);
    expect(&pair.client, DTR_ETIMEOUT, "no TLS handshake in time");
    (void)close(pair.server.fd);
    close_pair(&pair);
}

/* --- a client of OpenSSL's own
 * ------------------------------------------------------------------------------ */

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

/* Goes on with the handshake until it is done (true) or fails. */
static bool drive(struct pair *pair, SSL *ssl)
{
    for (int i = 0; i < 1000; i++) {
        int answer = SSL_do_handshake(ssl);
        if (answer == 1 || SSL_get_error(ssl, answer) != SSL_ERROR_WANT_READ)
            return answer == 1;
        dtr_loop_turn(pair->loop, false);
    }
    return false;
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
    run_until(&pair, server_has_ten);
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
    run_until(&pair, server_has_sixteen);
    dtr_stream_write(pair.server.stream, "back", 4);
    for (int i = 0; i < 1000 && count <= 0; i++) {
        dtr_loop_turn(pair.loop, false);
        count = SSL_read(ssl, answer, sizeof(answer));
    }
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
        run_until(&pair, server_closed);
        expect(&pair.server, DTR_EPROTOCOL, cases[i].words);
        free_client(&pair, ssl, ctx);
    }
}

/* --- files
 * -------------------------------------------------------------------------------------------------- */

static void check(enum dtr_tls_side side, const char *ca, const char *cert, const char *key,
                  enum dtr_tls_file blame, const char *words)
{
    const struct dtr_tls_options options = {.side = side,
                                            .files = {ca ? tls_rig_path(&rig, ca) : NULL,
                                                      cert ? tls_rig_path(&rig, cert) : NULL,
                                                      key ? tls_rig_path(&rig, key) : NULL}};
    char warning[DTR_TLS_WARNING];
    enum dtr_tls_file found = DTR_TLS_FILES;
    struct dtr_error err = {0};
    int rc = dtr_tls_check(&options, &found, warning, &err);
    const char *said = rc == DTR_OK ? warning : err.text;
    if (!strstr(said, words) || (rc != DTR_OK && found != blame) || (*said && !strstr(said, rig.folder)))
        fail_msg("%d: '%s', wanted %d: '%s'", (int)found, said, (int)blame, words);
}

static void files_are_judged_with_their_names(void **state)
{
    (void)state;
    tls_rig_write(&rig, "text", "this is no certificate\n");
    tls_rig_lock_key(&rig, "locked.key");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", "good.key", DTR_TLS_CERT, "");
    check(DTR_TLS_CLIENT, "ca.pem", NULL, NULL, DTR_TLS_CERT, "");
    check(DTR_TLS_SERVER, NULL, "late.pem", "late.key", DTR_TLS_CERT,
          "late.pem: the certificate expired on 20");
    check(DTR_TLS_SERVER, NULL, "early.pem", "early.key", DTR_TLS_CERT,
          "early.pem: the certificate is not valid before 20");
    check(DTR_TLS_SERVER, "none", "good.pem", "good.key", DTR_TLS_CA_CERT, "none: No such file");
    check(DTR_TLS_SERVER, "text", "good.pem", "good.key", DTR_TLS_CA_CERT, "text: holds no certificate");
    check(DTR_TLS_SERVER, "", "good.pem", "good.key", DTR_TLS_CA_CERT, "is not a file");
    check(DTR_TLS_SERVER, "ca.pem", "none", "good.key", DTR_TLS_CERT, "none: No such file");
    check(DTR_TLS_SERVER, "ca.pem", "text", "good.key", DTR_TLS_CERT, "text: holds no certificate");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", "none", DTR_TLS_KEY, "none: No such file");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", "text", DTR_TLS_KEY, "text: holds no private key");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", "late.key", DTR_TLS_KEY,
          "late.key: is not the key of the certificate in ");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", NULL, DTR_TLS_CERT,
          "good.pem: needs the file of its key too");
    check(DTR_TLS_CLIENT, "ca.pem", NULL, "good.key", DTR_TLS_KEY,
          "good.key: needs the file of its certificate too");
    check(DTR_TLS_SERVER, "ca.pem", NULL, NULL, DTR_TLS_CA_CERT,
          "ca.pem: a server needs a certificate and its key");
    check(DTR_TLS_SERVER, "ca.pem", "good.pem", "locked.key", DTR_TLS_KEY, "locked.key: is encrypted");
}

/* --- files that change
 * --------------------------------------------------------------------------------------- */

static size_t log_lines(const char *path, const char *words)
{
    char line[1024];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(dtr_log_flush(5000));
    while (fgets(line, sizeof(line), file))
        count += strstr(line, words) != NULL;
    (void)fclose(file);
    return count;
}

/* Whether a new connection to it is for `host`. */
static bool shows(struct pair *pair, const char *host)
{
    connect_sockets(pair);
    pair->server.closed = pair->client.closed = pair->client.drained = false;
    secure(pair, &pair->server, pair->server_tls, NULL, 5000);
    secure(pair, &pair->client, pair->client_tls, host, 5000);
    dtr_stream_read(pair->client.stream, UINT64_MAX);
    dtr_stream_read(pair->server.stream, UINT64_MAX);
    dtr_stream_write(pair->client.stream, "", 0);
    while (!pair->client.drained && !pair->client.closed)
        dtr_loop_turn(pair->loop, true);
    bool good = pair->client.drained;
    if (pair->client.stream)
        dtr_stream_close(pair->client.stream, false);
    run_until(pair, nobody_is_left);
    return good;
}

static void new_connections_use_new_files_and_bad_ones_change_nothing(void **state)
{
    (void)state;
    struct pair pair = {0};
    char log[] = "/tmp/dtr_tls_test.XXXXXX";
    const struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = log};
    assert_int_equal(close(mkstemp(log)), 0);
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    assert_int_equal(dtr_loop_new("test", &pair.loop, NULL), DTR_OK);
    tls_rig_issue(&rig, "turning", &(struct tls_rig_wish){.names = "DNS:one.test"});
    pair.server_tls = tls_of(DTR_TLS_SERVER, NULL, "turning");
    pair.client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", NULL);
    assert_int_equal(dtr_tls_follow(pair.server_tls, pair.loop, 3600000, NULL), DTR_OK);
    dtr_tls_interval(pair.server_tls, 20);
    assert_true(shows(&pair, "one.test"));
    assert_false(shows(&pair, "two.test"));

    tls_rig_write(&rig, "turning.pem", "half a certificate");
    while (log_lines(log, "the certificates stay as they are: ") == 0)
        assert_true(shows(&pair, "one.test"));
    assert_int_equal(log_lines(log, "turning.pem: holds no certificate"), 1);

    tls_rig_issue(&rig, "turning", &(struct tls_rig_wish){.names = "DNS:two.test"});
    while (!shows(&pair, "two.test"))
        ;
    assert_false(shows(&pair, "one.test"));
    assert_true(log_lines(log, "new connections go by what is in ") > 0);

    tls_rig_issue(&rig, "turning",
                  &(struct tls_rig_wish){.names = "DNS:two.test", .from_s = -60, .until_s = -1});
    while (log_lines(log, "turning.pem: the certificate expired on ") == 0)
        assert_true(shows(&pair, "two.test") || log_lines(log, "go by") > 1);
    close_pair(&pair);
    dtr_log_stop();
    (void)unlink(log);
}

static int open_rig(void **state)
{
    (void)state;
    const struct tls_rig_wish good = {.names = "IP:127.0.0.1"};
    const struct tls_rig_wish stranger = {.names = "IP:127.0.0.1", .other = true};
    const struct tls_rig_wish late = {.names = "IP:127.0.0.1", .from_s = -7200, .until_s = -3600};
    const struct tls_rig_wish early = {.names = "IP:127.0.0.1", .from_s = 3600, .until_s = 7200};
    const struct tls_rig_wish named = {.names = "DNS:node.test"}, nameless = {0};
    const struct tls_rig_wish servers = {.names = "IP:127.0.0.1", .usage = "serverAuth"};
    tls_rig_open(&rig);
    tls_rig_issue(&rig, "good", &good);
    tls_rig_issue(&rig, "stranger", &stranger);
    tls_rig_issue(&rig, "late", &late);
    tls_rig_issue(&rig, "early", &early);
    tls_rig_issue(&rig, "named", &named);
    tls_rig_issue(&rig, "nameless", &nameless);
    tls_rig_issue(&rig, "servers", &servers);
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
        cmocka_unit_test(files_are_judged_with_their_names),
        cmocka_unit_test(big_things_arrive_whole_within_the_credit),
        cmocka_unit_test(what_the_credit_left_behind_comes_with_the_next),
        cmocka_unit_test(the_half_closed_side_still_receives),
        cmocka_unit_test(an_end_without_close_notify_is_no_end),
        cmocka_unit_test(a_stream_that_is_given_up_looks_cut_off),
        cmocka_unit_test(a_stream_closed_after_its_bytes_ends_in_order),
        cmocka_unit_test(bytes_that_were_changed_on_the_way_break_it_off),
        cmocka_unit_test(each_side_judges_the_other_and_says_why),
        cmocka_unit_test(what_is_no_tls_is_refused),
        cmocka_unit_test(a_server_without_tls_is_told_from_one_with),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(new_keys_may_come_in_between),
        cmocka_unit_test(old_versions_and_other_protocols_are_refused),
        cmocka_unit_test(new_connections_use_new_files_and_bad_ones_change_nothing),
    };
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
