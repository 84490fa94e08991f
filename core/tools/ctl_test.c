/* What `darter ctl` prints of answers. */
#include "core/tools/ctl_print.h"

#include <darter/error.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define NOW 1700000000

struct printed {
    FILE *out;
    char *text;
    size_t length;
};

static void begin(struct printed *printed)
{
    *printed = (struct printed){0};
    printed->out = open_memstream(&printed->text, &printed->length);
    assert_non_null(printed->out);
}

static void assert_age(int64_t age, const char *expected)
{
    char text[CTL_AGE_TEXT];
    ctl_age_text(NOW - age, NOW, text);
    assert_string_equal(text, expected);
}

static void ages_are_short(void **state)
{
    char text[CTL_AGE_TEXT];
    (void)state;
    assert_age(0, "0s");
    assert_age(-5, "0s");
    assert_age(119, "119s");
    assert_age(120, "2m");
    assert_age(7200, "2h");
    assert_age(2 * 86400, "2d");
    ctl_age_text(0, NOW, text);
    assert_string_equal(text, "-");
}

/* Two tasks, the one used later second in the answer. */
static struct {
    Dfdaemon__V2__StatLocalTaskResponse tasks[2], *pointers[2];
    Google__Protobuf__Timestamp created, used[2];
    Dfdaemon__V2__ListLocalTasksResponse list;
} given;

static void give_tasks(void)
{
    static char names[2][8] = {"older", "newer\033"};
    dfdaemon__v2__list_local_tasks_response__init(&given.list);
    google__protobuf__timestamp__init(&given.created);
    given.created.seconds = NOW - 7200;
    for (int i = 0; i < 2; i++) {
        dfdaemon__v2__stat_local_task_response__init(&given.tasks[i]);
        google__protobuf__timestamp__init(&given.used[i]);
        given.used[i].seconds = NOW - 300 + i * 200;
        given.tasks[i].task_id = names[i];
        given.tasks[i].created_at = &given.created;
        given.tasks[i].updated_at = &given.used[i];
        given.pointers[i] = &given.tasks[i];
    }
    given.tasks[0].has_content_length_case =
        DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
    given.tasks[0].content_length = 27 << 20;
    given.tasks[0].finished_at = &given.used[0];
    given.list.tasks = given.pointers;
    given.list.n_tasks = 2;
}

static void tasks_are_a_table_the_last_used_first(void **state)
{
    struct printed printed;
    (void)state;
    give_tasks();
    begin(&printed);
    assert_int_equal(ctl_print_tasks(&given.list, NOW, false, printed.out), DTR_OK);
    (void)fclose(printed.out);
    const char *newer = strstr(printed.text, "\nnewer? "), *older = strstr(printed.text, "\nolder ");
    assert_true(newer && older && newer < older);
    assert_non_null(strstr(older, "27.0 MiB  whole         2h       5m\n"));
    assert_non_null(strstr(newer, "-  partial       2h     100s\n"));
    free(printed.text);
}

static void tasks_are_json_for_scripts(void **state)
{
    struct printed printed;
    (void)state;
    give_tasks();
    begin(&printed);
    assert_int_equal(ctl_print_tasks(&given.list, NOW, true, printed.out), DTR_OK);
    (void)fclose(printed.out);
    json_t *root = json_loads(printed.text, 0, NULL);
    assert_int_equal(json_array_size(root), 2);
    const json_t *older = json_array_get(root, 1);
    assert_int_equal(json_integer_value(json_object_get(older, "contentLength")), 27 << 20);
    assert_string_equal(json_string_value(json_object_get(older, "state")), "whole");
    assert_string_equal(json_string_value(json_object_get(older, "createdAt")), "2023-11-14T20:13:20Z");
    assert_true(json_is_null(json_object_get(json_array_get(root, 0), "finishedAt")));
    json_decref(root);
    free(printed.text);
}

static void nothing_is_an_empty_list(void **state)
{
    Scheduler__V2__ListHostsResponse none = SCHEDULER__V2__LIST_HOSTS_RESPONSE__INIT;
    struct printed printed;
    (void)state;
    begin(&printed);
    assert_int_equal(ctl_print_hosts(&none, true, printed.out), DTR_OK);
    (void)fclose(printed.out);
    assert_string_equal(printed.text, "[]\n");
    free(printed.text);
}

static void hosts_come_by_name_and_may_be_bare(void **state)
{
    Common__V2__Host hosts[2] = {COMMON__V2__HOST__INIT, COMMON__V2__HOST__INIT}, *pointers[2];
    Common__V2__Network network = COMMON__V2__NETWORK__INIT;
    Scheduler__V2__ListHostsResponse list = SCHEDULER__V2__LIST_HOSTS_RESPONSE__INIT;
    char names[2][8] = {"b-node", "a-seed"}, v4[] = "10.0.0.1", v6[] = "fd00::1", idc[] = "east";
    struct printed printed;
    (void)state;
    for (int i = 0; i < 2; i++) {
        hosts[i].hostname = names[i];
        hosts[i].port = 4000;
        pointers[i] = &hosts[i];
    }
    hosts[0].ip = v4;
    hosts[1].ip = v6;
    hosts[1].type = 1;
    hosts[1].network = &network;
    network.has_idc_case = COMMON__V2__NETWORK__HAS_IDC_IDC;
    network.idc = idc;
    list.hosts = pointers;
    list.n_hosts = 2;
    begin(&printed);
    assert_int_equal(ctl_print_hosts(&list, false, printed.out), DTR_OK);
    (void)fclose(printed.out);
    const char *seed = strstr(printed.text, "\na-seed "), *node = strstr(printed.text, "\nb-node ");
    assert_true(seed && node && seed < node);
    assert_non_null(strstr(seed, " seed  [fd00::1]:4000"));
    assert_non_null(strstr(seed, " east "));
    assert_non_null(strstr(node, " node  10.0.0.1:4000"));
    free(printed.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_short), cmocka_unit_test(tasks_are_a_table_the_last_used_first),
        cmocka_unit_test(tasks_are_json_for_scripts), cmocka_unit_test(nothing_is_an_empty_list),
        cmocka_unit_test(hosts_come_by_name_and_may_be_bare)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
