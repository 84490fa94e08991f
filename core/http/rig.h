/* What the tests of this folder share: a loop turned by hand, a server on loopback whose handler plays
 * scripts by path, and clients that keep what they receive. Not part of the product. */
#ifndef DTR_HTTP_RIG_H
#define DTR_HTTP_RIG_H

#include "core/base/str.h"
#include "core/http/server.h"
#include "core/loop/turn_until.h"
#include "core/net/stream.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct client {
    struct dtr_stream *stream; /* NULL once closed */
    struct dtr_str received;
    bool ended, closed;
    struct dtr_error result;
};

struct rig {
    struct dtr_loop *loop;
    struct dtr_http_server *server;
    struct dtr_addr addr;
    bool stopped;

    /* The handler's side: the last exchange handed over. */
    struct dtr_http_exchange *exchange; /* NULL once answered or aborted */
    char path[64];
    struct dtr_str body;
    uint64_t per_call; /* body credit given at a time by /credit */
    size_t largest;    /* most body bytes in one call */
    int requests, ends, aborts, drains, released;
    struct dtr_error aborted;
    uint64_t left; /* bytes that /parts has yet to send */
    int fd;        /* the file of /file and /parts */
    uint64_t file_size;
};

void rig_open(struct rig *rig, const struct dtr_http_limits *limits);
/* With a handler of the test's own; `context` NULL stands for the rig. */
void rig_open_with(struct rig *rig, const struct dtr_http_limits *limits, dtr_http_handle *handle,
                   void *context);
/* Stops the server and waits for the end of all its connections. */
void rig_close(struct rig *rig);
/* Turns the loop until the expression is true; fails the program when that takes too long. */
#define rig_until(rig, expression) TURN_UNTIL((rig)->loop, expression)
/* Turns the loop until everything sent on loopback so far has been looked at: a round trip of its own. */
void rig_settle(struct rig *rig);
/* Answers, or aborts, the exchange that waits. */
void rig_reply(struct rig *rig, int status, const char *text);
void rig_abort(struct rig *rig);
/* Fills the rig's file with `size` bytes; rig_byte() says which. */
void rig_file(struct rig *rig, uint64_t size);
uint8_t rig_byte(uint64_t offset);

void client_open(struct rig *rig, struct client *client, const struct dtr_addr *addr);
/* The same on a connected descriptor. */
void client_take(struct rig *rig, struct client *client, int fd);
void client_send(struct client *client, const char *text);
void client_close(struct rig *rig, struct client *client);
/* Waits until `text` has been received. */
void client_expect(struct rig *rig, struct client *client, const char *text);
bool client_has(const struct client *client, const char *text);
/* Opens, sends, waits for the server to end the connection, and closes. What came is in `received`. */
void client_whole(struct rig *rig, struct client *client, const char *text);

#endif
