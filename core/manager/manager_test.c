/* The manager as a whole: what its parts do to each other, on a real database. */
#include "core/manager/rest/password.h"
#include "core/manager/rig.h"
#include "core/net/guard.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIGN_INS = 40 /* more than there are workers */, TEXT = 4096 };

/* --- a database that holds sign-ins up -------------------------------------------------------------------
 */

static const struct dtr_database_ops *real;
static struct dtr_database_ops slow;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool shut;
    unsigned held; /* sign-ins that wait */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void pass_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.held++;
    while (gate.shut)
        pthread_cond_wait(&gate.opened, &gate.lock);
    gate.held--;
    pthread_mutex_unlock(&gate.lock);
}

static unsigned held(void)
{
    pthread_mutex_lock(&gate.lock);
    unsigned count = gate.held;
    pthread_mutex_unlock(&gate.lock);
    return count;
}

static void set_gate(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
}

static int run_slowly(struct dtr_db *db, const char *sql, const struct dtr_value *values, size_t count,
                      const struct dtr_row_sink *sink, struct dtr_ran *ret_ran, struct dtr_error *err)
{
    if (strstr(sql, "password_hash") && strstr(sql, "WHERE name = ?"))
        pass_gate();
    return real->run(db, sql, values, count, sink, ret_ran, err);
}

/* --- REST ------------------------------------------------------------------------------------------------
 */

struct whole {
    struct rig rig;
    struct dtr_http_server *http;
    struct dtr_addr addr;
};

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void open_http(struct whole *whole)
{
    static const struct dtr_http_limits limits = {.connections = 100};
    assert_int_equal(dtr_http_server_new(whole->rig.loop, &limits, dtr_manager_handle, whole->rig.manager,
                                         &whole->http, NULL),
                     DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &whole->addr, NULL), DTR_OK);
    assert_int_equal(dtr_http_server_listen(whole->http, &whole->addr, &whole->addr, NULL), DTR_OK);
}

static void close_http(struct whole *whole)
{
    bool stopped = false;
    dtr_http_server_close(whole->http, 1000, set_flag, &stopped);
    TURN_UNTIL(whole->rig.loop, stopped);
}

static int begin(void **state)
{
    static struct whole whole;
    whole = (struct whole){0};
    password_set_cost(4);
    rig_open(&whole.rig);
    real = whole.rig.database.ops;
    slow = *real;
    slow.run = run_slowly;
    whole.rig.database.ops = &slow;
    rig_start(&whole.rig);
    open_http(&whole);
    *state = &whole;
    return 0;
}

static int end(void **state)
{
    struct whole *whole = *state;
    close_http(whole);
    rig_stop(&whole->rig);
    rig_close(&whole->rig);
    return 0;
}

/* Sends a body, with a session unless ""; the connection. */
static int post(const struct whole *whole, const char *path, const char *session, const char *body)
{
    char text[TEXT];
    int length = snprintf(text, sizeof(text),
                          "POST %s HTTP/1.1\r\nHost: manager\r\nConnection: close\r\n%s%s%s"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          path, *session ? "Authorization: Bearer " : "", session, *session ? "\r\n" : "",
                          strlen(body), body);
    assert_true(length > 0 && length < TEXT);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &whole->addr.any, whole->addr.length), 0);
    assert_int_equal(write(fd, text, (size_t)length), length);
    return fd;
}

/* Its answer, up to now. */
static void peek(int fd, char text[TEXT])
{
    ssize_t got = recv(fd, text, TEXT - 1, MSG_PEEK | MSG_DONTWAIT);
    text[got > 0 ? got : 0] = 0;
}

/* The status of its answer, 0 while there is none. */
static int status_of(int fd)
{
    char text[TEXT];
    peek(fd, text);
    return strlen(text) > 12 ? atoi(text + strlen("HTTP/1.1 ")) : 0;
}

