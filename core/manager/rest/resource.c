/* Making, changing and deleting things in tables; see resource.h. */
#include "core/manager/rest/resource_values.h"

#include <assert.h>
#include <stdlib.h>

void values_free(struct values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->texts[i]);
}

void values_add(struct values *values, struct dtr_value value, char *text)
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
        values_add(values, value, text);
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

int resource_insert(const struct resource *resource, struct store_db *db, const json_t *json, int64_t id,
                    int64_t *ret_id, struct dtr_error *err)
{
    struct dtr_str sql = {0};
    struct values values = {0};
    struct dtr_ran ran = {0};
    int64_t now = store_now_ms();
    dtr_str_printf(&sql, "INSERT INTO %s (%s", resource->table, id > 0 ? "id, " : "");
    if (id > 0)
        values_add(&values, STORE_NUMBER(id), NULL);
    int rc = check_references(resource, db, json, err);
    if (rc == DTR_OK)
        rc = put_columns(resource, json, ", ", &sql, &values, err);
    values_add(&values, STORE_NUMBER(now), NULL);
    values_add(&values, STORE_NUMBER(now), NULL);
    dtr_str_puts(&sql, "created_at, updated_at) VALUES (?");
    for (size_t i = 1; i < values.count; i++)
        dtr_str_puts(&sql, ", ?");
    dtr_str_putc(&sql, ')');
    if (rc == DTR_OK)
        rc = explain(resource, run(db, &sql, &values, &ran, err), err);
    *ret_id = id > 0 ? id : ran.id;
    values_free(&values);
    dtr_str_free(&sql);
    return rc;
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
    values_add(&values, STORE_NUMBER(store_now_ms()), NULL);
    values_add(&values, STORE_NUMBER(id), NULL);
    if (rc == DTR_OK)
        rc = explain(resource, run(db, &sql, &values, &ran, err), err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = resource_not_there(resource->name, id, err);
    values_free(&values);
    dtr_str_free(&sql);
    return rc;
}

/* --- handlers --------------------------------------------------------------------------------------------
 */

static int write_row(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                     struct dtr_error *err)
{
    const struct resource *resource = call->match.route->resource;
    int rc = resource->check ? resource->check(call, db, id, values, err) : DTR_OK;
    if (rc == DTR_OK)
        rc = id > 0 ? resource_change(resource, db, id, values, err)
                    : resource_insert(resource, db, values, 0, &id, err);
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
    int rc = resource_must_be(resource->table, resource->name, db, id, err);
    if (rc == DTR_OK && resource->check_delete)
        rc = resource->check_delete(call, db, id, err);
    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE id = ?", resource->table);
    if (rc == DTR_OK)
        rc = store_run(db, sql, STORE_VALUES(STORE_NUMBER(id)), &ran, err);
    if (rc == DTR_OK && ran.changed == 0)
        rc = resource_not_there(resource->name, id, err);
    call->status = 200;
    call->changed = resource->table;
    return rc;
}
