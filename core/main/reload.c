/* Reading the configuration again; see reload.h. */
#include "core/main/reload.h"

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/conf/change.h"
#include "core/loop/errand.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum { LINE_FULL = 1500 }; /* bytes; the rest comes in another line */

int configuration_begin(configure_fn *configure, struct options *options, struct configuration *ret_made,
                        struct dtr_error *err)
{
    int rc = configure(options, ret_made, err);
    dtr_conf_report_print(&ret_made->daemon.report, stderr);
    dtr_conf_report_print(&ret_made->scheduler.report, stderr);
    dtr_conf_report_print(&ret_made->manager.report, stderr);
    return rc;
}

static void configured_free(struct configured *made)
{
    dtr_conf_free(made->conf);
    dtr_conf_report_free(&made->report);
    made->conf = NULL;
}

void configuration_free(struct configuration *made)
{
    configured_free(&made->daemon);
    configured_free(&made->scheduler);
    configured_free(&made->manager);
}

int configuration_allow(const struct configuration *made, struct dtr_error *err)
{
    const struct dtr_daemon_config *daemon = made->daemon.conf ? dtr_conf_daemon(made->daemon.conf) : NULL;
    const struct dtr_scheduler_config *scheduler =
        made->scheduler.conf ? dtr_conf_scheduler(made->scheduler.conf) : NULL;
    const struct dtr_manager_config *manager =
        made->manager.conf ? dtr_conf_manager(made->manager.conf) : NULL;
    const struct dtr_conf_strings *const roles[] = {daemon ? &daemon->security.outbound_allow : NULL,
                                                    scheduler ? &scheduler->security.outbound_allow : NULL,
                                                    manager ? &manager->security.outbound_allow : NULL};
    return serve_allow(roles, sizeof(roles) / sizeof(roles[0]), err);
}

/* --- what there is to say ------------------------------------------------------------------------------ */

static void log_findings(const struct dtr_conf_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct dtr_conf_finding *finding = &report->list[i];
        enum dtr_log_level level = finding->severity == DTR_CONF_ERROR ? DTR_LOG_ERROR : DTR_LOG_WARN;
        char line[16] = "";
        if (finding->line)
            (void)snprintf(line, sizeof(line), ":%u", finding->line);
        if (finding->severity != DTR_CONF_NOTICE)
            dtr_log(level, NULL, "%s%s: %s", report->file ? report->file : "configuration", line,
                    finding->text);
    }
}

static void log_refusal(const struct configuration *made, const struct dtr_error *err)
{
    const struct dtr_conf_report *const reports[] = {&made->daemon.report, &made->scheduler.report,
                                                     &made->manager.report};
    bool told = false;
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        log_findings(reports[i]);
        told |= reports[i]->counts[DTR_CONF_ERROR] > 0;
    }
    dtr_log(DTR_LOG_ERROR, NULL, "the configuration stays as it is after SIGHUP: %s",
            told ? "what was read has errors" : err->text);
}

/* What a role's new configuration changes, noted down before it is taken and said afterwards. */
struct changes {
    struct {
        struct dtr_str text; /* "KEY OLD -> NEW, KEY OLD -> NEW\nKEY OLD -> NEW": a line of the log each */
        size_t line;         /* where the last one begins */
    } of[3];                 /* by enum dtr_conf_change */
};

static void add_change(void *context, enum dtr_conf_change kind, const char *text)
{
    struct dtr_str *all = &((struct changes *)context)->of[kind].text;
    size_t *line = &((struct changes *)context)->of[kind].line;
    bool full = all->length - *line + strlen(text) > LINE_FULL;
    dtr_str_printf(all, "%s%s", all->length == 0 ? "" : full ? "\n" : ", ", text);
    if (full)
        *line = all->length - strlen(text);
}

