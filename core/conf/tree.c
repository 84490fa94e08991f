/* libyaml's events put together into a tree. What the values mean: value.c and apply.c. */
#include "core/conf/tree.h"

#include "core/base/str.h"

#include <yaml.h>

struct builder {
    struct dtr_arena *arena;
    yaml_parser_t parser;
    unsigned nodes;
    unsigned line; /* of the event at hand */
    struct dtr_error *err;
};

static int refuse(struct builder *b, const char *why)
{
    return dtr_error_set(b->err, DTR_EINVALID, DTR_RETRY_NEVER, "%s", why);
}

static int no_memory(struct builder *b)
{
    return dtr_error_set(b->err, DTR_ENOMEM, DTR_RETRY_NEVER, "no memory for the configuration");
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event)) {
        b->line = (unsigned)event->start_mark.line + 1;
        return DTR_OK;
    }
    if (b->parser.error == YAML_MEMORY_ERROR)
        return no_memory(b);
    b->line = (unsigned)b->parser.problem_mark.line + 1;
    return dtr_error_set(b->err, DTR_EINVALID, DTR_RETRY_NEVER, "not YAML: %s%s%s",
                         b->parser.problem ? b->parser.problem : "unreadable", b->parser.context ? " " : "",
                         b->parser.context ? b->parser.context : "");
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == '\0' || strcmp(text, "~") == 0 || dtr_casecmp(text, "null") == 0);
}

static int copy_scalar(struct builder *b, const yaml_event_t *event, const char **ret_text)
{
    const void *bytes = event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(bytes, '\0', length))
        return refuse(b, "a text with a NUL character in it");
    *ret_text = dtr_arena_text(b->arena, bytes, length);
    return *ret_text ? DTR_OK : no_memory(b);
}

static void add_child(struct dtr_node *parent, struct dtr_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static int new_node(struct builder *b, enum dtr_node_kind kind, struct dtr_node **ret_node)
{
    if (b->nodes++ >= DTR_TREE_NODES)
        return refuse(b, "too many values for a configuration");
    *ret_node = dtr_arena_get(b->arena, sizeof(**ret_node));
    if (!*ret_node)
        return no_memory(b);
    (*ret_node)->kind = kind;
    (*ret_node)->line = (*ret_node)->key_line = b->line;
    (*ret_node)->text = "";
    return DTR_OK;
}

static int build(struct builder *b, yaml_event_t *event, unsigned depth, struct dtr_node **ret_node);

/* Builds the value that follows and hangs it below `parent`. */
static int build_child(struct builder *b, struct dtr_node *parent, const char *key, unsigned depth)
{
    yaml_event_t event;
    struct dtr_node *child = NULL;
    unsigned key_line = b->line;
    int code = next_event(b, &event);
    if (code != DTR_OK)
        return code;
    code = build(b, &event, depth, &child);
    yaml_event_delete(&event);
    if (code != DTR_OK)
        return code;
    child->key = key;
    child->key_line = key_line;
    add_child(parent, child);
    return DTR_OK;
}

static int check_key(struct builder *b, const struct dtr_node *map, const char *key)
{
    if (map->count >= DTR_TREE_ENTRIES)
        return refuse(b, "too many keys in one section");
    for (const struct dtr_node *n = map->first; n; n = n->next)
        if (dtr_casecmp(n->key, key) == 0)
            return dtr_error_set(b->err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "key %.80s is given twice, first on line %u (keys match in any case)", key,
                                 n->key_line);
    return DTR_OK;
}

static int build_entry(struct builder *b, const yaml_event_t *event, struct dtr_node *map, unsigned depth)
{
    const char *key = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(b, "aliases (*name) are not supported");
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(b, "a key must be a plain text");
    int code = copy_scalar(b, event, &key);
    if (code == DTR_OK)
        code = check_key(b, map, key);
    return code == DTR_OK ? build_child(b, map, key, depth + 1) : code;
}

/* Everything up to the end of a map or list. */
static int build_inside(struct builder *b, struct dtr_node *node, unsigned depth)
{
    bool map = node->kind == DTR_NODE_MAP;
    if (depth >= DTR_TREE_DEPTH)
        return refuse(b, "nested too deeply for a configuration");
    for (;;) {
        yaml_event_t event;
        int code = next_event(b, &event);
        if (code != DTR_OK)
            return code;
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return DTR_OK;
        }
        if (map) {
            code = build_entry(b, &event, node, depth);
        } else {
            struct dtr_node *child = NULL;
            code = build(b, &event, depth + 1, &child);
            if (code == DTR_OK)
                add_child(node, child);
        }
        yaml_event_delete(&event);
        if (code != DTR_OK)
            return code;
    }
}

