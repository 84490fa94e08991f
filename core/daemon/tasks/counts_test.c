/* What is counted of requests to origins, of uploads and of bytes from the store. */
#include "core/daemon/tasks/counts.h"

#include "core/obs/metric.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static double value(enum dtr_metric_id id, const char *const *labels)
{
    return dtr_series_value(dtr_metric_series(id, labels));
}

static int reset(void **state)
{
    (void)state;
    dtr_metrics_reset(DTR_METRICS_ALL);
    return 0;
}

/* How often a histogram was fed. */
static int observations(const char *family)
{
    char name[120];
    int count = 0;
    struct dtr_str out = {0};
    assert_int_equal(dtr_metrics_render(DTR_METRICS_CLIENT, &out), DTR_OK);
    (void)snprintf(name, sizeof(name), "\n%s_count{", family);
    const char *at = strstr(dtr_str_text(&out), name);
    if (at)
        assert_int_equal(sscanf(strchr(at, ' '), "%d", &count), 1);
    dtr_str_free(&out);
    return count;
}

static void an_origin_answers_or_fails(void **state)
{
    const char *const *get = DTR_LABELS("https", "GET");
    const struct dtr_error late = {.code = DTR_ETIMEOUT}, cancelled = {.code = DTR_ECANCELLED};
    struct origin_count count = {.open = false};
    (void)state;
    origin_ended(&count, &late); /* never asked: a peer's piece */
    origin_asked(&count, "https://origin/x", "GET");
    origin_answered(&count, 206);
    origin_ended(&count, &late); /* after its answer it counts no more */
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST, get), 1);
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST_FAILURE, get), 0);
    assert_int_equal(observations("dragonfly_client_backend_request_duration_milliseconds"), 1);
    origin_asked(&count, "https://origin/x", "GET");
    origin_answered(&count, 404);
    origin_ended(&count, &cancelled);
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST_FAILURE, get), 1);
    origin_asked(&count, "https://origin/x", "GET");
    origin_ended(&count, &late);
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST_FAILURE, get), 2);
    origin_asked(&count, "https://origin/x", "GET");
    origin_ended(&count, &cancelled); /* by us: nobody failed */
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST, get), 4);
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST_FAILURE, get), 2);
    assert_int_equal(observations("dragonfly_client_backend_request_duration_milliseconds"), 1);
}

static void what_a_client_makes_up_is_one_method(void **state)
{
    struct origin_count count = {.open = false};
    (void)state;
    origin_asked(&count, "http://origin/", "BREW");
    origin_answered(&count, 200);
    origin_asked(&count, "/no/scheme", "PUT");
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("http", "other")), 1);
    assert_int_equal(value(DTR_CLIENT_BACKEND_REQUEST, DTR_LABELS("", "PUT")), 1);
}

static void release(void *context)
{
    ++*(int *)context;
}

static void a_piece_is_served_until_it_was_sent(void **state)
{
    int released = 0;
    struct dtr_extent extent = {.fd = -1, .length = 700, .release = release, .release_context = &released};
    struct dtr_extent plain = {.fd = -1, .length = 300};
    (void)state;
    assert_true(upload_piece_leaves(&extent, NULL, NULL));
    assert_true(upload_piece_leaves(&plain, NULL, NULL));
    assert_int_equal(value(DTR_CLIENT_CONCURRENT_UPLOAD_PIECE, NULL), 2);
    assert_int_equal(value(DTR_CLIENT_UPLOAD_TRAFFIC, DTR_LABELS("0")), 1000);
    dtr_extent_release(&plain);
    assert_int_equal(released, 0);
    dtr_extent_release(&extent);
    assert_int_equal(released, 1);
    assert_int_equal(value(DTR_CLIENT_CONCURRENT_UPLOAD_PIECE, NULL), 0);
}

static void a_task_that_is_not_here_is_a_failure(void **state)
{
    (void)state;
    assert_null(upload_begins(NULL));
    assert_int_equal(value(DTR_CLIENT_UPLOAD_TASK, DTR_LABELS("0", "", "")), 1);
    assert_int_equal(value(DTR_CLIENT_UPLOAD_TASK_FAILURE, DTR_LABELS("0", "", "")), 1);
    assert_int_equal(value(DTR_CLIENT_CONCURRENT_UPLOAD_TASK, DTR_LABELS("0", "", "")), 0);
}

static void bytes_count_as_local_as_far_as_they_were_there(void **state)
{
    const char *const *local = DTR_LABELS("LOCAL_PEER", "0");
    (void)state;
    local_bytes_read(0, 100, 0);
    assert_int_equal(value(DTR_CLIENT_DOWNLOAD_TRAFFIC, local), 0);
    local_bytes_read(0, 100, 150);
    local_bytes_read(100, 100, 150);
    local_bytes_read(200, 100, 150);
    assert_int_equal(value(DTR_CLIENT_DOWNLOAD_TRAFFIC, local), 150);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        FRESH(an_origin_answers_or_fails),
        FRESH(what_a_client_makes_up_is_one_method),
        FRESH(a_piece_is_served_until_it_was_sent),
        FRESH(a_task_that_is_not_here_is_a_failure),
        FRESH(bytes_count_as_local_as_far_as_they_were_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
