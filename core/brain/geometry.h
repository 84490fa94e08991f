/* How an object is cut into pieces. Every daemon works this out for itself from the length of the object,
 * so it must agree with every other implementation bit for bit (wire page 3.6). Pure; any thread. */
#ifndef DTR_BRAIN_GEOMETRY_H
#define DTR_BRAIN_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#define DTR_PIECE_LENGTH_MIN   ((uint64_t)4 << 20)  /* bytes; also the least that a user may ask for */
#define DTR_PIECE_LENGTH_MAX   ((uint64_t)64 << 20) /* bytes; also the most that a user may ask for */
#define DTR_PIECE_COUNT_WANTED 500                  /* the length grows so that there are about this many */

/* Of an object: 2^24 of 64 MiB are 1 PiB, beyond it a length is nonsense. */
#define DTR_PIECES_MAX ((uint32_t)1 << 24)

/* Bytes of each piece but the last, when nobody asked for a piece length: the next power of two from
 * content_length / 500, between the two limits. Not for objects of unknown length. */
uint64_t dtr_piece_length(uint64_t content_length);

/* Number of pieces; 0 for an empty object. piece_length is not 0. */
uint64_t dtr_piece_count(uint64_t content_length, uint64_t piece_length);

/* Where piece `number` lies in the object. False: there is no such piece. */
bool dtr_piece_bounds(uint64_t content_length, uint64_t piece_length, uint64_t number, uint64_t *ret_offset,
                      uint64_t *ret_length);

/* Pieces [*ret_first, *ret_end) that overlap bytes [offset, offset + length) of an object, both 0 when
 * there are none. A length beyond the object is cut. */
void dtr_piece_span(uint64_t content_length, uint64_t piece_length, uint64_t offset, uint64_t length,
                    uint64_t *ret_first, uint64_t *ret_end);

#endif
