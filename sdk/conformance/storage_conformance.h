/* What the parts of the storage conformance program share. */
#ifndef STORAGE_CONFORMANCE_H
#define STORAGE_CONFORMANCE_H

#include "conformance.h"

#include <darter/storage.h>

/* Facts of test task `number`; `id` receives its id. */
struct dtr_task_facts facts_of(unsigned number, char id[DTR_TASK_ID_LENGTH + 1]);
/* Piece `number` of a task whose pieces have `length` bytes. */
struct dtr_piece piece_of(uint32_t number, uint64_t length);
/* The bytes that test task `task` has at `offset`. */
void fill(unsigned task, uint64_t offset, uint8_t *bytes, size_t length);

/* storage_crash.c */
void case_crash(struct bench *bench);

#endif
