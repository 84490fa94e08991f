/* A piece with its bytes as one packed message of a DownloadTask stream. The bytes go from the store straight
 * into the message, on a data thread, a megabyte at a time so that the thread stays free for others; their
 * CRC-32 is checked on the way. Control thread, but for the reading itself. */
#ifndef DTR_DAEMON_UPLOAD_CONTENT_H
#define DTR_DAEMON_UPLOAD_CONTENT_H

#include "core/daemon/tasks/copy.h"
#include "core/loop/loop.h"
#include "core/rpc/rpc.h"
#include "proto/dfdaemon.pb-c.h"

struct content; /* one such reading */

struct content_events {
    /* Exactly once, on the control loop; the content is gone when it returns. The message, or NULL and what
     * went wrong (DTR_ECANCELLED after content_cancel()); the receiver owns the message. */
    void (*done)(void *context, struct dtr_rpc_out *message, const struct dtr_error *err);
};

/* `response` has no arm set and `piece` no content: both are packed here and now, and the piece becomes the
 * response's download_piece_finished_response. `copy` stays open until `done`. `freed` comes once, on the
 * control loop, whatever happens: the piece's length is no longer in memory; see dtr_rpc_out_watch(). */
int content_read(struct dtr_loop *control, struct dtr_loop *data, const struct dtr_copy *copy,
                 const Dfdaemon__V2__DownloadTaskResponse *response, const Common__V2__Piece *piece,
                 const struct dtr_piece *facts, const struct content_events *events, void *context,
                 void (*freed)(void *context, uint64_t bytes), void *freed_context,
                 struct content **ret_content, struct dtr_error *err);
/* `done` comes soon, and still later. */
void content_cancel(struct content *content);

#endif
