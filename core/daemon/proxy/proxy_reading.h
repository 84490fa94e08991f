/* One request that names a task, for proxy_task.c, which says who may touch what. */
#ifndef DTR_DAEMON_PROXY_READING_H
#define DTR_DAEMON_PROXY_READING_H

#include "core/base/str.h"
#include "core/brain/task_id.h"
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
    /* To control. */
    uint32_t wanted; /* number of the reader that the data thread wants */
    uint64_t offset, length, at;
    bool over;
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

    /* Data thread. */
    struct dtr_http_exchange *exchange;   /* NULL when over */
    const struct dtr_http_request *asked; /* lives as long as the exchange */
    struct dtr_http_range range;
    uint32_t number;              /* of the reader wanted */
    uint64_t offset, length;      /* what it was asked for */
    uint64_t sent, end, reported; /* offsets in the object; end DTR_LENGTH_UNKNOWN: where it ends */
    const struct dtr_copy *copy;  /* NULL until the head of this reader */
    uint64_t until, here;
    bool responded, ended;
    char *version; /* what the client was told that the object is: entity tag or date; NULL: nothing */
    struct dtr_error err;

    /* Set before control sees it. */
    struct dtr_read_request request;
    char task_id[DTR_TASK_ID_SIZE];
    char client_ip[DTR_ADDR_TEXT];
    char *url, *digest, *tag, *application, *content, *if_range;
    struct dtr_str headers, filter;
};

/* What the plan says of the task, copied. Without an exchange yet; the messages have no `run`. */
int reading_new(struct proxy_site *site, const struct dtr_mirror_plan *plan, struct reading **ret_reading,
                struct dtr_error *err);
void reading_free(struct reading *reading);

#endif
