/* Options of the serving commands: files, and values from the command line. */
#ifndef DTR_MAIN_OPTIONS_H
#define DTR_MAIN_OPTIONS_H

#include "core/conf/conf.h"
#include "core/obs/log.h"

enum { OPTION_SETS = 64, OPTION_SCHEDULERS = 64 };

struct options {
    const char *config, *dynconfig; /* NULL: the default path, if it is there */
    const char *sets[OPTION_SETS];  /* KEY=VALUE */
    const char *schedulers[OPTION_SCHEDULERS];
    size_t set_count, scheduler_count;
    const char *log_level; /* NULL: as configured */
};

/* False: it was said what is wrong; exit with 2. */
bool options_read(struct options *options, int argc, char **argv);
/* The level of the command line, else the configured one (NULL: info). */
enum dtr_log_level options_log_level(const struct options *options, const char *configured);
/* Loads a role's configuration: a file that was named must be there; findings are printed to stderr. */
int options_load(enum dtr_conf_role role, const char *named, const char *usual, const struct options *sets,
                 struct dtr_conf **ret_conf, struct dtr_error *err);

#endif
