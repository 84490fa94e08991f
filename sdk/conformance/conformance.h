/* The frame of a conformance program: command line, cases, lines of TAP. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <darter/testhost.h>

#include <stdarg.h>
#include <stdlib.h>

enum { SETTINGS_MOST = 16 };

/* The module under test and one instance of it, fresh for each case. */
struct bench {
    const struct dtr_module *module;
    union { /* by kind */
        const void *table;
        const struct dtr_storage_ops *ops;
        const struct dtr_database_ops *database;
        const struct dtr_cache_ops *cache;
    };
    const char *settings[SETTINGS_MOST]; /* with the case's own directory in place of "@" */
    size_t setting_count;
    struct dtr_testmodule started;
    bool running;
    uint64_t seed;
    unsigned rounds; /* of a case that tries the same often */
    bool failed;
};

struct conformance_case {
    const char *name;
    void (*run)(struct bench *bench);
    bool lasting; /* only for modules that remember over a restart */
};

struct conformance {
    const char *program, *kind;
    uint32_t least; /* size of the operations' table */
    const struct conformance_case *cases;
    size_t count;
    void (*prepare)(struct bench *bench); /* before each case, on its instance; or NULL */
};

/* Runs all cases:
 *
 *     PROGRAM [--volatile] [--seed N] [--rounds N] [--only WORD] [-v] MODULE.so [option=value ...]
 *
 * "@" in a value stands for an empty directory, a new one for each case. --volatile leaves out the cases
 * about restarts. Answers main()'s status: 0, 1 when a case failed, 2 for a bad command line. */
int conformance_main(const struct conformance *what, int argc, char **argv);

__attribute__((format(printf, 4, 5))) void bench_fail(struct bench *bench, const char *file, int line,
                                                      const char *format, ...);
int bench_start(struct bench *bench, struct dtr_error *err);
void bench_stop(struct bench *bench);
uint64_t next_random(uint64_t *state);

/* Ends the case when `condition` does not hold. */
#define CHECK(bench, condition, ...)                                                                         \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            bench_fail(bench, __FILE__, __LINE__, __VA_ARGS__);                                              \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)
#define CHECK_OK(bench, call, err)                                                                           \
    do {                                                                                                     \
        int check_status = (call);                                                                           \
        CHECK(bench, check_status == DTR_OK, "%s: %s (%s)", #call, dtr_code_text(check_status), (err).text); \
    } while (0)

#endif
