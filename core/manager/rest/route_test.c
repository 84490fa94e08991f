/* The table of routes, and finding the one for a request. */
#include "core/manager/rest/route.h"

#include <setjmp.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void routes_are_found(void **state)
{
    struct route_match match;
    (void)state;
    route_find("GET", "/api/v1/users/12/roles", &match);
    assert_string_equal(match.route->path, "/users/{id}/roles");
    assert_int_equal(match.parameters[0].number, 12);
    route_find("PUT", "/api/v1/users/1/roles/guest/", &match);
    assert_string_equal(match.parameters[1].word, "guest");
    route_find("HEAD", "/healthy", &match);
    assert_string_equal(match.route->path, "/healthy");
    route_find("GET", "/oapi/v1/clusters/3", &match);
    assert_true(match.route && match.with_token);
    static const char *const nowhere[] = {"/api/v1",          "/api/v1x/users",
                                          "/api/v1/users/0",  "/api/v1/users/x",
                                          "/oapi/v1/users",   "/api/v1/users//roles",
                                          "/api/v1/users/1/", "/healthy/x",
                                          "/api/v1/healthy",  "/api/v1/users/99999999999999999999"};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        route_find("GET", nowhere[i], &match);
        assert_true(!match.route || strcmp(nowhere[i], "/api/v1/users/1/") == 0);
    }
    route_find("POST", "/healthy", &match);
    assert_null(match.route);
    assert_string_equal(match.allow, "GET");
}

static int handle(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    (void)call;
    (void)db;
    (void)err;
    return DTR_OK;
}

static void a_route_without_permission_is_refused(void **state)
{
    struct route table[] = {
        {.method = "GET",
         .base = BASE_API,
         .path = "/x",
         .access = ACCESS_ROLE,
         .handle = handle,
         .summary = "x"},
        {.method = "GET", .base = BASE_API, .path = "/y", .handle = handle, .summary = "y"}};
    struct dtr_error err;
    (void)state;
    assert_int_equal(routes_check(table, 1, &err), DTR_OK);
    assert_int_equal(routes_check(table, 2, &err), DTR_EINVALID);
    assert_string_equal(err.text, "the route GET /y does not say whom it is for");
    assert_int_equal(routes_check(routes, route_count, &err), DTR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found),
        cmocka_unit_test(a_route_without_permission_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
