/* Tasks, readers and pulls with real transfers on a data thread, a made-up origin and parents, and a
 * scheduler that is a list of prepared answers. */
#include "core/daemon/tasks/check.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char task_id[] = "5844f27a257287e9b734256bb25603d8005422ced8c0377f15063ec11963b25f";
static struct dtr_loop *control, *data;
static struct dtr_pool *pool;
static char digest[80]; /* that the readers name; "" for none */
static struct dtr_tasks *tasks;
static struct rig_script script;
static bool ask_length;
static int lying;

/* --- the world outside
 * ---------------------------------------------------------------------------------------- */

/* What the scheduler says: nothing of it known, go to the source; or a parent that has everything. */
static enum { SAYS_SOURCE, SAYS_PARENT, SAYS_NOTHING } scheduler_says; /* nothing: it is gone */
static struct dtr_str said; /* the kinds of what the pull told the scheduler */

struct later {
    struct dtr_msg msg;
    struct dtr_task *task;
    enum dtr_plan_kind kind;
    uint32_t parent;
};

/* Answers come in a message of their own, as from a socket. */
static void answer_later(struct dtr_msg *msg)
{
    struct later *later = dtr_container(msg, struct later, msg);
    struct dtr_planner *planner = dtr_task_planner(later->task);
    const struct dtr_plan_parent parent = {
        .peer_id = "p1", .host_id = "h1", .address = "10.0.0.1", .port = 4000};
    const struct dtr_plan_stat stat = {.known = scheduler_says == SAYS_PARENT,
                                       .available = scheduler_says == SAYS_PARENT,
                                       .content_length =
                                           scheduler_says == SAYS_PARENT ? RIG_SIZE : DTR_LENGTH_UNKNOWN};
    struct dtr_plan_answer answer = {.kind = DTR_PLAN_ANSWER_BACK_TO_SOURCE,
                                     .content_length = DTR_LENGTH_UNKNOWN};
    struct dtr_addr addr;
    if (scheduler_says == SAYS_PARENT)
        answer = (struct dtr_plan_answer){.kind = DTR_PLAN_ANSWER_NORMAL,
                                          .parents = &parent,
                                          .parent_count = 1,
                                          .content_length = RIG_SIZE};
    if (planner && later->kind == DTR_PLAN_STAT_TASK)
        dtr_planner_stat(planner, dtr_now_ms(), &stat);
    bool asks = later->kind == DTR_PLAN_REGISTER || later->kind == DTR_PLAN_RESCHEDULE;
    if (planner && asks && scheduler_says == SAYS_NOTHING)
        dtr_planner_scheduler_lost(planner, dtr_now_ms(), NULL);
    else if (planner && asks)
        dtr_planner_answer(planner, dtr_now_ms(), &answer);
    if (planner && later->kind == DTR_PLAN_PARENT_OPEN) {
        assert_int_equal(dtr_addr_ip("10.0.0.1", 4005, &addr, NULL), DTR_OK);
        assert_int_equal(dtr_task_parent_at(later->task, later->parent, &addr, NULL), DTR_OK);
        dtr_planner_piece_seen(planner, dtr_now_ms(), later->parent, 0);
        dtr_planner_piece_seen(planner, dtr_now_ms(), later->parent, 1);
    }
    dtr_task_act(later->task);
    free(later);
}

static void hear(void *context, struct dtr_task *task, const struct dtr_plan_action *action)
{
    struct later *later = calloc(1, sizeof(*later));
    (void)context;
    if (action->kind != DTR_PLAN_PARENT_OPEN && action->kind != DTR_PLAN_PARENT_CLOSE)
        dtr_str_printf(&said, " %s", dtr_plan_kind_text(action->kind));
    *later =
        (struct later){.msg.run = answer_later, .task = task, .kind = action->kind, .parent = action->parent};
    dtr_loop_post(control, &later->msg);
}

/* --- readers
 * --------------------------------------------------------------------------------------------------- */

struct seen {
    uint64_t length, until;
    bool head, ended;
    struct dtr_error result;
    struct dtr_reader *reader;
};

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    struct seen *seen = context;
    seen->head = true;
    seen->length = content_length;
    assert_non_null(headers);
}

static void on_readable(void *context, uint64_t until)
{
    struct seen *seen = context;
    assert_true(seen->head);
    assert_true(until > seen->until);
    seen->until = until;
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct seen *seen = context;
    assert_false(seen->ended);
    seen->ended = true;
    seen->result = *err;
}

