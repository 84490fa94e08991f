/* The frame of a conformance program; see conformance.h. */
#include "conformance.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <unistd.h>

void bench_fail(struct bench *bench, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)printf("# %s:%d: ", file, line);
    (void)vprintf(format, args);
    (void)printf("\n");
    va_end(args);
    bench->failed = true;
}

int bench_start(struct bench *bench, struct dtr_error *err)
{
    int status =
        dtr_testhost_start(bench->module, bench->settings, bench->setting_count, &bench->started, err);
    bench->running = status == DTR_OK;
    return status;
}

void bench_stop(struct bench *bench)
{
    if (bench->running)
        dtr_testhost_stop(&bench->started);
    bench->running = false;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* --- program ----------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* Runs one case on a fresh instance. False: it failed. */
static bool run_case(struct bench *bench, const struct conformance *what,
                     const struct conformance_case *which, char *const *settings)
{
    struct dtr_error err = {0};
    char dir[] = "/tmp/darter-conformance-XXXXXX";
    char *texts[SETTINGS_MOST] = {0};

    bench->failed = false;
    if (!mkdtemp(dir)) {
        bench_fail(bench, __FILE__, __LINE__, "%s: %s", dir, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < bench->setting_count; i++) {
        const char *at = strchr(settings[i], '@');
        int before = at ? (int)(at - settings[i]) : 0;
        if (asprintf(&texts[i], "%.*s%s%s", before, settings[i], at ? dir : "", at ? at + 1 : settings[i]) <
            0)
            texts[i] = NULL;
        bench->settings[i] = texts[i] ? texts[i] : "";
    }
    if (bench_start(bench, &err) != DTR_OK)
        bench_fail(bench, __FILE__, __LINE__, "start: %s", err.text);
    else if (what->prepare)
        what->prepare(bench);
    if (!bench->failed)
        which->run(bench);
    bench_stop(bench);
    for (size_t i = 0; i < bench->setting_count; i++)
        free(texts[i]);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return !bench->failed;
}

static int usage(const struct conformance *what)
{
    (void)fprintf(stderr,
                  "usage: %s [--volatile] [--seed N] [--rounds N] [--only WORD] [-v] MODULE.so "
                  "[option=value ...]\n",
                  what->program);
    return 2;
}

/* What the command line says beside the module and its settings. */
struct orders {
    bool forgets;
    const char *only;
};

/* Answers where the module's path stands, or 0 when the command line is bad. */
static int read_orders(int argc, char **argv, struct bench *bench, struct orders *orders)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--volatile") == 0)
            orders->forgets = true;
        else if (strcmp(argv[at], "--seed") == 0 && at + 1 < argc)
            bench->seed = strtoull(argv[++at], NULL, 10);
        else if (strcmp(argv[at], "--rounds") == 0 && at + 1 < argc)
            bench->rounds = (unsigned)strtoul(argv[++at], NULL, 10);
        else if (strcmp(argv[at], "--only") == 0 && at + 1 < argc)
            orders->only = argv[++at];
        else if (strcmp(argv[at], "-v") == 0)
            dtr_testhost_verbose(DTR_LOG_DEBUG);
        else
            return 0;
    }
    return at < argc && argc - at - 1 <= SETTINGS_MOST ? at : 0;
}

static int load(const struct conformance *what, const char *path, struct bench *bench)
{
    struct dtr_error err = {0};
    uint32_t size = 0;
    if (dtr_testhost_load(path, &bench->module, &err) != DTR_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    bench->table = dtr_testhost_ops(bench->module, what->kind);
    if (bench->table)
        memcpy(&size, bench->table, sizeof(size));
    if (size < what->least) {
        (void)fprintf(stderr, "%s: no %s feature of this version\n", bench->module->name, what->kind);
        return 1;
    }
    return 0;
}

int conformance_main(const struct conformance *what, int argc, char **argv)
{
    struct bench bench = {.seed = 1, .rounds = 20};
    struct orders orders = {0};
    bool good = true;
    int at = read_orders(argc, argv, &bench, &orders);

    if (at == 0)
        return usage(what);
    if (load(what, argv[at], &bench) != 0)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN); /* as in core */
    bench.setting_count = (size_t)(argc - at - 1);
    (void)printf("1..%zu\n", what->count);
    for (size_t i = 0; i < what->count; i++) {
        const struct conformance_case *which = &what->cases[i];
        const char *skipped = orders.forgets && which->lasting                   ? " # SKIP volatile"
                              : orders.only && !strstr(which->name, orders.only) ? " # SKIP not asked for"
                                                                                 : "";
        bool passed = *skipped || run_case(&bench, what, which, argv + at + 1);
        (void)printf("%s %zu - %s%s\n", passed ? "ok" : "not ok", i + 1, which->name, skipped);
        (void)fflush(stdout);
        good = good && passed;
    }
    return good ? 0 : 1;
}
