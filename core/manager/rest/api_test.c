/* The REST API around its handlers: pages, unknown paths, what the document says, CORS, compression, limits,
 * and clients that go. */
#include "core/manager/rest/resource.h"
#include "core/manager/rest/rig.h"
#include "core/manager/rest/users.h"
#include "core/obs/metric.h"

#include <semaphore.h>

static void pages_are_answered_to_everybody(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "GET", "/healthy", NULL);
    assert_string_equal(rig->body, "\"OK\"");
    ask(rig, 200, "GET", "/", NULL);
    assert_non_null(strstr(rig->body, "Darter manager"));
    assert_string_equal(header(rig, "Content-Type"), "text/html; charset=utf-8");
    ask(rig, 200, "HEAD", "/", NULL);
    assert_string_equal(rig->body, "");
    ask(rig, 200, "GET", "/swagger/", NULL);
    ask(rig, 301, "GET", "/clusters/1/edit", NULL);
    assert_string_equal(header(rig, "Location"), "/");
}

static void unknown_paths_of_the_api_are_errors(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 404, "GET", "/api/v1/nothing", NULL);
    assert_string_equal(text_at(rig, "error"), "Not Found");
    ask(rig, 405, "PATCH", "/api/v1/peers/1", "{}");
    assert_string_equal(header(rig, "Allow"), "GET, DELETE");
    ask(rig, 405, "POST", "/healthy", "");
    ask(rig, 400, "GET", "/healthy?a=%", NULL);
}

/* Every operation of the table is in the document, with what it takes. */
static void the_openapi_document_is_made_of_the_routes(void **state)
{
    struct rest_rig *rig = *state;
    size_t operations = 0;
    const char *path, *method;
    json_t *there, *operation;
    ask(rig, 200, "GET", "/swagger/doc.json", NULL);
    assert_string_equal(text_at(rig, "openapi"), "3.0.3");
    json_object_foreach(json_object_get(rig->json, "paths"), path, there)
    {
        json_object_foreach(there, method, operation)
        {
            operations++;
            assert_non_null(json_object_get(operation, "responses"));
        }
    }
    size_t expected = 0;
    for (const struct route *route = routes; route < routes + route_count; route++)
        expected += route->base == BASE_ROOT ? 0 : route->base == BASE_BOTH ? 2 : 1;
    assert_int_equal(operations, expected);
    const json_t *patch =
        json_object_get(json_object_get(at(rig, "paths"), "/api/v1/clusters/{id}"), "patch");
    assert_non_null(json_object_get(patch, "requestBody"));
    assert_null(strstr(rig->body, "token_hash"));
    assert_null(strstr(rig->body, "password_hash"));
}

static bool takes_filters(const struct route *route)
{
    return route->handle == resource_list || route->handle == audits_list;
}

/* The field's words; NULL when the document does not have the filter, or it has none. */
static const json_t *words_of(const json_t *document, const char *path, const char *field)
{
    size_t i;
    const json_t *parameter,
        *get = json_object_get(json_object_get(json_object_get(document, "paths"), path), "get");
    json_array_foreach(json_object_get(get, "parameters"), i, parameter)
    {
        if (strcmp(json_string_value(json_object_get(parameter, "name")), field) == 0)
            return json_object_get(json_object_get(parameter, "schema"), "enum");
    }
    return NULL;
}

/* Each word that the document has is taken; others are refused, and told which there are. */
static void expect_words(struct rest_rig *rig, const json_t *document, const char *path,
                         const struct field *field)
{
    size_t i;
    const json_t *word;
    struct dtr_str joined = {0};
    char target[200], says[200];
    json_array_foreach(words_of(document, path, field->name), i, word)
    {
        (void)snprintf(target, sizeof(target), "%s?%s=%s", path, field->name, json_string_value(word));
        ask(rig, 200, "GET", target, NULL);
        dtr_str_printf(&joined, "%s%s", i > 0 ? "|" : "", json_string_value(word));
    }
    (void)snprintf(says, sizeof(says), "%s: must be one of %s", field->name, dtr_str_text(&joined));
    dtr_str_free(&joined);
    (void)snprintf(target, sizeof(target), "%s?%s=", path, field->name);
    ask(rig, 200, "GET", target, NULL); /* as if it was not given */
    (void)snprintf(target, sizeof(target), "%s?%s=NONSENSE", path, field->name);
    ask(rig, 422, "GET", target, NULL);
    assert_string_equal(text_at(rig, "errors"), says);
}

