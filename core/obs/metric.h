/* Counters, gauges and histograms in the Prometheus text format 0.0.4.
 *
 * Families stand in tables (metric_table.h); modules' counters are registered while starting. Updates
 * may come from any thread and take no lock once a set of label values has been seen. The number of
 * label sets per family is bounded: past the bound every further set counts under the value "other".
 *
 * Not here: the HTTP server that answers GET and DELETE /metrics. */
#ifndef DTR_OBS_METRIC_H
#define DTR_OBS_METRIC_H

#include "core/base/str.h"
#include "core/obs/metric_table.h"
#include <darter/error.h>

/* Groups of families, as the listeners show them: 4002 the daemon, 8000 scheduler and manager. */
enum {
    DTR_METRICS_CLIENT = 1,    /* dragonfly_client_* */
    DTR_METRICS_SCHEDULER = 2, /* dragonfly_scheduler_* */
    DTR_METRICS_MODULE = 4,    /* darter_module_* */
    DTR_METRICS_MANAGER = 8,   /* dragonfly_manager_* */
    DTR_METRICS_ALL = 15,
};

#define DTR_METRIC_LABELS         9     /* labels of one family at most */
#define DTR_METRIC_SERIES         128   /* label sets of one family, besides "other" ... */
#define DTR_METRIC_HOST_SERIES    16384 /* ... of host_traffic, which has some for each host */
#define DTR_METRIC_REQUEST_SERIES 2048  /* ... of the manager's requests: a route has some for each status */
#define DTR_METRIC_LABEL_LENGTH   127   /* bytes of a label value; longer ones are cut */
#define DTR_METRIC_BUCKETS        24    /* upper bounds 1, 2, 4, ... 2^23, then +Inf (features page 6.3) */

/* The values of the labels in the family's order; NULL instead when it has none:
 *     dtr_metric_add(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("http", "GET"), 1); */
#define DTR_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Counter: adds amount >= 0. Gauge: adds, also less than 0. Histogram and summary: one observation. */
void dtr_metric_add(enum dtr_metric_id id, const char *const *labels, double amount);
/* Gauges only. */
void dtr_metric_set(enum dtr_metric_id id, const char *const *labels, double value);

/* One label set, for paths that count often. NULL when out of memory, and all calls accept that. Lives
 * as long as the process, through resets. */
struct dtr_series;
struct dtr_series *dtr_metric_series(enum dtr_metric_id id, const char *const *labels);
void dtr_series_add(struct dtr_series *series, double amount);
void dtr_series_set(struct dtr_series *series, double value);
/* Present value: of a counter or gauge; the sum of a histogram's or summary's observations. */
double dtr_series_value(const struct dtr_series *series);

/* The label task_size_level of an object: "0" when nothing is in it or its length is not known (UINT64_MAX),
 * else "1" (below 1 MiB) to "20" (1 TiB and more), as Dragonfly cuts them. */
const char *dtr_metric_size_level(uint64_t bytes);
/* The label platform, "linux/x86_64". Returns `text`. */
#define DTR_METRIC_PLATFORM 48
const char *dtr_metric_platform(char text[DTR_METRIC_PLATFORM]);

/* Makes the counter darter_module_<module>_<name> and returns its only series; the same one when it was
 * there already. Texts are copied. Names keep letters, digits and '_'; anything else becomes '_'. */
int dtr_metric_module(const char *module, const char *name, const char *help, struct dtr_series **ret_series,
                      struct dtr_error *err);

/* Adds all families of these groups to `out`, in the order of the tables. A family without labels that
 * is fed shows from the start, others from their first update. DTR_ENOMEM or DTR_ELIMIT from `out`. */
int dtr_metrics_render(unsigned groups, struct dtr_str *out);
/* Counters and histograms of these groups start again from nothing. Gauges say what is now, so they stay. */
void dtr_metrics_reset(unsigned groups);

/* --- what the tables say --------------------------------------------------------------------------- */
enum dtr_metric_kind { DTR_COUNTER, DTR_GAUGE, DTR_HISTOGRAM, DTR_SUMMARY };

struct dtr_metric_info {
    const char *name;   /* whole, "dragonfly_client_upload_task_total" */
    const char *labels; /* "type,tag,app", "" for none */
    const char *help;
    enum dtr_metric_kind kind;
    unsigned group;
    bool fed; /* something counts here yet */
};

/* Never NULL for an id of the enumeration. */
const struct dtr_metric_info *dtr_metric_describe(enum dtr_metric_id id);

#endif
