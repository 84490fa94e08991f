/* Log, guard and signals of a serving process; see serve.h. */
#include "core/main/serve.h"

#include "core/net/guard.h"
#include "core/obs/log.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int numbers[SERVE_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

static void mask_signals(int how)
{
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < SERVE_SIGNALS; i++)
        (void)sigaddset(&set, numbers[i]);
    (void)pthread_sigmask(how, &set, NULL);
}

/* Every connection takes a descriptor. The soft limit is for programs that call select(). */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    const struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    unsigned long long soft = limit.rlim_cur, hard = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        dtr_log(DTR_LOG_INFO, NULL, "%llu files and connections may be open, the hard limit", hard);
    else
        dtr_log(DTR_LOG_WARN, NULL, "%llu files and connections may be open; they cannot become %llu: %s",
                soft, hard, strerror(errno));
}

int serve_begin(const struct serve_process *process, struct dtr_error *err)
{
    mask_signals(SIG_BLOCK);
    const struct dtr_log_settings settings = {.level = process->level,
                                              .json = strcmp(process->log_format, "json") == 0,
                                              .to_stderr = process->console || !process->log_file,
                                              .file = process->log_file};
    int rc = dtr_log_start(&settings, err);
    if (rc != DTR_OK)
        return rc;
    raise_file_limit();
    return dtr_guard_start(err);
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

static void reopen_log(void)
{
    struct dtr_error err;
    if (dtr_log_reopen(&err) == DTR_OK)
        dtr_log(DTR_LOG_INFO, NULL,
                "the log begins anew after SIGHUP; the configuration stays as it was read at the start");
    else
        dtr_log(DTR_LOG_ERROR, NULL, "the log goes on in its old file after SIGHUP: %s", err.text);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve_signals *signals = handle->data;
    if (number == SIGHUP && signals->hangup == SERVE_HANGUP_REOPENS) {
        reopen_log();
        return;
    }
    if (signals->asked)
        _exit(1);
    signals->asked = true;
    signals->stop(signals->context);
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void serve_signals_start(struct serve_signals *signals, struct dtr_loop *loop, void (*stop)(void *context),
                         void *context)
{
    (void)signal(SIGPIPE, SIG_IGN);
    signals->stop = stop;
    signals->context = context;
    for (size_t i = 0; i < SERVE_SIGNALS; i++) {
        (void)uv_signal_init(dtr_loop_uv(loop), &signals->handles[i]);
        signals->handles[i].data = signals;
        if (numbers[i] != SIGHUP || signals->hangup == SERVE_HANGUP_REOPENS || !is_ignored(SIGHUP))
            (void)uv_signal_start(&signals->handles[i], on_signal, numbers[i]);
    }
    mask_signals(SIG_UNBLOCK);
}

void serve_signals_end(struct serve_signals *signals)
{
    for (size_t i = 0; i < SERVE_SIGNALS; i++)
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
}
