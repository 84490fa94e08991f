/* `darter ctl` with a made-up manager: what it asks, prints, and says of what goes wrong. Argument 1: the
 * folder of the modules. */
#include "core/tools/manager_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;

static int set_up(void **state)
{
    struct manager_rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    manager_rig_open(rig, folder);
    manager_rig_print(rig, false);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    manager_rig_close(*state);
    free(*state);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in: %s", part, text);
}

static void assert_url(const char *text, const char *wanted)
{
    char *url = NULL;
    struct dtr_error err = {0};
    int rc = dtr_manager_url(text, &url, &err);
    if (!wanted) {
        assert_int_equal(rc, DTR_EINVALID);
        assert_has(err.text, "http://HOST:8080");
        return;
    }
    assert_int_equal(rc, DTR_OK);
    assert_string_equal(url, wanted);
    free(url);
}

static void addresses_are_made_whole(void **state)
{
    (void)state;
    assert_url("http://a:8080", "http://a:8080");
    assert_url("https://a/", "https://a");
    assert_url("10.0.0.1:8080", "http://10.0.0.1:8080");
    assert_url("http://[fd00::1]:8080//", "http://[fd00::1]:8080");
    static const char *const bad[] = {"",        "/",   "http://",    "http:///x",
                                      "ftp://a", "a b", "http://a?x", "http://u@a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_url(bad[i], NULL);
}

/* --- what goes wrong ------------------------------------------------------------------------------- */

static void assert_failure(struct manager_rig *rig, int status, const char *body, int code, const char *part)
{
    struct dtr_error err = {0};
    json_t *answer = NULL;
    MANAGER_ANSWERS(rig, {"GET /*", status, body, 0});
    assert_int_equal(dtr_manager_ask(&rig->access, "GET", "/clusters/1", NULL, &answer, &err), code);
    assert_null(answer);
    assert_has(err.text, part);
    assert_has(err.text, rig->url);
}

static void errors_say_what_to_do(void **state)
{
    struct manager_rig *rig = *state;
    char lengthy[240];
    static const char said[] = "{\"message\":\"sa\\u0007id\",\"error\":\"Name\"}";
    assert_failure(rig, 401, said, DTR_EDENIED, "\"darter ctl login\" begins another");
    assert_failure(rig, 403, said, DTR_EDENIED, "does not allow it: sa?id");
    assert_failure(rig, 404, said, DTR_ENOT_FOUND, "says: sa?id");
    assert_failure(rig, 422, "{\"errors\":\"ip: bad\",\"message\":\"x\"}", DTR_EINVALID, "says: ip: bad");
    assert_failure(rig, 429, "{}", DTR_EINVALID, "says: HTTP status 429");
    (void)snprintf(lengthy, sizeof(lengthy), "{\"errors\":\"%0200d; do that\"}", 0);
    assert_failure(rig, 422, lengthy, DTR_EINVALID, "; do that");
    assert_failure(rig, 503, said, DTR_EUNAVAILABLE, "cannot do it now: sa?id; try again later");
    assert_failure(rig, 502, "<html>", DTR_EUNAVAILABLE, "try again later");
    assert_failure(rig, 200, "<html>", DTR_EPROTOCOL, "is no manager");
    assert_failure(rig, 301, "", DTR_EPROTOCOL, "is no manager");
    rig->access.is_token = true;
    assert_failure(rig, 401, said, DTR_EDENIED, "does not take this token");
    assert_failure(rig, 404, said, DTR_ENOT_FOUND, "there are clusters and jobs only");
    rig->access.secret = NULL;
    assert_failure(rig, 401, said, DTR_EDENIED, "nobody is signed in");
}

static void a_manager_that_is_away_is_named(void **state)
{
    struct manager_rig *rig = *state;
    struct dtr_error err = {0};
    rig->access.url = "http://127.0.0.1:1";
    assert_true(dtr_manager_ask(&rig->access, "GET", "/clusters", NULL, NULL, &err) != DTR_OK);
    assert_has(err.text, "http://127.0.0.1:1/api/v1/clusters");
    assert_has(err.text, "(--manager)");
}

/* --- asking ---------------------------------------------------------------------------------------- */

static void who_asks_is_said(void **state)
{
    struct manager_rig *rig = *state;
    MANAGER_ANSWERS(rig, {"GET /api/v1/clusters/1", 200, "{}", 0}, {"GET /oapi/v1/clusters/1", 200, "{}", 0});
    assert_int_equal(dtr_manager_ask(&rig->access, "GET", "/clusters/1", NULL, NULL, NULL), DTR_OK);
    assert_string_equal(rig->authorization, "Bearer session");
    rig->access.is_token = true;
    assert_int_equal(dtr_manager_ask(&rig->access, "GET", "/clusters/1", NULL, NULL, NULL), DTR_OK);
    rig->access.secret = NULL;
    assert_int_equal(dtr_manager_ask(&rig->access, "GET", "/clusters/1", NULL, NULL, NULL), DTR_OK);
    assert_string_equal(rig->authorization, "");
}

static void lists_are_read_to_their_end(void **state)
{
    struct manager_rig *rig = *state;
    struct dtr_str page = {0};
    json_t *rows = NULL;
    for (int i = 0; i < 1000; i++)
        dtr_str_printf(&page, "%c{\"id\":%d}", i > 0 ? ',' : '[', i);
    dtr_str_putc(&page, ']');
    MANAGER_ANSWERS(rig, {"GET /api/v1/peers?page=1&per_page=1000&state=a%20b", 200, dtr_str_text(&page), 0},
                    {"GET /api/v1/peers?page=2&per_page=1000&state=a%20b", 200, "[{\"id\":7}]", 0});
    struct dtr_str query = {0};
    dtr_manager_query(&query, "state", "a b");
    dtr_manager_query(&query, "ip", NULL);
    assert_int_equal(dtr_manager_list(&rig->access, "/peers", dtr_str_text(&query), &rows, NULL), DTR_OK);
    assert_int_equal(json_array_size(rows), 1001);
    assert_int_equal(rig->asked, 2);
    json_decref(rows);
    MANAGER_ANSWERS(rig, {"GET *", 200, "{}", 0});
    assert_int_equal(dtr_manager_list(&rig->access, "/peers", "", &rows, NULL), DTR_EPROTOCOL);
    dtr_str_free(&query);
    dtr_str_free(&page);
}

/* --- signing in ------------------------------------------------------------------------------------ */

static void a_session_is_kept_and_forgotten(void **state)
{
    struct manager_rig *rig = *state;
    char home[] = "/tmp/darter-session-XXXXXX", path[96], below[64];
    struct dtr_session session;
    struct dtr_error err = {0};
    struct stat st;
    assert_non_null(mkdtemp(home));
    (void)snprintf(below, sizeof(below), "%s/darter", home);
    (void)snprintf(path, sizeof(path), "%s/manager.json", below);
    rig->access.secret = NULL;
    MANAGER_ANSWERS(rig, {"POST /api/v1/users/signin", 401, "{\"message\":\"no\"}", 1},
                    {"POST /api/v1/users/signin", 200,
                     "{\"token\":\"a.b.c\",\"expire\":\"2030-01-01T00:00:00Z\",\"warning\":\"weak\"}", 0},
                    {"POST /api/v1/users/signout", 200, "{}", 0});
    assert_int_equal(dtr_session_read(path, &session, &err), DTR_ENOT_FOUND);
    assert_int_equal(dtr_ctl_login(&rig->access, "root", "pass", path, &rig->show, &err), DTR_EDENIED);
    assert_has(err.text, "the name or the password is wrong");
    assert_int_equal(dtr_ctl_login(&rig->access, "root", "pa\"ss", path, &rig->show, &err), DTR_OK);
    assert_string_equal(rig->body, "{\"name\":\"root\",\"password\":\"pa\\\"ss\"}");
    assert_has(manager_rig_printed(rig), "until 2030-01-01T00:00:00Z");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(dtr_session_read(path, &session, &err), DTR_OK);
    assert_string_equal(session.url, rig->url);
    assert_string_equal(session.token, "a.b.c");
    assert_string_equal(session.warning, "weak");
    dtr_session_free(&session);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(dtr_session_read(path, &session, &err), DTR_EDENIED);
    assert_int_equal(dtr_ctl_logout(&rig->access, path, &err), DTR_OK);
    assert_string_equal(rig->request, "POST /api/v1/users/signout");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(dtr_ctl_logout(&rig->access, path, &err), DTR_OK);
    assert_int_equal(rmdir(below) | rmdir(home), 0);
}

static void what_is_no_session_is_refused(void **state)
{
    static const char *const texts[] = {"", "[]", "{}", "{\"manager\":1,\"user\":\"a\",\"token\":\"b\"}",
                                        "{\"manager\":\"m\",\"user\":\"a\"}"};
    char path[] = "/tmp/darter-session-XXXXXX";
    struct dtr_session session;
    struct dtr_error err = {0};
    int fd = mkstemp(path);
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
        assert_int_equal(dtr_session_read(path, &session, &err), DTR_ECORRUPT);
        assert_null(session.url);
    }
    assert_int_equal(close(fd) | unlink(path), 0);
}

