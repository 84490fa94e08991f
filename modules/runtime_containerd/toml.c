/* The TOML reader; its contract is toml.h. */
#include "toml.h"

#include <string.h>

struct toml_reader toml_open(const char *text, size_t length)
{
    return (struct toml_reader){.text = text, .length = length, .line = 1};
}

/* The byte at the position plus `ahead`, or 0 past the end. */
static char peek(const struct toml_reader *reader, size_t ahead)
{
    return ahead < reader->length - reader->at ? reader->text[reader->at + ahead] : '\0';
}

static bool at_end(const struct toml_reader *reader)
{
    return reader->at >= reader->length;
}

static void advance(struct toml_reader *reader)
{
    if (reader->text[reader->at++] == '\n')
        reader->line++;
}

static void skip_blanks(struct toml_reader *reader)
{
    while (peek(reader, 0) == ' ' || peek(reader, 0) == '\t')
        reader->at++;
}

static void skip_comment(struct toml_reader *reader)
{
    while (!at_end(reader) && peek(reader, 0) != '\n')
        reader->at++;
}

/* Blanks, a comment and the end of the line, or of the text. */
static bool end_line(struct toml_reader *reader)
{
    skip_blanks(reader);
    if (peek(reader, 0) == '#')
        skip_comment(reader);
    if (peek(reader, 0) == '\r' && peek(reader, 1) == '\n')
        reader->at++;
    if (at_end(reader))
        return true;
    if (peek(reader, 0) != '\n')
        return false;
    advance(reader);
    return true;
}

/* Past a string that ends on its line; *ret_inside is what stands between the quotes. */
static bool skip_line_string(struct toml_reader *reader, struct toml_slice *ret_inside)
{
    char quote = peek(reader, 0);
    size_t start = ++reader->at;
    while (!at_end(reader) && peek(reader, 0) != quote) {
        if (peek(reader, 0) == '\\' && quote == '"')
            reader->at++;
        if (at_end(reader) || peek(reader, 0) == '\n')
            return false;
        reader->at++;
    }
    if (at_end(reader))
        return false;
    *ret_inside = (struct toml_slice){reader->text + start, reader->at - start};
    reader->at++;
    return true;
}

static bool skip_block_string(struct toml_reader *reader)
{
    char quote = peek(reader, 0);
    reader->at += 3;
    while (!at_end(reader)) {
        if (peek(reader, 0) == quote && peek(reader, 1) == quote && peek(reader, 2) == quote) {
            reader->at += 3;
            /* one or two more quotes belong to the text */
            for (int more = 0; more < 2 && peek(reader, 0) == quote; more++)
                reader->at++;
            return true;
        }
        if (peek(reader, 0) == '\\' && quote == '"')
            reader->at++;
        if (!at_end(reader))
            advance(reader);
    }
    return false;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool skip_string(struct toml_reader *reader)
{
    struct toml_slice inside;
    char quote = peek(reader, 0);
    if (peek(reader, 1) == quote && peek(reader, 2) == quote)
        return skip_block_string(reader);
    return skip_line_string(reader, &inside);
}

/* Past an array or inline table; brackets are counted, not matched by kind. */
static bool skip_brackets(struct toml_reader *reader)
{
    size_t depth = 0;
    while (!at_end(reader)) {
        char c = peek(reader, 0);
        if (is_quote(c)) {
            if (!skip_string(reader))
                return false;
            continue;
        }
        if (c == '#') {
            skip_comment(reader);
            continue;
        }
        advance(reader);
        if (c == '[' || c == '{')
            depth++;
        if ((c == ']' || c == '}') && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_value(struct toml_reader *reader)
{
    size_t start = reader->at;
    char c = peek(reader, 0);
    if (is_quote(c))
        return skip_string(reader);
    if (c == '[' || c == '{')
        return skip_brackets(reader);
    while (!at_end(reader) && !strchr(" \t\r\n#", peek(reader, 0)))
        reader->at++;
    return reader->at > start;
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* A dotted name, added to `path`. */
static bool read_name(struct toml_reader *reader, struct toml_path *path)
{
    for (;;) {
        struct toml_slice part = {reader->text + reader->at, 0};
        if (is_quote(peek(reader, 0))) {
            if (!skip_line_string(reader, &part))
                return false;
        } else {
            while (is_bare(peek(reader, 0))) {
                reader->at++;
                part.length++;
            }
            if (part.length == 0)
                return false;
        }
        if (path->count < TOML_DEPTH)
            path->parts[path->count++] = part;
        skip_blanks(reader);
        if (peek(reader, 0) != '.')
            return true;
        reader->at++;
        skip_blanks(reader);
    }
}

static bool read_header(struct toml_reader *reader, struct toml_item *item)
{
    item->is_table = true;
    item->is_array = peek(reader, 1) == '[';
    reader->at += item->is_array ? 2 : 1;
    skip_blanks(reader);
    if (!read_name(reader, &item->path))
        return false;
    for (int i = 0; i < (item->is_array ? 2 : 1); i++) {
        if (peek(reader, 0) != ']')
            return false;
        reader->at++;
    }
    reader->table = item->path;
    return true;
}

static bool read_key(struct toml_reader *reader, struct toml_item *item)
{
    item->path = reader->table;
    item->table_depth = reader->table.count;
    if (!read_name(reader, &item->path) || peek(reader, 0) != '=')
        return false;
    reader->at++;
    skip_blanks(reader);
    item->value.at = reader->text + reader->at;
    if (!skip_value(reader))
        return false;
    item->value.length = (size_t)(reader->text + reader->at - item->value.at);
    return true;
}

int toml_next(struct toml_reader *reader, struct toml_item *ret_item)
{
    for (;;) {
        struct toml_item item = {.start = reader->at, .line = reader->line};
        if (at_end(reader))
            return 0;
        skip_blanks(reader);
        item.indent = (struct toml_slice){reader->text + item.start, reader->at - item.start};
        char c = peek(reader, 0);
        if (at_end(reader) || c == '#' || c == '\n' || c == '\r') {
            if (!end_line(reader))
                return -1;
            continue;
        }
        if (!(c == '[' ? read_header(reader, &item) : read_key(reader, &item)) || !end_line(reader))
            return -1;
        item.end = reader->at;
        *ret_item = item;
        return 1;
    }
}

bool toml_part_is(const struct toml_path *path, size_t index, const char *name)
{
    if (index >= path->count)
        return false;
    const struct toml_slice *part = &path->parts[index];
    return part->length == strlen(name) && memcmp(part->at, name, part->length) == 0;
}

bool toml_under(const struct toml_path *path, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!toml_part_is(path, i, names[i]))
            return false;
    }
    return true;
}

bool toml_string(struct toml_slice value, char *text, size_t size)
{
    size_t used = 0;
    if (value.length < 2 || !is_quote(value.at[0]) || value.at[value.length - 1] != value.at[0])
        return false;
    for (size_t i = 1; i + 1 < value.length; i++) {
        char c = value.at[i];
        if (c == value.at[0])
            return false; /* a block string */
        if (c == '\\' && value.at[0] == '"') {
            c = value.at[++i];
            if ((c != '"' && c != '\\') || i + 1 >= value.length)
                return false;
        }
        if (used + 1 >= size)
            return false;
        text[used++] = c;
    }
    if (size == 0)
        return false;
    text[used] = '\0';
    return true;
}
