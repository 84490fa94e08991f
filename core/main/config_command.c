/* darter config: whether a file is right, what keys there are, what they are set to. */
#include "core/main/command.h"
#include "core/main/judge.h"
#include "core/main/options.h"
#include <getopt.h>
#include <string.h>

static int no_role(const char *name)
{
    (void)fprintf(stderr, "darter: %s is not a role; there are daemon, scheduler, init and dynconfig\n",
                  name);
    return 2;
}

static int describe(const char *name)
{
    enum dtr_conf_role role;
    if (!dtr_conf_role_parse(name, &role))
        return no_role(name);
    dtr_conf_describe(role, stdout);
    return 0;
}

/* --- show ---------------------------------------------------------------------------------------------- */

struct show {
    enum dtr_conf_role role;
    const char *config, *said; /* said: the role */
    const char *by;            /* what named the file */
    struct option_list sets;
    bool json;
};

static bool read_options(struct show *show, int argc, char **argv)
{
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"set", required_argument, NULL, 's'},
                                          {"role", required_argument, NULL, 'r'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        if (letter == '?')
            return false; /* getopt has said why */
        if (letter == 'c')
            show->config = optarg;
        else if (letter == 'r')
            show->said = optarg;
        else if (letter == 'j')
            show->json = true;
        else if (!option_list_add(&show->sets, optarg))
            return false;
    }
    return true;
}

/* The role that was said, else the file's, else the daemon. */
static int find_role(struct show *show)
{
    struct dtr_error err;
    show->role = DTR_ROLE_DAEMON;
    if (show->said)
        return dtr_conf_role_parse(show->said, &show->role) ? 0 : no_role(show->said);
    if (show->config && dtr_conf_role_of(show->config, &show->role, &err) != DTR_OK)
        return command_fail(&err);
    return 0;
}

/* What may name a role's file in the environment; the daemon's variables have dynconfig.yaml's too. */
static const struct {
    const char *prefix, *variable;
} environment[DTR_ROLE_COUNT] = {
    [DTR_ROLE_DAEMON] = {"DFDAEMON", "DFDAEMON_CONFIG"},
    [DTR_ROLE_SCHEDULER] = {"SCHEDULER", "SCHEDULER_CONFIG"},
    [DTR_ROLE_MANAGER] = {"MANAGER", "MANAGER_CONFIG"},
    [DTR_ROLE_DYNCONFIG] = {"DFDAEMON", "DFDAEMON_DYNCONFIG"},
};

/* The file that the role would read. */
static bool find_file(struct show *show, char *usual, size_t size)
{
    struct options options = {.config = show->config};
    const char *prefix = environment[show->role].prefix;
    show->by = "--config";
    if (prefix && !show->config) {
        if (!options_environment(&options, prefix))
            return false;
        show->config = show->role == DTR_ROLE_DYNCONFIG ? options.dynconfig : options.config;
        show->by = environment[show->role].variable;
    }
    (void)snprintf(usual, size, "/etc/dragonfly/%s", dtr_conf_role_file(show->role));
    if (!show->config)
        show->by = command_file_there(usual) ? "the usual place" : NULL;
    return true;
}

static int show_command(int argc, char **argv)
{
    struct show show = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err;
    char usual[64];
    if (!read_options(&show, argc, argv))
        return 2;
    if (argc - optind > (show.said ? 0 : 1))
        return command_usage("config");
    if (optind < argc)
        show.said = argv[optind];
    int status = find_role(&show);
    if (status != 0)
        return status;
    if (!find_file(&show, usual, sizeof(usual)))
        return 2;
    int rc = options_load(show.role, &show.config, usual, &show.sets, &conf, NULL, &err);
    if (rc == DTR_OK)
        rc = dtr_conf_show(conf, show.by, show.json, stdout, &err);
    dtr_conf_free(conf);
    return rc == DTR_OK ? 0 : command_fail(&err);
}

int config_command(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "show") == 0)
        return show_command(argc - 1, argv + 1);
    if (argc == 3 && strcmp(argv[1], "describe") == 0)
        return describe(argv[2]);
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return dtr_conf_check(NULL, argv[2], judge, stdout) == DTR_OK ? 0 : 1;
    if (argc == 5 && strcmp(argv[1], "check") == 0 && strcmp(argv[2], "--role") == 0)
        return dtr_conf_check(argv[3], argv[4], judge, stdout) == DTR_OK ? 0 : 1;
    return command_usage("config");
}
