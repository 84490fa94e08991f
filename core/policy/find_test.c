/* Scripts by name: beside the program, as in a build tree. */
#include "core/policy/policy_fixture.h"

#include "core/base/program.h"
#include <sys/stat.h>
#include <unistd.h>

static void a_script_beside_the_program_is_found(void **state)
{
    char own[DTR_PROGRAM_PATH], folder[2 * DTR_PROGRAM_PATH], path[2 * DTR_PROGRAM_PATH];
    char *found = NULL;
    struct dtr_error err;
    (void)state;
    dtr_program_folder(own);
    assert_true(own[0] == '/' && own[strlen(own) - 1] != '/');
    (void)snprintf(folder, sizeof(folder), "%.4000s/scripts", own);
    (void)mkdir(folder, 0755);
    (void)snprintf(folder, sizeof(folder), "%.4000s/scripts/find_test", own);
    (void)mkdir(folder, 0755);
    (void)snprintf(path, sizeof(path), "%.4000s/scripts/find_test/mine.lua", own);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    int code = dtr_policy_find("find_test", "mine", &found, &err);
    (void)unlink(path);
    assert_int_equal(code, DTR_OK);
    assert_string_equal(found, path);
    free(found);
    assert_int_equal(dtr_policy_find("find_test", "mine", &found, &err), DTR_ENOT_FOUND);
    assert_null(found);
    assert_non_null(strstr(err.text, "mine.lua in /etc/darter/find_test, "));
    (void)rmdir(folder);
}

static void a_name_names_no_other_folder(void **state)
{
    static const char *const bad[] = {"", "..", "../scheduling/dragonfly", "a/b", "a.lua", "/etc/passwd"};
    char *found = NULL;
    struct dtr_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(dtr_policy_find("scheduling", bad[i], &found, &err), DTR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_beside_the_program_is_found),
        cmocka_unit_test(a_name_names_no_other_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
