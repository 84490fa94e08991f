/* How one log line looks. Only log.c and the tests include this; everybody else uses log.h. */
#ifndef DTR_OBS_LOG_LINE_H
#define DTR_OBS_LOG_LINE_H

#include "core/obs/log.h"

struct dtr_log_record {
    int64_t wall_ns;
    enum dtr_log_level level;
    const char *pull;   /* or NULL */
    const char *module; /* or NULL */
    const char *message;
};

/* Writes the record with its newline, without a final NUL; returns the length. Text:
 *     2026-01-02T03:04:05.000006Z WARN [pull] module: message
 * and JSON: {"time":...,"level":...,"pull":...,"module":...,"message":...}. Bytes that are not UTF-8
 * become \xNN in text and U+FFFD in JSON. */
size_t dtr_log_line(const struct dtr_log_record *record, bool json, char line[DTR_LOG_LINE]);

#endif
