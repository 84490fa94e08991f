/* A scheduler and its manager, which is a stub on loopback: what it is told and asked, what is made of its
 * answers, and what holds while it is away. */
#include "core/scheduler/registration.h"

#include "core/conf/conf.h"
#include "core/loop/turn_until.h"
#include "core/managed/stub.h"
#include "core/rpc/unpack.h"
#include "tests/transcripts/transcript.h"

#include <setjmp.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct dtr_loop *loop;
static struct stub_manager manager;
static struct dtr_conf *conf;
static struct registration *registration;
static char folder[64], files[2][128];
static Manager__V2__Scheduler scheduler;
static Manager__V2__SchedulerCluster cluster;
static char limits[64];
static struct {
    int times, candidates, filter, priority;
    size_t applications;
} taken;

#define UNTIL(condition) TURN_UNTIL(loop, condition)

static void set(const char *key, const char *value)
{
    struct dtr_error err;
    if (dtr_conf_set(conf, key, value, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void set_limits(int candidates, int filter)
{
    (void)snprintf(limits, sizeof(limits), "{\"candidate_parent_limit\":%d,\"filter_parent_limit\":%d}",
                   candidates, filter);
    cluster.config.data = (uint8_t *)limits;
    cluster.config.len = strlen(limits);
}

static void serve(const struct dtr_addr *at)
{
    stub_manager_open(&manager, loop, at);
    manager.scheduler = &scheduler;
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/dtr-registration-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(files[0], sizeof(files[0]), "%s/manager-scheduler", folder);
    (void)snprintf(files[1], sizeof(files[1]), "%s/manager-applications", folder);
    assert_int_equal(dtr_loop_new("control", &loop, NULL), DTR_OK);
    manager__v2__scheduler__init(&scheduler);
    manager__v2__scheduler_cluster__init(&cluster);
    scheduler.scheduler_cluster = &cluster;
    scheduler.scheduler_cluster_id = 2;
    set_limits(5, 25);
    serve(NULL);
    memset(&taken, 0, sizeof(taken));
    assert_int_equal(dtr_conf_defaults(DTR_ROLE_SCHEDULER, &conf, NULL), DTR_OK);
    set("server.cacheDir", folder);
    set("server.host", "sched");
    set("server.advertiseIP", "10.1.2.3");
    set("manager.addr", manager.text);
    set("manager.schedulerClusterID", "2");
    set("manager.keepAlive.interval", "20ms");
    set("dynConfig.refreshInterval", "10m");
    return 0;
}

static void on_taken(void *context, const struct dtr_dynconfig *dynconfig)
{
    (void)context;
    taken.times++;
    taken.candidates = (int)dynconfig->candidate_parent_limit;
    taken.filter = (int)dynconfig->filter_parent_limit;
    taken.applications = dynconfig->applications.count;
    taken.priority = taken.applications ? (int)dynconfig->applications.items[0].priority : 0;
}

static void start_with(bool preheats)
{
    const struct registration_options options = {.loop = loop,
                                                 .config = dtr_conf_scheduler(conf),
                                                 .port = 8002,
                                                 .preheats = preheats,
                                                 .candidate_parent_limit = 4,
                                                 .filter_parent_limit = 40,
                                                 .taken = on_taken};
    struct dtr_error err;
    if (registration_open(&options, &registration, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void start(void)
{
    start_with(false);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void stop(void)
{
    bool closed = false;
    registration_close(registration, set_flag, &closed);
    registration = NULL;
    UNTIL(closed);
}

static int end(void **state)
{
    (void)state;
    stop();
    stub_manager_close(&manager);
    dtr_conf_free(conf);
    stub_manager_tidy(loop, folder);
    dtr_loop_free(loop);
    return 0;
}

static bool is_kept(void)
{
    return access(files[0], R_OK) == 0 && access(files[1], R_OK) == 0;
}

/* The interval as a reload would change it. */
static void refresh_often(void)
{
    set("dynConfig.refreshInterval", "100ms");
    registration_interval(registration);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void the_manager_hears_who_it_is_and_that_it_lives(void **state)
{
    (void)state;
    set("host.idc", "here");
    set("host.location", "a|b");
    set("manager.keepAlive.interval", "50ms");
    start();
    UNTIL(manager.updated == 1);
    assert_string_equal(
        manager.request,
        "0 sched 2 here a|b 10.1.2.3 8002 schedule/1 {\"manager_keep_alive_interval\":50000000}");
    UNTIL(manager.alive >= 3);
    assert_int_equal(manager.streams, 1);
    stop();
    UNTIL(!manager.stream); /* and that it goes */
}

static void preheats_are_announced_where_they_are_possible(void **state)
{
    (void)state;
    start_with(true);
    UNTIL(manager.updated == 1);
    assert_non_null(strstr(manager.request, " schedule/2 "));
    stop();
}

static void another_port_may_be_told(void **state)
{
    (void)state;
    set("server.advertisePort", "9002");
    start();
    UNTIL(manager.updated == 1);
    assert_non_null(strstr(manager.request, " 10.1.2.3 9002 "));
}

static void limits_and_applications_are_taken_over(void **state)
{
    static char name[] = "builds";
    Manager__V2__ApplicationPriority priority = MANAGER__V2__APPLICATION_PRIORITY__INIT;
    Manager__V2__Application application = MANAGER__V2__APPLICATION__INIT, *list[] = {&application};
    Manager__V2__ListApplicationsResponse applications = MANAGER__V2__LIST_APPLICATIONS_RESPONSE__INIT;
    (void)state;
    start();
    UNTIL(taken.times == 1); /* no application is found */
    assert_int_equal(taken.candidates, 5);
    assert_int_equal(taken.filter, 25);
    assert_int_equal(taken.applications, 0);
    priority.value = 6;
    application.name = name;
    application.priority = &priority;
    applications.applications = list;
    applications.n_applications = 1;
    manager.applications = &applications;
    set_limits(7, 27);
    refresh_often();
    UNTIL(taken.candidates == 7);
    assert_int_equal(taken.filter, 27);
    assert_int_equal(taken.applications, 1);
    assert_int_equal(taken.priority, 6);
    assert_int_equal(manager.updated, 1); /* it is known already */
    manager.applications = NULL;
    UNTIL(taken.applications == 0);
}

/* The manager ends the stream, of which it has had so many. */
static void end_stream(int number, enum dtr_rpc_code code, const char *why)
{
    UNTIL(manager.streams == number && manager.stream && manager.alive >= number);
    dtr_rpc_call_finish(manager.stream, code, why);
    UNTIL(!manager.stream);
}

/* But not told what it has already: a user may have changed it. */
static void a_stream_that_ends_is_begun_anew(void **state)
{
    (void)state;
    start();
    end_stream(1, DTR_RPC_OK, NULL);
    refresh_often(); /* so that nobody waits for pauses */
    end_stream(2, DTR_RPC_INTERNAL, "the database is locked");
    UNTIL(manager.stream && manager.streams == 3 && manager.alive >= 5);
    assert_int_equal(manager.updated, 1);
}

static void a_manager_that_comes_back_finds_it_alive(void **state)
{
    struct dtr_addr at = manager.addr;
    (void)state;
    start();
    UNTIL(manager.alive >= 1 && taken.times == 1);
    stub_manager_close(&manager);
    serve(&at);
    UNTIL(manager.alive >= 1 && taken.times == 2);
    assert_int_equal(manager.updated, 0);
}

static void a_manager_that_has_forgotten_it_is_told_again(void **state)
{
    (void)state;
    refresh_often();
    start();
    end_stream(1, DTR_RPC_NOT_FOUND, "sched is not registered in cluster 2");
    UNTIL(manager.updated == 2);
    end_stream(2, DTR_RPC_INTERNAL, "record not found"); /* Dragonfly's */
    UNTIL(manager.updated == 3);
    UNTIL(manager.stream && manager.streams == 3 && manager.alive >= 5);
    assert_int_equal(manager.updated, 3);
}

static void a_manager_that_refuses_every_stream_is_told_again(void **state)
{
    (void)state;
    refresh_often();
    start();
    for (int i = 1; i <= 4; i++) {
        assert_true(manager.updated <= 1);
        end_stream(i, DTR_RPC_FAILED_PRECONDITION, "who are you?");
    }
    UNTIL(manager.updated == 2);
}

static void without_manager_the_last_answer_counts(void **state)
{
    struct dtr_addr at = manager.addr;
    (void)state;
    start();
    TURN_UNTIL_BY(loop, false, taken.times == 1 && is_kept());
    stop();
    stub_manager_close(&manager);
    memset(&taken, 0, sizeof(taken));
    start();
    assert_int_equal(taken.times, 1); /* before the loop runs */
    assert_int_equal(taken.candidates, 5);
    stop();
    set("manager.schedulerClusterID", "3"); /* of which it said nothing */
    start();
    assert_int_equal(taken.times, 1);
    set_limits(6, 26);
    serve(&at);
    UNTIL(taken.times == 2);
    assert_int_equal(taken.candidates, 6);
}

static void a_damaged_last_answer_is_no_reason_not_to_start(void **state)
{
    (void)state;
    FILE *file = fopen(files[0], "w");
    assert_true(file && fputs("nonsense", file) >= 0 && fclose(file) == 0);
    start();
    assert_int_equal(taken.times, 0);
    UNTIL(taken.times == 1);
    TURN_UNTIL_BY(loop, false, is_kept());
}

static void a_refusal_changes_nothing(void **state)
{
    (void)state;
    start();
    UNTIL(taken.times == 1);
    manager.scheduler = NULL;
    refresh_often();
    UNTIL(manager.got >= 3);
    assert_int_equal(taken.times, 1);
    cluster.config.data = (uint8_t *)(uintptr_t) "nonsense";
    cluster.config.len = 8;
    manager.scheduler = &scheduler;
    int applied = manager.applied;
    UNTIL(manager.applied >= applied + 2);
    assert_int_equal(taken.times, 1);
}

static void it_may_end_while_it_waits(void **state)
{
    (void)state;
    manager.mute = true;
    start();
    UNTIL(manager.updated == 1);
}

/* What Dragonfly's manager said to Dragonfly's scheduler does for this one. */
static void recorded_answers_are_taken_over(void **state)
{
    struct transcript transcript;
    struct dtr_rpc_arena arena = {0};
    (void)state;
    transcript_need(&transcript, "managed-manager");
    for (size_t i = 0; i < transcript.event_count; i++) {
        const struct transcript_event *event = &transcript.events[i];
        const ProtobufCMessage *message;
        char path[100] = "";
        (void)transcript_header(&transcript, event->connection, event->stream, true, ":path", path,
                                sizeof(path));
        if (event->kind != TRANSCRIPT_MESSAGE || event->from_client ||
            strcmp(path, dtr_rpc_manager_get_scheduler.path) != 0)
            continue;
        assert_int_equal(dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_get_scheduler.output, event->bytes,
                                        event->length, &message, NULL),
                         DTR_OK);
        manager.scheduler = (const void *)message;
        break;
    }
    assert_ptr_not_equal(manager.scheduler, &scheduler);
    start();
    UNTIL(taken.times == 1);
    assert_int_equal(taken.candidates, 3);
    assert_int_equal(taken.filter, 15);
    stop();
    dtr_rpc_arena_free(&arena);
    transcript_free(&transcript);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_manager_hears_who_it_is_and_that_it_lives),
        TEST(preheats_are_announced_where_they_are_possible),
        TEST(another_port_may_be_told),
        TEST(limits_and_applications_are_taken_over),
        TEST(a_stream_that_ends_is_begun_anew),
        TEST(a_manager_that_comes_back_finds_it_alive),
        TEST(a_manager_that_has_forgotten_it_is_told_again),
        TEST(a_manager_that_refuses_every_stream_is_told_again),
        TEST(without_manager_the_last_answer_counts),
        TEST(a_damaged_last_answer_is_no_reason_not_to_start),
        TEST(a_refusal_changes_nothing),
        TEST(it_may_end_while_it_waits),
        TEST(recorded_answers_are_taken_over),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