static const struct dtr_reader_events events = {on_head, on_readable, on_ended};

static void too_late(void *context)
{
    (void)context;
    fprintf(stderr, "the awaited event did not come within 20 s\n");
    abort();
}

static void turn_until(const bool *flag)
{
    struct dtr_timer *late = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_timer_open(control, too_late, NULL, &late, &err), DTR_OK);
    dtr_timer_set(late, 20000);
    while (!*flag)
        dtr_loop_turn(control, true);
    dtr_timer_close(late);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void begin(bool have_scheduler)
{
    struct dtr_error err;
    struct dtr_tasks_options options = {
        .control = control,
        .data = &data,
        .data_count = 1,
        .storage = &rig_storage,
        .transport = &rig_transport,
        .transport_instance = &lying,
        .origin = &rig_origin,
        .origin_instance = &script,
        .connect_ms = 1000,
        .pool = pool,
        .outside = {.scheduler = hear, .parent = hear},
    };
    dtr_plan_config_default(&options.plan);
    options.plan.have_scheduler = have_scheduler;
    options.plan.ask_length = ask_length;
    options.plan.stall_timeout_ms = 200;
    memset(&rig_disk, 0, sizeof(rig_disk));
    dtr_str_free(&said);
    lying = 0;
    script =
        (struct rig_script){.status = 200, .close_at = DTR_LENGTH_UNKNOWN, .silent_at = DTR_LENGTH_UNKNOWN};
    scheduler_says = SAYS_SOURCE;
    assert_int_equal(dtr_tasks_new(&options, &tasks, &err), DTR_OK);
}

static void finish(void)
{
    bool closed = false;
    dtr_tasks_close(tasks, set_flag, &closed);
    turn_until(&closed);
}

static void read_range(struct seen *seen, uint64_t offset, uint64_t length)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .url = "http://o/x", .digest = digest, .offset = offset, .length = length};
    struct dtr_error err;
    *seen = (struct seen){.until = offset};
    assert_int_equal(dtr_tasks_read(tasks, &request, &events, seen, &seen->reader, &err), DTR_OK);
    assert_false(seen->head);
}

static void a_pull_without_scheduler_comes_from_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.length, RIG_SIZE);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    /* Again: from the store, the origin refuses by now. */
    script.status = 404;
    read_range(&seen, 100, 50);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, 150);
    dtr_reader_close(seen.reader);
    finish();
}

static void two_readers_share_one_pull(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    read_range(&first, 0, DTR_LENGTH_UNKNOWN);
    read_range(&second, RIG_PIECE, 1000);
    turn_until(&second.ended);
    turn_until(&first.ended);
    assert_int_equal(first.result.code, DTR_OK);
    assert_int_equal(second.result.code, DTR_OK);
    assert_int_equal(second.until, RIG_PIECE + 1000);
    dtr_reader_close(first.reader);
    dtr_reader_close(second.reader);
    finish();
}

static void an_origins_refusal_reaches_the_reader(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    script.status = 404;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_EORIGIN);
    assert_int_equal(seen.result.status, 404);
    assert_false(seen.head);
    dtr_reader_close(seen.reader);
    finish();
}

static _Atomic int opened, evicted;

static int count_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
                      struct dtr_error *err)
{
    opened++;
    return rig_storage.open(instance, facts, ret_stored, err);
}

static int count_evict(void *instance, const char *id, struct dtr_error *err)
{
    evicted++;
    return rig_storage.evict(instance, id, err);
}

static void count_task(void *context, const struct dtr_task *task)
{
    (void)task;
    ++*(int *)context;
}

static int count_tasks(void)
{
    int count = 0;
    dtr_tasks_each(tasks, count_task, &count);
    return count;
}

