/* Conformance of a cache module with darter/cache.h. The server that a module may need is there already; each
 * case begins without keys that begin with "t". What several threads do at once is in cache_threads.c. */
#include "cache_conformance.h"

/* --- bench ------------------------------------------------------------------------------------------ */

static void take(void *context, const void *bytes, size_t length)
{
    struct got *got = context;
    free(got->bytes);
    got->calls++;
    got->length = length;
    got->bytes = malloc(length + 1);
    if (got->bytes && length > 0)
        memcpy(got->bytes, bytes, length);
}

static void got_reset(struct got *got)
{
    free(got->bytes);
    *got = (struct got){0};
}

void got_free(struct got *got)
{
    got_reset(got);
}

int do_get(struct bench *bench, const char *key, struct got *got, struct dtr_error *err)
{
    struct dtr_cache_sink sink = {.value = take, .context = got};
    got_reset(got);
    return bench->cache->get(bench->started.instance, key, &sink, err);
}

int do_pop(struct bench *bench, const char *queue, uint64_t wait_ms, struct got *got, struct dtr_error *err)
{
    struct dtr_cache_sink sink = {.value = take, .context = got};
    got_reset(got);
    return bench->cache->pop(bench->started.instance, queue, wait_ms, &sink, err);
}

bool got_text(const struct got *got, const char *text)
{
    return got->calls == 1 && got->length == strlen(text) && memcmp(got->bytes, text, got->length) == 0;
}

struct dtr_cache_bytes text_value(const char *text)
{
    return (struct dtr_cache_bytes){text, text ? strlen(text) : 0};
}

uint64_t now_ms(void)
{
    return dtr_testhost()->now_ns() / 1000000;
}

static int do_set(struct bench *bench, const char *key, const char *text, uint64_t ttl_ms,
                  struct dtr_error *err)
{
    return bench->cache->set(bench->started.instance, key, text_value(text), ttl_ms, err);
}

static int do_push(struct bench *bench, const char *queue, const char *text, uint64_t limit,
                   struct dtr_error *err)
{
    return bench->cache->push(bench->started.instance, queue, text_value(text), limit, err);
}

/* Whether the key has exactly this; NULL: nothing. */
static bool has(struct bench *bench, const char *key, const char *text)
{
    struct dtr_error err = {0};
    struct got got = {0};
    int status = do_get(bench, key, &got, &err);
    bool good = text ? status == DTR_OK && got_text(&got, text) : status == DTR_ENOT_FOUND && got.calls == 0;
    if (!good)
        (void)printf("# get %s: %s, %zu bytes\n", key, dtr_code_text(status), got.length);
    got_free(&got);
    return good;
}

/* --- values ----------------------------------------------------------------------------------------- */

static void case_values(struct bench *bench)
{
    struct dtr_error err = {0};
    CHECK(bench, has(bench, "t1", NULL), "there is a value from the start");
    CHECK_OK(bench, do_set(bench, "t1", "one", 0, &err), err);
    CHECK(bench, has(bench, "t1", "one"), "a value does not come back");
    CHECK_OK(bench, do_set(bench, "t1", "another one", 60000, &err), err);
    CHECK(bench, has(bench, "t1", "another one"), "set() does not replace a value");
    CHECK_OK(bench, do_set(bench, "t1", "", 0, &err), err);
    CHECK(bench, has(bench, "t1", ""), "the empty value does not come back");
    CHECK(bench, has(bench, "t", NULL) && has(bench, "t11", NULL), "a key stands for another one");
}

/* One value through set and get, and through push and pop. */
static void same_bytes(struct bench *bench, const void *bytes, size_t length)
{
    struct dtr_cache_bytes value = {bytes, length};
    struct dtr_error err = {0};
    struct got got = {0};
    int status = bench->cache->set(bench->started.instance, "t-value", value, 60000, &err);
    if (status == DTR_OK)
        status = do_get(bench, "t-value", &got, &err);
    bool same = status == DTR_OK && got.length == length && memcmp(got.bytes, bytes, length) == 0;
    if (status == DTR_OK)
        status = bench->cache->push(bench->started.instance, "t-queue", value, 1, &err);
    if (status == DTR_OK)
        status = do_pop(bench, "t-queue", 0, &got, &err);
    same = same && status == DTR_OK && got.length == length && memcmp(got.bytes, bytes, length) == 0;
    got_free(&got);
    CHECK_OK(bench, status, err);
    CHECK(bench, same, "a value of %zu bytes comes back as another one", length);
}

