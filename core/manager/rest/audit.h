/* The audit log: who asked for what, and what became of it. Entries are collected and written some hundred at
 * a time; any thread may add. */
#ifndef DTR_MANAGER_REST_AUDIT_H
#define DTR_MANAGER_REST_AUDIT_H

#include "core/manager/store/store.h"

struct audit;

/* Copied, and cut where they are too long. `path` without its query, in which there may be a token. */
struct audit_entry {
    const char *actor_type, *actor_name, *operation, *path, *detail;
    int status;
};

enum { AUDIT_BATCH = 500, AUDIT_MOST = 1000, AUDIT_EVERY_MS = 5000 };
/* Entries a minute about those that nobody knows, who could fill the disk with them; others are counted. */
enum { AUDIT_STRANGERS = 600 };
#define AUDIT_UNKNOWN "UNKNOWN" /* their actor_type */

struct audit *audit_new(void); /* NULL: out of memory */
void audit_free(struct audit *audit);
/* With AUDIT_MOST waiting (the database is away), it is dropped and counted. */
void audit_add(struct audit *audit, const struct audit_entry *entry);
size_t audit_waiting(struct audit *audit);
/* Writes all that wait. Blocks. What could not be written waits on. */
int audit_write(struct audit *audit, struct store *store, struct dtr_error *err);

#endif
