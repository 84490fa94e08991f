/* For tests: a made-up manager on loopback, on a loop of its own, that answers by a table and keeps what it
 * was asked; and the access of a tool to it. Not part of the product. */
#ifndef DTR_TOOLS_MANAGER_RIG_H
#define DTR_TOOLS_MANAGER_RIG_H

#include "core/http/server.h"
#include "core/loop/loop.h"
#include "core/tools/ctl_manager.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* An answer: to "METHOD /path?query" as a whole, or what begins so when it ends with '*'. It is given `times`
 * times, 0: always; then the next row that fits counts. */
struct manager_answer {
    const char *request;
    int status;
    const char *body;
    unsigned times;
};

struct manager_rig {
    struct dtr_loop *loop;
    struct dtr_http_server *server;
    struct dtr_addr addr;
    pthread_mutex_t lock; /* what follows */
    struct manager_answer answers[16];
    size_t count, asked;
    char request[512], authorization[300], body[4096]; /* of the last one */

    struct dtr_web *web;
    char url[64];
    struct dtr_manager_access access;
    struct dtr_ctl_show show;
    char *text; /* what was printed */
    size_t length;
};

/* `folder` has origin_http.so. */
void manager_rig_open(struct manager_rig *rig, const char *folder);
void manager_rig_close(struct manager_rig *rig);
/* From now on it answers these; what it was asked is forgotten. */
void manager_rig_answers(struct manager_rig *rig, const struct manager_answer *answers, size_t count);
#define MANAGER_ANSWERS(rig, ...)                                                                            \
    do {                                                                                                     \
        const struct manager_answer rig_answers[] = {__VA_ARGS__};                                           \
        manager_rig_answers(rig, rig_answers, sizeof(rig_answers) / sizeof(rig_answers[0]));                 \
    } while (0)
/* Prints go to rig->text from here on; `json` as said. */
void manager_rig_print(struct manager_rig *rig, bool json);
/* What was printed since. */
const char *manager_rig_printed(struct manager_rig *rig);

#endif
