/* Any bytes as an index: parsing must stay in bounds, and what it reports must be in range. The CRC of
 * each unit is put right first, so that the fuzzer gets past it. */
#include "index.h"

#include <libdeflate.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *bytes, size_t size)
{
    struct index index = {.fd = -1};
    struct index_content content;
    if (index_parse(bytes, size, 1, &index, &content, NULL) != DTR_OK)
        return;
    if (index.end > size || index.text_size == 0 || index.text[index.text_size - 1] != 0)
        abort();
    for (uint32_t i = 0; i < content.count; i++)
        if (content.pieces[i].length > UINT64_MAX - content.pieces[i].offset ||
            (i > 0 && content.pieces[i].number <= content.pieces[i - 1].number))
            abort();
    free(content.pieces);
    index_close(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    check(bytes, size);
    for (size_t at = 0; size - at >= INDEX_UNIT; at += INDEX_UNIT) {
        uint32_t crc = libdeflate_crc32(0, bytes + at + 4, INDEX_UNIT - 4);
        uint32_t kind;
        memcpy(&kind, bytes + at + 4, sizeof(kind));
        if (kind >= 1 && kind <= 5)
            memcpy(bytes + at, &crc, sizeof(crc));
    }
    check(bytes, size);
    free(bytes);
    return 0;
}
