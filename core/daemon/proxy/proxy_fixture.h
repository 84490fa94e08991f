/* For tests of the proxy: a daemon with nothing but a proxy on loopback, tasks of a made-up origin and a
 * store in memory (rig.h), pass-through to an origin that echoes, and clients that are threads with blocking
 * sockets. */
#ifndef DTR_DAEMON_PROXY_FIXTURE_H
#define DTR_DAEMON_PROXY_FIXTURE_H

#include "core/daemon/proxy/proxy_internal.h"

#include "core/base/str.h"
#include "core/daemon/tasks/rig.h"
#include "core/loop/turn_until.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

extern struct dtr_loop *control, *data;
extern struct dtr_daemon node;
extern struct dtr_daemon_config config; /* read by begin() */
extern struct rig_script script;        /* what the origin of tasks does */
/* What the tasks are stored in: rig_storage, with leases that must all have ended by finish(). A test may
 * change it after begin(). */
extern struct dtr_storage_ops store;
/* The origin of what passes through answers 418 with the body that it was sent, or with the URL that it was
 * asked for; it refuses URLs with /refused or /guarded in them. */
extern const struct dtr_feature echo_feature;

/* Around a group of tests: the loops, and a port. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Around each test: a daemon with an empty store. */
void begin(void);
void finish(void);

/* One request and what is answered; the heads end in "Connection: close". */
struct client {
    struct dtr_msg first, msg;
    pthread_t thread;
    const char *head;
    const uint8_t *body;
    size_t body_length;
    size_t leave_after; /* bytes of the answer; 0: all */
    struct dtr_str answer;
    bool begun, done;
};

#define BLOB  "/v2/a/blobs/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
#define OTHER " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"

/* Sends head and body on a thread of its own; client_wait() turns the control loop until the answer ended. */
void client_begin(struct client *client);
void client_wait(struct client *client);
/* Both, of a request without body. The answer is for dtr_str_free(). */
void ask(struct client *client, const char *head);
const char *body_of(const struct client *client);
size_t body_size(const struct client *client);
void assert_says(const struct client *client, const char *text);
/* The body is this part of the object, and the status begins the answer; which is freed. */
void assert_part(struct client *client, const char *status, size_t offset, size_t length);

#endif
