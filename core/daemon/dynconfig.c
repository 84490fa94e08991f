/* Schedulers from the local file; see dynconfig.h. */
#include "core/daemon/dynconfig.h"

#include "core/conf/follow.h"
#include "core/daemon/talk/talk.h"
#include "core/net/resolve.h"
#include "core/obs/log.h"
#include <stdlib.h>

enum { SCHEDULERS_MAX = 64 };

struct dynconfig {
    struct dtr_daemon *daemon;
    struct dtr_follow *follow;
    bool known; /* a look has been good */
};

/* What a look finds. */
struct found {
    struct talk_place list[SCHEDULERS_MAX];
    size_t count;
};

/* --- on the other thread ------------------------------------------------------------------------------- */

static int add(const char *place, const char *text, struct found *found, struct dtr_error *err)
{
    struct dtr_addr list[SCHEDULERS_MAX];
    struct dtr_error why;
    size_t count = 0, room = SCHEDULERS_MAX - found->count;
    int rc = room > 0 ? dtr_resolve(text, list, room, &count, &why)
                      : dtr_error_set(&why, DTR_ELIMIT, DTR_RETRY_NEVER, "more than %d schedulers",
                                      SCHEDULERS_MAX);
    for (size_t i = 0; i < count && rc == DTR_OK; i++) {
        struct talk_place *at = &found->list[found->count++];
        at->addr = list[i];
        (void)snprintf(at->host, sizeof(at->host), "%.*s", (int)(strrchr(text, ':') - text), text);
    }
    if (rc != DTR_OK)
        (void)dtr_error_set(err, rc, DTR_RETRY_SAME, "%.120s: %.120s", place, why.text);
    return rc;
}

static int find(const char *path, const struct dtr_conf *conf, struct found *found, struct dtr_error *err)
{
    const struct dtr_dynconfig *config = dtr_conf_dynconfig(conf);
    const struct dtr_conf_strings *addrs = &config->scheduler.addrs;
    char place[160];
    int rc = DTR_OK;
    dtr_follow_place(path, conf, addrs->count > 0 ? "scheduler.addrs" : "scheduler.addr", place,
                     sizeof(place));
    for (size_t i = 0; i < addrs->count && rc == DTR_OK; i++)
        rc = add(place, addrs->items[i], found, err);
    if (addrs->count == 0 && config->scheduler.addr)
        rc = add(place, config->scheduler.addr, found, err);
    return rc;
}

static int look(const char *path, const struct dtr_conf *conf, void **ret_found, struct dtr_error *err)
{
    struct found *found = calloc(1, sizeof(*found));
    if (!found)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for schedulers");
    int rc = find(path, conf, found, err);
    if (rc == DTR_OK)
        *ret_found = found;
    else
        free(found);
    return rc;
}

/* --- on the control loop ------------------------------------------------------------------------------- */

static void taken(void *context, const struct dtr_conf *conf, const void *result)
{
    struct dynconfig *dynconfig = context;
    const struct found *found = result;
    struct dtr_error err;
    (void)conf;
    dynconfig->known = true;
    if (talk_schedulers(dynconfig->daemon->talk, found->list, found->count, &err) != DTR_OK)
        dtr_log(DTR_LOG_WARN, NULL, "the schedulers stay as they are: %s", err.text);
}

static void said(void *context, int code, const char *text)
{
    const struct dynconfig *dynconfig = context;
    if (code == DTR_OK)
        dtr_log(DTR_LOG_WARN, NULL, "%s", text);
    else if (dynconfig->known)
        dtr_log(DTR_LOG_WARN, NULL, "the schedulers stay as they are: %s", text);
    else
        dtr_log(DTR_LOG_WARN, NULL, "no scheduler is known yet, everything comes from the origin: %s", text);
}

int dynconfig_new(struct dtr_daemon *daemon, const char *path, struct dynconfig **ret_dynconfig,
                  struct dtr_error *err)
{
    static const struct dtr_follow_events events = {.look = look, .drop = free, .taken = taken, .said = said};
    struct dynconfig *dynconfig = calloc(1, sizeof(*dynconfig));
    if (!dynconfig)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the schedulers");
    dynconfig->daemon = daemon;
    int rc = dtr_follow_open(daemon->parts.control, DTR_ROLE_DYNCONFIG, path,
                             daemon->config->dynconfig.refresh_interval_ms, &events, dynconfig,
                             &dynconfig->follow, err);
    if (rc == DTR_OK)
        *ret_dynconfig = dynconfig;
    else
        free(dynconfig);
    return rc;
}

void dynconfig_interval(struct dynconfig *dynconfig, uint64_t interval_ms)
{
    if (dynconfig)
        dtr_follow_interval(dynconfig->follow, interval_ms);
}

void dynconfig_close(struct dynconfig *dynconfig)
{
    if (!dynconfig)
        return;
    dtr_follow_close(dynconfig->follow);
    free(dynconfig);
}
