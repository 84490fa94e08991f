/* The test host; its contract is darter/testhost.h. */
#include "testconn.h"

#include <darter/testhost.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static enum dtr_log_level shown = DTR_LOG_ERROR;

__attribute__((format(printf, 3, 4))) static void host_log(const char *module, enum dtr_log_level level,
                                                           const char *format, ...)
{
    va_list args;
    char line[512];
    if (level > shown)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)fprintf(stderr, "# %s: %s\n", module, line);
}

static uint64_t host_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void host_count(const char *module, uint32_t metric, double amount)
{
    (void)module;
    (void)metric;
    (void)amount;
}

static struct dtr_host host = {.size = sizeof(host),
                               .log = host_log,
                               .now_ns = host_now_ns,
                               .count = host_count,
                               .conn_dial = testconn_dial,
                               .conn_read = testconn_read,
                               .conn_write = testconn_write,
                               .conn_close = testconn_close};

const struct dtr_host *dtr_testhost(void)
{
    return &host;
}

void dtr_testhost_connect_by(const struct dtr_host *other)
{
    host.conn_dial = other->conn_dial;
    host.conn_read = other->conn_read;
    host.conn_write = other->conn_write;
    host.conn_close = other->conn_close;
}

void dtr_testhost_verbose(enum dtr_log_level least)
{
    shown = least;
}

int dtr_testhost_load(const char *path, const struct dtr_module **ret_module, struct dtr_error *err)
{
    const struct dtr_module *(*open_module)(const struct dtr_host *);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "dtr_module_open") : NULL;
    if (!symbol)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s", dlerror());
    memcpy(&open_module, &symbol, sizeof(symbol));
    *ret_module = open_module(dtr_testhost());
    if (!*ret_module || (*ret_module)->magic != DTR_MODULE_MAGIC)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: no descriptor", path);
    return DTR_OK;
}

/* A whole number and the factor of its unit; false when it is neither. */
static bool read_number(const char *text, int64_t *ret_value)
{
    static const struct {
        const char *unit;
        int64_t factor; /* bytes or milliseconds */
    } units[] = {{"", 1},   {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
                 {"ms", 1}, {"s", 1000},      {"m", 60000},     {"h", 3600000}};
    char *end;
    errno = 0;
    *ret_value = strtoll(text, &end, 10);
    for (size_t i = 0; errno == 0 && end != text && i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0)
            return !__builtin_mul_overflow(*ret_value, units[i].factor, ret_value);
    return false;
}

static int set_option(const struct dtr_option *option, const char *text, char *options, struct dtr_error *err)
{
    int64_t number = 0;
    bool truth = strcmp(text, "true") == 0;

    if (option->type == DTR_OPTION_STRING) {
        memcpy(options + option->offset, &text, sizeof(text));
        return DTR_OK;
    }
    if (option->type == DTR_OPTION_BOOL && (truth || strcmp(text, "false") == 0)) {
        memcpy(options + option->offset, &truth, sizeof(truth));
        return DTR_OK;
    }
    if (option->type == DTR_OPTION_BOOL || !read_number(text, &number))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "option %s: bad value \"%s\"", option->name,
                             text);
    memcpy(options + option->offset, &number, sizeof(number));
    return DTR_OK;
}

static const char *find_setting(const char *const *settings, size_t count, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < count; i++)
        if (strncmp(settings[i], name, length) == 0 && settings[i][length] == '=')
            return settings[i] + length + 1;
    return NULL;
}

int dtr_testhost_start(const struct dtr_module *module, const char *const *settings, size_t count,
                       struct dtr_testmodule *ret_started, struct dtr_error *err)
{
    char *options = calloc(1, module->options_size + 1);
    size_t used = 0;
    int status = options ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "out of memory");

    *ret_started = (struct dtr_testmodule){.module = module, .options = options};
    for (const struct dtr_option *o = module->options; status == DTR_OK && o && o->name; o++) {
        const char *text = find_setting(settings, count, o->name);
        used += text != NULL;
        status = set_option(o, text ? text : o->initial, options, err);
    }
    if (status == DTR_OK && used != count)
        status = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: a setting that is no option",
                               module->name);
    if (status == DTR_OK)
        status = module->start(options, &ret_started->instance, err);
    if (status != DTR_OK) {
        free(options);
        ret_started->options = NULL;
    }
    return status;
}

void dtr_testhost_stop(struct dtr_testmodule *started)
{
    started->module->stop(started->instance);
    free(started->options);
    started->options = started->instance = NULL;
}

const void *dtr_testhost_ops(const struct dtr_module *module, const char *kind)
{
    for (const struct dtr_feature *feature = module->features; feature && feature->kind; feature++)
        if (strcmp(feature->kind, kind) == 0)
            return feature->ops;
    return NULL;
}
