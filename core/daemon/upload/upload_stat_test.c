/* StatTask and DeleteTask with a scheduler that the test plays, and what is asked of the local table. */
#include "core/daemon/upload/serve_rig.h"

#include "core/base/str.h"
#include "core/brain/task_id.h"
#include "core/daemon/tasks/task_internal.h"
#include "core/obs/metric.h"
#include "proto/scheduler.pb-c.h"
#include <semaphore.h>
#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct received got;
static struct answered answer;
static char task_id[DTR_TASK_ID_LENGTH + 1];

/* --- the scheduler -------------------------------------------------------------------------------- */

static struct {
    struct played played;
    int announced, deleted_hosts;
    bool knows;
    bool mute; /* DeleteTask is not answered */
    char stat_host[64], deleted_host[64], deleted_task[80];
} scheduler;

static void on_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    scheduler.announced++;
    serve_reply_empty(call);
}

static void on_delete_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)service;
    (void)request;
    scheduler.deleted_hosts++;
    serve_reply_empty(call);
}

static void on_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Scheduler__V2__StatTaskRequest *message = (const void *)request->message;
    Common__V2__Task task = COMMON__V2__TASK__INIT;
    (void)service;
    (void)dtr_copy_text(scheduler.stat_host, sizeof(scheduler.stat_host), message->host_id);
    task.id = message->task_id;
    task.state = (char *)(uintptr_t) "Succeeded";
    task.content_length = 77;
    if (scheduler.knows)
        dtr_rpc_call_reply(call, &task.base);
    else
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "never heard of it");
}

static void on_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Scheduler__V2__DeleteTaskRequest *message = (const void *)request->message;
    (void)service;
    (void)dtr_copy_text(scheduler.deleted_host, sizeof(scheduler.deleted_host), message->host_id);
    (void)dtr_copy_text(scheduler.deleted_task, sizeof(scheduler.deleted_task), message->task_id);
    if (scheduler.mute)
        dtr_rpc_call_finish(call, DTR_RPC_INTERNAL, "no");
    else
        serve_reply_empty(call);
}

static void begin_scheduler(void)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce},
        {.method = &dtr_rpc_scheduler_delete_host, .request = on_delete_host},
        {.method = &dtr_rpc_scheduler_stat_task, .request = on_stat},
        {.method = &dtr_rpc_scheduler_delete_task, .request = on_delete},
    };
    memset(&scheduler, 0, sizeof(scheduler));
    serve_play(&rig, &scheduler.played, handlers, sizeof(handlers) / sizeof(handlers[0]), NULL);
    rig.schedulers[0] = scheduler.played.addr;
    rig.scheduler_count = 1;
}

/* --- the daemon ----------------------------------------------------------------------------------- */

/* A small file without asking the scheduler: it comes from the origin. */
static void download_something(void)
{
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    Common__V2__Range range = COMMON__V2__RANGE__INIT;
    download.url = (char *)(uintptr_t) "http://o.test/x";
    download.range = &range;
    range.length = RIG_PIECE;
    serve_download_all(&rig, rig.local, &got, &download);
    assert_int_equal(got.code, DTR_RPC_OK);
    const struct dtr_task_key key = {.url = download.url};
    assert_int_equal(dtr_task_id(task_id, &key, NULL), DTR_OK);
}

static void begin(void)
{
    serve_rig_begin(&rig);
    if (rig.scheduler_count > 0)
        SERVE_UNTIL(&rig, scheduler.announced > 0);
    download_something();
}

static void stat_it(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method)
{
    Dfdaemon__V2__StatTaskRequest request = DFDAEMON__V2__STAT_TASK_REQUEST__INIT;
    request.task_id = task_id;
    serve_ask(&rig, channel, method, &request.base, &answer);
}

static void delete_it(struct dtr_rpc_channel *channel, const struct dtr_rpc_method *method)
{
    Dfdaemon__V2__DeleteTaskRequest request = DFDAEMON__V2__DELETE_TASK_REQUEST__INIT;
    request.task_id = task_id;
    serve_ask(&rig, channel, method, &request.base, &answer);
}

