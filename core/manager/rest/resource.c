/* Things in tables; see resource.h. */
#include "core/manager/rest/resource.h"

#include "core/base/str.h"

#include <assert.h>
#include <stdlib.h>

enum { VALUES_MOST = 32 };

/* The values of one statement, and the texts that were made for them. */
struct values {
    struct dtr_value values[VALUES_MOST];
    char *texts[VALUES_MOST];
    size_t count;
};

static void values_free(struct values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->texts[i]);
}

static void add(struct values *values, struct dtr_value value, char *text)
{
    assert(values->count < VALUES_MOST);
    values->values[values->count] = value;
    values->texts[values->count++] = text;
}

static int run(struct store_db *db, const struct dtr_str *sql, const struct values *values,
               struct dtr_ran *ret_ran, struct dtr_error *err)
{
    if (!dtr_str_ok(sql))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    return store_run(db, dtr_str_text(sql), values->values, values->count, ret_ran, err);
}

/* --- writing ---------------------------------------------------------------------------------------------
 */

/* `format` once for each field that `json` holds and that has a column; the values go to `values`. */
static int put_columns(const struct resource *resource, const json_t *json, const char *format,
                       struct dtr_str *sql, struct values *values, struct dtr_error *err)
{
    for (const struct field *field = resource->fields; field->name; field++) {
        const json_t *given = json_object_get(json, field->name);
        struct dtr_value value;
        char *text;
        if (!given || !field_column(field))
            continue;
        int rc = field_to_value(field, given, &value, &text, err);
        if (rc != DTR_OK)
            return rc;
        add(values, value, text);
        dtr_str_puts(sql, field_column(field));
        dtr_str_puts(sql, format);
    }
    return DTR_OK;
}

static int check_references(const struct resource *resource, struct store_db *db, const json_t *values,
                            struct dtr_error *err)
{
    for (const struct field *field = resource->fields; field->name; field++) {
        const json_t *given = field->refers ? json_object_get(values, field->name) : NULL;
        if (!given)
            continue;
        int rc = resource_must_be(field->refers, field->name, db, json_integer_value(given), err);
        if (rc == DTR_ENOT_FOUND)
            return rest_refuse(err, 422, "%s: there is none with the id %lld", field->name,
                               (long long)json_integer_value(given));
        if (rc != DTR_OK)
            return rc;
    }
    return DTR_OK;
}

static int explain(const struct resource *resource, int rc, struct dtr_error *err)
{
    if (rc != DTR_EEXISTS)
        return rc;
    return rest_refuse(err, 409, "there is a %s with this name, or these properties, already",
                       resource->name);
}

int resource_insert(const struct resource *resource, struct store_db *db, const json_t *json, int64_t *ret_id,
                    struct dtr_error *err)
{
    struct dtr_str sql = {0};
    struct values values = {0};
    struct dtr_ran ran = {0};
    int64_t now = store_now_ms();
    dtr_str_printf(&sql, "INSERT INTO %s (", resource->table);
    int rc = check_references(resource, db, json, err);
    if (rc == DTR_OK)
        rc = put_columns(resource, json, ", ", &sql, &values, err);
    add(&values, STORE_NUMBER(now), NULL);
    add(&values, STORE_NUMBER(now), NULL);
    dtr_str_puts(&sql, "created_at, updated_at) VALUES (?");
    for (size_t i = 1; i < values.count; i++)
        dtr_str_puts(&sql, ", ?");
    dtr_str_putc(&sql, ')');
    if (rc == DTR_OK)
        rc = explain(resource, run(db, &sql, &values, &ran, err), err);
    *ret_id = ran.id;
    values_free(&values);
    dtr_str_free(&sql);
    return rc;
}

static int not_there(const char *name, int64_t id, struct dtr_error *err)
{
    return rest_refuse(err, 404, "there is no %s with the id %lld", name, (long long)id);
}

