/* Reading and listing things in tables; see resource.h. */
#include "core/manager/rest/resource_values.h"

#include <stdlib.h>

int resource_not_there(const char *name, int64_t id, struct dtr_error *err)
{
    return rest_refuse(err, 404, "there is no %s with the id %lld", name, (long long)id);
}

int resource_must_be(const char *table, const char *name, struct store_db *db, int64_t id,
                     struct dtr_error *err)
{
    char sql[128];
    int64_t found;
    (void)snprintf(sql, sizeof(sql), "SELECT id FROM %s WHERE id = ? %s", table, db->dialect->for_update);
    int rc = store_number(db, sql, STORE_VALUES(STORE_NUMBER(id)), &found, err);
    return rc == DTR_ENOT_FOUND ? resource_not_there(name, id, err) : rc;
}

/* --- reading ---------------------------------------------------------------------------------------------
 */

static const struct field common[] = {
    {.name = "id", .kind = FIELD_NUMBER},
    {.name = "created_at", .kind = FIELD_TIME},
    {.name = "updated_at", .kind = FIELD_TIME},
    {0},
};

/* One after the other those that an answer shows, of both tables; start with NULL. */
static const struct field *next_shown(const struct resource *resource, const struct field *field)
{
    field = field ? field + 1 : common;
    if (!field->name && field >= common && field < common + sizeof(common) / sizeof(common[0]))
        field = resource->fields;
    while (field->name && (field->flags & F_HIDDEN || !(field->read || field_column(field))))
        field++;
    return field->name ? field : NULL;
}

struct rows {
    const struct resource *resource;
    json_t *list;
    struct dtr_str *text; /* instead of `list`: what is in it, so that no more than a row is held apart */
};

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

static bool put_row(struct dtr_str *text, const json_t *row)
{
    char *one = json_dumps(row, JSON_COMPACT);
    if (text->length > 1)
        dtr_str_putc(text, ',');
    dtr_str_puts(text, one ? one : "");
    free(one);
    return one && dtr_str_ok(text);
}

static int on_row(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct rows *rows = context;
    json_t *row = json_object();
    bool ok = row != NULL;
    size_t at = 0;
    for (const struct field *field = NULL; (field = next_shown(rows->resource, field)) && at < count; at++)
        ok &= json_object_set_new(row, field->name, field_from_value(field, &columns[at])) == 0;
    ok &= json_object_set_new(row, "is_del", json_integer(0)) == 0;
    if (rows->list) {
        ok &= json_array_append_new(rows->list, row) == 0;
    } else {
        ok = ok && put_row(rows->text, row);
        json_decref(row);
    }
    return ok ? DTR_OK : no_memory(err);
}

