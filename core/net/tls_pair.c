/* See tls_pair.h. */
#include "core/net/tls_pair.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct tls_rig rig;

struct dtr_tls *tls_of(enum dtr_tls_side side, const char *ca, const char *name)
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

void connect_sockets(struct pair *pair)
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

void make_pair(struct pair *pair)
{
    *pair = (struct pair){0};
    assert_int_equal(dtr_loop_new("test", &pair->loop, NULL), DTR_OK);
    connect_sockets(pair);
}

void secure(struct pair *pair, struct end *end, struct dtr_tls *tls, const char *host, uint64_t limit_ms)
{
    assert_int_equal(dtr_stream_new(pair->loop, end->fd, &end_events, end, &end->stream, NULL), DTR_OK);
    assert_int_equal(dtr_stream_secure(end->stream, tls, host, limit_ms, NULL), DTR_OK);
}

void open_tls_pair(struct pair *pair)
{
    make_pair(pair);
    pair->server_tls = tls_of(DTR_TLS_SERVER, "ca.pem", "good");
    pair->client_tls = tls_of(DTR_TLS_CLIENT, "ca.pem", "good");
    secure(pair, &pair->server, pair->server_tls, NULL, 5000);
    secure(pair, &pair->client, pair->client_tls, NULL, 5000);
}

void settle(struct pair *pair)
{
    dtr_stream_write(pair->client.stream, "", 0);
    dtr_stream_write(pair->server.stream, "", 0);
    TURN_UNTIL(pair->loop, pair->server.drained && pair->client.drained);
    pair->client.drained = pair->server.drained = 0;
}

void expect_end(const struct end *end, int code, const char *words)
{
    if (end->result.code != code || !strstr(end->result.text, words))
        fail_msg("%d '%s', wanted %d '%s'", end->result.code, end->result.text, code, words);
    assert_non_null(strstr(end->result.text, "127.0.0.1:")); /* the peer's address */
}

int tls_set_up(void **state)
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

int tls_tear_down(void **state)
{
    (void)state;
    tls_rig_close(&rig);
    return 0;
}