/* --- clusters -------------------------------------------------------------------------------------- */

#define TWO                                                                                                  \
    "{\"id\":2,\"name\":\"two\",\"is_default\":true,\"scopes\":{\"idc\":\"a\",\"cidrs\":[\"10.0.0.0/8\"]},"  \
    "\"peer_cluster_config\":{\"load_limit\":7,\"block_list\":{\"task\":{}}},\"seed_peer_cluster_id\":5}"

static struct dtr_ctl_cluster nothing(void)
{
    return (struct dtr_ctl_cluster){.candidate_parent_limit = -1,
                                    .filter_parent_limit = -1,
                                    .job_rate_limit = -1,
                                    .peer_load_limit = -1,
                                    .seed_load_limit = -1,
                                    .is_default = -1};
}

static void assert_body(struct manager_rig *rig, const char *wanted)
{
    json_t *got = json_loads(rig->body, 0, NULL), *want = json_loads(wanted, 0, NULL);
    if (!got || !json_equal(got, want))
        fail_msg("%s, not %s", rig->body, wanted);
    json_decref(got);
    json_decref(want);
}

static void a_new_cluster_has_what_was_given(void **state)
{
    struct manager_rig *rig = *state;
    static const char *const cidrs[] = {"10.0.0.0/8", "fd00::/8"};
    struct dtr_ctl_cluster given = nothing();
    given.name = "two";
    given.idc = "a|b";
    given.cidrs = (struct dtr_ctl_texts){cidrs, 2};
    given.job_rate_limit = 4;
    MANAGER_ANSWERS(rig, {"POST /api/v1/clusters", 200, TWO, 0});
    assert_int_equal(dtr_ctl_cluster_add(&rig->access, &given, &rig->show, NULL), DTR_OK);
    assert_body(rig, "{\"name\":\"two\",\"is_default\":false,"
                     "\"scopes\":{\"idc\":\"a|b\",\"cidrs\":[\"10.0.0.0/8\",\"fd00::/8\"]},"
                     "\"scheduler_cluster_config\":{\"candidate_parent_limit\":3,\"filter_parent_limit\":15,"
                     "\"job_rate_limit\":4},\"peer_cluster_config\":{\"load_limit\":200},"
                     "\"seed_peer_cluster_config\":{\"load_limit\":2000}}");
    assert_has(manager_rig_printed(rig), "id:");
}

