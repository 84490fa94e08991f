/* How the conformance programs say what is wrong: in lines that TAP takes for comments. */
#ifndef DTR_CONFORMANCE_CHECK_H
#define DTR_CONFORMANCE_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static inline void check_fail(bool *failed, const char *file, int line,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)printf("# %s:%d: ", file, line);
    (void)vprintf(format, args);
    (void)printf("\n");
    va_end(args);
    *failed = true;
}

/* Ends the case, a void function, when `condition` does not hold. `bench` has a member `failed`. */
#define CHECK(bench, condition, ...)                                                                         \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            check_fail(&(bench)->failed, __FILE__, __LINE__, __VA_ARGS__);                                   \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)
#define CHECK_OK(bench, call, err)                                                                           \
    do {                                                                                                     \
        int check_status = (call);                                                                           \
        CHECK(bench, check_status == DTR_OK, "%s: %s (%s)", #call, dtr_code_text(check_status), (err).text); \
    } while (0)

#endif
