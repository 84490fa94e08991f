/* The daemon's schedulers come and go while it runs. Schedulers are stubs on loopback that count what they
 * are told and keep AnnouncePeer streams open; the daemon is only what the talk needs of it. */
#include "core/daemon/talk/talk_internal.h"

#include "core/base/str.h"
#include "core/loop/turn_until.h"
#include "proto/scheduler.pb-c.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { STUBS = 2, A = 0, B = 1 };

struct stub {
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr addr;
    int announced, deleted;
    bool machine;                /* the last announcement told of CPU and memory */
    struct dtr_rpc_call *stream; /* open, or NULL */
};

static struct dtr_loop *loop;
static struct stub stubs[STUBS];
static struct dtr_daemon daemon_;
static struct dtr_conf *conf;
static bool closed;

/* --- stubs --------------------------------------------------------------------------------------------- */

static void reply_empty(struct dtr_rpc_call *call)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    dtr_rpc_call_reply(call, &empty.base);
}

static void on_announce_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Common__V2__Host *host = ((const Scheduler__V2__AnnounceHostRequest *)request->message)->host;
    struct stub *stub = service;
    stub->machine = host->cpu && host->cpu->logical_count > 0 && host->memory &&
                    host->memory->total > host->memory->used && host->memory->used > 0;
    stub->announced++;
    reply_empty(call);
}

static void on_delete_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)request;
    ((struct stub *)service)->deleted++;
    reply_empty(call);
}

static void on_stream_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)call;
    (void)status;
    ((struct stub *)context)->stream = NULL;
}

static void on_announce_peer(void *service, struct dtr_rpc_call *call)
{
    static const struct dtr_rpc_events events = {.closed = on_stream_closed};
    ((struct stub *)service)->stream = call;
    dtr_rpc_call_adopt(call, &events, service);
    dtr_rpc_call_headers(call);
}

static void stub_open(struct stub *stub)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce_host},
        {.method = &dtr_rpc_scheduler_delete_host, .request = on_delete_host},
        {.method = &dtr_rpc_scheduler_announce_peer, .open = on_announce_peer},
    };
    *stub = (struct stub){0};
    assert_int_equal(dtr_rpc_table_new(&stub->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(stub->table, handlers, 3, stub, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(loop, NULL, &stub->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &stub->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(stub->server, &stub->addr, stub->table, &stub->addr, NULL),
                     DTR_OK);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

#define UNTIL(condition) TURN_UNTIL(loop, condition)

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* --- begin and end ------------------------------------------------------------------------------------- */

static int begin(void **state)
{
    struct dtr_tasks_options options = {0};
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_loop_new("control", &loop, &err), DTR_OK);
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &conf, &err), DTR_OK);
    for (int i = 0; i < STUBS; i++)
        stub_open(&stubs[i]);
    daemon_ = (struct dtr_daemon){.parts = {.control = loop}, .config = dtr_conf_daemon(conf)};
    (void)dtr_copy_text(daemon_.host_id, sizeof(daemon_.host_id), "127.0.0.1-test");
    options.control = loop;
    assert_int_equal(dtr_tasks_new(&options, &daemon_.tasks, &err), DTR_OK);
    assert_int_equal(talk_new(&daemon_, &daemon_.talk, &err), DTR_OK);
    return 0;
}

static int end(void **state)
{
    bool stopped[STUBS] = {false}, over = false;
    (void)state;
    closed = false;
    talk_close(daemon_.talk, set_flag, &closed);
    UNTIL(closed);
    dtr_tasks_close(daemon_.tasks, set_flag, &over);
    UNTIL(over);
    for (int i = 0; i < STUBS; i++)
        dtr_rpc_server_stop(stubs[i].server, 100, set_flag, &stopped[i]);
    UNTIL(stopped[A] && stopped[B]);
    for (int i = 0; i < STUBS; i++)
        dtr_rpc_table_free(stubs[i].table);
    dtr_conf_free(conf);
    dtr_loop_free(loop);
    return 0;
}

/* "A", "AB", "". */
static void set(const char *names)
{
    struct talk_place list[STUBS + 1];
    size_t count = 0;
    struct dtr_error err;
    for (; *names; names++)
        list[count++] = (struct talk_place){.addr = stubs[*names - 'A'].addr};
    assert_int_equal(talk_schedulers(daemon_.talk, list, count, &err), DTR_OK);
}

static bool chosen_is(int stub, const char *task_id)
{
    const struct scheduler *scheduler = talk_scheduler_for(daemon_.talk, task_id);
    return scheduler && dtr_addr_equal(&scheduler->addr, &stubs[stub].addr);
}

/* A task that the ring gives to `stub` while both are there. */
static const char *task_of(int stub)
{
    static char id[DTR_TASK_ID_LENGTH + 1];
    (void)memset(id, '0', DTR_TASK_ID_LENGTH);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, 6, "%05d", i);
        id[5] = '0';
        if (chosen_is(stub, id))
            return id;
    }
    fail_msg("the ring has no place for one of two schedulers");
    return NULL;
}

static void on_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    (void)context;
    (void)call;
    (void)status;
    talk_call_over(daemon_.talk);
}