/* Only what is given changes, also where a PATCH puts a part, or the flag, in the place of what was there. */
static void an_edit_leaves_the_rest(void **state)
{
    struct manager_rig *rig = *state;
    static const char *const none[] = {""};
    struct dtr_ctl_cluster given = nothing();
    MANAGER_ANSWERS(rig, {"GET /api/v1/clusters/2", 200, TWO, 0}, {"PATCH /api/v1/clusters/2", 200, TWO, 0});
    given.bio = "x";
    assert_int_equal(dtr_ctl_cluster_edit(&rig->access, 2, &given, &rig->show, NULL), DTR_OK);
    assert_body(rig, "{\"bio\":\"x\",\"is_default\":true}");
    given = nothing();
    given.location = "l";
    given.cidrs = (struct dtr_ctl_texts){none, 1};
    given.peer_load_limit = 9;
    given.is_default = 0;
    assert_int_equal(dtr_ctl_cluster_edit(&rig->access, 2, &given, &rig->show, NULL), DTR_OK);
    assert_body(rig, "{\"scopes\":{\"idc\":\"a\",\"location\":\"l\",\"cidrs\":[]},\"is_default\":false,"
                     "\"peer_cluster_config\":{\"load_limit\":9,\"block_list\":{\"task\":{}}}}");
}

static void clusters_are_a_table_or_json(void **state)
{
    struct manager_rig *rig = *state;
    MANAGER_ANSWERS(rig, {"GET /api/v1/clusters?*", 200, "[" TWO ",7]", 0});
    assert_int_equal(dtr_ctl_clusters(&rig->access, &rig->show, NULL), DTR_OK);
    assert_string_equal(manager_rig_printed(rig), "ID  NAME  DEFAULT  IDC  LOCATION  CIDRS       HOSTNAMES\n"
                                                  " 2  two   yes      a    -         10.0.0.0/8  -\n");
    manager_rig_print(rig, true);
    assert_int_equal(dtr_ctl_clusters(&rig->access, &rig->show, NULL), DTR_OK);
    assert_has(manager_rig_printed(rig), "\"seed_peer_cluster_id\": 5");
}