static int select_into(struct rows *rows, struct store_db *db, const char *tail,
                       const struct dtr_value *values, size_t count, struct dtr_error *err)
{
    const struct resource *resource = rows->resource;
    struct dtr_str sql = {0};
    const char *before = "SELECT ";
    for (const struct field *field = NULL; (field = next_shown(resource, field)); before = ", ")
        dtr_str_printf(&sql, "%s%s", before, field->read ? field->read : field_column(field));
    dtr_str_printf(&sql, " FROM %s WHERE %s", resource->table, tail);
    int rc = dtr_str_ok(&sql) && (rows->list || rows->text)
                 ? store_each(db, dtr_str_text(&sql), values, count, on_row, rows, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    dtr_str_free(&sql);
    return rc;
}

int resource_rows(const struct resource *resource, struct store_db *db, const char *where,
                  const struct dtr_value *values, size_t count, json_t **ret_rows, struct dtr_error *err)
{
    struct rows rows = {.resource = resource, .list = json_array()};
    char tail[256];
    (void)snprintf(tail, sizeof(tail), "%s ORDER BY id", where);
    int rc = select_into(&rows, db, tail, values, count, err);
    if (rc != DTR_OK) {
        json_decref(rows.list);
        rows.list = NULL;
    }
    *ret_rows = rows.list;
    return rc;
}

int resource_read(struct rest_call *call, const struct resource *resource, struct store_db *db, int64_t id,
                  json_t **ret_row, struct dtr_error *err)
{
    json_t *rows;
    *ret_row = NULL;
    int rc = resource_rows(resource, db, "id = ?", STORE_VALUES(STORE_NUMBER(id)), &rows, err);
    if (rc == DTR_OK && json_array_size(rows) == 0)
        rc = resource_not_there(resource->name, id, err);
    if (rc == DTR_OK && resource->dress)
        rc = resource->dress(call, db, json_array_get(rows, 0), err);
    if (rc == DTR_OK)
        *ret_row = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    return rc;
}

int resource_answer(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err)
{
    json_t *row;
    int rc = resource_read(call, call->match.route->resource, db, id, &row, err);
    return rc == DTR_OK ? call_answer(call, row, err) : rc;
}

/* --- lists -----------------------------------------------------------------------------------------------
 */

enum { LIST_BYTES = 64 << 20 };

static void put_filter(struct dtr_str *where, const struct field *field, const char *text)
{
    if (field->flags & F_BEGINS)
        dtr_str_printf(where, " AND SUBSTR(%s, 1, %zu) = ?", field_column(field), field_characters(text));
    else
        dtr_str_printf(where, " AND %s = ?", field_column(field));
}

/* " AND column = ?" for each filter that the query has. */
static int put_filters(struct rest_call *call, const struct resource *resource, struct dtr_str *where,
                       struct values *values, struct dtr_error *err)
{
    dtr_str_puts(where, "1 = 1");
    for (const struct field *field = resource->fields; field->name; field++) {
        const char *text = field->flags & F_FILTER ? query_get(&call->query, field->name) : NULL;
        struct dtr_value value;
        struct dtr_error why = {0};
        if (!text || !*text)
            continue;
        if (field_from_text(field, text, &value, &why) != DTR_OK)
            return rest_refuse(err, 422, "%s", why.text);
        values_add(values, value, NULL);
        put_filter(where, field, text);
    }
    return DTR_OK;
}

static const struct field *find_filter(const struct resource *resource, const char *name)
{
    for (const struct field *field = resource->fields; field->name; field++) {
        if (field->flags & F_FILTER && strcmp(field->name, name) == 0)
            return field;
    }
    return NULL;
}

/* A filter that is misspelt would be none at all, and nobody would see it. */
static void warn_of_filters(struct rest_call *call, const struct resource *resource)
{
    static const char *const others[] = {"page", "per_page", "token", "access_token"};
    for (size_t i = 0; i < call->query.count; i++) {
        const char *name = call->query.items[i].name;
        bool known = find_filter(resource, name) != NULL;
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
            known = known || strcmp(others[j], name) == 0;
        if (!known) {
            call_warn_unknown(call, name, "a filter of this list");
            return;
        }
    }
}

static int count_rows(const struct resource *resource, struct store_db *db, const struct dtr_str *where,
                      const struct values *values, int64_t *ret_count, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    dtr_str_printf(&sql, "SELECT COUNT(*) FROM %s WHERE %s", resource->table, dtr_str_text(where));
    int rc = dtr_str_ok(&sql)
                 ? store_number(db, dtr_str_text(&sql), values->values, values->count, ret_count, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    dtr_str_free(&sql);
    return rc;
}

/* What is added to a row is read by other statements. One row after the other: they can be of megabytes. */
static int put_dressed(struct rest_call *call, struct store_db *db, const char *tail,
                       const struct values *values, struct dtr_str *text, struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    struct dtr_str sql = {0};
    int64_t *ids = NULL;
    size_t count = 0;
    dtr_str_printf(&sql, "SELECT id FROM %s WHERE %s", resource->table, tail);
    int rc = dtr_str_ok(&sql)
                 ? store_numbers(db, dtr_str_text(&sql), values->values, values->count, &ids, &count, err)
                 : no_memory(err);
    dtr_str_free(&sql);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        json_t *row = NULL;
        rc = resource_read(call, resource, db, ids[i], &row, err);
        if (rc == DTR_OK && resource->shorten)
            resource->shorten(row);
        if (rc == DTR_ENOT_FOUND)
            rc = DTR_OK; /* deleted meanwhile */
        else if (rc == DTR_OK && !put_row(text, row))
            rc = no_memory(err);
        json_decref(row);
    }
    free(ids);
    return rc;
}

static int answer_page(struct rest_call *call, struct store_db *db, const struct paging *paging,
                       struct dtr_str *where, struct values *values, struct dtr_error *err)
{
    struct dtr_str text = {.limit = LIST_BYTES};
    struct rows rows = {.resource = call->match.route->resource, .text = &text};
    values_add(values, STORE_NUMBER(paging->per_page), NULL);
    values_add(values, STORE_NUMBER((paging->page - 1) * paging->per_page), NULL);
    dtr_str_printf(where, " ORDER BY id%s LIMIT ? OFFSET ?", rows.resource->newest_first ? " DESC" : "");
    const char *tail = dtr_str_text(where);
    dtr_str_putc(&text, '[');
    int rc = rows.resource->dress ? put_dressed(call, db, tail, values, &text, err)
                                  : select_into(&rows, db, tail, values->values, values->count, err);
    dtr_str_putc(&text, ']');
    if (rc == DTR_ENOMEM && text.length >= LIST_BYTES / 2)
        rc = rest_refuse(err, 422,
                         "per_page: so many of them are an answer of more than 64 MiB; ask for fewer");
    if (rc == DTR_OK)
        rc = call_answer_text(call, &text, err);
    dtr_str_free(&text);
    return rc;
}

int resource_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct dtr_str where = {0};
    struct values values = {0};
    struct paging paging;
    int64_t total = 0;
    int rc = call_paging(call, &paging, err);
    if (rc == DTR_OK)
        rc = put_filters(call, call->match.route->resource, &where, &values, err);
    if (rc == DTR_OK)
        rc = count_rows(call->match.route->resource, db, &where, &values, &total, err);
    if (rc == DTR_OK)
        rc = answer_page(call, db, &paging, &where, &values, err);
    if (rc == DTR_OK) {
        call_link(call, &paging, total);
        warn_of_filters(call, call->match.route->resource);
    }
    values_free(&values);
    dtr_str_free(&where);
    return rc;
}
