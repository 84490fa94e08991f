/* Options of the serving commands; see options.h. */
#include "core/main/options.h"

#include "core/conf/value.h"
#include "core/main/command.h"
#include "core/main/judge.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Values from 256 on have no short form. */
enum {
    SCHEDULER = 256,
    SET,
    LOG_DIR,
    CONSOLE,
    IGNORED,
    LISTEN,
    SCHEDULER_CONFIG,
    SET_SCHEDULER,
    MANAGER_CONFIG,
    SET_MANAGER,
    DYNCONFIG
};

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'},
    {"dynconfig", required_argument, NULL, DYNCONFIG},
    {"set", required_argument, NULL, SET},
    {"log-level", required_argument, NULL, 'l'},
    {"log-dir", required_argument, NULL, LOG_DIR},
    {"console", no_argument, NULL, CONSOLE},
    {"log-max-files", required_argument, NULL, IGNORED},
    {"log-max-file-size", required_argument, NULL, IGNORED},
    {"scheduler", required_argument, NULL, SCHEDULER},
    {"listen", required_argument, NULL, LISTEN},
    {"scheduler-config", required_argument, NULL, SCHEDULER_CONFIG},
    {"set-scheduler", required_argument, NULL, SET_SCHEDULER},
    {"manager-config", required_argument, NULL, MANAGER_CONFIG},
    {"set-manager", required_argument, NULL, SET_MANAGER},
    {0},
};

bool option_list_add(struct option_list *list, const char *value)
{
    if (list->count == OPTION_LIST) {
        (void)fprintf(stderr, "darter: %s is one too many: an option may be given %d times\n", value,
                      OPTION_LIST);
        return false;
    }
    list->items[list->count++] = value;
    return true;
}

static bool read_level(struct options *options, const char *text, const char *where)
{
    enum dtr_log_level level;
    options->log_level = text;
    if (dtr_log_level_parse(text, &level))
        return true;
    (void)fprintf(stderr, "darter: %s %s: allowed are error, warn, info, debug, trace\n", where, text);
    return false;
}

/* An option that not every command has. */
static bool take_special(struct options *options, unsigned which, int letter, const char *command)
{
    unsigned needs = letter == SCHEDULER ? OPTIONS_SCHEDULER : OPTIONS_UP;
    if (!(which & needs)) {
        (void)fprintf(stderr, "darter: \"darter %s\" has no such option: %s\n", command, optarg);
        return false;
    }
    if (letter == SCHEDULER)
        return option_list_add(&options->schedulers, optarg);
    if (letter == SET_SCHEDULER)
        return option_list_add(&options->scheduler_sets, optarg);
    if (letter == SET_MANAGER)
        return option_list_add(&options->manager_sets, optarg);
    if (letter == LISTEN)
        options->listen = optarg;
    else if (letter == MANAGER_CONFIG)
        options->manager_config = optarg;
    else
        options->scheduler_config = optarg;
    return true;
}

static bool take(struct options *options, unsigned which, int letter, const char *command)
{
    switch (letter) {
    case 'c':
        options->config = optarg;
        return true;
    case DYNCONFIG:
        options->dynconfig = optarg;
        return true;
    case SET:
        return option_list_add(&options->sets, optarg);
    case 'l':
        return read_level(options, optarg, "--log-level");
    case LOG_DIR:
        options->log_dir = optarg;
        return true;
    case CONSOLE:
        options->console = true;
        return true;
    case IGNORED:
        return true; /* Dragonfly's; log files are not rotated here */
    case '?':
        return false; /* getopt has said why */
    default:
        return take_special(options, which, letter, command);
    }
}

bool options_read(struct options *options, unsigned which, int argc, char **argv)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "c:l:", known, NULL)) != -1) {
        if (!take(options, which, letter, argv[0]))
            return false;
    }
    if (optind < argc)
        (void)fprintf(stderr, "darter: what is '%s'? \"darter %s --help\" says more\n", argv[optind],
                      argv[0]);
    return optind >= argc;
}

