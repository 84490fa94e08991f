/* The journal of `darter init`: which files were written, what they held before. JSON, so that an operator
 * can read an old text out of it:
 *
 *     {"version": 1, "folders": ["/var/lib/dragonfly"],
 *      "writes": [{"path": "/etc/containerd/config.toml", "old": "version = 2\n", "mode": 420, "uid": 0,
 *                  "gid": 0, "new_sha256": "9f86...", "folders": [], "restart": "containerd"}]}
 *
 * `old` and `new_sha256` are null for a file that is not there; `folders` were made for the file (the
 * outer ones: for the journal), outermost first. Not for changing those files. */
#ifndef DTR_TOOLS_PLAN_JOURNAL_H
#define DTR_TOOLS_PLAN_JOURNAL_H

#include "core/tools/plan_file.h"

#include <darter/runtime.h>
#include <jansson.h>
#include <stddef.h>

struct dtr_journal {
    const char *path;
    json_t *root;
    int lock; /* holds the journal's folder, so that two commands do not mix */
};

/* Opens and locks it; with `make` an absent one begins empty (and its folder is made), otherwise that is
 * DTR_ENOT_FOUND. `path` must outlive it. */
int dtr_journal_open(struct dtr_journal *journal, const char *path, bool make, struct dtr_error *err);
void dtr_journal_close(struct dtr_journal *journal);
/* Adds one write that is about to happen. */
int dtr_journal_add(struct dtr_journal *journal, const struct dtr_runtime_change *change,
                    const struct dtr_plan_file *before, const char *restart, struct dtr_error *err);
/* Puts it on disk. */
int dtr_journal_save(struct dtr_journal *journal, struct dtr_error *err);
/* Removes it with every folder in it that is empty now. */
int dtr_journal_remove(struct dtr_journal *journal, struct dtr_error *err);

/* One write, pointing into the journal. */
struct dtr_journal_write {
    const char *path, *old_text, *new_sha256, *restart; /* all but path may be NULL */
    mode_t mode;
    uid_t owner;
    gid_t group;
};
size_t dtr_journal_count(const struct dtr_journal *journal);
struct dtr_journal_write dtr_journal_at(const struct dtr_journal *journal, size_t index);

#endif
