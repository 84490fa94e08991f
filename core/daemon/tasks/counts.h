/* What the daemon counts besides pulls: requests to origins, uploads, bytes from its own store, and the
 * gauges of version and disk. Any thread unless said otherwise. */
#ifndef DTR_DAEMON_COUNTS_H
#define DTR_DAEMON_COUNTS_H

#include "core/daemon/role.h"
#include <darter/bytes.h>

/* One request to an origin; zeroed before. Each of the calls may come more than once, the first counts. */
struct origin_count {
    char scheme[16], method[16]; /* label values */
    uint64_t since_ms;
    bool open; /* asked, not answered */
};
void origin_asked(struct origin_count *count, const char *url, const char *method);
/* A status from 400 on is a failure; else it took so long to answer. */
void origin_answered(struct origin_count *count, int status);
/* It ended without an answer; not a failure when we cancelled it. */
void origin_ended(struct origin_count *count, const struct dtr_error *err);

/* A child asks for the pieces of a task. The result is the gauge of such tasks, to be lowered by one when
 * the child is gone; NULL when the task is not here, which is a failure. */
struct dtr_series *upload_begins(const struct dtr_task *task);
/* A piece leaves for a child: counts its bytes, and the piece as being served until the extent is released.
 * Then left(context, ms) comes, unless `left` is NULL, with how long that took. False: out of memory, it is
 * not counted as being served, and left() will not come. */
bool upload_piece_leaves(struct dtr_extent *extent, void (*left)(void *context, uint64_t ms), void *context);

/* A reader is given [offset, offset + length); bytes before `here` were in the store when it came. */
void local_bytes_read(uint64_t offset, uint64_t length, uint64_t here);

/* The gauges of version and disk, set now and every ten seconds. Main thread, before the loops run. */
int gauges_new(struct dtr_daemon *daemon, struct gauges **ret_gauges, struct dtr_error *err);
/* On the control loop, before the data loops are stopped. NULL is fine. */
void gauges_close(struct gauges *gauges);

#endif
