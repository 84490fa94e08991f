/* A module for tests of the loader, good or bad in one way, by what the build defines:
 *   T_NAME         what the file is called
 *   T_CALLED       what the descriptor says instead
 *   T_NO_NOTE, T_ABI (major of note and descriptor), T_NO_SYMBOL, T_UNDEFINED, T_NO_OP, T_BAD_DEFAULT
 *   T_CONSTRUCTOR  loading it makes the file that the variable DTR_TEST_MARK names */
#include <darter/module.h>
#include <darter/runtime.h>

#include <stdio.h>
#include <stdlib.h>

#ifndef T_CALLED
#define T_CALLED T_NAME
#endif
#ifndef T_ABI
#define T_ABI DTR_ABI_MAJOR
#endif
#ifndef T_BAD_DEFAULT
#define T_DEFAULT "4MiB"
#else
#define T_DEFAULT "4 apples"
#endif

struct options {
    const char *text;
    int64_t number;
    uint64_t size, wait_ms;
    bool flag;
    const char *end;
};

static const struct dtr_host *host;
static struct options seen;

#ifdef T_CONSTRUCTOR
__attribute__((constructor)) static void leave_mark(void)
{
    const char *path = getenv("DTR_TEST_MARK");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file)
        (void)fclose(file);
}
#endif

#ifdef T_UNDEFINED
int dtr_test_nobody_has_this(void);
#endif

/* Says what start() got, so that a test can see the options from here. */
static int detect(void *instance, bool *ret_found, const char **ret_detail, struct dtr_error *err)
{
    static char detail[256];
    (void)err;
    (void)snprintf(detail, sizeof(detail), "%s %lld %llu %llu %d %s", seen.text, (long long)seen.number,
                   (unsigned long long)seen.size, (unsigned long long)seen.wait_ms, seen.flag, seen.end);
    host->count(T_NAME, 0, 2);
    host->count(T_NAME, 99, 1);
    *ret_found = ((const struct options *)instance)->flag;
    *ret_detail = detail;
    return DTR_OK;
}

static int plan(void *instance, const struct dtr_runtime_request *request, struct dtr_runtime_plan **ret_plan,
                struct dtr_error *err)
{
    (void)instance;
    (void)request;
    *ret_plan = NULL;
#ifdef T_UNDEFINED
    (void)err;
    return dtr_test_nobody_has_this();
#else
    return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER, "a test");
#endif
}

static void plan_free(struct dtr_runtime_plan *p)
{
    (void)p;
}

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    seen = *(const struct options *)options;
    if (seen.number == 13)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "thirteen");
    *ret_instance = &seen;
    return DTR_OK;
}

static void stop(void *instance)
{
    ((struct options *)instance)->flag = false;
}

#ifdef T_NO_OP
#define PLAN (0 ? plan : NULL)
#else
#define PLAN plan
#endif
static const struct dtr_runtime_ops ops = {sizeof(ops), detect, PLAN, plan_free};

#define FIELD(name) offsetof(struct options, name)
static const struct dtr_option options[] = {
    {"text", DTR_OPTION_STRING, FIELD(text), "hello", "", 0, 0, "some text"},
    {"number", DTR_OPTION_INT, FIELD(number), "7", "", -5, 50, "a number"},
    {"bufferSize", DTR_OPTION_SIZE, FIELD(size), T_DEFAULT, "bytes", 1, INT64_MAX, "bytes at once"},
    {"wait", DTR_OPTION_DURATION, FIELD(wait_ms), "5s", "ms", 10, 60000, "time to wait"},
    {"flag", DTR_OPTION_BOOL, FIELD(flag), "true", "", 0, 0, "a switch"},
    {"end", DTR_OPTION_STRING, FIELD(end), "", "", 0, 0, "more text"},
    {0},
};

static const struct dtr_metric metrics[] = {{"asked_total", "times somebody asked"}, {0}};

/* "runtime_good" offers runtime "good". */
static const struct dtr_feature features[] = {
    {"runtime", &T_CALLED[sizeof("runtime_") - 1], DTR_CALL_BLOCKING, &ops}, {0}};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = T_ABI,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = T_CALLED,
    .version = "1.2",
    .summary = "a module for tests",
    .options_size = sizeof(struct options),
    .options = options,
    .metrics = metrics,
    .features = features,
    .start = start,
    .stop = stop,
};

#ifndef T_NO_NOTE
#undef DTR_ABI_MAJOR
#define DTR_ABI_MAJOR T_NOTE_ABI
#ifndef T_NOTE_ABI
#define T_NOTE_ABI 1
#endif
DTR_MODULE_NOTE;
#endif

#ifdef T_NO_SYMBOL
const struct dtr_module *dtr_module_closed(const struct dtr_host *given);
#define dtr_module_open dtr_module_closed
#endif

__attribute__((visibility("default"))) const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    host = given;
    return &module;
}
