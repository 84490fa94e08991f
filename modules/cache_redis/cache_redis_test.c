/* How cache_redis deals with servers that are away, come back, refuse, redirect or are none. That it keeps
 * the contract on a good one, the conformance program checks. */
#include "redis.h"
#include "server_rig.h"

#include <darter/cache.h>
#include <darter/testhost.h>

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { SETTINGS_MOST = 8, TEXT = 96 };

struct fixture {
    struct dtr_testmodule started;
    const struct dtr_cache_ops *ops;
    char texts[SETTINGS_MOST][TEXT];
    size_t count;
    struct dtr_error err;
};

__attribute__((format(printf, 2, 3))) static void setting(struct fixture *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->texts[f->count++], TEXT, format, args);
    va_end(args);
}

static int start(struct fixture *f)
{
    const struct dtr_module *module = dtr_module_open(dtr_testhost());
    const char *settings[SETTINGS_MOST];
    for (size_t i = 0; i < f->count; i++)
        settings[i] = f->texts[i];
    f->ops = dtr_testhost_ops(module, "cache");
    return dtr_testhost_start(module, settings, f->count, &f->started, &f->err);
}

static void must_start(struct fixture *f)
{
    if (start(f) != DTR_OK)
        fail_msg("%s", f->err.text);
}

static void stop(struct fixture *f)
{
    dtr_testhost_stop(&f->started);
}

static struct dtr_cache_bytes text(const char *value)
{
    return (struct dtr_cache_bytes){value, value ? strlen(value) : 0};
}

static int set(struct fixture *f, const char *key)
{
    return f->ops->set(f->started.instance, key, text("value"), 0, &f->err);
}

static void take(void *context, const void *bytes, size_t length)
{
    (void)snprintf(context, TEXT, "%.*s", (int)length, (const char *)bytes);
}

static int get(struct fixture *f, const char *key, char value[TEXT])
{
    struct dtr_cache_sink sink = {.value = take, .context = value};
    value[0] = '\0';
    return f->ops->get(f->started.instance, key, &sink, &f->err);
}

static void expect(const struct fixture *f, int status, int code, const char *words)
{
    if (status != code || f->err.code != code || !strstr(f->err.text, words))
        fail_msg("%s: %s, not %s: %s", dtr_code_text(status), f->err.text, dtr_code_text(code), words);
    if (code == DTR_EUNAVAILABLE)
        assert_int_equal(f->err.retry, DTR_RETRY_SAME);
}

/* --- a server that goes and comes ------------------------------------------------------------------- */

static void a_server_may_be_killed_and_started_again(void **state)
{
    struct fixture f = {0};
    struct real_server server;
    uint16_t port = rig_free_port();
    char value[TEXT];
    (void)state;
    setting(&f, "addrs=127.0.0.1:%u", port);
    setting(&f, "connect_timeout=1s");
    must_start(&f); /* while nobody is there */
    expect(&f, set(&f, "a"), DTR_EUNAVAILABLE, "Redis 127.0.0.1");
    real_start(&server, port);
    assert_int_equal(set(&f, "a"), DTR_OK);
    assert_int_equal(get(&f, "a", value), DTR_OK);
    assert_string_equal(value, "value");
    real_kill(&server);
    expect(&f, get(&f, "a", value), DTR_EUNAVAILABLE, "Redis 127.0.0.1");
    expect(&f, get(&f, "a", value), DTR_EUNAVAILABLE, "Redis 127.0.0.1");
    real_start(&server, port);
    expect(&f, get(&f, "a", value), DTR_ENOT_FOUND, "the cache has no a");
    real_kill(&server);
    real_start(&server, port); /* the connection that waits for its next command is a dead one */
    assert_int_equal(set(&f, "a"), DTR_OK);
    real_kill(&server);
    stop(&f);
}

struct popper {
    struct fixture *f;
    struct dtr_error err;
    char value[TEXT];
    int status;
};

static void *pop_long(void *context)
{
    struct popper *popper = context;
    struct dtr_cache_sink sink = {.value = take, .context = popper->value};
    popper->status = popper->f->ops->pop(popper->f->started.instance, "queue", 60000, &sink, &popper->err);
    return NULL;
}

