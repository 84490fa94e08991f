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
/* For these: modules searched in `folder` first, when it is there; and the `*position`th name of a few lists.
 */
struct chosen_names {
    const char *key, *kind;
    struct dtr_conf_strings names;
    const char **usual; /* one, when the list is empty */
};
int chosen_open_folders(const char *folder, struct dtr_modules **ret_modules, struct dtr_error *err);
bool chosen_next_name(const struct chosen_names *lists, size_t list_count, size_t *position,
                      struct chosen_module *ret_chosen);
/* The same for the scheduler, which starts origins only. */
int chosen_scheduler_folders(const struct dtr_scheduler_config *config, struct dtr_modules **ret_modules,
                             struct dtr_error *err);
bool chosen_scheduler_next(const struct dtr_scheduler_config *config, size_t *position,
                           struct chosen_module *ret_chosen);
/* The same for the manager: where its modules are searched, the one that keeps its database, and what that is
 * started with; numbers are written into `memory`. DTR_EUNSUPPORTED: database.type names an engine that there
 * is no module for. */
int chosen_manager_folders(const struct dtr_manager_config *config, struct dtr_modules **ret_modules,
                           struct dtr_error *err);
int chosen_database(const struct dtr_manager_config *config, struct chosen_module *ret_chosen,
                    struct dtr_error *err);
enum { CHOSEN_ADDRS = 4096 };
struct chosen_memory {
    char port[16], db[24], pool_size[24], pool_timeout[24], size[24];
    char addrs[CHOSEN_ADDRS];
};
size_t chosen_database_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                               struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE]);
/* The same for its cache. The error begins with the key: what it says of Redis does not fit together. */
int chosen_cache(const struct dtr_manager_config *config, struct chosen_module *ret_chosen,
                 struct dtr_error *err);
size_t chosen_cache_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                            struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE]);
/* Whether it says where a Redis is. */
bool chosen_redis_named(const struct dtr_manager_config *config);
/* What modules.options says for a module, behind the `given` of the caller; the new count. */
size_t chosen_add_options(const struct dtr_conf_modules *modules, const char *kind, const char *name,
                          struct dtr_option_text list[OPTIONS_OF_MODULE], size_t given);
/* Whether an entry of modules.options is meant for this module. */
bool chosen_is(const struct dtr_conf_module *entry, const char *kind, const char *name);

#endif
