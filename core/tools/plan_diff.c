/* Unified diffs of small texts, by the longest common subsequence of their lines. Not for big files: past a
 * size the differing middle is shown as removed and added whole. */
#include "core/tools/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Cells of the table; 4 bytes each. */
#define TABLE_LIMIT ((size_t)4 << 20)
#define CONTEXT     3

struct line {
    const char *at;
    size_t length; /* with its newline, if it has one */
};

struct lines {
    struct line *list;
    size_t count;
};

/* One row of the result: ' ', '-' or '+'. */
struct row {
    char kind;
    struct line line;
};

struct diff {
    struct lines old_lines, new_lines;
    uint32_t *table; /* common lines from (i, j) on; NULL: too big */
    struct row *rows;
    size_t row_count;
    size_t head, old_end, new_end; /* the differing middle */
};

static bool split(const char *text, struct lines *lines)
{
    size_t count = 1;
    for (const char *at = text; *at; at++)
        count += *at == '\n';
    lines->list = calloc(count, sizeof(*lines->list));
    if (!lines->list)
        return false;
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t length = end ? (size_t)(end - text) + 1 : strlen(text);
        lines->list[lines->count++] = (struct line){text, length};
        text += length;
    }
    return true;
}

static bool same(const struct diff *diff, size_t i, size_t j)
{
    struct line a = diff->old_lines.list[i], b = diff->new_lines.list[j];
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Finds the middle and fills the table of common line counts for it. */
static bool compare(struct diff *diff)
{
    diff->old_end = diff->old_lines.count;
    diff->new_end = diff->new_lines.count;
    while (diff->head < diff->old_end && diff->head < diff->new_end && same(diff, diff->head, diff->head))
        diff->head++;
    while (diff->old_end > diff->head && diff->new_end > diff->head &&
           same(diff, diff->old_end - 1, diff->new_end - 1)) {
        diff->old_end--;
        diff->new_end--;
    }
    size_t height = diff->old_end - diff->head + 1, width = diff->new_end - diff->head + 1;
    if (height > TABLE_LIMIT / width)
        return true;
    diff->table = calloc(height * width, sizeof(*diff->table));
    if (!diff->table)
        return false;
    for (size_t i = height - 1; i-- > 0;) {
        for (size_t j = width - 1; j-- > 0;) {
            uint32_t *cell = &diff->table[i * width + j];
            uint32_t down = cell[width], right = cell[1];
            if (same(diff, diff->head + i, diff->head + j))
                *cell = cell[width + 1] + 1;
            else
                *cell = down > right ? down : right;
        }
    }
    return true;
}

static void add_row(struct diff *diff, char kind, struct line line)
{
    diff->rows[diff->row_count++] = (struct row){kind, line};
}

static bool make_rows(struct diff *diff)
{
    size_t i = diff->head, j = diff->head, width = diff->new_end - diff->head + 1;
    diff->rows = calloc(diff->old_lines.count + diff->new_lines.count + 1, sizeof(*diff->rows));
    if (!diff->rows)
        return false;
    for (size_t k = 0; k < diff->head; k++)
        add_row(diff, ' ', diff->old_lines.list[k]);
    while (i < diff->old_end || j < diff->new_end) {
        const uint32_t *cell = diff->table ? &diff->table[(i - diff->head) * width + (j - diff->head)] : NULL;
        if (cell && i < diff->old_end && j < diff->new_end && same(diff, i, j)) {
            add_row(diff, ' ', diff->old_lines.list[i++]);
            j++;
        } else if (i < diff->old_end && (!cell || j == diff->new_end || cell[width] >= cell[1])) {
            add_row(diff, '-', diff->old_lines.list[i++]);
        } else {
            add_row(diff, '+', diff->new_lines.list[j++]);
        }
    }
    for (; i < diff->old_lines.count; i++)
        add_row(diff, ' ', diff->old_lines.list[i]);
    return true;
}

static void put_coloured(struct dtr_str *text, const char *colour, const char *line, size_t length)
{
    bool newline = length > 0 && line[length - 1] == '\n';
    dtr_str_puts(text, colour);
    dtr_str_add(text, line, length - newline);
    if (*colour)
        dtr_str_puts(text, "\033[0m");
    dtr_str_putc(text, '\n');
    if (!newline)
        dtr_str_puts(text, "\\ No newline at end of file\n");
}

static void put_row(struct dtr_str *text, const struct row *row, bool colour)
{
    const char *start = "";
    if (colour && row->kind != ' ')
        start = row->kind == '-' ? "\033[31m" : "\033[32m";
    char mark[16];
    (void)snprintf(mark, sizeof(mark), "%s%c", start, row->kind);
    if (*start) {
        put_coloured(text, mark, row->line.at, row->line.length);
        return;
    }
    dtr_str_putc(text, row->kind);
    put_coloured(text, "", row->line.at, row->line.length);
}

/* "3", "3,2" and so on: one side of a hunk's header. An empty side names the line before it. */
static void put_span(struct dtr_str *text, char mark, size_t before, size_t count)
{
    dtr_str_printf(text, "%c%zu", mark, count ? before + 1 : before);
    if (count != 1)
        dtr_str_printf(text, ",%zu", count);
}

/* Where the hunk that begins at a changed row `at` ends: after CONTEXT equal rows that no change follows
 * within as many again. */
static size_t hunk_end(const struct diff *diff, size_t at)
{
    size_t end = at, equal = 0;
    for (; at < diff->row_count && equal <= 2 * CONTEXT; at++) {
        equal = diff->rows[at].kind == ' ' ? equal + 1 : 0;
        if (equal == 0)
            end = at + 1;
    }
    return end + CONTEXT < diff->row_count ? end + CONTEXT : diff->row_count;
}

static void put_hunks(struct dtr_str *text, const struct diff *diff, bool colour)
{
    size_t old_line = 0, new_line = 0, row = 0;
    while (row < diff->row_count) {
        size_t changed = row, old_count = 0, new_count = 0;
        while (changed < diff->row_count && diff->rows[changed].kind == ' ')
            changed++;
        if (changed == diff->row_count)
            return;
        size_t start = changed - row > CONTEXT ? changed - CONTEXT : row;
        size_t end = hunk_end(diff, changed);
        old_line += start - row;
        new_line += start - row;
        for (size_t i = start; i < end; i++) {
            old_count += diff->rows[i].kind != '+';
            new_count += diff->rows[i].kind != '-';
        }
        dtr_str_puts(text, colour ? "\033[36m@@ " : "@@ ");
        put_span(text, '-', old_line, old_count);
        dtr_str_putc(text, ' ');
        put_span(text, '+', new_line, new_count);
        dtr_str_puts(text, colour ? " @@\033[0m\n" : " @@\n");
        for (size_t i = start; i < end; i++)
            put_row(text, &diff->rows[i], colour);
        old_line += old_count;
        new_line += new_count;
        row = end;
    }
}

static void put_names(struct dtr_str *text, const struct dtr_runtime_change *change, bool colour)
{
    const char *start = colour ? "\033[1m" : "", *end = colour ? "\033[0m" : "";
    dtr_str_printf(text, "%s--- %s%s\n", start, change->old_text ? change->path : "/dev/null", end);
    dtr_str_printf(text, "%s+++ %s%s\n", start, change->new_text ? change->path : "/dev/null", end);
}

void dtr_plan_diff(const struct dtr_runtime_change *change, bool colour, struct dtr_str *text)
{
    const char *old_text = change->old_text ? change->old_text : "";
    const char *new_text = change->new_text ? change->new_text : "";
    struct diff diff = {0};
    if (strcmp(old_text, new_text) == 0)
        return;
    if (split(old_text, &diff.old_lines) && split(new_text, &diff.new_lines) && compare(&diff) &&
        make_rows(&diff)) {
        put_names(text, change, colour);
        put_hunks(text, &diff, colour);
    } else {
        text->failed = true;
    }
    free(diff.old_lines.list);
    free(diff.new_lines.list);
    free(diff.table);
    free(diff.rows);
}