static int build(struct builder *b, yaml_event_t *event, unsigned depth, struct dtr_node **ret_node)
{
    int code;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        code = new_node(b, is_null(event) ? DTR_NODE_NULL : DTR_NODE_SCALAR, ret_node);
        return code == DTR_OK ? copy_scalar(b, event, &(*ret_node)->text) : code;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        code = new_node(b, event->type == YAML_MAPPING_START_EVENT ? DTR_NODE_MAP : DTR_NODE_LIST, ret_node);
        return code == DTR_OK ? build_inside(b, *ret_node, depth) : code;
    case YAML_ALIAS_EVENT:
        return refuse(b, "aliases (*name) are not supported");
    default:
        return refuse(b, "not YAML: a value is missing");
    }
}

/* Reads on until an event of `wanted` or another one, which *ret_event then holds. */
static int skip_to_value(struct builder *b, yaml_event_t *ret_event)
{
    for (;;) {
        int code = next_event(b, ret_event);
        if (code != DTR_OK)
            return code;
        if (ret_event->type != YAML_STREAM_START_EVENT && ret_event->type != YAML_DOCUMENT_START_EVENT &&
            ret_event->type != YAML_DOCUMENT_END_EVENT)
            return DTR_OK;
        yaml_event_delete(ret_event);
    }
}

static int build_all(struct builder *b, bool any, struct dtr_node **ret_root)
{
    yaml_event_t event;
    int code = skip_to_value(b, &event);
    if (code != DTR_OK)
        return code;
    if (event.type == YAML_STREAM_END_EVENT) {
        yaml_event_delete(&event);
        return new_node(b, any ? DTR_NODE_NULL : DTR_NODE_MAP, ret_root);
    }
    code = build(b, &event, 0, ret_root);
    yaml_event_delete(&event);
    if (code != DTR_OK)
        return code;
    if (!any && (*ret_root)->kind == DTR_NODE_NULL)
        (*ret_root)->kind = DTR_NODE_MAP;
    if (!any && (*ret_root)->kind != DTR_NODE_MAP) {
        b->line = (*ret_root)->line;
        return refuse(b, "a configuration is a map of keys and values");
    }
    code = skip_to_value(b, &event);
    if (code != DTR_OK)
        return code;
    if (event.type != YAML_STREAM_END_EVENT)
        code = refuse(b, "a second document: a configuration is one");
    yaml_event_delete(&event);
    return code;
}

int dtr_tree_parse(struct dtr_arena *arena, const char *text, size_t length, bool any,
                   struct dtr_node **ret_root, unsigned *ret_line, struct dtr_error *err)
{
    struct builder b = {.arena = arena, .err = err};
    *ret_line = 0;
    if (length > DTR_TREE_BYTES)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "larger than %zu bytes", DTR_TREE_BYTES);
    if (!yaml_parser_initialize(&b.parser))
        return no_memory(&b);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, length);
    int code = build_all(&b, any, ret_root);
    if (code != DTR_OK)
        *ret_line = b.line;
    yaml_parser_delete(&b.parser);
    return code;
}

const char *dtr_node_words(const struct dtr_node *node, char words[DTR_NODE_WORDS])
{
    static const char *const kinds[] = {
        [DTR_NODE_NULL] = "nothing", [DTR_NODE_MAP] = "a map", [DTR_NODE_LIST] = "a list"};
    if (node->kind != DTR_NODE_SCALAR)
        return kinds[node->kind];
    (void)snprintf(words, DTR_NODE_WORDS, "\"%.56s%s\"", node->text, strlen(node->text) > 56 ? "..." : "");
    for (char *c = words; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
    return words;
}
