/* Finds tables and keys in a TOML text without changing it: enough to edit a configuration file in place
 * and keep its comments and order.
 *
 * Not for reading values beyond one-line strings, nor for checking that a file is valid TOML: what it does
 * not understand it refuses with the line, what it accepts may still be wrong. Pure; any thread. */
#ifndef CONTAINERD_TOML_H
#define CONTAINERD_TOML_H

#include <stdbool.h>
#include <stddef.h>

/* Deeper names keep their first TOML_DEPTH parts; nothing that is looked for is that deep. */
enum { TOML_DEPTH = 12 };

/* Bytes inside the text that is read. */
struct toml_slice {
    const char *at;
    size_t length;
};

struct toml_path {
    struct toml_slice parts[TOML_DEPTH]; /* without quotes; escapes are left as written */
    size_t count;
};

/* A table header or a key with its value. */
struct toml_item {
    bool is_table, is_array;  /* is_array: [[header]] */
    struct toml_path path;    /* from the root of the file */
    size_t table_depth;       /* so many parts of a key's path come from the header above it */
    struct toml_slice value;  /* of a key, as written */
    size_t start, end;        /* its whole lines in the text, the final newline included */
    struct toml_slice indent; /* the blanks before it */
    unsigned line;            /* from 1 */
};

struct toml_reader {
    const char *text;
    size_t length, at;
    unsigned line; /* of the next byte */
    struct toml_path table;
};

struct toml_reader toml_open(const char *text, size_t length);
/* 1: *ret_item is the next item; 0: the text ends; -1: not understood at reader->line. */
int toml_next(struct toml_reader *reader, struct toml_item *ret_item);
/* Whether the path begins with these names. */
bool toml_under(const struct toml_path *path, const char *const *names, size_t count);
bool toml_part_is(const struct toml_path *path, size_t index, const char *name);
/* The contents of a one-line string; false for any other value, or when it needs `size` bytes or more. */
bool toml_string(struct toml_slice value, char *text, size_t size);

#endif
