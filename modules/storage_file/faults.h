/* Calls of the store that fail when a test wants it: the linker leads them here (--wrap). One call in a run
 * fails, the n-th; a test tries n = 1, 2, 3, ... until a run ends without. One thread. */
#ifndef STORAGE_FILE_FAULTS_H
#define STORAGE_FILE_FAULTS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_CALL,   /* a system call fails with `number` */
    FAULT_SPACE,  /* one that takes space fails with `number`: ENOSPC, EDQUOT */
    FAULT_MEMORY, /* an allocation */
    FAULT_SHORT,  /* a read or write does one byte of what it was asked for */
    FAULT_SIGNAL, /* a read or write is interrupted: EINTR */
};

/* From now on, until fault_stop(). */
void fault_start(enum fault_kind kind, int number, unsigned nth);
/* Whether a call failed; *ret_call names it. */
bool fault_stop(const char **ret_call);

#endif