static void filters_take_only_words_that_there_are(void **state)
{
    struct rest_rig *rig = *state;
    int found = 0;
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/swagger/doc.json", NULL);
    json_t *document = json_incref(rig->json);
    for (const struct route *route = routes; route < routes + route_count; route++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/api/v1%s", route->path);
        for (const struct field *field = takes_filters(route) ? route->resource->fields : NULL;
             field && field->name; field++) {
            if (!(field->flags & F_FILTER) || !field->words)
                continue;
            expect_words(rig, document, path, field);
            found++;
        }
    }
    assert_true(found >= 9);
    json_decref(document);
    rig->session[0] = 0;
}

/* Honest, but empty. */
static void persistent_cache_tasks_are_none_yet(void **state)
{
    static const char task[] = "/api/v1/persistent-cache-tasks/"
                               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct rest_rig *rig = *state;
    char target[200];
    (void)snprintf(target, sizeof(target), "%s?scheduler_cluster_id=1", task);
    ask(rig, 401, "GET", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=1", NULL);
    ask(rig, 401, "DELETE", target, NULL);
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=1", NULL);
    assert_string_equal(rig->body, "[]");
    assert_non_null(strstr(header(rig, "Link"), "scheduler_cluster_id=1&page=1&per_page=10>;rel=last"));
    ask(rig, 422, "GET", "/api/v1/persistent-cache-tasks", NULL);
    assert_string_equal(text_at(rig, "errors"), "scheduler_cluster_id: is missing in the query");
    ask(rig, 422, "GET", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=one", NULL);
    ask(rig, 422, "GET", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=1&page=0", NULL);
    ask(rig, 404, "GET", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=9", NULL);
    ask(rig, 404, "GET", target, NULL);
    assert_non_null(strstr(text_at(rig, "message"), "its schedulers keep none yet"));
    ask(rig, 404, "DELETE", target, NULL);
    ask(rig, 422, "DELETE", task, NULL);
    ask(rig, 405, "POST", "/api/v1/persistent-cache-tasks?scheduler_cluster_id=1", "{}");
    ask(rig, 200, "GET", "/swagger/doc.json", NULL);
    const json_t *get =
        json_object_get(json_object_get(at(rig, "paths"), "/api/v1/persistent-cache-tasks/{task}"), "get");
    const json_t *parameter = json_array_get(json_object_get(get, "parameters"), 1);
    assert_string_equal(json_string_value(json_object_get(parameter, "name")), "scheduler_cluster_id");
    assert_true(json_is_true(json_object_get(parameter, "required")));
    assert_null(json_object_get(get, "requestBody"));
    rig->session[0] = 0;
}

static void expect_counted(const char *labels, int count)
{
    struct dtr_str text = {0};
    char line[200];
    (void)snprintf(line, sizeof(line), "\ndragonfly_manager_requests_total{%s} %d\n", labels, count);
    assert_int_equal(dtr_metrics_render(DTR_METRICS_MANAGER, &text), DTR_OK);
    bool there = strstr(dtr_str_text(&text), line) != NULL;
    if (!there)
        print_error("%s is not in:\n%s", line, dtr_str_text(&text));
    dtr_str_free(&text);
    assert_true(there);
}

/* Each answer once, by its route: what strangers ask for makes no more rows. */
static void answers_are_counted(void **state)
{
    static const struct {
        int status;
        const char *method, *target, *labels;
        int count;
    } rows[] = {
        {401, "GET", "/api/v1/clusters/1", "code=\"401\",method=\"GET\",url=\"/api/v1/clusters/{id}\"", 2},
        {401, "GET", "/api/v1/clusters/2", "code=\"401\",method=\"GET\",url=\"/api/v1/clusters/{id}\"", 2},
        {401, "GET", "/oapi/v1/clusters/2", "code=\"401\",method=\"GET\",url=\"/oapi/v1/clusters/{id}\"", 1},
        {404, "GET", "/api/v1/nothing", "code=\"404\",method=\"GET\",url=\"other\"", 2},
        {404, "GET", "/api/v1/nothing/else", "code=\"404\",method=\"GET\",url=\"other\"", 2},
        {405, "BREW", "/healthy", "code=\"405\",method=\"other\",url=\"other\"", 1},
        {200, "GET", "/healthy", "code=\"200\",method=\"GET\",url=\"/healthy\"", 1},
        {400, "GET", "/api/v1/peers?a=%", "code=\"400\",method=\"GET\",url=\"/api/v1/peers\"", 1},
    };
    struct rest_rig *rig = *state;
    dtr_metrics_reset(DTR_METRICS_MANAGER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ask(rig, rows[i].status, rows[i].method, rows[i].target, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_counted(rows[i].labels, rows[i].count);
}

static void scripts_of_other_origins_may_ask(void **state)
{
    struct rest_rig *rig = *state;
    ask_with(rig, 204, "OPTIONS", "/api/v1/clusters", "Origin: http://console:3000\r\n", NULL);
    assert_string_equal(header(rig, "Access-Control-Allow-Origin"), "http://console:3000");
    assert_string_equal(header(rig, "Access-Control-Allow-Methods"), "POST, GET");
    ask_with(rig, 401, "GET", "/api/v1/clusters", "Origin: http://console:3000\r\n", NULL);
    assert_string_equal(header(rig, "Access-Control-Allow-Credentials"), "true");
}

/* What is refused before a handler has it: scripts read why, and the log has it. */
static void early_refusals_are_written_down_and_shown_to_scripts(void **state)
{
    static const struct {
        const char *head;
        int status;
    } requests[] = {
        {"GET /api/v1/peers?a=%", 400},
        {"POST /api/v1/configs", 413},
    };
    struct rest_rig *rig = *state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char text[200], line[40];
        struct client client;
        (void)snprintf(text, sizeof(text),
                       "%s HTTP/1.1\r\nHost: m\r\nConnection: close\r\nOrigin: http://console:3000\r\n"
                       "Content-Length: %d\r\n\r\n",
                       requests[i].head, requests[i].status == 413 ? 1048577 : 0);
        (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", requests[i].status);
        client_whole(&rig->http, &client, text);
        assert_true(client_has(&client, line));
        assert_true(client_has(&client, "Access-Control-Allow-Origin: http://console:3000\r\n"));
        dtr_str_free(&client.received);
    }
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/api/v1/audits?status_code=400", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_string_equal(text_at(rig, "0.path"), "/api/v1/peers");
    assert_string_equal(text_at(rig, "0.actor_type"), "UNKNOWN");
    ask(rig, 200, "GET", "/api/v1/audits?status_code=413", NULL);
    assert_string_equal(text_at(rig, "0.detail"), "the body is larger than 1024 KiB");
    rig->session[0] = 0;
}

static void large_answers_are_compressed_for_who_can_read_them(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "GET", "/swagger/doc.json", NULL);
    size_t whole = strlen(rig->body);
    assert_string_equal(header(rig, "Content-Encoding"), "");
    ask_with(rig, 200, "GET", "/swagger/doc.json", "Accept-Encoding: br, gzip\r\n", NULL);
    assert_string_equal(header(rig, "Content-Encoding"), "gzip");
    assert_true(strtoul(header(rig, "Content-Length"), NULL, 10) < whole / 4);
    ask_with(rig, 200, "GET", "/healthy", "Accept-Encoding: gzip\r\n", NULL);
    assert_string_equal(rig->body, "\"OK\"");
}

static void bodies_must_be_json_of_a_limited_size(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "POST", "/api/v1/users/signin", "{\"name\":");
    assert_non_null(strstr(text_at(rig, "errors"), "not JSON: line 1"));
    ask(rig, 422, "POST", "/api/v1/users/signin", NULL);
    ask(rig, 422, "POST", "/api/v1/users/signin", "{\"name\":\"root\"}");
    assert_string_equal(text_at(rig, "errors"), "password: is missing");
    static const struct {
        const char *path, *length;
    } large[] = {{"users/signin", "16385"}, {"configs", "1048577"}};
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        char text[160];
        struct client client;
        (void)snprintf(
            text, sizeof(text),
            "POST /api/v1/%s HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: %s\r\n\r\n",
            large[i].path, large[i].length);
        client_whole(&rig->http, &client, text);
        assert_true(client_has(&client, "HTTP/1.1 413 "));
        dtr_str_free(&client.received);
    }
}

static void chunked_bodies_are_limited_too(void **state)
{
    struct rest_rig *rig = *state;
    struct dtr_str text = {0};
    struct client client;
    dtr_str_puts(&text, "POST /api/v1/configs HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n");
    dtr_str_puts(&text, "100001\r\n");
    for (int i = 0; i < 0x100001; i++)
        dtr_str_putc(&text, ' ');
    dtr_str_puts(&text, "\r\n0\r\n\r\n");
    client_whole(&rig->http, &client, dtr_str_text(&text));
    assert_true(client_has(&client, "HTTP/1.1 413 "));
    dtr_str_free(&client.received);
    dtr_str_free(&text);
}

/* Sends a request whose answer takes a while, and goes. */
static void clients_may_go_at_any_time(void **state)
{
    struct rest_rig *rig = *state;
    static const char *const texts[] = {
        "POST /api/v1/users/signin HTTP/1.1\r\nHost: m\r\nContent-Length: 100\r\n\r\n{\"na",
        "POST /api/v1/users/signin HTTP/1.1\r\nHost: m\r\nContent-Length: 40\r\n\r\n"
        "{\"name\":\"root\",\"password\":\"wrong-secret\"}",
    };
    for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
        struct client client;
        struct dtr_http_counts before, counts;
        dtr_http_server_counts(rig->http.server, &before);
        client_open(&rig->http, &client, &rig->http.addr);
        client_send(&client, texts[i % 2]);
        do {
            dtr_loop_turn(rig->http.loop, true);
            dtr_http_server_counts(rig->http.server, &counts);
        } while (counts.requests == before.requests);
        client_close(&rig->http, &client);
        dtr_str_free(&client.received);
    }
    ask(rig, 200, "GET", "/healthy", NULL);
}

/* Many at once, on all workers. */
static void many_ask_at_once(void **state)
{
    enum { CLIENTS = 40 };
    struct rest_rig *rig = *state;
    struct client clients[CLIENTS];
    char text[1024];
    sign_in(rig, "root", "dragonfly");
    (void)snprintf(text, sizeof(text),
                   "GET /api/v1/clusters HTTP/1.1\r\nHost: m\r\nConnection: close\r\nAuthorization: Bearer "
                   "%s\r\n\r\n",
                   rig->session);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&rig->http, &clients[i], &rig->http.addr);
        client_send(&clients[i], text);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_expect(&rig->http, &clients[i], "cluster-1");
        client_close(&rig->http, &clients[i]);
        dtr_str_free(&clients[i].received);
    }
}

