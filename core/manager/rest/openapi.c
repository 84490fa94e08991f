/* The OpenAPI document; see openapi.h. */
#include "core/manager/rest/openapi.h"

#include "core/manager/rest/call.h"
#include "core/manager/rest/resource.h"

#include <ctype.h>
#include <string.h>

/* --- schemas ---------------------------------------------------------------------------------------------
 */

static json_t *object_schema(const struct field *fields, unsigned mode);

static void put_limits(const struct field *field, json_t *schema, const char *least, const char *most)
{
    if (field->least == 0 && field->most == 0)
        return;
    (void)json_object_set_new(schema, least, json_integer(field->least));
    if (field->most < INT64_MAX)
        (void)json_object_set_new(schema, most, json_integer(field->most));
}

static json_t *word_list(const char *words)
{
    json_t *list = json_array();
    for (const char *word = words; word; word = strchr(word, '|'), word = word ? word + 1 : NULL)
        (void)json_array_append_new(list, json_stringn(word, strcspn(word, "|")));
    return list;
}

static json_t *form_list(const struct field *const *forms, unsigned mode)
{
    json_t *list = json_array();
    for (; *forms; forms++)
        (void)json_array_append_new(list, object_schema(*forms, mode ? F_CREATE : 0));
    return list;
}

/* `mode`: F_CREATE or F_UPDATE for what is given; 0 for what is answered, without limits. */
static json_t *field_schema(const struct field *field, unsigned mode)
{
    static const char *const types[] = {
        [FIELD_NUMBER] = "integer", [FIELD_TEXT] = "string",   [FIELD_BOOL] = "boolean",
        [FIELD_TIME] = "string",    [FIELD_OBJECT] = "object", [FIELD_LIST] = "array",
    };
    if (field->kind == FIELD_OBJECT && field->of)
        return object_schema(field->of, mode ? F_CREATE : 0);
    json_t *schema = json_pack("{s:s}", "type", types[field->kind]);
    if (field->forms)
        (void)json_object_set_new(schema, "anyOf", form_list(field->forms, mode));
    if (field->kind == FIELD_TIME)
        (void)json_object_set_new(schema, "format", json_string("date-time"));
    if (field->kind == FIELD_LIST)
        (void)json_object_set_new(schema, "items", field_schema(field->of, mode));
    if (field->words)
        (void)json_object_set_new(schema, "enum", word_list(field->words));
    if (mode && field->kind == FIELD_NUMBER)
        put_limits(field, schema, "minimum", "maximum");
    else if (mode && field->kind == FIELD_TEXT && !field->words)
        put_limits(field, schema, "minLength", "maxLength");
    else if (mode && field->kind == FIELD_LIST)
        put_limits(field, schema, "minItems", "maxItems");
    if (mode == F_CREATE && field->preset)
        (void)json_object_set_new(schema, "default", json_loads(field->preset, JSON_DECODE_ANY, NULL));
    return schema;
}

static json_t *object_schema(const struct field *fields, unsigned mode)
{
    json_t *properties = json_object(), *needed = json_array();
    for (const struct field *field = fields; field->name; field++) {
        if (mode ? !(field->flags & mode) : field->flags & F_HIDDEN)
            continue;
        (void)json_object_set_new(properties, field->name, field_schema(field, mode));
        if (mode == F_CREATE && field->flags & F_NEEDED)
            (void)json_array_append_new(needed, json_string(field->name));
    }
    json_t *schema = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (json_array_size(needed) > 0)
        (void)json_object_set(schema, "required", needed);
    json_decref(needed);
    return schema;
}

static json_t *answer_schema(const struct resource *resource)
{
    json_t *schema = object_schema(resource->fields, 0), *properties = json_object_get(schema, "properties");
    (void)json_object_set_new(properties, "id", json_pack("{s:s}", "type", "integer"));
    (void)json_object_set_new(properties, "is_del", json_pack("{s:s}", "type", "integer"));
    static const char *const times[] = {"created_at", "updated_at"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        (void)json_object_set_new(properties, times[i],
                                  json_pack("{s:s, s:s}", "type", "string", "format", "date-time"));
    return schema;
}

/* --- operations ------------------------------------------------------------------------------------------
 */

static void add_parameter(json_t *list, const char *name, size_t length, const char *where, json_t *schema)
{
    (void)json_array_append_new(list, json_pack("{s:s%, s:s, s:b, s:o}", "name", name, length, "in", where,
                                                "required", strcmp(where, "path") == 0, "schema", schema));
}

static void add_path_parameters(json_t *list, const char *path)
{
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        size_t length = strcspn(open + 1, "}");
        bool number = length >= 2 && strncmp(open + length - 1, "id", 2) == 0;
        add_parameter(list, open + 1, length, "path",
                      number ? json_pack("{s:s, s:i}", "type", "integer", "minimum", 1)
                             : json_pack("{s:s}", "type", "string"));
    }
}

