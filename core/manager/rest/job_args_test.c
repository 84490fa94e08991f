/* Jobs over REST: what may be asked for. */
#include "core/manager/rest/jobs_rig.h"

/* `says`: what the refusal names; NULL: it is taken. */
static const struct {
    const char *type, *args, *says;
} arguments[] = {
    {"preheat", FILE_JOB "}", NULL},
    {"preheat", IMAGE_JOB "}", NULL},
    {"preheat", "{}", "args.type"},
    {"preheat", "{\"type\":\"blob\",\"url\":\"http://o/f\"}", "args.type"},
    {"preheat", "{\"type\":\"file\"}", "url or urls is missing"},
    {"preheat", "{\"type\":\"file\",\"url\":\"\"}", "url or urls is missing"},
    {"preheat", "{\"type\":\"file\",\"url\":\"no url\"}", "args.url"},
    {"preheat", "{\"type\":\"file\",\"urls\":[\"http://o/f\",\"no url\"]}", "args.urls"},
    {"preheat", "{\"type\":\"file\",\"urls\":[]}", "args.urls"},
    {"preheat", "{\"type\":\"file\",\"urls\":[\"\"]}", "args.urls"},
    {"preheat", "{\"type\":\"file\",\"urls\":[\"http://o/f\",\"http://o/g\"]}", NULL},
    {"preheat", "{\"type\":\"image\",\"url\":\"http://r/a\"}", "args.url"},
    {"preheat", "{\"type\":\"image\",\"url\":\"http://r/v2/a/blobs/1\"}", "args.url"},
    {"preheat", "{\"type\":\"image\",\"url\":\"ftp://r/v2/a/manifests/1\"}", "args.url"},
    {"preheat", "{\"type\":\"image\",\"urls\":[\"http://r/v2/a/manifests/1\"]}", "args.urls"},
    {"preheat", IMAGE_JOB ",\"platform\":\"linux/arm64\"}", NULL},
    {"preheat", IMAGE_JOB ",\"platform\":\"linux\"}", "args.platform"},
    {"preheat", FILE_JOB ",\"scope\":\"all_peers\"}", NULL},
    {"preheat", FILE_JOB ",\"scope\":\"everybody\"}", "args.scope"},
    {"preheat", FILE_JOB ",\"scope\":\"\"}", "args.scope"},
    {"preheat", FILE_JOB ",\"piece_length\":4194304}", NULL},
    {"preheat", FILE_JOB ",\"piece_length\":67108864}", NULL},
    {"preheat", FILE_JOB ",\"piece_length\":4194303}", "args.piece_length"},
    {"preheat", FILE_JOB ",\"piece_length\":67108865}", "args.piece_length"},
    {"preheat", FILE_JOB ",\"count\":1}", NULL},
    {"preheat", FILE_JOB ",\"count\":200}", NULL},
    {"preheat", FILE_JOB ",\"count\":0}", "args.count"},
    {"preheat", FILE_JOB ",\"count\":201}", "args.count"},
    {"preheat", FILE_JOB ",\"percentage\":100}", NULL},
    {"preheat", FILE_JOB ",\"percentage\":0}", "args.percentage"},
    {"preheat", FILE_JOB ",\"percentage\":101}", "args.percentage"},
    {"preheat", FILE_JOB ",\"ips\":[\"10.0.0.1\",\"fd00::1\"]}", NULL},
    {"preheat", FILE_JOB ",\"ips\":[\"host\"]}", "args.ips"},
    {"preheat", FILE_JOB ",\"ips\":[]}", "args.ips"},
    {"preheat", FILE_JOB ",\"concurrent_task_count\":100}", NULL},
    {"preheat", FILE_JOB ",\"concurrent_task_count\":101}", "args.concurrent_task_count"},
    {"preheat", FILE_JOB ",\"concurrent_task_count\":0}", "args.concurrent_task_count"},
    {"preheat", FILE_JOB ",\"concurrent_peer_count\":1000}", NULL},
    {"preheat", FILE_JOB ",\"concurrent_peer_count\":1001}", "args.concurrent_peer_count"},
    {"preheat", FILE_JOB ",\"timeout\":1000000000}", NULL},
    {"preheat", FILE_JOB ",\"timeout\":999999999}", "args.timeout"},
    {"preheat", FILE_JOB ",\"timeout\":604800000000001}", "args.timeout"},
    {"preheat", FILE_JOB ",\"timeout\":\"60m\"}", "args.timeout"},
    {"preheat", FILE_JOB ",\"timeout\":1.5}", "args.timeout"},
    {"preheat", FILE_JOB ",\"headers\":{\"A\":\"b\"}}", NULL},
    {"preheat", FILE_JOB ",\"headers\":{\"A\":1}}", "args.headers.A"},
    {"preheat", FILE_JOB ",\"headers\":{\"A\":null}}", "args.headers.A"},
    {"preheat", FILE_JOB ",\"headers\":{\"A\":\"b\\r\\nC: d\"}}", "args.headers.A"},
    {"preheat", FILE_JOB ",\"headers\":{\"A: b\\r\\nC\":\"d\"}}", "args.headers"},
    {"preheat", FILE_JOB ",\"headers\":{\"\":\"d\"}}", "args.headers"},
    {"preheat", FILE_JOB ",\"headers\":[\"A\"]}", "args.headers"},
    {"preheat", FILE_JOB ",\"object_storage\":{\"access_key_secret\":1}}", "access_key_secret"},
    {"preheat", FILE_JOB ",\"hdfs\":{\"delegation_token\":\"t\"}}", NULL},
    {"get_task", "{}", "is missing"},
    {"get_task", "{\"task_id\":\"" TASK_ID "\"}", NULL},
    {"get_task", "{\"task_id\":\"short\"}", "task_id"},
    {"get_task", "{\"url\":\"http://o/f\",\"tag\":\"t\"}", NULL},
    {"get_task", "{\"url\":\"no url\"}", "args.url"},
    {"get_task", "{\"content_for_calculating_task_id\":\"x\"}", NULL},
    {"delete_task", "{\"task_id\":\"" TASK_ID "\",\"concurrent_peer_count\":1000}", NULL},
    {"delete_task", "{\"task_id\":\"" TASK_ID "\",\"concurrent_peer_count\":1001}", "concurrent_peer_count"},
    {"delete_task", "{\"task_id\":\"" TASK_ID "\",\"timeout\":1}", "args.timeout"},
    {"get_image_distribution", "{}", "args.url"},
    {"get_image_distribution", "{\"url\":\"http://r/a\"}", "args.url"},
    {"gc", "{\"type\":\"everything\"}", "args.type"},
    {"gc", "{}", "args.type"},
    {"tidy", "{}", "type"},
    {"", "{}", "type"},
    {"preheat' OR '1'='1", FILE_JOB "}", "type"},
    /* what only a hostile body has */
    {"preheat", "[]", "args"},
    {"preheat", "\"" TASK_ID "\"", "args"},
    {"preheat", "{\"type\":[\"file\"],\"url\":\"http://o/f\"}", "args.type"},
    {"preheat", "{\"type\":\"file\",\"url\":{\"a\":\"http://o/f\"}}", "args.url"},
    {"preheat", "{\"type\":\"file\",\"url\":\"http://o/\\u0000\"}", "NUL"},
    {"preheat", "{\"type\":\"file\",\"urls\":{\"0\":\"http://o/f\"}}", "args.urls"},
    {"preheat", FILE_JOB ",\"count\":9223372036854775808}", "not JSON"},
    {"preheat", FILE_JOB ",\"count\":-9223372036854775808}", "args.count"},
    {"preheat", FILE_JOB ",\"count\":1e400}", "not JSON"},
    {"preheat", FILE_JOB ",\"tag\":\"'; DROP TABLE jobs; --\"}", NULL},
};

