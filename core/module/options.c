/* Options of modules; the forms of values are those of the configuration (core/conf/value.h). */
#include "core/module/options.h"

#include "core/base/str.h"
#include "core/conf/internal.h"
#include "core/conf/value.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NAMES_MOST = 64 }; /* options that are compared with a misspelt one */

/* enumerator, C type of the field, what a user calls it */
#define OPTION_TYPES(X)                                                                                      \
    X(BOOL, bool, "true or false")                                                                           \
    X(INT, int64_t, "a whole number")                                                                        \
    X(SIZE, uint64_t, "a size such as 4MiB")                                                                 \
    X(DURATION, uint64_t, "a duration such as 5s")                                                           \
    X(STRING, const char *, "a text")

static const struct {
    size_t width;
    const char *words;
} types[] = {
#define OPTION_TYPE_ROW(id, type, words) [DTR_OPTION_##id] = {sizeof(type), words},
    OPTION_TYPES(OPTION_TYPE_ROW)
#undef OPTION_TYPE_ROW
};

const char *dtr_option_type_words(enum dtr_option_type type)
{
    return types[type].words;
}

void dtr_option_range(const struct dtr_option *option, char text[DTR_OPTION_RANGE])
{
    text[0] = 0;
    if (option->least == 0 && option->most == 0)
        return;
    if (option->most == INT64_MAX)
        (void)snprintf(text, DTR_OPTION_RANGE, "at least %" PRId64, option->least);
    else
        (void)snprintf(text, DTR_OPTION_RANGE, "%" PRId64 " to %" PRId64, option->least, option->most);
}

/* A value in the form its field has. */
union value {
    bool truth;
    int64_t number;
    uint64_t amount;
    const char *text;
};

static bool in_range(const struct dtr_option *option, int64_t number)
{
    return (option->least == 0 && option->most == 0) || (number >= option->least && number <= option->most);
}

static bool read_value(const struct dtr_option *option, const char *text, union value *ret_value)
{
    switch (option->type) {
    case DTR_OPTION_BOOL:
        return dtr_value_bool(text, &ret_value->truth);
    case DTR_OPTION_INT:
        return dtr_value_int(text, &ret_value->number) && in_range(option, ret_value->number);
    case DTR_OPTION_SIZE:
        return dtr_value_size(text, &ret_value->amount) && ret_value->amount <= INT64_MAX &&
               in_range(option, (int64_t)ret_value->amount);
    case DTR_OPTION_DURATION:
        return dtr_value_duration(text, &ret_value->amount) && ret_value->amount <= INT64_MAX &&
               in_range(option, (int64_t)ret_value->amount);
    case DTR_OPTION_STRING:
        ret_value->text = text;
        return true;
    }
    return false;
}

static const struct dtr_option *find_option(const struct dtr_module *module, const char *key)
{
    for (const struct dtr_option *option = module->options; option && option->name; option++)
        if (dtr_casecmp(option->name, key) == 0)
            return option;
    return NULL;
}

static int unknown_option(const struct dtr_module *module, const struct dtr_option_text *given,
                          struct dtr_error *err)
{
    struct dtr_conf_row rows[NAMES_MOST];
    struct dtr_conf_schema names = {.rows = rows};
    char found[128];
    const char *near;

    for (const struct dtr_option *o = module->options; o && o->name && names.count < NAMES_MOST; o++)
        rows[names.count++] = (struct dtr_conf_row){.key = o->name};
    near = dtr_conf_nearest(&names, given->key, found);
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s%smodule %s has no option %.60s%s%s%s",
                         given->where ? given->where : "", given->where ? ": " : "", module->name, given->key,
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int bad_value(const struct dtr_module *module, const struct dtr_option *option,
                     const struct dtr_option_text *given, struct dtr_error *err)
{
    char range[DTR_OPTION_RANGE];
    dtr_option_range(option, range);
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "%s%soption %s of module %s is \"%.40s\"; allowed is %s%s%s%s%s",
                         given->where ? given->where : "", given->where ? ": " : "", option->name,
                         module->name, given->value, dtr_option_type_words(option->type), *range ? ", " : "",
                         range, *range && option->type == DTR_OPTION_SIZE ? " bytes" : "",
                         *range && option->type == DTR_OPTION_DURATION ? " ms" : "");
}

int dtr_options_check(const struct dtr_module *module, struct dtr_error *err)
{
    for (const struct dtr_option *option = module->options; option && option->name; option++) {
        union value value;
        bool known = (size_t)option->type < sizeof(types) / sizeof(types[0]);
        if (!known || option->offset > module->options_size ||
            types[option->type].width > module->options_size - option->offset)
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "option %.60s has no place in its struct", option->name);
        if (!option->initial || !option->help || !option->unit ||
            !read_value(option, option->initial, &value))
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "option %.60s has a default outside its own range, or no help",
                                 option->name);
    }
    return DTR_OK;
}

/* The text that counts for an option: the last one given, or its default. */
static struct dtr_option_text effective(const struct dtr_option *option, const struct dtr_option_text *given,
                                        size_t count)
{
    while (count-- > 0)
        if (dtr_casecmp(given[count].key, option->name) == 0)
            return given[count];
    return (struct dtr_option_text){option->name, option->initial, NULL};
}

int dtr_options_read(const struct dtr_module *module, const struct dtr_option_text *given, size_t count,
                     void **ret_options, struct dtr_error *err)
{
    size_t size = module->options_size + 1;
    char *options, *strings;

    for (size_t i = 0; i < count; i++)
        if (!find_option(module, given[i].key))
            return unknown_option(module, &given[i], err);
    for (const struct dtr_option *option = module->options; option && option->name; option++)
        if (option->type == DTR_OPTION_STRING)
            size += strlen(effective(option, given, count).value) + 1;
    options = calloc(1, size);
    if (!options)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    strings = options + module->options_size;
    for (const struct dtr_option *option = module->options; option && option->name; option++) {
        struct dtr_option_text text = effective(option, given, count);
        union value value;
        if (!read_value(option, text.value, &value)) {
            free(options);
            return bad_value(module, option, &text, err);
        }
        if (option->type == DTR_OPTION_STRING) {
            value.text = strings;
            strings = stpcpy(strings, text.value) + 1;
        }
        memcpy(options + option->offset, &value, types[option->type].width);
    }
    *ret_options = options;
    return DTR_OK;
}
