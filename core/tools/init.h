/* `darter init`: points the container runtimes of this machine at the daemon, and takes that back. Not for
 * reading the command line, nor for finding modules: main does both. */
#ifndef DTR_TOOLS_INIT_H
#define DTR_TOOLS_INIT_H

#include <darter/error.h>
#include <darter/runtime.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DTR_INIT_PROXY "http://127.0.0.1:4001"

struct dtr_init_runtime {
    const char *name; /* "containerd" */
    const struct dtr_runtime_ops *ops;
    void *instance;
};

struct dtr_init_options {
    bool dry_run; /* show, write nothing */
    bool undo;    /* take back what is in the journal; only journal_path counts then */
    const struct dtr_init_runtime *runtimes;
    size_t runtime_count;
    const char *proxy_url;   /* NULL: DTR_INIT_PROXY */
    const char *config_path; /* NULL: each runtime's usual file; otherwise detection is skipped */
    bool all_registries;     /* implied when no registry is named */
    const struct dtr_runtime_registry *registries;
    size_t registry_count;
    const char *journal_path; /* NULL: DTR_PLAN_JOURNAL */
};

/* Prints to `out` what changes (in colour on a terminal) and what must be restarted; restarts nothing.
 * All runtimes are planned before the first file is written. DTR_ENOT_FOUND: no runtime on this machine, or
 * nothing to undo. Blocking; any one thread. */
int dtr_tool_init(const struct dtr_init_options *options, FILE *out, struct dtr_error *err);

#endif
