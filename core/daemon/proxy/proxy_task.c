/* Requests that name a task: the data thread's side, which answers the client from the task's bytes. The
 * reader on the control thread is in proxy_reader.c; proxy_reading.h says how the two talk.
 *
 * Not for: what is fetched from where (task.h), pass-through (proxy_pass.c), the rest of an answer that the
 * store cannot hold (proxy_rescue.c). */
#include "core/daemon/proxy/proxy_reading.h"

#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/tasks/counts.h"
#include "core/obs/log.h"
#include "core/obs/metric.h"
#include <stdlib.h>

enum {
    LEASE = 1 << 20,   /* bytes of one extent at most */
    PENDING = 2 << 20, /* bytes that wait for the client */
    REPORT = 1 << 20,  /* bytes between two words to the planner */
    EXTRA_HEADERS = 5, /* ours */
};

/* --- the answer -------------------------------------------------------------------------------------- */

/* The exchange has been ended; the rest is control's. */
static void over(struct reading *reading)
{
    reading->exchange = NULL;
    reading->copy = NULL;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.over = true;
    reading_unlock_and_tell_control(reading);
}

/* Our store's trouble is not the client's: the origin has the bytes. But a file is made from the store's. */
static bool may_go_on(const struct reading *reading, const struct dtr_error *err)
{
    return bypass_helps(err) && !reading->request.disable_back_to_source && !reading->output_path;
}

static void pass_instead(struct reading *reading)
{
    struct dtr_daemon_settings *settings = settings_hold(reading->site->proxy->daemon);
    struct dtr_mirror_plan plan;
    struct dtr_error err = {0};
    if (dtr_mirror_decide(settings->mirror, reading->asked, &plan, &err) == DTR_OK) {
        dtr_mirror_plan_pass(reading->asked, &plan);
        proxy_pass(reading->site, reading->exchange, reading->asked, &plan);
    } else {
        proxy_fail(reading->exchange, 500, NULL, &err);
    }
    dtr_mirror_plan_free(&plan);
    settings_drop(settings);
}

static void go_on(struct reading *reading, const struct dtr_error *err)
{
    const struct bypass_request rest = {.url = reading->url,
                                        .headers = dtr_str_text(&reading->headers),
                                        .version = reading->version,
                                        .trusted = reading->request.trusted,
                                        .named = reading->request.named,
                                        .offset = reading->sent,
                                        .end = reading->end};
    bypass_log(reading->url, err);
    if (reading->responded)
        proxy_rescue(reading->site, reading->exchange, &rest);
    else
        pass_instead(reading);
}

/* The client is to hear what its own credentials are worth, and where to get others: from the origin itself.
 */
static bool asks_for_credentials(const struct reading *reading, const struct dtr_error *err)
{
    return err->status == 401 && !reading->responded && !reading->request.disable_back_to_source;
}

static void fail(struct reading *reading, const struct dtr_error *err)
{
    if (asks_for_credentials(reading, err))
        pass_instead(reading);
    else if (may_go_on(reading, err))
        go_on(reading, err);
    else if (reading->responded)
        proxy_break(reading->exchange);
    else
        proxy_fail(reading->exchange, proxy_status(err), NULL, err);
    over(reading);
}

static void ask_control(struct reading *reading, uint64_t offset, uint64_t length)
{
    reading->offset = offset;
    reading->length = length;
    reading->until = reading->reported = offset;
    reading->copy = NULL;
    reading->ended = false;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.wanted = ++reading->number;
    reading->mail.offset = reading->mail.at = offset;
    reading->mail.length = length;
    reading_unlock_and_tell_control(reading);
}

static bool repeated(const char *name)
{
    return dtr_casecmp(name, "Content-Range") != 0 && dtr_casecmp(name, "Accept-Ranges") != 0 &&
           dtr_casecmp(name, "Content-Length") != 0 &&
           strncasecmp(name, DTR_H_PREFIX, strlen(DTR_H_PREFIX)) != 0;
}

/* The header lines to repeat, cut up in place. */
static size_t cut_headers(char *lines, struct dtr_header headers[HEADER_LINES])
{
    size_t count = header_lines_split(lines, headers, 0), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (repeated(headers[i].name))
            headers[kept++] = headers[i];
    }
    return kept;
}

static uint64_t end_of(uint64_t offset, uint64_t length)
{
    return length > DTR_LENGTH_UNKNOWN - offset ? DTR_LENGTH_UNKNOWN : offset + length;
}

static void refuse_range(struct reading *reading, uint64_t total)
{
    char text[DTR_CONTENT_RANGE_TEXT];
    dtr_content_range_text(0, 0, total, text);
    struct dtr_header headers[] = {{.name = "Content-Range", .value = text},
                                   {.name = DTR_H_TASK_ID, .value = reading->task_id}};
    dtr_http_reply(reading->exchange, 416, headers, 2, "The range is past the end of the object.\n");
    over(reading);
}

