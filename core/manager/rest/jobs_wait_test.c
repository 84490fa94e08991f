/* Jobs over REST that are answered when they are over: who waits, and what for. */
#include "core/loop/turn_until.h"
#include "core/manager/rest/jobs_rig.h"

static void clearing_away_is_answered_at_once(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    run_sql(rig, "UPDATE jobs SET state = 'SUCCESS', created_at = 5, updated_at = 5 WHERE id = 1");
    post(rig, 200, "gc", "{\"type\":\"job\"}", ",\"bio\":\"room\"");
    assert_string_equal(text_at(rig, "state"), "SUCCESS");
    assert_string_equal(text_at(rig, "type"), "gc");
    assert_string_equal(text_at(rig, "bio"), "room");
    assert_int_equal(number_at(rig, "result.purged"), 1);
    assert_int_equal(number_at(rig, "user_id"), 1);
    ask(rig, 404, "GET", "/api/v1/jobs/1", NULL);
    ask(rig, 200, "GET", "/api/v1/jobs/2", NULL);
    post(rig, 200, "gc", "{\"type\":\"audit\"}", NULL);
    assert_int_equal(number_at(rig, "result.purged"), 0);
}

static void peers_are_refreshed_by_one_at_a_time(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 503, "sync_peers", "{}", NULL); /* nobody runs jobs */
    start_runner(rig);
    ask(rig, 200, "POST", "/api/v1/jobs", "{\"type\":\"sync_peers\"}");
    assert_string_equal(rig->body, "\"OK\"");
    assert_int_equal(fakes[0].lists, 1);
    ask(rig, 200, "GET", "/api/v1/peers", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_string_equal(text_at(rig, "0.host_name"), "host-1");
    ask(rig, 200, "GET", "/api/v1/jobs/1", NULL);
    assert_string_equal(text_at(rig, "state"), "SUCCESS");
    run_sql(rig, "UPDATE jobs SET state = 'STARTED', owner = 'another', due_at = 5 WHERE id = 1");
    post(rig, 409, "sync_peers", "{}", NULL);
    assert_string_equal(text_at(rig, "message"), "job 1 refreshes the peers already");
}

static void who_waits_for_a_failure_is_told_why(void **state)
{
    struct rest_rig *rig = *state;
    fake_close(&fakes[0]);
    start_runner(rig);
    post(rig, 500, "sync_peers", "{}", NULL);
    assert_non_null(strstr(text_at(rig, "message"), "scheduler sched-1 (127.0.0.1:"));
    post(rig, 500, "get_image_distribution", "{\"url\":\"http://r/v2/a/manifests/1\"}", NULL);
    assert_non_null(strstr(text_at(rig, "message"), "scheduler sched-1 (127.0.0.1:"));
}