static void log_lines(const char *file, enum dtr_conf_change kind, const char *text)
{
    static const struct {
        enum dtr_log_level level;
        const char *words;
    } of[] = {
        [DTR_CHANGE_NOW] = {DTR_LOG_INFO, "counts from now on"},
        [DTR_CHANGE_RESTART] = {DTR_LOG_WARN, "takes effect at the next start"},
        [DTR_CHANGE_NEVER] = {DTR_LOG_INFO, "changed, without effect"},
    };
    while (*text) {
        int length = (int)strcspn(text, "\n");
        dtr_log(of[kind].level, NULL, "%s is read again, %s: %.*s", file, of[kind].words, length, text);
        text += length + (text[length] == '\n');
    }
}

static void log_changes(const struct configured *made, struct changes *changes)
{
    bool any = false;
    log_findings(&made->report);
    for (int kind = DTR_CHANGE_NOW; kind <= DTR_CHANGE_NEVER; kind++) {
        struct dtr_str *text = &changes->of[kind].text;
        any = any || text->length > 0;
        log_lines(made->report.file, (enum dtr_conf_change)kind, dtr_str_text(text));
        dtr_str_free(text);
    }
    if (!any)
        dtr_log(DTR_LOG_INFO, NULL, "%s is read again, nothing has changed", made->report.file);
}

/* --- one attempt --------------------------------------------------------------------------------------- */

/* The errand's own while that is under way, then the loops', one after the other. */
struct attempt {
    struct dtr_errand errand;
    struct dtr_msg msg; /* to the loop of each role and back */
    size_t role;        /* that is next to take it */
    struct reload *reload;
    configure_fn *configure;
    struct options options; /* a copy: texts are the command line's */
    struct configuration made;
    struct dtr_daemon_settings *settings;
    struct dtr_scheduler_policy *policy;
    struct dtr_manager_policy *scopes;
    struct dtr_error err; /* code 0: all is right */
    bool taken;           /* it is past the point where it can be given up */
};

static void attempt_free(struct attempt *attempt)
{
    configuration_free(&attempt->made);
    dtr_daemon_forget(attempt->settings);
    dtr_scheduler_forget(attempt->policy);
    dtr_manager_forget(attempt->scopes);
    free(attempt);
}

static void drop(struct dtr_errand *errand)
{
    attempt_free(dtr_container(errand, struct attempt, errand));
}

/* On the errand's thread. */
static void run(struct dtr_errand *errand)
{
    struct attempt *attempt = dtr_container(errand, struct attempt, errand);
    struct configuration *made = &attempt->made;
    int rc = attempt->configure(&attempt->options, made, &attempt->err);
    if (rc == DTR_OK && made->daemon.conf)
        rc = dtr_daemon_prepare(dtr_conf_daemon(made->daemon.conf), &attempt->settings, &attempt->err);
    if (rc == DTR_OK && made->scheduler.conf)
        rc = dtr_scheduler_prepare(dtr_conf_scheduler(made->scheduler.conf)->scheduler.algorithm,
                                   &attempt->policy, &attempt->err);
    if (rc == DTR_OK && made->manager.conf)
        rc = dtr_manager_prepare(dtr_conf_manager(made->manager.conf)->scope.algorithm, &attempt->scopes,
                                 &attempt->err);
    attempt->err.code = rc;
}

/* --- taking over, each role on its loop ----------------------------------------------------------------- */

static void take(struct configured *charge, struct configured *made, struct changes *ret_changes)
{
    dtr_conf_compare(charge->conf, made->conf, add_change, ret_changes);
    dtr_conf_take(charge->conf, made->conf);
    made->conf = NULL;
}

static void take_daemon(struct attempt *attempt)
{
    struct reload *reload = attempt->reload;
    struct changes changes = {0};
    take(&reload->charge->daemon, &attempt->made.daemon, &changes);
    daemon_role_take(reload->daemon, attempt->settings);
    attempt->settings = NULL;
    log_changes(&attempt->made.daemon, &changes);
}

static void take_scheduler(struct attempt *attempt)
{
    struct reload *reload = attempt->reload;
    struct dtr_conf *charge = reload->charge->scheduler.conf;
    struct changes changes = {0};
    take(&reload->charge->scheduler, &attempt->made.scheduler, &changes);
    dtr_log_set_level(options_level(&attempt->options, dtr_conf_scheduler(charge)->server.log_level));
    scheduler_role_take(reload->scheduler, attempt->policy);
    attempt->policy = NULL;
    log_changes(&attempt->made.scheduler, &changes);
}

