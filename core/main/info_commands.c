/* darter module, darter config: what is there and what it says. */
#include "core/main/chosen.h"
#include "core/main/command.h"
#include "core/main/judge.h"
#include <string.h>

static int usage(const char *command)
{
    (void)fprintf(stderr, "darter: \"darter %s --help\" says how\n", command);
    return 2;
}

static int look_at_modules(const char *folder, const char *described, struct dtr_error *err)
{
    struct dtr_modules *modules = NULL;
    if (folder && !command_file_there(folder))
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "there is no folder %s", folder);
    int rc = folder ? dtr_modules_new(folder, &modules, err) : chosen_machine_folders(&modules, err);
    if (rc == DTR_OK)
        rc = described ? dtr_modules_describe(modules, described, stdout, err)
                       : dtr_modules_list(modules, stdout, err);
    dtr_modules_free(modules);
    return rc;
}

int module_command(int argc, char **argv)
{
    const char *folder = NULL;
    struct dtr_error err;
    if (argc > 2 && strcmp(argv[1], "--dir") == 0) {
        folder = argv[2];
        argc -= 2;
        argv += 2;
    }
    bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    if (!list && !(argc == 3 && strcmp(argv[1], "describe") == 0))
        return usage("module");
    return look_at_modules(folder, list ? NULL : argv[2], &err) == DTR_OK ? 0 : command_fail(&err);
}

int config_command(int argc, char **argv)
{
    enum dtr_conf_role role;
    if (argc == 3 && strcmp(argv[1], "describe") == 0) {
        if (!dtr_conf_role_parse(argv[2], &role)) {
            (void)fprintf(stderr,
                          "darter: %s is not a role; there are daemon, scheduler, init and dynconfig\n",
                          argv[2]);
            return 2;
        }
        dtr_conf_describe(role, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return dtr_conf_check(NULL, argv[2], judge, stdout) == DTR_OK ? 0 : 1;
    if (argc == 5 && strcmp(argv[1], "check") == 0 && strcmp(argv[2], "--role") == 0)
        return dtr_conf_check(argv[3], argv[4], judge, stdout) == DTR_OK ? 0 : 1;
    return usage("config");
}
