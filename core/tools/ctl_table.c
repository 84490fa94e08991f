/* See ctl_table.h. */
#include "core/tools/ctl_table.h"

#include "core/tools/ctl_print.h"
#include "core/tools/ctl_text.h"
#include <darter/error.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const json_t *ctl_at(const json_t *row, const char *path)
{
    while (*path && row) {
        char name[64];
        size_t length = strcspn(path, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)length, path);
        row = json_object_get(row, name);
        path += length + (path[length] == '.');
    }
    return row;
}

int64_t ctl_time(const char *text)
{
    struct tm utc = {0};
    int hours = 0, minutes = 0;
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
    if (!rest)
        return 0;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    const int sign = *rest == '+' ? 1 : *rest == '-' ? -1 : 0;
    if (sign != 0 && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2)
        return 0;
    int64_t seconds = (int64_t)timegm(&utc) - (int64_t)sign * (hours * 3600 + minutes * 60);
    return seconds > 0 ? seconds : 0;
}

/* --- cells ---------------------------------------------------------------------------------------- */

static void put_number(const json_t *value, enum ctl_form form, struct dtr_str *text)
{
    if (form == CTL_SCORE)
        dtr_str_printf(text, "%.4f", json_number_value(value));
    else if (form == CTL_TERM || json_is_real(value))
        dtr_str_printf(text, "%.6g", json_number_value(value));
    else
        dtr_str_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void put_value(const json_t *value, enum ctl_form form, int64_t now_s, struct dtr_str *text);

static void put_list(const json_t *list, int64_t now_s, struct dtr_str *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        dtr_str_puts(text, i > 0 ? "," : "");
        if (!json_is_array(json_array_get(list, i)))
            put_value(json_array_get(list, i), CTL_PLAIN, now_s, text);
    }
}

/* Nothing when there is none. */
static void put_value(const json_t *value, enum ctl_form form, int64_t now_s, struct dtr_str *text)
{
    char age[CTL_AGE_TEXT];
    if (json_is_string(value) && form == CTL_AGE) {
        ctl_age_text(ctl_time(json_string_value(value)), now_s, age);
        dtr_str_puts(text, age);
    } else if (json_is_string(value)) {
        dtr_str_puts(text, json_string_value(value));
    } else if (json_is_number(value)) {
        put_number(value, form, text);
    } else if (json_is_array(value)) {
        put_list(value, now_s, text);
    } else if (json_is_true(value)) {
        dtr_str_puts(text, "yes");
    }
}

/* --- tables --------------------------------------------------------------------------------------- */

/* Columns on a terminal: characters, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width > 0 ? width : 1; /* "-" */
}

struct cells {
    const struct ctl_column *columns;
    size_t count, rows;
    char **texts; /* row by row */
    int *widths;
    bool *numbers;
};

static bool fill_row(struct cells *cells, const json_t *row, int64_t now_s)
{
    bool ok = true;
    for (size_t i = 0; i < cells->count; i++) {
        const json_t *value = ctl_at(row, cells->columns[i].path);
        struct dtr_str text = {0};
        put_value(value, cells->columns[i].form, now_s, &text);
        dtr_str_puts(&text, "");
        char *cell = strdup(dtr_str_text(&text));
        dtr_str_free(&text);
        ok = ok && cell;
        cells->texts[cells->rows * cells->count + i] = cell;
        if (cell && width_of(cell) > cells->widths[i])
            cells->widths[i] = width_of(cell);
        cells->numbers[i] |= json_is_number(value);
    }
    cells->rows++;
    return ok;
}

static void put_cell(const struct cells *cells, size_t column, const char *text, FILE *out)
{
    const int room = cells->widths[column] - width_of(text);
    if (cells->numbers[column])
        (void)fprintf(out, "%*s", room, "");
    ctl_put(out, 0, text);
    if (column + 1 < cells->count)
        (void)fprintf(out, "%*s", (cells->numbers[column] ? 0 : room) + 2, "");
}

static void print_cells(const struct cells *cells, FILE *out)
{
    for (size_t i = 0; i < cells->count; i++)
        put_cell(cells, i, cells->columns[i].title, out);
    for (size_t at = 0; at < cells->rows * cells->count; at++) {
        if (at % cells->count == 0)
            (void)fputc('\n', out);
        put_cell(cells, at % cells->count, cells->texts[at], out);
    }
    (void)fputc('\n', out);
}

int ctl_table(const struct ctl_column *columns, size_t count, const json_t *rows, int64_t now_s, FILE *out)
{
    struct cells cells = {.columns = columns,
                          .count = count,
                          .texts = calloc(json_array_size(rows) * count + 1, sizeof(char *)),
                          .widths = calloc(count + 1, sizeof(int)),
                          .numbers = calloc(count + 1, sizeof(bool))};
    bool ok = cells.texts && cells.widths && cells.numbers;
    for (size_t i = 0; i < count && ok; i++)
        cells.widths[i] = width_of(columns[i].title);
    for (size_t i = 0; i < json_array_size(rows) && ok; i++) {
        if (json_is_object(json_array_get(rows, i)))
            ok = fill_row(&cells, json_array_get(rows, i), now_s);
    }
    if (ok)
        print_cells(&cells, out);
    for (size_t at = 0; cells.texts && at < cells.rows * count; at++)
        free(cells.texts[at]);
    free(cells.texts);
    free(cells.widths);
    free(cells.numbers);
    return ok ? ctl_written(out) : DTR_ENOMEM;
}

int ctl_sheet(const struct ctl_column *columns, size_t count, const json_t *row, int64_t now_s, FILE *out)
{
    int widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = width_of(columns[i].title) > widest ? width_of(columns[i].title) : widest;
    for (size_t i = 0; i < count; i++) {
        struct dtr_str text = {0};
        put_value(ctl_at(row, columns[i].path), columns[i].form, now_s, &text);
        if (text.length > 0) {
            (void)fprintf(out, "%s:%*s", columns[i].title, widest - width_of(columns[i].title) + 2, "");
            ctl_put(out, 0, dtr_str_text(&text));
            (void)fputc('\n', out);
        }
        dtr_str_free(&text);
    }
    return ctl_written(out);
}

int ctl_show_table(const struct ctl_column *columns, size_t count, json_t *rows,
                   const struct dtr_ctl_show *show, struct dtr_error *err)
{
    if (show->json)
        return ctl_printed(ctl_dump(rows, show->out), err);
    int rc = ctl_printed(ctl_table(columns, count, rows, show->now_s, show->out), err);
    json_decref(rows);
    return rc;
}

int ctl_show_sheet(const struct ctl_column *columns, size_t count, json_t *row,
                   const struct dtr_ctl_show *show, struct dtr_error *err)
{
    if (show->json)
        return ctl_printed(ctl_dump(row, show->out), err);
    int rc = ctl_printed(ctl_sheet(columns, count, row, show->now_s, show->out), err);
    json_decref(row);
    return rc;
}
