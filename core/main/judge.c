/* Configurations judged before their role starts; see judge.h. */
#include "core/main/judge.h"

#include "core/main/chosen.h"
#include "core/main/roles.h"
#include <stdlib.h>

/* --- modules ---------------------------------------------------------------------------------------------
 */

/* One by one, so that each has its line. */
static void judge_options(struct dtr_conf *conf, const struct dtr_module *module,
                          const struct dtr_conf_pairs *given)
{
    bool ordered = dtr_conf_source(conf, "modules.options", NULL) == DTR_FROM_COMMAND_LINE;
    for (size_t i = 0; i < given->count; i++) {
        const struct dtr_option_text text = {.key = given->items[i].name,
                                             .value = given->items[i].value,
                                             .where = ordered ? "--set modules.options" : "modules.options"};
        struct dtr_error err;
        void *options = NULL;
        if (dtr_options_read(module, &text, 1, &options, &err) != DTR_OK)
            dtr_conf_remark(conf, DTR_CONF_ERROR, ordered ? 0 : given->items[i].line, "%s", err.text);
        free(options);
    }
}

static void judge_module(struct dtr_conf *conf, const struct dtr_modules *modules,
                         const struct dtr_conf_modules *options, const struct chosen_module *chosen)
{
    const struct dtr_module *module;
    struct dtr_error err;
    if (dtr_modules_look(modules, chosen->kind, chosen->name, &module, &err) != DTR_OK) {
        dtr_conf_complain(conf, chosen->key, "names \"%.60s\": %s", chosen->name, err.text);
        return;
    }
    for (size_t i = 0; i < options->count; i++) {
        if (chosen_is(&options->items[i], chosen->kind, chosen->name))
            judge_options(conf, module, &options->items[i].options);
    }
}

/* Nobody else looks at the options of a module that is not loaded. */
static void warn_of_options(struct dtr_conf *conf, const struct dtr_conf_module *entry)
{
    dtr_conf_remark(conf, DTR_CONF_WARNING, entry->line,
                    "modules.options: %.60s is not loaded, its options do nothing", entry->name);
}

static bool is_chosen(const struct dtr_daemon_config *config, const struct dtr_conf_module *entry)
{
    struct chosen_module chosen;
    size_t position = 0;
    while (chosen_next(config, &position, &chosen)) {
        if (chosen_is(entry, chosen.kind, chosen.name))
            return true;
    }
    return false;
}

static void judge_modules(struct dtr_conf *conf, const struct dtr_daemon_config *config)
{
    struct dtr_modules *modules = NULL;
    struct chosen_module chosen;
    struct dtr_error err;
    size_t position = 0;
    if (chosen_folders(config, &modules, &err) != DTR_OK) {
        dtr_conf_remark(conf, DTR_CONF_ERROR, 0, "%s", err.text);
        return;
    }
    while (chosen_next(config, &position, &chosen))
        judge_module(conf, modules, &config->modules.options, &chosen);
    dtr_modules_free(modules);
    for (size_t i = 0; i < config->modules.options.count; i++) {
        if (!is_chosen(config, &config->modules.options.items[i]))
            warn_of_options(conf, &config->modules.options.items[i]);
    }
}

/* Of runtimes that nobody named, one that is refused is left out. */
static void judge_any_runtime(struct dtr_conf *conf, const struct dtr_modules *modules, const char *name)
{
    const struct chosen_module chosen = {.kind = "runtime", .name = name};
    const struct dtr_module *module;
    struct dtr_error err;
    if (dtr_modules_look(modules, "runtime", name, &module, &err) == DTR_OK)
        judge_module(conf, modules, &dtr_conf_init(conf)->modules.options, &chosen);
    else
        dtr_conf_remark(conf, DTR_CONF_WARNING, 0, "runtime %s is left out: %s", name, err.text);
}