/* What has a digest is one version only, whatever an origin calls it. */
static void keep_version(struct reading *reading, const struct dtr_header *headers, size_t count)
{
    const char *version = dtr_header_version(headers, count);
    reading->version = version && !dtr_expected_known(reading->digest) ? strdup(version) : NULL;
}

/* All of the answer was there before it was asked for, and is still: nothing is fetched for it. */
static bool from_the_store(const struct reading *reading)
{
    return reading->end != DTR_LENGTH_UNKNOWN && reading->here >= reading->end &&
           reading->until >= reading->end;
}

/* Decides which part is the answer and sends the head. The reader is opened anew when its part does not
 * hold that. */
static void answer(struct reading *reading, uint64_t total, char *lines)
{
    struct dtr_header headers[HEADER_LINES + EXTRA_HEADERS];
    size_t count = cut_headers(lines, headers);
    char range_text[DTR_CONTENT_RANGE_TEXT];
    uint64_t offset, length;
    if (!dtr_http_if_range(reading->if_range, dtr_header_find(headers, count, "ETag"),
                           dtr_header_find(headers, count, "Last-Modified")))
        reading->range = (struct dtr_http_range){0};
    int status = dtr_http_range_resolve(&reading->range, total, &offset, &length);
    if (status == 416) {
        refuse_range(reading, total);
        return;
    }
    if (total == DTR_LENGTH_UNKNOWN) {
        offset = 0;
        length = DTR_LENGTH_UNKNOWN;
    }
    reading->sent = reading->first = offset;
    reading->end = end_of(offset, length);
    bool fits = offset == reading->offset && reading->end <= end_of(reading->offset, reading->length);
    if (status == 206) {
        dtr_content_range_text(offset, length, total, range_text);
        headers[count++] = (struct dtr_header){.name = "Content-Range", .value = range_text};
    }
    keep_version(reading, headers, count);
    headers[count++] = (struct dtr_header){.name = "Accept-Ranges", .value = "bytes"};
    headers[count++] = (struct dtr_header){.name = DTR_H_TASK_ID, .value = reading->task_id};
    headers[count++] =
        (struct dtr_header){.name = DTR_H_SERVER_IP, .value = reading->site->proxy->daemon->ip};
    if (fits && from_the_store(reading))
        headers[count++] = (struct dtr_header){.name = DTR_H_FINISHED, .value = "true"};
    reading->responded = true;
    dtr_http_respond(reading->exchange, status, headers, count, length);
    if (!fits)
        ask_control(reading, offset, length);
}

/* --- the body ---------------------------------------------------------------------------------------- */

static void report(struct reading *reading)
{
    if (reading->sent - reading->reported < REPORT)
        return;
    reading->reported = reading->sent;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.at = reading->sent;
    reading_unlock_and_tell_control(reading);
}

/* Sends the next extent. False: it failed, and the reading is over. */
static bool send_some(struct reading *reading, uint64_t until)
{
    struct dtr_extent extent;
    struct dtr_error err = {0};
    uint64_t length = until - reading->sent;
    if (length > LEASE)
        length = LEASE;
    if (dtr_copy_lease(reading->copy, reading->sent, length, &extent, &err) != DTR_OK) {
        fail(reading, &err);
        return false;
    }
    dtr_http_send(reading->exchange, &extent);
    local_bytes_read(reading->sent, length, reading->here);
    reading->sent += length;
    return true;
}

static bool owes_file(const struct reading *reading)
{
    return reading->output_path && !reading->saved;
}

/* Up to where bytes may be sent. The file has its name before the client has the last one. */
static uint64_t send_until(const struct reading *reading)
{
    uint64_t until = reading->until < reading->end ? reading->until : reading->end;
    bool last = reading->end != DTR_LENGTH_UNKNOWN && until == reading->end && until > reading->sent;
    return last && owes_file(reading) ? until - 1 : until;
}

/* All the bytes that the file is to have are in the store. */
static bool may_save(const struct reading *reading)
{
    if (reading->end != DTR_LENGTH_UNKNOWN)
        return reading->copy && reading->until >= reading->end;
    return reading->ended && reading->err.code == DTR_OK;
}

static void save(struct reading *reading)
{
    if (reading->save_asked)
        return;
    uint64_t end = reading->end != DTR_LENGTH_UNKNOWN ? reading->end : reading->until;
    reading->save_asked = true;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.save = true;
    reading->mail.save_offset = reading->first;
    reading->mail.save_length = end - reading->first;
    reading_unlock_and_tell_control(reading);
}

