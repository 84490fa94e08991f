/* What database_mysql promises beyond the contract of its kind, which the conformance program checks: logins,
 * TLS, servers that go away, are silent, too old or false.  database_mysql_test SERVER, the script of that
 * name. */
#include <darter/database.h>
#include <darter/testhost.h>

#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { SETTINGS = 12 };

static const char *script;
static char dir[] = "/tmp/darter-mysql-XXXXXX"; /* the server's */

static const struct dtr_database_ops *ops;

/* --- the server ----------------------------------------------------------------------------------------- */

static void server(const char *verb, const char *more)
{
    char command[512];
    (void)snprintf(command, sizeof(command), "'%s' %s %s %s", script, verb, dir, more);
    if (system(command) != 0)
        fail_msg("%s failed", command);
}

static long number_in(const char *name)
{
    char path[128];
    long number = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *in = fopen(path, "re");
    if (!in || fscanf(in, "%ld", &number) != 1)
        fail_msg("%s has no number", path);
    (void)fclose(in);
    return number;
}

static int start_server(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    server("start", "");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int stop_server(void **state)
{
    (void)state;
    server("kill", "");
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- the module -------------------------------------------------------------------------------------------
 */

struct fixture {
    struct dtr_testmodule started;
    char texts[SETTINGS][160];
    struct dtr_error err;
};

/* Settings as "name=value", with "@" for the server's folder; what `more` has counts more than the usual. */
static int start(struct fixture *f, long port, const char *const *more, size_t count)
{
    char where[32];
    (void)snprintf(where, sizeof(where), "port=%ld", port);
    const char *const usual[] = {"host=127.0.0.1",     "user=darter",   "password=pass 'word",
                                 "connect_timeout=1s", "io_timeout=2s", where};
    const char *settings[SETTINGS];
    for (size_t i = 0; i < count; i++) {
        const char *at = strchr(more[i], '@');
        (void)snprintf(f->texts[i], sizeof(f->texts[i]), "%.*s%s%s", at ? (int)(at - more[i]) : 0, more[i],
                       at ? dir : "", at ? at + 1 : more[i]);
        settings[i] = f->texts[i];
    }
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        size_t name = strcspn(usual[i], "="), j = 0;
        while (j < count && (j == count || strncmp(settings[j], usual[i], name + 1) != 0))
            j++;
        if (j < count)
            continue;
        /* The caller's come first and are kept; the usual ones fill up. */
        (void)snprintf(f->texts[SETTINGS - 1 - i], sizeof(f->texts[0]), "%s", usual[i]);
        settings[count++] = f->texts[SETTINGS - 1 - i];
    }
    return dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, count, &f->started, &f->err);
}

static void start_usual(struct fixture *f)
{
    assert_int_equal(start(f, number_in("port"), NULL, 0), DTR_OK);
}

static struct dtr_db *open_usual(struct fixture *f)
{
    struct dtr_db *db = NULL;
    if (ops->open(f->started.instance, &db, &f->err) != DTR_OK)
        fail_msg("open: %s", f->err.text);
    return db;
}

static int run(struct fixture *f, struct dtr_db *db, const char *sql)
{
    return ops->run(db, sql, NULL, 0, NULL, NULL, &f->err);
}

static int see(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    *(int64_t *)context = columns[0].number;
    return DTR_OK;
}

static int64_t number_of(struct fixture *f, struct dtr_db *db, const char *sql)
{
    int64_t number = -1;
    const struct dtr_row_sink sink = {see, &number};
    if (ops->run(db, sql, NULL, 0, &sink, NULL, &f->err) != DTR_OK)
        fail_msg("%s: %s", sql, f->err.text);
    return number;
}

static uint64_t now_ms(void)
{
    return dtr_testhost()->now_ns() / 1000000;
}

/* Starts the module with these settings; open() must answer this code, with words in its text. */
static void assert_open(long port, const char *const *settings, size_t count, int code, const char *words)
{
    struct fixture f = {0};
    struct dtr_db *db = NULL;
    assert_int_equal(start(&f, port, settings, count), DTR_OK);
    int rc = ops->open(f.started.instance, &db, &f.err);
    if (rc != code || (rc != DTR_OK && (!strstr(f.err.text, words) || strstr(f.err.text, "'word"))))
        fail_msg("%s ...: %s (%s), not %s (%s)", count ? settings[0] : "", dtr_code_text(rc),
                 rc ? f.err.text : "", dtr_code_text(code), words);
    if (rc == DTR_OK)
        ops->close(db);
    dtr_testhost_stop(&f.started);
}

#define LIST(...)                                                                                            \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

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

/* --- servers that go away
 * --------------------------------------------------------------------------------------- */

