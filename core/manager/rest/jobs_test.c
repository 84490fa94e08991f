/* Jobs over REST: for whom, how fast, and who is told what of them. */
#include "core/manager/rest/jobs_rig.h"

/* --- whom it is for --------------------------------------------------------------------------------------
 */

static void clusters_are_those_that_are_named_or_can_do_it(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    assert_int_equal(json_array_size(at(rig, "scheduler_clusters")), 1);
    assert_int_equal(number_at(rig, "scheduler_clusters.0.id"), 1);
    post(rig, 200, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[2,1,2]");
    assert_int_equal(json_array_size(at(rig, "scheduler_clusters")), 2);
    post(rig, 422, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[1,9]");
    assert_string_equal(text_at(rig, "errors"), "scheduler_cluster_ids: there is no cluster with the id 9");
    post(rig, 422, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[0]");
    post(rig, 422, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[\"1\"]");
    post(rig, 422, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":1");
    post(rig, 422, "preheat", FILE_JOB "}", ",\"user_id\":77");
    run_sql(rig, "UPDATE schedulers SET features_json = '[\"schedule\"]'");
    post(rig, 503, "preheat", FILE_JOB "}", NULL);
    assert_non_null(strstr(text_at(rig, "message"), "with the feature preheat"));
    post(rig, 200, "get_task", "{\"task_id\":\"" TASK_ID "\"}", NULL);
    run_sql(rig, "UPDATE schedulers SET state = 'inactive'");
    post(rig, 503, "get_task", "{\"task_id\":\"" TASK_ID "\"}", NULL);
}

static void guests_look_and_strangers_do_not(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    rig->session[0] = 0;
    post(rig, 401, "preheat", FILE_JOB "}", NULL);
    ask(rig, 401, "GET", "/api/v1/jobs/1", NULL);
    ask(rig, 200, "POST", "/api/v1/users/signup",
        "{\"name\":\"guest-1\",\"password\":\"password1\",\"email\":\"a@b.cd\"}");
    sign_in(rig, "guest-1", "password1");
    ask(rig, 200, "GET", "/api/v1/jobs/1", NULL);
    post(rig, 403, "preheat", FILE_JOB "}", NULL);
    ask(rig, 403, "DELETE", "/api/v1/jobs/1", NULL);
}

/* --- how fast --------------------------------------------------------------------------------------------
 */

static int64_t counts[3];
static bool cache_away;

/* Windows that never end. */
static int count_up(void *instance, const char *key, int64_t amount, uint64_t ttl_ms, int64_t *ret_value,
                    struct dtr_error *err)
{
    (void)instance;
    (void)ttl_ms;
    if (cache_away)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the test took it away");
    int64_t *count = &counts[strcmp(key, "count:jobs:1") == 0 ? 1 : strcmp(key, "count:jobs:2") == 0 ? 2 : 0];
    *ret_value = *count += amount;
    return DTR_OK;
}

/* Cluster 1 takes 10 jobs, cluster 2 takes 2. */
static struct share *begin_to_count(struct rest_rig *rig)
{
    static const struct dtr_cache_ops ops = {.size = sizeof(ops), .add = count_up};
    struct share *share;
    struct dtr_error err;
    memset(counts, 0, sizeof(counts));
    cache_away = false;
    assert_int_equal(share_new(&ops, NULL, &share, &err), DTR_OK);
    restart(rig, share);
    ask(rig, 200, "PATCH", "/api/v1/scheduler-clusters/2", "{\"config\":{\"job_rate_limit\":2}}");
    return share;
}

static void end_counting(struct rest_rig *rig, struct share *share)
{
    restart(rig, NULL);
    share_free(share);
}

static void a_cluster_takes_so_many_jobs_a_second(void **state)
{
    struct rest_rig *rig = *state;
    struct share *share = begin_to_count(rig);
    for (int i = 0; i < 10; i++)
        post(rig, 200, "preheat", FILE_JOB "}", NULL);
    post(rig, 429, "preheat", FILE_JOB "}", NULL);
    assert_string_equal(header(rig, "Retry-After"), "1");
    assert_non_null(strstr(text_at(rig, "message"), "cluster 1 takes 10 jobs a second"));
    post(rig, 200, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[2]");
    post(rig, 200, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[2]");
    post(rig, 429, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[2]");
    assert_non_null(strstr(text_at(rig, "message"), "cluster 2 takes 2 jobs a second"));
    post(rig, 422, "preheat", FILE_JOB ",\"count\":0}", NULL); /* what is wrong counts for nothing */
    assert_int_equal(counts[1], 10);
    post(rig, 200, "gc", "{\"type\":\"job\"}", NULL); /* is for no cluster */
    cache_away = true;
    post(rig, 503, "preheat", FILE_JOB "}", NULL);
    ask(rig, 200, "GET", "/api/v1/jobs?per_page=50", NULL);
    assert_int_equal(json_array_size(rig->json), 13);
    end_counting(rig, share);
}

static void what_one_cluster_refuses_counts_for_none(void **state)
{
    struct rest_rig *rig = *state;
    struct share *share = begin_to_count(rig);
    for (int i = 0; i < 2; i++)
        post(rig, 200, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[2]");
    for (int i = 0; i < 20; i++)
        post(rig, 429, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[1,2]");
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 2);
    for (int i = 0; i < 10; i++)
        post(rig, 200, "preheat", FILE_JOB "}", ",\"scheduler_cluster_ids\":[1]");
    end_counting(rig, share);
}

static void what_is_not_made_counts_for_none(void **state)
{
    struct rest_rig *rig = *state;
    start_runner(rig);
    struct share *share = begin_to_count(rig);
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    run_sql(rig, "UPDATE jobs SET type = 'sync_peers', owner = 'another' WHERE id = 1");
    post(rig, 409, "sync_peers", "{}", NULL);
    assert_int_equal(counts[1], 1);
    end_counting(rig, share);
}

/* --- rows ------------------------------------------------------------------------------------------------
 */

/* The first job gets a result of so many rows. */
static void give_result(struct rest_rig *rig, int count)
{
    struct dtr_str sql = {0};
    dtr_str_puts(
        &sql, "UPDATE jobs SET result_json = '{\"state\":\"SUCCESS\",\"job_states\":[{\"state\":\"SUCCESS\","
              "\"results\":[{\"success_tasks\":[{\"url\":\"u\"}],\"failure_tasks\":[");
    for (int i = 1; i < count; i++)
        dtr_str_printf(&sql, "%s{\"url\":\"u%d\"}", i > 1 ? "," : "", i);
    dtr_str_puts(&sql, "]}]}]}' WHERE id = 1");
    run_sql(rig, dtr_str_text(&sql));
    dtr_str_free(&sql);
}

static void lists_have_no_rows_of_large_results(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    give_result(rig, 100);
    ask(rig, 200, "GET", "/api/v1/jobs", NULL);
    assert_string_equal(text_at(rig, "0.result.job_states.0.results.0.failure_tasks.98.url"), "u99");
    assert_int_equal(number_at(rig, "0.result.results_left_out"), -1);
    give_result(rig, 101);
    ask(rig, 200, "GET", "/api/v1/jobs", NULL);
    assert_string_equal(text_at(rig, "0.result.job_states.0.results.0.success_tasks.0.url"), "");
    assert_string_equal(text_at(rig, "0.result.job_states.0.state"), "SUCCESS");
    assert_int_equal(number_at(rig, "0.result.results_left_out"), 101);
    ask(rig, 200, "GET", "/api/v1/jobs/1", NULL);
    assert_string_equal(text_at(rig, "result.job_states.0.results.0.failure_tasks.99.url"), "u100");
    assert_int_equal(number_at(rig, "result.results_left_out"), -1);
}

#ifndef DTR_SANITIZED /* 70 MiB take too long */
static void a_list_is_not_larger_than_an_answer(void **state)
{
    enum { EACH = 14 << 20 };
    struct rest_rig *rig = *state;
    struct dtr_str sql = {0};
    for (int i = 0; i < 5; i++)
        post(rig, 200, "preheat", FILE_JOB "}", NULL);
    dtr_str_puts(&sql, "UPDATE jobs SET result_json = '{\"x\":\"");
    for (int i = 0; i < EACH; i++)
        dtr_str_putc(&sql, 'x');
    dtr_str_puts(&sql, "\"}'");
    run_sql(rig, dtr_str_text(&sql));
    dtr_str_free(&sql);
    ask(rig, 422, "GET", "/api/v1/jobs", NULL);
    assert_non_null(strstr(rig->body, "per_page: "));
    ask(rig, 200, "GET", "/api/v1/jobs?per_page=2", NULL);
}
#endif

static void jobs_are_found_by_what_they_are(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    post(rig, 200, "get_task", "{\"task_id\":\"" TASK_ID "\"}", NULL);
    post(rig, 200, "preheat", IMAGE_JOB "}", NULL);
    run_sql(rig, "UPDATE jobs SET state = 'SUCCESS' WHERE id = 1");
    ask(rig, 200, "GET", "/api/v1/jobs", NULL);
    assert_int_equal(json_array_size(rig->json), 3);
    assert_int_equal(number_at(rig, "0.id"), 3); /* the newest first */
    ask(rig, 200, "GET", "/api/v1/jobs?type=preheat&state=PENDING", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_int_equal(number_at(rig, "0.id"), 3);
    ask(rig, 200, "GET", "/api/v1/jobs?user_id=2", NULL);
    assert_string_equal(rig->body, "[]");
    ask(rig, 200, "GET", "/api/v1/jobs?page=2&per_page=2", NULL);
    assert_int_equal(number_at(rig, "0.id"), 1);
    assert_non_null(strstr(header(rig, "Link"), "page=1&per_page=2>;rel=prev"));
    ask(rig, 422, "GET", "/api/v1/jobs?state=%27%20OR%201=1", NULL);
    ask(rig, 422, "GET", "/api/v1/jobs?user_id=me", NULL);
}

static void a_job_changes_its_bio_and_is_deleted(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB "}", NULL);
    ask(rig, 200, "PATCH", "/api/v1/jobs/1",
        "{\"bio\":\"new\",\"state\":\"SUCCESS\",\"args\":{\"url\":\"http://o/other\"}}");
    assert_string_equal(text_at(rig, "bio"), "new");
    assert_string_equal(text_at(rig, "state"), "PENDING");
    assert_string_equal(text_at(rig, "args.url"), "http://o/f");
    ask(rig, 200, "DELETE", "/api/v1/jobs/1", NULL);
    ask(rig, 404, "GET", "/api/v1/jobs/1", NULL);
    ask(rig, 404, "DELETE", "/api/v1/jobs/1", NULL);
    /* nothing of it is left: else these rows would be there twice */
    run_sql(rig, "INSERT INTO job_runs (job_id, args_json, run_json) VALUES (1, '', '')");
    run_sql(rig, "INSERT INTO job_clusters (job_id, scheduler_cluster_id) VALUES (1, 1)");
}

static void nobody_is_told_secrets(void **state)
{
    struct rest_rig *rig = *state;
    static const char args[] = "{\"type\":\"file\",\"urls\":[\"https://u:sesame@o/f?X-Amz-Signature=sesame\","
                               "\"https://o/g?a=1&token=sesame#x\",\"https://o/h?auth_key=sesame&jwt=sesame"
                               "&hdnts=hmac%3Dsesame&pwd=sesame\"],\"password\":\"sesame\",\"headers\":"
                               "{\"Authorization\":\"Bearer sesame\",\"X\":\"sesame\"},\"object_storage\":{"
                               "\"access_key_id\":\"sesame\",\"access_key_secret\":\"sesame\","
                               "\"session_token\":\"sesame\",\"security_token\":\"sesame\"},"
                               "\"hdfs\":{\"delegation_token\":\"sesame\"}}";
    static const char *const paths[] = {"/api/v1/jobs/1", "/api/v1/jobs", "/api/v1/audits"};
    post(rig, 200, "preheat", args, NULL);
    assert_null(strstr(rig->body, "sesame"));
    assert_string_equal(text_at(rig, "args.urls.0"), "https://***@o/f?X-Amz-Signature=***");
    assert_string_equal(text_at(rig, "args.urls.1"), "https://o/g?a=1&token=***#x");
    assert_string_equal(text_at(rig, "args.urls.2"), "https://o/h?auth_key=***&jwt=***&hdnts=***&pwd=***");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(rig, 200, "GET", paths[i], NULL);
        assert_null(strstr(rig->body, "sesame"));
    }
    /* nor in a refusal */
    post(rig, 422, "preheat", "{\"type\":\"image\",\"url\":\"https://u:sesame@r/a?token=sesame\"}", NULL);
    assert_null(strstr(rig->body, "sesame"));
    post(rig, 422, "preheat", FILE_JOB ",\"headers\":{\"A\":\"sesame\\n\"}}", NULL);
    assert_null(strstr(rig->body, "sesame"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        JOBS_TEST(clusters_are_those_that_are_named_or_can_do_it),
        JOBS_TEST(guests_look_and_strangers_do_not),
        JOBS_TEST(a_cluster_takes_so_many_jobs_a_second),
        JOBS_TEST(what_one_cluster_refuses_counts_for_none),
        JOBS_TEST(what_is_not_made_counts_for_none),
        JOBS_TEST(jobs_are_found_by_what_they_are),
#ifndef DTR_SANITIZED
        JOBS_TEST(a_list_is_not_larger_than_an_answer),
#endif
        JOBS_TEST(lists_have_no_rows_of_large_results),
        JOBS_TEST(a_job_changes_its_bio_and_is_deleted),
        JOBS_TEST(nobody_is_told_secrets),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
