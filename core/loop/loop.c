/* One libuv loop with a thread and a queue of messages; see loop.h. */
#include "core/loop/loop.h"

#include "core/base/clock.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct dtr_loop {
    uv_loop_t uv;
    int bell; /* an eventfd; uv_async_t has its reader spin while a writer is preempted between two steps */
    uv_poll_t wake;
    uv_prepare_t prepare;
    _Atomic(struct dtr_msg *) posted; /* by other threads: a stack, newest first; reversed when taken */
    struct dtr_msg *own, **own_tail;  /* by this thread: a queue, run before the loop waits again */
    _Atomic bool stopping;
    _Atomic bool begun; /* the thread of dtr_loop_start() has set `thread` */
    _Atomic bool bound; /* `thread` is the one that runs the loop */
    pthread_t thread;
    bool started;
    char name[16];
    uint8_t *scratch;
};

static bool run_chain(struct dtr_msg *first)
{
    bool any = first != NULL;
    while (first) {
        struct dtr_msg *next = first->next;
        first->next = NULL;
        first->run(first);
        first = next;
    }
    return any;
}

/* Runs what other threads posted, oldest first. True when there was anything. */
static bool run_posted(struct dtr_loop *loop)
{
    struct dtr_msg *taken = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct dtr_msg *first = NULL;
    while (taken) {
        struct dtr_msg *next = taken->next;
        taken->next = first;
        first = taken;
        taken = next;
    }
    return run_chain(first);
}

static bool run_own(struct dtr_loop *loop)
{
    struct dtr_msg *first = loop->own;
    loop->own = NULL;
    loop->own_tail = &loop->own;
    return run_chain(first);
}

static void ring(struct dtr_loop *loop)
{
    (void)eventfd_write(loop->bell, 1);
}

/* Before the loop waits: what this thread posted to itself. A chain of messages that post each other
 * gives way to sockets and timers after a few rounds. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct dtr_loop *loop = prepare->data;
    for (int round = 0; round < 8 && loop->own; round++)
        (void)run_own(loop);
    if (loop->own)
        ring(loop);
    if (atomic_load(&loop->stopping))
        uv_stop(&loop->uv);
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    struct dtr_loop *loop = wake->data;
    eventfd_t rings;
    (void)status;
    (void)events;
    (void)eventfd_read(loop->bell, &rings); /* before looking: who posts after the look rings again */
    (void)run_posted(loop);
    if (atomic_load(&loop->stopping))
        uv_stop(&loop->uv);
}

/* A libuv error, or 0. */
static int open_uv(struct dtr_loop *loop)
{
    loop->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->bell < 0)
        return uv_translate_sys_error(errno);
    int rc = uv_loop_init(&loop->uv);
    if (rc == 0) {
        rc = uv_poll_init(&loop->uv, &loop->wake, loop->bell);
        if (rc != 0)
            (void)uv_loop_close(&loop->uv);
    }
    if (rc == 0)
        (void)uv_poll_start(&loop->wake, UV_READABLE, on_wake);
    else
        (void)close(loop->bell);
    return rc;
}

int dtr_loop_new(const char *name, struct dtr_loop **ret_loop, struct dtr_error *err)
{
    struct dtr_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        goto nomem;
    loop->scratch = malloc(DTR_LOOP_SCRATCH);
    if (!loop->scratch)
        goto nomem;
    (void)snprintf(loop->name, sizeof(loop->name), "%s", name);
    int rc = open_uv(loop);
    if (rc != 0) {
        free(loop->scratch);
        free(loop);
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME,
                             "cannot make the event loop '%s': %s; raise the limit of open files?", name,
                             uv_strerror(rc));
    }
    loop->wake.data = loop;
    loop->own_tail = &loop->own;
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    *ret_loop = loop;
    return DTR_OK;
nomem:
    free(loop);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the event loop '%s'", name);
}

/* From now on the calling thread is the loop's. Others read `thread` once `bound` is set, so it is not
 * written again while it is right. */
static void bind_thread(struct dtr_loop *loop)
{
    if (dtr_loop_here(loop))
        return;
    loop->thread = pthread_self();
    atomic_store(&loop->bound, true);
}

void dtr_loop_run(struct dtr_loop *loop)
{
    bind_thread(loop);
    atomic_store(&loop->begun, true);
    uv_update_time(&loop->uv);
    while (!atomic_load(&loop->stopping))
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    atomic_store(&loop->bound, false);
}

void dtr_loop_turn(struct dtr_loop *loop, bool wait)
{
    bind_thread(loop);
    /* What this thread posted to itself is an event too: it runs before the loop would wait. */
    (void)uv_run(&loop->uv, wait && !loop->own ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

static void *thread_main(void *context)
{
    struct dtr_loop *loop = context;
    (void)pthread_setname_np(pthread_self(), loop->name);
    dtr_loop_run(loop);
    return NULL;
}

int dtr_loop_start(struct dtr_loop *loop, struct dtr_error *err)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, thread_main, loop);
    if (rc != 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot start thread '%s': %s", loop->name,
                             strerror(rc));
    loop->started = true;
    while (!atomic_load(&loop->begun))
        sched_yield();
    return DTR_OK;
}

void dtr_loop_stop(struct dtr_loop *loop)
{
    atomic_store(&loop->stopping, true);
    ring(loop);
}

void dtr_loop_join(struct dtr_loop *loop)
{
    if (loop->started)
        (void)pthread_join(loop->thread, NULL);
    loop->started = false;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    /* Only libuv's own and ours: whoever opened a timer or watch has closed it before. */
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void dtr_loop_free(struct dtr_loop *loop)
{
    if (!loop)
        return;
    bind_thread(loop);
    do {
        while (run_own(loop) || run_posted(loop))
            ;
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    } while (loop->own || atomic_load(&loop->posted));
    uv_walk(&loop->uv, close_handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    (void)run_own(loop);
    (void)uv_loop_close(&loop->uv);
    (void)close(loop->bell);
    free(loop->scratch);
    free(loop);
}

void dtr_loop_post(struct dtr_loop *loop, struct dtr_msg *msg)
{
    if (dtr_loop_here(loop)) {
        msg->next = NULL;
        *loop->own_tail = msg;
        loop->own_tail = &msg->next;
        return;
    }
    struct dtr_msg *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        msg->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, msg, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        ring(loop);
}

bool dtr_loop_here(const struct dtr_loop *loop)
{
    return atomic_load(&loop->bound) && pthread_equal(loop->thread, pthread_self());
}

uint64_t dtr_loop_now_ms(const struct dtr_loop *loop)
{
    return uv_now(&loop->uv);
}

uv_loop_t *dtr_loop_uv(struct dtr_loop *loop)
{
    return &loop->uv;
}

uint8_t *dtr_loop_scratch(struct dtr_loop *loop)
{
    return loop->scratch;
}