/* A variable, NULL when it is not there or empty. */
static const char *variable(const char *prefix, const char *rest, char name[64])
{
    (void)snprintf(name, 64, "%s_%s", prefix, rest);
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void take_text(const char **option, const char *prefix, const char *rest)
{
    char name[64];
    const char *value = variable(prefix, rest, name);
    if (!*option)
        *option = value;
}

bool options_environment(struct options *options, const char *prefix)
{
    char name[64];
    const char *value;
    take_text(&options->config, prefix, "CONFIG");
    if (strcmp(prefix, "DFDAEMON") != 0)
        return true; /* Dragonfly's scheduler knows no other */
    take_text(&options->dynconfig, prefix, "DYNCONFIG");
    take_text(&options->log_dir, prefix, "LOG_DIR");
    value = variable(prefix, "LOG_LEVEL", name);
    if (value && !options->log_level && !read_level(options, value, name))
        return false;
    value = variable(prefix, "CONSOLE", name);
    bool console = options->console;
    if (value && !console && !dtr_value_bool(value, &console)) {
        (void)fprintf(stderr, "darter: %s %s: allowed are true and false\n", name, value);
        return false;
    }
    options->console = console;
    return true;
}

enum dtr_log_level options_level(const struct options *options, const char *configured)
{
    enum dtr_log_level level = DTR_LOG_INFO;
    if (configured)
        (void)dtr_log_level_parse(configured, &level);
    if (options->log_level)
        (void)dtr_log_level_parse(options->log_level, &level);
    return level;
}

const char *options_log_file(const struct options *options, const char *configured, const char *name,
                             char *path, size_t size)
{
    const char *folder = options->log_dir ? options->log_dir : configured;
    if (!folder)
        return NULL;
    (void)mkdir(folder, 0755); /* opening the file says what is wrong */
    (void)snprintf(path, size, "%s/%s.log", folder, name);
    return path;
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

int options_load(enum dtr_conf_role role, const char **file, const char *usual,
                 const struct option_list *sets, struct dtr_conf **ret_conf, struct dtr_conf_report *report,
                 struct dtr_error *err)
{
    struct dtr_conf_report own = {0};
    if (!*file && usual && command_file_there(usual))
        *file = usual;
    int rc = *file ? dtr_conf_load(role, *file, ret_conf, report ? report : &own, err)
                   : dtr_conf_parse(role, "defaults", "", 0, ret_conf, report ? report : &own, err);
    dtr_conf_report_print(&own, stderr);
    dtr_conf_report_free(&own);
    for (size_t i = 0; sets && i < sets->count && rc == DTR_OK; i++)
        rc = set_one(*ret_conf, sets->items[i], err);
    return rc;
}

const char *options_dynconfig(const struct options *options)
{
    return options->dynconfig ? options->dynconfig : "/etc/dragonfly/dynconfig.yaml";
}

int options_check_dynconfig(const struct options *options, struct dtr_error *err)
{
    const char *path = options_dynconfig(options);
    struct dtr_conf_report report = {0};
    struct dtr_conf *conf = NULL;
    int rc = command_file_there(path) ? dtr_conf_load(DTR_ROLE_DYNCONFIG, path, &conf, &report, err) : DTR_OK;
    if (rc == DTR_OK) /* who follows the file logs these */
        dtr_conf_report_drop(&report, DTR_CONF_WARNING);
    dtr_conf_report_print(&report, stderr);
    dtr_conf_report_free(&report);
    dtr_conf_free(conf);
    return rc;
}

int options_judge(struct dtr_conf *conf, struct dtr_conf_report *report, struct dtr_error *err)
{
    struct dtr_conf_report own = {0};
    int rc = dtr_conf_judge(conf, judge, report ? report : &own, err);
    dtr_conf_report_print(&own, stderr);
    dtr_conf_report_free(&own);
    return rc;
}
