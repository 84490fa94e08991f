/* Modules that a configuration chooses; see chosen.h. */
#include "core/main/chosen.h"

#include "core/main/command.h"

static int open_folders(const char *folder, struct dtr_modules **ret_modules, struct dtr_error *err)
{
    return dtr_modules_new(command_file_there(folder) ? folder : NULL, ret_modules, err);
}

int chosen_folders(const struct dtr_daemon_config *config, struct dtr_modules **ret_modules,
                   struct dtr_error *err)
{
    return open_folders(config->server.plugin_dir, ret_modules, err);
}

int chosen_manager_folders(const struct dtr_manager_config *config, struct dtr_modules **ret_modules,
                           struct dtr_error *err)
{
    return open_folders(config->server.plugin_dir, ret_modules, err);
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

/* --- the manager's database ------------------------------------------------------------------------------
 */

int chosen_database(const struct dtr_manager_config *config, struct chosen_module *ret_chosen,
                    struct dtr_error *err)
{
    const char *type = config->database.type;
    if (!type)
        type = config->database.mysql.host ? "mysql" : "sqlite";
    if (strcmp(type, "postgres") == 0 || strcmp(type, "polardb") == 0)
        return dtr_error_set(
            err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
            "database.type is \"%s\", which Darter has no module for; sqlite and mysql are there", type);
    *ret_chosen =
        (struct chosen_module){"database.type", "database", strcmp(type, "mariadb") == 0 ? "mysql" : type};
    return DTR_OK;
}

size_t chosen_database_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                               struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE])
{
    (void)snprintf(memory->port, sizeof(memory->port), "%lld", (long long)config->database.mysql.port);
    const struct {
        const char *module, *where, *key, *value;
    } rows[] = {
        {"sqlite", "database.sqlite.path", "path", config->database.sqlite.path},
        {"mysql", "database.mysql.user", "user", config->database.mysql.user},
        {"mysql", "database.mysql.password", "password", config->database.mysql.password},
        {"mysql", "database.mysql.host", "host", config->database.mysql.host},
        {"mysql", "database.mysql.port", "port", memory->port},
        {"mysql", "database.mysql.dbname", "dbname", config->database.mysql.dbname},
        {"mysql", "database.mysql.tlsConfig", "tlsConfig", config->database.mysql.tls_config},
        {"mysql", "database.mysql.tls.caCert", "tls.caCert", config->database.mysql.tls.files.ca_cert},
        {"mysql", "database.mysql.tls.cert", "tls.cert", config->database.mysql.tls.files.cert},
        {"mysql", "database.mysql.tls.key", "tls.key", config->database.mysql.tls.files.key},
        {"mysql", "database.mysql.tls.insecureSkipVerify", "tls.insecureSkipVerify",
         config->database.mysql.tls.insecure_skip_verify ? "true" : NULL},
    };
    size_t given = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value && strcmp(rows[i].module, chosen->name) == 0)
            list[given++] = (struct dtr_option_text){rows[i].key, rows[i].value, rows[i].where};
    }
    return chosen_add_options(&config->modules.options, chosen->kind, chosen->name, list, given);
}