struct blocker {
    struct dtr_job job;
    sem_t *go;
    int *left;
};

static void block(struct dtr_job *job)
{
    (void)sem_wait(dtr_container(job, struct blocker, job)->go);
}

static void unblocked(struct dtr_job *job)
{
    --*dtr_container(job, struct blocker, job)->left;
}

static int count_busy(const struct client *clients, int count)
{
    int busy = 0;
    for (int i = 0; i < count; i++)
        busy += client_has(&clients[i], "HTTP/1.1 503 ") && client_has(&clients[i], "Retry-After: 1");
    return busy;
}

/* All workers are busy: 256 requests wait, others are told to come again. */
static void too_many_are_told_to_come_again(void **state)
{
    enum { CLIENTS = 280, WORKERS = 3, WAIT = 256 };
    struct rest_rig *rig = *state;
    struct client *clients = calloc(CLIENTS, sizeof(*clients));
    struct blocker blockers[WORKERS];
    sem_t go;
    int left = WORKERS;
    assert_int_equal(sem_init(&go, 0, 0), 0);
    for (int i = 0; i < WORKERS; i++) {
        blockers[i] = (struct blocker){
            .job = {.loop = rig->http.loop, .run = block, .done = unblocked}, .go = &go, .left = &left};
        assert_int_equal(dtr_pool_submit(rig->pool, &blockers[i].job, NULL), DTR_OK);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&rig->http, &clients[i], &rig->http.addr);
        client_send(&clients[i], "GET /api/v1/peers HTTP/1.1\r\nHost: m\r\n\r\n");
    }
    rig_until(&rig->http, count_busy(clients, CLIENTS) == CLIENTS - WAIT);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(sem_post(&go), 0);
    for (int i = 0; i < CLIENTS; i++) {
        rig_until(&rig->http,
                  client_has(&clients[i], "HTTP/1.1 401 ") || client_has(&clients[i], "HTTP/1.1 503 "));
        client_close(&rig->http, &clients[i]);
        dtr_str_free(&clients[i].received);
    }
    rig_until(&rig->http, left == 0);
    assert_int_equal(sem_destroy(&go), 0);
    free(clients);
}