/* The log of a process with a scheduler goes by that one's level. */
static void take_manager(struct attempt *attempt)
{
    struct reload *reload = attempt->reload;
    struct dtr_conf *charge = reload->charge->manager.conf;
    struct changes changes = {0};
    take(&reload->charge->manager, &attempt->made.manager, &changes);
    if (!reload->scheduler)
        dtr_log_set_level(options_level(&attempt->options, dtr_conf_manager(charge)->server.log_level));
    manager_role_take(reload->manager, attempt->scopes);
    attempt->scopes = NULL;
    log_changes(&attempt->made.manager, &changes);
}

enum { ROLES = 3 };

/* NULL: there is no such role. */
static struct dtr_loop *loop_of(const struct reload *reload, size_t role)
{
    struct dtr_loop *const loops[ROLES] = {reload->daemon ? reload->loop : NULL,
                                           reload->scheduler ? reload->scheduler->control : NULL,
                                           reload->manager ? reload->manager->control : NULL};
    return loops[role];
}

static void over(struct attempt *attempt)
{
    struct reload *reload = attempt->reload;
    bool again = reload->again && !reload->ended;
    attempt_free(attempt);
    reload->attempt = NULL;
    reload->again = false;
    if (again)
        reload_ask(reload);
}

static void on_return(struct dtr_msg *msg)
{
    over(dtr_container(msg, struct attempt, msg));
}

/* From loop to loop, and back. */
static void go_on(struct dtr_msg *msg)
{
    static void (*const takes[ROLES])(struct attempt *) = {take_daemon, take_scheduler, take_manager};
    struct attempt *attempt = dtr_container(msg, struct attempt, msg);
    for (; attempt->role < ROLES; attempt->role++) {
        struct dtr_loop *loop = loop_of(attempt->reload, attempt->role);
        if (loop && !dtr_loop_here(loop)) {
            dtr_loop_post(loop, msg);
            return;
        }
        if (loop)
            takes[attempt->role](attempt);
    }
    msg->run = on_return;
    dtr_loop_post(attempt->reload->loop, msg);
}

static void done(struct dtr_errand *errand)
{
    struct attempt *attempt = dtr_container(errand, struct attempt, errand);
    struct reload *reload = attempt->reload;
    /* The guard is the one thing that may fail here, so it comes first. */
    if (attempt->err.code != DTR_OK || configuration_allow(&attempt->made, &attempt->err) != DTR_OK) {
        log_refusal(&attempt->made, &attempt->err);
        over(attempt);
        return;
    }
    attempt->taken = true;
    *reload->options = attempt->options; /* files that are there now are named from now on */
    attempt->msg.run = go_on;
    go_on(&attempt->msg);
}

static int begin(struct reload *reload, struct dtr_error *err)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    if (!attempt)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    *attempt = (struct attempt){.errand = {.run = run, .done = done, .drop = drop},
                                .reload = reload,
                                .configure = reload->configure,
                                .options = *reload->options};
    int rc = dtr_errand_start(&attempt->errand, reload->loop, err);
    if (rc == DTR_OK)
        reload->attempt = attempt;
    else
        attempt_free(attempt);
    return rc;
}

void reload_ask(void *context)
{
    struct reload *reload = context;
    struct dtr_error err;
    if (reload->ended)
        dtr_log(DTR_LOG_INFO, NULL, "the process stops: the configuration is not read again");
    else if (reload->attempt)
        reload->again = true;
    else if (begin(reload, &err) != DTR_OK)
        dtr_log(DTR_LOG_ERROR, NULL, "the configuration stays as it is after SIGHUP: %s", err.text);
}

void reload_end(struct reload *reload)
{
    reload->ended = true;
    if (reload->attempt && !reload->attempt->taken) {
        dtr_errand_abandon(&reload->attempt->errand);
        reload->attempt = NULL;
    }
}