/* Names that nobody has would fill table and store otherwise. */
static void what_is_not_there_leaves_nothing_behind(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct seen seen[COUNT] = {0};
    struct dtr_storage_ops ops = rig_storage;
    ops.open = count_open;
    ops.evict = count_evict;
    begin(false);
    tasks->options.storage = &ops;
    script.status = 404;
    for (int i = 0; i < COUNT; i++) {
        char id[DTR_TASK_ID_LENGTH + 1];
        (void)snprintf(id, sizeof(id), "%064d", i);
        const struct dtr_read_request request = {
            .task_id = id, .url = "http://o/x", .length = DTR_LENGTH_UNKNOWN};
        assert_int_equal(dtr_tasks_read(tasks, &request, &events, &seen[i], &seen[i].reader, NULL), DTR_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        turn_until(&seen[i].ended);
        assert_int_equal(seen[i].result.status, 404);
        dtr_reader_close(seen[i].reader);
    }
    struct dtr_timer *late = NULL;
    assert_int_equal(dtr_timer_open(control, too_late, NULL, &late, NULL), DTR_OK);
    dtr_timer_set(late, 20000);
    while (count_tasks() > 0)
        dtr_loop_turn(control, true);
    dtr_timer_close(late);
    assert_int_equal(opened, COUNT);
    assert_int_equal(evicted, COUNT);
    finish();
}

static void read_from(struct seen *seen, const char *url, const char *headers, bool trusted)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .url = url, .headers = headers, .trusted = trusted, .length = DTR_LENGTH_UNKNOWN};
    struct dtr_error err;
    *seen = (struct seen){0};
    assert_int_equal(dtr_tasks_read(tasks, &request, &events, seen, &seen->reader, &err), DTR_OK);
}

/* A blob has one name wherever it lies; what one registry gave is no other's business. */
static void credentials_go_where_their_reader_meant(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    script.status = 404;
    read_from(&first, "http://a/x?sig=old", "Authorization: A\n", false);
    turn_until(&first.ended);
    dtr_reader_close(first.reader);
    assert_string_equal(rig_origin_url, "http://a/x?sig=old");
    script.status = 200;
    script.silent_at = RIG_PIECE;
    read_from(&first, "http://b/x", "Authorization: B\n", true);
    turn_until(&first.head);
    assert_string_equal(rig_origin_url, "http://b/x");
    assert_string_equal(rig_origin_headers, "Authorization: B\n");
    assert_true(rig_origin_trusted);
    /* While that one is at it, a stranger does not lead its pull elsewhere. */
    read_from(&second, "http://c/x", "Authorization: C\n", false);
    script.silent_at = DTR_LENGTH_UNKNOWN;
    turn_until(&first.ended);
    assert_int_equal(first.result.code, DTR_OK);
    assert_string_equal(rig_origin_url, "http://b/x");
    assert_string_equal(rig_origin_headers, "Authorization: B\n");
    dtr_reader_close(first.reader);
    dtr_reader_close(second.reader);
    finish();
}

static void read_named(struct seen *seen, const char *url, bool named)
{
    const struct dtr_read_request request = {.task_id = task_id,
                                             .url = url,
                                             .headers = "Accept: */*\n",
                                             .named = named,
                                             .length = DTR_LENGTH_UNKNOWN};
    *seen = (struct seen){0};
    assert_int_equal(dtr_tasks_read(tasks, &request, &events, seen, &seen->reader, NULL), DTR_OK);
    turn_until(&seen->ended);
    dtr_reader_close(seen->reader);
}

/* A stranger names any host: what is meant for the operator's does not go there. */
static void the_operators_headers_go_to_the_operators_hosts(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    tasks->options.origin_headers = "X-Token: secret\n";
    script.status = 404;
    read_named(&seen, "http://evil/x", false);
    assert_string_equal(rig_origin_headers, "Accept: */*\n");
    read_named(&seen, "http://registry/x", true);
    assert_string_equal(rig_origin_headers, "Accept: */*\nX-Token: secret\n");
    read_named(&seen, "http://evil/x", false);
    assert_string_equal(rig_origin_headers, "Accept: */*\n");
    finish();
}

static void told_to_go_to_the_source_it_reports_every_piece(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    dtr_reader_close(seen.reader);
    finish();
    assert_string_equal(dtr_str_text(&said),
                        " stat_task register back_to_source_started back_to_source_piece_finished "
                        "back_to_source_piece_finished back_to_source_finished");
}

static void a_scheduler_that_is_back_is_asked_by_pulls_that_go_on_without(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_NOTHING;
    script.silent_at = RIG_PIECE / 2;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.head);
    scheduler_says = SAYS_PARENT;
    dtr_tasks_scheduler_back(tasks);
    script.silent_at = DTR_LENGTH_UNKNOWN; /* on a slow machine the parent may be given up */
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    static const char words[] = " stat_task register register started";
    assert_memory_equal(dtr_str_text(&said), words, sizeof(words) - 1);
}

