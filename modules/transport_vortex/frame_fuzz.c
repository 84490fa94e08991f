/* Every reader of frame.h on arbitrary bytes; what reads must write the same again. */
#include "frame.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char task_id[DTR_TASK_ID_LENGTH + 1];
    uint8_t frame[VORTEX_CONTENT_LIMIT];
    struct dtr_piece piece, again;
    struct dtr_error err;
    uint32_t number;
    if (vortex_read_request(data, size, task_id, &number, &err) == DTR_OK) {
        assert(vortex_write_request(frame, 0, task_id, number) == size + VORTEX_HEADER);
        assert(memcmp(frame + VORTEX_HEADER, data, size) == 0);
    }
    if (vortex_read_content(data, size, &piece, &err) == DTR_OK) {
        size_t length = vortex_write_content(frame, 0, &piece, "");
        assert(vortex_read_content(frame + 10, length - 10, &again, &err) == DTR_OK);
        assert(again.number == piece.number && again.crc32 == piece.crc32 && again.length == piece.length);
    }
    (void)vortex_read_error(data, size, &err);
    return 0;
}
