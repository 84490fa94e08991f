/* What the files of this module share: an engine (libcurl's multi handle) per loop, a call per request. */
#ifndef ORIGIN_HTTP_H
#define ORIGIN_HTTP_H

#include "head.h"

#include <curl/curl.h>
#include <darter/module.h>
#include <darter/origin.h>
#include <pthread.h>

struct http_options {
    uint64_t max_redirects;
    uint64_t max_idle_connections; /* kept open per loop */
};

struct http;
struct redirects;

/* Everything that runs on one loop. Made at the loop's first request; one thread only. */
struct engine {
    struct engine *next;
    struct http *http;
    struct dtr_loop *loop;
    CURLM *multi;
    struct dtr_timer *timer; /* libcurl's */
};

struct http {
    const struct dtr_host *host;
    const struct http_options *options;
    struct redirects *redirects;
    pthread_mutex_t lock; /* guards the list, not the engines */
    struct engine *engines;
};

struct dtr_origin_call {
    struct http *http;
    struct engine *engine;
    CURL *easy;
    char *url; /* as it was asked for */
    struct curl_slist *headers;
    struct curl_slist *away; /* those for another host; NULL: the same */
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_timer *timer; /* stall, and the place where resume() and cancel() act */
    struct head head;
    char *key; /* for redirects.c; NULL: targets are not kept */
    uint64_t redirect_ttl_ms;
    bool shortcut;     /* it asks where a redirect led before */
    bool anew;         /* the shortcut was no good: libcurl is to end, and ask as it was told */
    bool is_read;      /* read(), not exchange(): follows redirects, minds ranges */
    bool trusted;      /* the guard lets the host of `url` pass */
    bool guarded;      /* the guard refused a destination */
    bool head_told;    /* sink->head was called */
    bool paused;       /* the sink said so: no stall while it lasts */
    bool resume;       /* resume() was called, the timer acts on it */
    bool body_waits;   /* libcurl waits for more body to send */
    bool last_sent;    /* send_body() said last */
    bool added;        /* in the multi handle */
    int stop;          /* nonzero: why the call ends: a sink's code or DTR_ECANCELLED */
    uint64_t moved_ms; /* when the last byte moved */
    uint64_t stall_ms;
    char *body; /* bytes to send, not yet taken by libcurl */
    size_t body_length;
    char where[200]; /* "GET http://host/path" for messages: no query, no userinfo */
};

/* engine.c */
int http_engine_get(struct http *http, struct dtr_loop *loop, struct engine **ret_engine,
                    struct dtr_error *err);
void http_engine_free(struct engine *engine);

/* redirects.c */
struct redirects *redirects_new(void);
void redirects_free(struct redirects *redirects);
/* What a target is kept for; free() it. NULL: out of memory. */
char *redirects_key(const struct dtr_origin_request *request);
/* Where it led, free() it; NULL: that is not known. */
char *redirects_find(struct redirects *redirects, const char *asked, uint64_t now_ms);
void redirects_note(struct redirects *redirects, const char *asked, const char *led_to, uint64_t until_ms);
void redirects_forget(struct redirects *redirects, const char *asked);

/* start.c */
int http_call_start(struct http *http, struct dtr_loop *loop, const struct dtr_origin_request *request,
                    bool is_read, const struct dtr_origin_sink *sink, void *context,
                    struct dtr_origin_call **ret_call, struct dtr_error *err);

/* call.c: one that libcurl knows the callbacks of, and nothing more yet. */
int http_call_new(struct http *http, struct dtr_loop *loop, const struct dtr_origin_sink *sink, void *context,
                  struct dtr_origin_call **ret_call, struct dtr_error *err);
void http_call_free(struct dtr_origin_call *call);
uint64_t http_call_now_ms(const struct dtr_origin_call *call);
/* libcurl is done with it: tells the sink and frees. */
void http_call_done(struct dtr_origin_call *call, CURLcode code);
void http_call_resume(struct dtr_origin_call *call);
void http_call_cancel(struct dtr_origin_call *call);
void http_call_body(struct dtr_origin_call *call, const void *bytes, size_t length, bool last);

#endif
