/* gRPC status codes, their text forms on the wire, and what they mean to the rest of Darter.
 *
 * The names and numbers are those of the gRPC specification. Any thread; nothing here keeps state. */
#ifndef DTR_RPC_STATUS_H
#define DTR_RPC_STATUS_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, number, the struct dtr_error code it becomes, what another try may bring */
#define DTR_RPC_CODES(X)                                                                                     \
    X(OK, 0, DTR_OK, DTR_RETRY_NEVER)                                                                        \
    X(CANCELLED, 1, DTR_ECANCELLED, DTR_RETRY_NEVER)                                                         \
    X(UNKNOWN, 2, DTR_EINTERNAL, DTR_RETRY_ELSEWHERE)                                                        \
    X(INVALID_ARGUMENT, 3, DTR_EINVALID, DTR_RETRY_NEVER)                                                    \
    X(DEADLINE_EXCEEDED, 4, DTR_ETIMEOUT, DTR_RETRY_ELSEWHERE)                                               \
    X(NOT_FOUND, 5, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE)                                                     \
    X(ALREADY_EXISTS, 6, DTR_EEXISTS, DTR_RETRY_NEVER)                                                       \
    X(PERMISSION_DENIED, 7, DTR_EDENIED, DTR_RETRY_NEVER)                                                    \
    X(RESOURCE_EXHAUSTED, 8, DTR_ELIMIT, DTR_RETRY_SAME)                                                     \
    X(FAILED_PRECONDITION, 9, DTR_EINVALID, DTR_RETRY_NEVER)                                                 \
    X(ABORTED, 10, DTR_EUNAVAILABLE, DTR_RETRY_SAME)                                                         \
    X(OUT_OF_RANGE, 11, DTR_EINVALID, DTR_RETRY_NEVER)                                                       \
    X(UNIMPLEMENTED, 12, DTR_EUNSUPPORTED, DTR_RETRY_ELSEWHERE)                                              \
    X(INTERNAL, 13, DTR_EINTERNAL, DTR_RETRY_ELSEWHERE)                                                      \
    X(UNAVAILABLE, 14, DTR_EUNAVAILABLE, DTR_RETRY_SAME)                                                     \
    X(DATA_LOSS, 15, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE)                                                      \
    X(UNAUTHENTICATED, 16, DTR_EDENIED, DTR_RETRY_NEVER)

enum dtr_rpc_code {
#define DTR_RPC_CODE_ENUM(name, number, code, retry) DTR_RPC_##name = (number),
    DTR_RPC_CODES(DTR_RPC_CODE_ENUM)
#undef DTR_RPC_CODE_ENUM
};

/* How a call ended. Pointers are valid while the callback that brings them runs. */
struct dtr_rpc_status {
    enum dtr_rpc_code code;
    const char *message; /* never NULL; may hold any UTF-8 */
    /* grpc-status-details-bin, decoded; NULL without. Dragonfly puts JSON into it (wire page 6). */
    const uint8_t *details;
    size_t details_length;
    bool remote; /* the other side said so; else it was found here (connection lost, deadline, ...) */
};

/* "NOT_FOUND" and so on; "UNKNOWN" for numbers without a name. */
const char *dtr_rpc_code_name(enum dtr_rpc_code code);
/* Fills *err from a status and returns its code: DTR_OK for an OK status. */
int dtr_rpc_status_error(const struct dtr_rpc_status *status, const char *what, struct dtr_error *err);
/* The gRPC code that tells a caller about this error. */
enum dtr_rpc_code dtr_rpc_code_of_error(const struct dtr_error *err);
/* What an HTTP status without a gRPC status means (gRPC's http-grpc-status-mapping). */
enum dtr_rpc_code dtr_rpc_code_of_http(unsigned status);
/* What RST_STREAM with this HTTP/2 error code means (gRPC's PROTOCOL-HTTP2, "Errors"). */
enum dtr_rpc_code dtr_rpc_code_of_reset(uint32_t h2_error);
/* The number in a grpc-status field; UNKNOWN when it is not one. */
enum dtr_rpc_code dtr_rpc_code_parse(const char *text, size_t length);

/* grpc-timeout: one to eight digits and a unit of H M S m u n. False unless it is exactly that. What is
 * below a millisecond counts as one, so that a tiny deadline is not none. */
bool dtr_rpc_timeout_parse(const char *text, size_t length, uint64_t *ret_ms);
#define DTR_RPC_TIMEOUT_TEXT 12
void dtr_rpc_timeout_text(uint64_t ms, char text[DTR_RPC_TIMEOUT_TEXT]);

/* grpc-message: bytes outside printable ASCII and '%' as %XX. Writes at most `size` - 1 characters,
 * never a part of an escape, and returns how many. */
size_t dtr_rpc_percent_encode(const char *text, char *out, size_t size);
/* The reverse, which never fails: what is no valid escape stays as it is. `out` has `length` + 1 bytes;
 * line ends and tabs become blanks, other control characters '?'. Returns the length. */
size_t dtr_rpc_percent_decode(const char *text, size_t length, char *out);

/* Standard alphabet. `out` has DTR_RPC_BASE64_SIZE(length) bytes; returns the length, padding included. */
#define DTR_RPC_BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)
size_t dtr_rpc_base64_encode(const uint8_t *bytes, size_t length, char *out);
/* Padding is optional; the URL alphabet is accepted. `out` has `length` bytes. False: not base64. */
bool dtr_rpc_base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length);

#endif