int resource_change(const struct resource *resource, struct store_db *db, int64_t id, const json_t *json,
                    struct dtr_error *err)
{
    struct dtr_str sql = {0};
    struct values values = {0};
    struct dtr_ran ran = {0};
    dtr_str_printf(&sql, "UPDATE %s SET ", resource->table);
    int rc = check_references(resource, db, json, err);
    if (rc == DTR_OK)
        rc = put_columns(resource, json, " = ?, ", &sql, &values, err);
    dtr_str_puts(&sql, "updated_at = ? WHERE id = ?");
    add(&values, STORE_NUMBER(store_now_ms()), NULL);
    add(&values, STORE_NUMBER(id), NULL);
    if (rc == DTR_OK)
        rc = explain(resource, run(db, &sql, &values, &ran, err), err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = not_there(resource->name, id, err);
    values_free(&values);
    dtr_str_free(&sql);
    return rc;
}

int resource_must_be(const char *table, const char *name, struct store_db *db, int64_t id,
                     struct dtr_error *err)
{
    char sql[128];
    int64_t count;
    (void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s WHERE id = ?", table);
    int rc = store_number(db, sql, STORE_VALUES(STORE_NUMBER(id)), &count, err);
    return rc == DTR_OK && count == 0 ? not_there(name, id, err) : rc;
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
    while (field->name && (field->flags & F_HIDDEN || !field_column(field)))
        field++;
    return field->name ? field : NULL;
}

struct rows {
    const struct resource *resource;
    json_t *list;
};

static int on_row(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    struct rows *rows = context;
    json_t *row = json_object();
    bool ok = row != NULL;
    size_t at = 0;
    for (const struct field *field = NULL; (field = next_shown(rows->resource, field)) && at < count; at++)
        ok &= json_object_set_new(row, field->name, field_from_value(field, &columns[at])) == 0;
    ok &= json_object_set_new(row, "is_del", json_integer(0)) == 0;
    ok &= json_array_append_new(rows->list, row) == 0;
    return ok ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

static int select_rows(const struct resource *resource, struct store_db *db, const char *tail,
                       const struct dtr_value *values, size_t count, json_t **ret_rows, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    struct rows rows = {.resource = resource, .list = json_array()};
    const char *before = "SELECT ";
    for (const struct field *field = NULL; (field = next_shown(resource, field)); before = ", ")
        dtr_str_printf(&sql, "%s%s", before, field_column(field));
    dtr_str_printf(&sql, " FROM %s WHERE %s", resource->table, tail);
    int rc = dtr_str_ok(&sql) && rows.list
                 ? store_each(db, dtr_str_text(&sql), values, count, on_row, &rows, err)
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a statement");
    dtr_str_free(&sql);
    if (rc != DTR_OK) {
        json_decref(rows.list);
        rows.list = NULL;
    }
    *ret_rows = rows.list;
    return rc;
}

int resource_rows(const struct resource *resource, struct store_db *db, const char *where,
                  const struct dtr_value *values, size_t count, json_t **ret_rows, struct dtr_error *err)
{
    char tail[256];
    (void)snprintf(tail, sizeof(tail), "%s ORDER BY id", where);
    return select_rows(resource, db, tail, values, count, ret_rows, err);
}

int resource_read(struct rest_call *call, const struct resource *resource, struct store_db *db, int64_t id,
                  json_t **ret_row, struct dtr_error *err)
{
    json_t *rows;
    *ret_row = NULL;
    int rc = resource_rows(resource, db, "id = ?", STORE_VALUES(STORE_NUMBER(id)), &rows, err);
    if (rc != DTR_OK)
        return rc;
    *ret_row = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    if (!*ret_row)
        return not_there(resource->name, id, err);
    if (resource->dress)
        rc = resource->dress(call, db, *ret_row, err);
    if (rc != DTR_OK) {
        json_decref(*ret_row);
        *ret_row = NULL;
    }
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
        add(values, value, NULL);
        dtr_str_printf(where, " AND %s = ?", field_column(field));
    }
    return DTR_OK;
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

static int dress_all(struct rest_call *call, struct store_db *db, json_t *rows, struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    size_t i;
    json_t *row;
    int rc = DTR_OK;
    if (!resource->dress)
        return DTR_OK;
    json_array_foreach(rows, i, row)
    {
        if (rc == DTR_OK)
            rc = resource->dress(call, db, row, err);
    }
    return rc;
}

static int answer_page(struct rest_call *call, struct store_db *db, const struct paging *paging,
                       struct dtr_str *where, struct values *values, struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    json_t *rows = NULL;
    add(values, STORE_NUMBER(paging->per_page), NULL);
    add(values, STORE_NUMBER((paging->page - 1) * paging->per_page), NULL);
    dtr_str_printf(where, " ORDER BY id%s LIMIT ? OFFSET ?", resource->newest_first ? " DESC" : "");
    int rc = select_rows(resource, db, dtr_str_text(where), values->values, values->count, &rows, err);
    if (rc == DTR_OK)
        rc = dress_all(call, db, rows, err);
    if (rc == DTR_OK)
        return call_answer(call, rows, err);
    json_decref(rows);
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
    if (rc == DTR_OK)
        call_link(call, &paging, total);
    values_free(&values);
    dtr_str_free(&where);
    return rc;
}

/* --- the other handlers ----------------------------------------------------------------------------------
 */

static int write_row(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                     struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    int rc = resource->check ? resource->check(call, db, id, values, err) : DTR_OK;
    if (rc == DTR_OK)
        rc = id > 0 ? resource_change(resource, db, id, values, err)
                    : resource_insert(resource, db, values, &id, err);
    if (rc == DTR_OK && resource->written)
        rc = resource->written(call, db, id, values, err);
    if (rc == DTR_OK)
        rc = resource_answer(call, db, id, err);
    call->changed = resource->table;
    return rc;
}

static int write_body(struct rest_call *call, struct store_db *db, unsigned mode, int64_t id,
                      struct dtr_error *err)
{
    json_t *values;
    int rc = call_values(call, mode, &values, err);
    if (rc == DTR_OK)
        rc = write_row(call, db, id, values, err);
    json_decref(values);
    return rc;
}

int resource_create(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return write_body(call, db, F_CREATE, 0, err);
}

int resource_update(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return write_body(call, db, F_UPDATE, call_number(call, "id"), err);
}

int resource_get(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    return resource_answer(call, db, call_number(call, "id"), err);
}

int resource_delete(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    int64_t id = call_number(call, "id");
    char sql[128];
    struct dtr_ran ran = {0};
    int rc = resource->check_delete ? resource->check_delete(call, db, id, err) : DTR_OK;
    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE id = ?", resource->table);
    if (rc == DTR_OK)
        rc = store_run(db, sql, STORE_VALUES(STORE_NUMBER(id)), &ran, err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = not_there(resource->name, id, err);
    call->status = 200;
    call->changed = resource->table;
    return rc;
}
