/* What database_mysql promises beyond the contract of its kind, which the conformance program checks: logins,
 * TLS, limits, servers that are too old or false.  database_mysql_test SERVER, the script of that name. */
#include "server_rig.h"

#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

/* --- logins
 * ------------------------------------------------------------------------------------------------- */

static void logins_are_judged(void **state)
{
    long port = number_in("port");
    (void)state;
    assert_open(port, NULL, 0, DTR_OK, "");
    assert_open(port, LIST("password=another"), DTR_EDENIED, "see user and password");
    assert_open(port, LIST("user=nobody"), DTR_EDENIED, "see user and password");
    assert_open(port, LIST("dbname=mysql"), DTR_EDENIED, "GRANT");
    assert_open(port, LIST("dbname="), DTR_OK, "");
    assert_open(port, LIST("host=no-such-host.invalid"), DTR_EUNAVAILABLE, "no-such-host.invalid");
    assert_open(1, NULL, 0, DTR_EUNAVAILABLE, "127.0.0.1:1");
}

static void settings_are_judged(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_int_equal(start(&f, 3306, LIST("host=")), DTR_EINVALID);
    assert_non_null(strstr(f.err.text, "option host"));
    assert_int_equal(start(&f, 3306, LIST("user=")), DTR_EINVALID);
    assert_non_null(strstr(f.err.text, "option user"));
    assert_int_equal(start(&f, 3306, LIST("tlsConfig=always")), DTR_EINVALID);
    assert_non_null(strstr(f.err.text, "skip-verify"));
}

/* --- TLS
 * ------------------------------------------------------------------------------------------------------ */

static void servers_prove_who_they_are(void **state)
{
    long port = number_in("port");
    (void)state;
    assert_open(port, LIST("tls.caCert=@/ca.pem"), DTR_OK, "");
    assert_open(port, LIST("tls.caCert=@/other.pem"), DTR_EUNAVAILABLE, "TLS");
    assert_open(port, LIST("tls.caCert=@/ca.pem", "host=localhost"), DTR_EUNAVAILABLE,
                "TLS"); /* for 127.0.0.1 */
    assert_open(port, LIST("tlsConfig=true"), DTR_EUNAVAILABLE, "TLS");
    assert_open(port, LIST("tlsConfig=skip-verify"), DTR_OK, "");
    assert_open(port, LIST("tlsConfig=preferred"), DTR_OK, "");
    assert_open(port, LIST("tls.caCert=@/other.pem", "tls.insecureSkipVerify=true"), DTR_OK, "");
    assert_open(port, LIST("tls.insecureSkipVerify=true", "tlsConfig=false"), DTR_OK, "");
    assert_open(port, LIST("tls.caCert=@/none.pem"), DTR_EINVALID, "tls.caCert");
    assert_open(port, LIST("user=tls", "tls.caCert=@/ca.pem"), DTR_EDENIED, "see user");
    assert_open(port,
                LIST("user=tls", "tls.caCert=@/ca.pem", "tls.cert=@/client.pem", "tls.key=@/client.key"),
                DTR_OK, "");
}

static void servers_without_tls(void **state)
{
    (void)state;
    server("stop", "");
    server("start", "plain");
    long port = number_in("port");
    assert_open(port, LIST("tls.caCert=@/ca.pem"), DTR_EUNAVAILABLE, "TLS");
    assert_open(port, LIST("tlsConfig=true"), DTR_EUNAVAILABLE, "TLS");
    assert_open(port, LIST("tlsConfig=skip-verify"), DTR_EUNAVAILABLE, "TLS");
    assert_open(port, LIST("tlsConfig=preferred"), DTR_OK, "");
    server("stop", "");
    server("start", "");
}

static void the_line_is_encrypted(void **state)
{
    static const char *const modes[] = {"tlsConfig=false", "tlsConfig=preferred", "tlsConfig=skip-verify"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = {0};
        assert_int_equal(start(&f, number_in("port"), &modes[i], 1), DTR_OK);
        struct dtr_db *db = open_usual(&f);
        assert_int_equal(number_of(&f, db,
                                   "SELECT variable_value <> '' FROM information_schema.session_status"
                                   " WHERE variable_name = 'Ssl_cipher'"),
                         i > 0);
        ops->close(db);
        dtr_testhost_stop(&f.started);
    }
}

/* --- limits
 * ------------------------------------------------------------------------------------------------------- */

static void too_long_a_statement_is_refused(void **state)
{
    struct fixture f = {0};
    size_t length = (size_t)17 << 20;
    char *text = malloc(length);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', length);
    start_usual(&f);
    struct dtr_db *db = open_usual(&f);
    struct dtr_value value = {.type = DTR_VALUE_TEXT, .text = text, .length = length};
    assert_int_equal(ops->run(db, "SELECT LENGTH(?)", &value, 1, NULL, NULL, &f.err), DTR_EINVALID);
    assert_non_null(strstr(f.err.text, "max_allowed_packet"));
    value.length = (size_t)15 << 20;
    assert_int_equal(ops->run(db, "SELECT LENGTH(?)", &value, 1, NULL, NULL, &f.err), DTR_OK);
    ops->close(db);
    dtr_testhost_stop(&f.started);
    free(text);
}

