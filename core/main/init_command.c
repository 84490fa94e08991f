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
    {"config", required_argument, NULL, 'c'},
    {"dry-run", no_argument, NULL, 'n'},
    {"undo", no_argument, NULL, 'u'},
    {"journal", required_argument, NULL, 'j'},
    {0},
};

static bool read_options(struct dtr_init_options *init, const char **ret_config, int argc, char **argv)
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

static int run_with(struct dtr_init_options *init, const struct dtr_init_config *config,
                    struct dtr_error *err)
{
    struct dtr_modules *modules = NULL;
    struct registries registries = {0};
    struct dtr_offer offer;
    struct dtr_init_runtime runtime;
    struct dtr_option_text options[OPTIONS_OF_MODULE];
    size_t count = chosen_add_options(&config->modules.options, "runtime", "containerd", options, 0);
    int rc = dtr_modules_new(NULL, &modules, err);
    if (rc == DTR_OK)
        rc = dtr_modules_require(modules, "runtime", "containerd", options, count, err);
    if (rc == DTR_OK)
        rc = take_registries(config, &registries, err);
    if (rc == DTR_OK && dtr_modules_find(modules, "runtime", "containerd", &offer)) {
        runtime = (struct dtr_init_runtime){
            .name = "containerd", .ops = offer.feature->ops, .instance = offer.instance};
        init->runtimes = &runtime;
        init->runtime_count = 1;
        init->proxy_url = config->proxy.addr;
        /* What the file names is what is meant: no detection then. */
        init->config_path = config->containerd.given ? config->containerd.config_path : NULL;
        init->all_registries = config->containerd.proxy_all_registries;
        init->registries = registries.list;
        init->registry_count = registries.count;
        rc = dtr_tool_init(init, stdout, err);
    }
    free_registries(&registries);
    dtr_modules_free(modules);
    return rc;
}

/* Who names another runtime does not mean containerd. */
static int refuse_others(const struct dtr_init_config *config, struct dtr_error *err)
{
    const char *other = config->docker.given   ? "docker"
                        : config->crio.given   ? "crio"
                        : config->podman.given ? "podman"
                                               : NULL;
    if (!other)
        return DTR_OK;
    return dtr_error_set(
        err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
        "containerRuntime.%s is not there yet: containerd is the only runtime that is set up", other);
}

int init_command(int argc, char **argv)
{
    struct dtr_init_options init = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err;
    const char *config = NULL;
    if (!read_options(&init, &config, argc, argv))
        return 2;
    int rc = options_load(DTR_ROLE_INIT, config, "/etc/dragonfly/dfinit.yaml", NULL, &conf, &err);
    if (rc == DTR_OK && init.undo)
        rc = dtr_tool_init(&init, stdout, &err);
    else if (rc == DTR_OK)
        rc = refuse_others(dtr_conf_init(conf), &err);
    if (rc == DTR_OK && !init.undo)
        rc = run_with(&init, dtr_conf_init(conf), &err);
    dtr_conf_free(conf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}