static void the_length_is_asked_for_by_one_byte(void **state)
{
    (void)state;
    struct seen seen;
    for (int unknown = 0; unknown < 2; unknown++) {
        ask_length = true;
        rig_length_questions = 0;
        begin(true);
        script.length_unknown = unknown;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_int_equal(seen.until, RIG_SIZE);
        assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
        assert_int_equal(rig_length_questions, 1);
        dtr_reader_close(seen.reader);
        finish();
        ask_length = false;
        if (!unknown)
            assert_string_equal(dtr_str_text(&said),
                                " stat_task register back_to_source_started back_to_source_piece_finished "
                                "back_to_source_piece_finished back_to_source_finished");
    }
}

static void a_known_task_never_touches_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    script.status = 500;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    assert_string_equal(dtr_str_text(&said),
                        " stat_task register started piece_finished piece_finished finished");
}

static void a_lying_parent_is_left_for_the_origin(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_CHECKSUMS;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
}

static void a_reader_that_leaves_ends_the_pull(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    script.silent_at = RIG_BLOCK;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.head);
    dtr_reader_close(seen.reader);
    finish(); /* does not wait for the silent origin */
    assert_int_equal(rig_disk.marks, 0);
}

static void what_the_store_held_is_served_after_a_restart(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    const struct dtr_task_facts facts = {.task_id = task_id,
                                         .url = "http://o/x",
                                         .content_length = RIG_SIZE,
                                         .piece_length = RIG_PIECE,
                                         .headers = "Content-Type: text/plain\n"};
    const struct dtr_piece pieces[] = {
        {.number = 0, .length = RIG_PIECE},
        {.number = 1, .offset = RIG_PIECE, .length = RIG_SIZE - RIG_PIECE},
    };
    begin(false);
    script.status = 500;
    assert_int_equal(dtr_tasks_known(tasks, &facts, pieces, 2, true, &err), DTR_OK);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    assert_non_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 1));
    assert_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 2));
    dtr_reader_close(seen.reader);
    finish();
}

static void read_local(struct seen *seen)
{
    const struct dtr_read_request request = {
        .task_id = task_id, .length = DTR_LENGTH_UNKNOWN, .local_only = true};
    struct dtr_error err;
    *seen = (struct seen){0};
    assert_int_equal(dtr_tasks_read(tasks, &request, &events, seen, &seen->reader, &err), DTR_OK);
}

static void who_takes_what_is_here_never_begins_a_pull(void **state)
{
    (void)state;
    struct seen part, local;
    begin(true);
    read_range(&part, 0, 1000);
    turn_until(&part.ended);
    dtr_reader_close(part.reader);
    dtr_str_free(&said);
    read_local(&local);
    turn_until(&local.head);
    for (int i = 0; i < 20; i++)
        dtr_loop_turn(control, false);
    assert_false(dtr_task_pulling(dtr_tasks_find(tasks, task_id)));
    assert_false(local.ended);
    dtr_reader_close(local.reader);
    finish();
    assert_string_equal(dtr_str_text(&said), "");
}

static void pull_whole(void)
{
    struct seen seen;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    dtr_reader_close(seen.reader);
}

/* --- versions ---------------------------------------------------------------------------------------------
 */

static void assert_is_renewed(void)
{
    for (size_t i = 0; i < RIG_SIZE; i++)
        assert_int_equal(rig_disk.bytes[i], rig_renewed(i));
}

/* The origin breaks off, and has another object of the same length when it is asked to go on. */
static void two_versions_of_an_object_never_mix(void **state)
{
    (void)state;
    struct seen seen;
    for (int ignores = 0; ignores < 2; ignores++) {
        begin(false);
        script.close_at = RIG_PIECE + RIG_BLOCK;
        script.renew_after = 1;
        rig_origin_requests = 0;
        script.ignore_if_range = ignores;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, DTR_ECORRUPT);
        assert_int_equal(seen.until, RIG_PIECE + RIG_BLOCK);
        dtr_reader_close(seen.reader);
        script.close_at = DTR_LENGTH_UNKNOWN;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN); /* the new one, then */
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_is_renewed();
        dtr_reader_close(seen.reader);
        finish();
    }
}

