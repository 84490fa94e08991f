/* Response head lines of any shape. */
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    struct dtr_header array[HEAD_COUNT_LIMIT];
    struct dtr_origin_head told;
    struct dtr_error err;
    const uint8_t *end = data + size;
    head_reset(&head);
    while (data < end) {
        const uint8_t *line = memchr(data, '\n', (size_t)(end - data));
        size_t length = line ? (size_t)(line - data) + 1 : (size_t)(end - data);
        if (head_line(&head, (const char *)data, length) != DTR_OK)
            break;
        data += length;
    }
    (void)head_tell(&head, true, array, &told, &err);
    return 0;
}
