/* Telling and hearing of changes; see news.h. */
#include "core/manager/fleet/news.h"

#include "core/base/digest.h"

#include <stdlib.h>

static const char NAME[] = "fleet";

struct news {
    struct news_options options;
    struct dtr_timer *timer;
    struct dtr_job job;
    bool busy, closing;
    uint64_t told;  /* own changes that the others know of; of the job */
    char heard[37]; /* the word that was found or given last; of the job */
    void (*closed)(void *context);
    void *context;
};

static void hear(struct news *news)
{
    char word[sizeof(news->heard)];
    if (share_find(news->options.share, NAME, word, sizeof(word), NULL) != DTR_OK || !word[0] ||
        strcmp(word, news->heard) == 0)
        return;
    memcpy(news->heard, word, sizeof(word));
    fleet_heard(news->options.view);
}

/* What cannot be told now is told later. */
static void tell(struct news *news)
{
    uint64_t changes = fleet_changes(news->options.view);
    char word[sizeof(news->heard)];
    if (changes == news->told)
        return;
    dtr_uuid(word);
    if (share_keep(news->options.share, NAME, word, news->options.ttl_ms, NULL) != DTR_OK)
        return;
    memcpy(news->heard, word, sizeof(word));
    news->told = changes;
}

/* What others said goes when something else is said, so first this. */
static void run(struct dtr_job *job)
{
    struct news *news = dtr_container(job, struct news, job);
    hear(news);
    tell(news);
}

static void end(struct news *news)
{
    void (*closed)(void *) = news->closed;
    void *context = news->context;
    dtr_timer_close(news->timer);
    free(news);
    closed(context);
}

static void done(struct dtr_job *job)
{
    struct news *news = dtr_container(job, struct news, job);
    news->busy = false;
    if (news->closing)
        end(news);
    else
        dtr_timer_set(news->timer, NEWS_EVERY_MS);
}

static void on_timer(void *context)
{
    struct news *news = context;
    news->job = (struct dtr_job){.loop = news->options.loop, .run = run, .done = done};
    news->busy = dtr_pool_submit(news->options.pool, &news->job, NULL) == DTR_OK;
    if (!news->busy)
        dtr_timer_set(news->timer, NEWS_EVERY_MS);
}

int news_new(const struct news_options *options, struct news **ret_news, struct dtr_error *err)
{
    struct news *news = calloc(1, sizeof(*news));
    if (!news)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for news of others");
    news->options = *options;
    int rc = dtr_timer_open(options->loop, on_timer, news, &news->timer, err);
    if (rc != DTR_OK) {
        free(news);
        return rc;
    }
    dtr_timer_set(news->timer, 0);
    *ret_news = news;
    return DTR_OK;
}

void news_close(struct news *news, void (*closed)(void *context), void *context)
{
    news->closing = true;
    news->closed = closed;
    news->context = context;
    if (!news->busy)
        end(news);
}
