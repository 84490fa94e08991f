/* Explain: which task a name stands for, and the sums of its pulls. */
#include "core/daemon/upload/serve_rig.h"

#include "core/brain/task_id.h"
#include "core/daemon/tasks/journal.h"
#include "core/daemon/tasks/task_internal.h"
#include "proto/darter.pb-c.h"
#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct received got;
static struct answered answer;
static Darter__V1__ExplainResponse *story;

static void ask_over(struct dtr_rpc_channel *channel, const char *name)
{
    Darter__V1__ExplainRequest request = DARTER__V1__EXPLAIN_REQUEST__INIT;
    request.task = (char *)(uintptr_t)name;
    serve_ask(&rig, channel, &dtr_rpc_local_explain, &request.base, &answer);
}

static void ask(const char *name)
{
    ask_over(rig.local, name);
    assert_int_equal(answer.code, DTR_RPC_OK);
    story = darter__v1__explain_response__unpack(NULL, answer.length, answer.bytes);
    assert_non_null(story);
}

static void done(void)
{
    darter__v1__explain_response__free_unpacked(story, NULL);
}

static void refused(const char *name, enum dtr_rpc_code code, const char *text)
{
    ask_over(rig.local, name);
    assert_int_equal(answer.code, code);
    assert_non_null(strstr(answer.text, text));
}

static void pull(const char *url, const char *tag)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    download.url = (char *)(uintptr_t)url;
    if (tag) {
        download.has_tag_case = COMMON__V2__DOWNLOAD__HAS_TAG_TAG;
        download.tag = (char *)(uintptr_t)tag;
    }
    memset(&got, 0, sizeof(got));
    serve_download_all(&rig, rig.local, &got, &download);
}

static void a_pull_without_scheduler_is_told(void **state)
{
    (void)state;
    serve_rig_begin(&rig);
    pull("http://o.test/x?secret=1", NULL);
    assert_int_equal(got.code, DTR_RPC_OK);
    ask(got.task_id);
    assert_string_equal(story->task_id, got.task_id);
    assert_true(story->known && story->whole && !story->earlier);
    assert_int_equal(story->n_pulls, 1);
    const Darter__V1__Pull *told = story->pulls[0];
    assert_string_equal(told->outcome, "done");
    assert_string_equal(told->url, "http://o.test/x");
    assert_non_null(strstr(told->asker, "gRPC"));
    assert_int_equal(told->from_origin, RIG_SIZE);
    assert_int_equal(told->from_store + told->from_origin + told->from_peers, told->content_length);
    assert_int_equal(told->n_givers, 0);
    assert_string_equal(told->events[0]->text, "goes to the origin: there is no scheduler");
    assert_string_equal(told->events[0]->kind, "origin");
    done();
    serve_rig_stop(&rig);
}

static void a_task_has_several_names(void **state)
{
    char prefix[9] = "";
    (void)state;
    serve_rig_begin(&rig);
    pull("http://o.test/x", NULL);
    memcpy(prefix, got.task_id, 8);
    ask(prefix);
    assert_string_equal(story->task_id, got.task_id);
    done();
    ask("http://o.test/x?signed=now");
    assert_string_equal(story->task_id, got.task_id);
    done();
    pull("http://o.test/x", "other");
    refused("http://o.test/x", DTR_RPC_INVALID_ARGUMENT, "2 tasks go by this name");
    assert_non_null(strstr(answer.text, got.task_id));
    ask(got.task_id);
    done();
    serve_rig_stop(&rig);
}

static void a_digest_names_it_too(void **state)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    char digest[SERVE_DIGEST], url[200];
    (void)state;
    serve_rig_begin(&rig);
    serve_give_digest(&download, digest);
    (void)snprintf(url, sizeof(url), "http://o.test/v2/x/blobs/%s", digest);
    download.url = url;
    serve_download_all(&rig, rig.local, &got, &download);
    ask(digest);
    assert_string_equal(story->task_id, got.task_id);
    done();
    serve_rig_stop(&rig);
}

static void failures_are_told_in_order(void **state)
{
    (void)state;
    serve_rig_begin(&rig);
    rig.script.status = 404;
    pull("http://o.test/x", NULL);
    assert_int_not_equal(got.code, DTR_RPC_OK);
    ask("http://o.test/x");
    assert_string_equal(story->pulls[0]->outcome, "failed");
    assert_non_null(strstr(story->pulls[0]->error, "404"));
    done();
    rig.script.status = 200;
    pull("http://o.test/x", NULL);
    assert_int_equal(got.code, DTR_RPC_OK);
    ask(got.task_id);
    assert_int_equal(story->n_pulls, 2);
    assert_string_equal(story->pulls[0]->outcome, "failed");
    assert_string_equal(story->pulls[1]->outcome, "done");
    assert_int_equal(story->pulls[1]->from_origin, RIG_SIZE);
    done();
    serve_rig_stop(&rig);
}

static void what_it_does_not_know_it_says(void **state)
{
    (void)state;
    serve_rig_begin(&rig);
    refused("", DTR_RPC_INVALID_ARGUMENT, "missing");
    refused("abc", DTR_RPC_NOT_FOUND, "no such task");
    refused("http://o.test/never", DTR_RPC_NOT_FOUND, "no such task");
    serve_rig_stop(&rig);
}

static void what_an_earlier_run_pulled_has_no_journal(void **state)
{
    char task_id[DTR_TASK_ID_SIZE];
    (void)state;
    memset(task_id, 'e', DTR_TASK_ID_LENGTH);
    task_id[DTR_TASK_ID_LENGTH] = '\0';
    const struct dtr_task_facts facts = {.task_id = task_id,
                                         .url = "http://o.test/old",
                                         .digest = "",
                                         .tag = "",
                                         .application = "",
                                         .headers = "",
                                         .content_length = 100,
                                         .piece_length = RIG_PIECE};
    const struct dtr_piece piece = {.number = 0, .offset = 0, .length = 100};
    serve_rig_begin(&rig);
    assert_int_equal(dtr_tasks_known(rig.daemon.tasks, &facts, &piece, 1, true, NULL), DTR_OK);
    ask("eeee");
    assert_true(story->known && story->whole && story->earlier);
    assert_int_equal(story->n_pulls, 0);
    assert_int_equal(story->content_length, 100);
    done();
    serve_rig_stop(&rig);
}

/* It tells URLs and addresses, which are nobody's business on the network. */
static void the_network_is_not_told(void **state)
{
    (void)state;
    serve_rig_begin(&rig);
    ask_over(rig.peer, "abc");
    assert_int_equal(answer.code, DTR_RPC_UNIMPLEMENTED);
    serve_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(a_pull_without_scheduler_is_told),
        SERVE_TEST(a_task_has_several_names),
        SERVE_TEST(a_digest_names_it_too),
        SERVE_TEST(failures_are_told_in_order),
        SERVE_TEST(what_it_does_not_know_it_says),
        SERVE_TEST(what_an_earlier_run_pulled_has_no_journal),
        SERVE_TEST(the_network_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