/* Of a part without a digest that an earlier process left. Without a version nothing goes with it. */
static void nor_do_they_after_a_restart(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {
        .task_id = task_id, .url = "http://o/x", .content_length = RIG_SIZE, .piece_length = RIG_PIECE};
    const struct dtr_piece piece = {.number = 0, .length = RIG_PIECE};
    static const char *const headers[] = {"", "ETag: \"v1\"\n", "ETag: W/\"w\"\nLast-Modified: today\n"};
    for (size_t i = 0; i < 3; i++) {
        begin(false);
        rig_origin_requests = script.renew_after = 1;
        facts.headers = headers[i];
        memcpy(rig_disk.bytes, rig_object, RIG_PIECE);
        assert_int_equal(dtr_tasks_known(tasks, &facts, &piece, 1, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, i > 0 ? DTR_ECORRUPT : DTR_OK);
        /* What was stored may be on its way to the reader, or not, when the origin says that it is old. */
        assert_true(i > 0 ? seen.until == 0 || seen.until == RIG_PIECE : seen.until == RIG_SIZE);
        dtr_reader_close(seen.reader);
        pull_whole();
        assert_is_renewed();
        finish();
    }
}

/* --- digests ----------------------------------------------------------------------------------------------
 */

static void name_digest(bool right)
{
    char hex[65];
    dtr_sha256_hex(rig_object, right ? RIG_SIZE : RIG_SIZE - 1, hex);
    (void)snprintf(digest, sizeof(digest), "sha256:%s", hex);
}

static void a_right_digest_ends_well(void **state)
{
    (void)state;
    struct seen seen;
    name_digest(true);
    for (int parents = 0; parents < 2; parents++) {
        begin(true);
        scheduler_says = parents ? SAYS_PARENT : SAYS_SOURCE;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, DTR_OK);
        assert_int_equal(seen.until, RIG_SIZE);
        dtr_reader_close(seen.reader);
        assert_true(dtr_task_facts(dtr_tasks_find(tasks, task_id))->finished_at > 0);
        finish();
    }
    digest[0] = '\0';
}