static void send_job(struct rest_rig *rig, struct client *client, const char *body)
{
    struct dtr_str text = {0};
    dtr_str_printf(
        &text,
        "POST /api/v1/jobs HTTP/1.1\r\nHost: manager\r\nConnection: close\r\n"
        "Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        rig->session, strlen(body), body);
    client_open(&rig->http, client, &rig->http.addr);
    client_send(client, dtr_str_text(&text));
    dtr_str_free(&text);
}

/* Its scheduler keeps the job waiting. */
static void begin_to_wait(struct rest_rig *rig, struct client *client)
{
    fakes[0].held = true;
    start_runner(rig);
    send_job(rig, client, "{\"type\":\"sync_peers\"}");
    TURN_UNTIL(rig->http.loop, fakes[0].lists == 1);
}

static void expect_told(struct rest_rig *rig, struct client *client, const char *status, const char *text)
{
    client_expect(&rig->http, client, status);
    client_expect(&rig->http, client, text);
    client_close(&rig->http, client);
}

static void who_waits_for_a_job_that_is_deleted_is_told(void **state)
{
    struct rest_rig *rig = *state;
    struct client client;
    begin_to_wait(rig, &client);
    ask(rig, 200, "GET", "/api/v1/jobs/1", NULL); /* others are not kept waiting */
    ask(rig, 200, "DELETE", "/api/v1/jobs/1", NULL);
    expect_told(rig, &client, "HTTP/1.1 404", "there is no job with the id 1");
}

static void who_waits_when_the_manager_stops_is_told(void **state)
{
    struct rest_rig *rig = *state;
    struct client client;
    begin_to_wait(rig, &client);
    jobs_leave(runner);
    expect_told(rig, &client, "HTTP/1.1 503", "GET /api/v1/jobs/1");
    post(rig, 503, "get_image_distribution", IMAGE_JOB "}", NULL); /* nor does it begin to wait */
}

static void who_goes_away_while_waiting_does_no_harm(void **state)
{
    struct rest_rig *rig = *state;
    struct client client;
    begin_to_wait(rig, &client);
    client_close(&rig->http, &client);
    ask(rig, 200, "GET", "/api/v1/jobs/1", NULL);
    /* nor do they hide what they did so */
    do {
        ask(rig, 200, "GET", "/api/v1/audits?operation=POST&path=/api/v1/jobs", NULL);
    } while (json_array_size(rig->json) == 0);
    assert_string_equal(text_at(rig, "0.actor_name"), "root");
    assert_int_equal(number_at(rig, "0.status_code"), 202);
    ask(rig, 200, "DELETE", "/api/v1/jobs/1", NULL);
    fakes[0].held = false;
    post(rig, 200, "sync_peers", "{}", NULL);
}

/* Their bodies are not kept, so there is room for those of others. */
static void many_may_wait(void **state)
{
    enum { MANY = 34, LARGE = (1 << 20) - 200 };
    struct rest_rig *rig = *state;
    struct client clients[MANY];
    char *much = calloc(1, LARGE + 1);
    struct dtr_str body = {0};
    assert_non_null(much);
    memset(much, 'x', LARGE);
    dtr_str_printf(&body, "{\"type\":\"get_image_distribution\",\"args\":%s},\"x\":\"%s\"}", IMAGE_JOB, much);
    free(much);
    fakes[0].held = true;
    start_runner(rig);
    for (int i = 0; i < MANY; i++) {
        send_job(rig, &clients[i], dtr_str_text(&body));
        TURN_UNTIL(rig->http.loop, fakes[0].images == i + 1 || clients[i].ended);
    }
    dtr_str_free(&body);
    assert_int_equal(fakes[0].images, MANY);
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    for (int i = 0; i < MANY; i++)
        client_close(&rig->http, &clients[i]);
}

static void who_holds_an_image_is_said_by_all_schedulers(void **state)
{
    struct rest_rig *rig = *state;
    static const char args[] = "{\"url\":\"http://r/v2/a/manifests/1\",\"password\":\"secret\"}";
    fakes[0].ended = fakes[1].ended = true;
    fakes[1].host = "host-2";
    add_scheduler(rig, 2, &fakes[1], "sched-2");
    start_runner(rig);
    post(rig, 200, "get_image_distribution", args, NULL);
    assert_string_equal(text_at(rig, "image.layers.0.url"), "http://registry/v2/a/blobs/sha256:1");
    assert_int_equal(json_array_size(at(rig, "peers")), 2);
    assert_string_equal(text_at(rig, "peers.0.hostname"), "host-1");
    assert_string_equal(text_at(rig, "peers.0.ip"), "10.0.0.9");
    assert_int_equal(number_at(rig, "peers.1.scheduler_cluster_id"), 2);
    assert_string_equal(text_at(rig, "peers.1.cached_layers.0.url"), "http://registry/v2/a/blobs/sha256:1");
    assert_int_equal(fakes[0].images, 1);
    /* one that does not answer is named beside what there is */
    fake_close(&fakes[1]);
    post(rig, 200, "get_image_distribution", args, NULL);
    assert_int_equal(json_array_size(at(rig, "peers")), 1);
    assert_non_null(strstr(header(rig, "Warning"), "this is not all: scheduler sched-2"));
}

static void a_job_that_waits_is_begun_at_once(void **state)
{
    struct rest_rig *rig = *state;
    start_runner(rig);
    fakes[0].ended = true;
    post(rig, 200, "preheat", FILE_JOB ",\"headers\":{\"A\":\"secret\"}}", NULL);
    assert_string_equal(text_at(rig, "state"), "PENDING");
    TURN_UNTIL(rig->http.loop, fakes[0].looks > 0);
    do {
        ask(rig, 200, "GET", "/api/v1/jobs/1", NULL);
    } while (strcmp(text_at(rig, "state"), "STARTED") == 0);
    assert_string_equal(text_at(rig, "state"), "SUCCESS");
    assert_string_equal(text_at(rig, "result.job_states.0.results.0.success_tasks.0.hostname"), "host-1");
    assert_string_equal(text_at(rig, "result.job_states.0.task_name"), "preheat");
    assert_string_equal(text_at(rig, "result.group_uuid"), text_at(rig, "task_id"));
    assert_null(strstr(rig->body, "secret"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        JOBS_TEST(clearing_away_is_answered_at_once),
        JOBS_TEST(peers_are_refreshed_by_one_at_a_time),
        JOBS_TEST(who_waits_for_a_failure_is_told_why),
        JOBS_TEST(who_waits_for_a_job_that_is_deleted_is_told),
        JOBS_TEST(who_waits_when_the_manager_stops_is_told),
        JOBS_TEST(who_goes_away_while_waiting_does_no_harm),
        JOBS_TEST(many_may_wait),
        JOBS_TEST(who_holds_an_image_is_said_by_all_schedulers),
        JOBS_TEST(a_job_that_waits_is_begun_at_once),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
