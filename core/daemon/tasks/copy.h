/* This node's copy of a task: which bytes are in the store, and the writers that bring more.
 *
 * The rules of the store are enforced here, once for every transport and origin:
 * - A piece is marked, and so offered, only when its checksum held. A peer's piece is checked against the
 *   CRC-32 that the peer named; the origin's bytes are taken as they are and get their CRC-32 here.
 * - A marked piece is never written again, and the origin's bytes, which a client may be reading already,
 *   are never overwritten by a peer's.
 * - When two writers touched a piece, or it came together from several, what is on the disk is read
 *   back before it is marked.
 *
 * One data thread, except dtr_copy_lease() and dtr_copy_scan(), which any thread may call between open and
 * close.
 * Not for: deciding what is fetched (core/brain/planner.h), connections. */
#ifndef DTR_DAEMON_COPY_H
#define DTR_DAEMON_COPY_H

#include <darter/storage.h>
#include <stdbool.h>

struct dtr_copy;
struct dtr_writer;

/* Opens the task in the store, making it when it is new. `pieces` are those that the store holds already
 * (from its scan), `checked` whether their CRC needs no second look. */
int dtr_copy_open(const struct dtr_storage_ops *ops, void *instance, const struct dtr_task_facts *facts,
                  const struct dtr_piece *pieces, uint32_t count, struct dtr_copy **ret_copy,
                  struct dtr_error *err);
/* After its last writer is closed. Leases may outlive it. NULL is fine. */
void dtr_copy_close(struct dtr_copy *copy);

/* Says how long object and pieces are; content_length may stay DTR_LENGTH_UNKNOWN and be learnt later, but
 * what is known does not change: another value is DTR_ECORRUPT (two versions of one object). */
int dtr_copy_learn(struct dtr_copy *copy, uint64_t content_length, uint64_t piece_length,
                   struct dtr_error *err);
/* 0 while the length is not known. */
uint32_t dtr_copy_piece_count(const struct dtr_copy *copy);
/* A marked piece, NULL when it is not there; valid until it is withdrawn. */
const struct dtr_piece *dtr_copy_piece(const struct dtr_copy *copy, uint32_t number);
/* Every piece is marked. */
bool dtr_copy_complete(const struct dtr_copy *copy);
/* Nothing may be given to a reader. */
bool dtr_copy_empty(const struct dtr_copy *copy);
/* Bytes from `offset` on that may be given to a reader: marked, or from the origin. */
uint64_t dtr_copy_readable(const struct dtr_copy *copy, uint64_t offset);
/* Marks a piece in store and map: its bytes are there, and right. */
int dtr_copy_mark(struct dtr_copy *copy, const struct dtr_piece *piece, struct dtr_error *err);
/* Withdraws pieces [first, first + count). */
int dtr_copy_withdraw(struct dtr_copy *copy, uint32_t first, uint32_t count, struct dtr_error *err);
/* Stores what is learnt later: `headers` (see struct dtr_task_facts) unless NULL, the times unless 0. */
int dtr_copy_note(struct dtr_copy *copy, const char *headers, int64_t finished_at, int64_t used_at,
                  struct dtr_error *err);
/* What is known of the task; strings live as long as the copy, or until headers are noted. */
const struct dtr_task_facts *dtr_copy_facts(const struct dtr_copy *copy);
/* See struct dtr_storage_ops. Any thread; the caller asks only for bytes that are readable. */
int dtr_copy_lease(const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                   struct dtr_extent *ret_extent, struct dtr_error *err);
/* Reads stored bytes back, in order, into `add`. Any thread that may block; as dtr_copy_lease(). */
int dtr_copy_scan(const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                  void (*add)(void *context, const void *bytes, size_t length), void *context,
                  struct dtr_error *err);

/* What a writer reports, from inside dtr_writer_bytes() and dtr_writer_end(). */
struct dtr_writer_events {
    /* A piece was completed, checked and marked. */
    void (*piece)(void *context, const struct dtr_piece *piece);
};

/* A peer's piece: bytes [offset, offset + length) of piece `number`. */
int dtr_writer_piece(struct dtr_copy *copy, uint32_t number, const struct dtr_writer_events *events,
                     void *context, struct dtr_writer **ret_writer, struct dtr_error *err);
/* The origin's bytes from `offset` on; the piece length must be known. */
int dtr_writer_origin(struct dtr_copy *copy, uint64_t offset, const struct dtr_writer_events *events,
                      void *context, struct dtr_writer **ret_writer, struct dtr_error *err);
/* What the peer says of its piece; before dtr_writer_end(). DTR_EPROTOCOL when it does not fit ours. */
int dtr_writer_facts(struct dtr_writer *writer, const struct dtr_piece *piece, struct dtr_error *err);
/* The next bytes, in order. DTR_EPROTOCOL past the end of piece or object. */
int dtr_writer_bytes(struct dtr_writer *writer, const uint8_t *bytes, size_t length, struct dtr_error *err);
/* No more bytes will come. Of a peer: all of the piece is there, check and mark it (DTR_ECORRUPT: the
 * checksum does not hold). Of the origin: with `at_end` the object ends here, which a length not known
 * before learns. */
int dtr_writer_end(struct dtr_writer *writer, bool at_end, struct dtr_error *err);
/* The offset of the next byte. */
uint64_t dtr_writer_at(const struct dtr_writer *writer);
/* Frees it, ended or not. NULL is fine. */
void dtr_writer_close(struct dtr_writer *writer);

#endif
