/* The file that a local caller wants a download in (output_path, X-Dragonfly-Output-Path). It is made with
 * the caller's credentials, filled once the bytes are all in the store, or block by block past it, and
 * appears whole or not at all. By default it is a copy (a reflink where the file system has them): a hard
 * link would let its user change the store.
 *
 * Opening, copying and naming run on worker threads; the store's bytes are leased on a data thread.
 * Everything here is called on the control loop. */
#ifndef DTR_DAEMON_OUTPUT_H
#define DTR_DAEMON_OUTPUT_H

#include "core/daemon/tasks/copy.h"
#include "core/loop/pool.h"
#include "core/net/stream.h"

struct output;

struct output_request {
    struct dtr_pool *pool;
    struct dtr_loop *control, *data;
    struct dtr_cred cred;
    const char *path;  /* copied */
    const char *below; /* a folder that it must lie in, NULL: anywhere; copied */
    bool overwrite;
    bool force_hard_link; /* nothing but a hard link to the store's file will do */
};

/* Looks whether the file can be made. `done` comes later, exactly once for this call and once for each of the
 * three below, with the outcome. */
int output_open(const struct output_request *request,
                void (*done)(void *context, const struct dtr_error *err), void *context,
                struct output **ret_output, struct dtr_error *err);
/* After a `done` that went well: fills the file with bytes [offset, offset + length) of the copy, which stays
 * open until `done`, and gives it its name. `digest` is what they must have, "" for nothing; copied. */
void output_write(struct output *output, const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                  const char *digest);
/* Instead, one after the other: writes a block of a file of `total` bytes at offset `at`; the bytes stay
 * until `done`. Then gives the file its name. */
void output_block(struct output *output, uint64_t total, uint64_t at, const uint8_t *bytes, size_t length);
void output_name(struct output *output);
/* `done` comes soon, unless the file has its name. Only while one is due. */
void output_cancel(struct output *output);
/* When no `done` is due. What has no name by then is gone. NULL is fine. */
void output_drop(struct output *output);

#endif