/* How many calls of a kind there were, and how many of them failed. */
#define expect_counted(id, calls, failures)                                                                  \
    do {                                                                                                     \
        assert_int_equal(dtr_series_value(dtr_metric_series(DTR_CLIENT_##id, DTR_LABELS("0"))), calls);      \
        assert_int_equal(dtr_series_value(dtr_metric_series(DTR_CLIENT_##id##_FAILURE, DTR_LABELS("0"))),    \
                         failures);                                                                          \
    } while (0)

static void a_stat_is_the_schedulers_word(void **state)
{
    (void)state;
    begin_scheduler();
    begin();
    stat_it(rig.peer, &dtr_rpc_upload_stat_task);
    assert_int_equal(answer.code, DTR_RPC_NOT_FOUND);
    assert_string_equal(answer.text, "never heard of it");
    scheduler.knows = true;
    stat_it(rig.local, &dtr_rpc_download_stat_task);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Common__V2__Task *task = common__v2__task__unpack(NULL, answer.length, answer.bytes);
    assert_non_null(task);
    assert_string_equal(task->id, task_id);
    assert_string_equal(task->state, "Succeeded");
    assert_int_equal(task->content_length, 77);
    common__v2__task__free_unpacked(task, NULL);
    assert_string_equal(scheduler.stat_host, "127.0.0.1-rig");
    (void)snprintf(task_id, sizeof(task_id), "short");
    stat_it(rig.local, &dtr_rpc_download_stat_task);
    assert_int_equal(answer.code, DTR_RPC_INVALID_ARGUMENT);
    expect_counted(STAT_TASK, 3, 2);
    serve_rig_stop(&rig);
    serve_play_end(&rig, &scheduler.played);
}

static void without_a_scheduler_a_stat_says_so(void **state)
{
    (void)state;
    begin();
    stat_it(rig.local, &dtr_rpc_download_stat_task);
    assert_int_equal(answer.code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(answer.text, "scheduler"));
    serve_rig_stop(&rig);
}

/* A line of the metrics page, of all tests so far. */
static bool counted(const char *line)
{
    struct dtr_str page = {0};
    bool found = dtr_metrics_render(DTR_METRICS_CLIENT, &page) == DTR_OK && strstr(dtr_str_text(&page), line);
    dtr_str_free(&page);
    return found;
}

static void a_deletion_is_told_to_the_scheduler(void **state)
{
    (void)state;
    begin_scheduler();
    begin();
    assert_int_not_equal(rig_disk.marks, 0);
    delete_it(rig.peer, &dtr_rpc_upload_delete_task);
    assert_int_equal(answer.code, DTR_RPC_OK);
    assert_int_equal(rig_disk.marks, 0);
    assert_string_equal(scheduler.deleted_task, task_id);
    assert_string_equal(scheduler.deleted_host, "127.0.0.1-rig");
    delete_it(rig.peer, &dtr_rpc_upload_delete_task);
    assert_int_equal(answer.code, DTR_RPC_NOT_FOUND);
    /* It is gone here, whatever the scheduler says. */
    download_something();
    scheduler.mute = true;
    delete_it(rig.local, &dtr_rpc_download_delete_task);
    assert_int_equal(answer.code, DTR_RPC_OK);
    assert_int_equal(rig_disk.marks, 0);
    expect_counted(DELETE_TASK, 3, 1);
    serve_rig_stop(&rig);
    serve_play_end(&rig, &scheduler.played);
    assert_int_equal(scheduler.deleted_hosts, 1);
    assert_true(counted("dragonfly_client_delete_task_total{type=\"0\"} 3"));
    assert_true(counted("dragonfly_client_delete_task_failure_total{type=\"0\"} 1"));
}

static struct {
    struct dtr_msg msg;
    sem_t go_on;
} slow_disk;

static void wait_for_word(struct dtr_msg *msg)
{
    (void)msg;
    (void)sem_wait(&slow_disk.go_on);
}

static void note_answer(void *context, const struct dtr_rpc_message *response,
                        const struct dtr_rpc_status *status)
{
    (void)context;
    (void)response;
    answer.done = true;
    answer.code = status->code;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* The daemon stops while the bytes are being removed: nobody is left to tell. */
static void a_deletion_may_end_after_the_schedulers_are_left(void **state)
{
    (void)state;
    Dfdaemon__V2__DeleteTaskRequest request = DFDAEMON__V2__DELETE_TASK_REQUEST__INIT;
    bool left = false;
    begin_scheduler();
    begin();
    struct dtr_task *task = dtr_tasks_find(rig.daemon.tasks, task_id);
    SERVE_UNTIL(&rig, task->state == COPY_CLOSED);
    (void)sem_init(&slow_disk.go_on, 0, 0);
    slow_disk.msg.run = wait_for_word;
    dtr_loop_post(rig.data, &slow_disk.msg);
    request.task_id = task_id;
    answer.done = false;
    assert_int_equal(dtr_rpc_unary(rig.peer, &dtr_rpc_upload_delete_task, &request.base, NULL, note_answer,
                                   NULL, NULL, NULL),
                     DTR_OK);
    SERVE_UNTIL(&rig, task->state == COPY_EVICTING);
    talk_close(rig.daemon.talk, set_flag, &left);
    SERVE_UNTIL(&rig, left);
    (void)sem_post(&slow_disk.go_on);
    SERVE_UNTIL(&rig, answer.done);
    assert_int_equal(answer.code, DTR_RPC_OK);
    assert_string_equal(scheduler.deleted_task, "");
    serve_rig_stop(&rig);
    serve_play_end(&rig, &scheduler.played);
}

static void what_is_in_use_is_refused(void **state)
{
    (void)state;
    Common__V2__Download download = COMMON__V2__DOWNLOAD__INIT;
    begin();
    download.url = (char *)(uintptr_t) "http://o.test/x";
    rig.script.silent_at = RIG_PIECE + RIG_BLOCK;
    serve_download(&rig, rig.peer, &got, &download);
    SERVE_UNTIL(&rig, got.started);
    delete_it(rig.local, &dtr_rpc_download_delete_task);
    assert_int_equal(answer.code, DTR_RPC_UNAVAILABLE);
    assert_non_null(strstr(answer.text, "in use"));
    dtr_rpc_call_cancel(got.call);
    SERVE_UNTIL(&rig, got.closed && dtr_list_empty(&rig.daemon.upload->orders));
    delete_it(rig.local, &dtr_rpc_download_delete_local_task);
    assert_int_equal(answer.code, DTR_RPC_OK);
    expect_counted(DELETE_TASK, 1, 1);
    expect_counted(DELETE_LOCAL_TASK, 1, 0);
    serve_rig_stop(&rig);
}

static void the_local_table_says_what_is_here(void **state)
{
    (void)state;
    Dfdaemon__V2__ListLocalTasksRequest list = DFDAEMON__V2__LIST_LOCAL_TASKS_REQUEST__INIT;
    begin();
    stat_it(rig.local, &dtr_rpc_download_stat_local_task);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Dfdaemon__V2__StatLocalTaskResponse *local =
        dfdaemon__v2__stat_local_task_response__unpack(NULL, answer.length, answer.bytes);
    assert_non_null(local);
    assert_string_equal(local->task_id, task_id);
    assert_int_equal(local->content_length, RIG_SIZE);
    assert_int_equal(local->piece_length, RIG_PIECE);
    assert_int_equal(local->n_response_header, 1);
    assert_string_equal(local->response_header[0]->key, "Content-Type");
    assert_string_equal(local->response_header[0]->value, "text/plain");
    assert_non_null(local->created_at);
    assert_non_null(local->updated_at);
    assert_null(local->finished_at); /* a part is here */
    dfdaemon__v2__stat_local_task_response__free_unpacked(local, NULL);

    serve_ask(&rig, rig.local, &dtr_rpc_download_list_local_tasks, &list.base, &answer);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Dfdaemon__V2__ListLocalTasksResponse *all =
        dfdaemon__v2__list_local_tasks_response__unpack(NULL, answer.length, answer.bytes);
    assert_non_null(all);
    assert_int_equal(all->n_tasks, 1);
    assert_string_equal(all->tasks[0]->task_id, task_id);
    dfdaemon__v2__list_local_tasks_response__free_unpacked(all, NULL);

    task_id[0] = task_id[0] == 'a' ? 'b' : 'a';
    stat_it(rig.peer, &dtr_rpc_upload_stat_local_task);
    assert_int_equal(answer.code, DTR_RPC_NOT_FOUND);
    expect_counted(STAT_LOCAL_TASK, 2, 1);
    expect_counted(LIST_LOCAL_TASKS, 1, 0);
    serve_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(a_stat_is_the_schedulers_word),
        SERVE_TEST(without_a_scheduler_a_stat_says_so),
        SERVE_TEST(a_deletion_is_told_to_the_scheduler),
        SERVE_TEST(what_is_in_use_is_refused),
        SERVE_TEST(the_local_table_says_what_is_here),
        SERVE_TEST(a_deletion_may_end_after_the_schedulers_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
