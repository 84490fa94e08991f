/* An object's bytes past this machine's store, when that is full or fails: from the origin to whoever needs
 * them, kept nowhere. All on one data thread. Not for: requests that name no task (proxy/proxy_pass.c). */
#ifndef DTR_DAEMON_BYPASS_H
#define DTR_DAEMON_BYPASS_H

#include "core/daemon/role.h"

/* Whether such an error of a reader or a copy is the store's own, and the origin may have the bytes. */
bool bypass_helps(const struct dtr_error *err);
/* Says that the object comes without being stored, and why. */
void bypass_log(const char *url, const struct dtr_error *why);

/* Used during bypass_start() only. */
struct bypass_request {
    const char *url;
    const char *headers; /* for the origin, "Name: value\n" lines */
    const char *roots;   /* more trusted roots for it: PEM text; NULL: none */
    const char *version; /* what the receiver has bytes of: entity tag or date; NULL or "": any will do */
    bool trusted;
    bool named;           /* the configuration names the host: it gets backend.requestHeader */
    uint64_t offset, end; /* in the object; end DTR_LENGTH_UNKNOWN: where it ends */
};

struct bypass_events {
    /* The origin answered well; length of the object or DTR_LENGTH_UNKNOWN. May be NULL. */
    void (*head)(void *context, uint64_t total_length);
    /* The next bytes; returns how many of them were taken. After fewer than all of them no more come before
     * bypass_resume(). */
    size_t (*bytes)(void *context, const uint8_t *bytes, size_t length);
    /* The last event; the bypass is gone when it returns. Code 0: all of it came. */
    void (*done)(void *context, const struct dtr_error *err);
};

struct bypass;

/* Events come later, never from inside; after an error none do. */
int bypass_start(struct dtr_daemon *daemon, struct dtr_loop *loop, const struct bypass_request *request,
                 const struct bypass_events *events, void *context, struct bypass **ret_bypass,
                 struct dtr_error *err);
void bypass_resume(struct bypass *bypass);
/* `done` follows, later. */
void bypass_cancel(struct bypass *bypass);

#endif
