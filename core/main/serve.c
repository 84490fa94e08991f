/* Log, guard and signals of a serving process; see serve.h. */
#include "core/main/serve.h"

#include "core/net/guard.h"
#include "core/obs/log.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

int serve_begin(const struct serve_process *process, struct dtr_error *err)
{
    const struct dtr_log_settings settings = {.level = process->level,
                                              .json = strcmp(process->log_format, "json") == 0,
                                              .to_stderr = process->console || !process->log_file,
                                              .file = process->log_file};
    int rc = dtr_log_start(&settings, err);
    if (rc == DTR_OK)
        rc = dtr_guard_start(err);
    return rc;
}

int serve_allow(const struct dtr_conf_strings *networks, struct dtr_error *err)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < networks->count && rc == DTR_OK; i++)
        rc = dtr_guard_allow(networks->items[i], err);
    return rc;
}

void serve_end(void)
{
    dtr_guard_stop();
    dtr_log_stop();
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve_signals *signals = handle->data;
    (void)number;
    if (signals->asked)
        _exit(1);
    signals->asked = true;
    signals->stop(signals->context);
}

void serve_signals_start(struct serve_signals *signals, struct dtr_loop *loop, void (*stop)(void *context),
                         void *context)
{
    (void)signal(SIGPIPE, SIG_IGN);
    signals->stop = stop;
    signals->context = context;
    (void)uv_signal_init(dtr_loop_uv(loop), &signals->term);
    (void)uv_signal_init(dtr_loop_uv(loop), &signals->interrupt);
    signals->term.data = signals->interrupt.data = signals;
    (void)uv_signal_start(&signals->term, on_signal, SIGTERM);
    (void)uv_signal_start(&signals->interrupt, on_signal, SIGINT);
}

void serve_signals_end(struct serve_signals *signals)
{
    uv_close((uv_handle_t *)&signals->term, NULL);
    uv_close((uv_handle_t *)&signals->interrupt, NULL);
}