/* Whoever reads never sees the last byte of what is wrong. */
/* The rest, which the digest is of as well, is not here and nobody fetches it. */
static void the_end_alone_does_not_wait_for_the_digest(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    name_digest(true);
    read_range(&seen, RIG_PIECE + 5, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.until, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
    digest[0] = '\0';
}

static void a_wrong_digest_is_not_the_next_readers(void **state)
{
    (void)state;
    struct seen seen;
    begin(true);
    scheduler_says = SAYS_PARENT;
    name_digest(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    dtr_reader_close(seen.reader);
    while (dtr_tasks_find(tasks, task_id) && dtr_tasks_find(tasks, task_id)->state != COPY_CLOSED)
        dtr_loop_turn(control, true);
    digest[0] = '\0';
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    finish();
}

static void a_wrong_digest_withdraws_everything(void **state)
{
    (void)state;
    struct seen seen;
    name_digest(false);
    begin(true);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_int_equal(seen.until, RIG_SIZE - 1);
    assert_null(dtr_task_piece(dtr_tasks_find(tasks, task_id), 0));
    dtr_reader_close(seen.reader);
    finish();
    assert_int_equal(rig_disk.marks, 0);
    assert_non_null(strstr(dtr_str_text(&said), " back_to_source_failed"));
    assert_null(strstr(dtr_str_text(&said), " back_to_source_finished"));
    digest[0] = '\0';
}

static void a_peer_with_wrong_bytes_is_found_out(void **state)
{
    (void)state;
    struct seen seen, waiting;
    name_digest(true);
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_BYTES;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    assert_false(dtr_tasks_is_liar(tasks, "10.0.0.1"));
    read_range(&waiting, 0, DTR_LENGTH_UNKNOWN); /* while the first still holds the copy */
    dtr_reader_close(seen.reader);
    turn_until(&waiting.ended);
    assert_int_equal(waiting.result.code, DTR_OK);
    assert_int_equal(waiting.until, RIG_SIZE);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    assert_true(dtr_tasks_is_liar(tasks, "10.0.0.1"));
    assert_true(dtr_tasks_is_liar(tasks, "::ffff:10.0.0.1")); /* however it writes itself */
    assert_false(dtr_tasks_is_liar(tasks, "10.0.0.2"));
    dtr_reader_close(waiting.reader);
    finish();
    digest[0] = '\0';
}

/* The origin's bytes can all be read, and are hashed, before the word comes that the last piece is stored. */
static void a_digest_may_be_known_before_the_last_piece_is(void **state)
{
    (void)state;
    struct seen seen;
    for (int right = 0; right < 2; right++) {
        begin(true);
        name_digest(right);
        script.silent_at = RIG_PIECE;
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        struct dtr_task *task = dtr_tasks_find(tasks, task_id);
        while (seen.until < RIG_PIECE)
            dtr_loop_turn(control, true);
        memcpy(rig_disk.bytes, rig_object, RIG_SIZE); /* and so it is at this very moment */
        assert_true(dtr_ranges_add(&task->readable, 0, RIG_SIZE));
        check_advance(task);
        while (task->check)
            dtr_loop_turn(control, true);
        script.silent_at = DTR_LENGTH_UNKNOWN;
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, right ? DTR_OK : DTR_ECORRUPT);
        assert_true(right ? seen.until == RIG_SIZE : seen.until < RIG_SIZE);
        while (dtr_task_pulling(task))
            dtr_loop_turn(control, true); /* the pull hears of it as well */
        dtr_reader_close(seen.reader);
        finish();
        assert_non_null(strstr(dtr_str_text(&said), right ? "_source_finished" : "_source_failed"));
    }
    digest[0] = '\0';
}

/* Where the origin must not be asked it cannot tell who lied; others may have the right bytes. */
static void without_an_origin_other_peers_are_tried(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    name_digest(true);
    const struct dtr_read_request request = {.task_id = task_id,
                                             .url = "http://o/x",
                                             .digest = digest,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .disable_back_to_source = true};
    begin(true);
    scheduler_says = SAYS_PARENT;
    lying = RIG_WRONG_BYTES;
    for (int i = 0; i < 2; i++) {
        seen = (struct seen){0};
        assert_int_equal(dtr_tasks_read(tasks, &request, &events, &seen, &seen.reader, &err), DTR_OK);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, i ? DTR_OK : DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        while (dtr_tasks_find(tasks, task_id)->state != COPY_CLOSED)
            dtr_loop_turn(control, true);
        lying = RIG_HONEST;
    }
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    finish();
    digest[0] = '\0';
}

static void stopping_ends_also_who_waits_for_better_bytes(void **state)
{
    (void)state;
    struct seen seen, waiting;
    bool closed = false;
    name_digest(false);
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    read_range(&waiting, 0, DTR_LENGTH_UNKNOWN); /* while the first still holds the copy */
    dtr_tasks_close(tasks, set_flag, &closed);
    turn_until(&waiting.ended);
    assert_int_equal(waiting.result.code, DTR_ECANCELLED);
    dtr_reader_close(seen.reader);
    dtr_reader_close(waiting.reader);
    turn_until(&closed);
    digest[0] = '\0';
}

static void what_was_not_checked_before_a_restart_is_checked_then(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {.task_id = task_id,
                                   .url = "http://o/x",
                                   .digest = digest,
                                   .content_length = RIG_SIZE,
                                   .piece_length = RIG_PIECE,
                                   .headers = ""};
    const struct dtr_piece pieces[] = {
        {.number = 0, .length = RIG_PIECE},
        {.number = 1, .offset = RIG_PIECE, .length = RIG_SIZE - RIG_PIECE},
    };
    name_digest(true);
    for (int known = 0; known < 2; known++) {
        begin(false);
        script.status = known ? 500 : 200;
        facts.finished_at = known ? 1 : 0;
        rig_disk.marks = 3; /* of zeroes, which have another digest */
        assert_int_equal(dtr_tasks_known(tasks, &facts, pieces, 2, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, known ? DTR_OK : DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        if (!known) { /* and is fetched anew */
            read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
            turn_until(&seen.ended);
            assert_int_equal(seen.result.code, DTR_OK);
            assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
            dtr_reader_close(seen.reader);
        }
        finish();
    }
    digest[0] = '\0';
}

/* After a reboot its pieces are not there: what comes in their place was never held against the digest. */
static void what_comes_anew_is_checked_anew(void **state)
{
    (void)state;
    struct seen seen;
    struct dtr_error err;
    struct dtr_task_facts facts = {.task_id = task_id,
                                   .url = "http://o/x",
                                   .digest = digest,
                                   .content_length = RIG_SIZE,
                                   .piece_length = RIG_PIECE,
                                   .headers = "",
                                   .finished_at = 1};
    const struct dtr_piece piece = {.number = 0, .length = RIG_PIECE};
    name_digest(false);
    for (uint32_t count = 0; count < 2; count++) {
        begin(false);
        memcpy(rig_disk.bytes, rig_object, RIG_PIECE);
        assert_int_equal(dtr_tasks_known(tasks, &facts, &piece, count, true, &err), DTR_OK);
        read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
        turn_until(&seen.ended);
        assert_int_equal(seen.result.code, DTR_ECORRUPT);
        dtr_reader_close(seen.reader);
        finish();
    }
    digest[0] = '\0';
}

/* Somebody removed the file, or its index is damaged. */
static void what_cannot_be_opened_is_fetched_anew(void **state)
{
    (void)state;
    struct seen seen;
    begin(false);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    dtr_reader_close(seen.reader);
    while (dtr_tasks_find(tasks, task_id)->state != COPY_CLOSED)
        dtr_loop_turn(control, true);
    rig_disk.damaged = true;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    dtr_reader_close(seen.reader);
    while (dtr_tasks_find(tasks, task_id)->state != COPY_CLOSED)
        dtr_loop_turn(control, true);
    rig_disk.damaged = rig_disk.stays_damaged = true; /* then it is not tried for ever */
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_ECORRUPT);
    dtr_reader_close(seen.reader);
    finish();
}

/* --- a full disk --------------------------------------------------------------------------------------- */

static struct dtr_storage_ops small_storage;

static int write_a_bit(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
                       struct dtr_error *err)
{
    if (offset + length > RIG_PIECE / 2)
        return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME, "no room");
    return rig_storage.write(stored, offset, bytes, length, err);
}

/* Who reads it keeps what is there, and hears at once that there will be no more; then the room is free. */
static void what_finds_no_room_leaves_the_store(void **state)
{
    (void)state;
    struct seen first, second;
    begin(false);
    small_storage = rig_storage;
    small_storage.write = write_a_bit;
    tasks->options.storage = &small_storage;
    read_range(&first, 0, DTR_LENGTH_UNKNOWN);
    read_range(&second, RIG_PIECE, DTR_LENGTH_UNKNOWN);
    turn_until(&first.ended);
    turn_until(&second.ended);
    assert_int_equal(first.result.code, DTR_ENO_SPACE);
    assert_int_equal(second.result.code, DTR_ENO_SPACE);
    assert_true(first.until > 0 && first.until <= RIG_PIECE / 2);
    assert_memory_equal(rig_disk.bytes, rig_object, first.until);
    dtr_reader_close(second.reader);
    dtr_reader_close(first.reader);
    while (dtr_tasks_find(tasks, task_id))
        dtr_loop_turn(control, true);
    assert_int_equal(rig_disk.bytes[1], 0); /* byte 1 of the object is not 0 */
    small_storage.write = rig_storage.write;
    pull_whole();
    finish();
}

/* --- deleting ---------------------------------------------------------------------------------------------
 */

struct deletion {
    bool over;
    struct dtr_error result;
};

static void on_deleted(void *context, const struct dtr_error *err)
{
    struct deletion *deletion = context;
    assert_false(deletion->over);
    deletion->over = true;
    deletion->result = *err;
}

static void what_is_deleted_leaves_the_store(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    begin(false);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_ENOT_FOUND);
    pull_whole();
    assert_int_equal(rig_disk.marks, 3);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_EUNAVAILABLE);
    turn_until(&deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    assert_int_equal(rig_disk.marks, 0);
    assert_null(dtr_tasks_find(tasks, task_id));
    pull_whole(); /* as if it had never been there */
    finish();
}

