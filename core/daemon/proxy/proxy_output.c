/* X-Dragonfly-Output-Path: what a reading gives its client it also writes into a file of this machine, for
 * clients of this machine and below proxy.outputDir only. The file is looked at before anything is fetched,
 * and has its name before the client has the last byte. Not for: making files (../output.h). */
#include "core/daemon/proxy/proxy_reading.h"

#include <unistd.h>

int output_allowed(const struct proxy_site *site, const struct dtr_http_exchange *exchange,
                   const struct dtr_mirror_plan *plan, struct dtr_error *err)
{
    const char *why = NULL;
    if (!plan->output_path)
        return DTR_OK;
    struct dtr_daemon_settings *settings = settings_hold(site->proxy->daemon);
    bool somewhere = settings->output_dir != NULL;
    settings_drop(settings);
    if (!somewhere)
        why = "proxy.outputDir is not set, so no files are written";
    else if (!dtr_addr_is_loopback(&dtr_http_client(exchange)->any))
        why = "files are written for clients on loopback only";
    return why ? dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, DTR_H_OUTPUT_PATH ": %s", why) : DTR_OK;
}

int output_status(const struct dtr_error *err)
{
    switch (err->code) {
    case DTR_EEXISTS:
        return 409;
    case DTR_ENOT_FOUND:
        return 400;
    default:
        return proxy_status(err);
    }
}

static void on_output(void *context, const struct dtr_error *err)
{
    struct reading *reading = context;
    reading->output_busy = false;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.saved = err->code != DTR_OK || reading->output_filled;
    reading->mail.save_err = *err;
    reading_unlock_and_tell_control(reading);
}

static void begin(struct reading *reading)
{
    const struct dtr_daemon *daemon = reading->site->proxy->daemon;
    struct output_request request = {.pool = daemon->parts.files,
                                     .control = daemon->parts.control,
                                     .data = reading->site->loop,
                                     .path = reading->output_path,
                                     .below = daemon->settings->output_dir,
                                     .force_hard_link = reading->force_hard_link};
    struct dtr_error err = {0};
    request.cred.uid = geteuid();
    request.cred.gid = getegid();
    reading->output_busy = true;
    if (output_open(&request, on_output, reading, &reading->output, &err) != DTR_OK)
        on_output(reading, &err);
}

bool output_advance(struct reading *reading, const struct mail *mail)
{
    if (!reading->output_path)
        return false;
    if (reading->output_busy) {
        if (mail->over)
            output_cancel(reading->output);
        return true;
    }
    if (mail->over) {
        output_drop(reading->output);
        reading->output = NULL;
        return false;
    }
    if (mail->saved)
        return false;
    if (!reading->output) {
        begin(reading);
        return true;
    }
    if (mail->save && !reading->output_filled) {
        reading->output_busy = reading->output_filled = true;
        output_write(reading->output, dtr_reader_copy(reading->reader), mail->save_offset, mail->save_length,
                     "");
        return true;
    }
    return false;
}