static void who_waits_hears_that_the_server_is_gone(void **state)
{
    static const struct fake_row silent[] = {{NULL, NULL}};
    struct fixture f = {0};
    struct popper popper = {.f = &f};
    struct fake fake;
    pthread_t thread;
    (void)state;
    fake_start(&fake, silent);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    must_start(&f);
    assert_int_equal(pthread_create(&thread, NULL, pop_long, &popper), 0);
    fake_await(&fake, "BLPOP");
    fake_stop(&fake);
    (void)pthread_join(thread, NULL);
    assert_int_equal(popper.status, DTR_EUNAVAILABLE);
    assert_string_equal(popper.value, "");
    stop(&f);
}

/* Also on a busy machine a server that speaks is heard within a short limit, at one time or another. */
static void set_in_time_at_last(struct fixture *f)
{
    const uint64_t begun_ns = dtr_testhost()->now_ns();
    for (int rc; (rc = set(f, "a")) != DTR_OK;) {
        expect(f, rc, DTR_EUNAVAILABLE, "not within the time limit");
        assert_true(dtr_testhost()->now_ns() - begun_ns < 30000000000);
    }
}

static void a_silent_server_costs_the_limit(void **state)
{
    static const struct fake_row silent[] = {{NULL, NULL}}, good[] = {{NULL, "+OK\r\n"}};
    struct fixture f = {0};
    struct fake fake;
    (void)state;
    fake_start(&fake, silent);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    setting(&f, "io_timeout=60ms");
    must_start(&f);
    uint64_t begun_ns = dtr_testhost()->now_ns();
    expect(&f, set(&f, "a"), DTR_EUNAVAILABLE, "not within the time limit");
    assert_in_range((dtr_testhost()->now_ns() - begun_ns) / 1000000, 59, 5000);
    fake_say(&fake, good);
    set_in_time_at_last(&f); /* on a connection that no late reply can come on */
    stop(&f);
    fake_stop(&fake);
}

static void a_pool_has_its_limit(void **state)
{
    static const struct fake_row silent[] = {{NULL, NULL}};
    struct fixture f = {0};
    struct popper popper = {.f = &f};
    struct fake fake;
    pthread_t thread;
    char value[TEXT];
    (void)state;
    fake_start(&fake, silent);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    setting(&f, "poolSize=1");
    setting(&f, "poolTimeout=60ms");
    must_start(&f);
    assert_int_equal(pthread_create(&thread, NULL, pop_long, &popper), 0);
    fake_await(&fake, "BLPOP");
    expect(&f, get(&f, "a", value), DTR_EUNAVAILABLE,
           "all 1 connections to Redis were busy for 60 ms; see options poolSize and poolTimeout");
    fake_stop(&fake);
    (void)pthread_join(thread, NULL);
    stop(&f);
}

static void one_loss_is_a_lesson_for_all_idle_connections(void **state)
{
    static const struct fake_row good[] = {{NULL, "+OK\r\n"}};
    struct fixture f = {0};
    struct link *first, *second;
    struct fake fake;
    (void)state;
    fake_start(&fake, good);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    setting(&f, "password=secret");
    must_start(&f);
    struct redis *redis = f.started.instance;
    assert_int_equal(pool_take(redis, redis->nodes, &first, &f.err), DTR_OK);
    assert_int_equal(pool_take(redis, redis->nodes, &second, &f.err), DTR_OK);
    pool_give(redis, first, true);
    pool_give(redis, second, true);
    assert_string_equal(fake_seen(&fake), "AUTH AUTH ");
    assert_int_equal(set(&f, "a"), DTR_OK);
    assert_string_equal(fake_seen(&fake), "SET "); /* on one of them */
    assert_int_equal(pool_take(redis, redis->nodes, &first, &f.err), DTR_OK);
    pool_give(redis, first, false);
    assert_int_equal(set(&f, "a"), DTR_OK);
    assert_string_equal(fake_seen(&fake), "AUTH SET ");
    assert_int_equal(redis->nodes->open, 1);
    stop(&f);
    fake_stop(&fake);
}

/* --- what servers answer ---------------------------------------------------------------------------- */

