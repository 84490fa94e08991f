/* Families, label sets and updates. How they look in text: metric_render.c. */
#include "core/obs/metric.h"

#include "core/obs/metric_family.h"

#include <assert.h>
#include <stdlib.h>

#define CLIENT_FAMILY(id, name_, kind_, labels_, fed_, help_)                                                \
    [DTR_##                                                                                                  \
        id] = {.info = {"dragonfly_client_" name_, labels_, help_, DTR_##kind_, DTR_METRICS_CLIENT, fed_},   \
               .lock = PTHREAD_MUTEX_INITIALIZER},
#define SCHEDULER_FAMILY(id, name_, kind_, labels_, fed_, help_)                                             \
    [DTR_##id] = {                                                                                           \
        .info = {"dragonfly_scheduler_" name_, labels_, help_, DTR_##kind_, DTR_METRICS_SCHEDULER, fed_},    \
        .lock = PTHREAD_MUTEX_INITIALIZER},
#define MANAGER_FAMILY(id, name_, kind_, labels_, fed_, help_)                                               \
    [DTR_##                                                                                                  \
        id] = {.info = {"dragonfly_manager_" name_, labels_, help_, DTR_##kind_, DTR_METRICS_MANAGER, fed_}, \
               .lock = PTHREAD_MUTEX_INITIALIZER},

#define OWN_FAMILY(id, name_, kind_, labels_, fed_, help_)                                                   \
    [DTR_##id] = {.info = {"darter_" name_, labels_, help_, DTR_##kind_, DTR_METRICS_CLIENT, fed_},          \
                  .lock = PTHREAD_MUTEX_INITIALIZER},
static struct dtr_family families[DTR_METRIC_COUNT] = {
    DTR_CLIENT_METRICS(CLIENT_FAMILY) DTR_SCHEDULER_METRICS(SCHEDULER_FAMILY)
        DTR_MANAGER_METRICS(MANAGER_FAMILY) DTR_OWN_METRICS(OWN_FAMILY)};

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct dtr_family *) module_families;

struct dtr_family *dtr_metric_family(enum dtr_metric_id id)
{
    assert((unsigned)id < DTR_METRIC_COUNT);
    return &families[id];
}

struct dtr_family *dtr_metric_module_families(void)
{
    return atomic_load(&module_families);
}

const struct dtr_metric_info *dtr_metric_describe(enum dtr_metric_id id)
{
    return &dtr_metric_family(id)->info;
}

/* --- label sets ---------------------------------------------------------------------------------------- */

struct key {
    size_t length;
    uint64_t hash;
    char bytes[DTR_METRIC_LABELS * (DTR_METRIC_LABEL_LENGTH + 1)];
};

static size_t label_count(const char *labels)
{
    size_t count = *labels ? 1 : 0;
    for (; *labels; labels++)
        count += *labels == ',';
    return count;
}

/* Cuts a long value where no UTF-8 sequence is broken. */
static size_t value_length(const char *value)
{
    size_t length = strnlen(value, DTR_METRIC_LABEL_LENGTH + 1);
    if (length <= DTR_METRIC_LABEL_LENGTH)
        return length;
    length = DTR_METRIC_LABEL_LENGTH;
    while (length > 0 && ((unsigned char)value[length] & 0xC0) == 0x80)
        length--;
    return length;
}

/* The values one after the other. A wrong number of values is our bug; it counts as empty values. */
static void make_key(const struct dtr_family *family, const char *const *labels, struct key *ret_key)
{
    size_t count = label_count(family->info.labels);
    bool ended = labels == NULL;
    ret_key->length = 0;
    for (size_t i = 0; i < count; i++) {
        ended = ended || !labels[i];
        assert(!ended);
        size_t length = ended ? 0 : value_length(labels[i]);
        if (length)
            memcpy(ret_key->bytes + ret_key->length, labels[i], length);
        ret_key->bytes[ret_key->length + length] = '\0';
        ret_key->length += length + 1;
    }
    assert(ended || !labels[count]);
    ret_key->hash = 0xcbf29ce484222325u; /* FNV-1a: a filter before the comparison, no more */
    for (size_t i = 0; i < ret_key->length; i++)
        ret_key->hash = (ret_key->hash ^ (uint8_t)ret_key->bytes[i]) * 0x100000001b3u;
}

/* A family with a set for each host is too long to be walked, so it is looked through by hash. */
enum { HOST_CHAINS = 8192 };
static _Atomic(struct dtr_series *) host_chains[HOST_CHAINS];

static bool has_hosts(const struct dtr_family *family)
{
    return family == &families[DTR_SCHEDULER_HOST_TRAFFIC];
}

static struct dtr_series *find_series(const struct dtr_family *family, const struct key *key)
{
    struct dtr_series *s = atomic_load_explicit(
        has_hosts(family) ? &host_chains[key->hash % HOST_CHAINS] : &family->series, memory_order_acquire);
    while (s && (s->hash != key->hash || s->labels_length != key->length ||
                 memcmp(s->labels, key->bytes, key->length) != 0))
        s = s->chain;
    return s;
}

static struct dtr_series *add_series(struct dtr_family *family, const struct key *key)
{
    struct dtr_series *s = calloc(1, sizeof(*s) + key->length);
    if (s && family->info.kind == DTR_HISTOGRAM)
        s->buckets = calloc(DTR_METRIC_BUCKETS, sizeof(*s->buckets));
    if (!s || (family->info.kind == DTR_HISTOGRAM && !s->buckets)) {
        free(s);
        return NULL;
    }
    s->family = family;
    s->hash = key->hash;
    s->labels_length = key->length;
    memcpy(s->labels, key->bytes, key->length);
    s->next = s->chain = atomic_load_explicit(&family->series, memory_order_relaxed);
    if (has_hosts(family)) {
        s->chain = atomic_load_explicit(&host_chains[key->hash % HOST_CHAINS], memory_order_relaxed);
        atomic_store_explicit(&host_chains[key->hash % HOST_CHAINS], s, memory_order_release);
    }
    atomic_store_explicit(&family->series, s, memory_order_release);
    atomic_fetch_add(&family->series_count, 1);
    return s;
}

/* The key under which everything past the bound counts: "other" for every label. */
static void make_other(const struct dtr_family *family, struct key *ret_key)
{
    const char *other[DTR_METRIC_LABELS + 1] = {0};
    size_t count = label_count(family->info.labels);
    for (size_t i = 0; i < count; i++)
        other[i] = "other";
    make_key(family, other, ret_key);
}

static unsigned series_most(const struct dtr_family *family)
{
    if (family == &families[DTR_MANAGER_REQUESTS])
        return DTR_METRIC_REQUEST_SERIES;
    return has_hosts(family) ? DTR_METRIC_HOST_SERIES : DTR_METRIC_SERIES;
}

static struct dtr_series *series_of(struct dtr_family *family, const char *const *labels)
{
    struct key key;
    make_key(family, labels, &key);
    struct dtr_series *s = find_series(family, &key);
    if (s)
        return s;
    pthread_mutex_lock(&family->lock);
    if (atomic_load(&family->series_count) >= series_most(family))
        make_other(family, &key);
    s = find_series(family, &key);
    if (!s)
        s = add_series(family, &key);
    pthread_mutex_unlock(&family->lock);
    return s;
}

struct dtr_series *dtr_metric_series(enum dtr_metric_id id, const char *const *labels)
{
    return series_of(dtr_metric_family(id), labels);
}

/* --- updates ------------------------------------------------------------------------------------------- */

static void add_value(_Atomic double *value, double amount)
{
    double old = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(value, &old, old + amount, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static void touch(struct dtr_series *series)
{
    if (!atomic_load_explicit(&series->touched, memory_order_relaxed))
        atomic_store_explicit(&series->touched, true, memory_order_relaxed);
}

static void observe(struct dtr_series *series, double value)
{
    double bound = 1;
    for (unsigned i = 0; series->buckets && i < DTR_METRIC_BUCKETS; i++, bound *= 2) {
        if (value <= bound) {
            atomic_fetch_add_explicit(&series->buckets[i], 1, memory_order_relaxed);
            break;
        }
    }
    atomic_fetch_add_explicit(&series->observations, 1, memory_order_relaxed);
}

void dtr_series_add(struct dtr_series *series, double amount)
{
    if (!series)
        return;
    enum dtr_metric_kind kind = series->family->info.kind;
    assert(kind != DTR_COUNTER || amount >= 0);
    if (kind == DTR_HISTOGRAM || kind == DTR_SUMMARY)
        observe(series, amount);
    add_value(&series->value, amount);
    touch(series);
}

void dtr_series_set(struct dtr_series *series, double value)
{
    if (!series)
        return;
    assert(series->family->info.kind == DTR_GAUGE);
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
    touch(series);
}

double dtr_series_value(const struct dtr_series *series)
{
    return series ? atomic_load(&series->value) : 0;
}

void dtr_metric_add(enum dtr_metric_id id, const char *const *labels, double amount)
{
    dtr_series_add(dtr_metric_series(id, labels), amount);
}

void dtr_metric_set(enum dtr_metric_id id, const char *const *labels, double value)
{
    dtr_series_set(dtr_metric_series(id, labels), value);
}

/* --- modules ------------------------------------------------------------------------------------------- */

static void put_name(struct dtr_str *str, const char *text)
{
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9');
        dtr_str_putc(str, plain ? *text : '_');
    }
}

static struct dtr_family *find_module_family(const char *name)
{
    struct dtr_family *f = dtr_metric_module_families();
    while (f && strcmp(f->info.name, name) != 0)
        f = f->next;
    return f;
}

/* Takes over `name`, also when it fails. */
static struct dtr_family *new_module_family(char *name, const char *help)
{
    struct dtr_family *f = calloc(1, sizeof(*f));
    char *help_copy = strdup(help ? help : "");
    if (!f || !help_copy) {
        free(f);
        free(help_copy);
        free(name);
        return NULL;
    }
    f->info = (struct dtr_metric_info){name, "", help_copy, DTR_COUNTER, DTR_METRICS_MODULE, true};
    pthread_mutex_init(&f->lock, NULL);
    f->next = atomic_load(&module_families);
    atomic_store(&module_families, f);
    return f;
}

int dtr_metric_module(const char *module, const char *name, const char *help, struct dtr_series **ret_series,
                      struct dtr_error *err)
{
    struct dtr_str whole = {0};
    dtr_str_puts(&whole, "darter_module_");
    put_name(&whole, module);
    dtr_str_putc(&whole, '_');
    put_name(&whole, name);
    char *text = dtr_str_take(&whole);
    *ret_series = NULL;
    if (!text)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "no memory for a metric of %s", module);
    pthread_mutex_lock(&modules_lock);
    struct dtr_family *family = find_module_family(text);
    if (family)
        free(text);
    else
        family = new_module_family(text, help);
    pthread_mutex_unlock(&modules_lock);
    if (family)
        *ret_series = series_of(family, NULL);
    if (!*ret_series)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "no memory for a metric of %s", module);
    return DTR_OK;
}
