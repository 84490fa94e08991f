/* Decoding of the chunked transfer coding (RFC 9112, 7.1), with limits: a size has at most 16 digits, the
 * line that carries it 256 bytes (extensions are skipped), all trailers 8 KiB (skipped too: nothing here
 * needs them, and merging them into the head is how they do harm). CR LF is demanded everywhere.
 * Pure; one thread at a time. */
#ifndef DTR_HTTP_CHUNKED_H
#define DTR_HTTP_CHUNKED_H

#include <darter/error.h>
#include <stdbool.h>
#include <stdint.h>

#define DTR_HTTP_CHUNK_LINE_MAX 256
#define DTR_HTTP_TRAILERS_MAX   8192

/* Zeroed is the start of a body. */
struct dtr_chunked {
    int state;
    uint64_t left;  /* bytes to come of the chunk, or the size while it is read */
    uint32_t count; /* bytes of the line, or of the trailers */
    uint32_t digits;
    bool last_cr;    /* the byte before was CR */
    bool line_empty; /* nothing yet on this trailer line */
    bool complete;   /* the whole body, trailers and final line included, has been read */
};

/* Reads on: *ret_used bytes were taken, of which the last *ret_data_length at *ret_data are body bytes
 * (often none). Call again with the rest until nothing is left or `complete`. On an error nothing more can
 * be made of the connection; err->status is 400. */
int dtr_chunked_feed(struct dtr_chunked *chunked, const uint8_t *bytes, size_t length, size_t *ret_used,
                     const uint8_t **ret_data, size_t *ret_data_length, struct dtr_error *err);
/* Whether the next byte is one of the body. */
bool dtr_chunked_in_data(const struct dtr_chunked *chunked);

#endif
