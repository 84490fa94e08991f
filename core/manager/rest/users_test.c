/* Roles, permissions, personal access tokens, the audit log. */
#include "core/manager/rest/audit.h"
#include "core/manager/rest/rig.h"

static int set_up(void **state)
{
    int rc = rest_rig_set_up(state);
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/users/signup", "{\"name\":\"alice\",\"password\":\"wonderland\"}");
    sign_in(rig, "root", "dragonfly");
    return rc;
}

static void roles_grant_objects(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/roles",
        "{\"role\":\"config\",\"permissions\":[{\"object\":\"configs\",\"action\":\"*\"}]}");
    ask(rig, 409, "POST", "/api/v1/roles", "{\"role\":\"config\"}");
    ask(rig, 422, "POST", "/api/v1/roles", "{\"role\":\"a b\"}");
    ask(rig, 422, "POST", "/api/v1/roles",
        "{\"role\":\"x\",\"permissions\":[{\"object\":\"nothing\",\"action\":\"*\"}]}");
    ask(rig, 404, "GET", "/api/v1/roles/x", NULL);
    ask(rig, 200, "PUT", "/api/v1/users/2/roles/config", NULL);
    ask(rig, 200, "PUT", "/api/v1/users/2/roles/config", NULL);
    ask(rig, 404, "PUT", "/api/v1/users/2/roles/none", NULL);
    ask(rig, 404, "PUT", "/api/v1/users/9/roles/config", NULL);
    sign_in(rig, "alice", "wonderland");
    ask(rig, 200, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    assert_int_equal(number_at(rig, "user_id"), 2);
    ask(rig, 403, "POST", "/api/v1/roles", "{\"role\":\"y\"}");
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "DELETE", "/api/v1/users/2/roles/config", NULL);
    ask(rig, 404, "DELETE", "/api/v1/users/2/roles/config", NULL);
    sign_in(rig, "alice", "wonderland");
    ask(rig, 403, "DELETE", "/api/v1/configs/2", NULL);
}

static void permissions_come_and_go(void **state)
{
    struct rest_rig *rig = *state;
    static const char read[] = "{\"object\":\"audits\",\"action\":\"read\"}";
    ask(rig, 200, "GET", "/api/v1/permissions", NULL);
    size_t all = json_array_size(rig->json);
    assert_true(all > 10);
    ask(rig, 200, "GET", "/api/v1/roles/guest", NULL);
    assert_string_equal(text_at(rig, "0.action"), "read");
    size_t objects = json_array_size(rig->json);
    ask(rig, 200, "DELETE", "/api/v1/roles/guest/permissions", read);
    ask(rig, 404, "DELETE", "/api/v1/roles/guest/permissions", read);
    ask(rig, 200, "GET", "/api/v1/roles/guest", NULL);
    assert_int_equal(json_array_size(rig->json), objects - 1);
    sign_in(rig, "alice", "wonderland");
    ask(rig, 403, "GET", "/api/v1/audits", NULL);
    ask(rig, 200, "GET", "/api/v1/configs", NULL);
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "POST", "/api/v1/roles/guest/permissions", read);
    ask(rig, 409, "POST", "/api/v1/roles/guest/permissions", read);
    ask(rig, 422, "POST", "/api/v1/roles/guest/permissions", "{\"object\":\"audits\",\"action\":\"write\"}");
    sign_in(rig, "alice", "wonderland");
    ask(rig, 200, "GET", "/api/v1/audits", NULL);
}

static void root_stays(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 409, "DELETE", "/api/v1/roles/root", NULL);
    ask(rig, 409, "DELETE", "/api/v1/roles/guest", NULL);
    ask(rig, 409, "DELETE", "/api/v1/roles/root/permissions", "{\"object\":\"audits\",\"action\":\"*\"}");
    ask(rig, 409, "DELETE", "/api/v1/users/1/roles/root", NULL);
    ask(rig, 200, "PUT", "/api/v1/users/2/roles/root", NULL);
    ask(rig, 200, "DELETE", "/api/v1/users/2/roles/root", NULL);
}

/* Who may change users does not thereby become root. */
static void nobody_gives_more_than_they_have(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", "/api/v1/roles",
        "{\"role\":\"hr\",\"permissions\":[{\"object\":\"users\",\"action\":\"*\"},"
        "{\"object\":\"personal-access-tokens\",\"action\":\"*\"}]}");
    ask(rig, 200, "PUT", "/api/v1/users/2/roles/hr", NULL);
    sign_in(rig, "alice", "wonderland");
    ask(rig, 200, "PUT", "/api/v1/users/1/roles/hr", NULL);
    ask(rig, 403, "PUT", "/api/v1/users/2/roles/root", NULL);
    ask(rig, 403, "DELETE", "/api/v1/users/1/roles/root", NULL);
    ask(rig, 403, "POST", "/api/v1/personal-access-tokens",
        "{\"name\":\"a\",\"expired_at\":\"2099-01-01T00:00:00Z\",\"user_id\":1}");
}

