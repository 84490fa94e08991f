/* Which modules a configuration chooses, and with which options: for the start of a role, and for who judges
 * its configuration before that. */
#ifndef DTR_MAIN_CHOSEN_H
#define DTR_MAIN_CHOSEN_H

#include "core/conf/conf.h"
#include "core/module/module.h"

struct chosen_module {
    const char *key; /* that names it: "modules.storage" */
    const char *kind, *name;
};

/* Where the modules of this machine are searched: as its dfdaemon.yaml says, if it has one. */
int chosen_machine_folders(struct dtr_modules **ret_modules, struct dtr_error *err);
/* The runtime that a dfinit.yaml has a section for, and the file of it to change; false when it has none. */
bool chosen_section(const struct dtr_init_config *config, struct chosen_module *ret_chosen,
                    const char **ret_path);
/* Where the daemon's modules are searched: server.pluginDir first, when there is such a folder. */
int chosen_folders(const struct dtr_daemon_config *config, struct dtr_modules **ret_modules,
                   struct dtr_error *err);
/* Walks the modules that the daemon starts: begin with *position 0; false at the end. Texts are the
 * configuration's. */
bool chosen_next(const struct dtr_daemon_config *config, size_t *position, struct chosen_module *ret_chosen);
/* What a module is started with; the count. Texts are the configuration's. */
enum { OPTIONS_OF_MODULE = 32 };
size_t chosen_options(const struct dtr_daemon_config *config, const struct chosen_module *chosen,
                      struct dtr_option_text list[OPTIONS_OF_MODULE]);
/* The same for the manager: where its modules are searched, the one that keeps its database, and what that is
 * started with; numbers are written into `memory`. DTR_EUNSUPPORTED: database.type names an engine that there
 * is no module for. */
int chosen_manager_folders(const struct dtr_manager_config *config, struct dtr_modules **ret_modules,
                           struct dtr_error *err);
int chosen_database(const struct dtr_manager_config *config, struct chosen_module *ret_chosen,
                    struct dtr_error *err);
struct chosen_memory {
    char port[16];
};
size_t chosen_database_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                               struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE]);
/* What modules.options says for a module, behind the `given` of the caller; the new count. */
size_t chosen_add_options(const struct dtr_conf_modules *modules, const char *kind, const char *name,
                          struct dtr_option_text list[OPTIONS_OF_MODULE], size_t given);
/* Whether an entry of modules.options is meant for this module. */
bool chosen_is(const struct dtr_conf_module *entry, const char *kind, const char *name);

#endif
