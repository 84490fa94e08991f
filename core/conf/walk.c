/* Keys of the tree against rows of the table: known, older spelling, section, or unknown. */
#include "core/conf/internal.h"

#include "core/base/str.h"

enum { PATH = 256 };

static bool is_alias(const char *aliases, const char *path)
{
    size_t length = strlen(path);
    while (aliases && *aliases) {
        size_t word = strcspn(aliases, " ");
        if (word == length && dtr_conf_prefix(aliases, path, length))
            return true;
        aliases += word + (aliases[word] == ' ');
    }
    return false;
}

const struct dtr_conf_row *dtr_conf_find_row(const struct dtr_conf_schema *schema, const char *path)
{
    for (size_t i = 0; i < schema->count; i++)
        if (dtr_casecmp(schema->rows[i].key, path) == 0 || is_alias(schema->rows[i].aliases, path))
            return &schema->rows[i];
    return NULL;
}

static bool begins(const char *key, const char *path, size_t length)
{
    return dtr_conf_prefix(key, path, length) && key[length] == '.';
}

/* Whether keys begin with `path`. */
static bool is_section(const struct dtr_conf_schema *schema, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < schema->count; i++) {
        if (begins(schema->rows[i].key, path, length))
            return true;
        const char *alias = schema->rows[i].aliases;
        while (alias && *alias) {
            if (begins(alias, path, length))
                return true;
            alias += strcspn(alias, " ");
            alias += *alias == ' ';
        }
    }
    return false;
}

static void note_unknown(const struct dtr_scope *scope, const struct dtr_node *node, const char *path)
{
    struct dtr_conf_report *report = scope->conf->report;
    char found[128];
    const char *near =
        report->count < DTR_CONF_FINDINGS ? dtr_conf_nearest(scope->schema, path, found) : NULL;
    if (near)
        dtr_conf_note(report, DTR_CONF_WARNING, node->key_line,
                      "%s%.120s is not a known key; did you mean %s%s?", scope->label, path, scope->label,
                      near);
    else
        dtr_conf_note(report, DTR_CONF_WARNING, node->key_line, "%s%.120s is not a known key", scope->label,
                      path);
}

static int walk_section(struct dtr_scope *scope, const struct dtr_node *node, const char *path)
{
    char words[DTR_NODE_WORDS];
    if (node->kind == DTR_NODE_MAP)
        return dtr_walk_map(scope, node, path);
    if (node->kind != DTR_NODE_NULL)
        dtr_conf_note(scope->conf->report, DTR_CONF_ERROR, node->line, "%s%s is %s; needed is a map of keys",
                      scope->label, path, dtr_node_words(node, words));
    return DTR_OK;
}

static int walk_row(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node,
                    const char *path)
{
    size_t index = (size_t)(row - scope->schema->rows);
    if (scope->lines[index] && scope->source == DTR_FROM_FILE) {
        dtr_conf_note(scope->conf->report, DTR_CONF_ERROR, node->key_line,
                      "%s%s is another spelling of %s%s, which line %u gave already", scope->label, path,
                      scope->label, row->key, scope->lines[index]);
        return DTR_OK;
    }
    int code = dtr_apply_row(scope, row, node);
    if (code == DTR_OK && row->type == DTR_CONF_SECTION && is_section(scope->schema, path))
        code = walk_section(scope, node, path);
    return code;
}

/* An older spelling may be a section by now: "port: 1" was "port: {start: 1}". */
static const struct dtr_conf_row *row_of(const struct dtr_scope *scope, const struct dtr_node *node,
                                         const char *path)
{
    const struct dtr_conf_row *row = dtr_conf_find_row(scope->schema, path);
    bool older = row && dtr_casecmp(row->key, path) != 0;
    return older && node->kind == DTR_NODE_MAP && is_section(scope->schema, path) ? NULL : row;
}

int dtr_walk_map(struct dtr_scope *scope, const struct dtr_node *map, const char *prefix)
{
    int code = DTR_OK;
    for (const struct dtr_node *n = map->first; n && code == DTR_OK; n = n->next) {
        char path[PATH];
        int length = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", n->key);
        bool plain = length < PATH && *n->key && !strchr(n->key, '.');
        const struct dtr_conf_row *row = plain ? row_of(scope, n, path) : NULL;
        if (row)
            code = walk_row(scope, row, n, path);
        else if (plain && is_section(scope->schema, path))
            code = walk_section(scope, n, path);
        else
            note_unknown(scope, n, path);
    }
    return code;
}