static void case_bytes(struct bench *bench)
{
    static unsigned char large[DTR_CACHE_VALUE_MAX];
    unsigned char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (unsigned char)(i * 2654435761u >> 11);
    same_bytes(bench, all, sizeof(all));
    same_bytes(bench, "\0", 1);
    same_bytes(bench, "$-1\r\n", 5);
    same_bytes(bench, "", 0);
    same_bytes(bench, large, sizeof(large));
}

static bool refused(struct bench *bench, const char *key)
{
    struct dtr_error err = {0};
    struct got got = {0};
    bool done;
    int64_t number;
    int status[] = {
        do_get(bench, key, &got, &err),
        do_set(bench, key, "x", 0, &err),
        bench->cache->swap(bench->started.instance, key, text_value(NULL), text_value("x"), 0, &done, &err),
        bench->cache->add(bench->started.instance, key, 1, 0, &number, &err),
        do_push(bench, key, "x", 9, &err),
        do_pop(bench, key, 0, &got, &err)};
    bool all = got.calls == 0;
    for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++)
        all = all && status[i] == DTR_EINVALID;
    got_free(&got);
    return all;
}

static void case_keys(struct bench *bench)
{
    static const char *const bad[] = {"", "t\n", "t\r\nt", "t\x7f", "t\xc3\xa9", "\x01"};
    struct dtr_error err = {0};
    char key[DTR_CACHE_KEY_MAX + 2] = "t", all[96];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(bench, refused(bench, bad[i]), "a bad key (%zu) is not DTR_EINVALID everywhere", i);
    memset(key + 1, 'k', DTR_CACHE_KEY_MAX);
    CHECK(bench, refused(bench, key), "a key of 251 characters is not DTR_EINVALID everywhere");
    key[DTR_CACHE_KEY_MAX] = '\0';
    CHECK_OK(bench, do_set(bench, key, "long", 0, &err), err);
    CHECK(bench, has(bench, key, "long"), "a key of 250 characters has no value");
    all[0] = 't';
    for (int i = 0; i < 94; i++)
        all[i + 1] = (char)(' ' + i);
    all[95] = '\0';
    CHECK_OK(bench, do_set(bench, all, "all", 0, &err), err);
    CHECK(bench, has(bench, all, "all"), "a key of all printable characters has no value");
}

static void case_limits(struct bench *bench)
{
    static unsigned char large[DTR_CACHE_VALUE_MAX + 1];
    struct dtr_cache_bytes value = {large, sizeof(large)}, none = {NULL, 0};
    struct dtr_error err = {0};
    char prefix[DTR_CACHE_PREFIX_MAX + 2];
    bool done = false;
    const struct dtr_cache_ops *ops = bench->cache;
    CHECK(bench, ops->set(bench->started.instance, "t", value, 0, &err) == DTR_ELIMIT, "set() of 1 MiB + 1");
    CHECK(bench, ops->push(bench->started.instance, "t", value, 9, &err) == DTR_ELIMIT,
          "push() of 1 MiB + 1");
    CHECK(bench, ops->swap(bench->started.instance, "t", none, value, 0, &done, &err) == DTR_ELIMIT && !done,
          "swap() to 1 MiB + 1");
    CHECK(bench, ops->swap(bench->started.instance, "t", value, none, 0, &done, &err) == DTR_ELIMIT && !done,
          "swap() from 1 MiB + 1");
    CHECK(bench, ops->set(bench->started.instance, "t", none, 0, &err) == DTR_EINVALID, "set() of no value");
    CHECK(bench, ops->push(bench->started.instance, "t", none, 9, &err) == DTR_EINVALID,
          "push() of no value");
    CHECK(bench, has(bench, "t", NULL), "something refused left a value");
    memset(prefix, 't', sizeof(prefix) - 1);
    prefix[sizeof(prefix) - 1] = '\0';
    CHECK(bench, ops->forget(bench->started.instance, prefix, &err) == DTR_EINVALID,
          "forget() of 201 characters");
    prefix[DTR_CACHE_PREFIX_MAX] = '\0';
    CHECK_OK(bench, ops->forget(bench->started.instance, prefix, &err), err);
    CHECK(bench, ops->forget(bench->started.instance, "", &err) == DTR_EINVALID, "forget() of everything");
    CHECK(bench, ops->forget(bench->started.instance, "t\n", &err) == DTR_EINVALID,
          "forget() of a control character");
}