/* Sends what is there and fits, and ends the answer when that was all. */
static void pump(struct reading *reading)
{
    uint64_t until = send_until(reading);
    while (reading->copy && reading->sent < until && dtr_http_pending(reading->exchange) < PENDING) {
        if (!send_some(reading, until))
            return;
    }
    report(reading);
    if (owes_file(reading) && may_save(reading) && reading->sent >= until) {
        save(reading);
        return;
    }
    bool whole = reading->end != DTR_LENGTH_UNKNOWN && reading->sent >= reading->end;
    if (!whole && reading->ended && reading->sent >= until) {
        if (reading->err.code != DTR_OK || reading->end != DTR_LENGTH_UNKNOWN) {
            fail(reading, &reading->err);
            return;
        }
        whole = true;
    }
    if (whole) {
        dtr_http_end(reading->exchange);
        over(reading);
    }
}

/* --- events ------------------------------------------------------------------------------------------ */

static void take_saved(struct reading *reading, const struct dtr_error *err)
{
    reading->saved = true;
    if (err->code == DTR_OK)
        return;
    dtr_log(DTR_LOG_WARN, NULL, DTR_H_OUTPUT_PATH ": %s", err->text);
    if (reading->responded)
        proxy_break(reading->exchange);
    else
        proxy_fail(reading->exchange, output_status(err), DTR_ERROR_TYPE_PROXY, err);
    over(reading);
}

static void take_mail(struct reading *reading, const struct mail *mail)
{
    if (reading->exchange && mail->saved && !reading->saved)
        take_saved(reading, &mail->save_err);
    if (!reading->exchange || mail->number != reading->number)
        return;
    reading->until = mail->until;
    reading->here = mail->here;
    reading->ended = mail->ended;
    reading->err = mail->err;
    if (mail->head)
        reading->copy = mail->copy;
    if (mail->head && !reading->responded) {
        answer(reading, mail->content_length, mail->headers);
    } else if (mail->ended && !reading->responded) {
        fail(reading, &mail->err);
    }
    if (reading->exchange && reading->responded)
        pump(reading);
}

static void on_data(struct dtr_msg *msg)
{
    struct reading *reading = dtr_container(msg, struct reading, to_data);
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.to_data = false;
    struct mail mail = reading->mail;
    reading->mail.headers = NULL;
    (void)pthread_mutex_unlock(&reading->lock);
    take_mail(reading, &mail);
    free(mail.headers);
    if (mail.gone) {
        struct proxy_site *site = reading->site;
        reading_free(reading);
        proxy_release(site);
    }
}

static void on_drained(void *context)
{
    struct reading *reading = context;
    if (reading->exchange && reading->responded)
        pump(reading);
}

static void on_aborted(void *context, const struct dtr_error *err)
{
    (void)err;
    over(context);
}

static const struct dtr_http_events http_events = {.drained = on_drained, .aborted = on_aborted};

/* --- the beginning ----------------------------------------------------------------------------------- */

/* What to read first, before the length is known: the last n bytes may be anywhere. */
static void first_part(const struct dtr_http_range *range, uint64_t *ret_offset, uint64_t *ret_length)
{
    *ret_offset = range->kind == DTR_RANGE_SPAN || range->kind == DTR_RANGE_FROM ? range->first : 0;
    *ret_length = DTR_LENGTH_UNKNOWN;
    if (range->kind == DTR_RANGE_SPAN && range->last - range->first < DTR_LENGTH_UNKNOWN - 1)
        *ret_length = range->last - range->first + 1;
}

void proxy_task(struct proxy_site *site, struct dtr_http_exchange *exchange,
                const struct dtr_http_request *request, const struct dtr_mirror_plan *plan)
{
    struct reading *reading = NULL;
    struct dtr_error err = {0};
    uint64_t offset, length;
    dtr_metric_add(DTR_CLIENT_PROXY_REQUEST_VIA_DFDAEMON, NULL, 1);
    if (output_allowed(site, exchange, plan, &err) != DTR_OK) {
        proxy_fail(exchange, proxy_status(&err), DTR_ERROR_TYPE_PROXY, &err);
        return;
    }
    if (reading_new(site, plan, &reading, &err) != DTR_OK) {
        proxy_fail(exchange, proxy_status(&err), NULL, &err);
        return;
    }
    proxy_hold(site);
    reading->exchange = exchange;
    dtr_addr_ip_text(dtr_http_client(exchange), reading->client_ip);
    reading->asked = request;
    reading->to_control.run = reading_on_control;
    reading->to_data.run = on_data;
    dtr_http_attach(exchange, &http_events, reading);
    first_part(&plan->range, &offset, &length);
    ask_control(reading, offset, length);
}
