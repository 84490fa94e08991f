/* darter module, darter config: what is there and what it says. */
#include "core/conf/conf.h"
#include "core/main/command.h"
#include "core/module/module.h"
#include <string.h>

static int usage(const char *command)
{
    (void)fprintf(stderr, "darter: \"darter %s --help\" says how\n", command);
    return 2;
}

int module_command(int argc, char **argv)
{
    struct dtr_modules *modules = NULL;
    struct dtr_error err;
    bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    if (!list && !(argc == 3 && strcmp(argv[1], "describe") == 0))
        return usage("module");
    int rc = dtr_modules_new(NULL, &modules, &err);
    if (rc == DTR_OK)
        rc = list ? dtr_modules_list(modules, stdout, &err)
                  : dtr_modules_describe(modules, argv[2], stdout, &err);
    dtr_modules_free(modules);
    return rc == DTR_OK ? 0 : command_fail(&err);
}

int config_command(int argc, char **argv)
{
    enum dtr_conf_role role;
    if (argc == 3 && strcmp(argv[1], "describe") == 0 && dtr_conf_role_parse(argv[2], &role)) {
        dtr_conf_describe(role, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return dtr_conf_check(NULL, argv[2], stdout) == DTR_OK ? 0 : 1;
    if (argc == 5 && strcmp(argv[1], "check") == 0 && strcmp(argv[2], "--role") == 0)
        return dtr_conf_check(argv[3], argv[4], stdout) == DTR_OK ? 0 : 1;
    return usage("config");
}
