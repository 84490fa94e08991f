/* Log lines, as text or JSON, to stderr or a file.
 *
 * Any thread may log. A line is formatted by the caller and handed to a writer thread through a bounded
 * queue, so that neither a full pipe nor a slow disk holds up the caller: when the queue is full the line
 * is dropped and counted, and a later line says how many are missing. Before dtr_log_start() and after
 * dtr_log_stop() lines go straight to stderr as text.
 *
 * A line is at most DTR_LOG_LINE bytes; a longer message ends with "...". Control characters in a message
 * are escaped, so one call is one line. Secrets are the caller's duty: never log headers or credentials,
 * and pass every URL through dtr_log_url(). */
#ifndef DTR_OBS_LOG_H
#define DTR_OBS_LOG_H

#include <darter/host.h>

#define DTR_LOG_LINE 2048 /* bytes of one line with its newline */

struct dtr_log_settings {
    enum dtr_log_level level; /* lines above it are not written */
    bool json;                /* one JSON object per line instead of text */
    bool to_stderr;
    const char *file; /* appended to; NULL: none. Copied. */
};

/* Starts the writer thread. Once per process, before the loops run. */
int dtr_log_start(const struct dtr_log_settings *settings, struct dtr_error *err);
/* Opens the file again under its name, after somebody moved it away. On failure the old one stays. */
int dtr_log_reopen(struct dtr_error *err);
/* Waits until what was logged before has been written, at most `timeout_ms`. False: it took longer. */
bool dtr_log_flush(uint64_t timeout_ms);
/* Writes what is queued (bounded by two seconds per output that does not move), ends the thread. */
void dtr_log_stop(void);

/* Changes the level while it runs. */
void dtr_log_set_level(enum dtr_log_level level);
/* Whether a line of this level would be written: ask before computing costly arguments. */
bool dtr_log_on(enum dtr_log_level level);
/* Lines dropped since the start because the queue was full. */
uint64_t dtr_log_dropped(void);

/* One line. `pull` is the short id of the pull it belongs to, or NULL. */
__attribute__((format(printf, 3, 4))) void dtr_log(enum dtr_log_level level, const char *pull,
                                                   const char *format, ...);
/* The same in a module's name; this is `log` of struct dtr_host. */
__attribute__((format(printf, 3, 4))) void dtr_log_module(const char *module, enum dtr_log_level level,
                                                          const char *format, ...);

/* `url` without user and password, query and fragment, written into `text` (cut when it does not fit).
 * Returns `text`. Works on whole URLs, "host:port/path" and bare paths; NULL gives "". */
const char *dtr_log_url(const char *url, char *text, size_t size);

/* "error", "warn", "info", "debug". */
const char *dtr_log_level_name(enum dtr_log_level level);
/* The level called `name`, in any case ("warning" and "trace" are understood too); false when none is. */
bool dtr_log_level_parse(const char *name, enum dtr_log_level *ret_level);

#endif