static void databases_have_locks_of_their_own(void **state)
{
    struct fixture f = {0}, g = {0};
    (void)state;
    start_usual(&f);
    assert_int_equal(start(&g, number_in("port"), LIST("dbname=second")), DTR_OK);
    struct dtr_db *db = open_usual(&f), *other = open_usual(&g);
    assert_int_equal(ops->lock(db, "it", 0, &f.err), DTR_OK);
    assert_int_equal(ops->lock(other, "it", 0, &f.err), DTR_OK);
    ops->close(db);
    ops->close(other);
    dtr_testhost_stop(&f.started);
    dtr_testhost_stop(&g.started);
}

/* --- false servers
 * --------------------------------------------------------------------------------------------------- */

/* Greets with a version and a plugin, and answers what comes with one packet. */
struct impostor {
    int listener;
    const char *version, *plugin;
    const char *answer;
    size_t answer_length;
    char heard[4096];
    size_t heard_length;
};

static size_t greeting(const struct impostor *impostor, char *packet)
{
    static const char salt[] = "12345678901234567890";
    size_t at = 4;
    packet[at++] = 10;
    at += (size_t)(stpcpy(packet + at, impostor->version) - (packet + at)) + 1;
    memcpy(packet + at, "\x07\0\0\0", 4);
    at += 4;
    memcpy(packet + at, salt, 8);
    at += 8;
    packet[at++] = 0;
    /* CLIENT_PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB, TRANSACTIONS; utf8; autocommit */
    memcpy(packet + at, "\x0a\xa2\x21\x02\0\x08\0\x15", 8);
    at += 8;
    memset(packet + at, 0, 10);
    at += 10;
    memcpy(packet + at, salt + 8, 13);
    at += 13;
    at += (size_t)(stpcpy(packet + at, impostor->plugin) - (packet + at)) + 1;
    packet[0] = (char)(at - 4);
    packet[1] = packet[2] = packet[3] = 0;
    return at;
}

static void *impersonate(void *context)
{
    struct impostor *impostor = context;
    char packet[256];
    ssize_t got;
    int fd = accept(impostor->listener, NULL, NULL);
    size_t length = greeting(impostor, packet);
    if (send(fd, packet, length, MSG_NOSIGNAL) != (ssize_t)length)
        abort();
    for (bool answered = false; (got = recv(fd, impostor->heard + impostor->heard_length,
                                            sizeof(impostor->heard) - impostor->heard_length, 0)) > 0;
         answered = true) {
        impostor->heard_length += (size_t)got;
        if (!answered)
            (void)send(fd, impostor->answer, impostor->answer_length, MSG_NOSIGNAL);
    }
    (void)close(fd);
    return NULL;
}

static void assert_impostor(struct impostor *impostor, int code, const char *words)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    pthread_t thread;
    impostor->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(impostor->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(impostor->listener, 1), 0);
    assert_int_equal(getsockname(impostor->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&thread, NULL, impersonate, impostor), 0);
    assert_open(ntohs(address.sin_port), LIST("password=SeCrEt"), code, words);
    (void)pthread_join(thread, NULL);
    (void)close(impostor->listener);
    assert_true(impostor->heard_length > 0);
    assert_null(memmem(impostor->heard, impostor->heard_length, "SeCrEt", 6));
}

static void old_servers_are_refused(void **state)
{
    static const char fine[] = "\x07\0\0\x02\0\0\0\x02\0\0\0";
    static const char *const versions[] = {"5.7.44", "8.0.16", "5.5.5-10.1.48-MariaDB"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct impostor impostor = {
            .version = versions[i], .plugin = "mysql_native_password", .answer = fine, .answer_length = 11};
        assert_impostor(&impostor, DTR_EINVALID, "8.0.17");
    }
}

static void a_password_is_not_given_in_the_clear(void **state)
{
    static const char please[] = "\x16\0\0\x02\xfemysql_clear_password";
    (void)state;
    struct impostor asks = {
        .version = "8.0.36", .plugin = "mysql_native_password", .answer = please, .answer_length = 4 + 0x16};
    assert_impostor(&asks, DTR_EUNAVAILABLE, "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logins_are_judged),
        cmocka_unit_test(settings_are_judged),
        cmocka_unit_test(servers_prove_who_they_are),
        cmocka_unit_test(servers_without_tls),
        cmocka_unit_test(the_line_is_encrypted),
        cmocka_unit_test(too_long_a_statement_is_refused),
        cmocka_unit_test(databases_have_locks_of_their_own),
        cmocka_unit_test(old_servers_are_refused),
        cmocka_unit_test(a_password_is_not_given_in_the_clear),
    };
    if (!rig_arguments(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