/* --- tokens ----------------------------------------------------------------------------------------------
 */

#define TOKENS "/api/v1/personal-access-tokens"

/* Makes one and becomes it. */
static void make_token(struct rest_rig *rig, const char *scopes)
{
    char body[200];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"a\",\"expired_at\":\"2099-01-01T00:00:00Z\",\"scopes\":%s}", scopes);
    ask(rig, 200, "POST", TOKENS, body);
    assert_int_equal(strlen(text_at(rig, "token")), 43);
    (void)dtr_copy_text(rig->session, sizeof(rig->session), text_at(rig, "token"));
}

static void tokens_are_shown_once(void **state)
{
    struct rest_rig *rig = *state;
    char session[600];
    memcpy(session, rig->session, sizeof(session));
    make_token(rig, "[\"cluster\"]");
    char *token = strdup(rig->session);
    ask(rig, 200, "GET", "/oapi/v1/clusters/1", NULL);
    ask(rig, 200, "POST", "/oapi/v1/clusters", "{\"name\":\"east\"}");
    ask(rig, 401, "GET", "/api/v1/clusters", NULL);
    memcpy(rig->session, session, sizeof(session));
    ask(rig, 401, "GET", "/oapi/v1/clusters", NULL);
    ask(rig, 200, "GET", TOKENS, NULL);
    assert_string_equal(text_at(rig, "0.token"), "");
    assert_null(strstr(rig->body, token));
    assert_null(strstr(rig->body, "hash"));
    ask(rig, 200, "PATCH", TOKENS "/1", "{\"bio\":\"x\"}");
    assert_null(strstr(rig->body, token));
    rig->session[0] = 0;
    char target[128];
    (void)snprintf(target, sizeof(target), "/oapi/v1/clusters?access_token=%s", token);
    ask(rig, 200, "GET", target, NULL);
    assert_null(strstr(rig->head, token));
    free(token);
}

static void tokens_have_limits(void **state)
{
    struct rest_rig *rig = *state;
    char session[600];
    memcpy(session, rig->session, sizeof(session));
    ask(rig, 422, "POST", TOKENS, "{\"name\":\"b\"}");
    ask(rig, 422, "POST", TOKENS, "{\"name\":\"b\",\"expired_at\":\"2001-01-01T00:00:00Z\"}");
    ask(rig, 422, "POST", TOKENS,
        "{\"name\":\"b\",\"expired_at\":\"2099-01-01T00:00:00Z\",\"scopes\":[\"all\"]}");
    make_token(rig, "[\"job\"]");
    ask(rig, 403, "GET", "/oapi/v1/clusters", NULL);
    assert_non_null(strstr(text_at(rig, "message"), "scope"));
    run_sql(rig, "UPDATE tokens SET scopes_json = '[]'");
    ask(rig, 200, "GET", "/oapi/v1/clusters", NULL);
    run_sql(rig, "UPDATE tokens SET expired_at = 1000");
    ask(rig, 403, "GET", "/oapi/v1/clusters", NULL);
    char token[64];
    (void)dtr_copy_text(token, sizeof(token), rig->session);
    memcpy(rig->session, session, sizeof(session));
    ask(rig, 200, "PATCH", TOKENS "/1", "{\"expired_at\":\"2099-01-01T00:00:00Z\",\"state\":\"inactive\"}");
    memcpy(rig->session, token, sizeof(token));
    ask(rig, 403, "GET", "/oapi/v1/clusters", NULL);
    rig->session[0] ^= 1;
    ask(rig, 401, "GET", "/oapi/v1/clusters", NULL);
}

/* A token has what its user has. */
static void tokens_fall_with_their_user(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 200, "POST", TOKENS, "{\"name\":\"a\",\"expired_at\":\"2099-01-01T00:00:00Z\",\"user_id\":2}");
    (void)dtr_copy_text(rig->session, sizeof(rig->session), text_at(rig, "token"));
    ask(rig, 200, "GET", "/oapi/v1/clusters", NULL);
    ask(rig, 403, "DELETE", "/oapi/v1/clusters/1", NULL);
    run_sql(rig, "UPDATE users SET state = 'disable' WHERE id = 2");
    ask(rig, 403, "GET", "/oapi/v1/clusters", NULL);
}

