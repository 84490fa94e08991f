/* What is here is made known to a scheduler that has come anew: a stub on loopback that keeps what it is
 * told. The tasks are only facts: nothing is read or written. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include "core/loop/turn_until.h"
#include "proto/scheduler.pb-c.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { TOLD = 128, MIB = 1 << 20, LIMIT = 64 };

/* What the stub answers to the next register. */
enum answer { METADATA_ONLY, GO_TO_SOURCE, REFUSE_IT, GO_AWAY };

struct told {
    char task_id[DTR_TASK_ID_LENGTH + 1], peer_id[DTR_HOST_ID_SIZE];
    bool metadata_only, started, finished;
    uint64_t length;
};

static struct dtr_loop *loop;
static struct dtr_rpc_table *table;
static struct dtr_rpc_server *server;
static struct dtr_addr addr;
static struct dtr_daemon daemon_;
static struct dtr_conf *conf;
static struct dtr_daemon_config config;
static struct told told[TOLD];
static size_t told_count;
static size_t odd_at; /* the register that gets `odd` as its answer; the others get METADATA_ONLY */
static enum answer odd;

/* --- the scheduler ------------------------------------------------------------------------------------- */

static void on_announce_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    (void)service;
    (void)request;
    dtr_rpc_call_reply(call, &empty.base);
}

static void answer_register(struct dtr_rpc_call *call, enum answer answer)
{
    Scheduler__V2__AnnouncePeerResponse response = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__INIT;
    Scheduler__V2__MetadataOnlyResponse only = SCHEDULER__V2__METADATA_ONLY_RESPONSE__INIT;
    Scheduler__V2__NeedBackToSourceResponse source = SCHEDULER__V2__NEED_BACK_TO_SOURCE_RESPONSE__INIT;
    if (answer == REFUSE_IT || answer == GO_AWAY) {
        dtr_rpc_call_finish(call, answer == REFUSE_IT ? DTR_RPC_FAILED_PRECONDITION : DTR_RPC_UNAVAILABLE,
                            "");
        return;
    }
    if (answer == METADATA_ONLY) {
        response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_METADATA_ONLY_RESPONSE;
        response.metadata_only_response = &only;
    } else {
        response.response_case = SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NEED_BACK_TO_SOURCE_RESPONSE;
        response.need_back_to_source_response = &source;
    }
    (void)dtr_rpc_call_send(call, &response.base, NULL);
}

static void on_request(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_message *message)
{
    const Scheduler__V2__AnnouncePeerRequest *request = (const void *)message->message;
    (void)context;
    switch (request->request_case) {
    case SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_REGISTER_PEER_REQUEST: {
        const Common__V2__Download *download = request->register_peer_request->download;
        struct told *one = &told[told_count++];
        (void)dtr_copy_text(one->task_id, sizeof(one->task_id), request->task_id);
        (void)dtr_copy_text(one->peer_id, sizeof(one->peer_id), request->peer_id);
        one->metadata_only = download->metadata_only;
        one->length = download->actual_content_length;
        answer_register(call, told_count - 1 == odd_at ? odd : METADATA_ONLY);
        break;
    }
    case SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_STARTED_REQUEST:
        told[told_count - 1].started = true;
        break;
    case SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_DOWNLOAD_PEER_FINISHED_REQUEST:
        told[told_count - 1].finished = true;
        dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
        break;
    default:
        told_count = TOLD; /* nothing else is said, and all that follows is wrong */
    }
}

static void on_stream_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)context;
    (void)call;
    (void)status;
}

static void on_announce_peer(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.message = on_request, .closed = on_stream_closed};
    dtr_rpc_call_adopt(call, &events, service);
    dtr_rpc_call_headers(call);
}

/* --- begin and end ------------------------------------------------------------------------------------- */

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static int begin(void **state)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce_host},
        {.method = &dtr_rpc_scheduler_announce_peer, .open = on_announce_peer},
    };
    struct dtr_tasks_options options = {0};
    struct dtr_error err;
    (void)state;
    memset(told, 0, sizeof(told));
    told_count = 0;
    odd_at = SIZE_MAX;
    assert_int_equal(dtr_loop_new("control", &loop, &err), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(table, handlers, 2, NULL, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(loop, NULL, &server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(server, &addr, table, &addr, NULL), DTR_OK);
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &conf, &err), DTR_OK);
    config = *dtr_conf_daemon(conf);
    daemon_ = (struct dtr_daemon){
        .parts = {.control = loop}, .config = &config, .ip = "127.0.0.1", .hostname = "node"};
    (void)dtr_copy_text(daemon_.host_id, sizeof(daemon_.host_id), "127.0.0.1-node");
    options.control = loop;
    options.storage = &rig_storage;
    options.data = &loop;
    options.data_count = 1;
    assert_int_equal(dtr_tasks_new(&options, &daemon_.tasks, &err), DTR_OK);
    assert_int_equal(talk_new(&daemon_, &daemon_.talk, &err), DTR_OK);
    return 0;
}

static int end(void **state)
{
    bool closed = false, over = false, stopped = false;
    (void)state;
    talk_close(daemon_.talk, set_flag, &closed);
    TURN_UNTIL(loop, closed);
    dtr_tasks_close(daemon_.tasks, set_flag, &over);
    TURN_UNTIL(loop, over);
    dtr_rpc_server_stop(server, 100, set_flag, &stopped);
    TURN_UNTIL(loop, stopped);
    dtr_rpc_table_free(table);
    dtr_conf_free(conf);
    dtr_loop_free(loop);
    return 0;
}