static void what_is_in_use_is_not_deleted(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    struct seen seen;
    begin(false);
    script.silent_at = RIG_BLOCK;
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    turn_until(&seen.head);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "in use"));
    dtr_reader_close(seen.reader);
    /* The transfer is still on its way out; that is waited for. */
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_false(deletion.over);
    turn_until(&deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    finish();
}

static void a_reader_keeps_what_is_not_yet_deleted(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    struct seen seen;
    begin(false);
    pull_whole();
    script.status = 500; /* it must come from the store */
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    read_range(&seen, 0, DTR_LENGTH_UNKNOWN);
    assert_true(deletion.over);
    assert_int_equal(deletion.result.code, DTR_EUNAVAILABLE);
    turn_until(&seen.ended);
    assert_int_equal(seen.result.code, DTR_OK);
    dtr_reader_close(seen.reader);
    finish();
}

/* The reader comes while the data thread evicts: it gets the object anew. */
static void a_reader_of_what_is_being_deleted_pulls_it_anew(void **state)
{
    (void)state;
    struct deletion deletion = {0};
    struct dtr_error err;
    begin(false);
    pull_whole();
    while (dtr_tasks_find(tasks, task_id)->state != COPY_CLOSED)
        dtr_loop_turn(control, true);
    assert_int_equal(dtr_tasks_delete(tasks, task_id, on_deleted, &deletion, &err), DTR_OK);
    assert_int_equal(dtr_tasks_find(tasks, task_id)->state, COPY_EVICTING);
    pull_whole();
    assert_true(deletion.over);
    assert_int_equal(deletion.result.code, DTR_OK);
    assert_memory_equal(rig_disk.bytes, rig_object, RIG_SIZE);
    assert_int_equal(rig_disk.marks, 3);
    finish();
}