static void judge_runtimes(struct dtr_conf *conf, const struct dtr_init_config *config,
                           const struct dtr_modules *modules)
{
    const struct dtr_conf_modules *options = &config->modules.options;
    struct dtr_module_names names = {0};
    struct chosen_module section;
    const char *path;
    bool named = chosen_section(config, &section, &path);
    if (named)
        judge_module(conf, modules, options, &section);
    else
        dtr_modules_of_kind(modules, "runtime", &names);
    for (size_t i = 0; i < names.count; i++)
        judge_any_runtime(conf, modules, names.list[i]);
    for (size_t i = 0; i < options->count; i++) {
        bool loaded = named && chosen_is(&options->items[i], "runtime", section.name);
        for (size_t j = 0; j < names.count && !loaded; j++)
            loaded = chosen_is(&options->items[i], "runtime", names.list[j]);
        if (!loaded)
            warn_of_options(conf, &options->items[i]);
    }
}

/* --- listeners -------------------------------------------------------------------------------------------
 */

struct listener {
    const char *key; /* of its port */
    struct dtr_addr addr;
    bool page; /* pages at the same address share it */
};

static bool is_any(const struct dtr_addr *addr)
{
    char text[DTR_ADDR_TEXT];
    dtr_addr_ip_text(addr, text);
    return strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0;
}

/* Whether the second cannot be opened beside the first. An address of IPv4 beside all of IPv6 depends on the
 * machine. */
static bool collide(const struct listener *a, const struct listener *b)
{
    uint16_t port = dtr_addr_port(&a->addr);
    if (port == 0 || port != dtr_addr_port(&b->addr) || a->addr.any.sa_family != b->addr.any.sa_family)
        return false;
    bool same = dtr_addr_equal(&a->addr, &b->addr);
    return same ? !(a->page && b->page) : is_any(&a->addr) || is_any(&b->addr);
}

static void judge_listeners(struct dtr_conf *conf, const struct listener *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (collide(&list[i], &list[j]))
                dtr_conf_complain(conf, list[i].key,
                                  "leads to port %u, which %s has already; one needs another",
                                  dtr_addr_port(&list[i].addr), list[j].key);
        }
    }
}

/* --- roles -----------------------------------------------------------------------------------------------
 */

static void judge_daemon_listeners(struct dtr_conf *conf, const struct dtr_daemon_config *config)
{
    const struct {
        const char *key, *ip;
        int64_t port;
        bool page;
    } all[] = {
        {"upload.server.port", config->upload.server.listen.ip, config->upload.server.listen.port, false},
        {"storage.server.tcpPort", config->storage.server.ip, config->storage.server.tcp_port, false},
        {"proxy.server.port", config->proxy.server.listen.ip, config->proxy.server.listen.port, false},
        {"health.server.port", config->health.ip, config->health.port, true},
        {"metrics.server.port", config->metrics.ip, config->metrics.port, true},
    };
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    struct listener list[COUNT];
    struct dtr_error err;
    for (size_t i = 0; i < COUNT; i++) {
        list[i] = (struct listener){.key = all[i].key, .page = all[i].page};
        if (daemon_listener(config, all[i].ip, all[i].port, &list[i].addr, &err) != DTR_OK)
            dtr_conf_complain(conf, all[i].key, "cannot be opened: %s", err.text);
    }
    judge_listeners(conf, list, COUNT);
}

static void judge_daemon(struct dtr_conf *conf, const struct dtr_daemon_config *config)
{
    struct dtr_error err;
    judge_modules(conf, config);
    if (dtr_daemon_check(config, &err) != DTR_OK)
        dtr_conf_blame(conf, &err);
    judge_daemon_listeners(conf, config);
}

/* The scheduler goes on without an origin, but not with options that are wrong. */
static void judge_origins(struct dtr_conf *conf, const struct dtr_scheduler_config *config)
{
    const struct dtr_conf_modules *options = &config->modules.options;
    struct dtr_modules *modules = NULL;
    const struct dtr_module *module;
    struct chosen_module chosen;
    struct dtr_error err;
    size_t position = 0;
    bool loaded[OPTIONS_OF_MODULE] = {false};
    int rc = chosen_scheduler_folders(config, &modules, &err);
    while (rc == DTR_OK && config->job.enable && chosen_scheduler_next(config, &position, &chosen)) {
        if (dtr_modules_look(modules, chosen.kind, chosen.name, &module, &err) == DTR_OK)
            judge_module(conf, modules, options, &chosen);
        else
            dtr_conf_remark(conf, DTR_CONF_WARNING, 0,
                            "%s names \"%.60s\", without which no images are "
                            "preheated: %s",
                            chosen.key, chosen.name, err.text);
        for (size_t i = 0; i < options->count && i < OPTIONS_OF_MODULE; i++)
            loaded[i] = loaded[i] || chosen_is(&options->items[i], chosen.kind, chosen.name);
    }
    dtr_modules_free(modules);
    for (size_t i = 0; i < options->count && i < OPTIONS_OF_MODULE; i++) {
        if (!loaded[i])
            warn_of_options(conf, &options->items[i]);
    }
}