/* --- swap() ----------------------------------------------------------------------------------------- */

static void case_swap(struct bench *bench)
{
    static const struct {
        const char *old, *value;
        bool done;
        const char *after;
    } steps[] = {
        {"a", "b", false, NULL}, {NULL, NULL, true, NULL}, {NULL, "a", true, "a"},   {NULL, "b", false, "a"},
        {"", "b", false, "a"},   {"a1", "b", false, "a"},  {"a", "a", true, "a"},    {"a", "", true, ""},
        {NULL, "b", false, ""},  {"", "b", true, "b"},     {NULL, NULL, false, "b"}, {"a", NULL, false, "b"},
        {"b", NULL, true, NULL}, {"b", NULL, false, NULL},
    };
    struct dtr_error err = {0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bool done = !steps[i].done;
        CHECK_OK(bench,
                 bench->cache->swap(bench->started.instance, "t", text_value(steps[i].old),
                                    text_value(steps[i].value), 60000, &done, &err),
                 err);
        CHECK(bench, done == steps[i].done, "swap() in step %zu is %s", i, done ? "done" : "not done");
        CHECK(bench, has(bench, "t", steps[i].after), "another value after step %zu", i);
    }
}

static void case_swap_bytes(struct bench *bench)
{
    static unsigned char large[DTR_CACHE_VALUE_MAX];
    const struct dtr_cache_bytes none = {NULL, 0}, full = {large, sizeof(large)},
                                 shorter = {large, sizeof(large) - 1};
    struct dtr_error err = {0};
    bool done = false;
    CHECK_OK(bench, bench->cache->swap(bench->started.instance, "t", none, full, 0, &done, &err), err);
    CHECK(bench, done, "1 MiB of zeros is not taken");
    CHECK_OK(bench, bench->cache->swap(bench->started.instance, "t", shorter, none, 0, &done, &err), err);
    CHECK(bench, !done, "a value and its beginning are the same");
    CHECK_OK(bench, bench->cache->swap(bench->started.instance, "t", full, shorter, 0, &done, &err), err);
    CHECK(bench, done, "1 MiB of zeros is not found equal");
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static void case_numbers(struct bench *bench)
{
    static const struct {
        int64_t amount, value;
        const char *digits;
    } steps[] = {
        {0, 0, "0"},
        {5, 5, "5"},
        {-7, -2, "-2"},
        {((int64_t)1 << 53) + 3, ((int64_t)1 << 53) + 1, "9007199254740993"},
        {INT64_MAX - ((int64_t)1 << 53) - 1, INT64_MAX, "9223372036854775807"},
    };
    struct dtr_error err = {0};
    int64_t value = 1;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        CHECK_OK(bench, bench->cache->add(bench->started.instance, "t", steps[i].amount, 60000, &value, &err),
                 err);
        CHECK(bench, value == steps[i].value, "step %zu gives %lld", i, (long long)value);
        CHECK(bench, has(bench, "t", steps[i].digits), "get() gives other digits in step %zu", i);
    }
    CHECK(bench, bench->cache->add(bench->started.instance, "t", 1, 0, &value, &err) == DTR_ELIMIT,
          "a sum that is too large is not DTR_ELIMIT");
    CHECK(bench, has(bench, "t", "9223372036854775807"), "a sum that is too large changes the number");
    CHECK_OK(bench, bench->cache->add(bench->started.instance, "t-low", INT64_MIN, 0, &value, &err), err);
    CHECK(bench, value == INT64_MIN && has(bench, "t-low", "-9223372036854775808"), "the least number");
}

/* --- time ------------------------------------------------------------------------------------------- */