static void arguments_have_ranges(void **state)
{
    struct rest_rig *rig = *state;
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        const char *says = arguments[i].says;
        post(rig, says ? 422 : 200, arguments[i].type, arguments[i].args, NULL);
        if (says && !strstr(text_at(rig, "errors"), says))
            fail_msg("%s %s: %s", arguments[i].type, arguments[i].args, rig->body);
        assert_true(says || strcmp(text_at(rig, "state"), "PENDING") == 0);
    }
}

static void many_items_are_refused(void **state)
{
    struct rest_rig *rig = *state;
    static const struct {
        const char *name, *item;
        int most;
    } lists[] = {{"ips", "\"10.0.0.1\"", 100}, {"urls", "\"http://o/f\"", 1000}};
    for (size_t i = 0; i < 2; i++) {
        struct dtr_str args = {0};
        dtr_str_printf(&args, "{\"type\":\"file\",\"url\":\"http://o/f\",\"%s\":[%s", lists[i].name,
                       lists[i].item);
        for (int at = 1; at < lists[i].most; at++)
            dtr_str_printf(&args, ",%s", lists[i].item);
        dtr_str_puts(&args, "]}");
        post(rig, 200, "preheat", dtr_str_text(&args), NULL);
        args.length -= 2;
        dtr_str_printf(&args, ",%s]}", lists[i].item);
        post(rig, 422, "preheat", dtr_str_text(&args), NULL);
        assert_non_null(strstr(text_at(rig, "errors"), lists[i].name));
        dtr_str_free(&args);
    }
}

