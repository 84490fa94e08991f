/* Whose the socket's folder is. */
#include "core/main/paths.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { SOMEBODY = 4711 };

/* In /tmp anybody may have made it before. */
static void a_folder_of_others_gets_no_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/dtr_paths_test.XXXXXX", link[64];
    struct dtr_error err;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(paths_private(folder, &err), DTR_OK);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(paths_private(folder, &err), DTR_EDENIED);
    assert_non_null(strstr(err.text, folder));
    assert_non_null(strstr(err.text, "XDG_RUNTIME_DIR"));
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(paths_private(folder, &err), DTR_OK);
    (void)snprintf(link, sizeof(link), "%s.link", folder);
    assert_int_equal(symlink(folder, link), 0);
    assert_int_equal(paths_private(link, &err), DTR_EDENIED);
    assert_int_equal(unlink(link), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(folder, SOMEBODY, SOMEBODY), 0);
        assert_int_equal(paths_private(folder, &err), DTR_EDENIED);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(paths_private(folder, &err), DTR_EDENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_folder_of_others_gets_no_socket)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
