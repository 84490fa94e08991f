/* Look-ups; see lookup.h. One is an errand: who cancels it, or comes too late, leaves it to its thread. */
#include "core/net/lookup.h"

#include "core/loop/errand.h"
#include "core/net/resolve.h"
#include <stdlib.h>

struct dtr_lookup {
    struct dtr_errand errand;
    char *text;
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    size_t count;
    struct dtr_error err;
    /* The loop's. */
    struct dtr_timer *late;
    void (*done)(void *context, const struct dtr_addr *list, size_t count, const struct dtr_error *err);
    void *context;
};

static struct dtr_crew crew = DTR_CREW(crew, DTR_LOOKUP_THREADS, DTR_LOOKUP_ROOM);

static void lookup_free(struct dtr_lookup *lookup)
{
    free(lookup->text);
    free(lookup);
}

static void run(struct dtr_errand *errand)
{
    struct dtr_lookup *lookup = dtr_container(errand, struct dtr_lookup, errand);
    (void)dtr_resolve_to_dial(lookup->text, lookup->list, DTR_LOOKUP_ADDRS, &lookup->count, &lookup->err);
}

static void drop(struct dtr_errand *errand)
{
    lookup_free(dtr_container(errand, struct dtr_lookup, errand));
}

static void come_back(struct dtr_errand *errand)
{
    struct dtr_lookup *lookup = dtr_container(errand, struct dtr_lookup, errand);
    dtr_timer_close(lookup->late);
    lookup->done(lookup->context, lookup->list, lookup->count, &lookup->err);
    lookup_free(lookup);
}

static void on_late(void *context)
{
    struct dtr_lookup *lookup = context;
    struct dtr_error err;
    void (*done)(void *, const struct dtr_addr *, size_t, const struct dtr_error *) = lookup->done;
    void *done_context = lookup->context;
    (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_SAME,
                        "%.80s: the name servers do not answer in time; see /etc/resolv.conf", lookup->text);
    dtr_lookup_cancel(lookup);
    done(done_context, NULL, 0, &err);
}

/* The name alone is known of what waits in line. */
static int start(struct dtr_lookup *lookup, struct dtr_loop *loop, uint64_t limit_ms, struct dtr_error *err)
{
    struct dtr_error why = {0};
    int rc = dtr_timer_open(loop, on_late, lookup, &lookup->late, err);
    if (rc != DTR_OK)
        return rc;
    dtr_timer_set(lookup->late, limit_ms);
    rc = dtr_errand_start(&lookup->errand, loop, &why);
    if (rc == DTR_OK)
        return DTR_OK;
    dtr_timer_close(lookup->late);
    return dtr_error_set(err, rc, DTR_RETRY_SAME, "%.80s is not looked up: %.120s", lookup->text, why.text);
}

int dtr_lookup_start(struct dtr_loop *loop, const char *text, uint64_t limit_ms,
                     void (*done)(void *context, const struct dtr_addr *list, size_t count,
                                  const struct dtr_error *err),
                     void *context, struct dtr_lookup **ret_lookup, struct dtr_error *err)
{
    struct dtr_lookup *lookup = calloc(1, sizeof(*lookup));
    char *copy = strdup(text);
    if (!lookup || !copy) {
        free(lookup);
        free(copy);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a look-up");
    }
    lookup->errand = (struct dtr_errand){.crew = &crew, .run = run, .done = come_back, .drop = drop};
    lookup->text = copy;
    lookup->done = done;
    lookup->context = context;
    int rc = start(lookup, loop, limit_ms, err);
    if (rc == DTR_OK)
        *ret_lookup = lookup;
    else
        lookup_free(lookup);
    return rc;
}

void dtr_lookup_cancel(struct dtr_lookup *lookup)
{
    dtr_timer_close(lookup->late);
    dtr_errand_abandon(&lookup->errand);
}
