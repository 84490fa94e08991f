/* Status codes and the text forms of gRPC's header fields; see status.h. */
#include "core/rpc/status.h"

#include "core/base/str.h"
#include <nghttp2/nghttp2.h>

struct row {
    const char *name;
    int code;
    enum dtr_retry retry;
};

static const struct row rows[] = {
#define ROW(name, number, code, retry) [number] = {#name, code, retry},
    DTR_RPC_CODES(ROW)
#undef ROW
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct row *row_of(enum dtr_rpc_code code)
{
    return &rows[(unsigned)code < ROWS ? (unsigned)code : DTR_RPC_UNKNOWN];
}

const char *dtr_rpc_code_name(enum dtr_rpc_code code)
{
    return row_of(code)->name;
}

int dtr_rpc_status_error(const struct dtr_rpc_status *status, const char *what, struct dtr_error *err)
{
    const struct row *row = row_of(status->code);
    if (status->code == DTR_RPC_OK) {
        if (err)
            *err = (struct dtr_error){0};
        return DTR_OK;
    }
    return dtr_error_set(err, row->code, row->retry, "%s: %s%s%s", what, row->name,
                         status->message[0] ? ": " : "", status->message);
}

enum dtr_rpc_code dtr_rpc_code_of_error(const struct dtr_error *err)
{
    switch (err->code) {
    case DTR_OK:
        return DTR_RPC_OK;
    case DTR_EINVALID:
        return DTR_RPC_INVALID_ARGUMENT;
    case DTR_ENOT_FOUND:
        return DTR_RPC_NOT_FOUND;
    case DTR_EEXISTS:
        return DTR_RPC_ALREADY_EXISTS;
    case DTR_EDENIED:
        return DTR_RPC_PERMISSION_DENIED;
    case DTR_EUNAVAILABLE:
    case DTR_ECLOSED:
        return DTR_RPC_UNAVAILABLE;
    case DTR_ETIMEOUT:
        return DTR_RPC_DEADLINE_EXCEEDED;
    case DTR_ECANCELLED:
        return DTR_RPC_CANCELLED;
    case DTR_ENOMEM:
    case DTR_ELIMIT:
    case DTR_ENO_SPACE:
        return DTR_RPC_RESOURCE_EXHAUSTED;
    case DTR_ECORRUPT:
        return DTR_RPC_DATA_LOSS;
    case DTR_EUNSUPPORTED:
        return DTR_RPC_UNIMPLEMENTED;
    default:
        return DTR_RPC_INTERNAL;
    }
}

enum dtr_rpc_code dtr_rpc_code_of_http(unsigned status)
{
    switch (status) {
    case 400:
        return DTR_RPC_INTERNAL;
    case 401:
        return DTR_RPC_UNAUTHENTICATED;
    case 403:
        return DTR_RPC_PERMISSION_DENIED;
    case 404:
        return DTR_RPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return DTR_RPC_UNAVAILABLE;
    default:
        return DTR_RPC_UNKNOWN;
    }
}

enum dtr_rpc_code dtr_rpc_code_of_reset(uint32_t h2_error)
{
    switch (h2_error) {
    case NGHTTP2_REFUSED_STREAM:
        return DTR_RPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return DTR_RPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return DTR_RPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return DTR_RPC_PERMISSION_DENIED;
    default:
        return DTR_RPC_INTERNAL;
    }
}

enum dtr_rpc_code dtr_rpc_code_parse(const char *text, size_t length)
{
    uint64_t number = 0;
    if (length > 3 || !dtr_parse_u64(text, length, &number) || number >= ROWS)
        return DTR_RPC_UNKNOWN;
    return (enum dtr_rpc_code)number;
}

/* --- grpc-timeout --------------------------------------------------------------------------------- */

static bool unit_ns(char unit, uint64_t *ret_ns)
{
    static const struct {
        char unit;
        uint64_t ns;
    } units[] = {{'n', 1},          {'u', 1000},        {'m', 1000000},
                 {'S', 1000000000}, {'M', 60000000000}, {'H', 3600000000000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == unit) {
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

bool dtr_rpc_timeout_parse(const char *text, size_t length, uint64_t *ret_ms)
{
    uint64_t number = 0, ns = 0;
    if (length < 2 || length > 9 || !unit_ns(text[length - 1], &ns) ||
        !dtr_parse_u64(text, length - 1, &number))
        return false;
    /* 8 digits of hours are below 2^60 milliseconds */
    *ret_ms = ns >= 1000000 ? number * (ns / 1000000) : (number * ns + 999999) / 1000000;
    if (*ret_ms == 0)
        *ret_ms = 1;
    return true;
}

void dtr_rpc_timeout_text(uint64_t ms, char text[DTR_RPC_TIMEOUT_TEXT])
{
    static const struct {
        uint64_t ms;
        char unit;
    } units[] = {{1, 'm'}, {1000, 'S'}, {60000, 'M'}, {3600000, 'H'}};
    size_t i = 0;
    while (i < 3 && ms / units[i].ms > 99999999)
        i++;
    uint64_t number = ms / units[i].ms;
    (void)snprintf(text, DTR_RPC_TIMEOUT_TEXT, "%u%c", (unsigned)(number < 99999999 ? number : 99999999),
                   units[i].unit);
}

/* --- grpc-message --------------------------------------------------------------------------------- */

size_t dtr_rpc_percent_encode(const char *text, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= 0x20 && c <= 0x7e && c != '%';
        if (at + (plain ? 1 : 3) >= size)
            break;
        if (plain) {
            out[at++] = (char)c;
        } else {
            out[at++] = '%';
            out[at++] = digits[c >> 4];
            out[at++] = digits[c & 15];
        }
    }
    out[at] = '\0';
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

size_t dtr_rpc_percent_decode(const char *text, size_t length, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%' && i + 2 < length && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = (unsigned char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        out[at++] = c >= 0x20 ? (char)c : c == '\n' || c == '\t' ? ' ' : '?';
    }
    out[at] = '\0';
    return at;
}

/* --- base64 --------------------------------------------------------------------------------------- */

size_t dtr_rpc_base64_encode(const uint8_t *bytes, size_t length, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0;
    for (size_t i = 0; i < length; i += 3) {
        size_t count = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= count > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= count > 2 ? bytes[i + 2] : 0;
        out[at++] = alphabet[group >> 18];
        out[at++] = alphabet[group >> 12 & 63];
        out[at++] = count > 1 ? alphabet[group >> 6 & 63] : '=';
        out[at++] = count > 2 ? alphabet[group & 63] : '=';
    }
    out[at] = '\0';
    return at;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool dtr_rpc_base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length)
{
    uint32_t group = 0;
    unsigned bits = 0;
    size_t at = 0;
    while (length > 0 && text[length - 1] == '=')
        length--;
    if (length % 4 == 1)
        return false;
    for (size_t i = 0; i < length; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[at++] = (uint8_t)(group >> bits);
        }
    }
    *ret_length = at;
    return true;
}
