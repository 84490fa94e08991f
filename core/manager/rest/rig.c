/* The tests' API on loopback; see rig.h. */
#include "core/manager/rest/rig.h"

#include "core/loop/turn_until.h"
#include "core/manager/rest/password.h"

static void on_request(void *context, struct dtr_http_exchange *exchange,
                       const struct dtr_http_request *request)
{
    struct rest_rig *rig = context;
    rest_handle(rig->rest, exchange, request);
}

static void on_changed(void *context, const char *table)
{
    struct rest_rig *rig = context;
    rig->changed = table;
    rig->changes++;
}

/* The module's operations, unless the database is to be away. */
static struct dtr_database_ops flaky;
static struct rest_rig *flaky_rig;

static int is_away(struct dtr_error *err)
{
    return flaky_rig->away ? dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the test took it away")
                           : DTR_OK;
}

static int try_open(void *instance, struct dtr_db **ret_db, struct dtr_error *err)
{
    int rc = is_away(err);
    return rc == DTR_OK ? flaky_rig->database.ops->open(instance, ret_db, err) : rc;
}

static int try_run(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
                   const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    int rc = is_away(err);
    return rc == DTR_OK ? flaky_rig->database.ops->run(db, sql, values, count, sink, ret_ran, err) : rc;
}

static void open_store(struct rest_rig *rig)
{
    struct dtr_error err = {0};
    store_rig_open(&rig->database);
    flaky_rig = rig;
    flaky = *rig->database.ops;
    flaky.open = try_open;
    flaky.run = try_run;
    const struct store_options options = {&flaky, rig->database.module.instance, true};
    assert_int_equal(store_new(&options, &rig->store, &err), DTR_OK);
    assert_int_equal(fleet_view_new(rig->store, &rig->view, &err), DTR_OK);
    assert_int_equal(ranker_new(NULL, &rig->ranker, &err), DTR_OK);
}

static void begin(struct rest_rig *rig, const struct rest_options *options)
{
    struct dtr_error err = {0};
    rig->options = *options;
    rig->options.loop = rig->http.loop;
    rig->options.pool = rig->pool;
    rig->options.store = rig->store;
    rig->options.view = rig->view;
    rig->options.ranker = rig->ranker;
    rig->options.changed = on_changed;
    rig->options.context = rig;
    if (rest_new(&rig->options, &rig->rest, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

static void end(struct rest_rig *rig)
{
    bool closed = false;
    rest_close(rig->rest, on_closed, &closed);
    TURN_UNTIL(rig->http.loop, closed);
}

void rest_rig_open_with(struct rest_rig *rig, const struct rest_options *options)
{
    struct dtr_error err = {0};
    *rig = (struct rest_rig){0};
    password_set_cost(4);
    open_store(rig);
    rig_open_with(&rig->http, NULL, on_request, rig);
    assert_int_equal(dtr_pool_new(3, 1000, &rig->pool, &err), DTR_OK);
    begin(rig, options);
}

void rest_rig_open(struct rest_rig *rig)
{
    const struct rest_options options = {.jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200};
    rest_rig_open_with(rig, &options);
}

void rest_rig_restart(struct rest_rig *rig, const struct rest_options *options)
{
    end(rig);
    begin(rig, options);
}

static void on_stopped(void *context)
{
    *(bool *)context = true;
}

/* In this order: the server, the API, then what it stands on; the loop last. */
void rest_rig_close(struct rest_rig *rig)
{
    bool stopped = false;
    dtr_http_server_close(rig->http.server, 1000, on_stopped, &stopped);
    TURN_UNTIL(rig->http.loop, stopped);
    end(rig);
    dtr_pool_free(rig->pool);
    fleet_view_free(rig->view);
    ranker_free(rig->ranker);
    store_free(rig->store);
    store_rig_close(&rig->database);
    rig->http.server = NULL;
    rig_close(&rig->http);
    json_decref(rig->json);
    free(rig->head);
    free(rig->body);
}

int rest_rig_set_up(void **state)
{
    *state = calloc(1, sizeof(struct rest_rig));
    assert_non_null(*state);
    rest_rig_open(*state);
    return 0;
}

int rest_rig_tear_down(void **state)
{
    rest_rig_close(*state);
    free(*state);
    return 0;
}

/* --- asking ----------------------------------------------------------------------------------------------
 */

static void keep(struct rest_rig *rig, const struct client *client)
{
    const char *text = dtr_str_text(&client->received), *end_of_head = strstr(text, "\r\n\r\n");
    assert_non_null(end_of_head);
    json_decref(rig->json);
    free(rig->head);
    free(rig->body);
    rig->head = strndup(text, (size_t)(end_of_head + 2 - text));
    rig->body = strdup(end_of_head + 4);
    rig->status = atoi(text + strlen("HTTP/1.1 "));
    rig->json = json_loads(rig->body, JSON_DECODE_ANY, NULL);
}

void ask_with(struct rest_rig *rig, int status, const char *method, const char *target, const char *headers,
              const char *body)
{
    struct client client;
    struct dtr_str text = {0};
    dtr_str_printf(&text, "%s %s HTTP/1.1\r\nHost: manager\r\nConnection: close\r\n%s", method, target,
                   headers ? headers : "");
    if (rig->session[0])
        dtr_str_printf(&text, "Authorization: Bearer %s\r\n", rig->session);
    if (body)
        dtr_str_printf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    dtr_str_printf(&text, "\r\n%s", body ? body : "");
    client_whole(&rig->http, &client, dtr_str_text(&text));
    keep(rig, &client);
    dtr_str_free(&client.received);
    dtr_str_free(&text);
    if (status != 0 && rig->status != status)
        fail_msg("%s %s: %d, not %d: %s", method, target, rig->status, status, rig->body);
}

void ask(struct rest_rig *rig, int status, const char *method, const char *target, const char *body)
{
    ask_with(rig, status, method, target, NULL, body);
}

void sign_in(struct rest_rig *rig, const char *name, const char *password)
{
    char body[128];
    rig->session[0] = 0;
    (void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    ask(rig, 200, "POST", "/api/v1/users/signin", body);
    assert_true(dtr_copy_text(rig->session, sizeof(rig->session), text_at(rig, "token")));
}

/* --- looking ---------------------------------------------------------------------------------------------
 */

const json_t *at(const struct rest_rig *rig, const char *path)
{
    const json_t *json = rig->json;
    while (*path && json) {
        char name[64];
        size_t length = strcspn(path, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)length, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(name)) : json_object_get(json, name);
        path += length + (path[length] == '.');
    }
    return json;
}

const char *text_at(const struct rest_rig *rig, const char *path)
{
    const char *text = json_string_value(at(rig, path));
    return text ? text : "";
}

int64_t number_at(const struct rest_rig *rig, const char *path)
{
    const json_t *json = at(rig, path);
    return json_is_integer(json) ? json_integer_value(json) : -1;
}

const char *header(struct rest_rig *rig, const char *name)
{
    static char value[1024];
    char start[64];
    (void)snprintf(start, sizeof(start), "\n%s: ", name);
    const char *line = strcasestr(rig->head, start);
    value[0] = 0;
    if (line)
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + strlen(start), "\r"),
                       line + strlen(start));
    return value;
}

static int run(struct store_db *db, void *context, struct dtr_error *err)
{
    return store_run(db, context, NULL, 0, NULL, err);
}

void run_sql(struct rest_rig *rig, const char *sql)
{
    struct dtr_error err = {0};
    if (store_do(rig->store, run, (void *)(uintptr_t)sql, &err) != DTR_OK)
        fail_msg("%s", err.text);
}
