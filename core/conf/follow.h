/* A configuration file that is read again and again while the program runs: dynconfig.yaml.
 *
 * Reading, and what the owner wants to find out about the content (the addresses of a name), happens on a
 * thread of its own, so that neither a slow disk nor a silent name server holds up a loop. A file that is
 * bad, or gone, leaves the last good one in charge; that is said once. Until one has been good, and after a
 * bad one, it is looked at sooner: after 1 s, 2 s, 4 s and so on up to the interval. What was written within
 * the last tenth of a second is looked at a little later, as its writer may not have ended. */
#ifndef DTR_CONF_FOLLOW_H
#define DTR_CONF_FOLLOW_H

#include "core/conf/conf.h"
#include "core/loop/loop.h"

struct dtr_follow;

struct dtr_follow_events {
    /* On the other thread, of a file that was read well: finds out more. An error makes the file a bad one;
     * it begins with dtr_follow_place() where a key is to blame. NULL: there is nothing to find out. */
    int (*look)(const char *path, const struct dtr_conf *conf, void **ret_found, struct dtr_error *err);
    void (*drop)(void *found);
    /* On the loop, after every good look, whether anything changed or not. Both are gone after it. */
    void (*taken)(void *context, const struct dtr_conf *conf, const void *found);
    /* On the loop, once for each change of what there is to say. `code` 0: warnings about a file that is
     * taken; else it is not, and why: DTR_ENOT_FOUND when it, or what it names, is not there. */
    void (*said)(void *context, int code, const char *text);
};

/* The first look begins at once. `path` is copied, `events` stays. On the loop's thread, or before it runs.
 */
int dtr_follow_open(struct dtr_loop *loop, enum dtr_conf_role role, const char *path, uint64_t interval_ms,
                    const struct dtr_follow_events *events, void *context, struct dtr_follow **ret_follow,
                    struct dtr_error *err);
/* Looks that often from now on. NULL is fine. On the loop's thread. */
void dtr_follow_interval(struct dtr_follow *follow, uint64_t interval_ms);
/* No event follows; a look under way ends by itself. NULL is fine. */
void dtr_follow_close(struct dtr_follow *follow);

/* "dynconfig.yaml:3: scheduler.addr", the line left out when the file does not give the key. */
void dtr_follow_place(const char *path, const struct dtr_conf *conf, const char *key, char *text,
                      size_t size);

#endif
