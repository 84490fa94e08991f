/* A family and its label sets, as metric.c counts them and metric_render.c writes them. Nobody else
 * includes this.
 *
 * Series are only ever added, at the head of a list, under the family's lock; they are never freed while
 * the process runs, so reading needs no lock. */
#ifndef DTR_OBS_METRIC_FAMILY_H
#define DTR_OBS_METRIC_FAMILY_H

#include "core/obs/metric.h"

#include <pthread.h>
#include <stdatomic.h>

struct dtr_family {
    struct dtr_metric_info info;
    pthread_mutex_t lock; /* adding a series */
    _Atomic(struct dtr_series *) series;
    atomic_uint series_count;
    struct dtr_family *next; /* modules' families */
};

struct dtr_series {
    struct dtr_series *next;  /* of the family */
    struct dtr_series *chain; /* where it is looked for */
    const struct dtr_family *family;
    atomic_bool touched; /* updated since the start or the last reset */
    _Atomic double value;
    _Atomic uint64_t observations;
    _Atomic uint64_t *buckets; /* DTR_METRIC_BUCKETS of a histogram, not cumulative; else NULL */
    uint64_t hash;
    size_t labels_length;
    char labels[]; /* the values, each with its final NUL */
};

struct dtr_family *dtr_metric_family(enum dtr_metric_id id);
/* The newest of the modules' families. */
struct dtr_family *dtr_metric_module_families(void);

#endif
