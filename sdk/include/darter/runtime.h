/* Kind "runtime": container runtimes that `darter init` points at the daemon.
 *
 * A runtime module only reads and plans: it says which files would change from what to what. Core shows
 * the difference, backs up, writes atomically, keeps a journal and undoes, the same for all runtimes.
 * Operations are blocking and run on a worker thread or in `darter init` itself. */
#ifndef DARTER_RUNTIME_H
#define DARTER_RUNTIME_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_runtime_registry {
    const char *host;         /* "docker.io" */
    const char *server;       /* "https://index.docker.io" */
    const char *capabilities; /* "pull,resolve" */
    bool skip_verify;
    const char *ca; /* PEM file or NULL */
};

struct dtr_runtime_request {
    const char *proxy_url;   /* "http://127.0.0.1:4001" */
    const char *config_path; /* NULL: the runtime's usual file */
    bool all_registries;     /* mirror every registry, upstream named by the ns= query */
    const struct dtr_runtime_registry *registries;
    size_t registry_count;
};

struct dtr_runtime_change {
    const char *path;
    const char *old_text; /* NULL: the file does not exist */
    const char *new_text; /* NULL: the file is removed */
};

struct dtr_runtime_plan {
    struct dtr_runtime_change *changes;
    size_t change_count;
    const char *restart; /* what must be restarted for it to take effect, e.g. "containerd"; NULL: nothing */
    const char *note;    /* one line for the operator or NULL */
    void *memory;        /* the module's own */
};

struct dtr_runtime_ops {
    uint32_t size;
    /* Whether this runtime is on the machine; *ret_detail says what was found (static or module-owned). */
    int (*detect)(void *instance, bool *ret_found, const char **ret_detail, struct dtr_error *err);
    /* Reads the present files and plans the new ones. An empty plan: nothing to do. */
    int (*plan)(void *instance, const struct dtr_runtime_request *request, struct dtr_runtime_plan **ret_plan,
                struct dtr_error *err);
    void (*plan_free)(struct dtr_runtime_plan *plan);
};

#endif
