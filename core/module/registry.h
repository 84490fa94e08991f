/* What registry.c, search.c and print.c share. Others include module.h. */
#ifndef DTR_MODULE_REGISTRY_H
#define DTR_MODULE_REGISTRY_H

#include "core/module/module.h"

enum { DTR_MODULE_FOLDERS = 4 };

struct dtr_running {
    struct dtr_running *next; /* in the order of start */
    const struct dtr_module *module;
    void *options, *instance;
};

struct dtr_modules {
    char *folders[DTR_MODULE_FOLDERS]; /* in the order of searching; NULL: not used */
    struct dtr_running *first;
};

/* The module's name in a file's name; false when it is no module file. */
bool dtr_module_name_of_file(const char *file, char name[DTR_MODULE_NAME]);
/* The path of the file of a module (free()). DTR_ENOT_FOUND names the others of its kind, and the folders. */
int dtr_modules_path(const struct dtr_modules *modules, const char *name, char **ret_path,
                     struct dtr_error *err);
/* Every module file, folder by folder, in the order of names. One that an earlier folder shadows is left out:
 * it is not the one that would be used. */
void dtr_modules_each(const struct dtr_modules *modules,
                      void (*visit)(void *context, const char *name, const char *path), void *context);

#endif
