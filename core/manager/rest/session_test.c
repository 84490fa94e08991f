/* Sign-in and what follows: sessions, passwords, throttling, sign-up, the first start. */
#include "core/manager/rest/jwt.h"
#include "core/manager/rest/rig.h"

#include <time.h>

static const struct rest_options usual = {.jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200};

#define SIGN_IN "/api/v1/users/signin"
#define RIGHT   "{\"name\":\"root\",\"password\":\"dragonfly\"}"
#define WRONG   "{\"name\":\"root\",\"password\":\"dragonfli\"}"

static void a_session_begins_with_a_password(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 401, "GET", "/api/v1/users", NULL);
    assert_string_equal(header(rig, "WWW-Authenticate"), "JWT realm=\"Dragonfly\"");
    ask(rig, 401, "POST", SIGN_IN, WRONG);
    ask(rig, 401, "POST", SIGN_IN, "{\"name\":\"nobody\",\"password\":\"dragonfly\"}");
    ask(rig, 200, "POST", SIGN_IN, RIGHT);
    assert_non_null(strstr(text_at(rig, "warning"), "default password"));
    const char *cookie = header(rig, "Set-Cookie");
    assert_int_equal(strncmp(cookie, "jwt=ey", 6), 0);
    assert_non_null(strstr(cookie, "; Path=/; Max-Age=3600; SameSite=Lax"));
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/api/v1/users/1", NULL);
    assert_string_equal(text_at(rig, "name"), "root");
    assert_true(json_is_true(at(rig, "default_password")));
    assert_null(strstr(rig->body, "$2"));
}

/* Cookie, header and query; a token that was given on purpose comes before the cookie. */
static void tokens_come_three_ways(void **state)
{
    struct rest_rig *rig = *state;
    char text[700], session[600];
    sign_in(rig, "root", "dragonfly");
    memcpy(session, rig->session, sizeof(session));
    rig->session[0] = 0;
    (void)snprintf(text, sizeof(text), "Cookie: a=b; jwt=%s; c=d\r\n", session);
    ask_with(rig, 200, "GET", "/api/v1/users", text, NULL);
    (void)snprintf(text, sizeof(text), "/api/v1/users?token=%s", session);
    ask(rig, 200, "GET", text, NULL);
    assert_null(strstr(rig->head, session));
    (void)snprintf(text, sizeof(text), "Cookie: jwt=x\r\nAuthorization: Bearer %s\r\n", session);
    ask_with(rig, 200, "GET", "/api/v1/users", text, NULL);
    ask_with(rig, 401, "GET", "/api/v1/users", "Cookie: xjwt=1; jwt=\r\n", NULL);
    ask_with(rig, 401, "GET", "/api/v1/users", "Authorization: Bearer\r\n", NULL);
}

/* To a browser other ports and sibling names are the same site, so SameSite lets the cookie pass. */
static void pages_of_others_cannot_use_the_cookie(void **state)
{
    static const struct {
        const char *site;
        int status;
    } sites[] = {{"same-origin", 200}, {"none", 200}, {"same-site", 401}, {"cross-site", 401}, {"x", 401}};
    struct rest_rig *rig = *state;
    char text[800], session[600];
    sign_in(rig, "root", "dragonfly");
    memcpy(session, rig->session, sizeof(session));
    rig->session[0] = 0;
    for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        (void)snprintf(text, sizeof(text), "Origin: http://x\r\nSec-Fetch-Site: %s\r\nCookie: jwt=%s\r\n",
                       sites[i].site, session);
        ask_with(rig, sites[i].status, "GET", "/api/v1/users", text, NULL);
        (void)snprintf(text, sizeof(text), "Sec-Fetch-Site: %s\r\nAuthorization: Bearer %s\r\n",
                       sites[i].site, session);
        ask_with(rig, 200, "GET", "/api/v1/users", text, NULL);
    }
}

/* A token of ours with other times. */
static void make_token(struct rest_rig *rig, int64_t signed_in, int64_t expires)
{
    struct jwt_claims claims;
    sign_in(rig, "root", "dragonfly");
    assert_int_equal(jwt_read(rest_key(rig->rest), rig->session, &claims, NULL), DTR_OK);
    claims.signed_in = time(NULL) + signed_in;
    claims.expires = time(NULL) + expires;
    jwt_sign(rest_key(rig->rest), &claims, rig->session);
}

