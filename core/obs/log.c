/* The writer thread and its bounded queue. How a line looks: log_line.c. */
#include "core/obs/log.h"

#include "core/base/clock.h"
#include "core/obs/log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    QUEUE_SIZE = 64 << 10,
    CHUNK = 4096,   /* what a pipe takes at once when poll says it is writable */
    POLL_MS = 100,  /* how soon a writer that waits notices the stop */
    STOP_MS = 2000, /* how long each output may stand still while stopping */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    pthread_t thread;
    char *queue; /* a ring of whole lines; NULL while stopped */
    size_t head, used;
    uint64_t accepted, written; /* bytes since the start */
    uint64_t missing;           /* lines lost that no line has told of yet */
    bool json, to_stderr;
    char *file;
    int file_fd; /* -1: none */
} log_ = {.lock = PTHREAD_MUTEX_INITIALIZER, .file_fd = -1};

static atomic_int max_level = DTR_LOG_INFO;
static atomic_bool stopping;
static _Atomic uint64_t dropped;

/* --- output ------------------------------------------------------------------------------------------ */

static size_t count_lines(const char *bytes, size_t length)
{
    size_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* Waits until `fd` takes bytes; false when the log stops and the output stood still for too long. */
static bool wait_writable(int fd)
{
    uint64_t give_up_ms = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int ready = poll(&p, 1, POLL_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
        uint64_t now_ms = dtr_now_ms();
        if (atomic_load(&stopping) && give_up_ms == 0)
            give_up_ms = now_ms + STOP_MS;
        if (give_up_ms && now_ms >= give_up_ms)
            return false;
    }
}

static void write_out(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = wait_writable(fd) ? write(fd, bytes, length) : -1;
        if (n < 0 && (errno == EINTR || errno == EAGAIN) && !atomic_load(&stopping))
            continue;
        if (n < 0) {
            atomic_fetch_add(&dropped, count_lines(bytes, length));
            return;
        }
        bytes += n;
        length -= (size_t)n;
    }
}

static void write_everywhere(const char *bytes, size_t length)
{
    if (log_.to_stderr)
        write_out(STDERR_FILENO, bytes, length);
    if (log_.file_fd >= 0)
        write_out(log_.file_fd, bytes, length);
}

/* --- the writer thread --------------------------------------------------------------------------------- */

/* Moves whole lines, at most CHUNK bytes of them, out of the ring. The lock is held. */
static size_t take_lines(char chunk[CHUNK])
{
    size_t length = log_.used < CHUNK ? log_.used : CHUNK;
    size_t first = QUEUE_SIZE - log_.head;
    if (first > length)
        first = length;
    memcpy(chunk, log_.queue + log_.head, first);
    memcpy(chunk + first, log_.queue, length - first);
    while (length > 0 && chunk[length - 1] != '\n')
        length--;
    log_.head = (log_.head + length) % QUEUE_SIZE;
    log_.used -= length;
    return length;
}

/* Puts bytes into the ring, if there is room. The lock is held. */
static bool ring_put(const char *bytes, size_t length)
{
    if (QUEUE_SIZE - log_.used < length)
        return false;
    size_t tail = (log_.head + log_.used) % QUEUE_SIZE;
    size_t first = QUEUE_SIZE - tail < length ? QUEUE_SIZE - tail : length;
    memcpy(log_.queue + tail, bytes, first);
    memcpy(log_.queue, bytes + first, length - first);
    log_.used += length;
    log_.accepted += length;
    return true;
}

/* Says, where they are missing, how many lines are. The lock is held. */
static bool ring_tell_missing(void)
{
    char message[64], line[DTR_LOG_LINE];
    (void)snprintf(message, sizeof(message), "%llu log lines were dropped here: the queue was full",
                   (unsigned long long)log_.missing);
    struct dtr_log_record record = {.wall_ns = dtr_wall_ns(), .level = DTR_LOG_WARN, .message = message};
    if (!ring_put(line, dtr_log_line(&record, log_.json, line)))
        return false;
    log_.missing = 0;
    return true;
}

static void *writer(void *unused)
{
    (void)unused;
    char chunk[CHUNK];
    (void)pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&log_.lock);
    for (;;) {
        while (log_.used == 0 && !atomic_load(&stopping))
            pthread_cond_wait(&log_.work, &log_.lock);
        if (log_.used == 0)
            break;
        size_t length = take_lines(chunk);
        pthread_mutex_unlock(&log_.lock);
        write_everywhere(chunk, length);
        pthread_mutex_lock(&log_.lock);
        log_.written += length;
        if (log_.used == 0 && log_.missing)
            (void)ring_tell_missing();
        pthread_cond_broadcast(&log_.progress);
    }
    pthread_mutex_unlock(&log_.lock);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------ */

static int open_file(const char *path, int *ret_fd, struct dtr_error *err)
{
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (*ret_fd >= 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "log file %s cannot be opened: %s", path,
                         strerror(errno));
}

