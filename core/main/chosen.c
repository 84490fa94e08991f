/* Modules that a configuration chooses; see chosen.h. */
#include "core/main/chosen.h"

#include "core/main/command.h"

int chosen_folders(const struct dtr_daemon_config *config, struct dtr_modules **ret_modules,
                   struct dtr_error *err)
{
    const char *folder = config->server.plugin_dir;
    return dtr_modules_new(command_file_there(folder) ? folder : NULL, ret_modules, err);
}

int chosen_machine_folders(struct dtr_modules **ret_modules, struct dtr_error *err)
{
    const char *path = "/etc/dragonfly/dfdaemon.yaml";
    struct dtr_conf *conf = NULL;
    int rc = command_file_there(path) ? dtr_conf_load(DTR_ROLE_DAEMON, path, &conf, NULL, err)
                                      : dtr_conf_defaults(DTR_ROLE_DAEMON, &conf, err);
    if (rc == DTR_OK)
        rc = chosen_folders(dtr_conf_daemon(conf), ret_modules, err);
    dtr_conf_free(conf);
    return rc;
}

bool chosen_section(const struct dtr_init_config *config, struct chosen_module *ret_chosen,
                    const char **ret_path)
{
    const struct {
        bool given;
        const char *key, *name, *path;
    } sections[] = {
        {config->containerd.given, "containerRuntime.containerd", "containerd",
         config->containerd.config_path},
        {config->docker.given, "containerRuntime.docker", "docker", config->docker.config_path},
        {config->crio.given, "containerRuntime.crio", "crio", config->crio.config_path},
        {config->podman.given, "containerRuntime.podman", "podman", config->podman.config_path},
    };
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (sections[i].given) {
            *ret_chosen = (struct chosen_module){sections[i].key, "runtime", sections[i].name};
            *ret_path = sections[i].path;
            return true;
        }
    }
    return false;
}

bool chosen_next(const struct dtr_daemon_config *config, size_t *position, struct chosen_module *ret_chosen)
{
    const char *storage = config->modules.storage, *transport = "vortex", *origin = "http";
    const struct {
        const char *key, *kind;
        struct dtr_conf_strings names;
        const char **usual; /* when the list is empty */
    } lists[] = {{"modules.storage", "storage", {&storage, 1}, NULL},
                 {"modules.transport", "transport", config->modules.transport, &transport},
                 {"modules.origin", "origin", config->modules.origin, &origin}};
    size_t at = (*position)++;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        size_t count = lists[i].names.count ? lists[i].names.count : 1;
        const char **names = lists[i].names.count ? lists[i].names.items : lists[i].usual;
        if (at < count) {
            *ret_chosen = (struct chosen_module){lists[i].key, lists[i].kind, names[at]};
            return true;
        }
        at -= count;
    }
    return false;
}

size_t chosen_options(const struct dtr_daemon_config *config, const struct chosen_module *chosen,
                      struct dtr_option_text list[OPTIONS_OF_MODULE])
{
    size_t given = 0;
    if (strcmp(chosen->kind, "storage") == 0 && strcmp(chosen->name, "file") == 0) {
        list[given++] =
            (struct dtr_option_text){.key = "dir", .value = config->storage.dir, .where = "storage.dir"};
        list[given++] = (struct dtr_option_text){
            .key = "keep", .value = config->storage.keep ? "true" : "false", .where = "storage.keep"};
    }
    return chosen_add_options(&config->modules.options, chosen->kind, chosen->name, list, given);
}

bool chosen_is(const struct dtr_conf_module *entry, const char *kind, const char *name)
{
    size_t length = strlen(kind);
    return strncmp(entry->name, kind, length) == 0 && entry->name[length] == '_' &&
           strcmp(entry->name + length + 1, name) == 0;
}

size_t chosen_add_options(const struct dtr_conf_modules *modules, const char *kind, const char *name,
                          struct dtr_option_text list[OPTIONS_OF_MODULE], size_t given)
{
    for (size_t i = 0; i < modules->count; i++) {
        const struct dtr_conf_module *entry = &modules->items[i];
        for (size_t j = 0;
             chosen_is(entry, kind, name) && j < entry->options.count && given < OPTIONS_OF_MODULE; j++)
            list[given++] = (struct dtr_option_text){.key = entry->options.items[j].name,
                                                     .value = entry->options.items[j].value,
                                                     .where = entry->options.items[j].where};
    }
    return given;
}