/* --- audits ----------------------------------------------------------------------------------------------
 */

static void everything_is_written_down(void **state)
{
    struct rest_rig *rig = *state;
    char session[600];
    memcpy(session, rig->session, sizeof(session));
    rig->session[0] = 0;
    ask(rig, 401, "GET", "/api/v1/peers?token=secret-text", NULL);
    ask(rig, 401, "POST", "/api/v1/users/signin", "{\"name\":\"root\",\"password\":\"secret-text\"}");
    memcpy(rig->session, session, sizeof(session));
    ask(rig, 404, "GET", "/api/v1/configs/9", NULL);
    ask(rig, 200, "GET", "/api/v1/audits?path=/api/v1/peers", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_string_equal(text_at(rig, "0.actor_type"), "UNKNOWN");
    assert_string_equal(text_at(rig, "0.state"), "FAILURE");
    assert_int_equal(number_at(rig, "0.status_code"), 401);
    ask(rig, 200, "GET", "/api/v1/audits?actor_name=root&status_code=404&operation=GET&actor_type=USER",
        NULL);
    assert_string_equal(text_at(rig, "0.path"), "/api/v1/configs/9");
    assert_string_equal(text_at(rig, "0.detail"), "there is no config with the id 9");
    ask(rig, 200, "GET", "/api/v1/audits?per_page=1000", NULL);
    assert_null(strstr(rig->body, "secret-text"));
    assert_true(number_at(rig, "0.id") > number_at(rig, "1.id"));
}

static void expect_audits(struct rest_rig *rig, const char *path, size_t count)
{
    char target[128];
    (void)snprintf(target, sizeof(target), "/api/v1/audits?operation=DELETE&path=%s", path);
    ask(rig, 200, "GET", target, NULL);
    assert_int_equal(json_array_size(rig->json), count);
}

static void paths_are_found_by_their_beginning(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 404, "DELETE", "/api/v1/configs/9", NULL);
    ask(rig, 404, "DELETE", "/api/v1/configs/91", NULL);
    ask(rig, 404, "DELETE", "/api/v1/peers/9", NULL);
    ask(rig, 404, "DELETE", "/api/v1/%c3%a4", NULL);
    expect_audits(rig, "/api/v1/", 4);
    expect_audits(rig, "/api/v1/configs", 2);
    expect_audits(rig, "/api/v1/configs/9", 2);
    expect_audits(rig, "/api/v1/configs/91", 1);
    expect_audits(rig, "/api/v1/configs/912", 0);
    expect_audits(rig, "configs", 0);
    expect_audits(rig, "/api/v1/%25", 1);
    expect_audits(rig, "/api/_1/", 0);
}

/* Texts of errors are cut, perhaps within a character. */
static void odd_texts_do_no_harm(void **state)
{
    struct rest_rig *rig = *state;
    char body[400] = "{\"name\": \"";
    for (int i = 0; i < 100; i++)
        strcat(body, "ä");
    for (int shift = 0; shift < 2; shift++) {
        ask(rig, 422, "POST", "/api/v1/configs", body);
        assert_int_equal(strncmp(text_at(rig, "errors"), "the body is not JSON: ", 22), 0);
        memmove(body + 2, body + 1, strlen(body));
        body[1] = ' ';
    }
    ask(rig, 400, "DELETE", "/api/v1/roles/\xff\xfe", NULL);
    ask(rig, 422, "GET", "/api/v1/configs?name=%ff", NULL);
    assert_string_equal(text_at(rig, "errors"), "name: is not UTF-8");
    ask(rig, 200, "GET", "/api/v1/audits?status_code=422", NULL);
    assert_int_equal(json_array_size(rig->json), 3);
}

/* A password in a body that is no JSON is not quoted, neither to who asks nor in the log. */
static void what_is_no_json_is_not_quoted(void **state)
{
    static const char *const bodies[] = {
        "{\"name\":\"root\",\"password\":secret-text}", "{\"name\":\"root\",\"password\":\"secret-text",
        "{\"name\":\"root\" \"secret-text\"}",          "secret-text",
        "{\"password\":\"secret-text\\u0000\"}",
    };
    struct rest_rig *rig = *state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ask(rig, 422, "POST", "/api/v1/users/signin", bodies[i]);
        assert_null(strstr(rig->body, "secret"));
        assert_non_null(strstr(rig->body, "line 1, column "));
    }
    ask(rig, 200, "GET", "/api/v1/audits?per_page=1000", NULL);
    assert_int_equal(strstr(rig->body, "secret") == NULL, 1);
}

