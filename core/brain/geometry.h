/* How an object is cut into pieces (wire page 3.6). Every daemon works this out for itself from the
 * length that the origin names; a difference would mix bytes up, so it must match Dragonfly's to the bit.
 * Pure. */
#ifndef DTR_BRAIN_GEOMETRY_H
#define DTR_BRAIN_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#define DTR_PIECE_LENGTH_MIN ((uint64_t)4 << 20)  /* bytes */
#define DTR_PIECE_LENGTH_MAX ((uint64_t)64 << 20) /* bytes */

/* Bytes per piece: the next power of two of length / 500, within 4..64 MiB. */
uint64_t dtr_piece_length(uint64_t content_length);
/* Pieces of an object; 0 for an empty one. `piece_length` is not 0. */
uint64_t dtr_piece_count(uint64_t content_length, uint64_t piece_length);
/* Pieces [*ret_first, *ret_end) that overlap bytes [offset, offset + length) of an object, both equal when
 * there are none. A length beyond the object is cut. */
void dtr_piece_span(uint64_t content_length, uint64_t piece_length, uint64_t offset, uint64_t length,
                    uint64_t *ret_first, uint64_t *ret_end);

#endif