static int set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    rig_fill();
    assert_int_equal(dtr_loop_new("control", &control, &err), DTR_OK);
    assert_int_equal(dtr_loop_new("data", &data, &err), DTR_OK);
    assert_int_equal(dtr_pool_new(1, 100, &pool, &err), DTR_OK);
    return dtr_loop_start(data, &err);
}

static int tear_down(void **state)
{
    (void)state;
    dtr_pool_free(pool);
    dtr_loop_stop(data);
    dtr_loop_join(data);
    dtr_loop_free(data);
    dtr_loop_free(control);
    dtr_str_free(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_without_scheduler_comes_from_the_origin),
        cmocka_unit_test(two_readers_share_one_pull),
        cmocka_unit_test(an_origins_refusal_reaches_the_reader),
        cmocka_unit_test(what_is_not_there_leaves_nothing_behind),
        cmocka_unit_test(credentials_go_where_their_reader_meant),
        cmocka_unit_test(the_operators_headers_go_to_the_operators_hosts),
        cmocka_unit_test(told_to_go_to_the_source_it_reports_every_piece),
        cmocka_unit_test(a_scheduler_that_is_back_is_asked_by_pulls_that_go_on_without),
        cmocka_unit_test(the_length_is_asked_for_by_one_byte),
        cmocka_unit_test(a_known_task_never_touches_the_origin),
        cmocka_unit_test(a_lying_parent_is_left_for_the_origin),
        cmocka_unit_test(two_versions_of_an_object_never_mix),
        cmocka_unit_test(nor_do_they_after_a_restart),
        cmocka_unit_test(a_right_digest_ends_well),
        cmocka_unit_test(the_end_alone_does_not_wait_for_the_digest),
        cmocka_unit_test(a_wrong_digest_withdraws_everything),
        cmocka_unit_test(a_wrong_digest_is_not_the_next_readers),
        cmocka_unit_test(a_peer_with_wrong_bytes_is_found_out),
        cmocka_unit_test(a_digest_may_be_known_before_the_last_piece_is),
        cmocka_unit_test(what_was_not_checked_before_a_restart_is_checked_then),
        cmocka_unit_test(without_an_origin_other_peers_are_tried),
        cmocka_unit_test(stopping_ends_also_who_waits_for_better_bytes),
        cmocka_unit_test(what_comes_anew_is_checked_anew),
        cmocka_unit_test(what_cannot_be_opened_is_fetched_anew),
        cmocka_unit_test(a_reader_that_leaves_ends_the_pull),
        cmocka_unit_test(what_the_store_held_is_served_after_a_restart),
        cmocka_unit_test(who_takes_what_is_here_never_begins_a_pull),
        cmocka_unit_test(what_finds_no_room_leaves_the_store),
        cmocka_unit_test(what_is_deleted_leaves_the_store),
        cmocka_unit_test(what_is_in_use_is_not_deleted),
        cmocka_unit_test(a_reader_keeps_what_is_not_yet_deleted),
        cmocka_unit_test(a_reader_of_what_is_being_deleted_pulls_it_anew),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
