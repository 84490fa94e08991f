/* The modules of this process: found by name, started with options, looked up by what they offer.
 *
 * A module called <kind>_<name> is the file <kind>_<name>.so in the first of these folders that has it:
 * the configured one (server.pluginDir), <libdir>/darter/modules of the prefix that the program was
 * installed to, and "modules" beside the program or one folder up (a build tree).
 *
 * Main thread, before any loop runs and after all have ended; lookups may come from any thread in
 * between, and one thread at a time may make, look through and free others that start nothing. */
#ifndef DTR_MODULE_MODULE_H
#define DTR_MODULE_MODULE_H

#include "core/module/host.h"
#include "core/module/options.h"
#include <darter/module.h>
#include <stdio.h>

struct dtr_modules;

/* A feature of a module that was started. */
struct dtr_offer {
    const struct dtr_feature *feature; /* kind, name, calling convention, ops */
    const struct dtr_module *module;
    void *instance; /* goes into every operation */
};

/* `folder` may be NULL; it is copied. */
int dtr_modules_new(const char *folder, struct dtr_modules **ret_modules, struct dtr_error *err);
/* Stops all, in the reverse order of their start. NULL is fine. */
void dtr_modules_free(struct dtr_modules *modules);

/* The modules of a kind that can be found, refused ones too: "containerd" stands for runtime_containerd.so.
 * Nothing is loaded; what does not fit is left out. */
enum { DTR_MODULE_NAME = 64, DTR_MODULES_OF_KIND = 16 };
struct dtr_module_names {
    char list[DTR_MODULES_OF_KIND][DTR_MODULE_NAME];
    size_t count;
};
void dtr_modules_of_kind(const struct dtr_modules *modules, const char *kind,
                         struct dtr_module_names *ret_names);

/* Loads the module that offers `kind` under `name`, checks it and starts nothing. The descriptor lives as
 * long as the process. Errors as from the next. */
int dtr_modules_look(const struct dtr_modules *modules, const char *kind, const char *name,
                     const struct dtr_module **ret_module, struct dtr_error *err);
/* Starts the module that offers `kind` under `name`, unless it runs already. The error says which file
 * was refused and why, or which others there are and where it was looked for. Option texts are copied. */
int dtr_modules_require(struct dtr_modules *modules, const char *kind, const char *name,
                        const struct dtr_option_text *options, size_t count, struct dtr_error *err);

/* A feature of a started module; false when there is none. `name` NULL: the first of this kind. */
bool dtr_modules_find(const struct dtr_modules *modules, const char *kind, const char *name,
                      struct dtr_offer *ret_offer);
/* Walks the features of a kind in the order of start: begin with *position 0; false at the end. */
bool dtr_modules_next(const struct dtr_modules *modules, const char *kind, size_t *position,
                      struct dtr_offer *ret_offer);

/* Prints a line for every module file that can be found, a refused one with the reason. Loads them. */
int dtr_modules_list(struct dtr_modules *modules, FILE *out, struct dtr_error *err);
/* Prints what a module says of itself: options, features, metrics. A name with a slash in it is a path. */
int dtr_modules_describe(struct dtr_modules *modules, const char *name, FILE *out, struct dtr_error *err);

#endif
