/* What copy.c and writer.c share. */
#ifndef DTR_DAEMON_COPY_INTERNAL_H
#define DTR_DAEMON_COPY_INTERNAL_H

#include "core/base/list.h"
#include "core/base/ranges.h"
#include "core/daemon/tasks/copy.h"

struct dtr_copy {
    const struct dtr_storage_ops *ops;
    struct dtr_stored *stored;
    struct dtr_task_facts facts; /* strings are owned, in `strings` */
    char *strings[6];
    struct dtr_piece *pieces; /* by number; length 0: not there */
    uint32_t piece_room;      /* entries in pieces */
    uint32_t marked;
    struct dtr_ranges readable; /* marked pieces and the origin's bytes */
    struct dtr_list writers;    /* struct dtr_writer */
};

struct dtr_writer {
    struct dtr_list link;
    struct dtr_copy *copy;
    const struct dtr_writer_events *events;
    void *context;
    bool origin;
    uint64_t at, end; /* next byte; a peer's last byte + 1 */
    uint32_t number;  /* the piece that `at` lies in, or the last one */
    uint32_t crc32;   /* of the bytes of this piece that passed here */
    bool from_start;  /* crc32 covers the piece from its first byte */
    bool mixed;       /* others wrote to this piece: read it back before marking */
    bool has_facts;
    struct dtr_piece facts; /* as the peer named them */
    uint64_t since_ns;      /* the piece began to arrive */
};

/* The bytes of piece `number`: all of the object's known length, or what `end` allows. */
uint64_t dtr_copy_piece_end(const struct dtr_copy *copy, uint32_t number);
/* CRC-32 of bytes in the store. */
int dtr_copy_crc32(struct dtr_copy *copy, uint64_t offset, uint64_t length, uint32_t *ret_crc32,
                   struct dtr_error *err);

#endif
