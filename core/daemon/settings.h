/* What dfdaemon.yaml sets in a running daemon, at its start and when it is read again.
 *
 * The struct at daemon->config is the control loop's as far as its keys are reloadable: a reload changes them
 * in place, between two events. The other keys never change, and any thread reads them there. What other
 * threads need of reloadable keys is in a struct dtr_daemon_settings, which does not change either: a reload
 * puts another in its place, and the old one goes with the last who holds it. Rates are pacers and limits
 * that take another value while they run. */
#ifndef DTR_DAEMON_SETTINGS_H
#define DTR_DAEMON_SETTINGS_H

#include "core/daemon/role.h"
#include <stdatomic.h>

struct dtr_daemon_settings {
    atomic_uint holders;
    struct dtr_mirror *mirror;   /* proxy.rules, proxy.registryMirror, proxy.prefetch */
    char *origin_headers;        /* backend.requestHeader as "Name: value\n" lines */
    char *origin_ca_file;        /* proxy.registryMirror.cert; NULL: none */
    char *output_dir;            /* proxy.outputDir; NULL: nowhere */
    bool disable_back_to_source; /* proxy.disableBackToSource */
};

/* Compiles and copies; with one holder. The error begins with the key. Any thread. */
int settings_new(const struct dtr_daemon_config *config, struct dtr_daemon_settings **ret_settings,
                 struct dtr_error *err);
/* Those in charge now, until settings_drop(): for the length of one call, on any thread. On the control loop
 * daemon->settings does without. */
struct dtr_daemon_settings *settings_hold(struct dtr_daemon *daemon);
/* NULL is fine. */
void settings_drop(struct dtr_daemon_settings *settings);
/* Puts them in charge, with the holder's share; NULL at the end. Control loop, or before it runs. */
void settings_swap(struct dtr_daemon *daemon, struct dtr_daemon_settings *settings);

/* Before the loops run: sets up the pacers of daemon->limits. */
void settings_pace(struct dtr_daemon *daemon);
/* What the tasks go by; texts are those of daemon->settings. Control loop, as all below. */
void settings_of_tasks(const struct dtr_daemon *daemon, struct dtr_tasks_options *options);
/* How many calls the gRPC tables take. */
void settings_limit_calls(struct dtr_daemon *daemon);
/* Everything that takes another value while it runs: rates, tasks, intervals, what is announced. */
void settings_apply(struct dtr_daemon *daemon);

#endif
