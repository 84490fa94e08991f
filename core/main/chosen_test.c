/* What manager.yaml says of databases and caches, as the options that modules are started with. */
#include "core/main/chosen.h"

#include "core/main/command.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

bool command_file_there(const char *path)
{
    (void)path;
    return false;
}

enum { SETTINGS_MOST = 8 };

struct setting {
    const char *key, *value;
};

static struct dtr_conf *configure(const struct setting *settings)
{
    struct dtr_conf *conf;
    struct dtr_error err;
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_MANAGER, &conf, &err), DTR_OK);
    for (size_t i = 0; i < SETTINGS_MOST && settings[i].key; i++)
        if (dtr_conf_set(conf, settings[i].key, settings[i].value, &err) != DTR_OK)
            fail_msg("%s", err.text);
    return conf;
}

/* "addrs=a:1 db=2 ": the cache's options in the order of the table, behind the module's name. */
static void describe(const struct dtr_manager_config *config, char text[512])
{
    struct dtr_option_text list[OPTIONS_OF_MODULE];
    struct chosen_memory memory;
    struct chosen_module chosen;
    struct dtr_error err;
    if (chosen_cache(config, &chosen, &err) != DTR_OK) {
        (void)snprintf(text, 512, "%s", err.text);
        return;
    }
    size_t count = chosen_cache_options(config, &chosen, &memory, list);
    size_t length = (size_t)snprintf(text, 512, "%s:", chosen.name);
    for (size_t i = 0; i < count && length < 512; i++)
        length += (size_t)snprintf(text + length, 512 - length, " %s=%s", list[i].key, list[i].value);
}

static void a_cache_is_chosen_by_what_there_is(void **state)
{
    static const struct {
        struct setting settings[SETTINGS_MOST];
        const char *words;
    } rows[] = {
        {{{NULL, NULL}}, "memory: size=8000"},
        {{{"cache.local.size", "30000"}}, "memory: size=30000"},
        {{{"database.redis.addrs", "[\"a:1\"]"}}, "redis: addrs=a:1 db=0 poolSize=40 poolTimeout=10000ms"},
        {{{"database.redis.host", "a"}}, "redis: addrs=a:6379 db=0 poolSize=40 poolTimeout=10000ms"},
        {{{"database.redis.host", "::1"}, {"database.redis.port", "7"}},
         "redis: addrs=[::1]:7 db=0 poolSize=40 poolTimeout=10000ms"},
        {{{"database.redis.host", "b"}, {"database.redis.addrs", "[a]"}},
         "redis: addrs=a db=0 poolSize=40 poolTimeout=10000ms"},
        {{{"database.redis.addrs", "[a, \"b:2\"]"},
          {"database.redis.masterName", "m"},
          {"database.redis.sentinelUsername", "su"},
          {"database.redis.sentinelPassword", "sp"},
          {"database.redis.username", "u"},
          {"database.redis.password", "p"},
          {"database.redis.db", "3"}},
         "redis: addrs=a,b:2 masterName=m username=u password=p sentinelUsername=su sentinelPassword=sp db=3 "
         "poolSize=40 poolTimeout=10000ms"},
        {{{"database.redis.addrs", "[a]"},
          {"database.redis.poolSize", "2"},
          {"database.redis.poolTimeout", "1500ms"},
          {"database.redis.tls.caCert", "/ca"},
          {"database.redis.tls.cert", "/cert"},
          {"database.redis.tls.key", "/key"},
          {"database.redis.tls.insecureSkipVerify", "true"}},
         "redis: addrs=a db=0 poolSize=2 poolTimeout=1500ms tls.caCert=/ca tls.cert=/cert tls.key=/key "
         "tls.insecureSkipVerify=true"},
        {{{"database.redis.addrs", "[a]"}, {"modules.cache", "memory"}}, "memory: size=8000"},
        {{{"modules.cache", "other"}}, "other:"},
        {{{"modules.cache", "redis"}},
         "modules.cache is \"redis\", which needs database.redis.addrs: host:port of Redis"},
        {{{"database.redis.addrs", "[a, b]"}, {"database.redis.db", "1"}},
         "database.redis.db is 1, but a cluster (several addrs, no masterName) has 0 only"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dtr_conf *conf = configure(rows[i].settings);
        char text[512];
        describe(dtr_conf_manager(conf), text);
        assert_string_equal(text, rows[i].words);
        dtr_conf_free(conf);
    }
}

static void more_servers_than_anybody_needs_are_refused(void **state)
{
    char addrs[6000] = "[a";
    (void)state;
    while (strlen(addrs) < sizeof(addrs) - 16)
        strcat(addrs, ",host.name");
    strcat(addrs, "]");
    const struct setting settings[SETTINGS_MOST] = {{"database.redis.addrs", addrs}};
    struct dtr_conf *conf = configure(settings);
    char text[512];
    describe(dtr_conf_manager(conf), text);
    assert_string_equal(text,
                        "database.redis.addrs has more than 4096 bytes; some of the servers are enough");
    dtr_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_is_chosen_by_what_there_is),
        cmocka_unit_test(more_servers_than_anybody_needs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
