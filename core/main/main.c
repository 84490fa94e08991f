/* The program: finds the command and runs it. */
#include "core/main/command.h"
#include "core/main/ctl_options.h"
#include "core/main/get_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static command_run version_command;

/* What the environment may say instead of an option; options.c reads it. */
#define ENVIRONMENT(names) "\nOptions that are not given may be in the environment: " names ".\n"

/* `name` is that of the log file. */
#define LOG_OPTIONS(name)                                                                                    \
    "  --log-level LEVEL        error, warn, info, debug or trace [info]\n"                                  \
    "  --log-dir FOLDER         log to FOLDER/" name ".log instead of standard error\n"                      \
    "  --console                log to standard error also when there is a log file\n"

#define HANGUP                                                                                               \
    "\nSIGHUP opens the log file anew, for logrotate, and reads the configuration again. With an error\n"    \
    "in it nothing changes, and the log says what is wrong. Else keys that \"darter config describe\"\n"     \
    "marks count from then on; the log names those that changed, also others, which count at the next\n"     \
    "start.\n"

static const struct command {
    const char *name, *summary;
    command_run *run;
    const char *usage;
} commands[] = {
    {"up", "manager, scheduler, seed and registry mirror in one process", up_command,
     "Usage: darter up [--listen IP] [OPTION]...\n\n"
     "Needs no other server and no configuration file. Listens on 127.0.0.1 only: proxy and registry mirror\n"
     "4001, scheduler 8002, manager 65003 (gRPC) and 8080 (REST), peers 4000 and 4005, health 4003, metrics\n"
     "4002 and 8000. The scheduler is cluster 1 of the manager, whose database is "
     "/var/lib/dragonfly/manager.db;\n"
     "the daemon uses the scheduler directly. Without root, files are kept in the XDG directories, the "
     "database\n"
     "in $XDG_DATA_HOME/darter or ~/.local/share/darter.\n\n"
     "  --listen IP              let other nodes join: open 8002, 65003, 4000 and 4005 at this address\n"
     "  --config FILE            dfdaemon.yaml for the daemon [none]\n"
     "  --scheduler-config FILE  scheduler.yaml for the scheduler [none]\n"
     "  --manager-config FILE    manager.yaml for the manager [none]\n"
     "  --dynconfig FILE         dynconfig.yaml with the scheduler's limits, instead of those of the "
     "manager\n"
     "  --set KEY=VALUE          one value of the daemon's configuration; may be repeated\n"
     "  --set-scheduler KEY=VALUE, --set-manager KEY=VALUE\n"
     "                           one value of their configuration; may be repeated\n" LOG_OPTIONS("darter")
         HANGUP "With a terminal it ends instead, unless it was started by nohup.\n"},
    {"daemon", "a node's peer, or a seed peer", daemon_command,
     "Usage: darter daemon [--config FILE] [--dynconfig FILE] [--scheduler IP:PORT]... [OPTION]...\n\n"
     "  --config FILE            dfdaemon.yaml [/etc/dragonfly/dfdaemon.yaml]; defaults when that is not "
     "there\n"
     "  --dynconfig FILE         schedulers, when no manager is configured [/etc/dragonfly/dynconfig.yaml]; "
     "may\n                           come and change while it runs\n"
     "  --scheduler IP:PORT      a scheduler, instead of those of the manager or the dynconfig file; may be\n"
     "                           repeated\n"
     "  --set KEY=VALUE          one value of the configuration, e.g. --set "
     "proxy.server.port=4011\n" LOG_OPTIONS("dfdaemon")
         HANGUP ENVIRONMENT("DFDAEMON_CONFIG, DFDAEMON_DYNCONFIG,\nDFDAEMON_LOG_LEVEL, DFDAEMON_LOG_DIR, "
                            "DFDAEMON_CONSOLE (true or false)")},
    {"scheduler", "who gets which piece from whom", scheduler_command,
     "Usage: darter scheduler [--config FILE] [--dynconfig FILE] [--set KEY=VALUE]... [OPTION]...\n\n"
     "  --config FILE            scheduler.yaml [/etc/dragonfly/scheduler.yaml]; defaults when that is not "
     "there\n"
     "  --dynconfig FILE         limits, when no manager is configured [/etc/dragonfly/dynconfig.yaml]; may\n"
     "                           come and change while it runs\n"
     "  --set KEY=VALUE          one value of the configuration\n" LOG_OPTIONS("scheduler")
         HANGUP ENVIRONMENT("SCHEDULER_CONFIG")},
    {"manager", "clusters, and who belongs to them", manager_command,
     "Usage: darter manager [--config FILE] [--set KEY=VALUE]... [OPTION]...\n\n"
     "Needs no configuration: what must last is kept in /var/lib/dragonfly/manager.db. gRPC is served on\n"
     "65003, REST on 8080 (/swagger says what there is), metrics on 8000. The first user is root, with the\n"
     "password of DRAGONFLY_INITIAL_ROOT_PASSWORD, else \"dragonfly\".\n\n"
     "  --config FILE            manager.yaml [/etc/dragonfly/manager.yaml]; defaults when that is not "
     "there\n"
     "  --set KEY=VALUE          one value of the configuration\n" LOG_OPTIONS("manager")
         HANGUP ENVIRONMENT("MANAGER_CONFIG")},
    {"get", "download a file by way of the daemon", get_command, get_usage},
    {"ctl", "look at tasks, hosts, clusters and jobs, and change them", ctl_command, ctl_usage},
    {"init", "point container runtimes at the daemon, or take that back", init_command,
     "Usage: darter init [--config FILE] [--runtime NAME]... [--dry-run]\n       darter init --undo "
     "[--dry-run]\n\n"
     "  --config FILE   dfinit.yaml [/etc/dragonfly/dfinit.yaml]; every registry when that is not there\n"
     "  --runtime NAME  containerd, or another that there is a module for; may be repeated\n"
     "                  [the one that dfinit.yaml names, else each that is on this machine]\n"
     "  --dry-run       show the difference, write nothing\n"
     "  --undo          put back what was there before; refused for files that were edited since\n"
     "  --journal FILE  where it is written down [/var/lib/dragonfly/init-journal.json]\n"},
    {"module", "list and describe modules", module_command,
     "Usage: darter module [--dir FOLDER] list\n       darter module [--dir FOLDER] describe NAME|FILE\n\n"
     "  --dir FOLDER   the first place to look in [server.pluginDir of /etc/dragonfly/dfdaemon.yaml]\n\n"
     "A refused module is listed with the reason. FILE is a path with a slash in it.\n"},
    {"config", "check, describe and show configuration", config_command,
     "Usage: darter config check [--role ROLE] FILE\n       darter config describe ROLE\n"
     "       darter config show [[--role] ROLE] [--config FILE] [--set KEY=VALUE]... [--json]\n\n"
     "ROLE is daemon, scheduler, manager, init or dynconfig; told from the file when left out.\n"
     "\"show\" prints the value of each key and where it comes from; secrets are masked.\n\n"
     "  --config FILE            [that of the environment, else the role's in /etc/dragonfly; defaults when "
     "that\n                           is not there]\n"
     "  --set KEY=VALUE          one value of the configuration; may be repeated\n"
     "  --json                   for scripts: sizes in bytes, durations in milliseconds\n" ENVIRONMENT(
         "DFDAEMON_CONFIG,\nDFDAEMON_DYNCONFIG, SCHEDULER_CONFIG, MANAGER_CONFIG")},
    {"version", "print the version", version_command, "Usage: darter version\n"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Dragonfly's programs, which scripts call by their names: links to this one. */
static const struct {
    const char *program, *command;
} programs[] = {
    {"dfdaemon", "daemon"}, {"dfget", "get"}, {"dfinit", "init"},
    {"dfcache", "cache"},   {"dfctl", "ctl"}, {"dfstore", "store"},
};

/* Commands that are to come; one that has come is found among the commands first. */
static const struct {
    const char *name, *summary;
} later[] = {
    {"cache", "importing and exporting files of the cluster's cache"},
    {"store", "object storage through the daemon"},
    {"sim", "simulating a cluster"},
    {"policy", "testing and replaying policies"},
};

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)puts("darter " DTR_VERSION);
    return 0;
}

