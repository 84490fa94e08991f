/* Chunked bodies, fed whole and byte by byte, and everything that reads ranges: the first byte chooses. */
#include "core/base/str.h"
#include "core/http/chunked.h"
#include "core/http/mirror.h"
#include "core/http/range.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static int decode(const uint8_t *data, size_t size, size_t step, struct dtr_str *out, size_t *ret_used,
                  bool *ret_complete)
{
    struct dtr_chunked chunked = {0};
    struct dtr_error err;
    int code = DTR_OK;
    *ret_used = 0;
    while (code == DTR_OK && *ret_used < size && !chunked.complete) {
        const uint8_t *body;
        size_t used, length, left = size - *ret_used;
        code = dtr_chunked_feed(&chunked, data + *ret_used, left < step ? left : step, &used, &body, &length,
                                &err);
        require(used <= left && (code != DTR_OK || used > 0) && length <= used);
        *ret_used += used;
        if (code == DTR_OK)
            dtr_str_add(out, body, length);
    }
    *ret_complete = chunked.complete;
    return code;
}

static void fuzz_chunked(const uint8_t *data, size_t size)
{
    struct dtr_str whole = {0}, bytes = {0};
    size_t used, used_bytes;
    bool complete, complete_bytes;
    int code = decode(data, size, SIZE_MAX, &whole, &used, &complete);
    require(decode(data, size, 1, &bytes, &used_bytes, &complete_bytes) == code);
    require(used == used_bytes && complete == complete_bytes && whole.length == bytes.length);
    require(whole.length == 0 || memcmp(whole.text, bytes.text, whole.length) == 0);
    dtr_str_free(&whole);
    dtr_str_free(&bytes);
}

static void fuzz_ranges(const char *text)
{
    static const uint64_t totals[] = {0, 1, 100, INT64_MAX, DTR_LENGTH_UNKNOWN};
    struct dtr_http_range range = dtr_http_range_parse(text);
    uint64_t offset, length, total;
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        int status = dtr_http_range_resolve(&range, totals[i], &offset, &length);
        require(status == 200 || status == 206 || status == 416);
        if (status == 206)
            require(length > 0 && offset < totals[i] && length <= totals[i] - offset);
    }
    (void)dtr_http_if_range(text, "\"a\"", "Sun, 06 Nov 1994 08:49:37 GMT");
    (void)dtr_http_parse_size(text, &total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 1) {
        fuzz_chunked(data + 1, size - 1);
        return 0;
    }
    char *text = calloc(1, size);
    if (text) {
        memcpy(text, data + 1, size - 1);
        fuzz_ranges(text);
    }
    free(text);
    return 0;
}