static void deep_bodies_are_refused(void **state)
{
    struct rest_rig *rig = *state;
    struct dtr_str args = {0};
    for (int i = 0; i < 100000; i++)
        dtr_str_puts(&args, "[");
    post(rig, 422, "preheat", dtr_str_text(&args), NULL);
    assert_non_null(strstr(text_at(rig, "errors"), "not JSON"));
    dtr_str_free(&args);
}

static void what_is_not_given_has_a_value(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB ",\"tries\":3}", ",\"bio\":\"why\"");
    assert_string_equal(text_at(rig, "args.scope"), "single_seed_peer");
    assert_int_equal(number_at(rig, "args.concurrent_task_count"), 8);
    assert_int_equal(number_at(rig, "args.concurrent_peer_count"), 500);
    assert_int_equal(number_at(rig, "args.timeout"), INT64_C(3600000000000));
    assert_non_null(strstr(text_at(rig, "args.filtered_query_params"), "&X-Amz-Signature&"));
    assert_null(at(rig, "args.tries"));
    assert_non_null(strstr(header(rig, "Warning"), "args.tries is not an argument of such a job"));
    assert_string_equal(text_at(rig, "bio"), "why");
    assert_int_equal(number_at(rig, "user_id"), 1);
    assert_int_equal(strncmp(text_at(rig, "task_id"), "group_", 6), 0);
}

static void deep_arguments_that_there_are_not_are_told(void **state)
{
    struct rest_rig *rig = *state;
    post(rig, 200, "preheat", FILE_JOB ",\"TAG\":\"t\",\"object_storage\":{\"regoin\":\"r\"}}", NULL);
    assert_string_equal(text_at(rig, "args.tag"), "t");
    assert_non_null(strstr(header(rig, "Warning"), "args.object_storage.regoin is not an argument of such"));
    post(rig, 200, "preheat", FILE_JOB ",\"headers\":{\"X-Any\":\"v\"}}", NULL);
    assert_string_equal(header(rig, "Warning"), "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        JOBS_TEST(arguments_have_ranges),
        JOBS_TEST(many_items_are_refused),
        JOBS_TEST(deep_bodies_are_refused),
        JOBS_TEST(what_is_not_given_has_a_value),
        JOBS_TEST(deep_arguments_that_there_are_not_are_told),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
