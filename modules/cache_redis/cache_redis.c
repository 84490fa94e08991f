/* cache_redis: the cache of several managers, on a Redis server (6.0 and later), on the master that sentinels
 * name, or on a cluster.
 *
 * A key of the cache is a key of Redis with the prefix before it. A value has "=" before it, so that "12" is
 * not taken for a number; numbers are strings of digits, queues are lists of the bare values. What takes more
 * than one command is a script, which the server carries out in one step.
 *
 * Not for connections and servers: pool.c, link.c and route.c; nor for what options mean: settings.c. */
#include "redis.h"

#include <darter/cache.h>
#include <stdlib.h>

enum { TAG = '=' };
static const uint64_t WAIT_MOST_MS = 3600000, TTL_MOST_MS = (uint64_t)1 << 52;

static const char NAME[] = "cache_redis";
const struct dtr_host *redis_host;

/* --- scripts ---------------------------------------------------------------------------------------- */

/* pcall() and its table go back as they are, so that the error keeps its first word with all versions. */

/* KEYS[1]; old and new value, "" for none; milliseconds, "0" for ever. */
static const char SWAP[] = "local now = redis.pcall('GET', KEYS[1])\n"
                           "if type(now) == 'table' then return now end\n"
                           "if now and string.sub(now, 1, 1) ~= '=' then return redis.error_reply('WRONGTYPE "
                           "the key holds a number') end\n"
                           "if (now or '') ~= ARGV[1] then return 0 end\n"
                           "local done\n"
                           "if ARGV[2] == '' then done = redis.pcall('DEL', KEYS[1])\n"
                           "elseif ARGV[3] == '0' then done = redis.pcall('SET', KEYS[1], ARGV[2])\n"
                           "else done = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end\n"
                           "if type(done) == 'table' and done.err then return done end\n"
                           "return 1";

/* KEYS[1]; amount; milliseconds. The sum as a text: a number of Lua would lose digits. */
static const char ADD[] =
    "local there = redis.pcall('EXISTS', KEYS[1])\n"
    "local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])\n"
    "if type(sum) == 'table' then return sum end\n"
    "if there == 0 and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
    "return redis.call('GET', KEYS[1])";

/* KEYS[1]; value; limit. */
static const char PUSH[] = "local count = redis.pcall('LLEN', KEYS[1])\n"
                           "if type(count) == 'table' then return count end\n"
                           "if count >= tonumber(ARGV[2]) then return 0 end\n"
                           "local done = redis.pcall('RPUSH', KEYS[1], ARGV[1])\n"
                           "if type(done) == 'table' then return done end\n"
                           "return 1";

/* --- words ------------------------------------------------------------------------------------------ */

static void full_key(const struct redis *redis, const char *key, char text[KEY_ROOM])
{
    (void)snprintf(text, KEY_ROOM, "%s%s", redis->options->prefix, key);
}

/* With the tag before it; none is "". NULL: out of memory; the caller frees. */
static char *tagged(struct dtr_cache_bytes value, size_t *ret_length)
{
    char *text = malloc(value.length + 2);
    if (!text)
        return NULL;
    text[0] = TAG;
    if (value.bytes && value.length > 0)
        memcpy(text + 1, value.bytes, value.length);
    *ret_length = value.bytes ? value.length + 1 : 0;
    return text;
}

static void ttl_text(uint64_t ttl_ms, char text[24])
{
    (void)snprintf(text, 24, "%llu", (unsigned long long)(ttl_ms > TTL_MOST_MS ? 0 : ttl_ms));
}

static void begin_script(struct short_command *words, const char *script, const char *key)
{
    command_add(words, "EVAL");
    command_add(words, script);
    command_add(words, "1");
    command_add(words, key);
}

static int ask(struct redis *redis, const char *key, struct short_command *words, uint64_t wait_ms,
               redisReply **ret_reply, struct dtr_error *err)
{
    struct command command = command_of(words);
    return route_ask(redis, key, &command, wait_ms, ret_reply, err);
}

static int out_of_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a value of the cache");
}

