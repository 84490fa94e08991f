/* Scripts taking over from each other, from files that an operator edits. */
#include "core/policy/policy_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[64], path[96];
    time_t time; /* of the next version: its own second, whatever the file system's clock */
    struct dtr_policy_slot slot;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/policy_test.XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof(place->path), "%s/p.lua", place->folder);
    place->time = 1000000000;
    place->slot.limits = no_clock();
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    dtr_policy_slot_clear(&place->slot);
    (void)unlink(place->path);
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

static void write_text(struct place *place, const char *text)
{
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const struct timespec times[2] = {{.tv_sec = place->time}, {.tv_sec = place->time}};
    assert_int_equal(utimensat(AT_FDCWD, place->path, times, 0), 0);
    place->time++;
}

/* A policy that gives every candidate this score. */
static void write_script(struct place *place, const char *score)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "return { name = 'p', needs = {}, rank = function(c, s) local r = {}\n"
                   "for i = 1, s.count do r[i] = %s end return r end,\n"
                   "tests = { { 't', scores = {} } } }",
                   score);
    write_text(place, text);
}

static double ask(struct place *place)
{
    const struct dtr_rank_input input = four();
    double scores[ROWS];
    struct dtr_error err;
    if (dtr_policy_slot_rank(&place->slot, &input, scores, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return scores[ROWS - 1];
}

static void reload(struct place *place, int code, bool swapped)
{
    struct dtr_error err = {0};
    bool did;
    assert_int_equal(dtr_policy_reload(&place->slot, &did, &err), code);
    assert_int_equal(did, swapped);
    if (code != DTR_OK)
        assert_string_equal(place->slot.last_error, err.text);
}

static void an_empty_slot_leaves_it_to_c(void **state)
{
    struct place *place = *state;
    const struct dtr_rank_input input = four();
    double scores[ROWS];
    struct dtr_error err;
    assert_int_equal(dtr_policy_slot_rank(&place->slot, &input, scores, &err), DTR_EUNAVAILABLE);
    assert_int_equal(place->slot.decisions, 0);
    reload(place, DTR_OK, false);
}

static void a_changed_file_takes_over(void **state)
{
    struct place *place = *state;
    struct dtr_error err;
    write_script(place, "1");
    assert_int_equal(dtr_policy_slot_load(&place->slot, place->path, &err), DTR_OK);
    assert_true(ask(place) == 1);
    reload(place, DTR_OK, false);
    assert_int_equal(place->slot.generation, 1);
    write_script(place, "2"); /* the same size and inode, another time */
    reload(place, DTR_OK, true);
    assert_true(ask(place) == 2);
    assert_int_equal(place->slot.generation, 2);
    assert_int_equal(place->slot.decisions, 2);
    assert_int_equal(place->slot.failures, 0);
}

static void a_bad_file_leaves_the_old_one_in_charge(void **state)
{
    struct place *place = *state;
    struct dtr_error err;
    write_script(place, "1");
    assert_int_equal(dtr_policy_slot_load(&place->slot, place->path, &err), DTR_OK);
    write_text(place, "return {\n\n!");
    reload(place, DTR_EINVALID, false);
    assert_non_null(strstr(place->slot.last_error, "p.lua:3: "));
    reload(place, DTR_OK, false); /* not tried again until it changes */
    assert_true(ask(place) == 1);
    write_text(place, "return { name = 'p', needs = {}, rank = function() return { 1 } end,\n"
                      "tests = { { 'own test', s = { count = 1 }, scores = { 2 } } } }");
    reload(place, DTR_EINVALID, false);
    assert_non_null(strstr(place->slot.last_error, "p.lua:1: test 1 (own test)"));
    assert_true(ask(place) == 1);
    assert_int_equal(unlink(place->path), 0);
    reload(place, DTR_ENOT_FOUND, false);
    reload(place, DTR_OK, false);
    assert_true(ask(place) == 1);
    write_script(place, "3");
    reload(place, DTR_OK, true);
    assert_true(ask(place) == 3);
    assert_int_equal(place->slot.load_failures, 3);
}

static void a_file_that_is_bad_at_first_is_watched(void **state)
{
    struct place *place = *state;
    struct dtr_error err;
    assert_int_equal(dtr_policy_slot_load(&place->slot, place->path, &err), DTR_ENOT_FOUND);
    assert_null(place->slot.current);
    write_script(place, "1");
    reload(place, DTR_OK, true);
    assert_true(ask(place) == 1);
}

static void failing_decisions_are_counted_and_kept(void **state)
{
    struct place *place = *state;
    const struct dtr_rank_input input = four();
    double scores[ROWS];
    struct dtr_error err;
    write_script(place, "1 + nil");
    assert_int_equal(dtr_policy_slot_load(&place->slot, place->path, &err), DTR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(dtr_policy_slot_rank(&place->slot, &input, scores, &err), DTR_EINVALID);
    assert_int_equal(place->slot.decisions, 5);
    assert_int_equal(place->slot.failures, 5);
    assert_non_null(strstr(place->slot.last_error, "p.lua:2: attempt to perform arithmetic on a nil value"));
}

static void a_swap_by_hand(void **state)
{
    struct place *place = *state;
    struct dtr_policy *policy;
    struct dtr_error err;
    write_script(place, "8");
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, place->path, &place->slot.limits, &policy, &err),
                     DTR_OK);
    dtr_policy_swap(&place->slot, policy);
    assert_true(ask(place) == 8);
    dtr_policy_swap(&place->slot, NULL);
    assert_null(place->slot.current);
    assert_int_equal(place->slot.generation, 1);
}

static void what_is_no_script_file_is_refused(void **state)
{
    struct place *place = *state;
    struct dtr_policy *policy;
    struct dtr_error err;
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, place->folder, NULL, &policy, &err),
                     DTR_EINVALID);
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, "/dev/zero", NULL, &policy, &err), DTR_EINVALID);
    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, place->path, NULL, &policy, &err), DTR_EINVALID);
    assert_int_equal(unlink(place->path), 0);
    write_text(place, "");
    assert_int_equal(truncate(place->path, (off_t)DTR_POLICY_FILE_MAX + 1), 0);
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, place->path, NULL, &policy, &err), DTR_ELIMIT);
}

int main(void)
{
#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FILES(an_empty_slot_leaves_it_to_c),
        WITH_FILES(a_changed_file_takes_over),
        WITH_FILES(a_bad_file_leaves_the_old_one_in_charge),
        WITH_FILES(a_file_that_is_bad_at_first_is_watched),
        WITH_FILES(failing_decisions_are_counted_and_kept),
        WITH_FILES(a_swap_by_hand),
        WITH_FILES(what_is_no_script_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
