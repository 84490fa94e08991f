/* Origins by http and https, through libcurl: the descriptor. engine.c runs libcurl on the host's loops,
 * start.c and call.c are one request, head.c reads response heads. */
#include "http.h"

#include <stddef.h>
#include <stdlib.h>

static const struct dtr_host *the_host;

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "libcurl does not start");
    }
    http->redirects = redirects_new();
    if (!http->redirects) {
        curl_global_cleanup();
        free(http);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for redirects");
    }
    http->host = the_host;
    http->options = options;
    pthread_mutex_init(&http->lock, NULL);
    *ret_instance = http;
    return DTR_OK;
}

static void stop(void *instance)
{
    struct http *http = instance;
    while (http->engines) {
        struct engine *engine = http->engines;
        http->engines = engine->next;
        http_engine_free(engine);
    }
    pthread_mutex_destroy(&http->lock);
    redirects_free(http->redirects);
    curl_global_cleanup();
    free(http);
}

static int http_read(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                     const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
                     struct dtr_error *err)
{
    if (request->length == 0 ||
        (request->length != DTR_LENGTH_UNKNOWN && request->offset + request->length < request->offset))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "an empty or overflowing range");
    return http_call_start(instance, loop, request, true, sink, context, ret_call, err);
}

static int http_exchange(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                         const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
                         struct dtr_error *err)
{
    return http_call_start(instance, loop, request, false, sink, context, ret_call, err);
}

static const struct dtr_option options[] = {
    {"maxRedirects", DTR_OPTION_INT, offsetof(struct http_options, max_redirects), "10", "", 0, 50,
     "redirects followed for one object"},
    {"maxIdleConnections", DTR_OPTION_INT, offsetof(struct http_options, max_idle_connections), "32",
     "connections", 1, 1000, "connections kept open for the next request, per data thread"},
    {0},
};

static const char *const schemes[] = {"http", "https", NULL};

static const struct dtr_origin_ops ops = {
    .size = sizeof(ops),
    .schemes = schemes,
    .read = http_read,
    .exchange = http_exchange,
    .send_body = http_call_body,
    .resume = http_call_resume,
    .cancel = http_call_cancel,
};

static const struct dtr_feature features[] = {{"origin", "http", DTR_CALL_ASYNC, &ops}, {0}};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = "origin_http",
    .version = "1.0",
    .summary = "objects and registries by http and https (libcurl)",
    .options_size = sizeof(struct http_options),
    .options = options,
    .features = features,
    .start = start,
    .stop = stop,
};

DTR_MODULE_NOTE

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host)
{
    the_host = host;
    return &module;
}
