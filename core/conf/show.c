/* Every key's value and where it comes from, for people and for scripts. Not for what the keys mean:
 * describe.c. */
#include "core/conf/internal.h"

#include "core/base/str.h"
#include <inttypes.h>
#include <jansson.h>

#define MASK "(set, not shown)"

/* --- values as JSON ------------------------------------------------------------------------------------ */

/* jansson takes UTF-8 only; a YAML text is that, one from the command line need not be. */
static json_t *text_value(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("(not UTF-8)");
}

/* A text without what stands before the @ of a URL's host. */
static json_t *string_value(const char *text)
{
    const char *host = text ? strstr(text, "://") : NULL;
    size_t end = host ? strcspn(host + 3, "/?#") : 0;
    const char *at = host ? memrchr(host + 3, '@', end) : NULL;
    struct dtr_str masked = {0};
    if (!text)
        return json_null();
    if (!at)
        return text_value(text);
    dtr_str_add(&masked, text, (size_t)(host + 3 - text));
    dtr_str_puts(&masked, MASK);
    dtr_str_puts(&masked, at);
    json_t *value = text_value(dtr_str_text(&masked));
    dtr_str_free(&masked);
    return value;
}

static json_t *strings_value(const struct dtr_conf_strings *list, bool secret)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(array, secret ? json_string(MASK) : string_value(list->items[i]));
    return array;
}

/* Whether an option of a module, which has no row, is likely to be a secret. */
static bool sounds_secret(const char *name)
{
    static const char *const words[] = {"password", "passwd", "secret", "token", "credential", "key"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasestr(name, words[i]))
            return true;
    }
    return false;
}

static json_t *pairs_value(const struct dtr_conf_pairs *pairs, bool secret, bool guess)
{
    json_t *object = json_object();
    for (size_t i = 0; i < pairs->count; i++) {
        const struct dtr_conf_pair *pair = &pairs->items[i];
        bool hide = secret || (guess && sounds_secret(pair->name));
        (void)json_object_set_new(object, pair->name, hide ? json_string(MASK) : string_value(pair->value));
    }
    return object;
}

static json_t *modules_value(const struct dtr_conf_modules *modules, bool secret)
{
    json_t *object = json_object();
    for (size_t i = 0; i < modules->count; i++)
        (void)json_object_set_new(object, modules->items[i].name,
                                  pairs_value(&modules->items[i].options, secret, true));
    return object;
}

static json_t *row_value(const struct dtr_conf_row *row, const void *config);

static json_t *list_value(const struct dtr_conf_items *list, const struct dtr_conf_schema *schema)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_t *object = json_object();
        const char *element = (const char *)list->items + i * schema->size;
        for (size_t j = 0; j < schema->count; j++)
            (void)json_object_set_new(object, schema->rows[j].key, row_value(&schema->rows[j], element));
        (void)json_array_append_new(array, object);
    }
    return array;
}

static json_t *row_value(const struct dtr_conf_row *row, const void *config)
{
    if (row->offset == DTR_NO_FIELD)
        return json_null();
    const void *field = (const char *)config + row->offset;
    switch (row->type) {
    case DTR_CONF_BOOL:
    case DTR_CONF_SECTION:
        return json_boolean(*(const bool *)field);
    case DTR_CONF_INT:
        return json_integer(*(const int64_t *)field);
    case DTR_CONF_SIZE:
    case DTR_CONF_DURATION:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case DTR_CONF_STRING:
        if (row->secret && *(const char *const *)field)
            return json_string(MASK);
        return string_value(*(const char *const *)field);
    case DTR_CONF_STRINGS:
        return strings_value(field, row->secret);
    case DTR_CONF_PAIRS:
        return pairs_value(field, row->secret, false);
    case DTR_CONF_MODULES:
        return modules_value(field, row->secret);
    case DTR_CONF_LIST:
        return list_value(field, row->element);
    default:
        return json_null();
    }
}

/* --- where from ---------------------------------------------------------------------------------------- */

static const char *const source_words[] = {
    [DTR_FROM_DEFAULT] = "default", [DTR_FROM_FILE] = "file", [DTR_FROM_COMMAND_LINE] = "--set"};

static json_t *key_object(const struct dtr_conf *conf, size_t i)
{
    const struct dtr_conf_row *row = &conf->schema->rows[i];
    enum dtr_conf_source source = (enum dtr_conf_source)conf->sources[i];
    json_t *object = json_object();
    (void)json_object_set_new(object, "key", json_string(row->key));
    (void)json_object_set_new(object, "value", row_value(row, conf->config));
    if (row->type == DTR_CONF_SIZE)
        (void)json_object_set_new(object, "unit", json_string(row->unit ? row->unit : "bytes"));
    if (row->type == DTR_CONF_DURATION)
        (void)json_object_set_new(object, "unit", json_string("ms"));
    (void)json_object_set_new(object, "source", json_string(source_words[source]));
    if (source == DTR_FROM_FILE)
        (void)json_object_set_new(object, "line", json_integer(conf->lines[i]));
    (void)json_object_set_new(object, "effect", json_string(dtr_conf_effect_word(row->effect)));
    (void)json_object_set_new(object, "reloadable", json_boolean(row->reloadable));
    return object;
}