static void forget(void)
{
    if (log_.file_fd >= 0)
        (void)close(log_.file_fd);
    free(log_.queue);
    free(log_.file);
    log_.file_fd = -1;
    log_.queue = NULL;
    log_.file = NULL;
}

/* Conditions whose timed waits follow the clock that never goes back. */
static void make_conditions(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log_.work, &attributes);
    pthread_cond_init(&log_.progress, &attributes);
    pthread_condattr_destroy(&attributes);
}

int dtr_log_start(const struct dtr_log_settings *settings, struct dtr_error *err)
{
    int code;
    atomic_store(&max_level, (int)settings->level);
    atomic_store(&stopping, false);
    log_.json = settings->json;
    log_.to_stderr = settings->to_stderr;
    log_.head = log_.used = 0;
    log_.accepted = log_.written = 0;
    if (settings->file) {
        code = open_file(settings->file, &log_.file_fd, err);
        if (code != DTR_OK)
            return code;
        log_.file = strdup(settings->file);
    }
    char *queue = malloc(QUEUE_SIZE);
    if (!queue || (settings->file && !log_.file)) {
        free(queue);
        forget();
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "no memory for the log");
    }
    make_conditions();
    pthread_mutex_lock(&log_.lock);
    log_.queue = queue;
    pthread_mutex_unlock(&log_.lock);
    code = pthread_create(&log_.thread, NULL, writer, NULL);
    if (code == 0)
        return DTR_OK;
    forget();
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_NEVER, "no thread for the log: %s", strerror(code));
}

int dtr_log_reopen(struct dtr_error *err)
{
    int fd;
    if (!log_.file)
        return DTR_OK;
    int code = open_file(log_.file, &fd, err);
    if (code != DTR_OK)
        return code;
    /* One step for the writer, who may be writing to the old file at this moment. */
    if (dup3(fd, log_.file_fd, O_CLOEXEC) < 0)
        code = dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "log file %s: %s", log_.file, strerror(errno));
    (void)close(fd);
    return code;
}

bool dtr_log_flush(uint64_t timeout_ms)
{
    uint64_t end_ns = dtr_now_ns() + timeout_ms * 1000000;
    struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000), .tv_nsec = (long)(end_ns % 1000000000)};
    pthread_mutex_lock(&log_.lock);
    uint64_t target = log_.accepted;
    int late = 0;
    while (log_.queue && log_.written < target && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&log_.progress, &log_.lock, &end);
    bool all = !log_.queue || log_.written >= target;
    pthread_mutex_unlock(&log_.lock);
    return all;
}

void dtr_log_stop(void)
{
    pthread_mutex_lock(&log_.lock);
    bool running = log_.queue != NULL;
    atomic_store(&stopping, true);
    if (running)
        pthread_cond_signal(&log_.work);
    pthread_mutex_unlock(&log_.lock);
    if (!running)
        return;
    (void)pthread_join(log_.thread, NULL);
    pthread_mutex_lock(&log_.lock);
    forget();
    pthread_mutex_unlock(&log_.lock);
    pthread_cond_destroy(&log_.work);
    pthread_cond_destroy(&log_.progress);
}

/* --- logging ------------------------------------------------------------------------------------------- */

void dtr_log_set_level(enum dtr_log_level level)
{
    atomic_store(&max_level, (int)level);
}

bool dtr_log_on(enum dtr_log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

uint64_t dtr_log_dropped(void)
{
    return atomic_load(&dropped);
}

/* Puts a line into the ring. False: nobody drains it. */
static bool enqueue(const char *line, size_t length)
{
    pthread_mutex_lock(&log_.lock);
    bool running = log_.queue && !atomic_load(&stopping);
    if (running && (!log_.missing || ring_tell_missing()) && ring_put(line, length)) {
        pthread_cond_signal(&log_.work);
    } else if (running) {
        log_.missing++;
        atomic_fetch_add(&dropped, 1);
    }
    pthread_mutex_unlock(&log_.lock);
    return running;
}

__attribute__((format(printf, 4, 0))) static void
log_any(enum dtr_log_level level, const char *pull, const char *module, const char *format, va_list args)
{
    char message[DTR_LOG_LINE], line[DTR_LOG_LINE];
    if (!dtr_log_on(level))
        return;
    if (vsnprintf(message, sizeof(message), format, args) < 0)
        message[0] = '\0';
    struct dtr_log_record record = {
        .wall_ns = dtr_wall_ns(), .level = level, .pull = pull, .module = module, .message = message};
    size_t length = dtr_log_line(&record, log_.json, line);
    if (!enqueue(line, length) && write(STDERR_FILENO, line, length) < 0)
        atomic_fetch_add(&dropped, 1);
}

void dtr_log(enum dtr_log_level level, const char *pull, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_any(level, pull, NULL, format, args);
    va_end(args);
}

void dtr_log_module(const char *module, enum dtr_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_any(level, NULL, module, format, args);
    va_end(args);
}
