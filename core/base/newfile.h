/* A new file that appears under its name whole, or not at all: bytes go to a nameless file (O_TMPFILE) or,
 * where the file system has none, to a hidden one beside it. What has the name already is replaced in one
 * step, never written to; so a hard link elsewhere keeps its bytes. Any one thread; blocks. */
#ifndef DTR_BASE_NEWFILE_H
#define DTR_BASE_NEWFILE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stdint.h>

struct dtr_newfile;

/* Errors name the path and what to do. DTR_EEXISTS: `path` is there and not to be overwritten. DTR_EDENIED:
 * its folder is not writable. DTR_EINVALID: it is there and no ordinary file, or names none. */
int dtr_newfile_open(const char *path, bool overwrite, struct dtr_newfile **ret_file, struct dtr_error *err);
/* The same for a path below the folder `root`, without following a link that leads out of that
 * (DTR_EDENIED). */
int dtr_newfile_open_below(const char *root, const char *path, bool overwrite, struct dtr_newfile **ret_file,
                           struct dtr_error *err);
/* Open for reading and writing. */
int dtr_newfile_fd(const struct dtr_newfile *file);
/* Makes sure of room for `length` bytes, where the file system can. DTR_ENO_SPACE. */
int dtr_newfile_reserve(struct dtr_newfile *file, uint64_t length, struct dtr_error *err);
/* All or error. */
int dtr_newfile_write(struct dtr_newfile *file, uint64_t offset, const void *bytes, size_t length,
                      struct dtr_error *err);
/* Gives it its name. On an error nothing has appeared; drop it then as well. */
int dtr_newfile_commit(struct dtr_newfile *file, struct dtr_error *err);
/* Gives the name to a hard link of the open file `fd` instead. */
int dtr_newfile_link(struct dtr_newfile *file, int fd, struct dtr_error *err);
/* Closes it; without a name it is gone. NULL is fine. */
void dtr_newfile_drop(struct dtr_newfile *file);

/* Fills *err for a failed system call: what was tried, on which path, why. Returns the code. */
int dtr_newfile_error(struct dtr_error *err, const char *what, const char *path, int number);

#endif