static void seeds_belong_to_the_other_half(void **state)
{
    struct manager_rig *rig = *state;
    MANAGER_ANSWERS(rig, {"GET /api/v1/clusters/2", 200, TWO, 0},
                    {"GET /api/v1/seed-peers?page=1&per_page=1000&seed_peer_cluster_id=5&state=active", 200,
                     "[{\"id\":1,\"host_name\":\"s\\u001b\",\"ip\":\"10.0.0.1\",\"port\":4000,"
                     "\"last_keep_alive_at\":\"2023-11-14T22:13:15.5Z\"}]",
                     0});
    assert_int_equal(dtr_ctl_members(&rig->access, DTR_CTL_SEEDS, 2, "active", &rig->show, NULL), DTR_OK);
    assert_has(manager_rig_printed(rig), "s?");
    assert_has(manager_rig_printed(rig), " 5s ");
}

static void a_peer_is_explained(void **state)
{
    struct manager_rig *rig = *state;
    const struct dtr_ctl_peer peer = {.ip = "10.1.1.1", .hostname = "a&b"};
    MANAGER_ANSWERS(
        rig,
        {"GET /api/v1/clusters/ranking?ip=10.1.1.1&hostname=a%26b", 200,
         "{\"policy\":{\"name\":\"dragonfly\",\"generation\":3},\"peer\":{\"ip\":\"10.1.1.1\"},\"clusters\":["
         "{\"id\":2,\"name\":\"two\",\"score\":0.3,\"terms\":{\"cidr\":1,\"hostname\":0,\"idc\":0,"
         "\"location\":0.2,\"default\":0},\"schedulers\":2,\"usable_schedulers\":1,\"usable\":true,"
         "\"chosen\":true}]}",
         1});
    assert_int_equal(dtr_ctl_explain_peer(&rig->access, &peer, &rig->show, NULL), DTR_OK);
    const char *printed = manager_rig_printed(rig);
    assert_has(printed, "dragonfly, generation 3\n");
    assert_has(printed,
               "yes      2  two      0.3000     1         0    0       0.2        0           2       1\n");
    assert_has(printed, "sent to the schedulers of cluster 2 (two)");
    struct dtr_error err = {0};
    MANAGER_ANSWERS(rig, {"GET *", 404, "{}", 0}); /* Dragonfly's */
    assert_int_equal(dtr_ctl_explain_peer(&rig->access, &peer, &rig->show, &err), DTR_ENOT_FOUND);
    assert_has(err.text, "cannot tell");
}

/* --- jobs ------------------------------------------------------------------------------------------- */

static struct dtr_ctl_work preheat(const char *const *urls, size_t count)
{
    return (struct dtr_ctl_work){.type = "preheat",
                                 .targets = {urls, count},
                                 .count = -1,
                                 .percentage = -1,
                                 .piece_length = -1,
                                 .timeout_ms = -1};
}

static void a_preheat_says_all_that_was_given(void **state)
{
    struct manager_rig *rig = *state;
    static const char *const urls[] = {"https://r/v2/a/manifests/1", "http://o/b"},
                             *const clusters[] = {"1", "2"}, *const headers[] = {"A: b", "C:d"},
                             *const ips[] = {"10.0.0.1"};
    struct dtr_ctl_work work = preheat(urls, 1);
    int64_t id = 0;
    MANAGER_ANSWERS(rig, {"POST /api/v1/jobs", 200, "{\"id\":7,\"state\":\"PENDING\"}", 0});
    assert_int_equal(dtr_ctl_job_start(&rig->access, &work, false, &rig->show, &id, NULL), DTR_OK);
    assert_body(
        rig, "{\"type\":\"preheat\",\"args\":{\"type\":\"image\",\"url\":\"https://r/v2/a/manifests/1\"}}");
    assert_int_equal(id, 7);
    assert_has(manager_rig_printed(rig), "job 7 is begun");
    work = preheat(urls + 1, 1);
    work.scope = "all_peers";
    work.ips = (struct dtr_ctl_texts){ips, 1};
    work.headers = (struct dtr_ctl_texts){headers, 2};
    work.clusters = (struct dtr_ctl_texts){clusters, 2};
    work.percentage = 50;
    work.piece_length = 4 << 20;
    work.timeout_ms = 1500;
    assert_int_equal(dtr_ctl_job_start(&rig->access, &work, true, &rig->show, &id, NULL), DTR_OK);
    assert_body(rig,
                "{\"type\":\"preheat\",\"scheduler_cluster_ids\":[1,2],\"args\":{\"type\":\"file\","
                "\"url\":\"http://o/b\",\"scope\":\"all_peers\",\"ips\":[\"10.0.0.1\"],\"percentage\":50,"
                "\"piece_length\":4194304,\"timeout\":1500000000,\"headers\":{\"A\":\"b\",\"C\":\"d\"}}}");
    work = preheat(urls, 2);
    work.kind = "file";
    assert_int_equal(dtr_ctl_job_start(&rig->access, &work, true, &rig->show, &id, NULL), DTR_OK);
    assert_body(rig, "{\"type\":\"preheat\",\"args\":{\"type\":\"file\",\"urls\":"
                     "[\"https://r/v2/a/manifests/1\",\"http://o/b\"]}}");
}

