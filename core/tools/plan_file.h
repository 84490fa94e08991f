/* Whole files on disk, for plan.c: reading, replacing, folders. Errors name the file and what to do. Not for
 * big files. Blocking; any one thread. */
#ifndef DTR_TOOLS_PLAN_FILE_H
#define DTR_TOOLS_PLAN_FILE_H

#include <darter/error.h>
#include <stdbool.h>
#include <sys/types.h>

/* A text and what it takes to put it back. */
struct dtr_plan_file {
    char *text;  /* the caller's (free()); NULL: there is no such file */
    char *place; /* where it is after symbolic links; the path itself when there is none; free() */
    mode_t mode;
    uid_t owner;
    gid_t group;
};

int dtr_plan_read(const char *path, struct dtr_plan_file *ret_file, struct dtr_error *err);
void dtr_plan_file_free(struct dtr_plan_file *file);
/* Replaces file->place by `text`, with file's mode and owner; NULL removes it. On disk when it returns. */
int dtr_plan_replace(const struct dtr_plan_file *file, const char *text, struct dtr_error *err);
/* Removes what an interrupted dtr_plan_replace may have left beside the file. */
void dtr_plan_sweep(const char *place);
/* Makes the folders above a path, mode 0755. */
int dtr_plan_make_parents(const char *path, struct dtr_error *err);
/* Calls `missing` for every folder above the path that does not exist, outermost first. It returns false
 * to stop (out of memory), and then so does this. */
bool dtr_plan_missing_parents(const char *path, bool (*missing)(void *context, const char *folder),
                              void *context);
/* What errno means for this path, as an error: "verb" is "written", "read", "removed". */
int dtr_plan_file_error(const char *path, const char *verb, int number, struct dtr_error *err);

#endif
