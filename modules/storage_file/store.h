/* What the files of the store share: its folder, its tasks, and who does what.
 *
 *     <dir>/darter.lock                     held by flock() while a process uses the directory
 *     <dir>/content/tasks/<abc>/<id>        the bytes, sparse; <abc> is the start of the id
 *     <dir>/content/tasks/<abc>/<id>.idx    what is known of them, see index.h */
#ifndef STORAGE_FILE_STORE_H
#define STORAGE_FILE_STORE_H

#include "index.h"

#include <darter/module.h>

enum { PREFIX = 3, PATH_SIZE = PREFIX + 1 + DTR_TASK_ID_LENGTH + sizeof(INDEX_SUFFIX) };
/* Counters of the module. */
enum { TASKS_RECOVERED, TASKS_DAMAGED, STRAYS_REMOVED };

#define STORE_NAME "storage_file"
extern const struct dtr_host *store_host;

struct store {
    char *dir;
    int lock;  /* descriptor of the lock file */
    int tasks; /* descriptor of content/tasks */
    uint64_t boot, scrub_rate;
    bool preallocate;
};

struct data; /* stored.c */

struct dtr_stored {
    struct store *store;
    struct index index;
    struct data *data;
    uint64_t allocated; /* bytes asked of the file system so far */
};

/* --- folder.c --- */
/* Makes the folders below `dir` and takes them for this process; folder_close() also after a failure. */
int folder_open(struct store *store, const char *dir, struct dtr_error *err);
void folder_close(struct store *store);
/* Calls `visit` with every name in every directory of tasks. A directory that cannot be read is left out. */
int folder_walk(struct store *store, void (*visit)(void *context, const char *prefix, const char *name),
                void *context, struct dtr_error *err);
/* Removes every file of every task; what stays is told in the log. */
int folder_wipe(struct store *store, struct dtr_error *err);
/* Task ids come from the network: whatever could leave the directory is refused. */
bool task_is_id(const char *id, size_t length);
/* Below content/tasks; `suffix` is INDEX_SUFFIX or "". */
void task_path(char path[PATH_SIZE], const char *id, const char *suffix);
void task_remove(struct store *store, const char *id);

/* --- the operations of <darter/storage.h>: scan.c, then stored.c --- */
int file_scan(void *instance, const struct dtr_scan_sink *sink, struct dtr_error *err);
int file_open(void *instance, const struct dtr_task_facts *facts, struct dtr_stored **ret_stored,
              struct dtr_error *err);
int file_update(struct dtr_stored *stored, const struct dtr_task_facts *facts, struct dtr_error *err);
int file_write(struct dtr_stored *stored, uint64_t offset, const void *bytes, size_t length,
               struct dtr_error *err);
int file_mark(struct dtr_stored *stored, const struct dtr_piece *piece, struct dtr_error *err);
int file_unmark(struct dtr_stored *stored, uint32_t first, uint32_t count, struct dtr_error *err);
int file_lease(struct dtr_stored *stored, uint64_t offset, uint64_t length, struct dtr_extent *ret_extent,
               struct dtr_error *err);
int file_read(struct dtr_stored *stored, uint64_t offset, void *bytes, size_t length, struct dtr_error *err);
void file_close(struct dtr_stored *stored);
int file_evict(void *instance, const char *task_id, struct dtr_error *err);
void file_cool(void *instance, const char *task_id);

#endif
