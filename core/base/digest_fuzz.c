/* Any text as a digest or a number that came from outside; a checksum that is read is written the same. */
#include "core/base/digest.h"
#include "core/base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_expected(const char *text)
{
    struct dtr_expected *expected = NULL;
    struct dtr_error err;
    if (dtr_expected_new(text, &expected, &err) != DTR_OK) {
        if (err.text[0] == '\0')
            abort();
        return;
    }
    dtr_expected_add(expected, text, strlen(text));
    (void)dtr_expected_end(expected, &err);
    dtr_expected_free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char written[DTR_CRC32_TEXT];
    uint32_t crc32, again;
    uint64_t value;
    char *text = calloc(1, size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    if (dtr_crc32_parse(text, size, &crc32)) {
        dtr_crc32_text(crc32, written);
        if (!dtr_crc32_parse(written, strlen(written), &again) || again != crc32)
            abort();
    }
    (void)dtr_parse_u64(text, size, &value);
    check_expected(text);
    free(text);
    return 0;
}