static int strange(const char *what, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "Redis answers %s with something else", what);
}

/* --- values ----------------------------------------------------------------------------------------- */

static int redis_get(void *instance, const char *key, const struct dtr_cache_sink *sink,
                     struct dtr_error *err)
{
    struct redis *redis = instance;
    struct short_command words = {0};
    char full[KEY_ROOM];
    redisReply *reply = NULL;
    int status = dtr_cache_check_key(key, err);
    if (status != DTR_OK)
        return status;
    full_key(redis, key, full);
    command_add(&words, "GET");
    command_add(&words, full);
    status = ask(redis, full, &words, 0, &reply, err);
    if (status != DTR_OK)
        return status;
    if (reply->type == REDIS_REPLY_NIL)
        status = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "the cache has no %.100s", key);
    else if (!reply_is_text(reply))
        status = strange("GET", err);
    else if (reply->len > 0 && reply->str[0] == TAG)
        sink->value(sink->context, reply->str + 1, (size_t)reply->len - 1);
    else
        sink->value(sink->context, reply->str, (size_t)reply->len); /* a number */
    freeReplyObject(reply);
    return status;
}

static int redis_set(void *instance, const char *key, struct dtr_cache_bytes value, uint64_t ttl_ms,
                     struct dtr_error *err)
{
    struct redis *redis = instance;
    struct short_command words = {0};
    char full[KEY_ROOM], ttl[24];
    redisReply *reply = NULL;
    size_t length;
    int status = dtr_cache_check(key, value, err);
    if (status != DTR_OK)
        return status;
    char *text = tagged(value, &length);
    if (!text)
        return out_of_memory(err);
    full_key(redis, key, full);
    ttl_text(ttl_ms, ttl);
    command_add(&words, "SET");
    command_add(&words, full);
    command_add_bytes(&words, text, length);
    if (strcmp(ttl, "0") != 0) {
        command_add(&words, "PX");
        command_add(&words, ttl);
    }
    status = ask(redis, full, &words, 0, &reply, err);
    if (status == DTR_OK && reply->type != REDIS_REPLY_STATUS)
        status = strange("SET", err);
    freeReplyObject(reply);
    free(text);
    return status;
}

static int do_swap(struct redis *redis, const char *key, char *texts[2], const size_t lengths[2],
                   uint64_t ttl_ms, bool *ret_done, struct dtr_error *err)
{
    struct short_command words = {0};
    char full[KEY_ROOM], ttl[24];
    redisReply *reply = NULL;
    full_key(redis, key, full);
    ttl_text(ttl_ms, ttl);
    begin_script(&words, SWAP, full);
    command_add_bytes(&words, texts[0], lengths[0]);
    command_add_bytes(&words, texts[1], lengths[1]);
    command_add(&words, ttl);
    int status = ask(redis, full, &words, 0, &reply, err);
    if (status == DTR_OK && reply->type != REDIS_REPLY_INTEGER)
        status = strange("swap()", err);
    if (status == DTR_OK)
        *ret_done = reply->integer == 1;
    freeReplyObject(reply);
    return status;
}

