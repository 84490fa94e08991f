/* The rows of a prepared statement, as the library gives them, to values. They are not kept: a result may
 * have any number of rows, each of them as much memory as its texts need. */
#include "database_mysql.h"

#include <errno.h>
#include <stdlib.h>

/* One column: a number in place, or a text that is fetched when its length is known. */
struct column {
    bool text;    /* comes as text from the server */
    bool decimal; /* a text that is to be a number */
    int64_t number;
    unsigned long length;
    my_bool null, cut;
};

struct rows {
    const struct my_server *server;
    MYSQL_STMT *statement;
    unsigned count;
    struct column *columns;
    struct dtr_value *values;
    MYSQL_BIND *binds;
    char *texts; /* of one row, each with a NUL behind it */
    size_t room;
};

int my_statement_failed(const struct my_server *server, MYSQL_STMT *statement, struct dtr_error *err)
{
    return my_failed(server, mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement),
                     mysql_stmt_error(statement), err);
}

static int refuse_column(const struct rows *rows, unsigned at, struct dtr_error *err)
{
    return my_refuse(rows->server, err, DTR_EINVALID, DTR_RETRY_NEVER,
                     "column %u of the result is no whole number of 64 bits and no text", at + 1);
}

/* --- before the first row ---------------------------------------------------------------------------------
 */

static bool choose(const MYSQL_FIELD *field, struct column *column, MYSQL_BIND *bind)
{
    *bind = (MYSQL_BIND){.length = &column->length, .is_null = &column->null, .error = &column->cut};
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = &column->number;
        bind->buffer_length = sizeof(column->number);
        bind->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
        return true;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: /* a sum of whole numbers */
        column->decimal = true;
        column->text = true;
        bind->buffer_type = MYSQL_TYPE_STRING;
        return field->decimals == 0;
    case MYSQL_TYPE_NULL:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
        column->text = true;
        bind->buffer_type = MYSQL_TYPE_STRING;
        return true;
    default:
        return false;
    }
}

static int choose_all(struct rows *rows, struct dtr_error *err)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(rows->statement);
    int rc = DTR_OK;
    if (!meta)
        return my_statement_failed(rows->server, rows->statement, err);
    const MYSQL_FIELD *fields = mysql_fetch_fields(meta);
    for (unsigned i = 0; i < rows->count && rc == DTR_OK; i++)
        if (!choose(&fields[i], &rows->columns[i], &rows->binds[i]))
            rc = refuse_column(rows, i, err);
    mysql_free_result(meta);
    if (rc == DTR_OK && mysql_stmt_bind_result(rows->statement, rows->binds))
        rc = my_statement_failed(rows->server, rows->statement, err);
    return rc;
}

/* --- each row
 * ----------------------------------------------------------------------------------------------- */

static int make_room(struct rows *rows, struct dtr_error *err)
{
    size_t needed = 0;
    for (unsigned i = 0; i < rows->count; i++)
        needed += rows->columns[i].text && !rows->columns[i].null ? rows->columns[i].length + 1 : 0;
    if (needed <= rows->room)
        return DTR_OK;
    char *texts = realloc(rows->texts, needed);
    if (!texts)
        return my_refuse(rows->server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a row");
    rows->texts = texts;
    rows->room = needed;
    return DTR_OK;
}

static bool read_decimal(const char *text, int64_t *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
}

/* `at` is where the text goes. */
static int read_text(const struct rows *rows, unsigned i, char *at, struct dtr_error *err)
{
    struct column *column = &rows->columns[i];
    struct dtr_value *value = &rows->values[i];
    MYSQL_BIND bind = rows->binds[i];
    bind.buffer = at;
    bind.buffer_length = column->length;
    if (column->length > 0 && mysql_stmt_fetch_column(rows->statement, &bind, i, 0) != 0)
        return my_statement_failed(rows->server, rows->statement, err);
    at[column->length] = 0;
    if (column->decimal) {
        *value = (struct dtr_value){.type = DTR_VALUE_NUMBER};
        return read_decimal(at, &value->number) ? DTR_OK : refuse_column(rows, i, err);
    }
    *value = (struct dtr_value){.type = DTR_VALUE_TEXT, .text = at, .length = column->length};
    return DTR_OK;
}

static int read_row(struct rows *rows, struct dtr_error *err)
{
    int rc = make_room(rows, err);
    char *at = rows->texts;
    for (unsigned i = 0; i < rows->count && rc == DTR_OK; i++) {
        const struct column *column = &rows->columns[i];
        if (column->null) {
            rows->values[i] = (struct dtr_value){.type = DTR_VALUE_NULL};
        } else if (column->text) {
            unsigned long length = column->length;
            rc = read_text(rows, i, at, err);
            at += length + 1;
        } else {
            rows->values[i] = (struct dtr_value){.type = DTR_VALUE_NUMBER, .number = column->number};
            if (rows->binds[i].is_unsigned && column->number < 0)
                rc = refuse_column(rows, i, err);
        }
    }
    return rc;
}

static int read_all(struct rows *rows, const struct dtr_row_sink *sink, struct dtr_error *err)
{
    int rc = choose_all(rows, err);
    while (rc == DTR_OK) {
        int more = mysql_stmt_fetch(rows->statement);
        if (more == MYSQL_NO_DATA)
            break;
        if (more != 0 && more != MYSQL_DATA_TRUNCATED) /* texts always are: they have no room yet */
            return my_statement_failed(rows->server, rows->statement, err);
        if (sink)
            rc = read_row(rows, err);
        if (sink && rc == DTR_OK)
            rc = sink->row(sink->context, rows->values, rows->count, err);
    }
    return rc;
}

int my_rows(const struct my_server *server, MYSQL_STMT *statement, const struct dtr_row_sink *sink,
            struct dtr_error *err)
{
    struct rows rows = {.server = server, .statement = statement, .count = mysql_stmt_field_count(statement)};
    rows.columns = calloc(rows.count + 1, sizeof(*rows.columns));
    rows.values = calloc(rows.count + 1, sizeof(*rows.values));
    rows.binds = calloc(rows.count + 1, sizeof(*rows.binds));
    int rc = rows.columns && rows.values && rows.binds
                 ? read_all(&rows, sink, err)
                 : my_refuse(server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a result");
    free(rows.texts);
    free(rows.binds);
    free(rows.values);
    free(rows.columns);
    return rc;
}
