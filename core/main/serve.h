/* What the serving commands share: the log and the guard of the process, signals, and the small HTTP pages
 * (health, metrics). Main thread, or the loop that is named. */
#ifndef DTR_MAIN_SERVE_H
#define DTR_MAIN_SERVE_H

#include "core/conf/types.h"
#include "core/http/router.h"
#include "core/loop/loop.h"

/* --- the process -----------------------------------------------------------------------------------------
 */

struct serve_process {
    enum dtr_log_level level;
    const char *log_format; /* "text" or "json" */
    const char *log_file;   /* NULL: none */
    bool console;           /* to standard error also when there is a file */
};
/* Starts the log and the outbound guard, and raises the soft limit of open files to the hard one; before
 * anything else of a serving command. The signals below wait
 * from here on until serve_signals_start(): who reads in the log that a role is ready may end it in order. */
int serve_begin(const struct serve_process *process, struct dtr_error *err);
/* All that the guard lets through besides, as `count` roles are configured (security.outbound.allow); each
 * may be NULL. On an error nothing changes. */
int serve_allow(const struct dtr_conf_strings *const *roles, size_t count, struct dtr_error *err);
/* After the loops have ended. */
void serve_end(void);

/* What SIGHUP is for: a service opens its log file anew, as logrotate asks for, and then calls `reload`; what
 * runs on a terminal ends with it, unless the signal was ignored at the start, as by nohup. */
enum serve_hangup { SERVE_HANGUP_RELOADS, SERVE_HANGUP_STOPS };
/* SERVE_HANGUP_STOPS when the process has a terminal that may hang up. */
enum serve_hangup serve_hangup_usual(void);

/* SIGTERM, SIGINT and a SIGHUP that stops call `stop` once, on the loop; a second one ends the process at
 * once with status 1. */
enum { SERVE_SIGNALS = 3 };
struct serve_signals {
    /* Set before the start; `reload` is called on the loop, each time. */
    enum serve_hangup hangup;
    void (*reload)(void *context);
    void *reload_context;
    uv_signal_t handles[SERVE_SIGNALS];
    void (*stop)(void *context);
    void *context;
    bool asked;
};
void serve_signals_start(struct serve_signals *signals, struct dtr_loop *loop, void (*stop)(void *context),
                         void *context);
void serve_signals_end(struct serve_signals *signals);

/* The address that a key such as metrics.addr names: "IP:PORT", or ":PORT", which takes `any` for its IP. The
 * error begins with the key. */
int serve_address(const char *key, const char *value, const char *any, struct dtr_addr *ret_addr,
                  struct dtr_error *err);

/* --- pages -----------------------------------------------------------------------------------------------
 */

/* HTTP listeners keyed by address: roles of one process that name the same one share it. */
enum { SERVE_PAGES = 4 };
struct serve_page {
    struct dtr_addr addr;
    struct dtr_http_router *router;
    struct dtr_http_server *server;
    unsigned groups; /* of metrics */
    bool (*healthy)(const void *context);
    const void *context;
};
struct serve_pages {
    struct serve_page list[SERVE_PAGES];
    size_t count;
};
/* GET and DELETE /metrics of these groups at an address; before serve_pages_open(). */
int serve_metrics(struct serve_pages *pages, const struct dtr_addr *addr, unsigned groups,
                  struct dtr_error *err);
/* GET /healthy: 200 while `healthy` (any thread) says so, else 503. */
int serve_health(struct serve_pages *pages, const struct dtr_addr *addr, bool (*healthy)(const void *context),
                 const void *context, struct dtr_error *err);
/* Listens, on `loop`. `pages` stays where it is until serve_pages_close(). */
int serve_pages_open(struct serve_pages *pages, struct dtr_loop *loop, struct dtr_error *err);
/* On that loop. */
void serve_pages_close(struct serve_pages *pages);

#endif
