/* From a file to a checked descriptor. Main thread. */
#ifndef DTR_MODULE_LOAD_H
#define DTR_MODULE_LOAD_H

#include <darter/module.h>

/* Opens `path`, checks owner, mode and ABI note, loads it and checks its descriptor; `name` is what the
 * descriptor must call itself. The module stays loaded and its file open until the process ends. Every
 * refusal names the file and what to do. */
int dtr_module_load(const char *path, const char *name, const struct dtr_module **ret_module,
                    struct dtr_error *err);

#endif