static void errors_are_told_apart(void **state)
{
    static const struct {
        const char *reply;
        int code;
        const char *words;
    } rows[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n", DTR_EUNAVAILABLE, "answers: LOADING"},
        {"-READONLY You can't write against a read only replica.\r\n", DTR_EUNAVAILABLE,
         "a master is needed"},
        {"-MASTERDOWN Link with MASTER is down\r\n", DTR_EUNAVAILABLE, "MASTERDOWN"},
        {"-ERR max number of clients reached\r\n", DTR_EUNAVAILABLE, "see maxclients of the server"},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", DTR_ENO_SPACE,
         "see maxmemory of the server"},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", DTR_ENO_SPACE, "MISCONF"},
        {"-NOAUTH Authentication required.\r\n", DTR_EDENIED, "set option password"},
        {"-NOPERM this user has no permissions\r\n", DTR_EDENIED, "see ACL of that user"},
        {"-DENIED Redis is running in protected mode\r\n", DTR_EDENIED, "protected mode"},
        {"-ERR unknown command 'SET'\r\n", DTR_EPROTOCOL, "answers: ERR unknown command 'SET'"},
        {"-MOVED 1 10.0.0.1:6379\r\n", DTR_EPROTOCOL, "it is of a cluster: name several addresses"},
        {"-tab\there\r\n", DTR_EPROTOCOL, "answers: tab?here"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", DTR_EPROTOCOL, "does not speak Redis's protocol: "},
        {"+OK\r\n+OK\r\n", DTR_EPROTOCOL, "sends what was not asked for"},
        {"*1000000000\r\n", DTR_EPROTOCOL, "sends a reply of too many elements"},
        {":1\r\n", DTR_EPROTOCOL, "Redis answers SET with something else"},
        {"", DTR_EUNAVAILABLE, "closed the connection"},
    };
    struct fake_row said[] = {{NULL, "+OK\r\n"}};
    static const struct fake_row good[] = {{NULL, "+OK\r\n"}};
    struct fixture f = {0};
    struct fake fake;
    (void)state;
    fake_start(&fake, good);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    must_start(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        said[0].reply = rows[i].reply;
        fake_say(&fake, said);
        expect(&f, set(&f, "a"), rows[i].code, rows[i].words);
        fake_say(&fake, good);
        assert_int_equal(set(&f, "a"), DTR_OK); /* each failure stands for itself */
    }
    stop(&f);
    fake_stop(&fake);
}

static void the_password_is_not_repeated(void **state)
{
    static const struct fake_row rows[] = {
        {"AUTH", "-ERR unknown command 'AUTH', with args beginning with: 'secret'\r\n"}, {NULL, "+OK\r\n"}};
    static const struct fake_row wrong[] = {{"AUTH", "-WRONGPASS invalid username-password pair\r\n"},
                                            {NULL, "+OK\r\n"}};
    static const struct fake_row busy[] = {{"AUTH", "-ERR max number of clients reached\r\n"},
                                           {NULL, "+OK\r\n"}};
    static const struct fake_row good[] = {{"AUTH", "+OK\r\n"}, {"SELECT", "+OK\r\n"}, {NULL, "+OK\r\n"}};
    struct fixture f = {0};
    struct fake fake;
    (void)state;
    fake_start(&fake, rows);
    setting(&f, "addrs=127.0.0.1:%u", fake.port);
    setting(&f, "password=secret");
    setting(&f, "db=7");
    must_start(&f);
    expect(&f, set(&f, "a"), DTR_EDENIED, "refuses the user or the password (ERR)");
    assert_null(strstr(f.err.text, "secret"));
    fake_say(&fake, wrong);
    expect(&f, set(&f, "a"), DTR_EDENIED, "refuses the user or the password (WRONGPASS)");
    fake_say(&fake, busy);
    expect(&f, set(&f, "a"), DTR_EUNAVAILABLE, "max number of clients");
    (void)fake_seen(&fake);
    fake_say(&fake, good);
    assert_int_equal(set(&f, "a"), DTR_OK);
    assert_string_equal(fake_seen(&fake), "AUTH SELECT SET ");
    assert_int_equal(set(&f, "a"), DTR_OK);
    assert_string_equal(fake_seen(&fake), "SET ");
    stop(&f);
    fake_stop(&fake);
}

/* --- sentinels -------------------------------------------------------------------------------------- */