static int show_json(const struct dtr_conf *conf, const char *file_by, FILE *out)
{
    json_t *root = json_object(), *keys = json_array();
    (void)json_object_set_new(root, "role", json_string(dtr_conf_role_name(conf->role)));
    (void)json_object_set_new(root, "file", file_by ? text_value(conf->file) : json_null());
    (void)json_object_set_new(root, "fileNamedBy", file_by ? json_string(file_by) : json_null());
    for (size_t i = 0; i < conf->schema->count; i++)
        (void)json_array_append_new(keys, key_object(conf, i));
    (void)json_object_set_new(root, "keys", keys);
    int bad = json_dumpf(root, out, JSON_INDENT(2));
    json_decref(root);
    return bad || fputc('\n', out) == EOF ? DTR_EIO : DTR_OK;
}

/* --- for people ---------------------------------------------------------------------------------------- */

struct unit {
    uint64_t size;
    const char *name;
};

/* The number with the largest unit that leaves no rest, as a file would write it. */
static void put_amount(struct dtr_str *text, uint64_t value, const struct unit *units, size_t count)
{
    size_t i = 0;
    while (i + 1 < count && (value < units[i].size || value % units[i].size != 0))
        i++;
    dtr_str_printf(text, "%" PRIu64 "%s", value ? value / units[i].size : 0, value ? units[i].name : "");
}

static void put_size(struct dtr_str *text, uint64_t value)
{
    static const struct unit units[] = {
        {(uint64_t)1 << 40, "TiB"}, {1000000000000, "TB"}, {(uint64_t)1 << 30, "GiB"},
        {1000000000, "GB"},         {1 << 20, "MiB"},      {1000000, "MB"},
        {1 << 10, "KiB"},           {1000, "KB"},          {1, "B"}};
    put_amount(text, value, units, sizeof(units) / sizeof(units[0]));
}

static void put_duration(struct dtr_str *text, uint64_t value)
{
    static const struct unit units[] = {
        {86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    put_amount(text, value, units, sizeof(units) / sizeof(units[0]));
}

static void put_json(struct dtr_str *text, const json_t *value)
{
    char *written = json_dumps(value, JSON_ENCODE_ANY);
    dtr_str_puts(text, written ? written : "?");
    free(written);
}

void dtr_conf_put_value(struct dtr_str *text, const struct dtr_conf_row *row, const void *config)
{
    json_t *value = row_value(row, config);
    bool nothing = json_is_null(value) || (json_is_integer(value) && json_integer_value(value) == 0);
    if (nothing && row->unset)
        dtr_str_printf(text, "(%s)", row->unset);
    else if (json_is_null(value))
        dtr_str_puts(text, "-");
    else if (row->type == DTR_CONF_SIZE)
        put_size(text, (uint64_t)json_integer_value(value));
    else if (row->type == DTR_CONF_DURATION)
        put_duration(text, (uint64_t)json_integer_value(value));
    else if (json_is_string(value) && json_string_length(value) > 0)
        dtr_str_puts(text, json_string_value(value));
    else
        put_json(text, value);
    json_decref(value);
}

static int show_table(const struct dtr_conf *conf, const char *file_by, FILE *out)
{
    const char *role = dtr_conf_role_name(conf->role);
    if (file_by)
        (void)fprintf(out, "# %s: %s, named by %s\n", role, conf->file, file_by);
    else
        (void)fprintf(out, "# %s: no file, defaults\n", role);
    for (size_t i = 0; i < conf->schema->count; i++) {
        const struct dtr_conf_row *row = &conf->schema->rows[i];
        struct dtr_str value = {0};
        dtr_conf_put_value(&value, row, conf->config);
        (void)fprintf(out, "%-44s %-32s ", row->key, dtr_str_text(&value));
        if (conf->sources[i] == DTR_FROM_FILE)
            (void)fprintf(out, "%s:%u", conf->file, conf->lines[i]);
        else
            (void)fputs(source_words[conf->sources[i]], out);
        if (conf->sources[i] != DTR_FROM_DEFAULT && row->effect != DTR_EFFECT_YES)
            (void)fprintf(out, " (%s)", dtr_conf_effect_words(row->effect));
        (void)fputc('\n', out);
        dtr_str_free(&value);
    }
    return ferror(out) ? DTR_EIO : DTR_OK;
}

int dtr_conf_show(const struct dtr_conf *conf, const char *file_by, bool json, FILE *out,
                  struct dtr_error *err)
{
    int rc = json ? show_json(conf, file_by, out) : show_table(conf, file_by, out);
    if (rc != DTR_OK)
        (void)dtr_error_set(err, rc, DTR_RETRY_NEVER, "the configuration could not be written out");
    return rc;
}
