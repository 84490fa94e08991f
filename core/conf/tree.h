/* YAML text as a small tree with line numbers, under limits: a configuration file is small, and anything
 * else is refused. No aliases, no second document, no keys given twice (in any case), no NUL. */
#ifndef DTR_CONF_TREE_H
#define DTR_CONF_TREE_H

#include "core/conf/arena.h"
#include <darter/error.h>
#include <stdbool.h>

#define DTR_TREE_BYTES   ((size_t)1 << 20)
#define DTR_TREE_NODES   20000
#define DTR_TREE_DEPTH   24
#define DTR_TREE_ENTRIES 1000 /* of one map */

enum dtr_node_kind {
    DTR_NODE_NULL, /* nothing, ~ or null */
    DTR_NODE_SCALAR,
    DTR_NODE_MAP,
    DTR_NODE_LIST,
};

struct dtr_node {
    enum dtr_node_kind kind;
    unsigned line;     /* of the value, from 1 */
    unsigned key_line; /* of the key; in a list that of the value */
    const char *key;   /* in a map, else NULL */
    const char *text;  /* of a scalar; "" for others */
    unsigned count;    /* of children */
    struct dtr_node *first, *last, *next;
};

/* Parses into `arena`. An empty text is an empty map; anything but a map at the top is refused unless
 * `any` (values from the command line). On failure *ret_line says where (0: unknown). */
int dtr_tree_parse(struct dtr_arena *arena, const char *text, size_t length, bool any,
                   struct dtr_node **ret_root, unsigned *ret_line, struct dtr_error *err);

/* "a list", "\"text\"" and so on, for messages; a long or odd text is cut and cleaned. */
#define DTR_NODE_WORDS 64
const char *dtr_node_words(const struct dtr_node *node, char words[DTR_NODE_WORDS]);

#endif
