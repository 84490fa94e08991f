/* The daemon's schedulers under a manager: the manager and the schedulers of two clusters are stubs on
 * loopback; the daemon is only what the talk needs of it. */
#include "core/daemon/managed/managed.h"

#include "core/base/str.h"
#include "core/daemon/blocklist.h"
#include "core/daemon/managed/clusters.h"
#include "core/daemon/talk/talk_internal.h"
#include "core/loop/turn_until.h"
#include "core/managed/stub.h"
#include "proto/scheduler.pb-c.h"

#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { A, B, STUBS };

/* The scheduler of cluster 1 or 2. */
struct stub {
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_rpc_health *health;
    struct dtr_addr addr;
    int announced, deleted;
    uint64_t cluster; /* as announced last */
};

static struct dtr_loop *loop;
static struct stub stubs[STUBS];
static char ips[STUBS][DTR_ADDR_TEXT];
static struct stub_manager manager;
static struct dtr_daemon daemon_;
static struct dtr_conf *conf;
static char folder[64], file[128];
static Manager__V2__SchedulerCluster clusters[STUBS];
static Manager__V2__Scheduler rows[STUBS], *list[STUBS];
static Manager__V2__ListSchedulersResponse answer;

#define UNTIL(condition) TURN_UNTIL(loop, condition)

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* --- stubs --------------------------------------------------------------------------------------------- */

static void reply_empty(struct dtr_rpc_call *call)
{
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    dtr_rpc_call_reply(call, &empty.base);
}

static void on_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct stub *stub = service;
    stub->announced++;
    stub->cluster =
        ((const Scheduler__V2__AnnounceHostRequest *)request->message)->host->scheduler_cluster_id;
    reply_empty(call);
}

static void on_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    (void)request;
    ((struct stub *)service)->deleted++;
    reply_empty(call);
}

