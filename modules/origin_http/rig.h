/* What the tests of this module share: a small server on loopback that answers by path, the module on a host
 * table, and a caller that keeps what it is told. Not part of the product.
 *
 * The module includes sdk/ only. Its tests include core on purpose: what they try is how the module gets on
 * with the loop, the guard and the streams that it will run on, and a host table that imitates these would
 * show nothing of that. */
#ifndef ORIGIN_HTTP_RIG_H
#define ORIGIN_HTTP_RIG_H

#include "http.h"

#include "core/base/str.h"
#include "core/loop/loop.h"
#include "core/net/guard.h"
#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* The server. */
struct rig_server {
    struct dtr_loop *loop;
    struct dtr_listener *listener;
    uint16_t port;
    char last_request[8192]; /* head and body as received */
    int fickle;              /* requests for /fickle */
    bool expired;            /* where it leads is forbidden by now */
};
extern struct rig_server server;

/* The caller: what is to happen with the answer, and what came. */
struct rig_seen {
    int status;
    uint64_t offset, total;
    char version[64];
    struct dtr_str body;
    struct dtr_origin_call *call;
    bool done, pause_once, paused, refuse_body;
    const char *upload;
    int refused; /* bytes came so often that were not wanted */
    struct dtr_error result;
};
extern struct rig_seen seen;
extern const struct dtr_origin_ops *ops;

/* For a group of tests: starts all, with the guard as it is by default. */
int rig_open(void **state);
int rig_close(void **state);

/* A trusted GET of a path of the server; forgets what was seen. `url` holds the address. */
struct dtr_origin_request request_for(const char *path, char url[128]);
/* Starts a read() or an exchange(); `run` waits for its end too. */
void begin(const struct dtr_origin_request *request, bool read);
void run(const struct dtr_origin_request *request, bool read);
/* Turns the loop until it is set; fails the program when that takes too long. */
void turn_until(bool *flag);
/* Lets the guard pass loopback, by both of its names, until guard_anew(). */
void guard_opens(void);
void guard_anew(void);

#endif
