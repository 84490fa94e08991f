/* Where temporary redirects (307) led: the ranges of one object ask there straight away, as long as the
 * caller says that a target is good. A target may be signed for whoever asked, so it is kept for requests
 * with the same credentials only. Any thread. */
#include "http.h"

#include <stdlib.h>

enum { TARGETS = 128 }; /* the oldest goes for a new one */

struct target {
    char *asked, *led_to; /* `asked`: URL and credentials */
    uint64_t until_ms;
};

struct redirects {
    pthread_mutex_t lock;
    struct target list[TARGETS];
    size_t next;
};

struct redirects *redirects_new(void)
{
    struct redirects *redirects = calloc(1, sizeof(*redirects));
    if (redirects)
        pthread_mutex_init(&redirects->lock, NULL);
    return redirects;
}

static void forget(struct target *target)
{
    free(target->asked);
    free(target->led_to);
    *target = (struct target){0};
}

void redirects_free(struct redirects *redirects)
{
    if (!redirects)
        return;
    for (size_t i = 0; i < TARGETS; i++)
        forget(&redirects->list[i]);
    pthread_mutex_destroy(&redirects->lock);
    free(redirects);
}

static struct target *find(struct redirects *redirects, const char *asked)
{
    for (size_t i = 0; i < TARGETS; i++) {
        struct target *target = &redirects->list[i];
        if (target->asked && strcmp(target->asked, asked) == 0)
            return target;
    }
    return NULL;
}

char *redirects_key(const struct dtr_origin_request *request)
{
    const char *token = dtr_header_find(request->headers, request->header_count, "Authorization");
    const char *cookie = dtr_header_find(request->headers, request->header_count, "Cookie");
    char *key = NULL;
    return asprintf(&key, "%s\n%s\n%s", request->url, token ? token : "", cookie ? cookie : "") < 0 ? NULL
                                                                                                    : key;
}

char *redirects_find(struct redirects *redirects, const char *asked, uint64_t now_ms)
{
    pthread_mutex_lock(&redirects->lock);
    struct target *target = find(redirects, asked);
    char *led_to = target && now_ms < target->until_ms ? strdup(target->led_to) : NULL;
    pthread_mutex_unlock(&redirects->lock);
    return led_to;
}

void redirects_note(struct redirects *redirects, const char *asked, const char *led_to, uint64_t until_ms)
{
    struct target fresh = {.asked = strdup(asked), .led_to = strdup(led_to), .until_ms = until_ms};
    if (!fresh.asked || !fresh.led_to) {
        forget(&fresh);
        return;
    }
    pthread_mutex_lock(&redirects->lock);
    struct target *target = find(redirects, asked);
    if (!target)
        target = &redirects->list[redirects->next++ % TARGETS];
    forget(target);
    *target = fresh;
    pthread_mutex_unlock(&redirects->lock);
}

void redirects_forget(struct redirects *redirects, const char *asked)
{
    pthread_mutex_lock(&redirects->lock);
    struct target *target = find(redirects, asked);
    if (target)
        forget(target);
    pthread_mutex_unlock(&redirects->lock);
}
