/* Kind "storage": where the bytes of tasks live on a node.
 *
 * Life: scan() reports what an earlier process left; open() gives a handle on one task, new or old; the
 * owner of the handle writes bytes at offsets and marks pieces once their checksum held; lease() gives
 * out bytes that were marked or, while a piece still arrives, written. close() ends the handle, evict()
 * removes a task for good.
 *
 * Threads: calls run on data threads. Calls with one handle are serialised by core, except lease() and
 * the releases of its extents, which may come from any thread at any time between open and close.
 *
 * Durability: after mark() returns, a crash of the process must not lose the piece; after a crash of the
 * machine scan() reports pieces with `checked` false, and core re-reads their CRC before offering them.
 *
 * Every operation is there, but those that are called optional; a read-only provider answers those that write
 * with DTR_EUNSUPPORTED.
 *
 * Errors: DTR_ENO_SPACE when the disk is full (core passes the stream through), DTR_EIO for the rest. */
#ifndef DARTER_STORAGE_H
#define DARTER_STORAGE_H

#include <darter/bytes.h>
#include <darter/error.h>
#include <darter/piece.h>

#define DTR_LENGTH_UNKNOWN UINT64_MAX

struct dtr_stored; /* a module's handle on one task */

/* What is known of a task besides its bytes. Strings belong to the caller and are copied. */
struct dtr_task_facts {
    const char *task_id;     /* DTR_TASK_ID_LENGTH characters */
    const char *url;         /* origin */
    const char *digest;      /* "sha256:<hex>" or "" */
    const char *headers;     /* origin response headers to repeat: "Name: value\n" lines, or "" */
    const char *tag;         /* part of the identity, or "" */
    const char *application; /* part of the identity, or "" */
    uint64_t content_length; /* bytes or DTR_LENGTH_UNKNOWN */
    uint64_t piece_length;   /* bytes; 0 while unknown */
    int64_t created_at;      /* seconds since 1970 */
    int64_t finished_at;     /* 0: not complete */
    int64_t used_at;         /* last read, for eviction */
};

/* What scan() reports; pointers are valid during the call. */
struct dtr_scan_sink {
    void (*task)(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                 uint32_t count, bool checked);
    void *context;
};

struct dtr_storage_ops {
    uint32_t size; /* of this table */
    /* Reports every task left by an earlier process, its pieces by number. Called once, before the first
     * open(). What cannot be read is removed and logged. */
    int (*scan)(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err);
    /* Opens a task; creates it with these facts when it is not there. One that is there keeps its own
     * facts, which update() changes. DTR_EEXISTS while another handle is open; DTR_EINVALID for an id that
     * is not DTR_TASK_ID_LENGTH characters or could name a place outside the store; DTR_ECORRUPT when what
     * is stored is unusable: evict() it. */
    int (*open)(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                struct dtr_error *err);
    /* Stores facts that were learnt later (length, headers, finished_at, used_at). */
    int (*update)(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err);
    /* Writes bytes at an offset of the object. All or error. */
    int (*write)(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                 struct dtr_error *err);
    /* The range of this piece is complete and its checksum held. Again for a piece that was marked: it was
     * checked anew and counts as checked in this boot. */
    int (*mark)(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err);
    /* Withdraws pieces [first, first + count): they are no longer there. */
    int (*unmark)(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err);
    /* Pins bytes [offset, offset + length) against eviction and says where they are. The caller asks
     * only for bytes that were written. */
    int (*lease)(struct dtr_stored *stored, uint64_t offset, uint64_t length, struct dtr_extent *ret_extent,
                 struct dtr_error *err);
    /* Reads bytes back, to check them. All or error. */
    int (*read)(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length,
                struct dtr_error *err);
    /* Ends the handle. Leases may outlive it. */
    void (*close)(struct dtr_stored *stored);
    /* Removes a task. Bytes under a lease stay readable through it. DTR_ENOT_FOUND when unknown. */
    int (*evict)(void *instance, const char *task_id, struct dtr_error *err);
    /* Size and use of the place the bytes go to, bytes. */
    int (*usage)(void *instance, uint64_t *ret_total, uint64_t *ret_used, struct dtr_error *err);

    /* Optional, and not in tables of ABI 1.0; see DTR_STORAGE_HAS(). */

    /* Nobody uses this task for now: its bytes may leave the page cache. */
    void (*cool)(void *instance, const char *task_id);
    /* How fast core is to read stored pieces again while nothing else goes on, to find those that have
     * changed on the disk: bytes per second, 0 for never. */
    uint64_t (*scrub_rate)(void *instance);
};

/* The table of ABI 1.0 ends before this member. */
#define DTR_STORAGE_OPS_FIRST offsetof(struct dtr_storage_ops, cool)
/* Whether an ops table has an optional operation. */
#define DTR_STORAGE_HAS(ops, member)                                                                         \
    ((ops)->size >= offsetof(struct dtr_storage_ops, member) + sizeof((ops)->member) && (ops)->member)

#endif
