/* Managers that share a cache tell each other that clusters or their members have changed, so that a picture
 * (fleet.h) is read anew before its time.
 *
 * What is told is a word in the cache that is another one after each change; whoever finds one that it does
 * not know reads the database. It is looked at between requests, never during one, so a cache that is away
 * delays nobody: then a picture counts for FLEET_FRESH_MS, as without news. */
#ifndef DTR_MANAGER_FLEET_NEWS_H
#define DTR_MANAGER_FLEET_NEWS_H

#include "core/loop/pool.h"
#include "core/manager/fleet/fleet.h"
#include "core/manager/share/share.h"

enum { NEWS_EVERY_MS = 250 };

struct news;

struct news_options {
    struct dtr_loop *loop;
    struct dtr_pool *pool;
    struct share *share;
    struct fleet_view *view;
    uint64_t ttl_ms; /* how long a word is kept */
};

/* On the loop's thread or before it runs. */
int news_new(const struct news_options *options, struct news **ret_news, struct dtr_error *err);
/* On the loop; so is `closed`, during this call or later. */
void news_close(struct news *news, void (*closed)(void *context), void *context);

#endif
