/* For tests: a manager with a database module in a folder of its own, and a client of it, all on one loop
 * that the test turns by hand. */
#ifndef DTR_MANAGER_RIG_H
#define DTR_MANAGER_RIG_H

#include "core/loop/turn_until.h"
#include "core/manager/manager.h"
#include "core/manager/store/rig.h"
#include "core/manager/store/store.h"
#include "core/rpc/methods.h"
#include "proto/google.pb-c.h"
#include "proto/manager.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct rig {
    struct store_rig database;
    struct dtr_loop *loop;
    struct store *store; /* the test's own, beside the manager's */
    struct dtr_manager *manager;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr addr;
    struct dtr_rpc_channel *channel;
};

/* A database, a loop and a store. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* A test with no more than that, in the list of a group. */
#define RIG_TEST(test, rig) cmocka_unit_test_prestate_setup_teardown(test, rig_set_up, rig_tear_down, rig)
int rig_set_up(void **state);
int rig_tear_down(void **state);
/* The manager on top of that, its server and a channel to it. */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);

/* One statement, which must succeed. */
void rig_sql(struct rig *rig, const char *sql);
/* The number that a statement gives. */
int64_t rig_number(struct rig *rig, const char *sql);
/* A cluster with these scopes (JSON) and its seed peer cluster of the same id. */
void rig_cluster(struct rig *rig, int64_t id, const char *scopes, bool is_default);
/* A peer of a cluster, at 10.0.0.9; ids count from 1. */
void rig_peer(struct rig *rig, int64_t cluster, const char *name, const char *state, int64_t updated_at);

/* A unary call. The response is a copy, freed with protobuf_c_message_free_unpacked(); NULL when it failed,
 * *ret_code and rig_said say how. */
ProtobufCMessage *rig_call(struct rig *rig, const struct dtr_rpc_method *method,
                           const ProtobufCMessage *request, enum dtr_rpc_code *ret_code);
extern char rig_said[300];

#endif
