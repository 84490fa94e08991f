/* What went wrong, in one fixed-size value that travels beside a status code.
 *
 * A function that can fail returns int: DTR_OK (0) or one of the negative codes below, and fills the
 * struct dtr_error that its last parameter points to. Whoever handles the error logs it or passes it
 * on, never both. Not for: our own bugs (assert those). */
#ifndef DARTER_ERROR_H
#define DARTER_ERROR_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* name, number, what an operator reads */
#define DTR_CODES(X)                                                                                         \
    X(NOMEM, -1, "out of memory")                                                                            \
    X(INVALID, -2, "invalid")                                                                                \
    X(NOT_FOUND, -3, "not found")                                                                            \
    X(EXISTS, -4, "exists already")                                                                          \
    X(DENIED, -5, "not allowed")                                                                             \
    X(UNAVAILABLE, -6, "unavailable")                                                                        \
    X(TIMEOUT, -7, "timed out")                                                                              \
    X(CANCELLED, -8, "cancelled")                                                                            \
    X(LIMIT, -9, "limit reached")                                                                            \
    X(IO, -10, "input/output error")                                                                         \
    X(CORRUPT, -11, "corrupt")                                                                               \
    X(PROTOCOL, -12, "protocol error")                                                                       \
    X(UNSUPPORTED, -13, "not supported")                                                                     \
    X(INTERNAL, -14, "internal error")                                                                       \
    X(NO_SPACE, -15, "no space left")                                                                        \
    X(ORIGIN, -16, "refused by the origin")                                                                  \
    X(CLOSED, -17, "closed by the other side")

enum dtr_code {
    DTR_OK = 0,
#define DTR_CODE_ENUM(name, number, text) DTR_E##name = (number),
    DTR_CODES(DTR_CODE_ENUM)
#undef DTR_CODE_ENUM
};

/* What another try may bring. */
enum dtr_retry {
    DTR_RETRY_NEVER,     /* the same everywhere: a 404, a bad argument */
    DTR_RETRY_SAME,      /* may pass on the same partner, later */
    DTR_RETRY_ELSEWHERE, /* this partner is no good, another may be */
};

struct dtr_error {
    int code;             /* enum dtr_code */
    enum dtr_retry retry; /* what another try may bring */
    int status;           /* HTTP status of an origin, or 0 */
    char text[256];       /* one line, no newline: what, where, what to do */
};

/* Fills *err (which may be NULL) and returns code, so that a failing path is one statement:
 *     return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "port %ld is not in 1..65535", port); */
__attribute__((format(printf, 4, 5))) static inline int
dtr_error_set(struct dtr_error *err, int code, enum dtr_retry retry, const char *format, ...)
{
    if (err) {
        va_list args;
        err->code = code;
        err->retry = retry;
        err->status = 0;
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return code;
}

/* "not found" for DTR_ENOT_FOUND and so on; never NULL. */
static inline const char *dtr_code_text(int code)
{
    switch (code) {
    case DTR_OK:
        return "ok";
#define DTR_CODE_CASE(name, number, text)                                                                    \
    case (number):                                                                                           \
        return text;
        DTR_CODES(DTR_CODE_CASE)
#undef DTR_CODE_CASE
    default:
        return "unknown error";
    }
}

#endif