static void sessions_end_and_can_be_made_longer(void **state)
{
    struct rest_rig *rig = *state;
    make_token(rig, -3700, -100);
    ask(rig, 401, "GET", "/api/v1/users", NULL);
    assert_non_null(strstr(text_at(rig, "message"), "expired"));
    ask(rig, 200, "POST", "/api/v1/users/refresh_token", NULL);
    assert_true(dtr_copy_text(rig->session, sizeof(rig->session), text_at(rig, "token")));
    ask(rig, 200, "GET", "/api/v1/users", NULL);
    make_token(rig, -7300, -100);
    ask(rig, 401, "POST", "/api/v1/users/refresh_token", NULL);
    ask(rig, 200, "POST", "/api/v1/users/signout", NULL);
    assert_non_null(strstr(header(rig, "Set-Cookie"), "jwt=; Path=/; Max-Age=0"));
}

static void a_new_password_ends_old_sessions(void **state)
{
    struct rest_rig *rig = *state;
    static const char change[] = "{\"old_password\":\"dragonfly\",\"new_password\":\"damselfly\"}";
    sign_in(rig, "root", "dragonfly");
    ask(rig, 401, "POST", "/api/v1/users/1/reset_password",
        "{\"old_password\":\"dragonflx\",\"new_password\":\"damselfly\"}");
    ask(rig, 422, "POST", "/api/v1/users/1/reset_password",
        "{\"old_password\":\"dragonfly\",\"new_password\":\"short\"}");
    ask(rig, 422, "POST", "/api/v1/users/1/reset_password",
        "{\"old_password\":\"dragonfly\",\"new_password\":\"dragonfly\"}");
    ask(rig, 401, "POST", "/api/v1/users/77/reset_password", change);
    ask(rig, 200, "POST", "/api/v1/users/1/reset_password", change);
    ask(rig, 401, "GET", "/api/v1/users", NULL);
    rig->session[0] = 0;
    ask(rig, 401, "POST", SIGN_IN, RIGHT);
    sign_in(rig, "root", "damselfly");
    assert_null(at(rig, "warning"));
    bool preset = true;
    assert_int_equal(rest_default_password(rig->store, &preset, NULL), DTR_OK);
    assert_false(preset);
}

static void guessing_is_slow(void **state)
{
    struct rest_rig *rig = *state;
    for (int i = 0; i < 5; i++)
        ask(rig, 401, "POST", SIGN_IN, WRONG);
    ask(rig, 429, "POST", SIGN_IN, WRONG);
    ask(rig, 429, "POST", SIGN_IN, RIGHT);
    unsigned long wait = strtoul(header(rig, "Retry-After"), NULL, 10);
    assert_true(wait > 50 && wait <= 60);
    /* Others are not locked out by it. */
    ask(rig, 401, "POST", SIGN_IN, "{\"name\":\"other\",\"password\":\"dragonfly\"}");
}

/* Nor does it help to write the user's id in many ways. */
static void guessing_by_reset_is_slow_too(void **state)
{
    static const char body[] = "{\"old_password\":\"dragonfli\",\"new_password\":\"damselfly\"}";
    struct rest_rig *rig = *state;
    static const char *const ids[] = {"1", "01", "001", "0001", "00001"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char target[80];
        (void)snprintf(target, sizeof(target), "/api/v1/users/%s/reset_password", ids[i]);
        ask(rig, 401, "POST", target, body);
    }
    ask(rig, 429, "POST", "/api/v1/users/000001/reset_password", body);
}