enum { TTL_MS = 300, LATE_MS = 10000 };

/* Keys that live for TTL_MS, and keys that would, had their time not been changed. */
static void begin_lives(struct bench *bench)
{
    struct dtr_error err = {0};
    const struct dtr_cache_ops *ops = bench->cache;
    void *instance = bench->started.instance;
    int64_t number;
    bool done = false;
    CHECK_OK(bench, do_set(bench, "t-set", "x", TTL_MS, &err), err);
    CHECK_OK(bench, do_set(bench, "t-set-forever", "x", TTL_MS, &err), err);
    CHECK_OK(bench, do_set(bench, "t-set-forever", "x", 0, &err), err);
    CHECK_OK(bench, do_set(bench, "t-set-huge", "x", UINT64_MAX, &err), err);
    CHECK_OK(bench, ops->add(instance, "t-number", 1, TTL_MS, &number, &err), err);
    CHECK_OK(bench, ops->add(instance, "t-number", 1, 60000, &number, &err), err);
    CHECK_OK(bench, ops->add(instance, "t-number-long", 1, 60000, &number, &err), err);
    CHECK_OK(bench, ops->add(instance, "t-number-long", 1, 1, &number, &err), err);
    CHECK_OK(bench, ops->swap(instance, "t-lock", text_value(NULL), text_value("x"), TTL_MS, &done, &err),
             err);
    CHECK_OK(bench, ops->swap(instance, "t-alive", text_value(NULL), text_value("x"), TTL_MS, &done, &err),
             err);
    CHECK_OK(bench, ops->swap(instance, "t-alive", text_value("x"), text_value("x"), 60000, &done, &err),
             err);
    CHECK(bench, done, "a lock is not kept alive");
}

/* The time that passes is spent in pop() on a queue that stays empty. */
static uint64_t wait_for_end(struct bench *bench, const char *key, uint64_t begun_ms)
{
    struct dtr_error err = {0};
    struct got got = {0};
    while (do_get(bench, key, &got, &err) == DTR_OK && now_ms() - begun_ms < LATE_MS)
        (void)do_pop(bench, "t-nothing", 10, &got, &err);
    got_free(&got);
    return now_ms() - begun_ms;
}

static void case_expiry(struct bench *bench)
{
    static const char *const mortal[] = {"t-set", "t-number", "t-lock"};
    uint64_t before_ms = now_ms();
    struct dtr_error err = {0};
    int64_t number = 0;
    bool done = false;
    begin_lives(bench);
    if (bench->failed)
        return;
    for (size_t i = 0; i < sizeof(mortal) / sizeof(mortal[0]); i++) {
        uint64_t lived_ms = wait_for_end(bench, mortal[i], before_ms);
        CHECK(bench, lived_ms >= TTL_MS - 1 && lived_ms < LATE_MS, "%s lives for %llu ms", mortal[i],
              (unsigned long long)lived_ms);
    }
    CHECK(bench, has(bench, "t-set-forever", "x"), "set() with ttl_ms 0 leaves the time that was there");
    CHECK(bench, has(bench, "t-set-huge", "x"), "a very long time is over");
    CHECK(bench, has(bench, "t-number-long", "2"), "a later add() changes the time");
    CHECK(bench, has(bench, "t-alive", "x"), "swap() does not lengthen the time");
    CHECK_OK(bench, bench->cache->add(bench->started.instance, "t-number", 4, 60000, &number, &err), err);
    CHECK(bench, number == 4, "a number that expired begins at %lld", (long long)number - 4);
    CHECK_OK(bench,
             bench->cache->swap(bench->started.instance, "t-lock", text_value(NULL), text_value("y"), 0,
                                &done, &err),
             err);
    CHECK(bench, done, "a lock that expired cannot be taken");
}

/* --- queues ----------------------------------------------------------------------------------------- */