/* A task of two pieces that was used at `used_at`; `pieces` of them are here. */
static void store(unsigned number, int64_t used_at, uint32_t pieces, uint64_t length)
{
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_error err;
    (void)snprintf(id, sizeof(id), "%08x%056d", number, 0);
    const struct dtr_task_facts facts = {.task_id = id,
                                         .url = "http://origin/file",
                                         .digest = "",
                                         .headers = "",
                                         .tag = "",
                                         .application = "",
                                         .content_length = length,
                                         .piece_length = length / 2,
                                         .created_at = 1,
                                         .finished_at = 1,
                                         .used_at = used_at};
    const struct dtr_piece list[] = {{.number = 0, .length = length / 2},
                                     {.number = 1, .offset = length / 2, .length = length - length / 2}};
    assert_int_equal(dtr_tasks_known(daemon_.tasks, &facts, list, pieces, true, &err), DTR_OK);
}

static const struct scheduler *met(void)
{
    return talk_scheduler_for(daemon_.talk, "00000");
}

static void meet(void)
{
    const struct talk_place place = {.addr = addr};
    struct dtr_error err;
    assert_int_equal(talk_schedulers(daemon_.talk, &place, 1, &err), DTR_OK);
    TURN_UNTIL(loop, met() && met()->announced);
}

static void meet_and_tell(void)
{
    meet();
    TURN_UNTIL(loop, !met()->again);
}

static unsigned number_of(size_t at)
{
    char digits[9] = "";
    memcpy(digits, told[at].task_id, 8);
    return (unsigned)strtoul(digits, NULL, 16);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void what_is_whole_is_told_the_one_used_last_first(void **state)
{
    (void)state;
    store(1, 100, 2, 10 * MIB);
    store(2, 300, 2, 12 * MIB);
    store(3, 200, 2, 14 * MIB);
    meet_and_tell();
    assert_int_equal(told_count, 3);
    assert_int_equal(number_of(0), 2);
    assert_int_equal(number_of(1), 3);
    assert_int_equal(number_of(2), 1);
    for (size_t i = 0; i < told_count; i++)
        assert_true(told[i].metadata_only && told[i].started && told[i].finished);
    assert_int_equal(told[1].length, 14 * MIB);
}

static void what_is_here_in_part_or_small_is_not(void **state)
{
    (void)state;
    store(1, 100, 1, 10 * MIB);
    store(2, 100, 2, 4 * MIB); /* comes from the origin anyway */
    store(3, 100, 2, 4 * MIB + 2);
    meet_and_tell();
    assert_int_equal(told_count, 1);
    assert_int_equal(number_of(0), 3);
}

static void a_leech_tells_nothing(void **state)
{
    (void)state;
    config.upload.disable_shared = true;
    store(1, 100, 2, 10 * MIB);
    meet();
    assert_null(met()->again);
    assert_int_equal(told_count, 0);
}

static void only_so_many_are_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LIMIT + 10; i++)
        store(i, 1000 + i, 2, 10 * MIB);
    meet_and_tell();
    assert_int_equal(told_count, LIMIT);
    assert_int_equal(number_of(0), LIMIT + 9);
    assert_int_equal(number_of(LIMIT - 1), 10);
}

/* Whatever it says to one of them: nothing is fetched for it, and the next one's turn comes. */
static void another_answer_ends_one_of_them(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        odd_at = 0;
        odd = refused ? REFUSE_IT : GO_TO_SOURCE;
        store(1, 200, 2, 10 * MIB);
        store(2, 100, 2, 10 * MIB);
        meet_and_tell();
        assert_int_equal(told_count, 2);
        assert_false(told[0].started || told[0].finished);
        assert_true(told[1].finished);
        (void)end(NULL);
        (void)begin(NULL);
    }
}

static void who_is_gone_again_is_told_no_more(void **state)
{
    (void)state;
    odd_at = 1;
    odd = GO_AWAY;
    for (unsigned i = 0; i < 4; i++)
        store(i, 100 - (int)i, 2, 10 * MIB);
    meet_and_tell();
    assert_int_equal(told_count, 2);
}

/* So that a scheduler that did not forget after all has one peer of this host more, not one each time. */
static void the_same_peer_is_named_each_time(void **state)
{
    (void)state;
    char peer[2][DTR_HOST_ID_SIZE];
    for (int i = 0; i < 2; i++) {
        store(7, 100, 2, 10 * MIB);
        meet_and_tell();
        assert_int_equal(told_count, 1);
        (void)dtr_copy_text(peer[i], sizeof(peer[i]), told[0].peer_id);
        (void)end(NULL);
        (void)begin(NULL);
    }
    assert_string_equal(peer[0], peer[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_whole_is_told_the_one_used_last_first, begin, end),
        cmocka_unit_test_setup_teardown(what_is_here_in_part_or_small_is_not, begin, end),
        cmocka_unit_test_setup_teardown(a_leech_tells_nothing, begin, end),
        cmocka_unit_test_setup_teardown(only_so_many_are_told, begin, end),
        cmocka_unit_test_setup_teardown(another_answer_ends_one_of_them, begin, end),
        cmocka_unit_test_setup_teardown(who_is_gone_again_is_told_no_more, begin, end),
        cmocka_unit_test_setup_teardown(the_same_peer_is_named_each_time, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
