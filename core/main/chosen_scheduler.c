/* Modules that a scheduler.yaml chooses; see chosen.h. */
#include "core/main/chosen.h"

int chosen_scheduler_folders(const struct dtr_scheduler_config *config, struct dtr_modules **ret_modules,
                             struct dtr_error *err)
{
    return chosen_open_folders(config->server.plugin_dir, ret_modules, err);
}

bool chosen_scheduler_next(const struct dtr_scheduler_config *config, size_t *position,
                           struct chosen_module *ret_chosen)
{
    const char *origin = "http";
    const struct chosen_names list = {"modules.origin", "origin", config->modules.origin, &origin};
    return chosen_next_name(&list, 1, position, ret_chosen);
}
