/* What the parts of the storage conformance program share. */
#ifndef STORAGE_CONFORMANCE_H
#define STORAGE_CONFORMANCE_H

#include "check.h"

#include <darter/storage.h>
#include <darter/testhost.h>

#include <stdlib.h>

enum { SETTINGS_MOST = 16 };

/* The module under test and one store of its, fresh for each case. */
struct bench {
    const struct dtr_module *module;
    const struct dtr_storage_ops *ops;
    const char *settings[SETTINGS_MOST]; /* with the store's own directory in place of "@" */
    size_t setting_count;
    struct dtr_testmodule started;
    bool running;
    uint64_t seed;
    unsigned rounds; /* of the crash case */
    bool failed;
};

int bench_start(struct bench *bench, struct dtr_error *err);
void bench_stop(struct bench *bench);

/* Facts of test task `number`; `id` receives its id. */
struct dtr_task_facts facts_of(unsigned number, char id[DTR_TASK_ID_LENGTH + 1]);
/* Piece `number` of a task whose pieces have `length` bytes. */
struct dtr_piece piece_of(uint32_t number, uint64_t length);
/* The bytes that test task `task` has at `offset`. */
void fill(unsigned task, uint64_t offset, uint8_t *bytes, size_t length);
uint64_t next_random(uint64_t *state);

/* storage_crash.c */
void case_crash(struct bench *bench);

#endif
