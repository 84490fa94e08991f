/* Piece arithmetic; see geometry.h. Nothing here overflows for any 64-bit length. */
#include "core/brain/geometry.h"
#include <assert.h>

uint64_t dtr_piece_length(uint64_t content_length)
{
    uint64_t wanted = content_length / DTR_PIECE_COUNT_WANTED, length = DTR_PIECE_LENGTH_MIN;

    while (length < wanted && length < DTR_PIECE_LENGTH_MAX)
        length *= 2;
    return length;
}

uint64_t dtr_piece_count(uint64_t content_length, uint64_t piece_length)
{
    assert(piece_length > 0);
    return content_length / piece_length + (content_length % piece_length != 0);
}

bool dtr_piece_bounds(uint64_t content_length, uint64_t piece_length, uint64_t number, uint64_t *ret_offset,
                      uint64_t *ret_length)
{
    uint64_t rest;

    if (number >= dtr_piece_count(content_length, piece_length))
        return false;
    *ret_offset = number * piece_length;
    rest = content_length - *ret_offset;
    *ret_length = rest < piece_length ? rest : piece_length;
    return true;
}

void dtr_piece_span(uint64_t content_length, uint64_t piece_length, uint64_t offset, uint64_t length,
                    uint64_t *ret_first, uint64_t *ret_end)
{
    *ret_first = *ret_end = 0;
    if (length == 0 || offset >= content_length)
        return;
    if (length > content_length - offset)
        length = content_length - offset;
    *ret_first = offset / piece_length;
    *ret_end = dtr_piece_count(offset + length, piece_length);
}