static void who_signs_up_is_a_guest(void **state)
{
    struct rest_rig *rig = *state;
    ask(rig, 422, "POST", "/api/v1/users/signup", "{\"name\":\"ab\",\"password\":\"dragonfly\"}");
    ask(rig, 200, "POST", "/api/v1/users/signup",
        "{\"name\":\"alice\",\"password\":\"wonderland\",\"email\":\"a@b.c\"}");
    assert_int_equal(number_at(rig, "id"), 2);
    assert_string_equal(text_at(rig, "email"), "a@b.c");
    assert_null(strstr(rig->body, "wonderland"));
    ask(rig, 409, "POST", "/api/v1/users/signup", "{\"name\":\"alice\",\"password\":\"wonderland\"}");
    sign_in(rig, "alice", "wonderland");
    ask(rig, 200, "GET", "/api/v1/users/2/roles", NULL);
    assert_string_equal(rig->body, "[\"guest\"]");
    ask(rig, 200, "GET", "/api/v1/clusters", NULL);
    ask(rig, 403, "POST", "/api/v1/configs", "{\"name\":\"a\",\"value\":\"b\"}");
    ask(rig, 403, "PUT", "/api/v1/users/2/roles/root", NULL);
    ask(rig, 403, "PATCH", "/api/v1/users/1", "{\"bio\":\"x\"}");
    ask(rig, 200, "PATCH", "/api/v1/users/2", "{\"bio\":\"curious\"}");
    assert_string_equal(text_at(rig, "bio"), "curious");
    ask(rig, 403, "PATCH", "/api/v1/users/2", "{\"state\":\"disable\"}");
    ask(rig, 200, "GET", "/api/v1/users/1", NULL);
    assert_null(at(rig, "default_password"));
}

static void signing_up_is_slow(void **state)
{
    struct rest_rig *rig = *state;
    char body[80];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(body, sizeof(body), "{\"name\":\"user%d\",\"password\":\"wonderland\"}", i);
        ask(rig, 200, "POST", "/api/v1/users/signup", body);
    }
    ask(rig, 429, "POST", "/api/v1/users/signup", "{\"name\":\"onemore\",\"password\":\"wonderland\"}");
    sign_in(rig, "root", "dragonfly");
}

static void disabled_users_are_out(void **state)
{
    struct rest_rig *rig = *state;
    char session[600];
    ask(rig, 200, "POST", "/api/v1/users/signup", "{\"name\":\"alice\",\"password\":\"wonderland\"}");
    sign_in(rig, "alice", "wonderland");
    memcpy(session, rig->session, sizeof(session));
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "PATCH", "/api/v1/users/2", "{\"state\":\"disable\"}");
    ask(rig, 409, "PATCH", "/api/v1/users/1", "{\"state\":\"disable\"}");
    memcpy(rig->session, session, sizeof(session));
    ask(rig, 401, "GET", "/api/v1/users", NULL);
    rig->session[0] = 0;
    ask(rig, 401, "POST", SIGN_IN, "{\"name\":\"alice\",\"password\":\"wonderland\"}");
}

/* --- the first start -------------------------------------------------------------------------------------
 */

static void the_first_start_makes_what_is_needed(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "GET", "/api/v1/clusters", NULL);
    assert_int_equal(json_array_size(rig->json), 1);
    assert_int_equal(number_at(rig, "0.id"), 1);
    assert_string_equal(text_at(rig, "0.name"), "cluster-1");
    assert_true(json_is_true(at(rig, "0.is_default")));
    assert_int_equal(number_at(rig, "0.scheduler_cluster_config.candidate_parent_limit"), 3);
    assert_int_equal(number_at(rig, "0.scheduler_cluster_config.filter_parent_limit"), 15);
    assert_int_equal(number_at(rig, "0.scheduler_cluster_config.job_rate_limit"), 10);
    assert_int_equal(number_at(rig, "0.peer_cluster_config.load_limit"), 200);
    assert_int_equal(number_at(rig, "0.seed_peer_cluster_config.load_limit"), 2000);
    ask(rig, 200, "GET", "/api/v1/configs?name=gc", NULL);
    assert_string_equal(text_at(rig, "0.value"),
                        "{\"audit\":{\"ttl\":604800000000000},\"job\":{\"ttl\":21600000000000}}");
    ask(rig, 200, "GET", "/api/v1/roles", NULL);
    assert_string_equal(rig->body, "[\"guest\",\"root\"]");
}

/* Sessions live on, for the key is kept; what was deleted stays deleted; root gets its role back. */
static void later_starts_keep_what_there_is(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "DELETE", "/api/v1/clusters/1", NULL);
    run_sql(rig, "DELETE FROM user_roles");
    ask(rig, 403, "GET", "/api/v1/clusters", NULL);
    rest_rig_restart(rig, &usual);
    ask(rig, 200, "GET", "/api/v1/clusters", NULL);
    assert_int_equal(json_array_size(rig->json), 0);
}