/* At a free port, or where it was. */
static void stub_open(struct stub *stub, const struct dtr_addr *at)
{
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_scheduler_announce_host, .request = on_announce},
        {.method = &dtr_rpc_scheduler_delete_host, .request = on_delete},
    };
    struct dtr_addr place;
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &place, NULL), DTR_OK);
    *stub = (struct stub){0};
    assert_int_equal(dtr_rpc_table_new(&stub->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(stub->table, handlers, 2, stub, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_new(&stub->health, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_serve(stub->health, stub->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_health_set(stub->health, "", true, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(loop, NULL, &stub->server, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(stub->server, at ? at : &place, stub->table, &stub->addr, NULL),
                     DTR_OK);
}

static void stub_close(struct stub *stub)
{
    bool stopped = false;
    dtr_rpc_server_stop(stub->server, 0, set_flag, &stopped);
    UNTIL(stopped);
    dtr_rpc_table_free(stub->table);
    dtr_rpc_health_free(stub->health);
}

/* Cluster 1 with A, then cluster 2 with B. */
static void make_answer(void)
{
    static char names[STUBS][8] = {"one", "two"};
    manager__v2__list_schedulers_response__init(&answer);
    for (int i = 0; i < STUBS; i++) {
        manager__v2__scheduler_cluster__init(&clusters[i]);
        manager__v2__scheduler__init(&rows[i]);
        dtr_addr_ip_text(&stubs[i].addr, ips[i]);
        clusters[i].id = rows[i].scheduler_cluster_id = (uint64_t)i + 1;
        clusters[i].name = names[i];
        rows[i].scheduler_cluster = &clusters[i];
        rows[i].ip = ips[i];
        rows[i].port = dtr_addr_port(&stubs[i].addr);
        list[i] = &rows[i];
    }
    answer.n_schedulers = STUBS;
    answer.schedulers = list;
    manager.schedulers = &answer;
}

/* --- begin and end ------------------------------------------------------------------------------------- */

static void set(const char *key, const char *value)
{
    struct dtr_error err;
    if (dtr_conf_set(conf, key, value, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static int begin(void **state)
{
    struct dtr_tasks_options options = {0};
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/dtr-managed-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof(file), "%s/manager-schedulers", folder);
    assert_int_equal(dtr_loop_new("control", &loop, NULL), DTR_OK);
    for (int i = 0; i < STUBS; i++)
        stub_open(&stubs[i], NULL);
    stub_manager_open(&manager, loop, NULL);
    make_answer();
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_DAEMON, &conf, NULL), DTR_OK);
    set("server.cacheDir", folder);
    set("manager.addr", manager.text);
    set("dynconfig.refreshInterval", "10m");
    set("download.stallTimeout", "100ms");
    daemon_ = (struct dtr_daemon){.parts = {.control = loop}, .config = dtr_conf_daemon(conf)};
    (void)dtr_copy_text(daemon_.host_id, sizeof(daemon_.host_id), "127.0.0.1-test");
    (void)dtr_copy_text(daemon_.hostname, sizeof(daemon_.hostname), "test");
    (void)dtr_copy_text(daemon_.ip, sizeof(daemon_.ip), "127.0.0.1");
    options.control = loop;
    assert_int_equal(dtr_tasks_new(&options, &daemon_.tasks, NULL), DTR_OK);
    return 0;
}

static void start(void)
{
    struct dtr_error err;
    assert_int_equal(talk_new(&daemon_, &daemon_.talk, &err), DTR_OK);
    if (managed_new(&daemon_, &daemon_.managed, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void stop(void)
{
    bool managed_over = false, talk_over = false;
    struct managed *managed = daemon_.managed;
    daemon_.managed = NULL;
    managed_close(managed, set_flag, &managed_over);
    UNTIL(managed_over);
    talk_close(daemon_.talk, set_flag, &talk_over);
    UNTIL(talk_over);
}

static int end(void **state)
{
    bool over = false;
    (void)state;
    if (daemon_.talk)
        stop();
    dtr_tasks_close(daemon_.tasks, set_flag, &over);
    UNTIL(over);
    for (int i = 0; i < STUBS; i++)
        stub_close(&stubs[i]);
    stub_manager_close(&manager);
    blocklist_free(daemon_.blocklist);
    dtr_conf_free(conf);
    stub_manager_tidy(loop, folder);
    dtr_loop_free(loop);
    return 0;
}

/* As a reload, or the interval, does it. */
static void look(void)
{
    managed_changed(daemon_.managed);
}

/* The scheduler that a task goes to. */
static bool asks(int stub)
{
    const struct scheduler *scheduler = talk_scheduler_for(daemon_.talk, "00000");
    return scheduler && dtr_addr_equal(&scheduler->addr, &stubs[stub].addr);
}

static bool is_kept(void)
{
    return access(file, R_OK) == 0;
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void the_manager_hears_who_asks(void **state)
{
    (void)state;
    set("host.idc", "here");
    set("host.location", "a|b");
    start();
    UNTIL(manager.listed == 1);
    assert_string_equal(manager.request, "1 test 127.0.0.1 here a|b version commit 0");
    set("seedPeer.enable", "true");
    set("seedPeer.clusterID", "2");
    look();
    UNTIL(manager.listed == 2);
    assert_string_equal(manager.request, "2 test 127.0.0.1 here a|b version commit 2");
    UNTIL(stubs[B].announced == 1 && stubs[B].cluster == 2); /* what else the answer names is not used */
    set("host.schedulerClusterID", "1");
    look();
    UNTIL(manager.listed == 3);
    assert_string_equal(manager.request, "2 test 127.0.0.1 here a|b version commit 1");
    UNTIL(asks(A));
}

static void the_first_cluster_that_serves_is_used_and_no_other(void **state)
{
    (void)state;
    start();
    UNTIL(stubs[A].announced == 1);
    UNTIL(asks(A));
    look();
    UNTIL(manager.listed == 2);
    assert_int_equal(stubs[B].announced, 0);
}

static void a_better_cluster_is_left_and_returned_to(void **state)
{
    (void)state;
    assert_int_equal(dtr_rpc_health_set(stubs[A].health, "", false, NULL), DTR_OK);
    start();
    UNTIL(asks(B) && stubs[B].announced == 1);
    assert_int_equal(stubs[A].announced, 0);
    assert_int_equal(dtr_rpc_health_set(stubs[A].health, "", true, NULL), DTR_OK);
    look();
    UNTIL(asks(A) && stubs[A].announced == 1 && stubs[B].deleted == 1);
}

static void when_its_scheduler_is_lost_the_next_cluster_is_used(void **state)
{
    struct dtr_addr at = stubs[A].addr;
    (void)state;
    start();
    UNTIL(asks(A) && stubs[A].announced == 1);
    stub_close(&stubs[A]);
    UNTIL(asks(B) && stubs[B].announced == 1);
    stub_open(&stubs[A], &at);
    look();
    UNTIL(asks(A) && stubs[B].deleted == 1);
}

/* No interval has to pass: it is looked at soon again. */
static void when_nobody_serves_the_first_is_waited_for(void **state)
{
    struct dtr_addr at[STUBS] = {stubs[A].addr, stubs[B].addr};
    (void)state;
    stub_close(&stubs[A]);
    stub_close(&stubs[B]);
    start();
    UNTIL(manager.listed == 1);
    stub_open(&stubs[A], &at[A]);
    UNTIL(asks(A) && stubs[A].announced == 1);
    stub_open(&stubs[B], &at[B]);
}

static void without_manager_the_last_answer_counts(void **state)
{
    struct dtr_addr at = manager.addr;
    (void)state;
    start();
    TURN_UNTIL_BY(loop, false, asks(A) && is_kept());
    stop();
    stub_manager_close(&manager);
    start();
    UNTIL(stubs[A].announced == 2 && asks(A));
    struct dtr_addr place = stubs[A].addr;
    stub_close(&stubs[A]); /* clusters are changed as always */
    UNTIL(asks(B));
    stub_open(&stubs[A], &place);
    stub_manager_open(&manager, loop, &at);
    manager.schedulers = &answer;
    look();
    UNTIL(manager.listed == 1 && asks(A));
}

static void without_any_answer_it_waits_for_the_manager(void **state)
{
    struct dtr_addr at = manager.addr;
    (void)state;
    stub_manager_close(&manager);
    start();
    look();
    dtr_loop_turn(loop, true);
    assert_null(talk_scheduler_for(daemon_.talk, "00000"));
    stub_manager_open(&manager, loop, &at);
    manager.schedulers = &answer;
    UNTIL(asks(A));
}

/* As for a scheduler that is named but does not answer yet: for a stall time. */
static void pulls_wait_for_the_first_answer(void **state)
{
    (void)state;
    manager.mute = true;
    start();
    assert_true(daemon_.talk->expecting);
    UNTIL(manager.listed == 1 && !daemon_.talk->expecting);
    manager.mute = false;
    stop();
    set("download.stallTimeout", "1h");
    start();
    assert_true(daemon_.talk->expecting);
    TURN_UNTIL_BY(loop, false, asks(A) && is_kept());
    assert_false(daemon_.talk->expecting);
    stop();
    start();
    assert_false(daemon_.talk->expecting); /* the last answer counts at once */
}

/* A manager that has just been started itself hears of its schedulers in the next moments. */
static void an_answer_without_schedulers_is_not_the_last_word(void **state)
{
    Manager__V2__ListSchedulersResponse nothing = MANAGER__V2__LIST_SCHEDULERS_RESPONSE__INIT;
    (void)state;
    set("download.stallTimeout", "1h");
    manager.schedulers = &nothing;
    start();
    UNTIL(manager.listed == 1);
    manager.schedulers = NULL; /* NOT_FOUND */
    look();
    UNTIL(manager.listed == 2);
    assert_true(daemon_.talk->expecting);
    manager.schedulers = &answer;
    look();
    UNTIL(asks(A) && !daemon_.talk->expecting);
}

/* An answer of no use changes nothing, neither now nor at the next start. */
static void a_bad_answer_changes_nothing(void **state)
{
    (void)state;
    start();
    TURN_UNTIL_BY(loop, false, asks(A) && is_kept());
    Manager__V2__ListSchedulersResponse nothing = MANAGER__V2__LIST_SCHEDULERS_RESPONSE__INIT;
    manager.schedulers = &nothing;
    look();
    UNTIL(manager.listed == 2);
    manager.schedulers = NULL; /* NOT_FOUND */
    look();
    UNTIL(manager.listed == 3);
    assert_true(asks(A));
    stop();
    start();
    UNTIL(manager.listed == 4 && asks(A));
    assert_int_equal(stubs[B].announced, 0);
}

static void a_damaged_last_answer_is_no_reason_not_to_start(void **state)
{
    (void)state;
    FILE *made = fopen(file, "w");
    assert_true(made && fputs("nonsense", made) >= 0 && fclose(made) == 0);
    start();
    UNTIL(asks(A));
}

static bool is_refused(char *tag)
{
    const struct dtr_read_request request = {.url = "http://h/", .tag = tag};
    return blocklist_check(daemon_.blocklist, &request, NULL) == DTR_EDENIED;
}

static void set_blocked(int cluster, const char *json)
{
    clusters[cluster].client_config = (ProtobufCBinaryData){strlen(json), (uint8_t *)(uintptr_t)json};
}

/* That of the cluster in use counts, over a restart too; a bad one changes nothing. */
static void the_block_list_is_that_of_the_cluster(void **state)
{
    static char one[] = "one", two[] = "two";
    (void)state;
    set_blocked(A, "{\"block_list\":{\"task\":{\"download\":{\"tags\":[\"one\"]}}}}");
    set_blocked(B, "{\"block_list\":{\"task\":{\"download\":{\"tags\":[\"two\",\"one\"]}}}}");
    start();
    TURN_UNTIL_BY(loop, false, is_refused(one) && is_kept());
    assert_false(is_refused(two));
    stop();
    blocklist_free(daemon_.blocklist);
    daemon_.blocklist = NULL;
    start();
    assert_true(is_refused(one)); /* at once */
    set_blocked(A, "nonsense");
    look();
    UNTIL(manager.listed == 2);
    look();
    UNTIL(manager.listed == 3);
    assert_true(is_refused(one));
    assert_int_equal(dtr_rpc_health_set(stubs[A].health, "", false, NULL), DTR_OK);
    look();
    UNTIL(is_refused(two));
    set_blocked(B, "{}");
    look();
    UNTIL(!is_refused(one));
}

/* What was said to another configuration: of the cluster that counts now there is nothing. */
static void a_last_answer_of_another_cluster_does_not_count(void **state)
{
    (void)state;
    start();
    TURN_UNTIL_BY(loop, false, asks(A) && is_kept());
    stop();
    stub_manager_close(&manager);
    set("host.schedulerClusterID", "2");
    start();
    UNTIL(asks(B));
    stop();
    set("host.schedulerClusterID", "3");
    start();
    look();
    dtr_loop_turn(loop, true);
    assert_null(talk_scheduler_for(daemon_.talk, "00000"));
    assert_int_equal(daemon_.talk->chosen_count, 0);
}

/* In the cluster that is used, or that it is bound to, for as long as it runs. */
static void a_seed_peer_makes_itself_known(void **state)
{
    static const Manager__V2__SeedPeer known = MANAGER__V2__SEED_PEER__INIT;
    (void)state;
    set("seedPeer.enable", "true");
    set("seedPeer.keepaliveInterval", "100ms");
    set("host.idc", "here");
    daemon_.ports.peers = 4000;
    manager.seed = &known;
    start();
    UNTIL(manager.alive >= 3);
    assert_string_equal(manager.seed_request, "2 test 127.0.0.1 super here - 4000 4000 1");
    assert_string_equal(manager.beat, "2 test 127.0.0.1 1");
    assert_int_equal(manager.seeded, 1);
    assert_int_equal(manager.streams, 1);
    /* It goes with the cluster that is used. */
    assert_int_equal(dtr_rpc_health_set(stubs[A].health, "", false, NULL), DTR_OK);
    look();
    UNTIL(manager.streams == 2 && strcmp(manager.beat, "2 test 127.0.0.1 2") == 0);
    assert_string_equal(manager.seed_request, "2 test 127.0.0.1 super here - 4000 4000 2");
    /* A manager that forgets it is told again. */
    dtr_rpc_call_finish(manager.stream, DTR_RPC_NOT_FOUND, "it is not registered");
    UNTIL(manager.seeded == 3 && manager.streams == 3);
    stop();
    UNTIL(!manager.stream);
    set("seedPeer.clusterID", "1");
    assert_int_equal(dtr_rpc_health_set(stubs[A].health, "", true, NULL), DTR_OK);
    start();
    UNTIL(manager.streams == 4);
    assert_string_equal(manager.seed_request, "2 test 127.0.0.1 super here - 4000 4000 1");
}

/* Without a cluster for it, or where the manager does not know the question, pulls go on as always. */
static void a_seed_peer_that_is_refused_serves_all_the_same(void **state)
{
    (void)state;
    set("seedPeer.enable", "true");
    start();
    UNTIL(manager.seeded == 1 && asks(A));
    look();
    UNTIL(manager.seeded == 2);
    assert_int_equal(manager.streams, 0);
}

/* end() comes while the manager, or a scheduler, has not answered. */
static void it_may_end_while_it_waits(void **state)
{
    (void)state;
    manager.mute = true;
    start();
    UNTIL(manager.listed == 1);
    stop();
    manager.mute = false;
    start();
    UNTIL(manager.listed == 2);
    dtr_loop_turn(loop, true);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_manager_hears_who_asks),
        TEST(the_first_cluster_that_serves_is_used_and_no_other),
        TEST(a_better_cluster_is_left_and_returned_to),
        TEST(when_its_scheduler_is_lost_the_next_cluster_is_used),
        TEST(when_nobody_serves_the_first_is_waited_for),
        TEST(without_manager_the_last_answer_counts),
        TEST(without_any_answer_it_waits_for_the_manager),
        TEST(pulls_wait_for_the_first_answer),
        TEST(an_answer_without_schedulers_is_not_the_last_word),
        TEST(a_bad_answer_changes_nothing),
        TEST(a_damaged_last_answer_is_no_reason_not_to_start),
        TEST(a_last_answer_of_another_cluster_does_not_count),
        TEST(the_block_list_is_that_of_the_cluster),
        TEST(a_seed_peer_makes_itself_known),
        TEST(a_seed_peer_that_is_refused_serves_all_the_same),
        TEST(it_may_end_while_it_waits),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
