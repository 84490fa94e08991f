/* What the requests of a stream do to their peer (features page 2.6, wire page 3.1-3.2), also those that
 * come at a wrong moment. */
#include "core/brain/swarm_fixture.h"

/* h1.a at the source, h2.a its child, both started. */
static struct world *open_pair(void)
{
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h2.a", 1);
    say(w, "h2.a", DTR_SWARM_STARTED);
    return w;
}

static void normal_download(void **state)
{
    (void)state;
    struct world *w = open_pair();
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_RUNNING);
    for (uint32_t number = 0; number < 10; number++) {
        piece(w, "h2.a", number, "h1.a", 20);
        expect_nothing(w);
    }
    piece(w, "h2.a", 9, "h1.a", 20); /* told twice, had once */
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h2.a")->pieces_had, 10);
    assert_true(dtr_swarm_find_host(w->swarm, "h1")->observed_rate > 2e8);
    say(w, "h2.a", DTR_SWARM_FINISHED);
    expect_one(w, "h2.a", CLOSE);
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_SUCCEEDED);
    assert_int_equal(dtr_swarm_count(w->swarm).edges, 0);
    hang_up(w, "h2.a"); /* the role may still say so */
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h2.a"));
    close_world(w);
}

static void back_to_source_download(void **state)
{
    (void)state;
    struct world *w = open_pair();
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_BACK_TO_SOURCE);
    piece(w, "h1.a", 0, NULL, 50);
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h1.a")->pieces_had, 1);
    say(w, "h1.a", DTR_SWARM_SOURCE_FINISHED);
    expect_one(w, "h1.a", CLOSE);
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_SUCCEEDED);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(w->swarm, TASK_1);
    assert_int_equal(task->state, DTR_TASK_SUCCEEDED);
    assert_int_equal(task->source_count, 0);
    close_world(w);
}

static void only_the_whole_from_the_source_completes_a_task(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    w->registered.has_range = true;
    w->registered.range_length = 4 * MIB;
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h1.a", DTR_SWARM_SOURCE_FINISHED);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->state, DTR_TASK_RUNNING);
    close_world(w);
}

static void failure_at_the_source_forgets_the_length(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h1.a", DTR_SWARM_SOURCE_PIECE_FAILED);
    expect_nothing(w);
    say(w, "h1.a", DTR_SWARM_SOURCE_FAILED);
    expect_one(w, "h1.a", CLOSE);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(w->swarm, TASK_1);
    assert_int_equal(task->state, DTR_TASK_FAILED);
    assert_true(task->content_length == DTR_LENGTH_UNKNOWN);
    /* The next register brings it anew. */
    w->registered.content_length = 8 * MIB;
    say(w, "h1.b", DTR_SWARM_REGISTER);
    assert_true(dtr_swarm_find_task(w->swarm, TASK_1)->content_length == 8 * MIB);
    close_world(w);
}

static void length_stays_that_of_the_first_register(void **state)
{
    (void)state;
    struct world *w = open_pair();
    w->registered.content_length = 8 * MIB;
    w->registered.url = "http://origin/blob?signed=again";
    say(w, "h2.b", DTR_SWARM_REGISTER);
    const struct dtr_swarm_task *task = dtr_swarm_find_task(w->swarm, TASK_1);
    assert_true(task->content_length == 40 * MIB);
    assert_string_equal(task->url, "http://origin/blob?signed=again");
    close_world(w);
}

static void reschedule_blocks_what_was_given(void **state)
{
    (void)state;
    struct world *w = open_pair();
    const char *const given[] = {"h1.a", "h9.unknown"};
    add_host(w, "h3");
    add_holder(w, "h3.a");
    reschedule(w, "h2.a", given, 2);
    expect_parents(w, "h2.a", 1);
    assert_true(was_given(find_said(w, "h2.a"), "h3.a"));
    say(w, "h2.a", DTR_SWARM_STARTED);
    expect_nothing(w);
    /* The list is for the life of the peer. */
    const char *const second[] = {"h3.a"};
    reschedule(w, "h2.a", second, 1);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    say(w, "h2.a", DTR_SWARM_SOURCE_STARTED);
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_BACK_TO_SOURCE);
    close_world(w);
}

static void a_failed_piece_blocks_its_parent(void **state)
{
    (void)state;
    struct world *w = open_pair();
    piece_failed(w, "h2.a", "h1.a");
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h1.a")->failures, 1);
    reschedule(w, "h2.a", NULL, 0);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    close_world(w);
}

