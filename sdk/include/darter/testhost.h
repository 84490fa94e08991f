/* A small host for tests of modules: enough of struct dtr_host for modules that need no connections, and
 * a way to load, start and stop one. Core's loader does more (it checks the file before it loads it).
 *
 * Link libdarter_testhost. Main thread only, except what the host table offers. */
#ifndef DARTER_TESTHOST_H
#define DARTER_TESTHOST_H

#include <darter/module.h>

/* Offers log (to standard error), now_ns, count (ignored) and conn_dial with the others, plain only: TLS is
 * DTR_EUNSUPPORTED. Every other service is NULL. A test that needs streams or timers copies the table and
 * fills them in. */
const struct dtr_host *dtr_testhost(void);
/* From now on conn_dial and the others are those of another table, for example core's. */
void dtr_testhost_connect_by(const struct dtr_host *other);
/* Lines below this level are not shown; the default is DTR_LOG_ERROR. */
void dtr_testhost_verbose(enum dtr_log_level least);

struct dtr_testmodule {
    const struct dtr_module *module;
    void *options; /* the struct that start() got */
    void *instance;
};

/* dlopen() and dtr_module_open(). The module stays loaded. */
int dtr_testhost_load(const char *path, const struct dtr_module **ret_module, struct dtr_error *err);
/* Starts an instance. `settings` are "name=value" texts, which must outlive it; sizes and durations take
 * the units of configuration files ("4MiB", "5s"). Options that are not named get their defaults. */
int dtr_testhost_start(const struct dtr_module *module, const char *const *settings, size_t count,
                       struct dtr_testmodule *ret_started, struct dtr_error *err);
void dtr_testhost_stop(struct dtr_testmodule *started);
/* The ops table of the module's first feature of a kind, or NULL. */
const void *dtr_testhost_ops(const struct dtr_module *module, const char *kind);

#endif