static void what_cannot_be_a_job_is_refused(void **state)
{
    static const char *const names[] = {"nginx:1"}, *const urls[] = {"http://o/b"}, *const bad[] = {"x"};
    struct dtr_ctl_work works[] = {preheat(names, 1), preheat(urls, 1), preheat(urls, 1)};
    static const char *const words[] = {"'nginx:1' is no URL", "--header 'x'", "--cluster x"};
    struct dtr_error err = {0};
    json_t *body;
    (void)state;
    works[1].headers = works[2].clusters = (struct dtr_ctl_texts){bad, 1};
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        assert_int_equal(ctl_job_body(&works[i], &body, &err), DTR_EINVALID);
        assert_null(body);
        assert_has(err.text, words[i]);
    }
}

#define STATES(state, results)                                                                               \
    "{\"id\":7,\"type\":\"preheat\",\"state\":\"" state                                                      \
    "\",\"result\":{\"job_states\":[{\"error\":\"\",\"results\":"                                            \
    "[{\"scheduler_cluster_id\":2," results "}]}]}}"
#define COUNTED                                                                                              \
    "{\"id\":7,\"type\":\"preheat\",\"state\":\"SUCCESS\",\"result\":{\"job_states\":["                      \
    "{\"results\":[{" DONE "}],\"progress\":{\"done\":4000,\"failed\":2,\"waiting\":0}}]}}"
#define DONE   "\"success_tasks\":[{\"url\":\"http://o/b\",\"hostname\":\"s\",\"ip\":\"10.0.0.1\"}]"
#define FAILED "\"failure_tasks\":[{\"url\":\"http://o/c\",\"ip\":\"10.0.0.2\",\"description\":\"404\"}]"

/* A result has no room for all of them. */
static void what_is_not_shown_of_a_job_is_counted(void **state)
{
    struct manager_rig *rig = *state;
    char *said = NULL;
    size_t length = 0;
    FILE *progress = open_memstream(&said, &length);
    MANAGER_ANSWERS(rig, {"GET /api/v1/jobs/7", 200, COUNTED, 2});
    assert_int_equal(dtr_ctl_job_follow(&rig->access, 7, 0, progress, &rig->show, NULL), DTR_OK);
    assert_int_equal(fclose(progress), 0);
    assert_string_equal(said, "job 7: SUCCESS, 4000 done, 2 failed\n");
    assert_has(manager_rig_printed(rig), "\nand 4001 more: 4000 done, 2 failed in all\n");
    free(said);
}

static void a_job_is_followed_to_its_end(void **state)
{
    struct manager_rig *rig = *state;
    char *said = NULL;
    size_t length = 0;
    FILE *progress = open_memstream(&said, &length);
    MANAGER_ANSWERS(rig, {"GET /api/v1/jobs/7", 200, STATES("PENDING", "\"x\":1"), 2},
                    {"GET /api/v1/jobs/7", 503, "{}", 2},
                    {"GET /api/v1/jobs/7", 200, STATES("STARTED", DONE), 2},
                    {"GET /api/v1/jobs/7", 200, STATES("SUCCESS", DONE), 1});
    assert_int_equal(dtr_ctl_job_follow(&rig->access, 7, 0, progress, &rig->show, NULL), DTR_OK);
    assert_int_equal(fclose(progress), 0);
    const char *const away = strstr(said, "job 7: asked for again, as http://"), *const later =
                                                                                     strchr(away, '\n');
    assert_int_equal(strncmp(said, "job 7: PENDING, 0 done, 0 failed\n", (size_t)(away - said)), 0);
    assert_string_equal(later, "\njob 7: STARTED, 1 done, 0 failed\njob 7: SUCCESS, 1 done, 0 failed\n");
    assert_int_equal(rig->asked, 7);
    assert_has(manager_rig_printed(rig), "      2  done     s     10.0.0.1  -     http://o/b  -\n");
    free(said);
}

