/* One transfer of a plan, run on a data thread: a FETCH of a peer's piece or an ORIGIN stream.
 *
 * The control thread starts it, may hold, resume or cancel it, and hears of it by reports; the data thread
 * moves the bytes into the copy. Reports come on the control loop in order; DTR_REPORT_DONE is the last.
 * Progress is told for the first bytes at once and then every DTR_TRANSFER_STEP bytes at most, sooner when
 * they take long.
 *
 * Not for: what to transfer next (core/brain/planner.h), what becomes of wrong bytes (copy.h). */
#ifndef DTR_DAEMON_TRANSFER_H
#define DTR_DAEMON_TRANSFER_H

#include "core/daemon/tasks/copy.h"
#include "core/net/addr.h"
#include "core/net/pace.h"
#include <darter/origin.h>
#include <darter/transport.h>

#define DTR_TRANSFER_STEP    ((uint64_t)256 << 10)
#define DTR_TRANSFER_LATE_MS 250 /* what has come is told after so long, however little it is */

enum dtr_report_kind {
    DTR_REPORT_HEAD,     /* origin: it answered well; total_length, body_offset, headers, version */
    DTR_REPORT_PROGRESS, /* bytes [offset, offset + length) arrived */
    DTR_REPORT_PIECE,    /* piece; and bytes, where some arrived since the last report: one event, so that a
                          * reader    of the last bytes cannot leave between the two */
    DTR_REPORT_WAITS,    /* for a limit: nothing comes for now, and nobody is to blame; about every second */
    DTR_REPORT_DONE,     /* error; the transfer is gone after this call */
};

struct dtr_report {
    enum dtr_report_kind kind;
    uint64_t total_length, body_offset;
    bool takes_ranges;   /* the origin says so */
    bool whole;          /* the answer is the whole object */
    const char *headers; /* "Name: value\n" lines: what answers repeat */
    const char *version; /* for If-Range, "" when there is none */
    uint64_t offset, length;
    struct dtr_piece piece;
    const struct dtr_error *error; /* code 0: all of it arrived; status: the origin's */
    bool ours;                     /* the error is this machine's own: its store could not take the bytes */
};

struct dtr_transfer;

/* Rates that transfers share; NULL: none. They outlive the transfers. */
struct dtr_transfer_limits {
    struct dtr_pace *download; /* of origins here; the transport's connections have theirs */
    struct dtr_pace *back_to_source;
    struct dtr_pace *prefetch; /* while in_background says so */
};

/* Everything is copied, but the copy and the ops, which outlive the transfer. */
struct dtr_transfer_request {
    struct dtr_loop *data, *control;
    struct dtr_copy *copy; /* used on the data thread only */
    uint64_t offset;
    uint64_t length; /* DTR_LENGTH_UNKNOWN: the rest */
    uint64_t connect_ms, stall_ms;
    /* What is known of the object, when the copy does not know it yet. */
    uint64_t content_length; /* DTR_LENGTH_UNKNOWN; of a peer's piece it must be known */
    uint64_t piece_length;   /* 0: by the rule of geometry */

    const struct dtr_transport_ops *transport; /* a peer's piece */
    void *transport_instance;
    struct dtr_addr peer;
    uint32_t piece_number;

    const struct dtr_origin_ops *origin; /* else: a stream from the origin */
    void *origin_instance;
    const char *url;
    const char *headers;         /* request headers, "Name: value\n" lines */
    const char *default_headers; /* those that go along where `headers` has none of the name, to the
                                  * URL's host only; or NULL */
    const char *version;         /* of what the copy holds: any other is DTR_ECORRUPT; NULL: any will do */
    const char *ca_file;         /* or NULL */
    const char *roots;           /* PEM text; NULL or "": none */
    bool trusted, insecure;
    bool rest_too;            /* when the answer is the whole object, all of it is wanted */
    bool further;             /* an answer that is not just the range is an error, and is not read */
    bool length_only;         /* one byte is asked for, for its head */
    uint64_t redirect_ttl_ms; /* see struct dtr_origin_request */

    uint32_t max_repeats; /* of a request that the origin puts off by Retry-After */

    struct dtr_transfer_limits limits;
    const _Atomic bool *in_background; /* nobody waits for these bytes; NULL: somebody does */
};

/* On the control thread. */
int dtr_transfer_start(const struct dtr_transfer_request *request,
                       void (*report)(void *context, const struct dtr_report *report), void *context,
                       struct dtr_transfer **ret_transfer, struct dtr_error *err);
/* Stops reading, reads on. */
void dtr_transfer_hold(struct dtr_transfer *transfer, bool hold);
/* A stream from the origin ends before byte `end` of the object, and its connection with it. */
void dtr_transfer_cut(struct dtr_transfer *transfer, uint64_t end);
/* Somebody waits for these bytes from now on. */
void dtr_transfer_hurry(struct dtr_transfer *transfer);
/* DTR_REPORT_DONE follows with DTR_ECANCELLED, unless it is on its way already. */
void dtr_transfer_cancel(struct dtr_transfer *transfer);

#endif
