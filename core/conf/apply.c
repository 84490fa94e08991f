/* One value of the tree into one field of a struct, if it is of the row's type and in its range. */
#include "core/conf/internal.h"

#include "core/base/str.h"

#include <assert.h>
#include <inttypes.h>

size_t dtr_conf_field_size(enum dtr_conf_type type)
{
    static const size_t sizes[] = {
#define FIELD_SIZE(id, ctype, words) [DTR_CONF_##id] = sizeof(ctype),
        DTR_CONF_TYPES(FIELD_SIZE)
#undef FIELD_SIZE
    };
    return sizes[type];
}

static const char *type_words(enum dtr_conf_type type)
{
    static const char *const words[] = {
#define TYPE_WORDS(id, ctype, text) [DTR_CONF_##id] = text,
        DTR_CONF_TYPES(TYPE_WORDS)
#undef TYPE_WORDS
    };
    return words[type];
}

static void put_field(const struct dtr_scope *scope, const struct dtr_conf_row *row, const void *value)
{
    if (row->offset != DTR_NO_FIELD)
        memcpy((char *)scope->config + row->offset, value, dtr_conf_field_size(row->type));
}

/* "key is WHAT; NEEDED": what a secret was stays untold. */
__attribute__((format(printf, 4, 5))) static bool complain(const struct dtr_scope *scope,
                                                           const struct dtr_conf_row *row,
                                                           const struct dtr_node *node, const char *format,
                                                           ...)
{
    char words[DTR_NODE_WORDS], needed[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(needed, sizeof(needed), format, args);
    va_end(args);
    bool hide = row->secret && node->kind == DTR_NODE_SCALAR;
    dtr_conf_note(scope->conf->report, DTR_CONF_ERROR, node->line, "%s%s is %s; %s", scope->label, row->key,
                  hide ? "a text that is not shown" : dtr_node_words(node, words), needed);
    return false;
}

static bool complain_type(const struct dtr_scope *scope, const struct dtr_conf_row *row,
                          const struct dtr_node *node)
{
    return complain(scope, row, node, "needed is %s", type_words(row->type));
}

/* --- scalars: true when the value is good and in the field ------------------------------------------------
 */

static bool apply_bool(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    bool value;
    if (!dtr_value_bool(node->text, &value))
        return complain_type(scope, row, node);
    put_field(scope, row, &value);
    return true;
}

static bool in_range(const struct dtr_scope *scope, const struct dtr_conf_row *row,
                     const struct dtr_node *node, int64_t value)
{
    const char *unit = row->type == DTR_CONF_DURATION ? "ms" : row->type == DTR_CONF_SIZE ? "B" : "";
    bool ranged = row->least || row->most;
    if (!ranged || (value >= row->least && value <= row->most))
        return true;
    if (row->most == INT64_MAX)
        return complain(scope, row, node, "at least %" PRId64 "%s is allowed", row->least, unit);
    return complain(scope, row, node, "allowed is %" PRId64 "%s to %" PRId64 "%s", row->least, unit,
                    row->most, unit);
}

static bool apply_int(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    int64_t value;
    if (!dtr_value_int(node->text, &value))
        return complain_type(scope, row, node);
    if (!in_range(scope, row, node, value))
        return false;
    put_field(scope, row, &value);
    return true;
}

static bool apply_amount(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    uint64_t value;
    bool good = row->type == DTR_CONF_SIZE ? dtr_value_size(node->text, &value)
                                           : dtr_value_duration(node->text, &value);
    if (!good)
        return complain_type(scope, row, node);
    if (!in_range(scope, row, node, (int64_t)value))
        return false;
    put_field(scope, row, &value);
    return true;
}

/* The word of the row that `text` is in any case, as the row writes it; NULL when none. */
static const char *find_word(struct dtr_arena *arena, const char *words, const char *text)
{
    size_t length = strlen(text);
    for (const char *w = words; *w;) {
        size_t word = strcspn(w, "|");
        if (word == length && dtr_conf_prefix(w, text, length))
            return dtr_arena_text(arena, w, word);
        w += word + (w[word] == '|');
    }
    return NULL;
}

static bool check_text(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node,
                       const char **ret_text)
{
    struct dtr_error err = {0};
    *ret_text = node->text;
    if (row->words) {
        *ret_text = find_word(&scope->conf->arena, row->words, node->text);
        if (!*ret_text)
            return complain(scope, row, node, "allowed are %s", row->words);
    }
    if (row->check && row->check(node->text, &err) != DTR_OK)
        return complain(scope, row, node, "%s", err.text);
    return true;
}

static bool apply_string(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    const char *text;
    if (!check_text(scope, row, node, &text))
        return false;
    put_field(scope, row, &text);
    return true;
}

/* --- lists and maps ------------------------------------------------------------------------------------ */

/* These answer DTR_OK, DTR_ENOMEM, or DTR_EINVALID when something has been complained about. */

static int apply_strings(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    struct dtr_conf_strings list = {.count = node->count};
    int code = DTR_OK;
    if (node->kind == DTR_NODE_SCALAR && row->single)
        list.count = 1;
    else if (node->kind != DTR_NODE_LIST)
        return complain_type(scope, row, node), DTR_EINVALID;
    list.items = dtr_arena_get(&scope->conf->arena, (list.count + 1) * sizeof(*list.items));
    if (!list.items)
        return DTR_ENOMEM;
    if (node->kind == DTR_NODE_SCALAR)
        code = check_text(scope, row, node, &list.items[0]) ? DTR_OK : DTR_EINVALID;
    size_t i = 0;
    for (const struct dtr_node *n = node->first; n; n = n->next, i++) {
        bool good = n->kind == DTR_NODE_SCALAR ? check_text(scope, row, n, &list.items[i])
                                               : complain(scope, row, n, "each entry must be a text");
        code = good ? code : DTR_EINVALID;
    }
    if (code == DTR_OK)
        put_field(scope, row, &list);
    return code;
}

static int read_pairs(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node,
                      struct dtr_conf_pairs *ret_pairs)
{
    struct dtr_conf_pairs pairs = {.count = node->count};
    int code = DTR_OK;
    if (node->kind != DTR_NODE_MAP && node->kind != DTR_NODE_NULL)
        return complain_type(scope, row, node), DTR_EINVALID;
    pairs.items = dtr_arena_get(&scope->conf->arena, (node->count + 1) * sizeof(*pairs.items));
    if (!pairs.items)
        return DTR_ENOMEM;
    size_t i = 0;
    for (const struct dtr_node *n = node->first; n; n = n->next, i++) {
        pairs.items[i] = (struct dtr_conf_pair){.name = n->key, .value = n->text, .line = n->key_line};
        if (n->kind == DTR_NODE_MAP || n->kind == DTR_NODE_LIST) {
            (void)complain(scope, row, n, "%.60s must be a text", n->key);
            code = DTR_EINVALID;
        }
    }
    *ret_pairs = pairs;
    return code;
}

static int apply_pairs(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    struct dtr_conf_pairs pairs;
    int code = read_pairs(scope, row, node, &pairs);
    if (code == DTR_OK)
        put_field(scope, row, &pairs);
    return code;
}

/* Whoever judges the options later must be able to say where they are. */
static int note_places(struct dtr_scope *scope, const struct dtr_conf_row *row,
                       struct dtr_conf_pairs *options)
{
    struct dtr_conf *conf = scope->conf;
    for (size_t i = 0; i < options->count; i++) {
        struct dtr_str text = {0};
        if (conf->report->file && options->items[i].line)
            dtr_str_printf(&text, "%s:%u: ", conf->report->file, options->items[i].line);
        dtr_str_printf(&text, "%s%s", scope->label, row->key);
        options->items[i].where = dtr_arena_text(&conf->arena, dtr_str_text(&text), text.length);
        dtr_str_free(&text);
        if (!options->items[i].where)
            return DTR_ENOMEM;
    }
    return DTR_OK;
}

static int apply_modules(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    struct dtr_conf_modules modules = {.count = node->count};
    int code = DTR_OK;
    if (node->kind != DTR_NODE_MAP)
        return complain_type(scope, row, node), DTR_EINVALID;
    modules.items = dtr_arena_get(&scope->conf->arena, (node->count + 1) * sizeof(*modules.items));
    if (!modules.items)
        return DTR_ENOMEM;
    size_t i = 0;
    for (const struct dtr_node *n = node->first; n && code != DTR_ENOMEM; n = n->next, i++) {
        modules.items[i].name = n->key;
        modules.items[i].line = n->key_line;
        int entry = read_pairs(scope, row, n, &modules.items[i].options);
        if (entry == DTR_OK)
            entry = note_places(scope, row, &modules.items[i].options);
        code = entry == DTR_OK ? code : entry;
    }
    if (code == DTR_OK)
        put_field(scope, row, &modules);
    return code;
}

enum { ELEMENT_ROWS = 16 };

/* One map of a list of maps: defaults, then its keys, then what is required. */
static int apply_element(struct dtr_scope *outer, const struct dtr_conf_row *row, const struct dtr_node *node,
                         size_t index, void *element)
{
    unsigned char sources[ELEMENT_ROWS] = {0};
    unsigned lines[ELEMENT_ROWS] = {0};
    char label[160];
    (void)snprintf(label, sizeof(label), "%s%s[%zu].", outer->label, row->key, index);
    struct dtr_scope scope = {outer->conf, row->element, element, sources, lines, outer->source, label};
    assert(row->element->count <= ELEMENT_ROWS);
    if (node->kind != DTR_NODE_MAP)
        return complain(outer, row, node, "each entry must be a map of keys"), DTR_OK;
    int code = dtr_apply_defaults(&scope);
    if (code == DTR_OK)
        code = dtr_walk_map(&scope, node, "");
    bool ask = outer->source != DTR_FROM_DEFAULT;
    for (size_t i = 0; ask && code == DTR_OK && i < row->element->count; i++)
        if (row->element->rows[i].required && sources[i] == DTR_FROM_DEFAULT && !lines[i])
            dtr_conf_note(outer->conf->report, DTR_CONF_ERROR, node->line, "%s%s is missing", label,
                          row->element->rows[i].key);
    return code;
}

static int apply_list(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    struct dtr_conf_items list = {.count = node->count};
    size_t errors = scope->conf->report->counts[DTR_CONF_ERROR], i = 0;
    int code = DTR_OK;
    if (node->kind != DTR_NODE_LIST)
        return complain_type(scope, row, node), DTR_EINVALID;
    list.items = dtr_arena_get(&scope->conf->arena, (node->count + 1) * row->element->size);
    if (!list.items)
        return DTR_ENOMEM;
    for (const struct dtr_node *n = node->first; n && code == DTR_OK; n = n->next, i++)
        code = apply_element(scope, row, n, i, (char *)list.items + i * row->element->size);
    if (code == DTR_OK && scope->conf->report->counts[DTR_CONF_ERROR] > errors)
        code = DTR_EINVALID;
    if (code == DTR_OK)
        put_field(scope, row, &list);
    return code;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

static int apply_scalar(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    bool good = false;
    if (node->kind != DTR_NODE_SCALAR)
        good = complain_type(scope, row, node);
    else if (row->type == DTR_CONF_BOOL)
        good = apply_bool(scope, row, node);
    else if (row->type == DTR_CONF_INT)
        good = apply_int(scope, row, node);
    else if (row->type == DTR_CONF_STRING)
        good = apply_string(scope, row, node);
    else
        good = apply_amount(scope, row, node);
    return good ? DTR_OK : DTR_EINVALID;
}

static int apply_value(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    const bool given = true;
    switch (row->type) {
    case DTR_CONF_SECTION:
    case DTR_CONF_ANY:
        put_field(scope, row, &given);
        return DTR_OK;
    case DTR_CONF_STRINGS:
        return apply_strings(scope, row, node);
    case DTR_CONF_PAIRS:
        return apply_pairs(scope, row, node);
    case DTR_CONF_MODULES:
        return apply_modules(scope, row, node);
    case DTR_CONF_LIST:
        return apply_list(scope, row, node);
    default:
        return apply_scalar(scope, row, node);
    }
}

/* An older spelling may be a list where the key is one text today: its first entry counts. */
static const struct dtr_node *without_list(const struct dtr_scope *scope, const struct dtr_conf_row *row,
                                           const struct dtr_node *node)
{
    if (row->type != DTR_CONF_STRING || !row->aliases || node->kind != DTR_NODE_LIST || node->count == 0)
        return node;
    if (node->count > 1)
        dtr_conf_note(scope->conf->report, DTR_CONF_WARNING, node->line,
                      "%s%s takes one text: the first of the list counts", scope->label, row->key);
    return node->first;
}

static void note_effect(const struct dtr_scope *scope, const struct dtr_conf_row *row, unsigned line)
{
    if (row->effect != DTR_EFFECT_YES && scope->source == DTR_FROM_FILE)
        dtr_conf_note(scope->conf->report, DTR_CONF_NOTICE, line, "%s%s %s: %s", scope->label, row->key,
                      dtr_conf_effect_words(row->effect), row->why);
}

int dtr_apply_row(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node)
{
    size_t index = (size_t)(row - scope->schema->rows);
    unsigned key_line = node->key_line;
    node = without_list(scope, row, node);
    bool empty = node->kind == DTR_NODE_NULL || (node->kind == DTR_NODE_SCALAR && !*node->text);
    bool presence = row->type == DTR_CONF_SECTION || row->type == DTR_CONF_ANY;
    /* Nothing written means the default, as in charts that render a key without a value. */
    int code = empty && !presence ? DTR_OK : apply_value(scope, row, node);
    if (code == DTR_ENOMEM)
        return code;
    if (scope->source == DTR_FROM_FILE && (!empty || presence))
        scope->lines[index] = key_line;
    if (code == DTR_OK && (!empty || presence)) {
        scope->sources[index] = (unsigned char)scope->source;
        note_effect(scope, row, key_line);
    }
    return DTR_OK;
}

static int apply_default(struct dtr_scope *scope, const struct dtr_conf_row *row)
{
    struct dtr_node scalar = {.kind = DTR_NODE_SCALAR, .text = row->initial}, *node = &scalar;
    unsigned line;
    if (row->type >= DTR_CONF_STRINGS) {
        int code =
            dtr_tree_parse(&scope->conf->arena, row->initial, strlen(row->initial), true, &node, &line, NULL);
        if (code != DTR_OK)
            return code;
    }
    return dtr_apply_row(scope, row, node);
}

int dtr_apply_defaults(struct dtr_scope *scope)
{
    enum dtr_conf_source source = scope->source;
    int code = DTR_OK;
    scope->source = DTR_FROM_DEFAULT;
    for (size_t i = 0; i < scope->schema->count && code == DTR_OK; i++)
        if (scope->schema->rows[i].initial)
            code = apply_default(scope, &scope->schema->rows[i]);
    scope->source = source;
    return code;
}
