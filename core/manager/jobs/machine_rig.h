/* For tests: a machine with a clock of the test's own, and what it may ask: two clusters, of which the first
 * has three schedulers. Not part of the product. */
#ifndef DTR_MANAGER_JOBS_MACHINE_RIG_H
#define DTR_MANAGER_JOBS_MACHINE_RIG_H

#include "core/manager/jobs/machine.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

extern struct machine machine;
extern json_t *args; /* of its job */
extern uint64_t now;

extern int64_t clusters[2];
extern struct job_target targets_list[4]; /* "a" to "d"; "a" preheats nothing, "d" is of the second cluster */
struct job_targets all(void);
/* The first cluster: "b" is the one that preheats. */
struct job_targets one(void);
void give(struct job_targets targets);

void begin_job(enum job_kind kind, const char *text);
/* For cmocka: after each test. */
int end_job(void **state);
extern const char FILE_ARGS[];
/* A preheat of all clusters, or of one, that is begun, */
void begin_preheat(struct job_targets targets);
/* and the first scheduler is being asked how it goes. */
void begin_looking(void);

/* The next question is this one; or there is none. */
void expect_ask(size_t part, enum ask_kind kind);
void expect_silence(void);
void hear(size_t part, enum ask_kind kind, struct answer answer);
void hear_good(size_t part, enum ask_kind kind);
void hear_error(size_t part, enum ask_kind kind, enum heard heard);
/* How a preheat is, as its scheduler has it. */
void hear_progress(size_t part, bool ended, const char *error, size_t done);
void pass_to_due(void);

/* As it is written into the row; the caller's. */
json_t *read_result(void);

#endif
