/* The Prometheus text format 0.0.4, and starting again from nothing. */
#include "core/obs/metric_family.h"

#include <inttypes.h>

static void put_escaped(struct dtr_str *out, const char *text, bool quote)
{
    for (; *text; text++) {
        if (*text == '\n')
            dtr_str_puts(out, "\\n");
        else if (*text == '\\' || (quote && *text == '"'))
            dtr_str_printf(out, "\\%c", *text);
        else
            dtr_str_putc(out, *text);
    }
}

/* Whole numbers without exponent, as far as a double counts exactly. */
static void put_number(struct dtr_str *out, double value)
{
    const double exact = 9007199254740992.0;
    if (value >= -exact && value <= exact && value == (double)(int64_t)value)
        dtr_str_printf(out, "%" PRId64 "\n", (int64_t)value);
    else
        dtr_str_printf(out, "%.17g\n", value);
}

/* name{label="value",...,extra} and a space. `extra` is one more label, written out, or NULL. */
static void put_head(struct dtr_str *out, const struct dtr_series *series, const char *suffix,
                     const char *extra)
{
    const char *name = series->family->info.labels, *value = series->labels;
    const char *separator = "{";
    dtr_str_puts(out, series->family->info.name);
    dtr_str_puts(out, suffix);
    while (*name) {
        size_t length = strcspn(name, ",");
        dtr_str_puts(out, separator);
        dtr_str_add(out, name, length);
        dtr_str_puts(out, "=\"");
        put_escaped(out, value, true);
        dtr_str_putc(out, '"');
        separator = ",";
        value += strlen(value) + 1;
        name += length + (name[length] == ',');
    }
    if (extra) {
        dtr_str_puts(out, separator);
        dtr_str_puts(out, extra);
        separator = ",";
    }
    dtr_str_puts(out, *separator == ',' ? "} " : " ");
}

/* The count line repeats the last bucket: both come from one reading, so the sample is consistent even
 * while others count. */
static void put_histogram(struct dtr_str *out, const struct dtr_series *series)
{
    uint64_t total = atomic_load(&series->observations), below = 0, bound = 1;
    char le[40];
    for (unsigned i = 0; i < DTR_METRIC_BUCKETS; i++, bound *= 2) {
        below += atomic_load(&series->buckets[i]);
        if (total < below)
            total = below;
        (void)snprintf(le, sizeof(le), "le=\"%" PRIu64 "\"", bound);
        put_head(out, series, "_bucket", le);
        dtr_str_printf(out, "%" PRIu64 "\n", below);
    }
    put_head(out, series, "_bucket", "le=\"+Inf\"");
    dtr_str_printf(out, "%" PRIu64 "\n", total);
    put_head(out, series, "_sum", NULL);
    put_number(out, atomic_load(&series->value));
    put_head(out, series, "_count", NULL);
    dtr_str_printf(out, "%" PRIu64 "\n", total);
}

static void put_series(struct dtr_str *out, const struct dtr_series *series)
{
    switch (series->family->info.kind) {
    case DTR_HISTOGRAM:
        put_histogram(out, series);
        return;
    case DTR_SUMMARY:
        put_head(out, series, "_sum", NULL);
        put_number(out, atomic_load(&series->value));
        put_head(out, series, "_count", NULL);
        dtr_str_printf(out, "%" PRIu64 "\n", atomic_load(&series->observations));
        return;
    case DTR_COUNTER:
    case DTR_GAUGE:
        put_head(out, series, "", NULL);
        put_number(out, atomic_load(&series->value));
        return;
    }
}

static bool any_touched(const struct dtr_family *family)
{
    const struct dtr_series *s = atomic_load(&family->series);
    while (s && !atomic_load(&s->touched))
        s = s->next;
    return s != NULL;
}

static void put_family(struct dtr_str *out, const struct dtr_family *family)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram", "summary"};
    const struct dtr_metric_info *info = &family->info;
    bool plain = !*info->labels;
    if (!any_touched(family) && !(plain && info->fed))
        return;
    dtr_str_printf(out, "# HELP %s ", info->name);
    put_escaped(out, info->help, false);
    dtr_str_printf(out, "\n# TYPE %s %s\n", info->name, kinds[info->kind]);
    const struct dtr_series *s = atomic_load(&family->series);
    if (plain && !s) {
        static _Atomic uint64_t zeros[DTR_METRIC_BUCKETS];
        put_series(out, &(struct dtr_series){.family = family, .buckets = zeros});
    }
    for (; s; s = s->next)
        if (plain || atomic_load(&s->touched))
            put_series(out, s);
}

int dtr_metrics_render(unsigned groups, struct dtr_str *out)
{
    for (int id = 0; id < DTR_METRIC_COUNT; id++) {
        const struct dtr_family *family = dtr_metric_family((enum dtr_metric_id)id);
        if (groups & family->info.group)
            put_family(out, family);
    }
    if (groups & DTR_METRICS_MODULE)
        for (const struct dtr_family *f = dtr_metric_module_families(); f; f = f->next)
            put_family(out, f);
    if (dtr_str_ok(out))
        return DTR_OK;
    return out->length + 1 >= (out->limit ? out->limit : DTR_STR_LIMIT) ? DTR_ELIMIT : DTR_ENOMEM;
}

static void reset_family(struct dtr_family *family)
{
    if (family->info.kind == DTR_GAUGE)
        return;
    for (struct dtr_series *s = atomic_load(&family->series); s; s = s->next) {
        atomic_store(&s->value, 0);
        atomic_store(&s->observations, 0);
        for (unsigned i = 0; s->buckets && i < DTR_METRIC_BUCKETS; i++)
            atomic_store(&s->buckets[i], 0);
        atomic_store(&s->touched, false);
    }
}

void dtr_metrics_reset(unsigned groups)
{
    for (int id = 0; id < DTR_METRIC_COUNT; id++) {
        struct dtr_family *family = dtr_metric_family((enum dtr_metric_id)id);
        if (groups & family->info.group)
            reset_family(family);
    }
    if (groups & DTR_METRICS_MODULE)
        for (struct dtr_family *f = dtr_metric_module_families(); f; f = f->next)
            reset_family(f);
}