static int redis_swap(void *instance, const char *key, struct dtr_cache_bytes old,
                      struct dtr_cache_bytes value, uint64_t ttl_ms, bool *ret_done, struct dtr_error *err)
{
    size_t lengths[2];
    int status = dtr_cache_check_swap(key, old, value, err);
    if (status != DTR_OK)
        return status;
    char *texts[2] = {tagged(old, &lengths[0]), tagged(value, &lengths[1])};
    status = texts[0] && texts[1] ? do_swap(instance, key, texts, lengths, ttl_ms, ret_done, err)
                                  : out_of_memory(err);
    free(texts[0]);
    free(texts[1]);
    return status;
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static int redis_add(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
                     struct dtr_error *err)
{
    struct redis *redis = instance;
    struct short_command words = {0};
    char full[KEY_ROOM], digits[24], ttl[24], *end;
    redisReply *reply = NULL;
    int status = dtr_cache_check_key(key, err);
    if (status != DTR_OK)
        return status;
    full_key(redis, key, full);
    (void)snprintf(digits, sizeof(digits), "%lld", (long long)amount);
    ttl_text(ttl_ms, ttl);
    begin_script(&words, ADD, full);
    command_add(&words, digits);
    command_add(&words, ttl);
    status = ask(redis, full, &words, 0, &reply, err);
    if (status == DTR_OK && !reply_is_text(reply))
        status = strange("add()", err);
    if (status == DTR_OK) {
        *ret_value = strtoll(reply->str, &end, 10);
        if (end == reply->str || *end)
            status = strange("add()", err);
    }
    freeReplyObject(reply);
    return status;
}

/* --- queues ----------------------------------------------------------------------------------------- */

static int redis_push(void *instance, const char *queue, struct dtr_cache_bytes value, uint64_t limit,
                      struct dtr_error *err)
{
    struct redis *redis = instance;
    struct short_command words = {0};
    char full[KEY_ROOM], most[24];
    redisReply *reply = NULL;
    int status = dtr_cache_check(queue, value, err);
    if (status != DTR_OK)
        return status;
    full_key(redis, queue, full);
    (void)snprintf(most, sizeof(most), "%llu", (unsigned long long)limit);
    begin_script(&words, PUSH, full);
    command_add_bytes(&words, value.bytes, value.length);
    command_add(&words, most);
    status = ask(redis, full, &words, 0, &reply, err);
    if (status == DTR_OK && reply->type != REDIS_REPLY_INTEGER)
        status = strange("push()", err);
    if (status == DTR_OK && reply->integer != 1)
        status = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%llu values wait in queue %.100s already",
                               (unsigned long long)limit, queue);
    freeReplyObject(reply);
    return status;
}

/* LPOP gives the value, BLPOP gives it after the key. NULL: none. */
static const redisReply *popped(const redisReply *reply)
{
    const redisReply *key, *value;
    return reply_pair(reply, &key, &value) ? value : reply;
}

static int redis_pop(void *instance, const char *queue, uint64_t wait_ms, const struct dtr_cache_sink *sink,
                     struct dtr_error *err)
{
    struct redis *redis = instance;
    struct short_command words = {0};
    char full[KEY_ROOM], seconds[24];
    redisReply *reply = NULL;
    int status = dtr_cache_check_key(queue, err);
    if (status != DTR_OK)
        return status;
    if (wait_ms > WAIT_MOST_MS)
        wait_ms = WAIT_MOST_MS;
    full_key(redis, queue, full);
    command_add(&words, wait_ms ? "BLPOP" : "LPOP");
    command_add(&words, full);
    if (wait_ms) { /* 0 would be for ever */
        (void)snprintf(seconds, sizeof(seconds), "%llu.%03llu", (unsigned long long)(wait_ms / 1000),
                       (unsigned long long)(wait_ms % 1000));
        command_add(&words, seconds);
    }
    status = ask(redis, full, &words, wait_ms, &reply, err);
    if (status != DTR_OK)
        return status;
    const redisReply *value = popped(reply);
    if (value->type == REDIS_REPLY_NIL)
        status = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "nothing came into queue %.100s", queue);
    else if (!reply_is_text(value))
        status = strange("pop()", err);
    else
        sink->value(sink->context, value->str, (size_t)value->len);
    freeReplyObject(reply);
    return status;
}

/* --- forget() --------------------------------------------------------------------------------------- */

static int redis_forget(void *instance, const char *prefix, struct dtr_error *err)
{
    struct redis *redis = instance;
    char full[KEY_ROOM];
    int status = dtr_cache_check_text("prefix", prefix, DTR_CACHE_PREFIX_MAX, err);
    if (status != DTR_OK)
        return status;
    full_key(redis, prefix, full);
    return forget_keys(redis, full, err);
}

/* --- descriptor ------------------------------------------------------------------------------------- */