static void sign_in(struct whole *whole, char session[TEXT])
{
    static const char begin_of_it[] = "\"token\":\"";
    int fd = post(whole, "/api/v1/users/signin", "", "{\"name\":\"root\",\"password\":\"dragonfly\"}");
    char text[TEXT];
    TURN_UNTIL(whole->rig.loop, (peek(fd, text), strchr(text, '}') != NULL));
    const char *token = strstr(text, begin_of_it);
    assert_non_null(token);
    token += strlen(begin_of_it);
    (void)snprintf(session, TEXT, "%.*s", (int)strcspn(token, "\""), token);
    (void)close(fd);
}

static void list(struct whole *whole)
{
    Manager__V2__ListSchedulersRequest request = MANAGER__V2__LIST_SCHEDULERS_REQUEST__INIT;
    enum dtr_rpc_code code;
    request.hostname = (char *)"node";
    request.ip = (char *)"10.0.0.1";
    ProtobufCMessage *answer = rig_call(&whole->rig, &dtr_rpc_manager_list_schedulers, &request.base, &code);
    if (code != DTR_RPC_OK && code != DTR_RPC_NOT_FOUND)
        fail_msg("%d: %s", code, rig_said);
    if (answer)
        protobuf_c_message_free_unpacked(answer, NULL);
}

/* --- tests -----------------------------------------------------------------------------------------------
 */

static void sign_ins_do_not_stand_before_daemons(void **state)
{
    struct whole *whole = *state;
    int clients[SIGN_INS];
    list(whole);
    set_gate(true);
    for (int i = 0; i < SIGN_INS; i++)
        clients[i] =
            post(whole, "/api/v1/users/signin", "", "{\"name\":\"nobody\",\"password\":\"wrong-wrong\"}");
    TURN_UNTIL_BY(whole->rig.loop, false, held() >= 8); /* all workers of REST */
    for (int i = 0; i < 20; i++)
        list(whole);
    for (int i = 0; i < SIGN_INS; i++)
        assert_int_equal(status_of(clients[i]), 0); /* not one of them is through meanwhile */
    set_gate(false);
    for (int i = 0; i < SIGN_INS; i++) {
        TURN_UNTIL_BY(whole->rig.loop, false, status_of(clients[i]) != 0);
        assert_true(status_of(clients[i]) == 401 || status_of(clients[i]) == 429);
        (void)close(clients[i]);
    }
}

/* A scheduler that takes calls and never answers. */
static int add_silent_scheduler(struct whole *whole)
{
    struct dtr_addr addr;
    char sql[500];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, NULL), DTR_OK);
    assert_int_equal(bind(fd, &addr.any, addr.length), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, &addr.any, &addr.length), 0);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO schedulers (host_name, idc, location, ip, port, state, features_json,"
                   " config_json, last_keep_alive_at, scheduler_cluster_id, created_at, updated_at)"
                   " VALUES ('silent', '', '', '127.0.0.1', %u, 'active', '[]', '{}', 0, 1, 0, 0)",
                   dtr_addr_port(&addr));
    rig_sql(&whole->rig, sql);
    assert_int_equal(dtr_guard_allow("127.0.0.1", NULL), DTR_OK);
    return fd;
}

/* As soon as it is known, not when the servers have waited for their clients in vain. */
static void who_waits_for_a_job_is_told_that_the_manager_stops(void **state)
{
    struct whole *whole = *state;
    char session[TEXT], text[TEXT];
    sign_in(whole, session);
    int scheduler = add_silent_scheduler(whole);
    int client = post(whole, "/api/v1/jobs", session, "{\"type\":\"sync_peers\"}");
    TURN_UNTIL(whole->rig.loop, rig_number(&whole->rig, "SELECT COUNT(*) FROM jobs WHERE owner <> ''") == 1);
    assert_int_equal(status_of(client), 0);
    dtr_manager_leave(whole->rig.manager);
    TURN_UNTIL(whole->rig.loop, status_of(client) != 0);
    peek(client, text);
    assert_int_equal(status_of(client), 503);
    assert_non_null(strstr(text, "GET /api/v1/jobs/1"));
    (void)close(client);
    (void)close(scheduler);
    dtr_guard_stop();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sign_ins_do_not_stand_before_daemons, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_for_a_job_is_told_that_the_manager_stops, begin, end),
    };
    store_rig_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
