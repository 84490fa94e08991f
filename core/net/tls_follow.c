/* Certificates that change while the program runs (cert-manager renews them); see tls.h. */
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/loop/errand.h"
#include "core/net/tls_internal.h"
#include "core/obs/log.h"

#include <stdlib.h>

enum { FIRST_RETRY_MS = 1000, INTERVAL_MOST_MS = 60000 };

struct tls_follow {
    struct dtr_tls *tls;
    struct dtr_loop *loop;
    struct dtr_timer *timer;
    uint64_t interval_ms;
    struct look *look; /* under way, or NULL */
    unsigned failures; /* in a row */
    char said[DTR_TLS_WARNING];
};

/* One look; the errand's own while it is under way. */
struct look {
    struct dtr_errand errand;
    struct tls_follow *follow; /* for the loop */
    struct dtr_tls_options options;
    char *files[DTR_TLS_FILES];
    struct tls_stamp known[DTR_TLS_FILES];
    struct tls_reading reading; /* its ctx is NULL when nothing changed */
    struct dtr_error err;       /* code 0: all is well */
};

static void look_free(struct look *look)
{
    for (int i = 0; i < DTR_TLS_FILES; i++)
        free(look->files[i]);
    tls_reading_free(&look->reading);
    free(look);
}

static void drop(struct dtr_errand *errand)
{
    look_free(dtr_container(errand, struct look, errand));
}

/* On the errand's thread. Files that are being replaced one after the other are no good for a moment. */
static void run(struct dtr_errand *errand)
{
    struct look *look = dtr_container(errand, struct look, errand);
    struct tls_stamp stamps[DTR_TLS_FILES];
    enum dtr_tls_file blame;
    tls_stamp(&look->options, stamps);
    if (tls_stamps_equal(stamps, look->known) ||
        tls_read(&look->options, &look->reading, &blame, &look->err) != DTR_OK)
        return;
    tls_stamp(&look->options, stamps);
    if (tls_stamps_equal(stamps, look->reading.stamps))
        return;
    tls_reading_free(&look->reading);
    (void)dtr_error_set(&look->err, DTR_EINVALID, DTR_RETRY_SAME, "the files changed while they were read");
}

/* --- on the loop ------------------------------------------------------------------------------------------
 */

/* Once for each change of what there is to say. */
static void say(struct tls_follow *follow, const char *what, const char *text)
{
    if (strcmp(follow->said, text) == 0)
        return;
    (void)snprintf(follow->said, sizeof(follow->said), "%s", text);
    if (*text)
        dtr_log(DTR_LOG_WARN, NULL, "%s%s%s%s", follow->tls->who ? follow->tls->who : "TLS", ": ", what,
                text);
}

static void take(struct tls_follow *follow, struct look *look)
{
    struct dtr_tls *tls = follow->tls;
    const char *name = tls->files[DTR_TLS_CERT] ? tls->files[DTR_TLS_CERT] : tls->files[DTR_TLS_CA_CERT];
    char date[TLS_DATE] = "";
    tls_reading_free(&tls->now);
    tls->now = look->reading;
    look->reading.ctx = NULL;
    const X509 *cert = SSL_CTX_get0_certificate(tls->now.ctx);
    if (cert)
        tls_date(X509_get0_notAfter(cert), date);
    dtr_log(DTR_LOG_INFO, NULL, "%s: new connections go by what is in %s now%s%s",
            tls->who ? tls->who : "TLS", name, cert ? ", valid until " : "", date);
}

/* A certificate that nobody renews is worth a line on the day it ends. */
static void say_dates(struct tls_follow *follow)
{
    struct dtr_tls *tls = follow->tls;
    tls_warn(tls->now.ctx, tls->files[DTR_TLS_CERT], tls->now.warning);
    say(follow, "", tls->now.warning);
}

static void done(struct dtr_errand *errand)
{
    struct look *look = dtr_container(errand, struct look, errand);
    struct tls_follow *follow = look->follow;
    uint64_t pause = FIRST_RETRY_MS;
    follow->look = NULL;
    follow->failures = look->err.code == DTR_OK ? 0 : follow->failures + 1;
    for (unsigned i = 1; i < follow->failures && pause < follow->interval_ms; i++)
        pause *= 2;
    dtr_timer_set(follow->timer,
                  follow->failures > 0 && pause < follow->interval_ms ? pause : follow->interval_ms);
    if (look->reading.ctx)
        take(follow, look);
    if (look->err.code != DTR_OK)
        say(follow, "the certificates stay as they are: ", look->err.text);
    else
        say_dates(follow);
    look_free(look);
}

static bool copy_files(struct look *look, const struct dtr_tls *tls)
{
    look->options = (struct dtr_tls_options){.side = tls->side, .http2 = tls->http2};
    for (int i = 0; i < DTR_TLS_FILES; i++) {
        look->files[i] = tls->files[i] ? strdup(tls->files[i]) : NULL;
        if (tls->files[i] && !look->files[i])
            return false;
        look->options.files[i] = look->files[i];
    }
    return true;
}

static void on_timer(void *context)
{
    struct tls_follow *follow = context;
    struct look *look = calloc(1, sizeof(*look));
    struct dtr_error err;
    if (!look || !copy_files(look, follow->tls))
        goto later;
    look->errand = (struct dtr_errand){.run = run, .done = done, .drop = drop};
    look->follow = follow;
    memcpy(look->known, follow->tls->now.stamps, sizeof(look->known));
    if (dtr_errand_start(&look->errand, follow->loop, &err) != DTR_OK)
        goto later;
    follow->look = look;
    return;
later:
    if (look)
        look_free(look);
    dtr_timer_set(follow->timer, follow->interval_ms);
}

static uint64_t at_most(uint64_t interval_ms)
{
    return interval_ms < INTERVAL_MOST_MS ? interval_ms : INTERVAL_MOST_MS;
}

void dtr_tls_interval(struct dtr_tls *tls, uint64_t interval_ms)
{
    struct tls_follow *follow = tls ? tls->follow : NULL;
    if (!follow || follow->interval_ms == at_most(interval_ms))
        return;
    follow->interval_ms = at_most(interval_ms);
    if (!follow->look)
        dtr_timer_set(follow->timer, follow->interval_ms);
}

int dtr_tls_follow(struct dtr_tls *tls, struct dtr_loop *loop, uint64_t interval_ms, struct dtr_error *err)
{
    struct tls_follow *follow = calloc(1, sizeof(*follow));
    if (!follow)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
    *follow = (struct tls_follow){.tls = tls, .loop = loop, .interval_ms = at_most(interval_ms)};
    int rc = dtr_timer_open(loop, on_timer, follow, &follow->timer, err);
    if (rc != DTR_OK) {
        free(follow);
        return rc;
    }
    tls->follow = follow;
    dtr_timer_set(follow->timer, follow->interval_ms);
    say_dates(follow);
    return DTR_OK;
}

void tls_follow_end(struct tls_follow *follow)
{
    if (!follow)
        return;
    if (follow->look)
        dtr_errand_abandon(&follow->look->errand);
    dtr_timer_close(follow->timer);
    free(follow);
}