static void a_killed_server_comes_back(void **state)
{
    struct fixture f = {0};
    struct dtr_db *db, *other;
    (void)state;
    start_usual(&f);
    db = open_usual(&f);
    other = open_usual(&f);
    assert_int_equal(run(&f, db, "DROP TABLE IF EXISTS killed"), DTR_OK);
    assert_int_equal(run(&f, db, "CREATE TABLE killed (n BIGINT)"), DTR_OK);
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (1)"), DTR_OK);
    assert_int_equal(ops->lock(other, "killed", 0, &f.err), DTR_OK);
    assert_int_equal(ops->begin(db, &f.err), DTR_OK);
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (2)"), DTR_OK);
    server("kill", "");
    assert_int_equal(run(&f, db, "INSERT INTO killed (n) VALUES (3)"), DTR_EUNAVAILABLE);
    assert_int_equal(f.err.retry, DTR_RETRY_SAME);
    assert_int_equal(ops->commit(db, &f.err), DTR_EUNAVAILABLE);
    assert_int_equal(ops->rollback(db, &f.err), DTR_EUNAVAILABLE);
    ops->unlock(other, "killed");
    assert_int_equal(ops->begin(other, &f.err), DTR_EUNAVAILABLE);
    ops->interrupt(db);
    ops->close(db);
    assert_int_equal(ops->open(f.started.instance, &db, &f.err), DTR_EUNAVAILABLE);
    server("start", "");
    db = open_usual(&f);
    assert_int_equal(number_of(&f, db, "SELECT SUM(n) FROM killed"), 1);
    assert_int_equal(ops->lock(db, "killed", 0, &f.err), DTR_OK);
    assert_int_equal(run(&f, other, "SELECT 1"), DTR_EUNAVAILABLE);
    ops->close(other);
    ops->close(db);
    dtr_testhost_stop(&f.started);
}

struct runner {
    struct fixture *f;
    struct dtr_db *db;
    const char *sql;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
    int rc;
    struct dtr_error err;
};

static void *run_apart(void *context)
{
    struct runner *runner = context;
    int rc = ops->run(runner->db, runner->sql, NULL, 0, NULL, NULL, &runner->err);
    (void)pthread_mutex_lock(&runner->mutex);
    runner->rc = rc;
    runner->over = true;
    (void)pthread_cond_signal(&runner->ended);
    (void)pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

/* Runs a statement in another thread and interrupts it until it ends. */
static int run_interrupted(struct fixture *f, struct dtr_db *db, const char *sql)
{
    struct runner runner = {
        .f = f, .db = db, .sql = sql, .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_apart, &runner), 0);
    (void)pthread_mutex_lock(&runner.mutex);
    while (!runner.over) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&runner.ended, &runner.mutex, &until);
        (void)pthread_mutex_unlock(&runner.mutex);
        ops->interrupt(db);
        (void)pthread_mutex_lock(&runner.mutex);
    }
    (void)pthread_mutex_unlock(&runner.mutex);
    (void)pthread_join(thread, NULL);
    f->err = runner.err;
    return runner.rc;
}

static void assert_ends_at_the_server(struct fixture *f, struct dtr_db *db)
{
    uint64_t begun = now_ms();
    while (number_of(f, db,
                     "SELECT COUNT(*) FROM information_schema.processlist"
                     " WHERE info LIKE '%SLEEP(600)%' ESCAPE '!' AND id <> CONNECTION_ID()") > 0)
        assert_true(now_ms() - begun < 10000);
}

static void what_is_given_up_ends_at_the_server(void **state)
{
    struct fixture f = {0};
    struct dtr_db *db, *late, *other;
    (void)state;
    start_usual(&f);
    db = open_usual(&f);
    late = open_usual(&f);
    other = open_usual(&f);
    assert_int_equal(run_interrupted(&f, db, "SELECT SLEEP(600)"), DTR_ECANCELLED);
    assert_int_equal(run(&f, db, "SELECT 1"), DTR_EUNAVAILABLE);
    assert_ends_at_the_server(&f, other);
    assert_int_equal(run(&f, late, "SELECT SLEEP(600)"), DTR_EUNAVAILABLE); /* by io_timeout */
    assert_ends_at_the_server(&f, other);
    ops->close(db);
    ops->close(late);
    ops->close(other);
    dtr_testhost_stop(&f.started);
}

static void a_silent_server_is_given_up(void **state)
{
    struct fixture f = {0};
    struct dtr_db *db, *other, *third;
    (void)state;
    start_usual(&f);
    db = open_usual(&f);
    other = open_usual(&f);
    pid_t pid = (pid_t)number_in("pid");
    uint64_t begun = now_ms();
    assert_int_equal(kill(pid, SIGSTOP), 0);
    int interrupted = run_interrupted(&f, other, "SELECT 1");
    int silent = run(&f, db, "SELECT 1"), opened = ops->open(f.started.instance, &third, &f.err);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(interrupted, DTR_ECANCELLED);
    assert_int_equal(silent, DTR_EUNAVAILABLE);
    assert_int_equal(opened, DTR_EUNAVAILABLE);
    assert_true(now_ms() - begun < 20000);
    ops->close(db);
    ops->close(other);
    db = open_usual(&f);
    assert_int_equal(run(&f, db, "SELECT 1"), DTR_OK);
    ops->close(db);
    dtr_testhost_stop(&f.started);
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
        cmocka_unit_test(a_killed_server_comes_back),
        cmocka_unit_test(what_is_given_up_ends_at_the_server),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(too_long_a_statement_is_refused),
        cmocka_unit_test(databases_have_locks_of_their_own),
        cmocka_unit_test(old_servers_are_refused),
        cmocka_unit_test(a_password_is_not_given_in_the_clear),
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: database_mysql_test SERVER\n");
        return 2;
    }
    script = argv[1];
    ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "database");
    (void)signal(SIGPIPE, SIG_IGN); /* as in core */
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
