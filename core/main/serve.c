/* Log, guard and signals of a serving process; see serve.h. */
#include "core/main/serve.h"

#include "core/net/guard.h"
#include "core/obs/log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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

int serve_allow(const struct dtr_conf_strings *const *roles, size_t count, struct dtr_error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += roles[i] ? roles[i]->count : 0;
    const char **all = calloc(total + 1, sizeof(*all));
    if (!all)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for security.outbound.allow");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; roles[i] && j < roles[i]->count; j++)
            all[at++] = roles[i]->items[j];
    }
    int rc = dtr_guard_allow_only(all, total, err);
    free(all);
    return rc;
}

int serve_address(const char *key, const char *value, const char *any, struct dtr_addr *ret_addr,
                  struct dtr_error *err)
{
    const char *colon = value ? strrchr(value, ':') : NULL;
    char ip[64];
    if (colon) {
        (void)snprintf(ip, sizeof(ip), "%.*s", (int)(colon - value), value);
        uint16_t port = (uint16_t)strtoul(colon + 1, NULL, 10);
        if (dtr_addr_ip(colon > value ? ip : any, port, ret_addr, NULL) == DTR_OK)
            return DTR_OK;
    }
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "%s is \"%.100s\"; needed is IP:PORT, or :PORT for all interfaces", key,
                         value ? value : "");
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
        dtr_log(DTR_LOG_INFO, NULL, "the log begins anew after SIGHUP");
    else
        dtr_log(DTR_LOG_ERROR, NULL, "the log goes on in its old file after SIGHUP: %s", err.text);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve_signals *signals = handle->data;
    if (number == SIGHUP && signals->hangup == SERVE_HANGUP_RELOADS) {
        reopen_log();
        signals->reload(signals->reload_context);
        return;
    }
    if (signals->asked)
        _exit(1);
    signals->asked = true;
    signals->stop(signals->context);
}

enum serve_hangup serve_hangup_usual(void)
{
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal >= 0)
        (void)close(terminal);
    return terminal >= 0 ? SERVE_HANGUP_STOPS : SERVE_HANGUP_RELOADS;
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
        if (numbers[i] != SIGHUP || signals->hangup == SERVE_HANGUP_RELOADS || !is_ignored(SIGHUP))
            (void)uv_signal_start(&signals->handles[i], on_signal, numbers[i]);
    }
    mask_signals(SIG_UNBLOCK);
}

/* Whoever asks for a reload that comes too late did not mean to end the process. */
void serve_signals_end(struct serve_signals *signals)
{
    mask_signals(SIG_BLOCK);
    for (size_t i = 0; i < SERVE_SIGNALS; i++)
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
    (void)signal(SIGHUP, SIG_IGN);
    mask_signals(SIG_UNBLOCK);
}