static void a_job_that_failed_is_an_error(void **state)
{
    struct manager_rig *rig = *state;
    struct dtr_error err = {0};
    MANAGER_ANSWERS(rig, {"GET /api/v1/jobs/7", 200, STATES("FAILURE", FAILED), 0});
    assert_int_equal(dtr_ctl_job_follow(&rig->access, 7, 0, NULL, &rig->show, &err), DTR_EINTERNAL);
    assert_has(err.text, "job 7 failed");
    assert_has(manager_rig_printed(rig), "http://o/c  404\n");
    MANAGER_ANSWERS(rig, {"GET /api/v1/jobs/7", 404, "{}", 0});
    assert_int_equal(dtr_ctl_job_follow(&rig->access, 7, 0, NULL, &rig->show, &err), DTR_ENOT_FOUND);
    assert_int_equal(rig->asked, 1);
    MANAGER_ANSWERS(rig,
                    {"GET /api/v1/jobs/7", 503, "{}", 0}); /* it never was there: perhaps another address */
    assert_int_equal(dtr_ctl_job_follow(&rig->access, 7, 0, NULL, &rig->show, &err), DTR_EUNAVAILABLE);
    assert_int_equal(rig->asked, 1);
}

static void jobs_are_listed_with_what_they_are_about(void **state)
{
    struct manager_rig *rig = *state;
    MANAGER_ANSWERS(rig,
                    {"GET /api/v1/jobs?*", 200,
                     "[{\"id\":4,\"type\":\"preheat\",\"args\":{\"urls\":[\"http://o/a\",\"http://o/b\"]}},"
                     "{\"id\":3,\"type\":\"preheat\",\"args\":{\"url\":\"http://o/c\"}},"
                     "{\"id\":2,\"type\":\"get_task\",\"args\":{\"task_id\":\"0123\"}},"
                     "{\"id\":1,\"type\":\"sync_peers\"}]",
                     0});
    assert_int_equal(dtr_ctl_jobs(&rig->access, NULL, NULL, &rig->show, NULL), DTR_OK);
    const char *printed = manager_rig_printed(rig);
    assert_has(printed, "  http://o/a and 1 more\n");
    assert_has(printed, "  http://o/c\n");
    assert_has(printed, "  0123\n");
    assert_has(printed, " 1  sync_peers  -      -    -     -      -\n");
}

static void times_are_read(void **state)
{
    (void)state;
    assert_int_equal(ctl_time("2023-11-14T22:13:20Z"), 1700000000);
    assert_int_equal(ctl_time("2023-11-15T06:13:20.123456789+08:00"), 1700000000);
    assert_int_equal(ctl_time("2023-11-14T20:43:20-01:30"), 1700000000);
    assert_int_equal(ctl_time("0001-01-01T00:00:00Z"), 0);
    assert_int_equal(ctl_time("yesterday"), 0);
    assert_int_equal(ctl_time(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_made_whole),
        cmocka_unit_test(what_is_no_session_is_refused),
        cmocka_unit_test(times_are_read),
        TEST(errors_say_what_to_do),
        TEST(a_manager_that_is_away_is_named),
        TEST(who_asks_is_said),
        TEST(lists_are_read_to_their_end),
        TEST(a_session_is_kept_and_forgotten),
        TEST(a_new_cluster_has_what_was_given),
        TEST(an_edit_leaves_the_rest),
        TEST(clusters_are_a_table_or_json),
        TEST(seeds_belong_to_the_other_half),
        TEST(a_peer_is_explained),
        TEST(a_preheat_says_all_that_was_given),
        cmocka_unit_test(what_cannot_be_a_job_is_refused),
        TEST(jobs_are_listed_with_what_they_are_about),
        TEST(a_job_is_followed_to_its_end),
        TEST(what_is_not_shown_of_a_job_is_counted),
        TEST(a_job_that_failed_is_an_error),
    };
    if (argc < 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
