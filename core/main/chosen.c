/* Modules that a configuration chooses; see chosen.h. */
#include "core/main/chosen.h"

#include "core/main/command.h"

int chosen_open_folders(const char *folder, struct dtr_modules **ret_modules, struct dtr_error *err)
{
    return dtr_modules_new(command_file_there(folder) ? folder : NULL, ret_modules, err);
}

int chosen_folders(const struct dtr_daemon_config *config, struct dtr_modules **ret_modules,
                   struct dtr_error *err)
{
    return chosen_open_folders(config->server.plugin_dir, ret_modules, err);
}

int chosen_manager_folders(const struct dtr_manager_config *config, struct dtr_modules **ret_modules,
                           struct dtr_error *err)
{
    return chosen_open_folders(config->server.plugin_dir, ret_modules, err);
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

bool chosen_next_name(const struct chosen_names *lists, size_t list_count, size_t *position,
                      struct chosen_module *ret_chosen)
{
    size_t at = (*position)++;
    for (size_t i = 0; i < list_count; i++) {
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

bool chosen_next(const struct dtr_daemon_config *config, size_t *position, struct chosen_module *ret_chosen)
{
    const char *storage = config->modules.storage, *transport = "vortex", *origin = "http";
    const struct chosen_names lists[] = {
        {"modules.storage", "storage", {&storage, 1}, NULL},
        {"modules.transport", "transport", config->modules.transport, &transport},
        {"modules.origin", "origin", config->modules.origin, &origin}};
    return chosen_next_name(lists, sizeof(lists) / sizeof(lists[0]), position, ret_chosen);
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

/* A key of the configuration that is an option of a module. */
struct option_row {
    const char *module, *where, *key, *value; /* value NULL: it is not set */
};

static size_t take_rows(const struct option_row *rows, size_t count, const char *module,
                        struct dtr_option_text list[OPTIONS_OF_MODULE])
{
    size_t given = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].value && strcmp(rows[i].module, module) == 0)
            list[given++] = (struct dtr_option_text){rows[i].key, rows[i].value, rows[i].where};
    }
    return given;
}

size_t chosen_database_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                               struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE])
{
    (void)snprintf(memory->port, sizeof(memory->port), "%lld", (long long)config->database.mysql.port);
    const struct option_row rows[] = {
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
    size_t given = take_rows(rows, sizeof(rows) / sizeof(rows[0]), chosen->name, list);
    return chosen_add_options(&config->modules.options, chosen->kind, chosen->name, list, given);
}

/* --- the manager's cache ---------------------------------------------------------------------------------
 */

/* "a:6379,b:6379"; what does not fit is left out. The length it would need. */
static size_t write_addrs(const struct dtr_manager_config *config, char *text, size_t room)
{
    const struct dtr_conf_strings *addrs = &config->database.redis.addrs;
    const char *host = config->database.redis.host;
    size_t length = 0;
    *text = 0;
    for (size_t i = 0; i < addrs->count; i++) {
        size_t at = length < room ? length : room;
        length += (size_t)snprintf(text + at, room - at, "%s%s", i > 0 ? "," : "", addrs->items[i]);
    }
    if (addrs->count == 0 && host)
        length = (size_t)snprintf(text, room, strchr(host, ':') && *host != '[' ? "[%s]:%lld" : "%s:%lld",
                                  host, (long long)config->database.redis.port);
    return length;
}

static int check_redis(const struct dtr_manager_config *config, struct dtr_error *err)
{
    char addrs[CHOSEN_ADDRS];
    size_t length = write_addrs(config, addrs, sizeof(addrs));
    if (length == 0)
        return dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "modules.cache is \"redis\", which needs database.redis.addrs: host:port of Redis");
    if (length >= sizeof(addrs))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "database.redis.addrs has more than %d bytes; some of the servers are enough",
                             CHOSEN_ADDRS);
    if (config->database.redis.addrs.count > 1 && !config->database.redis.master_name &&
        config->database.redis.db != 0)
        return dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "database.redis.db is %lld, but a cluster (several addrs, no masterName) has 0 only",
            (long long)config->database.redis.db);
    return DTR_OK;
}

bool chosen_redis_named(const struct dtr_manager_config *config)
{
    return config->database.redis.addrs.count > 0 || config->database.redis.host;
}

int chosen_cache(const struct dtr_manager_config *config, struct chosen_module *ret_chosen,
                 struct dtr_error *err)
{
    const char *name = config->modules.cache        ? config->modules.cache
                       : chosen_redis_named(config) ? "redis"
                                                    : "memory";
    *ret_chosen = (struct chosen_module){"modules.cache", "cache", name};
    return strcmp(name, "redis") == 0 ? check_redis(config, err) : DTR_OK;
}

static void write_number(char text[24], int64_t number, const char *unit)
{
    (void)snprintf(text, 24, "%lld%s", (long long)number, unit);
}

size_t chosen_cache_options(const struct dtr_manager_config *config, const struct chosen_module *chosen,
                            struct chosen_memory *memory, struct dtr_option_text list[OPTIONS_OF_MODULE])
{
    (void)write_addrs(config, memory->addrs, sizeof(memory->addrs));
    write_number(memory->db, config->database.redis.db, "");
    write_number(memory->pool_size, config->database.redis.pool_size, "");
    write_number(memory->pool_timeout, (int64_t)config->database.redis.pool_timeout_ms, "ms");
    write_number(memory->size, config->cache.local_size, "");
    const struct option_row rows[] = {
        {"memory", "cache.local.size", "size", memory->size},
        {"redis", "database.redis.addrs", "addrs", memory->addrs},
        {"redis", "database.redis.masterName", "masterName", config->database.redis.master_name},
        {"redis", "database.redis.username", "username", config->database.redis.username},
        {"redis", "database.redis.password", "password", config->database.redis.password},
        {"redis", "database.redis.sentinelUsername", "sentinelUsername",
         config->database.redis.sentinel_username},
        {"redis", "database.redis.sentinelPassword", "sentinelPassword",
         config->database.redis.sentinel_password},
        {"redis", "database.redis.db", "db", memory->db},
        {"redis", "database.redis.poolSize", "poolSize", memory->pool_size},
        {"redis", "database.redis.poolTimeout", "poolTimeout", memory->pool_timeout},
        {"redis", "database.redis.tls.caCert", "tls.caCert", config->database.redis.tls.files.ca_cert},
        {"redis", "database.redis.tls.cert", "tls.cert", config->database.redis.tls.files.cert},
        {"redis", "database.redis.tls.key", "tls.key", config->database.redis.tls.files.key},
        {"redis", "database.redis.tls.insecureSkipVerify", "tls.insecureSkipVerify",
         config->database.redis.tls.insecure_skip_verify ? "true" : NULL},
    };
    size_t given = take_rows(rows, sizeof(rows) / sizeof(rows[0]), chosen->name, list);
    return chosen_add_options(&config->modules.options, chosen->kind, chosen->name, list, given);
}