static void sentinels_are_asked_anew_after_a_loss(void **state)
{
    static const struct fake_row master[] = {{"ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
                                             {NULL, "+OK\r\n"}};
    static const struct fake_row replica[] = {{"ROLE", "*2\r\n$5\r\nslave\r\n:0\r\n"},
                                              {NULL, "-READONLY You can't write\r\n"}};
    static const struct fake_row unknown[] = {{NULL, "*-1\r\n"}};
    char first[TEXT], second[TEXT];
    struct fake_row to_first[] = {{NULL, first}}, to_second[] = {{NULL, second}};
    struct fake a, b, sentinel;
    struct fixture f = {0};
    (void)state;
    fake_start(&a, master);
    fake_start(&b, replica);
    fake_start(&sentinel, unknown);
    (void)snprintf(first, TEXT, "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05u\r\n", a.port);
    (void)snprintf(second, TEXT, "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05u\r\n", b.port);
    setting(&f, "addrs=127.0.0.1:%u, 127.0.0.1:%u", rig_free_port(), sentinel.port);
    setting(&f, "masterName=main");
    must_start(&f);
    expect(&f, set(&f, "k"), DTR_EUNAVAILABLE, "knows no master \"main\"; see option masterName");
    fake_say(&sentinel, to_first);
    assert_int_equal(set(&f, "k"), DTR_OK);
    assert_string_equal(fake_seen(&a), "ROLE SET ");
    fake_say(&a, replica); /* it was demoted */
    expect(&f, set(&f, "k"), DTR_EUNAVAILABLE, "READONLY");
    fake_say(&sentinel, to_second);
    expect(&f, set(&f, "k"), DTR_EUNAVAILABLE, "is no master, though sentinels say so");
    fake_say(&b, master);
    assert_int_equal(set(&f, "k"), DTR_OK);
    fake_stop(&b); /* it is lost */
    fake_say(&a, master);
    fake_say(&sentinel, to_first);
    assert_int_equal(set(&f, "k"), DTR_OK);
    stop(&f);
    fake_stop(&a);
    fake_stop(&sentinel);
}

/* --- clusters --------------------------------------------------------------------------------------- */

static void redirections_are_followed(void **state)
{
    static const struct fake_row good[] = {{NULL, "+OK\r\n"}};
    char moved[TEXT], asked[TEXT], circle[TEXT];
    struct fake_row says_moved[] = {{NULL, moved}}, says_ask[] = {{NULL, asked}},
                    says_itself[] = {{NULL, circle}};
    struct fake a, b;
    struct fixture f = {0};
    (void)state;
    fake_start(&a, good);
    fake_start(&b, good);
    setting(&f, "addrs=127.0.0.1:%u,127.0.0.1:%u", a.port, a.port);
    setting(&f, "prefix=");
    must_start(&f);
    (void)snprintf(moved, TEXT, "-MOVED %u :%u\r\n", route_slot("k"), b.port); /* the same host */
    (void)snprintf(asked, TEXT, "-ASK %u 127.0.0.1:%u\r\n", route_slot("k"), a.port);
    (void)snprintf(circle, TEXT, "-MOVED %u 127.0.0.1:%u\r\n", route_slot("k"), a.port);
    fake_say(&a, says_moved);
    assert_int_equal(set(&f, "k"), DTR_OK);
    assert_string_equal(fake_seen(&a), "SET ");
    assert_string_equal(fake_seen(&b), "SET ");
    assert_int_equal(set(&f, "k"), DTR_OK); /* from now on there at once */
    assert_string_equal(fake_seen(&a), "");
    assert_string_equal(fake_seen(&b), "SET ");
    fake_say(&a, good);
    fake_say(&b, says_ask);
    assert_int_equal(set(&f, "k"), DTR_OK);
    assert_string_equal(fake_seen(&a), "ASKING SET ");
    fake_say(&b, says_itself);
    fake_say(&a, says_itself);
    expect(&f, set(&f, "k"), DTR_EUNAVAILABLE, "send a command around in circles");
    fake_say(&a, says_moved);
    fake_stop(&b);
    expect(&f, set(&f, "k"), DTR_EUNAVAILABLE, "Redis 127.0.0.1"); /* the slot's server is gone */
    fake_say(&a, good);
    assert_int_equal(set(&f, "k"), DTR_OK); /* another one has it now */
    stop(&f);
    fake_stop(&a);
}

static void a_lost_server_of_a_cluster_is_passed_over(void **state)
{
    static const struct fake_row good[] = {{NULL, "+OK\r\n"}};
    struct fixture f = {0};
    struct fake fake;
    (void)state;
    fake_start(&fake, good);
    setting(&f, "addrs=127.0.0.1:%u,127.0.0.1:%u", rig_free_port(), fake.port);
    must_start(&f);
    expect(&f, set(&f, "a"), DTR_EUNAVAILABLE, "Redis 127.0.0.1");
    assert_int_equal(set(&f, "a"), DTR_OK);
    stop(&f);
    fake_stop(&fake);
}

/* From the cluster specification, and by redis-cli CLUSTER KEYSLOT. */
static void slots_are_those_of_redis(void **state)
{
    (void)state;
    assert_int_equal(route_slot("123456789"), 0x31C3);
    assert_int_equal(route_slot("foo"), 12182);
    assert_int_equal(route_slot("{foo}.bar"), 12182);
    assert_int_equal(route_slot("a{foo}{bar}"), 12182);
    assert_int_equal(route_slot("foo{}{bar}"), 8363);
    assert_int_equal(route_slot(""), 0);
}

/* --- options ---------------------------------------------------------------------------------------- */

static void bad_options_are_refused(void **state)
{
    static const struct {
        const char *settings[2];
        const char *words;
    } rows[] = {
        {{"addrs="}, "option addrs is needed"},
        {{"addrs=a:6379,"}, "\"\" is no address"},
        {{"addrs=a:0"}, "\"a:0\" is no address; write HOST:PORT"},
        {{"addrs=a:65536"}, "\"a:65536\" is no address"},
        {{"addrs=a:1, b c:2"}, "\"b c:2\" is no address"},
        {{"addrs=redis://a:1"}, "\"redis://a:1\" is no address"},
        {{"addrs=:6379"}, "\":6379\" is no address"},
        {{"addrs=a:1,b:2", "db=1"}, "option db is 1, but a cluster"},
        {{"addrs=a", "tls.cert=x"}, "options tls.cert and tls.key go together"},
        {{"addrs=a", "prefix=\t"}, "a prefix of the cache has 1 to 100 printable ASCII characters"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f = {0};
        for (int j = 0; j < 2 && rows[i].settings[j]; j++)
            setting(&f, "%s", rows[i].settings[j]);
        expect(&f, start(&f), DTR_EINVALID, rows[i].words);
    }
}

static void addresses_of_all_forms_are_read(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port; /* 0: refused */
    } rows[] = {
        {"redis", "redis", 6379},
        {"redis:1", "redis", 1},
        {"10.0.0.1:65535", "10.0.0.1", 65535},
        {"[::1]", "::1", 6379},
        {"[fe80::1]:7", "fe80::1", 7},
        {"::1:7", "::1", 7},
        {":7", "", 7},
        {"a:", "", 0},
        {"a:1x", "", 0},
        {"a:-1", "", 0},
        {"a b:1", "", 0},
        {"a/b:1", "", 0},
        {"user@a:1", "", 0},
        {"[::1:7", "", 0},
        {"a:000001", "", 0},
    };
    struct place place;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool good = place_parse(rows[i].text, strlen(rows[i].text), 6379, &place);
        if (good != (rows[i].port != 0) ||
            (good && (place.port != rows[i].port || strcmp(place.host, rows[i].host) != 0)))
            fail_msg("%s: %d, %s, %u", rows[i].text, good, place.host, place.port);
    }
    assert_false(place_parse("redis", 5, 0, &place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_may_be_killed_and_started_again),
        cmocka_unit_test(who_waits_hears_that_the_server_is_gone),
        cmocka_unit_test(a_silent_server_costs_the_limit),
        cmocka_unit_test(a_pool_has_its_limit),
        cmocka_unit_test(one_loss_is_a_lesson_for_all_idle_connections),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(the_password_is_not_repeated),
        cmocka_unit_test(sentinels_are_asked_anew_after_a_loss),
        cmocka_unit_test(redirections_are_followed),
        cmocka_unit_test(a_lost_server_of_a_cluster_is_passed_over),
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(addresses_of_all_forms_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
