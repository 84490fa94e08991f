/* What the programs in this folder that ask a server have in common: one thread that ends with a message when
 * anything goes wrong. */
#ifndef DTR_BENCH_CLIENT_H
#define DTR_BENCH_CLIENT_H

#include "core/loop/loop.h"
#include "core/rpc/rpc.h"

/* Ends the program with status 1; `why` is what the error says. */
__attribute__((noreturn)) void bench_die(const char *what, const char *why);
/* Seconds of a clock that only goes forward. */
double bench_now(void);
/* For fields of messages, which are not const. */
char *bench_text(const char *constant);

/* A connection to a gRPC server. */
struct bench_client {
    struct dtr_loop *loop;
    struct dtr_rpc_channel *channel;
    struct dtr_timer *late;
};

/* The program ends when it is not closed within so many seconds. */
void bench_client_open(struct bench_client *client, const char *address, const char *port, unsigned seconds);
void bench_client_close(struct bench_client *client);

#endif