static void judge_scheduler(struct dtr_conf *conf, const struct dtr_scheduler_config *config)
{
    struct listener list[] = {{.key = "server.port"}, {.key = "metrics.addr"}};
    struct dtr_error err;
    if (scheduler_listeners(config, &list[0].addr, &list[1].addr, &err) == DTR_OK)
        judge_listeners(conf, list, list[1].addr.length > 0 ? 2 : 1);
    else
        dtr_conf_blame(conf, &err);
    if (dtr_scheduler_check(config->scheduler.algorithm, &err) != DTR_OK)
        dtr_conf_blame(conf, &err);
    judge_origins(conf, config);
}

/* What the manager starts with: its modules by themselves, then the options for modules that it does not
 * start. */
static void judge_manager_modules(struct dtr_conf *conf, const struct dtr_manager_config *config)
{
    const struct dtr_conf_modules *options = &config->modules.options;
    struct dtr_modules *modules = NULL;
    struct chosen_module database = {0}, cache = {0};
    struct dtr_error err;
    if (chosen_manager_folders(config, &modules, &err) != DTR_OK) {
        dtr_conf_blame(conf, &err);
        return;
    }
    if (chosen_database(config, &database, &err) == DTR_OK)
        judge_module(conf, modules, options, &database);
    else
        dtr_conf_blame(conf, &err);
    if (chosen_cache(config, &cache, &err) == DTR_OK)
        judge_module(conf, modules, options, &cache);
    else
        dtr_conf_blame(conf, &err);
    dtr_modules_free(modules);
    for (size_t i = 0; i < options->count; i++) {
        bool loaded = database.kind && chosen_is(&options->items[i], database.kind, database.name);
        if (!loaded && !chosen_is(&options->items[i], cache.kind, cache.name))
            warn_of_options(conf, &options->items[i]);
    }
    if (chosen_redis_named(config) && strcmp(cache.name, "redis") != 0)
        dtr_conf_remark(conf, DTR_CONF_WARNING, 0, "database.redis does nothing: modules.cache is \"%.60s\"",
                        cache.name);
}

static void judge_manager(struct dtr_conf *conf, const struct dtr_manager_config *config)
{
    struct manager_addrs addrs;
    struct dtr_error err;
    if (manager_listeners(config, &addrs, &err) == DTR_OK) {
        const struct listener list[] = {{"server.grpc.port.start", addrs.grpc, false},
                                        {"server.rest.addr", addrs.rest, false},
                                        {"metrics.addr", addrs.metrics, true}};
        judge_listeners(conf, list, addrs.metrics.length > 0 ? 3 : 2);
    } else {
        dtr_conf_blame(conf, &err);
    }
    judge_manager_modules(conf, config);
    if (dtr_manager_check(config->scope.algorithm, &err) != DTR_OK)
        dtr_conf_blame(conf, &err);
}

static void judge_init(struct dtr_conf *conf, const struct dtr_init_config *config)
{
    struct dtr_modules *modules = NULL;
    struct dtr_error err;
    if (chosen_machine_folders(&modules, &err) == DTR_OK)
        judge_runtimes(conf, config, modules);
    else
        dtr_conf_remark(conf, DTR_CONF_ERROR, 0, "%s", err.text);
    dtr_modules_free(modules);
}

void judge(struct dtr_conf *conf)
{
    judge_tls(conf);
    if (dtr_conf_daemon(conf))
        judge_daemon(conf, dtr_conf_daemon(conf));
    if (dtr_conf_scheduler(conf))
        judge_scheduler(conf, dtr_conf_scheduler(conf));
    if (dtr_conf_manager(conf))
        judge_manager(conf, dtr_conf_manager(conf));
    if (dtr_conf_init(conf))
        judge_init(conf, dtr_conf_init(conf));
}
