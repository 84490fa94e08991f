/* The journal of pulls: its limits, its order, its words. */
#include "core/daemon/tasks/journal.h"

#include "core/brain/planner.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct journal journal;

static int set_up(void **state)
{
    (void)state;
    journal_init(&journal);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_clear(&journal);
    assert_int_equal(journal.memory, 0);
    assert_int_equal(journal.count, 0);
    return 0;
}

/* A pull of task `task`, called `number`. */
static struct journal_pull *begin(unsigned task, unsigned number)
{
    char id[12], task_id[DTR_TASK_ID_SIZE];
    (void)snprintf(id, sizeof(id), "%u", number);
    (void)snprintf(task_id, sizeof(task_id), "%064u", task);
    const struct journal_start start = {.id = id,
                                        .task_id = task_id,
                                        .url = "http://o.test/x",
                                        .digest = "",
                                        .asker = "gRPC",
                                        .part = "all",
                                        .now_ms = 1000,
                                        .content_length = DTR_LENGTH_UNKNOWN};
    return journal_begin(&journal, &start);
}

static unsigned count(void)
{
    unsigned pulls = 0;
    for (const struct journal_pull *pull = journal_next(&journal, NULL); pull;
         pull = journal_next(&journal, pull))
        pulls++;
    return pulls;
}

static void empty_it_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(journal.memory, 0);
    assert_null(journal_next(&journal, NULL));
}

static void events_come_in_order_with_times(void **state)
{
    struct journal_pull *pull = begin(1, 1);
    (void)state;
    journal_event(pull, 1000, JOURNAL_SCHEDULER, "asks the scheduler");
    journal_event(pull, 1012, JOURNAL_ORIGIN, "goes to the origin");
    journal_end(pull, 1500, JOURNAL_FAILED, "no");
    assert_int_equal(pull->event_count, 2);
    assert_int_equal(pull->events[0].at_ms, 0);
    assert_int_equal(pull->events[1].at_ms, 12);
    assert_string_equal(pull->events[1].text, "goes to the origin");
    assert_string_equal(journal_kind_text(pull->events[1].kind), "origin");
    assert_int_equal(pull->took_ms, 500);
    assert_string_equal(journal_outcome_text(pull->outcome), "failed");
    assert_string_equal(pull->error, "no");
}

static void details_leave_room_for_decisions(void **state)
{
    struct journal_pull *pull = begin(1, 1);
    (void)state;
    for (int i = 0; i < 1000; i++)
        journal_event(pull, 1000, JOURNAL_PIECE, "piece failed");
    assert_int_equal(pull->event_count, JOURNAL_DETAILS);
    journal_event(pull, 1001, JOURNAL_ORIGIN, "goes to the origin");
    assert_string_equal(pull->events[JOURNAL_DETAILS].text, "goes to the origin");
    for (int i = 0; i < 1000; i++)
        journal_event(pull, 1002, JOURNAL_SCHEDULER, "asks");
    assert_int_equal(pull->event_count, JOURNAL_EVENTS);
    assert_int_equal(pull->event_count + pull->dropped, 2001);
}

static void long_texts_are_cut(void **state)
{
    struct journal_pull *pull = begin(1, 1);
    char text[2 * JOURNAL_TEXT];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    journal_event(pull, 1000, JOURNAL_STORE, text);
    assert_int_equal(strlen(pull->events[0].text), JOURNAL_TEXT);
}

static void parents_have_a_row_each(void **state)
{
    struct journal_pull *pull = begin(1, 1);
    (void)state;
    assert_null(journal_giver(pull, 0));
    for (uint32_t i = 0; i < JOURNAL_GIVERS + 2; i++)
        (void)journal_join(pull, 1005, i, "10.0.0.2:4000", "peer", "host");
    assert_int_equal(pull->giver_count, JOURNAL_GIVERS);
    assert_int_equal(pull->more_givers, 2);
    struct journal_giver *giver = journal_join(pull, 1100, 3, "10.0.0.2:4000", "peer", "host");
    assert_ptr_equal(giver, journal_giver(pull, 3));
    assert_int_equal(giver->joined_ms, 5);
}

static void a_task_keeps_its_newest_pulls(void **state)
{
    (void)state;
    struct journal_pull *other = begin(2, 100);
    journal_end(other, 1001, JOURNAL_DONE, "");
    for (unsigned i = 0; i < JOURNAL_TASK_PULLS + 3; i++)
        journal_end(begin(1, i), 1001, JOURNAL_DONE, "");
    assert_int_equal(count(), JOURNAL_TASK_PULLS + 1);
    assert_int_equal(journal.forgotten, 3);
    const struct journal_pull *first = journal_next(&journal, NULL), *second = journal_next(&journal, first);
    assert_string_equal(first->id, "100");
    assert_string_equal(second->id, "3");
}

static void memory_is_bounded_and_the_oldest_go(void **state)
{
    char text[JOURNAL_TEXT + 1];
    (void)state;
    memset(text, 'x', JOURNAL_TEXT);
    text[JOURNAL_TEXT] = '\0';
    for (unsigned i = 0; i < 1000; i++) {
        struct journal_pull *pull = begin(i, i);
        for (int k = 0; k < JOURNAL_EVENTS; k++)
            journal_event(pull, 1000, JOURNAL_SCHEDULER, text);
        journal_end(pull, 1001, JOURNAL_DONE, "");
        assert_true(journal.memory <= JOURNAL_BYTES);
    }
    const struct journal_pull *last = NULL;
    for (const struct journal_pull *pull = journal_next(&journal, NULL); pull;
         pull = journal_next(&journal, pull))
        last = pull;
    assert_string_equal(last->id, "999");
    assert_int_equal(count() + journal.forgotten, 1000);
}

static void running_pulls_stay_and_new_ones_go_untold(void **state)
{
    struct journal_pull *pulls[JOURNAL_PULLS];
    (void)state;
    for (unsigned i = 0; i < JOURNAL_PULLS; i++) {
        pulls[i] = begin(i, i);
        assert_non_null(pulls[i]);
    }
    assert_null(begin(5000, 5000));
    journal_event(NULL, 1000, JOURNAL_STORE, "nothing");
    journal_end(NULL, 1000, JOURNAL_DONE, "");
    assert_null(journal_join(NULL, 1000, 0, "", "", ""));
    assert_int_equal(journal.forgotten, 1);
    journal_end(pulls[7], 1001, JOURNAL_DONE, "");
    assert_non_null(begin(5001, 5001));
    assert_int_equal(count(), JOURNAL_PULLS);
    /* Memory is out too: events are dropped, and counted. */
    for (int k = 0; k < JOURNAL_EVENTS; k++) {
        for (unsigned i = 0; i < JOURNAL_PULLS; i++) {
            if (i != 7)
                journal_event(pulls[i], 1000, JOURNAL_SCHEDULER,
                              "a text that is long enough to fill it: 0123456789 0123456789 0123456789");
        }
    }
    assert_true(journal.memory <= JOURNAL_BYTES);
    assert_true(pulls[3]->dropped > 0);
    assert_int_equal(pulls[3]->dropped + pulls[3]->event_count, JOURNAL_EVENTS);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_it_takes_nothing),
        TEST(events_come_in_order_with_times),
        TEST(details_leave_room_for_decisions),
        TEST(long_texts_are_cut),
        TEST(parents_have_a_row_each),
        TEST(a_task_keeps_its_newest_pulls),
        TEST(memory_is_bounded_and_the_oldest_go),
        TEST(running_pulls_stay_and_new_ones_go_untold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