/* The audit log waits for the database. */
static void a_database_may_be_away_for_a_while(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    rig->away = true;
    ask(rig, 503, "GET", "/api/v1/applications", NULL);
    assert_string_equal(header(rig, "Retry-After"), "1");
    ask(rig, 503, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    ask(rig, 200, "GET", "/healthy", NULL);
    rig->away = false;
    ask(rig, 200, "GET", "/api/v1/audits?path=/api/v1/applications&status_code=503", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
}

/* More than fits into buffers on the way. */
static void large_answers_arrive(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    char *sql = NULL;
    char *value = calloc(1, 60001);
    memset(value, 'v', 60000);
    for (int i = 0; i < 200; i++) {
        assert_true(asprintf(&sql,
                             "INSERT INTO configs (name, value, bio, user_id, created_at, updated_at) VALUES "
                             "('c%d', '%s', '', 1, 0, 0)",
                             i, value) > 0);
        run_sql(rig, sql);
        free(sql);
    }
    free(value);
    ask(rig, 200, "GET", "/api/v1/configs?per_page=10000000", NULL);
    assert_int_equal(json_array_size(rig->json), 201);
    assert_true(strlen(rig->body) > 12000000);
    run_sql(rig, "DELETE FROM configs WHERE id > 1");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_answered_to_everybody),
        cmocka_unit_test(unknown_paths_of_the_api_are_errors),
        cmocka_unit_test(the_openapi_document_is_made_of_the_routes),
        cmocka_unit_test(filters_take_only_words_that_there_are),
        cmocka_unit_test(persistent_cache_tasks_are_none_yet),
        cmocka_unit_test(scripts_of_other_origins_may_ask),
        cmocka_unit_test(early_refusals_are_written_down_and_shown_to_scripts),
        cmocka_unit_test(answers_are_counted),
        cmocka_unit_test(large_answers_are_compressed_for_who_can_read_them),
        cmocka_unit_test(bodies_must_be_json_of_a_limited_size),
        cmocka_unit_test(chunked_bodies_are_limited_too),
        cmocka_unit_test(clients_may_go_at_any_time),
        cmocka_unit_test(many_ask_at_once),
        cmocka_unit_test(too_many_are_told_to_come_again),
        cmocka_unit_test(a_database_may_be_away_for_a_while),
        cmocka_unit_test(large_answers_arrive),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, rest_rig_set_up, rest_rig_tear_down);
}