/* The parent died: of its children one goes to the origin, the others get pieces from that one. */
static void orphans_elect_one_of_them(void **state)
{
    (void)state;
    struct world *w = open_pair();
    add_host(w, "h3");
    say(w, "h3.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_STARTED);
    hang_up(w, "h1.a");
    const char *const given[] = {"h1.a"};
    reschedule(w, "h2.a", given, 1);
    expect_one(w, "h2.a", ANSWER_SOURCE);
    reschedule(w, "h3.a", given, 1);
    expect_nothing(w);
    say(w, "h2.a", DTR_SWARM_SOURCE_STARTED);
    expect_parents(w, "h3.a", 1);
    close_world(w);
}

static void reschedule_at_the_source_never_waits(void **state)
{
    (void)state;
    struct world *w = open_pair();
    const char *const given[] = {"h2.a"};
    reschedule(w, "h1.a", given, 1);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_BACK_TO_SOURCE);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->source_count, 1);
    close_world(w);
}

static void register_again_starts_anew(void **state)
{
    (void)state;
    struct world *w = open_pair();
    piece_failed(w, "h2.a", "h1.a");
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_one(w, "h2.a", ANSWER_SOURCE); /* the block list stayed */
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_RECEIVED_NORMAL);
    assert_int_equal(dtr_swarm_count(w->swarm).peers, 2);
    close_world(w);
}

static void register_on_another_stream_ends_the_first(void **state)
{
    (void)state;
    struct world *w = open_pair();
    char host[64];
    struct dtr_swarm_message message = message_of(w, DTR_SWARM_REGISTER, "h2.a", host);
    message.stream = stream_of(w, "second");
    send_message(w, &message);
    expect_reject(w, "h2.a", ABORTED);
    expect_parents(w, "second", 1);
    hang_up(w, "h2.a"); /* the old stream: nothing to the peer */
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h2.a"));
    say(w, "h2.a", DTR_SWARM_FINISHED); /* the old stream has no say any more */
    expect_reject(w, "h2.a", ABORTED);
    close_world(w);
}

static void two_questions_at_once_are_refused(void **state)
{
    (void)state;
    const enum dtr_swarm_message_kind kinds[] = {DTR_SWARM_REGISTER, DTR_SWARM_RESCHEDULE, DTR_SWARM_STARTED,
                                                 DTR_SWARM_SOURCE_STARTED};
    for (size_t i = 0; i < 4; i++) {
        struct world *w = open_world();
        w->registered.disable_back_to_source = true;
        add_host(w, "h1");
        say(w, "h1.a", DTR_SWARM_REGISTER);
        expect_nothing(w);
        say(w, "h1.a", kinds[i]);
        assert_int_equal(w->count, 1);
        expect_reject(w, "h1.a", FAILED_PRECONDITION);
        assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
        close_world(w);
    }
}

static void giving_up_settles_the_question(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->registered.disable_back_to_source = true;
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_FAILED);
    expect_one(w, "h1.a", CLOSE);
    pass_ms(w, 9000);
    expect_nothing(w);
    close_world(w);
}

static void after_the_end_nothing_more(void **state)
{
    (void)state;
    struct world *w = open_pair();
    say(w, "h2.a", DTR_SWARM_FAILED);
    expect_one(w, "h2.a", CLOSE);
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_FAILED);
    for (int kind = DTR_SWARM_STARTED; kind <= DTR_SWARM_SOURCE_PIECE_FAILED; kind++) {
        say(w, "h2.a", (enum dtr_swarm_message_kind)kind);
        expect_reject(w, "h2.a", ABORTED);
    }
    assert_int_equal(state_of(w, "h2.a"), DTR_PEER_FAILED);
    close_world(w);
}

static void unknown_peers_and_stolen_ids(void **state)
{
    (void)state;
    struct world *w = open_pair();
    for (int kind = DTR_SWARM_STARTED; kind <= DTR_SWARM_SOURCE_PIECE_FAILED; kind++) {
        say(w, "h1.nobody", (enum dtr_swarm_message_kind)kind);
        expect_reject(w, "h1.nobody", NOT_FOUND);
    }
    char host[64];
    struct dtr_swarm_message message = message_of(w, DTR_SWARM_REGISTER, "h1.a", host);
    message.stream = stream_of(w, "thief");
    message.host_id = "h2";
    send_message(w, &message);
    expect_reject(w, "thief", ALREADY_EXISTS);
    message.host_id = "h1";
    message.task_id = TASK_2;
    send_message(w, &message);
    expect_reject(w, "thief", ALREADY_EXISTS);
    assert_int_equal(state_of(w, "h1.a"), DTR_PEER_BACK_TO_SOURCE);
    close_world(w);
}