static int redis_start(const void *options, void **ret_instance, struct dtr_error *err)
{
    struct redis *redis = calloc(1, sizeof(*redis));
    if (!redis)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the cache");
    redis->options = options;
    int status = settings_check(redis, err);
    if (status == DTR_OK)
        status = pool_open(redis, err);
    if (status != DTR_OK) {
        free(redis->addrs);
        free(redis);
        return status;
    }
    if (redis->options->tls_skip_verify)
        redis_host->log(NAME, DTR_LOG_WARN,
                        "tls.insecureSkipVerify is true: whoever answers at %s gets the password",
                        redis->options->addrs);
    *ret_instance = redis;
    return DTR_OK;
}

static void redis_stop(void *instance)
{
    struct redis *redis = instance;
    if (!redis)
        return;
    pool_close(redis);
    free(redis->addrs);
    free(redis);
}

static const struct dtr_cache_ops ops = {
    .size = sizeof(ops),
    .get = redis_get,
    .set = redis_set,
    .swap = redis_swap,
    .forget = redis_forget,
    .add = redis_add,
    .push = redis_push,
    .pop = redis_pop,
};

/* name, type, field, default, unit, least, most, help */
#define OPTIONS(X)                                                                                           \
    X("addrs", STRING, addrs, "", "", 0, 0,                                                                  \
      "host:port, or several with commas between: sentinels when masterName is set, else servers of a "      \
      "cluster")                                                                                             \
    X("masterName", STRING, master_name, "", "", 0, 0, "the master that the sentinels in addrs watch")       \
    X("username", STRING, username, "", "", 0, 0, "user of Redis; none: the default one")                    \
    X("password", STRING, password, "", "", 0, 0, "password of that user; none: no AUTH")                    \
    X("sentinelUsername", STRING, sentinel_username, "", "", 0, 0, "user of the sentinels")                  \
    X("sentinelPassword", STRING, sentinel_password, "", "", 0, 0, "password of the sentinels")              \
    X("db", INT, db, "0", "", 0, 1 << 20, "number of the database")                                          \
    X("poolSize", INT, pool_size, "40", "connections", 1, 10000,                                             \
      "connections to a server at a time; one that waits for work in a queue takes one")                     \
    X("poolTimeout", DURATION, pool_timeout_ms, "10s", "", 1, 3600000,                                       \
      "how long to wait for a free connection")                                                              \
    X("connect_timeout", DURATION, connect_timeout_ms, "5s", "", 1, 3600000,                                 \
      "for look-up, connect and TLS together")                                                               \
    X("io_timeout", DURATION, io_timeout_ms, "5s", "", 1, 3600000, "for a command, and again for its reply") \
    X("tls.enable", BOOL, tls, "false", "", 0, 0,                                                            \
      "TLS with the system's authorities; any other tls option switches TLS on too")                         \
    X("tls.caCert", STRING, tls_ca_cert, "", "", 0, 0, "PEM file of the authorities that sign servers")      \
    X("tls.cert", STRING, tls_cert, "", "", 0, 0, "PEM file of the certificate to show")                     \
    X("tls.key", STRING, tls_key, "", "", 0, 0, "PEM file of its key")                                       \
    X("tls.insecureSkipVerify", BOOL, tls_skip_verify, "false", "", 0, 0,                                    \
      "takes any certificate of a server: for tests")                                                        \
    X("prefix", STRING, prefix, "darter:", "", 0, 0, "what all keys begin with, at most 100 characters")

static const struct dtr_option option_table[] = {
#define OPTION_ROW(text, kind, field, value, of, low, high, words)                                           \
    {.name = (text),                                                                                         \
     .type = DTR_OPTION_##kind,                                                                              \
     .offset = offsetof(struct options, field),                                                              \
     .initial = (value),                                                                                     \
     .unit = (of),                                                                                           \
     .least = (low),                                                                                         \
     .most = (high),                                                                                         \
     .help = (words)},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
        {0},
};

static const struct dtr_feature features[] = {
    {.kind = "cache", .name = "redis", .calling = DTR_CALL_BLOCKING, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = NAME,
    .version = "1.0",
    .summary = "the cache of several managers, on Redis",
    .options_size = sizeof(struct options),
    .options = option_table,
    .features = features,
    .start = redis_start,
    .stop = redis_stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    redis_host = given;
    return &module;
}
