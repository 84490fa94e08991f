/* The last good answer of a manager, kept in a file over restarts: bytes of one message with a head that
 * tells whether they are whole. A file is replaced in one step. For a start while the manager is away. */
#ifndef DTR_MANAGED_LAST_H
#define DTR_MANAGED_LAST_H

#include "core/loop/loop.h"

struct dtr_last;

enum { DTR_LAST_MOST = 16 << 20 }; /* bytes of an answer that is kept */

/* Reads <folder>/<name>: for the main thread before a loop runs, since it blocks. *ret_bytes is the caller's
 * (free()). DTR_ENOT_FOUND: there is none; other errors name the file. */
int dtr_last_read(const char *folder, const char *name, uint8_t **ret_bytes, size_t *ret_length,
                  struct dtr_error *err);
/* A keeper of that file, which makes the folder when it is missing. On the loop's thread, or before it runs;
 * texts are copied. */
int dtr_last_open(struct dtr_loop *loop, const char *folder, const char *name, struct dtr_last **ret_last,
                  struct dtr_error *err);
/* Keeps these bytes (copied) from now on; writing happens on a thread of its own, one write at a time, the
 * newest counts. The same bytes as last time are not written again. That it fails is logged, once. */
void dtr_last_keep(struct dtr_last *last, const void *bytes, size_t length);
/* A write under way ends by itself; what waits for it is not written. NULL is fine. */
void dtr_last_close(struct dtr_last *last);
/* Writes under way in this process, those of closed keepers too: tests wait for them. Any thread. */
size_t dtr_last_writes(void);

#endif
