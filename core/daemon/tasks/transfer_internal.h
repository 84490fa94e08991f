/* What the files of a transfer share. Nobody else includes it.
 *
 * transfer.c         its life: orders, reports, waiting for limits, the end
 * transfer_origin.c  a stream from the origin
 * transfer_peer.c    a piece of a peer */
#ifndef DTR_DAEMON_TRANSFER_INTERNAL_H
#define DTR_DAEMON_TRANSFER_INTERNAL_H

#include "core/daemon/tasks/counts.h"
#include "core/daemon/tasks/transfer.h"
#include "core/loop/loop.h"
#include <stdatomic.h>

struct dtr_transfer {
    struct dtr_transfer_request request;
    char *url, *header_text, *default_text, *version, *ca_file, *roots;
    void (*report)(void *context, const struct dtr_report *report);
    void *context;
    struct dtr_msg order; /* to the data thread */
    _Atomic bool ordered, held, cancelled;
    _Atomic uint64_t until; /* byte of the object before which it ends; DTR_LENGTH_UNKNOWN: with it */
    struct dtr_msg end;     /* DONE to control, then the transfer back to data */

    /* From here on: data thread. */
    struct dtr_writer *writer;
    struct dtr_origin_call *call;
    struct origin_count count;
    struct dtr_fetch *fetch;
    struct dtr_error result;
    bool begun, ended, paused, cancel_sent;
    bool ours;         /* `result` is our store's */
    bool enough;       /* what was asked for is there, the rest is not wanted */
    bool rest;         /* the end of the object is wanted, and comes with this answer */
    bool runs_on;      /* the answer does not end by itself where it is to end */
    bool told_any;     /* the first bytes were told at once */
    uint64_t told_end; /* progress is told up to here */
    uint64_t told_ms;
    struct dtr_timer *timer; /* made when a limit first makes it wait */
    bool waits;              /* for a limit, until go_ns */
    uint64_t go_ns, granted; /* bytes whose turn has come, or comes then */
    uint64_t again_ns;       /* the origin said to come again after so long; 0: it did not */
    uint32_t repeats;        /* so often it did, and we came */
};

/* All on the data thread. */

/* Begins to read from the origin, or to fetch the piece; what comes of it ends in transfer_end(). */
int transfer_begin_origin(struct dtr_transfer *transfer, struct dtr_error *err);
int transfer_begin_fetch(struct dtr_transfer *transfer, struct dtr_error *err);
/* Bytes for the copy, in order; nonzero: no more of them. */
int transfer_bytes(struct dtr_transfer *transfer, const uint8_t *bytes, size_t length);
/* Its last event; `err` is the module's word. */
void transfer_end(struct dtr_transfer *transfer, const struct dtr_error *err);
/* Notes whether an outcome of the copy is our own store's, and returns it. */
int transfer_from_copy(struct dtr_transfer *transfer, int rc);
/* Reports to control; takes over the texts, which may be NULL. */
int transfer_tell(struct dtr_transfer *transfer, const struct dtr_report *report, char *headers,
                  char *version);
/* Begins to wait for its turn. False: it cannot, and goes at once. */
bool transfer_wait_for(struct dtr_transfer *transfer, uint64_t now_ns, uint64_t wait_ns);
/* What writers of its copy say to it. */
extern const struct dtr_writer_events transfer_writer_events;

static inline bool transfer_in_background(const struct dtr_transfer *transfer)
{
    return transfer->request.in_background && atomic_load(transfer->request.in_background);
}

#endif
