/* Requests that name a task: the control thread's side, a reader of the task whose news go to the data
 * thread; see proxy_reading.h. */
#include "core/daemon/proxy/proxy_reading.h"

#include "core/base/list.h"
#include "core/daemon/blocklist.h"
#include <stdlib.h>

void reading_unlock_and_tell_control(struct reading *reading)
{
    bool post = !reading->mail.to_control;
    reading->mail.to_control = true;
    (void)pthread_mutex_unlock(&reading->lock);
    if (post)
        dtr_loop_post(reading->site->proxy->daemon->parts.control, &reading->to_control);
}

/* After it, when control says `gone`, the reading belongs to the data thread alone. */
static void unlock_and_tell_data(struct reading *reading)
{
    bool post = !reading->mail.to_data;
    struct dtr_loop *loop = reading->site->loop;
    reading->mail.to_data = true;
    (void)pthread_mutex_unlock(&reading->lock);
    if (post)
        dtr_loop_post(loop, &reading->to_data);
}

/* The message goes by way of control: bytes that are there already then come in the same mail. */
static void on_head(void *context, uint64_t content_length, const char *headers)
{
    struct reading *reading = context;
    char *copied = strdup(headers ? headers : "");
    (void)pthread_mutex_lock(&reading->lock);
    free(reading->mail.headers);
    reading->mail.headers = copied;
    reading->mail.content_length = content_length;
    reading->mail.copy = dtr_reader_copy(reading->reader);
    reading->mail.here = dtr_reader_here(reading->reader);
    reading->mail.head = true;
    reading_unlock_and_tell_control(reading);
}

static void on_readable(void *context, uint64_t until)
{
    struct reading *reading = context;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.until = until;
    reading_unlock_and_tell_control(reading);
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct reading *reading = context;
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.ended = true;
    reading->mail.err = *err;
    reading_unlock_and_tell_control(reading);
}

static const struct dtr_reader_events reader_events = {
    .head = on_head, .readable = on_readable, .ended = on_ended};

/* The new reader is opened before the old one is closed, so that its pull goes on. */
static void open_reader(struct reading *reading, const struct mail *mail)
{
    struct dtr_reader *old = reading->reader;
    struct dtr_error err = {0};
    reading->reader = NULL;
    reading->opened = mail->wanted;
    reading->at = mail->at;
    reading->request.offset = mail->offset;
    reading->request.length = mail->length;
    struct dtr_daemon *daemon = reading->site->proxy->daemon;
    int rc = blocklist_check(daemon->blocklist, &reading->request, &err);
    if (rc == DTR_OK)
        rc =
            dtr_tasks_read(daemon->tasks, &reading->request, &reader_events, reading, &reading->reader, &err);
    if (old)
        dtr_reader_close(old);
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.number = reading->opened;
    reading->mail.head = false;
    reading->mail.copy = NULL;
    reading->mail.until = reading->mail.here = mail->offset;
    reading->mail.ended = rc != DTR_OK;
    reading->mail.err = err;
    (void)pthread_mutex_unlock(&reading->lock);
}

void reading_on_control(struct dtr_msg *msg)
{
    struct reading *reading = dtr_container(msg, struct reading, to_control);
    (void)pthread_mutex_lock(&reading->lock);
    reading->mail.to_control = false;
    struct mail mail = reading->mail;
    (void)pthread_mutex_unlock(&reading->lock);
    if (output_advance(reading, &mail))
        return;
    if (mail.over) {
        if (reading->reader)
            dtr_reader_close(reading->reader);
        reading->reader = NULL;
    } else if (mail.saved) {
        /* whatever became of the file, nothing more is to be read */
    } else if (mail.wanted != reading->opened) {
        open_reader(reading, &mail);
    } else if (reading->reader && mail.at > reading->at && !mail.ended) {
        reading->at = mail.at;
        dtr_reader_at(reading->reader, mail.at);
    }
    (void)pthread_mutex_lock(&reading->lock);
    if (mail.over)
        reading->mail.gone = true;
    unlock_and_tell_data(reading);
}
