/* Daemons on loopback that are made up, for tests of jobs: what they are told, and what they answer. Not part
 * of the product. */
#ifndef DTR_SCHEDULER_DAEMONS_RIG_H
#define DTR_SCHEDULER_DAEMONS_RIG_H

#include "core/scheduler/rig.h"

enum { HOSTS = 4 };
#define URL "http://origin.example/file"

enum held { LACKS, PART, WHOLE };

/* A daemon. Of a folder it lists two files and a folder. */
struct host {
    const char *id;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr addr;
    bool fails, hangs; /* DownloadTask */
    enum held held;
    uint32_t told, deleted, cancelled; /* calls */
    uint8_t bytes[8192];               /* the last DownloadTaskRequest */
    size_t length;
};

struct lab {
    struct rig rig;
    struct host hosts[HOSTS];
    struct dtr_rpc_health *health;
};

/* For cmocka: a scheduler without a module for registries, seeds s0 and s1 that serve, peers p2 and p3. */
int daemons_open(void **state);
int daemons_close(void **state);
/* One of them is gone. */
void daemon_close(struct lab *lab, struct host *host);

/* A constant, for a field of a message. */
char *text(const char *constant);
/* PreheatFile; `id` NULL: without one. */
struct rig_answer preheat(struct lab *lab, const char *scope, const char *url, const char *id);
/* Fails unless it ended so; frees it. */
void expect(struct rig_answer answer, enum dtr_rpc_code code, const char *part);

#endif
