/* For tests: schedulers that answer what the test says, as Darter's and as Dragonfly's do. Not part of the
 * product. */
#ifndef DTR_MANAGER_JOBS_RIG_H
#define DTR_MANAGER_JOBS_RIG_H

#include "core/rpc/methods.h"
#include "core/rpc/rpc.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct fake {
    struct dtr_loop *loop;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr addr;
    uint16_t port;

    /* What it answers. */
    bool forgets;           /* it knows of no preheat */
    bool ended;             /* a preheat is over, */
    const char *error;      /* which this is of; NULL: all is well */
    bool fails;             /* its one row has failed */
    const char *why;        /* that it says of it */
    enum dtr_rpc_code code; /* of PreheatImage and PreheatFile; OK: they are begun */
    const char *host;       /* name of the one host there is */
    const char *drop_error; /* of DropTask on it */
    bool held;              /* calls that are asked are kept waiting */

    /* What it was asked. */
    int preheats, looks, finds, drops, images, files, lists;
    char id[160], url[256], password[64], header[128], scope[32], filter[256];
    size_t certificates;
};

/* `theirs`: without the calls of Darter's. At a free port of 127.0.0.1. */
void fake_open(struct fake *fake, struct dtr_loop *loop, bool theirs);
void fake_close(struct fake *fake);
/* The statement that makes a cluster have it, active. */
enum { FAKE_SQL = 512 };
void fake_row(const struct fake *fake, int64_t cluster, const char *name, char sql[FAKE_SQL]);

#endif