/* A token's name is cut to its place in the log, also within a character: nobody hides what they do so. */
static void a_long_name_hides_nothing(void **state)
{
    struct rest_rig *rig = *state;
    char body[400], headers[128], session[600];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"%062d\u00e4\u00e4\",\"scopes\":[\"cluster\"],\"expired_at\":"
                   "\"2100-01-01T00:00:00Z\"}",
                   0);
    ask(rig, 200, "POST", "/api/v1/personal-access-tokens", body);
    (void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", text_at(rig, "token"));
    memcpy(session, rig->session, sizeof(session));
    rig->session[0] = 0;
    ask_with(rig, 200, "GET", "/oapi/v1/clusters", headers, NULL);
    memcpy(rig->session, session, sizeof(session));
    ask(rig, 404, "GET", "/api/v1/configs/9", NULL);
    ask(rig, 200, "GET", "/api/v1/audits?path=/api/v1/configs/9", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    ask(rig, 200, "GET", "/api/v1/audits?actor_type=PAT", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_non_null(strstr(text_at(rig, "0.actor_name"), "000?"));
}

static void add_entry(struct audit *audit, const char *actor_type)
{
    const struct audit_entry entry = {.actor_type = actor_type,
                                      .actor_name = "",
                                      .operation = "GET",
                                      .path = "/many",
                                      .detail = "",
                                      .status = 404};
    audit_add(audit, &entry);
}

/* Writes what is left, and ends this log: so many entries are in the database. */
static void expect_entries(struct rest_rig *rig, struct audit *audit, size_t count)
{
    struct dtr_error err;
    assert_int_equal(audit_write(audit, rig->store, &err), DTR_OK);
    assert_int_equal(audit_waiting(audit), 0);
    audit_free(audit);
    ask(rig, 200, "GET", "/api/v1/audits?path=/many&per_page=2000", NULL);
    assert_int_equal(json_array_size(rig->json), count);
}

/* While the database is away the log does not grow for ever. */
static void too_much_for_the_log_is_dropped(void **state)
{
    struct rest_rig *rig = *state;
    struct audit *audit = audit_new();
    struct dtr_error err;
    assert_non_null(audit);
    atomic_store(&rig->away, true);
    for (int i = 0; i < AUDIT_MOST + 200; i++)
        add_entry(audit, "USER");
    assert_int_equal(audit_waiting(audit), AUDIT_MOST);
    assert_int_equal(audit_write(audit, rig->store, &err), DTR_EUNAVAILABLE);
    assert_int_equal(audit_waiting(audit), AUDIT_MOST);
    atomic_store(&rig->away, false);
    expect_entries(rig, audit, AUDIT_MOST);
}

/* Who is not known cannot fill the disk, nor keep others out of the log. */
static void strangers_do_not_fill_the_log(void **state)
{
    struct rest_rig *rig = *state;
    struct audit *audit = audit_new();
    struct dtr_error err;
    assert_non_null(audit);
    for (int i = 0; i < 2 * AUDIT_STRANGERS; i++) {
        add_entry(audit, AUDIT_UNKNOWN);
        if (audit_waiting(audit) == AUDIT_BATCH)
            assert_int_equal(audit_write(audit, rig->store, &err), DTR_OK);
    }
    add_entry(audit, "USER");
    expect_entries(rig, audit, AUDIT_STRANGERS + 1);
}

/* Also what had not been written when it ended. */
static void the_log_is_written_at_the_end(void **state)
{
    struct rest_rig *rig = *state;
    const struct rest_options options = {.jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200};
    ask(rig, 404, "GET", "/api/v1/configs/9", NULL);
    rest_rig_restart(rig, &options);
    ask(rig, 200, "GET", "/api/v1/audits?path=/api/v1/configs/9", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(roles_grant_objects),
        TEST(permissions_come_and_go),
        TEST(root_stays),
        TEST(nobody_gives_more_than_they_have),
        TEST(tokens_are_shown_once),
        TEST(tokens_have_limits),
        TEST(tokens_fall_with_their_user),
        TEST(everything_is_written_down),
        TEST(paths_are_found_by_their_beginning),
        TEST(odd_texts_do_no_harm),
        TEST(what_is_no_json_is_not_quoted),
        TEST(a_long_name_hides_nothing),
        TEST(too_much_for_the_log_is_dropped),
        TEST(strangers_do_not_fill_the_log),
        TEST(the_log_is_written_at_the_end),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
