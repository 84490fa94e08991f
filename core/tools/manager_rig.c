/* See manager_rig.h. */
#include "core/tools/manager_rig.h"

#include "core/base/list.h"
#include "core/base/str.h"
#include <stdlib.h>
#include <string.h>

/* --- the server ------------------------------------------------------------------------------------ */

struct visit {
    struct manager_rig *rig;
    struct dtr_http_exchange *exchange;
    char request[512], authorization[300];
    struct dtr_str body;
};

static bool fits(const char *pattern, const char *request)
{
    size_t length = strlen(pattern);
    bool open = length > 0 && pattern[length - 1] == '*';
    return open ? strncmp(pattern, request, length - 1) == 0 : strcmp(pattern, request) == 0;
}

static struct manager_answer choose(struct manager_rig *rig, const char *request)
{
    for (size_t i = 0; i < rig->count; i++) {
        struct manager_answer *answer = &rig->answers[i];
        if (answer->status == 0 || !fits(answer->request, request))
            continue;
        const struct manager_answer chosen = *answer;
        if (answer->times > 0 && --answer->times == 0)
            answer->status = 0; /* used up */
        return chosen;
    }
    return (struct manager_answer){request, 599, "the test has no answer to this", 0};
}

static void reply(struct visit *visit)
{
    static const struct dtr_header json = {"Content-Type", "application/json"};
    struct manager_rig *rig = visit->rig;
    (void)pthread_mutex_lock(&rig->lock);
    const struct manager_answer answer = choose(rig, visit->request);
    rig->asked++;
    (void)dtr_copy_text(rig->request, sizeof(rig->request), visit->request);
    (void)dtr_copy_text(rig->authorization, sizeof(rig->authorization), visit->authorization);
    (void)dtr_copy_text(rig->body, sizeof(rig->body), dtr_str_text(&visit->body));
    (void)pthread_mutex_unlock(&rig->lock);
    dtr_http_reply(visit->exchange, answer.status, &json, 1, answer.body);
    dtr_str_free(&visit->body);
    free(visit);
}

static void on_body(void *context, const uint8_t *bytes, size_t length)
{
    dtr_str_add(&((struct visit *)context)->body, bytes, length);
}

static void on_body_end(void *context)
{
    reply(context);
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    struct visit *visit = context;
    (void)err;
    dtr_str_free(&visit->body);
    free(visit);
}

static void on_request(void *context, struct dtr_http_exchange *exchange,
                       const struct dtr_http_request *request)
{
    static const struct dtr_http_events events = {
        .body = on_body, .body_end = on_body_end, .aborted = on_aborted};
    const char *authorization = dtr_http_header(request, "Authorization");
    struct visit *visit = calloc(1, sizeof(*visit));
    if (!visit)
        abort();
    visit->rig = context;
    visit->exchange = exchange;
    (void)snprintf(visit->request, sizeof(visit->request), "%s %s", request->method, request->path);
    (void)snprintf(visit->authorization, sizeof(visit->authorization), "%s",
                   authorization ? authorization : "");
    if (request->body_length == 0) {
        reply(visit);
        return;
    }
    dtr_http_attach(exchange, &events, visit);
    dtr_http_want_body(exchange, UINT64_MAX);
}

/* --- life ------------------------------------------------------------------------------------------ */

void manager_rig_open(struct manager_rig *rig, const char *folder)
{
    struct dtr_modules *modules;
    struct dtr_error err = {0};
    char address[DTR_ADDR_TEXT];
    *rig = (struct manager_rig){0};
    (void)pthread_mutex_init(&rig->lock, NULL);
    assert_int_equal(dtr_loop_new("manager", &rig->loop, &err), DTR_OK);
    assert_int_equal(dtr_http_server_new(rig->loop, NULL, on_request, rig, &rig->server, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &rig->addr, &err), DTR_OK);
    assert_int_equal(dtr_http_server_listen(rig->server, &rig->addr, &rig->addr, &err), DTR_OK);
    assert_int_equal(dtr_loop_start(rig->loop, &err), DTR_OK);
    assert_int_equal(dtr_modules_new(folder, &modules, &err), DTR_OK);
    if (dtr_web_open(modules, NULL, &rig->web, &err) != DTR_OK)
        fail_msg("%s", err.text);
    dtr_addr_text(&rig->addr, address);
    (void)snprintf(rig->url, sizeof(rig->url), "http://%.56s", address);
    rig->access = (struct dtr_manager_access){.web = rig->web, .url = rig->url, .secret = "session"};
}

struct ending {
    struct dtr_msg msg;
    struct manager_rig *rig;
};

static void on_stopped(void *context)
{
    dtr_loop_stop(((struct manager_rig *)context)->loop);
}

static void on_end(struct dtr_msg *msg)
{
    struct manager_rig *rig = dtr_container(msg, struct ending, msg)->rig;
    dtr_http_server_close(rig->server, 100, on_stopped, rig);
}

void manager_rig_close(struct manager_rig *rig)
{
    struct ending ending = {.msg.run = on_end, .rig = rig};
    dtr_web_close(rig->web); /* its connections go before the server waits for them */
    dtr_loop_post(rig->loop, &ending.msg);
    dtr_loop_join(rig->loop);
    dtr_loop_free(rig->loop);
    (void)pthread_mutex_destroy(&rig->lock);
    if (rig->show.out)
        (void)fclose(rig->show.out);
    free(rig->text);
}

void manager_rig_answers(struct manager_rig *rig, const struct manager_answer *answers, size_t count)
{
    assert_true(count <= sizeof(rig->answers) / sizeof(rig->answers[0]));
    (void)pthread_mutex_lock(&rig->lock);
    memcpy(rig->answers, answers, count * sizeof(*answers));
    rig->count = count;
    rig->asked = 0;
    (void)pthread_mutex_unlock(&rig->lock);
}

void manager_rig_print(struct manager_rig *rig, bool json)
{
    if (rig->show.out)
        (void)fclose(rig->show.out);
    free(rig->text);
    rig->text = NULL;
    rig->show = (struct dtr_ctl_show){open_memstream(&rig->text, &rig->length), json, 1700000000};
    assert_non_null(rig->show.out);
}

const char *manager_rig_printed(struct manager_rig *rig)
{
    (void)fflush(rig->show.out);
    return rig->text ? rig->text : "";
}
