/* Loading and checking configuration.
 *
 * A role's configuration is a plain struct (daemon_config.h, scheduler_config.h, manager_config.h,
 * init_config.h, dynconfig.h) that a table of rows fills: defaults first, then the file, then the command
 * line. Each value remembers where it came from. Everything that the struct points to belongs to the struct
 * dtr_conf and goes with it. Loading is all or nothing: with one error there is no configuration.
 *
 * Keys match without regard to case. Unknown keys are warnings, with the nearest known name. Bad values
 * and keys given twice are errors, with file, line, what was there and what is allowed.
 *
 * One thread at a time; a configuration that nobody changes may be read by any thread. */
#ifndef DTR_CONF_CONF_H
#define DTR_CONF_CONF_H

#include "core/conf/daemon_config.h"
#include "core/conf/dynconfig.h"
#include "core/conf/init_config.h"
#include "core/conf/manager_config.h"
#include "core/conf/scheduler_config.h"
#include <darter/error.h>
#include <stdbool.h>
#include <stdio.h>

/* enumerator, name on the command line, file that Dragonfly reads, struct, accessor */
#define DTR_CONF_ROLES(X)                                                                                    \
    X(DAEMON, "daemon", "dfdaemon.yaml", struct dtr_daemon_config, dtr_conf_daemon)                          \
    X(SCHEDULER, "scheduler", "scheduler.yaml", struct dtr_scheduler_config, dtr_conf_scheduler)             \
    X(MANAGER, "manager", "manager.yaml", struct dtr_manager_config, dtr_conf_manager)                       \
    X(INIT, "init", "dfinit.yaml", struct dtr_init_config, dtr_conf_init)                                    \
    X(DYNCONFIG, "dynconfig", "dynconfig.yaml", struct dtr_dynconfig, dtr_conf_dynconfig)

enum dtr_conf_role {
#define DTR_CONF_ROLE_ENUM(id, name, file, type, get) DTR_ROLE_##id,
    DTR_CONF_ROLES(DTR_CONF_ROLE_ENUM)
#undef DTR_CONF_ROLE_ENUM
        DTR_ROLE_COUNT
};

const char *dtr_conf_role_name(enum dtr_conf_role role);
/* By name on the command line or name of the file; false when there is none such. */
bool dtr_conf_role_parse(const char *name, enum dtr_conf_role *ret_role);
/* The name of its file, "dfdaemon.yaml". */
const char *dtr_conf_role_file(enum dtr_conf_role role);
/* Whose configuration a file is: told from its name, else from its keys. */
int dtr_conf_role_of(const char *path, enum dtr_conf_role *ret_role, struct dtr_error *err);

/* --- what was found --------------------------------------------------------------------------------------
 */

enum dtr_conf_severity {
    DTR_CONF_ERROR,   /* the file cannot be used */
    DTR_CONF_WARNING, /* probably a mistake: an unknown key */
    DTR_CONF_NOTICE,  /* a key that has no effect (yet) */
};

struct dtr_conf_finding {
    enum dtr_conf_severity severity;
    unsigned line; /* 0: the file as a whole */
    char *text;    /* one line, without file and line */
};

#define DTR_CONF_FINDINGS 100 /* more are counted, not kept */

/* A zeroed report is empty; it collects over several calls until it is freed. */
struct dtr_conf_report {
    char *file;
    struct dtr_conf_finding *list;
    size_t count;
    size_t counts[3]; /* by severity, those not kept included */
};

/* One line each: "dfdaemon.yaml:12: error: download.protocol is "udp"; allowed are tcp, quic". */
void dtr_conf_report_print(const struct dtr_conf_report *report, FILE *out);
/* Forgets what is of this severity. */
void dtr_conf_report_drop(struct dtr_conf_report *report, enum dtr_conf_severity severity);
void dtr_conf_report_free(struct dtr_conf_report *report);

/* --- loading ------------------------------------------------------------------------------------------- */

struct dtr_conf;