static void case_queue(struct bench *bench)
{
    struct dtr_error err = {0};
    struct got got = {0};
    char text[8];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        CHECK_OK(bench, do_push(bench, "t", text, 5, &err), err);
    }
    CHECK(bench, do_push(bench, "t", "5", 5, &err) == DTR_ELIMIT && err.retry == DTR_RETRY_SAME,
          "a full queue takes another value");
    CHECK(bench, do_push(bench, "t-other", "5", 0, &err) == DTR_ELIMIT, "a limit of 0 takes a value");
    CHECK_OK(bench, do_push(bench, "t", "5", 6, &err), err);
    for (int i = 0; i < 6; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        CHECK_OK(bench, do_pop(bench, "t", i % 2 ? 0 : 1000, &got, &err), err);
        CHECK(bench, got_text(&got, text), "value %d does not come in its turn", i);
    }
    CHECK(bench, do_pop(bench, "t", 0, &got, &err) == DTR_ENOT_FOUND && got.calls == 0, "too many values");
    uint64_t begun_ms = now_ms();
    CHECK(bench, do_pop(bench, "t", 120, &got, &err) == DTR_ENOT_FOUND && got.calls == 0, "too many values");
    CHECK(bench, now_ms() - begun_ms >= 119, "pop() does not wait as long as it should");
    CHECK_OK(bench, do_set(bench, "t", "x", 0, &err), err);
    CHECK(bench, has(bench, "t", "x"), "an empty queue is in the way of a value");
    got_free(&got);
}

/* --- forget() --------------------------------------------------------------------------------------- */

static void case_forget(struct bench *bench)
{
    struct dtr_error err = {0};
    struct got got = {0};
    int64_t number;
    char key[32];
    CHECK_OK(bench, bench->cache->forget(bench->started.instance, "t:", &err), err);
    CHECK_OK(bench, do_set(bench, "t", "x", 0, &err), err);
    CHECK_OK(bench, do_set(bench, "t;", "x", 0, &err), err);
    CHECK_OK(bench, bench->cache->add(bench->started.instance, "t:number", 1, 0, &number, &err), err);
    CHECK_OK(bench, do_push(bench, "t:queue", "x", 1, &err), err);
    CHECK_OK(bench, do_set(bench, "t:", "x", 0, &err), err);
    for (int i = 0; i < 2500; i++) {
        (void)snprintf(key, sizeof(key), "t:%d", i);
        CHECK_OK(bench, do_set(bench, key, "x", 0, &err), err);
    }
    CHECK_OK(bench, bench->cache->forget(bench->started.instance, "t:", &err), err);
    for (int i = 0; i < 2500; i++) {
        (void)snprintf(key, sizeof(key), "t:%d", i);
        CHECK(bench, has(bench, key, NULL), "%s is not forgotten", key);
    }
    CHECK(bench, has(bench, "t:", NULL) && has(bench, "t:number", NULL), "a key is not forgotten");
    CHECK(bench, do_pop(bench, "t:queue", 0, &got, &err) == DTR_ENOT_FOUND, "a queue is not forgotten");
    CHECK(bench, has(bench, "t", "x") && has(bench, "t;", "x"), "too much is forgotten");
    got_free(&got);
}

/* Characters that patterns of some servers read as something else. */
static void case_forget_special(struct bench *bench)
{
    static const struct {
        const char *prefix, *kept; /* `kept` would match the prefix as a pattern */
    } rows[] = {
        {"t*", "t1"},   {"t?x", "t1x"}, {"t[ab]", "ta"},     {"t[^a]", "tb"}, {"t[a-c]", "tb"},
        {"t\\", "t1"},  {"t\\*", "t*"}, {"t{a,b}", "ta"},    {"t*[", "t1["},  {"t%", "t1"},
        {"t_x", "t1x"}, {"t.x", "t1x"}, {"t\"'$(x)`", "t1"}, {"t ", "t1"},    {"t]", "t1"},
    };
    struct dtr_error err = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%s9", rows[i].prefix);
        CHECK_OK(bench, do_set(bench, key, "gone", 0, &err), err);
        CHECK_OK(bench, do_set(bench, rows[i].prefix, "gone", 0, &err), err);
        CHECK_OK(bench, do_set(bench, rows[i].kept, "kept", 0, &err), err);
        CHECK_OK(bench, bench->cache->forget(bench->started.instance, rows[i].prefix, &err), err);
        CHECK(bench, has(bench, key, NULL) && has(bench, rows[i].prefix, NULL), "%s is not forgotten",
              rows[i].prefix);
        CHECK(bench, has(bench, rows[i].kept, "kept"), "%s is forgotten with %s", rows[i].kept,
              rows[i].prefix);
    }
}

