/* libcurl's multi interface on a loop: descriptors by the host's watches, its timer by the host's timer. */
#include "http.h"

#include <stdlib.h>

static void collect(struct engine *engine)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(engine->multi, &left))) {
        struct dtr_origin_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        http_call_done(call, code);
    }
}

/* What libcurl keeps with each of its sockets. */
struct socket {
    struct engine *engine;
    curl_socket_t fd;
    struct dtr_watch *watch;
};

static void on_ready(void *context, int events)
{
    struct socket *socket = context;
    struct engine *engine = socket->engine;
    int running;
    int mask = (events & DTR_READABLE ? CURL_CSELECT_IN : 0) | (events & DTR_WRITABLE ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(engine->multi, socket->fd, mask, &running); /* may free `socket` */
    collect(engine);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct engine *engine = context;
    struct socket *socket = known;
    struct dtr_error err;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            engine->http->host->watch_close(socket->watch);
            free(socket);
        }
        return 0;
    }
    if (!socket) {
        socket = calloc(1, sizeof(*socket));
        if (!socket)
            return -1;
        *socket = (struct socket){.engine = engine, .fd = fd};
        if (engine->http->host->watch_open(engine->loop, fd, on_ready, socket, &socket->watch, &err) !=
            DTR_OK) {
            free(socket);
            return -1;
        }
        (void)curl_multi_assign(engine->multi, fd, socket);
    }
    engine->http->host->watch_set(socket->watch, (what & CURL_POLL_IN ? DTR_READABLE : 0) |
                                                     (what & CURL_POLL_OUT ? DTR_WRITABLE : 0));
    return 0;
}

static void on_timer(void *context)
{
    struct engine *engine = context;
    int running;
    (void)curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(engine);
}

static int on_timer_wanted(CURLM *multi, long delay_ms, void *context)
{
    struct engine *engine = context;
    (void)multi;
    engine->http->host->timer_set(engine->timer, delay_ms < 0 ? DTR_TIMER_OFF : (uint64_t)delay_ms);
    return 0;
}

static int engine_new(struct http *http, struct dtr_loop *loop, struct engine **ret_engine,
                      struct dtr_error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for libcurl");
    *engine = (struct engine){.http = http, .loop = loop, .multi = curl_multi_init()};
    int rc = engine->multi ? http->host->timer_open(loop, on_timer, engine, &engine->timer, err)
                           : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for libcurl");
    if (rc != DTR_OK) {
        http_engine_free(engine);
        return rc;
    }
    (void)curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
    (void)curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    (void)curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
    (void)curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, (long)http->options->max_idle_connections);
    *ret_engine = engine;
    return DTR_OK;
}

int http_engine_get(struct http *http, struct dtr_loop *loop, struct engine **ret_engine,
                    struct dtr_error *err)
{
    struct engine *engine;
    pthread_mutex_lock(&http->lock);
    for (engine = http->engines; engine && engine->loop != loop; engine = engine->next)
        ;
    pthread_mutex_unlock(&http->lock);
    if (!engine) {
        /* Only this thread makes an engine for this loop, so nobody can have been quicker. */
        int rc = engine_new(http, loop, &engine, err);
        if (rc != DTR_OK)
            return rc;
        pthread_mutex_lock(&http->lock);
        engine->next = http->engines;
        http->engines = engine;
        pthread_mutex_unlock(&http->lock);
    }
    *ret_engine = engine;
    return DTR_OK;
}

void http_engine_free(struct engine *engine)
{
    if (engine->multi)
        (void)curl_multi_cleanup(engine->multi); /* closes idle connections: watches end through on_socket */
    if (engine->timer)
        engine->http->host->timer_close(engine->timer);
    free(engine);
}
