/* Options of the serving commands: files, and values from the command line. */
#ifndef DTR_MAIN_OPTIONS_H
#define DTR_MAIN_OPTIONS_H

#include "core/conf/conf.h"
#include "core/obs/log.h"

/* What was given several times; texts are the command line's. */
enum { OPTION_LIST = 64 };
struct option_list {
    const char *items[OPTION_LIST];
    size_t count;
};
/* False: it was said that it is one too many. */
bool option_list_add(struct option_list *list, const char *value);

struct options {
    const char *config, *scheduler_config, *manager_config, *dynconfig; /* NULL: not given */
    const char *log_level, *log_dir, *listen;                           /* NULL: not given */
    struct option_list sets, scheduler_sets, manager_sets;              /* KEY=VALUE */
    struct option_list schedulers;                                      /* IP:PORT */
    bool console;
};

/* Takes from the environment what was not given, as Dragonfly's programs do: PREFIX_CONFIG, and for
 * "DFDAEMON" also _DYNCONFIG, _LOG_LEVEL, _LOG_DIR and _CONSOLE. False: it was said what is wrong; exit with
 * 2. */
bool options_environment(struct options *options, const char *prefix);

/* Which options a command has besides those of the log, and --config, --dynconfig, --set. */
enum { OPTIONS_SCHEDULER = 1, OPTIONS_UP = 2 };

/* False: it was said what is wrong; exit with 2. */
bool options_read(struct options *options, unsigned which, int argc, char **argv);
/* The level of the command line, else `configured` (or NULL: info). */
enum dtr_log_level options_level(const struct options *options, const char *configured);
/* The log file in the folder of the command line, else in `configured` (or NULL): "<folder>/<name>.log" in
 * `path`. NULL: there is no such folder given. The folder is made when it is missing. */
const char *options_log_file(const struct options *options, const char *configured, const char *name,
                             char *path, size_t size);
/* Loads a role's configuration: the file that was named (*file), else the usual one (or NULL) if it is there,
 * which is named from then on; then `sets` (or NULL). Without a report findings are printed to stderr. */
int options_load(enum dtr_conf_role role, const char **file, const char *usual,
                 const struct option_list *sets, struct dtr_conf **ret_conf, struct dtr_conf_report *report,
                 struct dtr_error *err);

/* Judges a configuration that is complete now (judge.h). Without a report findings are printed to stderr. */
int options_judge(struct dtr_conf *conf, struct dtr_conf_report *report, struct dtr_error *err);
/* Path of the local dynconfig file, which need not be there. */
const char *options_dynconfig(const struct options *options);
/* An error when it is there and bad: a program that begins with it has the user's eye. Findings are printed
 * to stderr, but for the warnings about a good file: those come from who follows it. */
int options_check_dynconfig(const struct options *options, struct dtr_error *err);

#endif
