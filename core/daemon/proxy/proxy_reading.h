/* One request that names a task: a reader on the control thread, and its bytes to the client on the data
 * thread.
 *
 * A struct reading lives on both threads. They talk through one mailbox under a lock, and one message in
 * each direction that is posted when it is not on its way. Control answers the data thread's `over` by
 * `gone` as its last deed; then the data thread frees. Readings of a part may turn out to need another
 * part once the head is there (the last n bytes, If-Range, a length nobody knows): then the reader is
 * opened anew, and `number` tells which reader the mail is about. */
#ifndef DTR_DAEMON_PROXY_READING_H
#define DTR_DAEMON_PROXY_READING_H

#include "core/base/str.h"
#include "core/brain/task_id.h"
#include "core/daemon/output.h"
#include "core/daemon/proxy/proxy_internal.h"
#include "core/daemon/tasks/task.h"
#include "core/http/mirror.h"
#include <pthread.h>

/* What the threads tell each other; under the lock. */
struct mail {
    /* To the data thread, about the reader `number`. */
    uint32_t number;
    bool head;
    uint64_t content_length;
    char *headers; /* taken over by the data thread */
    const struct dtr_copy *copy;
    uint64_t until, here; /* see dtr_reader_here() */
    bool ended, gone;
    struct dtr_error err;
    bool saved; /* the file of output_path has its name, or will not have it */
    struct dtr_error save_err;
    /* To control. */
    uint32_t wanted; /* number of the reader that the data thread wants */
    uint64_t offset, length, at;
    bool over;
    bool save; /* the file is to get these bytes, which are all there */
    uint64_t save_offset, save_length;
    /* Messages on their way. */
    bool to_control, to_data;
};

struct reading {
    struct proxy_site *site;
    pthread_mutex_t lock;
    struct mail mail;
    struct dtr_msg to_control, to_data;

    /* Control thread. */
    struct dtr_reader *reader;
    uint32_t opened;
    uint64_t at;
    struct output *output; /* NULL: none yet; see proxy_output.c */
    bool output_busy;      /* its done() is due */
    bool output_filled;    /* it was given its bytes */

    /* Data thread. */
    struct dtr_http_exchange *exchange;   /* NULL when over */
    const struct dtr_http_request *asked; /* lives as long as the exchange */
    struct dtr_http_range range;
    uint32_t number;                     /* of the reader wanted */
    uint64_t offset, length;             /* what it was asked for */
    uint64_t first, sent, end, reported; /* offsets in the object; end DTR_LENGTH_UNKNOWN: where it ends */
    const struct dtr_copy *copy;         /* NULL until the head of this reader */
    uint64_t until, here;
    bool responded, ended;
    bool save_asked, saved; /* the file of output_path; see there */
    char *version; /* what the client was told that the object is: entity tag or date; NULL: nothing */
    struct dtr_error err;

    /* Set before control sees it. */
    struct dtr_read_request request;
    char task_id[DTR_TASK_ID_SIZE];
    char client_ip[DTR_ADDR_TEXT];
    char *url, *digest, *tag, *application, *content, *if_range;
    char *output_path; /* NULL: no file is wanted */
    bool force_hard_link;
    struct dtr_str headers, filter;
};

/* proxy_reader.c. Tells control that there is mail, after the lock was taken; lets go of the lock. */
void reading_unlock_and_tell_control(struct reading *reading);
/* On the control thread, the handler of `to_control`: looks at the mail, and tells the data thread. */
void reading_on_control(struct dtr_msg *msg);

/* What the plan says of the task, copied. Without an exchange yet; the messages have no `run`. */
int reading_new(struct proxy_site *site, const struct dtr_mirror_plan *plan, struct reading **ret_reading,
                struct dtr_error *err);
void reading_free(struct reading *reading);

/* proxy_output.c. Whether a file may be written for this client, on the data thread; DTR_EDENIED names what
 * stands against it. */
int output_allowed(const struct proxy_site *site, const struct dtr_http_exchange *exchange,
                   const struct dtr_mirror_plan *plan, struct dtr_error *err);
/* On the control thread, at each look at the mail: does what the file needs next. True: the rest waits for
 * that. */
bool output_advance(struct reading *reading, const struct mail *mail);
/* The HTTP status for a file that could not be made. */
int output_status(const struct dtr_error *err);

#endif
