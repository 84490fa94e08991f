/* What a Download message asks for, checked and copied, so that it outlives the message. Pure; any thread. */
#ifndef DTR_DAEMON_UPLOAD_REQUEST_H
#define DTR_DAEMON_UPLOAD_REQUEST_H

#include "core/brain/task_id.h"
#include "core/daemon/tasks/task.h"
#include "proto/common.pb-c.h"

enum { DOWNLOAD_TEXTS = 12 };

struct download {
    char task_id[DTR_TASK_ID_SIZE];
    struct dtr_read_request read; /* strings are in `texts` */
    bool ranged;
    bool need_content;       /* pieces come with their bytes */
    const char *output_path; /* absolute; NULL: none */
    const char *digest;      /* the caller's, of the output; "": none. That of a blob's URL is in `read` */
    bool overwrite, force_hard_link;
    uint64_t timeout_ms; /* for all of it; 0: none */
    char *texts[DOWNLOAD_TEXTS];
};

/* DTR_EINVALID or DTR_EUNSUPPORTED names the field that is wrong and what it should be. Free it afterwards,
 * also after an error. */
int download_take(struct download *download, const Common__V2__Download *message, struct dtr_error *err);
void download_free(struct download *download);

#endif