static bool is_list(const struct route *route)
{
    size_t length = strlen(route->path);
    return strcmp(route->method, "GET") == 0 && route->resource && route->path[length - 1] != '}';
}

/* Those of a resource or of a route's own table. */
static void add_query(json_t *list, const struct field *fields)
{
    for (const struct field *field = fields; field && field->name; field++) {
        if (!(field->flags & F_FILTER))
            continue;
        add_parameter(list, field->name, strlen(field->name), "query", field_schema(field, 0));
        if (field->flags & F_NEEDED && !(field->flags & F_CREATE))
            (void)json_object_set_new(json_array_get(list, json_array_size(list) - 1), "required",
                                      json_true());
        if (field->flags & F_BEGINS)
            (void)json_object_set_new(json_array_get(list, json_array_size(list) - 1), "description",
                                      json_string("finds those that begin with it"));
    }
}

static void add_filters(json_t *list, const struct route *route)
{
    static const struct field paging[] = {
        {.name = "page", .kind = FIELD_NUMBER, .least = 1, .most = 10000000},
        {.name = "per_page", .kind = FIELD_NUMBER, .least = 1, .most = 10000000},
    };
    for (size_t i = 0; i < sizeof(paging) / sizeof(paging[0]); i++)
        add_parameter(list, paging[i].name, strlen(paging[i].name), "query",
                      field_schema(&paging[i], F_CREATE));
    add_query(list, route->resource->fields);
}

static json_t *json_content(json_t *schema)
{
    return json_pack("{s:{s:o}}", "application/json", "schema", schema);
}

static json_t *answers(const struct route *route)
{
    json_t *good = json_pack("{s:s}", "description", "OK");
    bool row = route->resource && strcmp(route->method, "DELETE") != 0;
    if (row) {
        json_t *schema = answer_schema(route->resource);
        if (is_list(route))
            schema = json_pack("{s:s, s:o}", "type", "array", "items", schema);
        (void)json_object_set_new(good, "content", json_content(schema));
    }
    return json_pack("{s:o, s:{s:s}}", "200", good, "default", "description",
                     "an error: {message, error}, or with status 422 {errors, message}");
}

static void add_body(json_t *operation, const struct route *route)
{
    bool update = strcmp(route->method, "PATCH") == 0;
    const struct field *fields = route->body;
    if (!fields && route->resource && (update || strcmp(route->method, "POST") == 0))
        fields = route->resource->fields;
    if (fields && !(route->body && route->body->flags & F_FILTER))
        (void)json_object_set_new(
            operation, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content",
                      json_content(object_schema(fields, update ? F_UPDATE : F_CREATE))));
}

static json_t *operation(const struct route *route, bool with_token)
{
    json_t *list = json_array(), *made = json_pack("{s:s}", "summary", route->summary);
    char object[ROUTE_WORD];
    route_object(route, object);
    add_path_parameters(list, route->path);
    if (is_list(route))
        add_filters(list, route);
    add_query(list, route->body);
    (void)json_object_set_new(made, "parameters", list);
    (void)json_object_set_new(made, "responses", answers(route));
    (void)json_object_set_new(made, "tags", json_pack("[s]", object));
    add_body(made, route);
    if (route->access != ACCESS_OPEN)
        (void)json_object_set_new(made, "security",
                                  json_pack("[{s:[]}]", with_token ? "access_token" : "session"));
    return made;
}

static void add_route(json_t *paths, const struct route *route, const char *base, bool with_token)
{
    char path[256], method[16] = "";
    (void)snprintf(path, sizeof(path), "%s%s", base, route->path);
    for (size_t i = 0; route->method[i] && i + 1 < sizeof(method); i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    json_t *there = json_object_get(paths, path);
    if (!there) {
        there = json_object();
        (void)json_object_set_new(paths, path, there);
    }
    (void)json_object_set_new(there, method, operation(route, with_token));
}

char *openapi_text(void)
{
    json_t *paths = json_object();
    for (const struct route *route = routes; route < routes + route_count; route++) {
        if (route->base == BASE_ROOT)
            continue;
        add_route(paths, route, "/api/v1", false);
        if (route->base == BASE_BOTH)
            add_route(paths, route, "/oapi/v1", true);
    }
    json_t *whole =
        json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s, s:s}, s:{s:s, s:s}}}}", "openapi", "3.0.3",
                  "info", "title", "Darter manager", "version", DTR_VERSION, "paths", paths, "components",
                  "securitySchemes", "session", "type", "http", "scheme", "bearer", "bearerFormat", "JWT",
                  "access_token", "type", "http", "scheme", "bearer");
    char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    json_decref(whole);
    return text;
}
