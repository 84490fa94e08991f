/* See web.h. */
#include "core/tools/web.h"

#include "core/loop/loop.h"
#include <darter/origin.h>
#include <stdlib.h>

struct dtr_web {
    struct dtr_modules *modules;
    struct dtr_loop *loop; /* goes after the modules: they have what hangs on it */
    struct dtr_offer offer;
    const char *ca_file;
};

int dtr_web_open(struct dtr_modules *modules, const char *ca_file, struct dtr_web **ret_web,
                 struct dtr_error *err)
{
    struct dtr_web *web = calloc(1, sizeof(*web));
    if (!web) {
        dtr_modules_free(modules);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    }
    *web = (struct dtr_web){.modules = modules, .ca_file = ca_file};
    int rc = dtr_modules_require(modules, "origin", "http", NULL, 0, err);
    if (rc == DTR_OK && !dtr_modules_find(modules, "origin", "http", &web->offer))
        rc = dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "origin_http offers no origin");
    if (rc == DTR_OK)
        rc = dtr_loop_new("web", &web->loop, err);
    if (rc == DTR_OK)
        *ret_web = web;
    else
        dtr_web_close(web);
    return rc;
}

void dtr_web_close(struct dtr_web *web)
{
    if (!web)
        return;
    dtr_modules_free(web->modules);
    if (web->loop)
        dtr_loop_free(web->loop);
    free(web);
}

/* --- one request ---------------------------------------------------------------------------------- */

struct asking {
    struct dtr_web *web;
    const struct dtr_web_request *request;
    struct dtr_web_answer *answer;
    struct dtr_origin_call *call;
    struct dtr_error result;
    bool sent, done;
};

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct asking *asking = context;
    asking->answer->status = head->status;
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct asking *asking = context;
    (void)ret_pause;
    dtr_str_add(&asking->answer->body, bytes, length);
    return dtr_str_ok(&asking->answer->body) ? DTR_OK : DTR_ELIMIT;
}

static void on_want_body(void *context)
{
    struct asking *asking = context;
    const struct dtr_origin_ops *ops = asking->web->offer.feature->ops;
    if (asking->sent)
        return;
    asking->sent = true;
    ops->send_body(asking->call, asking->request->body, strlen(asking->request->body), true);
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct asking *asking = context;
    asking->result = *err;
    asking->done = true;
}

static size_t make_headers(const struct dtr_web_request *request, struct dtr_str *bearer,
                           struct dtr_header headers[3])
{
    size_t count = 0;
    headers[count++] = (struct dtr_header){"Accept", "application/json"};
    if (request->bearer) {
        dtr_str_printf(bearer, "Bearer %s", request->bearer);
        headers[count++] = (struct dtr_header){"Authorization", dtr_str_text(bearer)};
    }
    if (request->body)
        headers[count++] = (struct dtr_header){"Content-Type", "application/json"};
    return count;
}

int dtr_web_ask(struct dtr_web *web, const struct dtr_web_request *request, struct dtr_web_answer *ret_answer,
                struct dtr_error *err)
{
    static const struct dtr_origin_sink sink = {
        .head = on_head, .body = on_body, .want_body = on_want_body, .done = on_done};
    const struct dtr_origin_ops *ops = web->offer.feature->ops;
    struct asking asking = {.web = web, .request = request, .answer = ret_answer};
    struct dtr_str bearer = {0};
    struct dtr_header headers[3];
    const struct dtr_origin_request asked = {.method = request->method,
                                             .url = request->url,
                                             .headers = headers,
                                             .header_count = make_headers(request, &bearer, headers),
                                             .trusted = true,
                                             .length = DTR_LENGTH_UNKNOWN,
                                             .ca_file = web->ca_file,
                                             .connect_ms = DTR_WEB_TIMEOUT_MS,
                                             .stall_ms = request->silence_ms ? request->silence_ms
                                                                             : DTR_WEB_TIMEOUT_MS,
                                             .has_body = request->body != NULL,
                                             .body_length = request->body ? strlen(request->body) : 0};
    *ret_answer = (struct dtr_web_answer){0};
    int rc = ops->exchange(web->offer.instance, web->loop, &asked, &sink, &asking, &asking.call, err);
    if (rc == DTR_OK) {
        while (!asking.done)
            dtr_loop_turn(web->loop, true);
        rc = asking.result.code;
        if (rc != DTR_OK)
            *err = asking.result;
    }
    dtr_str_free(&bearer);
    return rc;
}
