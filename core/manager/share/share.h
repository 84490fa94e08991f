/* What several managers share for a while by a cache module: how fast somebody may go on, how often something
 * happened, and what they tell each other. Blocking; on worker threads, several at a time. With the cache of
 * this process (cache_memory) each manager counts for itself.
 *
 * When the cache is away, a call ends with DTR_EUNAVAILABLE: after the module's own limits the first time,
 * then at once, but for one call a second that tries. That it is away, and that it is back, is logged once.
 */
#ifndef DTR_MANAGER_SHARE_H
#define DTR_MANAGER_SHARE_H

#include <darter/cache.h>

struct share;

/* `ops` and `instance` (a module's) outlive it. */
int share_new(const struct dtr_cache_ops *ops, void *instance, struct share **ret_share,
              struct dtr_error *err);
/* NULL is fine. */
void share_free(struct share *share);

/* One more of what `bucket` ("jobs:1") counts, of which `per_s` a second are let through by all managers
 * together. *ret_wait_ms 0: it goes through; else it does not, and may be tried again after so long. A second
 * begins with the first that comes. */
int share_admit(struct share *share, const char *bucket, unsigned per_s, uint64_t *ret_wait_ms,
                struct dtr_error *err);
/* One that was counted, through or not, does not come after all: another one may, as long as its second
 * lasts. */
int share_give_back(struct share *share, const char *bucket, struct dtr_error *err);

/* Adds `amount`, which may be 0 or negative, to how often `what` happened in `window_ms`; a window begins
 * with the first call. */
int share_count(struct share *share, const char *what, int64_t amount, uint64_t window_ms, int64_t *ret_count,
                struct dtr_error *err);

/* Keeps a text under a name for `ttl_ms`, in the place of the one that was there. */
int share_keep(struct share *share, const char *name, const char *text, uint64_t ttl_ms,
               struct dtr_error *err);
/* Gets it, cut to `room` bytes with the end; "" when there is none. */
int share_find(struct share *share, const char *name, char *ret_text, size_t room, struct dtr_error *err);

#endif
