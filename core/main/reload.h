/* SIGHUP: the files are read again, all or nothing.
 *
 * A process makes its configurations the same way at the start and here: files, command line, judging
 * (judge.h). That, and all that can fail, happens on a thread of its own. When anything is wrong it is logged
 * and nothing changes; when all is right, reloadable keys count between two events of each role's loop, and
 * the others are named: they count at the next start. Asked again meanwhile, it reads once more afterwards.
 * Everything here is called on the loop of the signals. */
#ifndef DTR_MAIN_RELOAD_H
#define DTR_MAIN_RELOAD_H

#include "core/main/options.h"
#include "core/main/roles.h"

/* One role's configuration, and what there is to say about it. */
struct configured {
    struct dtr_conf *conf; /* NULL: there is no such role, or it is refused */
    struct dtr_conf_report report;
};
struct configuration {
    struct configured daemon, scheduler, manager;
};
/* Makes it, whole; touches nothing else. Sets the files in `options` that it found at their usual places:
 * from then on they are named. One at a time, on any thread. */
typedef int configure_fn(struct options *options, struct configuration *ret_made, struct dtr_error *err);
/* The first time: what there is to say is printed to stderr. What was made is the caller's also after an
 * error. */
int configuration_begin(configure_fn *configure, struct options *options, struct configuration *ret_made,
                        struct dtr_error *err);
/* A zeroed one is fine. */
void configuration_free(struct configuration *made);
/* Lets the outbound guard through to where these roles may go. On an error nothing changes. */
int configuration_allow(const struct configuration *made, struct dtr_error *err);

struct reload {
    /* Set before the signals start; all outlive reload_end(). */
    configure_fn *configure;
    struct options *options;
    struct configuration *charge;     /* what the roles were opened with */
    struct daemon_role *daemon;       /* NULL: there is none */
    struct scheduler_role *scheduler; /* NULL: there is none */
    struct manager_role *manager;     /* NULL: there is none */
    struct dtr_loop *loop;            /* of the signals; the daemon's too */
    /* Its own. */
    struct attempt *attempt; /* under way, or NULL */
    bool again, ended;
};
/* serve_signals.reload; the context is a struct reload. */
void reload_ask(void *context);
/* The roles are going to stop: nothing is taken over from now on. */
void reload_end(struct reload *reload);

#endif
