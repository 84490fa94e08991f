/* What upload.c and upload_rpc.c share. */
#ifndef DTR_DAEMON_UPLOAD_INTERNAL_H
#define DTR_DAEMON_UPLOAD_INTERNAL_H

#include "core/base/list.h"
#include "core/daemon/upload.h"

struct dtr_service {
    struct dtr_daemon *daemon;
};

struct upload {
    struct dtr_daemon *daemon;
    struct dtr_listener *listener;
    size_t next_data;
    bool closing;
    struct dtr_service service;
    struct dtr_list questions; /* struct dtr_question, waiting for a piece */
    struct dtr_list syncs;     /* struct sync, SyncPieces streams */
};

/* upload_rpc.c: tells SyncPieces streams of a piece, or (NULL) that the pull has ended. */
void syncs_piece(struct upload *upload, struct dtr_task *task, const struct dtr_piece *piece);

#endif
