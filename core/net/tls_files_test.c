/* The files of TLS: how they are judged, and what happens when they change. */
#include "core/net/tls_pair.h"

#include "core/obs/log.h"
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

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

/* --- files that change ---------------------------------------------------------------------------------- */

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
    pair->server.closed = pair->client.closed = false;
    pair->client.drained = 0;
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
    TURN_UNTIL(pair->loop, !pair->client.stream && !pair->server.stream);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_judged_with_their_names),
        cmocka_unit_test(new_connections_use_new_files_and_bad_ones_change_nothing),
    };
    return cmocka_run_group_tests(tests, tls_set_up, tls_tear_down);
}
