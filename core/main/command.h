/* The program's commands: one table in main.c, one function each. */
#ifndef DTR_MAIN_COMMAND_H
#define DTR_MAIN_COMMAND_H

#include "core/main/paths.h"
#include <stdbool.h>

/* Runs a command; argv[0] is its name. Returns the exit status. */
typedef int command_run(int argc, char **argv);

command_run up_command, scheduler_command, daemon_command, get_command, init_command, module_command,
    config_command, ctl_command, manager_command;

/* Prints "darter: ..." to stderr; returns 1. */
int command_fail(const struct dtr_error *err);
/* Says where a command's usage is; returns 2. */
int command_usage(const char *command);

#endif
