/* Facts about one piece of a task, in the terms of the Vortex protocol and common.v2.Piece. */
#ifndef DARTER_PIECE_H
#define DARTER_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#define DTR_TASK_ID_LENGTH 64  /* characters; Vortex carries exactly this many */
#define DTR_PEER_ID_MAX    383 /* <ip>-<hostname, at most 253>-<uuid>-seed fits */

/* common.v2.TrafficType: where the bytes of a piece came from. */
enum dtr_traffic {
    DTR_TRAFFIC_BACK_TO_SOURCE = 0,
    DTR_TRAFFIC_REMOTE_PEER = 1,
    DTR_TRAFFIC_LOCAL_PEER = 2,
};

struct dtr_piece {
    uint32_t number;    /* 0-based; piece n starts at n * piece length */
    uint32_t crc32;     /* CRC-32 IEEE of the bytes; meaningful when has_crc32 */
    uint64_t offset;    /* bytes from the start of the object */
    uint64_t length;    /* bytes */
    bool has_crc32;     /* false: the digest was empty (accepted, wire page 4.3) */
    uint8_t traffic;    /* enum dtr_traffic */
    uint64_t cost_ns;   /* time it took to get here */
    int64_t created_at; /* seconds since 1970 */
};

#endif
