/* For tests of server and channels over sockets: one of each on one loop, around the services of echo.h. */
#ifndef DTR_RPC_NET_FIXTURE_H
#define DTR_RPC_NET_FIXTURE_H

#include "core/rpc/echo.h"
#include "core/rpc/methods.h"

#include "core/loop/turn_until.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* A server and a channel to it; the test sets `addr` for another place than a free port of 127.0.0.1. */
struct fixture {
    struct dtr_loop *loop;
    struct dtr_rpc_table *table;
    struct dtr_rpc_health *health;
    struct dtr_rpc_server *server;
    struct dtr_rpc_channel *channel;
    struct dtr_addr addr;
    struct echo echo;
    struct record client;
    /* of unary calls */
    int done, ok;
    enum dtr_rpc_code code;
    char text[300], answer[64];
    /* of the channel */
    int ready, lost;
    bool stopped;
};

/* Around each test: everything but server and channel, which are closed when they are left open. */
int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* NULL: the usual limits. Afterwards `addr` is where it listens. */
void start_server(struct fixture *f, const struct dtr_rpc_limits *limits);
void stop_server(struct fixture *f, uint64_t limit_ms);
/* For dtr_rpc_server_stop(); the context is the fixture. */
void on_stopped(void *context);
/* The state's events and short pauses between attempts are filled in. */
void open_channel(struct fixture *f, struct dtr_rpc_channel_options options);
void close_channel(struct fixture *f);

#define WAIT_FOR_READY ((struct dtr_rpc_call_options){.wait_for_ready = true})
#define DEFAULTS       ((struct dtr_rpc_call_options){0})

/* A unary call; `done`, `ok`, `code`, `text` and `answer` tell what came of it. */
void ask(struct fixture *f, const struct dtr_rpc_method *method, const char *text,
         struct dtr_rpc_call_options options);
/* The same of echo_unary, until it has come. */
void ask_and_wait(struct fixture *f, const char *text, struct dtr_rpc_call_options options);
/* A call whose events `client` records. */
void start_stream(struct fixture *f, const struct dtr_rpc_method *method,
                  struct dtr_rpc_call_options options);

#endif
