/* Vortex frames (wire page 4.2): the pure part, bytes to values and back. No input/output. */
#ifndef VORTEX_FRAME_H
#define VORTEX_FRAME_H

#include <darter/error.h>
#include <darter/piece.h>
#include <stddef.h>
#include <stdint.h>

/* name, number on the wire */
#define VORTEX_TAGS(X)                                                                                       \
    X(DOWNLOAD_PIECE, 0)                                                                                     \
    X(PIECE_CONTENT, 1)                                                                                      \
    X(CLOSE, 254)                                                                                            \
    X(ERROR, 255)

enum vortex_tag {
#define VORTEX_TAG_ENUM(name, number) VORTEX_##name = (number),
    VORTEX_TAGS(VORTEX_TAG_ENUM)
#undef VORTEX_TAG_ENUM
};

enum vortex_code {
    VORTEX_UNKNOWN = 0,
    VORTEX_INVALID_ARGUMENT = 1,
    VORTEX_NOT_FOUND = 2,
    VORTEX_INTERNAL = 3
};

enum {
    VORTEX_HEADER = 6,                           /* id, tag, length */
    VORTEX_REQUEST = 6 + DTR_TASK_ID_LENGTH + 4, /* a whole request */
    VORTEX_META_LIMIT = 4096,                    /* ceiling for the metadata of a piece */
    VORTEX_CONTENT_LIMIT = 6 + 4 + 4096,         /* header, its length field, metadata */
    VORTEX_ERROR_LIMIT = 1024,                   /* ceiling for an error's value */
};

struct vortex_header {
    uint8_t id;      /* random, not checked */
    uint8_t tag;     /* enum vortex_tag or something we do not speak */
    uint32_t length; /* bytes of value; of a PIECE_CONTENT without the piece itself */
};

/* `bytes` has VORTEX_HEADER of them. */
void vortex_read_header(const uint8_t *bytes, struct vortex_header *ret_header);

/* Writes a whole request for one piece; returns VORTEX_REQUEST. */
size_t vortex_write_request(uint8_t *to, uint8_t id, const char *task_id, uint32_t piece_number);
/* Reads a request's value; the task id must be 64 lower-case hex characters. */
int vortex_read_request(const uint8_t *value, size_t length, char ret_task_id[DTR_TASK_ID_LENGTH + 1],
                        uint32_t *ret_number, struct dtr_error *err);

/* Writes header and metadata of an answer, after which the piece's bytes follow. Room for
 * VORTEX_CONTENT_LIMIT bytes; `parent_id` is cut at DTR_PEER_ID_MAX. Returns the bytes written. */
size_t vortex_write_content(uint8_t *to, uint8_t id, const struct dtr_piece *piece, const char *parent_id);
/* Reads the metadata of an answer (what follows the metadata length). The digest may be empty; any other
 * than crc32 is refused. */
int vortex_read_content(const uint8_t *meta, size_t length, struct dtr_piece *ret_piece,
                        struct dtr_error *err);

/* Writes an error frame; room for VORTEX_HEADER + VORTEX_ERROR_LIMIT bytes. Returns the bytes written. */
size_t vortex_write_error(uint8_t *to, uint8_t id, enum vortex_code code, const char *text);
/* Turns an error's value into an error of ours. */
int vortex_read_error(const uint8_t *value, size_t length, struct dtr_error *err);

#endif
