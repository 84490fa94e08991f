/* Following a file; see follow.h. */
#include "core/conf/follow.h"

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/loop/errand.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { YOUNG_MS = 100, FIRST_RETRY_MS = 1000, SAID_MAX = 2000 };

struct dtr_follow {
    struct dtr_loop *loop;
    enum dtr_conf_role role;
    char *path;
    uint64_t interval_ms;
    const struct dtr_follow_events *events;
    void *context;
    struct dtr_timer *timer;
    struct look *look; /* under way, or NULL */
    unsigned failures; /* in a row */
    char *said;        /* the last text, "" when all was well */
};

/* One look; the errand's own while it is under way. */
struct look {
    struct dtr_errand errand;
    struct dtr_follow *follow; /* for the loop */
    const struct dtr_follow_events *events;
    enum dtr_conf_role role;
    char *path;
    bool young;
    struct dtr_conf *conf;
    struct dtr_conf_report report;
    void *found;
    struct dtr_error err; /* code 0: it was good */
};

static void look_free(struct look *look)
{
    if (look->found)
        look->events->drop(look->found);
    dtr_conf_free(look->conf);
    dtr_conf_report_free(&look->report);
    free(look->path);
    free(look);
}

static void drop(struct dtr_errand *errand)
{
    look_free(dtr_container(errand, struct look, errand));
}

static bool is_young(const char *path)
{
    struct stat info;
    struct timespec now;
    if (stat(path, &info) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    int64_t age_ms =
        (int64_t)(now.tv_sec - info.st_mtim.tv_sec) * 1000 + (now.tv_nsec - info.st_mtim.tv_nsec) / 1000000;
    return age_ms >= 0 && age_ms < YOUNG_MS;
}

/* On the errand's thread. */
static void run(struct dtr_errand *errand)
{
    struct look *look = dtr_container(errand, struct look, errand);
    look->young = is_young(look->path);
    if (look->young)
        return;
    int rc = dtr_conf_load(look->role, look->path, &look->conf, &look->report, &look->err);
    if (rc == DTR_OK && look->events->look)
        rc = look->events->look(look->path, look->conf, &look->found, &look->err);
    look->err.code = rc;
}

/* --- on the loop --------------------------------------------------------------------------------------- */

static void say(struct dtr_follow *follow, int code, const char *text)
{
    if (strcmp(follow->said, text) == 0)
        return;
    char *copy = strdup(text);
    if (!copy)
        return; /* it is said next time */
    free(follow->said);
    follow->said = copy;
    if (*text)
        follow->events->said(follow->context, code, text);
}

static void say_warnings(struct dtr_follow *follow, const struct dtr_conf_report *report)
{
    struct dtr_str text = {.limit = SAID_MAX};
    for (size_t i = 0; i < report->count; i++) {
        const struct dtr_conf_finding *finding = &report->list[i];
        if (finding->severity == DTR_CONF_WARNING)
            dtr_str_printf(&text, "%s%s:%u: %s", text.length ? "; " : "", follow->path, finding->line,
                           finding->text);
    }
    say(follow, DTR_OK, dtr_str_text(&text));
    dtr_str_free(&text);
}

/* When to look again. */
static uint64_t pause_ms(const struct dtr_follow *follow, bool young)
{
    uint64_t pause = FIRST_RETRY_MS;
    if (young)
        return YOUNG_MS;
    for (unsigned i = 1; i < follow->failures && pause < follow->interval_ms; i++)
        pause *= 2;
    return follow->failures > 0 && pause < follow->interval_ms ? pause : follow->interval_ms;
}

static void done(struct dtr_errand *errand)
{
    struct look *look = dtr_container(errand, struct look, errand);
    struct dtr_follow *follow = look->follow;
    follow->look = NULL;
    if (!look->young)
        follow->failures = look->err.code == DTR_OK ? 0 : follow->failures + 1;
    dtr_timer_set(follow->timer, pause_ms(follow, look->young));
    if (!look->young && look->err.code != DTR_OK) {
        say(follow, look->err.code, look->err.text);
    } else if (!look->young) {
        say_warnings(follow, &look->report);
        follow->events->taken(follow->context, look->conf, look->found);
    }
    look_free(look);
}

static int begin(struct dtr_follow *follow, struct dtr_error *err)
{
    struct look *look = calloc(1, sizeof(*look));
    if (look)
        look->path = strdup(follow->path);
    if (!look || !look->path) {
        free(look);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a look at %.100s",
                             follow->path);
    }
    look->errand = (struct dtr_errand){.run = run, .done = done, .drop = drop};
    look->follow = follow;
    look->events = follow->events;
    look->role = follow->role;
    int rc = dtr_errand_start(&look->errand, follow->loop, err);
    if (rc == DTR_OK)
        follow->look = look;
    else
        look_free(look);
    return rc;
}

static void on_timer(void *context)
{
    struct dtr_follow *follow = context;
    struct dtr_error err;
    if (begin(follow, &err) == DTR_OK)
        return;
    follow->failures++;
    dtr_timer_set(follow->timer, pause_ms(follow, false));
    say(follow, err.code, err.text);
}

int dtr_follow_open(struct dtr_loop *loop, enum dtr_conf_role role, const char *path, uint64_t interval_ms,
                    const struct dtr_follow_events *events, void *context, struct dtr_follow **ret_follow,
                    struct dtr_error *err)
{
    struct dtr_follow *follow = calloc(1, sizeof(*follow));
    int rc = DTR_ENOMEM;
    if (follow) {
        *follow = (struct dtr_follow){
            .loop = loop, .role = role, .interval_ms = interval_ms, .events = events, .context = context};
        follow->path = strdup(path);
        follow->said = strdup("");
    }
    if (follow && follow->path && follow->said)
        rc = dtr_timer_open(loop, on_timer, follow, &follow->timer, err);
    else
        (void)dtr_error_set(err, rc, DTR_RETRY_SAME, "out of memory for following %.100s", path);
    if (rc == DTR_OK)
        rc = begin(follow, err);
    if (rc != DTR_OK) {
        dtr_follow_close(follow);
        return rc;
    }
    *ret_follow = follow;
    return DTR_OK;
}

void dtr_follow_interval(struct dtr_follow *follow, uint64_t interval_ms)
{
    if (!follow || follow->interval_ms == interval_ms)
        return;
    follow->interval_ms = interval_ms;
    if (!follow->look)
        dtr_timer_set(follow->timer, pause_ms(follow, false));
}

void dtr_follow_close(struct dtr_follow *follow)
{
    if (!follow)
        return;
    if (follow->look)
        dtr_errand_abandon(&follow->look->errand);
    dtr_timer_close(follow->timer);
    free(follow->path);
    free(follow->said);
    free(follow);
}

void dtr_follow_place(const char *path, const struct dtr_conf *conf, const char *key, char *text, size_t size)
{
    unsigned line = 0;
    (void)dtr_conf_source(conf, key, &line);
    if (line > 0)
        (void)snprintf(text, size, "%s:%u: %s", path, line, key);
    else
        (void)snprintf(text, size, "%s: %s", path, key);
}