/* Defaults only. Owned by the caller, as from the two below. */
int dtr_conf_defaults(enum dtr_conf_role role, struct dtr_conf **ret_conf, struct dtr_error *err);
/* Reads a file of at most 1 MiB. `report` may be NULL; without it the first error is in `err` only. */
int dtr_conf_load(enum dtr_conf_role role, const char *path, struct dtr_conf **ret_conf,
                  struct dtr_conf_report *report, struct dtr_error *err);
/* The same from memory; `name` stands for the file in messages. The text is copied. */
int dtr_conf_parse(enum dtr_conf_role role, const char *name, const char *text, size_t length,
                   struct dtr_conf **ret_conf, struct dtr_conf_report *report, struct dtr_error *err);
/* Frees the configuration and every string in it. NULL is fine. */
void dtr_conf_free(struct dtr_conf *conf);

/* Sets one value as from the command line: a scalar, or YAML in one line for lists and maps. On an error
 * the configuration is unchanged. */
int dtr_conf_set(struct dtr_conf *conf, const char *key, const char *value, struct dtr_error *err);

/* The struct of a configuration that was loaded for that role; valid until dtr_conf_free(). */
#define DTR_CONF_GETTER(id, name, file, type, get) const type *get(const struct dtr_conf *conf);
DTR_CONF_ROLES(DTR_CONF_GETTER)
#undef DTR_CONF_GETTER

enum dtr_conf_source { DTR_FROM_DEFAULT, DTR_FROM_FILE, DTR_FROM_COMMAND_LINE };

/* Where a key's value came from; *ret_line (may be NULL) is its line in the file, or 0. Unknown keys have
 * their default. */
enum dtr_conf_source dtr_conf_source(const struct dtr_conf *conf, const char *key, unsigned *ret_line);

/* --- judging ---------------------------------------------------------------------------------------------
 */

/* Says of a loaded configuration what its file alone cannot tell, by the three functions below. */
typedef void dtr_conf_judge_fn(struct dtr_conf *conf);

/* Asks `judge` about a configuration, as it is after the file and the command line. `report` may be NULL.
 * With one error or more DTR_EINVALID, and the first in `err`, with file and line. */
int dtr_conf_judge(struct dtr_conf *conf, dtr_conf_judge_fn *judge, struct dtr_conf_report *report,
                   struct dtr_error *err);

/* Only while a configuration is filled (finish() of its schema) or judged. */

/* An error at the line where `key` was given: "KEY TEXT". */
__attribute__((format(printf, 3, 4))) void dtr_conf_complain(struct dtr_conf *conf, const char *key,
                                                             const char *format, ...);
/* An error whose text begins with a key, or an entry of its list, at the line where the key was given. */
void dtr_conf_blame(struct dtr_conf *conf, const struct dtr_error *err);
/* Anything, at a line of the file; 0: at none. */
__attribute__((format(printf, 4, 5))) void dtr_conf_remark(struct dtr_conf *conf,
                                                           enum dtr_conf_severity severity, unsigned line,
                                                           const char *format, ...);

/* --- for the user's commands ------------------------------------------------------------------------------
 */

/* Prints every key of a role: type, default, range, effect, help. */
void dtr_conf_describe(enum dtr_conf_role role, FILE *out);
/* Prints the value of each key and where it comes from: a table, or with `json` one object for scripts, sizes
 * in bytes and durations in milliseconds. Secrets are masked: rows that say so, values of modules.options
 * whose name tells of a secret, and what stands before the @ of a URL. `file_by` says what named the file
 * ("--config", "DFDAEMON_CONFIG"); NULL: there is no file. */
int dtr_conf_show(const struct dtr_conf *conf, const char *file_by, bool json, FILE *out,
                  struct dtr_error *err);
/* Loads `path`, asks `judge` (or NULL) when nothing is wrong so far, and prints what there is to say, ending
 * with a summary line. `role` NULL: told from the file's name, else from its keys. DTR_OK when there is no
 * error (warnings do not count); otherwise a negative code, and the reason has been printed. */
int dtr_conf_check(const char *role, const char *path, dtr_conf_judge_fn *judge, FILE *out);

#endif