int command_fail(const struct dtr_error *err)
{
    (void)fprintf(stderr, "darter: %s\n", err->text);
    return 1;
}

int command_usage(const char *command)
{
    (void)fprintf(stderr, "darter: \"darter %s --help\" says how\n", command);
    return 2;
}

static void print_help(FILE *out)
{
    (void)fprintf(out, "Usage: darter COMMAND [OPTION]...\n\n"
                       "Distributes container images and files inside clusters, peer to peer.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(out, "\n\"darter COMMAND --help\" says more.\n");
}

/* The command that a program of Dragonfly's is; NULL for any other name. */
static const char *command_of_program(const char *program)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (strcmp(programs[i].program, program) == 0)
            return programs[i].command;
    }
    return NULL;
}

/* Says that there is no such command; `said` is what the user wrote. Returns the exit status. */
static int no_command(const char *name, const char *said)
{
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (strcmp(later[i].name, name) == 0) {
            (void)fprintf(stderr, "darter: %s (%s) is not there yet; \"darter --help\" lists what is\n", said,
                          later[i].summary);
            return 2;
        }
    }
    (void)fprintf(stderr, "darter: there is no command '%s'; \"darter --help\" lists them\n", said);
    return 2;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

/* "help", "help COMMAND", "--help", "-h" and no word at all. */
static int help(int argc, char **argv)
{
    const struct command *command = argc > 2 ? find(argv[2]) : NULL;
    if (argc > 2 && !command)
        return no_command(argv[2], argv[2]);
    if (command)
        (void)fputs(command->usage, stdout);
    else
        print_help(argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
}

static bool is(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static int run(const char *name, const char *said, int argc, char **argv)
{
    const struct command *command = find(name);
    if (!command)
        return no_command(name, said);
    if (wants_help(argc, argv)) {
        (void)fputs(command->usage, stdout);
        return 0;
    }
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *program = slash ? slash + 1 : argv[0];
    const char *name = command_of_program(program);
    if (name && argc == 2 && is(argv[1], "--version", "-V"))
        return version_command(1, argv);
    if (name)
        return run(name, program, argc, argv);
    if (argc < 2 || is(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    name = is(argv[1], "--version", "-V") ? "version" : argv[1];
    return run(name, argv[1], argc - 1, argv + 1);
}
