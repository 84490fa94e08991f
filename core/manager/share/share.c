/* Counting and telling by a cache; see share.h.
 *
 * What counts is a number of the cache, which lives for a window and begins with its first event: its clock
 * is the only one, so managers need not agree about the time. At most twice the rate goes through in a second
 * that lies across two windows, which is what a limit for people needs. */
#include "core/manager/share/share.h"

#include "core/base/clock.h"
#include "core/obs/log.h"

#include <pthread.h>
#include <stdlib.h>

enum { WINDOW_MS = 1000, TRY_EVERY_MS = 1000 };

struct share {
    const struct dtr_cache_ops *ops;
    void *instance;
    pthread_mutex_t lock; /* what follows */
    bool away, trying;    /* somebody finds out whether it is back */
    uint64_t try_ms;      /* when it is away: nobody asks it before */
    struct dtr_error why; /* it is away */
};

int share_new(const struct dtr_cache_ops *ops, void *instance, struct share **ret_share,
              struct dtr_error *err)
{
    struct share *share = calloc(1, sizeof(*share));
    if (!share)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the cache");
    share->ops = ops;
    share->instance = instance;
    (void)pthread_mutex_init(&share->lock, NULL);
    *ret_share = share;
    return DTR_OK;
}

void share_free(struct share *share)
{
    if (!share)
        return;
    (void)pthread_mutex_destroy(&share->lock);
    free(share);
}

/* --- whether it is there ---------------------------------------------------------------------------------
 */

static int say_away(const struct dtr_error *why, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the cache is away, try again later: %.200s",
                         why->text);
}

/* DTR_OK: ask it. Of those that come while it is away one finds out, which can take long. */
static int may_ask(struct share *share, struct dtr_error *err)
{
    int rc = DTR_OK;
    (void)pthread_mutex_lock(&share->lock);
    if (share->away && (share->trying || dtr_now_ms() < share->try_ms))
        rc = say_away(&share->why, err);
    else
        share->trying = share->away;
    (void)pthread_mutex_unlock(&share->lock);
    return rc;
}

/* What the caller did wrong says nothing of the cache. */
static bool is_answer(int rc)
{
    return rc == DTR_OK || rc == DTR_ENOT_FOUND || rc == DTR_EINVALID || rc == DTR_ELIMIT || rc == DTR_ENOMEM;
}

/* Also who is refused by a server, or finds something else there, goes on without it. */
static int asked(struct share *share, int rc, const struct dtr_error *why, struct dtr_error *err)
{
    bool away = !is_answer(rc);
    (void)pthread_mutex_lock(&share->lock);
    bool changed = away != share->away;
    share->away = away;
    share->trying = false;
    if (away) {
        share->why = *why;
        share->try_ms = dtr_now_ms() + TRY_EVERY_MS;
    }
    (void)pthread_mutex_unlock(&share->lock);
    if (changed && away)
        dtr_log(DTR_LOG_ERROR, NULL, "the cache is away; what needs it is refused until it is back: %s",
                why->text);
    else if (changed)
        dtr_log(DTR_LOG_INFO, NULL, "the cache is back");
    if (away)
        return say_away(why, err);
    if (err)
        *err = *why;
    return rc;
}

/* --- counting --------------------------------------------------------------------------------------------
 */

int share_count(struct share *share, const char *what, int64_t amount, uint64_t window_ms, int64_t *ret_count,
                struct dtr_error *err)
{
    char key[DTR_CACHE_KEY_MAX + 2];
    struct dtr_error why = {0};
    int rc = may_ask(share, err);
    if (rc != DTR_OK)
        return rc;
    (void)snprintf(key, sizeof(key), "count:%s", what);
    rc = share->ops->add(share->instance, key, amount, window_ms, ret_count, &why);
    return asked(share, rc, &why, err);
}

int share_admit(struct share *share, const char *bucket, unsigned per_s, uint64_t *ret_wait_ms,
                struct dtr_error *err)
{
    int64_t count = 0;
    int rc = share_count(share, bucket, 1, WINDOW_MS, &count, err);
    *ret_wait_ms = rc == DTR_OK && count > (int64_t)per_s ? WINDOW_MS : 0;
    return rc;
}

int share_give_back(struct share *share, const char *bucket, struct dtr_error *err)
{
    int64_t count = 0;
    int rc = share_count(share, bucket, -1, WINDOW_MS, &count, err);
    /* Of the window that began with this nothing had been taken. */
    return rc == DTR_OK && count < 0 ? share_count(share, bucket, 1, WINDOW_MS, &count, err) : rc;
}

/* --- telling ---------------------------------------------------------------------------------------------
 */

int share_keep(struct share *share, const char *name, const char *text, uint64_t ttl_ms,
               struct dtr_error *err)
{
    const struct dtr_cache_bytes value = {text, strlen(text)};
    char key[DTR_CACHE_KEY_MAX + 2];
    struct dtr_error why = {0};
    int rc = may_ask(share, err);
    if (rc != DTR_OK)
        return rc;
    (void)snprintf(key, sizeof(key), "text:%s", name);
    rc = share->ops->set(share->instance, key, value, ttl_ms, &why);
    return asked(share, rc, &why, err);
}

struct text {
    char *bytes;
    size_t room;
};

static void take_text(void *context, const void *bytes, size_t length)
{
    const struct text *text = context;
    size_t most = length < text->room - 1 ? length : text->room - 1;
    memcpy(text->bytes, bytes, most);
    text->bytes[most] = 0;
}

int share_find(struct share *share, const char *name, char *ret_text, size_t room, struct dtr_error *err)
{
    struct text text = {ret_text, room};
    const struct dtr_cache_sink sink = {take_text, &text};
    char key[DTR_CACHE_KEY_MAX + 2];
    struct dtr_error why = {0};
    ret_text[0] = 0;
    int rc = may_ask(share, err);
    if (rc != DTR_OK)
        return rc;
    (void)snprintf(key, sizeof(key), "text:%s", name);
    rc = asked(share, share->ops->get(share->instance, key, &sink, &why), &why, err);
    return rc == DTR_ENOT_FOUND ? DTR_OK : rc;
}
