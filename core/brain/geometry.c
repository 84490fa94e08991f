/* How an object is cut into pieces; see geometry.h. */
#include "core/brain/geometry.h"

uint64_t dtr_piece_length(uint64_t content_length)
{
    uint64_t wanted = content_length / 500, length = DTR_PIECE_LENGTH_MIN;
    while (length < wanted && length < DTR_PIECE_LENGTH_MAX)
        length *= 2;
    return length;
}

uint64_t dtr_piece_count(uint64_t content_length, uint64_t piece_length)
{
    return content_length / piece_length + (content_length % piece_length != 0);
}

void dtr_piece_span(uint64_t content_length, uint64_t piece_length, uint64_t offset, uint64_t length,
                    uint64_t *ret_first, uint64_t *ret_end)
{
    if (offset >= content_length || length == 0) {
        *ret_first = *ret_end = 0;
        return;
    }
    if (length > content_length - offset)
        length = content_length - offset;
    *ret_first = offset / piece_length;
    *ret_end = dtr_piece_count(offset + length, piece_length);
}
