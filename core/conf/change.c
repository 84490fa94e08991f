/* What a configuration that was read again changes; see change.h. */
#include "core/conf/change.h"

#include "core/base/str.h"
#include "core/conf/internal.h"

enum { VALUE_SHOWN = 160 };

/* --- whether values differ ----------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* An empty list may say something else than none. */
static bool same_strings(const struct dtr_conf_strings *a, const struct dtr_conf_strings *b)
{
    if (a->count != b->count || !a->items != !b->items)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool same_pairs(const struct dtr_conf_pairs *a, const struct dtr_conf_pairs *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i].name, b->items[i].name) ||
            !same_text(a->items[i].value, b->items[i].value))
            return false;
    return true;
}

static bool same_modules(const struct dtr_conf_modules *a, const struct dtr_conf_modules *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i].name, b->items[i].name) ||
            !same_pairs(&a->items[i].options, &b->items[i].options))
            return false;
    return true;
}

static bool same_value(const struct dtr_conf_row *row, const void *config, const void *other);

static bool same_list(const struct dtr_conf_items *a, const struct dtr_conf_items *b,
                      const struct dtr_conf_schema *schema)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < schema->count; j++)
            if (!same_value(&schema->rows[j], (const char *)a->items + i * schema->size,
                            (const char *)b->items + i * schema->size))
                return false;
    return true;
}

static bool same_value(const struct dtr_conf_row *row, const void *config, const void *other)
{
    if (row->offset == DTR_NO_FIELD)
        return true;
    const void *a = (const char *)config + row->offset, *b = (const char *)other + row->offset;
    switch (row->type) {
    case DTR_CONF_STRING:
        return same_text(*(const char *const *)a, *(const char *const *)b);
    case DTR_CONF_STRINGS:
        return same_strings(a, b);
    case DTR_CONF_PAIRS:
        return same_pairs(a, b);
    case DTR_CONF_MODULES:
        return same_modules(a, b);
    case DTR_CONF_LIST:
        return same_list(a, b, row->element);
    default:
        return memcmp(a, b, dtr_conf_field_size(row->type)) == 0;
    }
}

/* --- telling of it ------------------------------------------------------------------------------------- */

static void put_cut(struct dtr_str *text, const struct dtr_conf_row *row, const void *config)
{
    struct dtr_str value = {0};
    dtr_conf_put_value(&value, row, config);
    dtr_str_printf(text, "%.*s%s", VALUE_SHOWN, dtr_str_text(&value),
                   value.length > VALUE_SHOWN ? "..." : "");
    dtr_str_free(&value);
}

static void put_change(struct dtr_str *text, const struct dtr_conf_row *row, const void *old, const void *new)
{
    struct dtr_str from = {0}, to = {0};
    put_cut(&from, row, old);
    put_cut(&to, row, new);
    if (strcmp(dtr_str_text(&from), dtr_str_text(&to)) == 0)
        dtr_str_printf(text, "%s (the difference is not shown)", row->key);
    else
        dtr_str_printf(text, "%s %s -> %s", row->key, dtr_str_text(&from), dtr_str_text(&to));
    dtr_str_free(&from);
    dtr_str_free(&to);
}

static enum dtr_conf_change kind_of(const struct dtr_conf_row *row)
{
    if (row->effect == DTR_EFFECT_LATER || row->effect == DTR_EFFECT_NEVER)
        return DTR_CHANGE_NEVER;
    return row->reloadable ? DTR_CHANGE_NOW : DTR_CHANGE_RESTART;
}

void dtr_conf_compare(const struct dtr_conf *charge, const struct dtr_conf *next,
                      void (*each)(void *context, enum dtr_conf_change kind, const char *text), void *context)
{
    for (size_t i = 0; i < charge->schema->count; i++) {
        const struct dtr_conf_row *row = &charge->schema->rows[i];
        struct dtr_str text = {0};
        if (same_value(row, charge->config, next->config))
            continue;
        put_change(&text, row, charge->config, next->config);
        each(context, kind_of(row), dtr_str_text(&text));
        dtr_str_free(&text);
    }
}

/* --- taking it over ------------------------------------------------------------------------------------ */

void dtr_conf_take(struct dtr_conf *charge, struct dtr_conf *next)
{
    for (size_t i = 0; i < charge->schema->count; i++) {
        const struct dtr_conf_row *row = &charge->schema->rows[i];
        if (!row->reloadable || row->offset == DTR_NO_FIELD)
            continue;
        memcpy((char *)charge->config + row->offset, (const char *)next->config + row->offset,
               dtr_conf_field_size(row->type));
        charge->sources[i] = next->sources[i];
        charge->lines[i] = next->lines[i];
    }
    charge->file = next->file;
    dtr_conf_free(charge->taken);
    charge->taken = next;
}