static void malformed_ids_are_refused(void **state)
{
    (void)state;
    struct world *w = open_world();
    char host[64], long_id[DTR_PEER_ID_MAX + 2];
    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = 0;
    add_host(w, "h1");
    const struct dtr_swarm_message good = message_of(w, DTR_SWARM_REGISTER, "h1.a", host);
    const char *const tasks[] = {"", NULL, "short", TASK_1 "1",
                                 "1111111111111111 11111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        struct dtr_swarm_message message = good;
        message.task_id = tasks[i];
        send_message(w, &message);
        expect_reject(w, "h1.a", INVALID_ARGUMENT);
    }
    const char *const peers[] = {"", NULL, long_id};
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        struct dtr_swarm_message message = good;
        message.peer_id = peers[i];
        send_message(w, &message);
        expect_reject(w, "h1.a", INVALID_ARGUMENT);
        message.peer_id = "h1.a";
        message.host_id = peers[i];
        send_message(w, &message);
        expect_reject(w, "h1.a", INVALID_ARGUMENT);
    }
    assert_int_equal(dtr_swarm_count(w->swarm).peers, 0);
    close_world(w);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct world *w = open_world();
    w->config.peer_limit = 1;
    w->config.host_limit = 1;
    dtr_swarm_configure(w->swarm, &w->config);
    add_host(w, "h1");
    struct dtr_swarm_announce second = facts_of("h2", 0);
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &second, NULL), DTR_ELIMIT);
    add_host(w, "h1"); /* announcing again is no new host */
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    say(w, "h1.b", DTR_SWARM_REGISTER);
    expect_reject(w, "h1.b", RESOURCE_EXHAUSTED);
    close_world(w);
}

static void a_lost_stream_is_a_lost_peer(void **state)
{
    (void)state;
    struct world *w = open_pair();
    hang_up(w, "h1.a");
    expect_nothing(w);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    assert_int_equal(dtr_swarm_find_peer(w->swarm, "h2.a")->parent_count, 0);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->offer_count, 0);
    close_world(w);
}

static void a_stream_lost_while_waiting_gets_no_answer(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_host(w, "h2");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    hang_up(w, "h2.a");
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    expect_nothing(w);
    close_world(w);
}

static void removed_peers_lose_their_streams(void **state)
{
    (void)state;
    struct world *w = open_pair();
    assert_int_equal(dtr_swarm_delete_peer(w->swarm, w->now_ms, "h2.a", NULL), DTR_OK);
    drain(w);
    expect_reject(w, "h2.a", NOT_FOUND);
    assert_int_equal(dtr_swarm_delete_peer(w->swarm, w->now_ms, "h2.a", NULL), DTR_ENOT_FOUND);
    assert_int_equal(dtr_swarm_delete_task(w->swarm, w->now_ms, "h1", TASK_2, NULL), DTR_ENOT_FOUND);
    assert_int_equal(dtr_swarm_delete_task(w->swarm, w->now_ms, "h1", TASK_1, NULL), DTR_OK);
    drain(w);
    expect_reject(w, "h1.a", NOT_FOUND);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->state, DTR_TASK_LEAVE);
    close_world(w);
}

/* A stream may break while the role is answering another one. */
static void events_may_come_while_draining(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_action action;
    const char *const hosts[] = {"h1", "h2", "h3"};
    for (size_t i = 0; i < 3; i++)
        add_host(w, hosts[i]);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h3.a", DTR_SWARM_REGISTER);
    char host[64];
    struct dtr_swarm_message message = message_of(w, DTR_SWARM_SOURCE_STARTED, "h1.a", host);
    dtr_swarm_message(w->swarm, w->now_ms, &message);
    assert_true(dtr_swarm_next(w->swarm, &action));
    assert_string_equal(action.peer->id, "h2.a");
    dtr_swarm_stream_closed(w->swarm, w->now_ms, "h1.a", stream_of(w, "h1.a"));
    dtr_swarm_stream_closed(w->swarm, w->now_ms, "h2.a", stream_of(w, "h2.a"));
    drain(w);
    expect_one(w, "h3.a", ANSWER_SOURCE);
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_download),
        cmocka_unit_test(back_to_source_download),
        cmocka_unit_test(only_the_whole_from_the_source_completes_a_task),
        cmocka_unit_test(failure_at_the_source_forgets_the_length),
        cmocka_unit_test(length_stays_that_of_the_first_register),
        cmocka_unit_test(reschedule_blocks_what_was_given),
        cmocka_unit_test(a_failed_piece_blocks_its_parent),
        cmocka_unit_test(orphans_elect_one_of_them),
        cmocka_unit_test(reschedule_at_the_source_never_waits),
        cmocka_unit_test(register_again_starts_anew),
        cmocka_unit_test(register_on_another_stream_ends_the_first),
        cmocka_unit_test(two_questions_at_once_are_refused),
        cmocka_unit_test(giving_up_settles_the_question),
        cmocka_unit_test(after_the_end_nothing_more),
        cmocka_unit_test(unknown_peers_and_stolen_ids),
        cmocka_unit_test(malformed_ids_are_refused),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_lost_stream_is_a_lost_peer),
        cmocka_unit_test(a_stream_lost_while_waiting_gets_no_answer),
        cmocka_unit_test(removed_peers_lose_their_streams),
        cmocka_unit_test(events_may_come_while_draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
