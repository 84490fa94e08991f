/* darter init: points the container runtimes of this machine at the daemon, by core/tools/init.h. */
#include "core/base/str.h"
#include "core/conf/conf.h"
#include "core/main/chosen.h"
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/tools/init.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'},  {"dry-run", no_argument, NULL, 'n'},
    {"undo", no_argument, NULL, 'u'},          {"journal", required_argument, NULL, 'j'},
    {"runtime", required_argument, NULL, 'r'}, {0},
};

/* Takes a name that --runtime gave; false, and said, when there are too many or it is none. */
static bool add_runtime(struct dtr_module_names *runtimes, const char *name)
{
    if (runtimes->count < DTR_MODULES_OF_KIND &&
        dtr_copy_text(runtimes->list[runtimes->count], DTR_MODULE_NAME, name)) {
        runtimes->count++;
        return true;
    }
    (void)fprintf(stderr, "darter: --runtime %.60s: too long a name, or more than %d of them\n", name,
                  DTR_MODULES_OF_KIND);
    return false;
}

static bool read_options(struct dtr_init_options *init, const char **ret_config,
                         struct dtr_module_names *runtimes, int argc, char **argv)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        switch (letter) {
        case 'c':
            *ret_config = optarg;
            break;
        case 'n':
            init->dry_run = true;
            break;
        case 'u':
            init->undo = true;
            break;
        case 'j':
            init->journal_path = optarg;
            break;
        case 'r':
            if (!add_runtime(runtimes, optarg))
                return false;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        (void)fprintf(stderr, "darter: what is '%s'? \"darter init --help\" says more\n", argv[optind]);
    return optind >= argc;
}

/* The registries as the runtime modules want them; texts live as long as the configuration and `joined`. */
struct registries {
    struct dtr_runtime_registry *list;
    struct dtr_str *joined; /* capabilities of each, with commas */
    size_t count;
};

static void free_registries(struct registries *registries)
{
    for (size_t i = 0; registries->joined && i < registries->count; i++)
        dtr_str_free(&registries->joined[i]);
    free(registries->joined);
    free(registries->list);
}

static int take_registries(const struct dtr_init_config *config, struct registries *registries,
                           struct dtr_error *err)
{
    size_t count = config->containerd.registries.count;
    registries->list = calloc(count + 1, sizeof(*registries->list));
    registries->joined = calloc(count + 1, sizeof(*registries->joined));
    if (!registries->list || !registries->joined)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for registries");
    registries->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct dtr_conf_containerd_registry *from = &config->containerd.registries.items[i];
        struct dtr_str *joined = &registries->joined[i];
        for (size_t j = 0; j < from->capabilities.count; j++)
            dtr_str_printf(joined, "%s%s", j ? "," : "", from->capabilities.items[j]);
        registries->list[i] = (struct dtr_runtime_registry){
            .host = from->host_namespace,
            .server = from->server_addr,
            .capabilities = joined->length ? dtr_str_text(joined) : "pull,resolve",
            .skip_verify = from->skip_verify,
            .ca = from->ca.count ? from->ca.items[0] : NULL,
        };
    }
    return DTR_OK;
}

/* --- runtimes --------------------------------------------------------------------------------------------
 */

/* Those that are set up. Without a word of the user it is all that there are modules for. */
struct runtimes {
    struct dtr_module_names names;
    const char *config_path; /* of the one that the file names */
    struct dtr_init_runtime list[DTR_MODULES_OF_KIND];
    size_t count;
};

/* What the command line says must not be another than what the file says. */
static int take_section(struct runtimes *runtimes, const struct dtr_init_config *config,
                        struct dtr_error *err)
{
    struct chosen_module section;
    const char *path;
    if (!chosen_section(config, &section, &path))
        return DTR_OK;
    if (runtimes->names.count > 1 ||
        (runtimes->names.count == 1 && strcmp(runtimes->names.list[0], section.name) != 0))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "--runtime %s: the configuration file is for %s; give another with --config",
                             runtimes->names.list[0], section.name);
    runtimes->names.count = 1;
    (void)dtr_copy_text(runtimes->names.list[0], DTR_MODULE_NAME, section.name);
    runtimes->config_path = path; /* what the file names is what is meant: no detection then */
    return DTR_OK;
}

static int start_runtime(struct dtr_modules *modules, const struct dtr_init_config *config, const char *name,
                         struct runtimes *runtimes, struct dtr_error *err)
{
    struct dtr_option_text options[OPTIONS_OF_MODULE];
    struct dtr_offer offer;
    size_t count = chosen_add_options(&config->modules.options, "runtime", name, options, 0);
    int rc = dtr_modules_require(modules, "runtime", name, options, count, err);
    if (rc == DTR_OK && dtr_modules_find(modules, "runtime", name, &offer))
        runtimes->list[runtimes->count++] = (struct dtr_init_runtime){
            .name = offer.feature->name, .ops = offer.feature->ops, .instance = offer.instance};
    return rc;
}

/* Of those that nobody named, the ones that are refused are left out: judge() has said so. */
static int start_runtimes(struct dtr_modules *modules, const struct dtr_init_config *config,
                          struct runtimes *runtimes, struct dtr_error *err)
{
    bool named = runtimes->names.count > 0;
    int rc = DTR_OK;
    if (!named)
        dtr_modules_of_kind(modules, "runtime", &runtimes->names);
    for (size_t i = 0; i < runtimes->names.count && (rc == DTR_OK || !named); i++)
        rc = start_runtime(modules, config, runtimes->names.list[i], runtimes, err);
    if (named ? rc == DTR_OK : runtimes->count > 0)
        return DTR_OK;
    if (runtimes->names.count == 0)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                           "there is no module for a container runtime; \"darter module list\" lists all");
    return rc;
}

static int run_with(struct dtr_init_options *init, const struct dtr_init_config *config,
                    struct runtimes *runtimes, struct dtr_error *err)
{
    struct dtr_modules *modules = NULL;
    struct registries registries = {0};
    int rc = take_section(runtimes, config, err);
    if (rc == DTR_OK)
        rc = chosen_machine_folders(&modules, err);
    if (rc == DTR_OK)
        rc = start_runtimes(modules, config, runtimes, err);
    if (rc == DTR_OK)
        rc = take_registries(config, &registries, err);
    if (rc == DTR_OK) {
        init->runtimes = runtimes->list;
        init->runtime_count = runtimes->count;
        init->proxy_url = config->proxy.addr;
        init->config_path = runtimes->config_path;
        init->all_registries = config->containerd.proxy_all_registries;
        init->registries = registries.list;
        init->registry_count = registries.count;
        rc = dtr_tool_init(init, stdout, err);
    }
    free_registries(&registries);
    dtr_modules_free(modules);
    return rc;
}

int init_command(int argc, char **argv)
{
    struct dtr_init_options init = {0};
    struct runtimes runtimes = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err;
    const char *config = NULL;
    if (!read_options(&init, &config, &runtimes.names, argc, argv))
        return 2;
    int rc = options_load(DTR_ROLE_INIT, &config, "/etc/dragonfly/dfinit.yaml", NULL, &conf, NULL, &err);
    if (rc == DTR_OK && init.undo)
        rc = dtr_tool_init(&init, stdout, &err);
    else if (rc == DTR_OK)
        rc = options_judge(conf, NULL, &err);
    if (rc == DTR_OK && !init.undo)
        rc = run_with(&init, dtr_conf_init(conf), &runtimes, &err);
    dtr_conf_free(conf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
