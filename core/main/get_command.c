/* darter get: a file by way of the daemon, by core/tools/get.h. */
#include "core/main/command.h"
#include "core/main/get_options.h"
#include "core/tools/progress.h"

int get_command(int argc, char **argv)
{
    struct get_options options;
    struct dtr_error err;
    int signal = 0;
    if (get_options_read(&options, argc, argv, &err) != DTR_OK) {
        (void)fprintf(stderr, "darter get: %s\n\"darter get --help\" says more\n", err.text);
        return 2;
    }
    if (options.version) {
        (void)puts("darter get " DTR_VERSION);
        return 0;
    }
    FILE *terminal = !options.no_progress && dtr_progress_wanted(stderr) ? stderr : NULL;
    if (dtr_tool_get(&options.get, terminal, &signal, &err) == DTR_OK)
        return 0;
    (void)command_fail(&err);
    return signal ? 128 + signal : 1;
}