/* --- kinds of keys ---------------------------------------------------------------------------------- */

static void case_kinds(struct bench *bench)
{
    const struct dtr_cache_ops *ops = bench->cache;
    void *instance = bench->started.instance;
    struct dtr_error err = {0};
    struct got got = {0};
    int64_t number;
    bool done = false;
    CHECK_OK(bench, do_set(bench, "t-value", "12", 0, &err), err);
    CHECK_OK(bench, ops->add(instance, "t-number", 12, 0, &number, &err), err);
    CHECK_OK(bench, do_push(bench, "t-queue", "12", 9, &err), err);
    CHECK(bench, ops->add(instance, "t-value", 1, 0, &number, &err) == DTR_EINVALID, "add() to a value");
    CHECK(bench, ops->add(instance, "t-queue", 1, 0, &number, &err) == DTR_EINVALID, "add() to a queue");
    CHECK(bench, do_get(bench, "t-queue", &got, &err) == DTR_EINVALID && got.calls == 0, "get() of a queue");
    static const char *const others[] = {"t-value", "t-number"};
    for (int i = 0; i < 2; i++) {
        CHECK(bench, do_push(bench, others[i], "x", 9, &err) == DTR_EINVALID, "push() to %s", others[i]);
        CHECK(bench, do_pop(bench, others[i], 0, &got, &err) == DTR_EINVALID, "pop() of %s", others[i]);
        CHECK(bench, do_pop(bench, others[i], 5000, &got, &err) == DTR_EINVALID, "pop() of %s", others[i]);
    }
    static const char *const swapped[] = {"t-number", "t-queue"}, *const olds[] = {NULL, "12"};
    for (int i = 0; i < 4; i++)
        CHECK(bench,
              ops->swap(instance, swapped[i / 2], text_value(olds[i % 2]), text_value("x"), 0, &done, &err) ==
                      DTR_EINVALID &&
                  !done,
              "swap() of %s", swapped[i / 2]);
    CHECK(bench, has(bench, "t-value", "12") && has(bench, "t-number", "12"), "a refusal changes a key");
    CHECK_OK(bench, do_set(bench, "t-number", "x", 0, &err), err);
    CHECK_OK(bench, do_set(bench, "t-queue", "x", 0, &err), err);
    CHECK(bench, has(bench, "t-number", "x") && has(bench, "t-queue", "x"),
          "set() does not replace all kinds");
    got_free(&got);
}

static const struct conformance_case cases[] = {
    {"values come back until they are replaced", case_values, false},
    {"values of any bytes", case_bytes, false},
    {"keys of printable characters", case_keys, false},
    {"limits of values and prefixes", case_limits, false},
    {"swap() compares and replaces", case_swap, false},
    {"swap() compares all bytes", case_swap_bytes, false},
    {"numbers", case_numbers, false},
    {"what expires, and what does not", case_expiry, false},
    {"queues: order, limit, waiting", case_queue, false},
    {"forget() by prefix", case_forget, false},
    {"forget() takes all characters for themselves", case_forget_special, false},
    {"a key is of one kind", case_kinds, false},
    {"a lock has one owner", case_lock, false},
    {"swap() by many loses no change", case_compare, false},
    {"add() by many gives each number once", case_add, false},
    {"each value of a queue goes to one caller", case_shared_queue, false},
    {"pop() wakes up when a value comes", case_wake, false},
};

/* --- program ---------------------------------------------------------------------------------------- */

/* A server keeps what earlier cases left. */
static void forget_all(struct bench *bench)
{
    struct dtr_error err = {0};
    CHECK_OK(bench, bench->cache->forget(bench->started.instance, "t", &err), err);
}

int cache_conformance(int argc, char **argv)
{
    static const struct conformance what = {.program = "cache_conformance",
                                            .kind = "cache",
                                            .least = sizeof(struct dtr_cache_ops),
                                            .cases = cases,
                                            .count = sizeof(cases) / sizeof(cases[0]),
                                            .prepare = forget_all};
    return conformance_main(&what, argc, argv);
}
