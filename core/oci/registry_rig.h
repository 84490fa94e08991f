/* A registry, its token server and somebody else for tests of fetches: three servers on loopback, each on a
 * port of its own, and the real module for origins. Not part of the product.
 *
 * The registry has "v2/a": "latest" is an index, which leads to MANIFEST; "moved" is with somebody else,
 * "large" too large, "html" no manifest, and to "silent" no answer comes. */
#ifndef DTR_OCI_REGISTRY_RIG_H
#define DTR_OCI_REGISTRY_RIG_H

#include "core/loop/loop.h"
#include "core/module/module.h"
#include "core/net/tls_rig.h"
#include <setjmp.h>
#include <stdarg.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MANIFEST                                                                                             \
    "{\"config\":{\"digest\":\"" A "\",\"size\":7},\"layers\":[{\"digest\":\"" B "\",\"size\":9}]}"

enum who { REGISTRY, TOKENS, ELSEWHERE, SERVERS };

struct dtr_http_server;
struct dtr_tls;

struct server {
    struct dtr_http_server *server;
    struct dtr_tls *tls; /* NULL: plain */
    char base[80];
    bool stopped;
    int requests;
    char path[256], authorization[64], mine[16]; /* of the last request */
    bool kept_waiting;                           /* for an answer that does not come */
};

struct registry_lab {
    struct dtr_loop *loop;
    struct dtr_modules *modules;
    struct dtr_offer offer;
    struct tls_rig keys;
    struct server servers[SERVERS];
    char index[300], digest[80];
    /* What a test may change. */
    const char *takes;        /* the token that the registry takes; NULL: everybody may ask */
    const char *takes_then;   /* after the first answer that it gave for one; NULL: the same */
    int token_status;         /* of the token server */
    const char *token_answer; /* its body */
    bool tokens_move;         /* it sends to somebody else */
};
extern struct registry_lab lab;

/* Starts all. `modules` is the folder of the modules; `certs` are the names of the servers' certificates,
 * "known" or "unknown" to ca.pem; NULL: that one speaks plainly. The guard lets loopback pass. */
void registry_rig_open(const char *modules, const char *const certs[SERVERS]);
void registry_rig_close(void);
/* Turns the loop until it is set; fails the program when that takes too long. */
void registry_rig_until(const bool *flag);

#endif
