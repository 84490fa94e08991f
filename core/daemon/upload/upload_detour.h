/* Pieces of an object past the store: from the origin into memory, in order and one at a time, on a data
 * thread; the receiver is on the control thread, and all calls here are made there. Not for: what becomes of
 * them (upload_bypass.c). */
#ifndef DTR_DAEMON_UPLOAD_DETOUR_H
#define DTR_DAEMON_UPLOAD_DETOUR_H

#include "core/daemon/bypass.h"

struct detour;

struct detour_request {
    struct dtr_daemon *daemon;
    struct dtr_loop *data;
    struct bypass_request from; /* texts are used until `done`; where pieces begin and end */
    uint64_t content_length;    /* DTR_LENGTH_UNKNOWN: find it out, and fetch nothing */
    uint64_t piece_length;
    const char *digests[2]; /* of all that comes, "" or NULL for none; copied */
};

struct detour_events {
    /* A piece, in memory until detour_go_on() or detour_cancel(). */
    void (*piece)(void *context, const struct dtr_piece *piece, const uint8_t *bytes);
    /* The last event, exactly once, also after detour_cancel(). Code 0: all of it came, and has its digests;
     * `content_length` is known. */
    void (*done)(void *context, uint64_t content_length, const struct dtr_error *err);
};

/* Events come later, never from inside; after an error none do. */
int detour_start(const struct detour_request *request, const struct detour_events *events, void *context,
                 struct detour **ret_detour, struct dtr_error *err);
/* The receiver has done with the piece. */
void detour_go_on(struct detour *detour);
/* The same, and wants no more. Before `done`; again is fine. */
void detour_cancel(struct detour *detour);

#endif