/* As talk_peer.c does it. */
static void converse(const char *task_id)
{
    static const struct dtr_rpc_events events = {.closed = on_closed};
    struct dtr_rpc_call *call;
    assert_int_equal(dtr_rpc_call_start(talk_scheduler_for(daemon_.talk, task_id)->channel,
                                        &dtr_rpc_scheduler_announce_peer, NULL, &events, NULL, &call, NULL),
                     DTR_OK);
    daemon_.talk->open_calls++;
}

static void end_stream(struct stub *stub)
{
    dtr_rpc_call_finish(stub->stream, DTR_RPC_OK, NULL);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void without_any_nobody_is_asked(void **state)
{
    (void)state;
    assert_null(talk_scheduler_for(daemon_.talk, "00000"));
    set("A");
    UNTIL(stubs[A].announced == 1);
    assert_non_null(talk_scheduler_for(daemon_.talk, "00000"));
    set("");
    assert_null(talk_scheduler_for(daemon_.talk, "00000"));
    UNTIL(stubs[A].deleted == 1 && dtr_rpc_server_connections(stubs[A].server) == 0);
}

static void a_new_one_hears_of_this_host_and_gets_its_share(void **state)
{
    (void)state;
    set("A");
    UNTIL(stubs[A].announced == 1);
    set("AB");
    UNTIL(stubs[B].announced == 1);
    assert_true(stubs[A].machine && stubs[B].machine);
    (void)task_of(A);
    (void)task_of(B);
    set("BA");
    set("ABA");
    assert_int_equal(stubs[A].announced, 1);
    assert_int_equal(stubs[A].deleted + stubs[B].deleted, 0);
}

static void a_missing_one_is_left(void **state)
{
    (void)state;
    set("AB");
    UNTIL(stubs[A].announced == 1 && stubs[B].announced == 1);
    const char *task = task_of(A);
    set("B");
    assert_true(chosen_is(B, task));
    UNTIL(stubs[A].deleted == 1 && dtr_rpc_server_connections(stubs[A].server) == 0);
    assert_int_equal(stubs[B].deleted, 0);
}

static void but_only_when_its_conversations_have_ended(void **state)
{
    (void)state;
    set("AB");
    UNTIL(stubs[A].announced == 1 && stubs[B].announced == 1);
    converse(task_of(A));
    UNTIL(stubs[A].stream);
    set("B");
    converse(task_of(B)); /* a round trip, in which A could have been left */
    UNTIL(stubs[B].stream);
    assert_true(stubs[A].stream && stubs[A].deleted == 0);
    end_stream(&stubs[A]);
    UNTIL(stubs[A].deleted == 1);
    end_stream(&stubs[B]);
    UNTIL(!stubs[B].stream);
    assert_int_equal(stubs[B].deleted, 0);
}

static void one_that_is_named_again_in_time_stays(void **state)
{
    (void)state;
    set("AB");
    UNTIL(stubs[A].announced == 1 && stubs[B].announced == 1);
    converse(task_of(A));
    UNTIL(stubs[A].stream);
    set("B");
    set("AB");
    end_stream(&stubs[A]);
    UNTIL(!stubs[A].stream);
    converse(task_of(B)); /* a round trip */
    UNTIL(stubs[B].stream);
    (void)task_of(A);
    assert_int_equal(stubs[A].deleted, 0);
    assert_int_equal(stubs[A].announced, 1);
    end_stream(&stubs[B]);
}

static void one_that_is_named_again_too_late_hears_of_this_host_again(void **state)
{
    (void)state;
    set("A");
    UNTIL(stubs[A].announced == 1);
    set("B");
    UNTIL(stubs[A].deleted == 1);
    set("A");
    UNTIL(stubs[A].announced == 2);
    assert_true(chosen_is(A, "00000"));
}

static void one_that_never_answered_is_dropped(void **state)
{
    struct talk_place nobody = {0};
    (void)state;
    assert_int_equal(dtr_addr_ip("127.0.0.1", 1, &nobody.addr, NULL), DTR_OK);
    assert_int_equal(talk_schedulers(daemon_.talk, &nobody, 1, NULL), DTR_OK);
    assert_null(talk_scheduler_for(daemon_.talk, "00000"));
    set("A");
    UNTIL(stubs[A].announced == 1 && daemon_.talk->schedulers.next->next == &daemon_.talk->schedulers);
}

static void the_end_says_farewell_to_all(void **state)
{
    (void)state;
    set("AB");
    UNTIL(stubs[A].announced == 1 && stubs[B].announced == 1);
    converse(task_of(A));
    UNTIL(stubs[A].stream);
    set("B"); /* A is still to be left when the end comes */
    closed = false;
    talk_close(daemon_.talk, set_flag, &closed);
    UNTIL(stubs[A].deleted == 1 && stubs[B].deleted == 1);
    assert_false(closed);
    end_stream(&stubs[A]);
    UNTIL(closed);
    assert_int_equal(talk_new(&daemon_, &daemon_.talk, NULL), DTR_OK); /* for the end of the test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_any_nobody_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(a_new_one_hears_of_this_host_and_gets_its_share, begin, end),
        cmocka_unit_test_setup_teardown(a_missing_one_is_left, begin, end),
        cmocka_unit_test_setup_teardown(but_only_when_its_conversations_have_ended, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_named_again_in_time_stays, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_named_again_too_late_hears_of_this_host_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_that_never_answered_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(the_end_says_farewell_to_all, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
