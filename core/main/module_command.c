/* darter module: what is there and what it says. */
#include "core/main/chosen.h"
#include "core/main/command.h"
#include <string.h>

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
        return command_usage("module");
    return look_at_modules(folder, list ? NULL : argv[2], &err) == DTR_OK ? 0 : command_fail(&err);
}
