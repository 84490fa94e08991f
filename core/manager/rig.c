/* See rig.h. */
#include "core/manager/rig.h"

#include <stdlib.h>
#include <unistd.h>

char rig_said[300];

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* --- database ---------------------------------------------------------------------------------------- */

void rig_open(struct rig *rig)
{
    struct dtr_error err = {0};
    *rig = (struct rig){0};
    store_rig_open(&rig->database);
    assert_int_equal(dtr_loop_new("manager", &rig->loop, &err), DTR_OK);
    const struct store_options options = {rig->database.ops, rig->database.module.instance, true};
    assert_int_equal(store_new(&options, &rig->store, &err), DTR_OK);
}

void rig_close(struct rig *rig)
{
    store_free(rig->store);
    dtr_loop_free(rig->loop);
    store_rig_close(&rig->database);
}

int rig_set_up(void **state)
{
    rig_open(*state);
    return 0;
}

int rig_tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static int run_sql(struct store_db *db, void *context, struct dtr_error *err)
{
    return store_run(db, context, NULL, 0, NULL, err);
}

void rig_sql(struct rig *rig, const char *sql)
{
    struct dtr_error err = {0};
    if (store_do(rig->store, run_sql, (void *)(uintptr_t)sql, &err) != DTR_OK)
        fail_msg("%s: %s", sql, err.text);
}

struct question {
    const char *sql;
    int64_t number;
};

static int ask_number(struct store_db *db, void *context, struct dtr_error *err)
{
    struct question *question = context;
    return store_number(db, question->sql, NULL, 0, &question->number, err);
}

int64_t rig_number(struct rig *rig, const char *sql)
{
    struct question question = {.sql = sql};
    struct dtr_error err = {0};
    if (store_read(rig->store, ask_number, &question, &err) != DTR_OK)
        fail_msg("%s: %s", sql, err.text);
    return question.number;
}

void rig_peer(struct rig *rig, int64_t cluster, const char *name, const char *state, int64_t updated_at)
{
    char sql[400];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO peers (scheduler_cluster_id, host_name, ip, type, port, download_port,"
                   " proxy_port, object_storage_port, state, created_at, updated_at)"
                   " VALUES (%lld, '%s', '10.0.0.9', 'normal', 1, 1, 1, 0, '%s', 1, %lld)",
                   (long long)cluster, name, state, (long long)updated_at);
    rig_sql(rig, sql);
}

void rig_cluster(struct rig *rig, int64_t id, const char *scopes, bool is_default)
{
    char sql[1024];
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO scheduler_clusters (id, name, bio, config_json, client_config_json, scopes_json,"
        " is_default, created_at, updated_at) VALUES (%lld, 'cluster-%lld', '',"
        " '{\"candidate_parent_limit\":5}', '{\"load_limit\":200}', '%s', %d, 0, 0)",
        (long long)id, (long long)id, scopes, is_default);
    rig_sql(rig, sql);
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO seed_peer_clusters (id, name, bio, config_json, created_at, updated_at) VALUES (%lld,"
        " 'cluster-%lld', '', '{\"load_limit\":2000,\"block_list\":{\"task\":{}}}', 0, 0)",
        (long long)id, (long long)id);
    rig_sql(rig, sql);
    (void)snprintf(sql, sizeof(sql), "INSERT INTO cluster_links VALUES (%lld, %lld)", (long long)id,
                   (long long)id);
    rig_sql(rig, sql);
}

/* --- manager ---------------------------------------------------------------------------------------------
 */

void rig_start(struct rig *rig)
{
    const struct dtr_manager_options options = {
        .database = {.ops = rig->database.ops, .instance = rig->database.module.instance, .migrate = true},
        .rest = {.jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200},
        .jobs = {.sync_timeout_ms = 600000, .sync_batch = 500}};
    struct dtr_error err = {0};
    assert_int_equal(dtr_manager_new(rig->loop, &options, &rig->manager, &err), DTR_OK);
    assert_int_equal(dtr_rpc_table_new(&rig->table, &err), DTR_OK);
    assert_int_equal(dtr_manager_serve(rig->manager, rig->table, &err), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(rig->loop, NULL, &rig->server, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &rig->addr, &err), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(rig->server, &rig->addr, rig->table, &rig->addr, &err), DTR_OK);
    assert_int_equal(dtr_rpc_channel_new(rig->loop, &rig->addr, NULL, &rig->channel, &err), DTR_OK);
}

void rig_stop(struct rig *rig)
{
    bool stopped = false, closed = false;
    dtr_rpc_channel_close(rig->channel);
    dtr_manager_leave(rig->manager);
    dtr_rpc_server_stop(rig->server, 100, set_flag, &stopped);
    TURN_UNTIL(rig->loop, stopped);
    dtr_manager_close(rig->manager, set_flag, &closed);
    TURN_UNTIL(rig->loop, closed);
    dtr_rpc_table_free(rig->table);
}

/* --- calls -----------------------------------------------------------------------------------------------
 */

struct called {
    const struct dtr_rpc_method *method;
    ProtobufCMessage *response;
    enum dtr_rpc_code code;
    bool done;
};

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct called *called = context;
    called->done = true;
    called->code = status->code;
    (void)snprintf(rig_said, sizeof(rig_said), "%s", status->message);
    if (response)
        called->response =
            protobuf_c_message_unpack(called->method->output, NULL, response->length, response->bytes);
}

ProtobufCMessage *rig_call(struct rig *rig, const struct dtr_rpc_method *method,
                           const ProtobufCMessage *request, enum dtr_rpc_code *ret_code)
{
    static const struct dtr_rpc_call_options options = {.wait_for_ready = true, .timeout_ms = 15000};
    struct called called = {.method = method};
    struct dtr_error err;
    assert_int_equal(dtr_rpc_unary(rig->channel, method, request, &options, on_done, &called, NULL, &err),
                     DTR_OK);
    TURN_UNTIL(rig->loop, called.done);
    *ret_code = called.code;
    return called.response;
}
