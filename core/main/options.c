/* Options of the serving commands; see options.h. */
#include "core/main/options.h"

#include "core/main/command.h"
#include <getopt.h>
#include <string.h>

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'},    {"dynconfig", required_argument, NULL, 'd'},
    {"scheduler", required_argument, NULL, 's'}, {"set", required_argument, NULL, 'k'},
    {"log-level", required_argument, NULL, 'l'}, {0},
};

static bool too_many(const char *name)
{
    (void)fprintf(stderr, "darter: --%s is there too often\n", name);
    return false;
}

static bool set_level(struct options *options, const char *name)
{
    enum dtr_log_level level;
    options->log_level = name;
    if (dtr_log_level_parse(name, &level))
        return true;
    (void)fprintf(stderr, "darter: --log-level %.20s: write error, warn, info or debug\n", name);
    return false;
}

bool options_read(struct options *options, int argc, char **argv)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "c:l:", known, NULL)) != -1) {
        switch (letter) {
        case 'c':
            options->config = optarg;
            break;
        case 'd':
            options->dynconfig = optarg;
            break;
        case 's':
            if (options->scheduler_count == OPTION_SCHEDULERS)
                return too_many("scheduler");
            options->schedulers[options->scheduler_count++] = optarg;
            break;
        case 'k':
            if (options->set_count == OPTION_SETS)
                return too_many("set");
            options->sets[options->set_count++] = optarg;
            break;
        case 'l':
            if (!set_level(options, optarg))
                return false;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        (void)fprintf(stderr, "darter: what is '%s'? \"darter %s --help\" says more\n", argv[optind],
                      argv[0]);
    return optind >= argc;
}

enum dtr_log_level options_log_level(const struct options *options, const char *configured)
{
    enum dtr_log_level level = DTR_LOG_INFO;
    const char *name = options->log_level ? options->log_level : configured;
    if (name)
        (void)dtr_log_level_parse(name, &level);
    return level;
}

static int set_one(struct dtr_conf *conf, const char *text, struct dtr_error *err)
{
    char key[128];
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof(key))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "--set %.60s: write KEY=VALUE", text);
    memcpy(key, text, (size_t)(equals - text));
    key[equals - text] = '\0';
    return dtr_conf_set(conf, key, equals + 1, err);
}

int options_load(enum dtr_conf_role role, const char *named, const char *usual, const struct options *sets,
                 struct dtr_conf **ret_conf, struct dtr_error *err)
{
    struct dtr_conf_report report = {0};
    const char *path = named ? named : command_file_there(usual) ? usual : NULL;
    int rc =
        path ? dtr_conf_load(role, path, ret_conf, &report, err) : dtr_conf_defaults(role, ret_conf, err);
    dtr_conf_report_print(&report, stderr);
    dtr_conf_report_free(&report);
    for (size_t i = 0; sets && i < sets->set_count && rc == DTR_OK; i++)
        rc = set_one(*ret_conf, sets->sets[i], err);
    return rc;
}
