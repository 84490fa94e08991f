/* `darter get`: one object by way of the daemon on this machine into a file. The bytes come over its unix
 * socket; the file is written here, as whoever calls. Not for reading the command line: main does that. */
#ifndef DTR_TOOLS_GET_H
#define DTR_TOOLS_GET_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DTR_GET_ENDPOINT   "/var/run/dragonfly/dfdaemon.sock"
#define DTR_GET_TIMEOUT_MS ((uint64_t)2 * 3600 * 1000)

/* Texts are never NULL; "" means that it was not given. */
struct dtr_get_options {
    const char *url, *output;
    const char *endpoint; /* path of the daemon's socket */
    const char *digest, *tag, *application, *content_for_task_id;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    const char *const *filter; /* query parameters that the task id leaves out */
    size_t filter_count;
    bool default_filter;   /* instead of `filter`: what signers and containerd add */
    uint64_t piece_length; /* bytes; 0: by the object's length */
    uint64_t timeout_ms;
    uint32_t priority; /* 0..6 */
    bool overwrite, disable_back_to_source;
};

/* Blocks until it has ended; SIGINT, SIGTERM and SIGHUP end it early, then *ret_signal (else 0) names the one
 * that came. `terminal` NULL: no progress is drawn. Errors say what to do. */
int dtr_tool_get(const struct dtr_get_options *options, FILE *terminal, int *ret_signal,
                 struct dtr_error *err);

#endif