static void a_configured_key_is_used(void **state)
{
    struct rest_rig *rig = *state;
    const struct rest_options with_key = {
        .jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200, .jwt_key = "ZHJhZ29uZmx5Cg=="};
    sign_in(rig, "root", "dragonfly");
    rest_rig_restart(rig, &with_key);
    ask(rig, 401, "GET", "/api/v1/clusters", NULL);
    sign_in(rig, "root", "dragonfly");
    assert_string_equal(rest_key(rig->rest), "ZHJhZ29uZmx5Cg==");
}

static void the_lives_of_sessions_can_change(void **state)
{
    struct rest_rig *rig = *state;
    sign_in(rig, "root", "dragonfly");
    rest_set_sessions(rig->rest, 60, 120);
    ask(rig, 200, "POST", "/api/v1/users/refresh_token", NULL);
    assert_non_null(strstr(header(rig, "Set-Cookie"), "; Max-Age=60;"));
    make_token(rig, -60, 60);
    ask(rig, 200, "POST", "/api/v1/users/refresh_token", NULL);
    make_token(rig, -122, 60);
    ask(rig, 401, "POST", "/api/v1/users/refresh_token", NULL);
    assert_non_null(strstr(rig->body, "auth.jwt.maxRefresh"));
}

static void root_can_begin_with_another_password(void **state)
{
    struct rest_rig rig;
    const struct rest_options options = {
        .jwt_timeout_s = 60, .jwt_max_refresh_s = 60, .root_password = "damselfly"};
    (void)state;
    rest_rig_open_with(&rig, &options);
    ask(&rig, 401, "POST", SIGN_IN, RIGHT);
    sign_in(&rig, "root", "damselfly");
    assert_null(at(&rig, "warning"));
    rest_rig_close(&rig);
}

static void options_that_cannot_be_are_refused(void **state)
{
    static const struct rest_options wrong[] = {{.root_password = "short"},
                                                {.root_password = "012345678901234567890"},
                                                {.token = "short"},
                                                {.jwt_realm = "a\"b"}};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct rest *rest = NULL;
        struct dtr_error err;
        assert_int_equal(rest_new(&wrong[i], &rest, &err), DTR_EINVALID);
        assert_null(rest);
        assert_null(strstr(err.text, "short"));
    }
}

/* Unlike Dragonfly's, a second start with the same token is no error. */
static void a_token_can_be_given_at_start(void **state)
{
    struct rest_rig *rig = *state;
    struct rest_options options = usual;
    options.token = "first-token-of-the-test";
    rest_rig_restart(rig, &options);
    rest_rig_restart(rig, &options);
    (void)dtr_copy_text(rig->session, sizeof(rig->session), "first-token-of-the-test");
    ask(rig, 200, "GET", "/oapi/v1/clusters", NULL);
    options.token = "another-token-of-the-test";
    rest_rig_restart(rig, &options);
    ask(rig, 401, "GET", "/oapi/v1/clusters", NULL);
    (void)dtr_copy_text(rig->session, sizeof(rig->session), "another-token-of-the-test");
    ask(rig, 200, "GET", "/oapi/v1/clusters", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rest_rig_set_up, rest_rig_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_begins_with_a_password),
        TEST(tokens_come_three_ways),
        TEST(sessions_end_and_can_be_made_longer),
        TEST(a_new_password_ends_old_sessions),
        TEST(guessing_is_slow),
        TEST(guessing_by_reset_is_slow_too),
        TEST(who_signs_up_is_a_guest),
        TEST(signing_up_is_slow),
        TEST(disabled_users_are_out),
        TEST(the_first_start_makes_what_is_needed),
        TEST(later_starts_keep_what_there_is),
        TEST(a_configured_key_is_used),
        TEST(pages_of_others_cannot_use_the_cookie),
        TEST(the_lives_of_sessions_can_change),
        cmocka_unit_test(root_can_begin_with_another_password),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        TEST(a_token_can_be_given_at_start),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
