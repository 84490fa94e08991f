/* See output.h. */
#include "core/daemon/output.h"

#include "core/base/digest.h"
#include "core/base/newfile.h"
#include "core/base/str.h"
#include "core/daemon/act_as.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, SPAN = 64 << 20 };

struct output {
    struct dtr_job job;
    struct dtr_msg msg; /* to the data thread */
    struct output_request request;
    char *path, *below; /* below NULL: anywhere */
    char digest[160];   /* "" for none */
    void (*done)(void *context, const struct dtr_error *err);
    void *context;
    struct dtr_error result;
    _Atomic bool cancelled;

    struct dtr_newfile *file;
    const struct dtr_copy *copy;
    uint64_t offset, length;
    struct dtr_extent extent;
    bool leased;
};

static void free_output(struct output *output)
{
    free(output->path);
    free(output->below);
    free(output);
}

/* --- on a worker thread: the bytes ---------------------------------------------------------------- */

static int cancelled(struct output *output)
{
    if (!atomic_load(&output->cancelled))
        return DTR_OK;
    return dtr_error_set(&output->result, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
}

/* The next block of the extent, read into `block` unless it is in memory. */
static int read_block(struct output *output, uint64_t at, uint8_t *block, size_t length,
                      const uint8_t **ret_bytes)
{
    const struct dtr_extent *extent = &output->extent;
    *ret_bytes = extent->fd < 0 ? extent->data + at : block;
    for (size_t have = 0; extent->fd >= 0 && have < length;) {
        ssize_t got = pread(extent->fd, block + have, length - have, (off_t)(extent->offset + at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return dtr_error_set(&output->result, DTR_EIO, DTR_RETRY_SAME, "cannot read the store: %s",
                                 got < 0 ? strerror(errno) : "the file is too short");
        have += (size_t)got;
    }
    return DTR_OK;
}

/* Block by block from `at` on: to the file unless it will be a link, and to the digest. */
static int copy_blocks(struct output *output, uint64_t at, struct dtr_expected *expected)
{
    uint8_t *block = malloc(BLOCK);
    const uint8_t *bytes = NULL;
    int rc = DTR_OK;
    if (!block)
        return dtr_error_set(&output->result, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a file");
    while (rc == DTR_OK && at < output->length) {
        size_t part = output->length - at < BLOCK ? (size_t)(output->length - at) : BLOCK;
        rc = cancelled(output);
        if (rc == DTR_OK)
            rc = read_block(output, at, block, part, &bytes);
        if (rc == DTR_OK && expected)
            dtr_expected_add(expected, bytes, part);
        if (rc == DTR_OK && !output->request.force_hard_link)
            rc = dtr_newfile_write(output->file, at, bytes, part, &output->result);
        at += part;
    }
    free(block);
    return rc;
}

/* Inside the kernel, which shares the bytes where it can; the rest block by block. */
static int copy_spans(struct output *output)
{
    uint64_t at = 0;
    while (output->extent.fd >= 0 && at < output->length) {
        uint64_t left = output->length - at;
        loff_t from = (loff_t)(output->extent.offset + at), to = (loff_t)at;
        if (cancelled(output) != DTR_OK)
            return DTR_ECANCELLED;
        ssize_t copied = copy_file_range(output->extent.fd, &from, dtr_newfile_fd(output->file), &to,
                                         left < SPAN ? (size_t)left : SPAN, 0);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return dtr_newfile_error(&output->result, "write", output->path, errno);
        if (copied <= 0)
            break;
        at += (uint64_t)copied;
    }
    return copy_blocks(output, at, NULL);
}

static int copy_checked(struct output *output)
{
    struct dtr_expected *expected = NULL;
    int rc = dtr_expected_new(output->digest, &expected, &output->result);
    if (rc == DTR_OK)
        rc = copy_blocks(output, 0, expected);
    if (rc == DTR_OK)
        rc = dtr_expected_end(expected, &output->result);
    dtr_expected_free(expected);
    return rc;
}

static int check_linkable(struct output *output)
{
    const struct dtr_extent *extent = &output->extent;
    struct stat st;
    if (extent->fd >= 0 && extent->offset == 0 && fstat(extent->fd, &st) == 0 &&
        (uint64_t)st.st_size == output->length)
        return DTR_OK;
    return dtr_error_set(&output->result, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                         "force_hard_link: the store has no file that could be linked");
}

/* --- on a worker thread: jobs --------------------------------------------------------------------- */

static void run_open(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    struct acting acting;
    if (act_as(&output->request.cred, &acting, &output->result) != DTR_OK)
        return;
    if (output->below)
        (void)dtr_newfile_open_below(output->below, output->path, output->request.overwrite, &output->file,
                                     &output->result);
    else
        (void)dtr_newfile_open(output->path, output->request.overwrite, &output->file, &output->result);
    act_as_self(&acting);
}

static int fill(struct output *output)
{
    int rc = DTR_OK;
    if (output->request.force_hard_link)
        rc = check_linkable(output);
    else
        rc = dtr_newfile_reserve(output->file, output->length, &output->result);
    if (rc == DTR_OK && output->digest[0])
        rc = copy_checked(output);
    else if (rc == DTR_OK && !output->request.force_hard_link)
        rc = copy_spans(output);
    return rc;
}

static void run_write(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    struct acting acting;
    if (act_as(&output->request.cred, &acting, &output->result) != DTR_OK)
        return;
    if (fill(output) == DTR_OK)
        (void)(output->request.force_hard_link
                   ? dtr_newfile_link(output->file, output->extent.fd, &output->result)
                   : dtr_newfile_commit(output->file, &output->result));
    act_as_self(&acting);
}

static void run_block(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    struct acting acting;
    int rc = cancelled(output);
    if (rc != DTR_OK || act_as(&output->request.cred, &acting, &output->result) != DTR_OK)
        return;
    if (output->offset == 0)
        rc = dtr_newfile_reserve(output->file, output->length, &output->result);
    if (rc == DTR_OK)
        (void)dtr_newfile_write(output->file, output->offset, output->extent.data,
                                (size_t)output->extent.length, &output->result);
    act_as_self(&acting);
}

static void run_name(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    struct acting acting;
    if (cancelled(output) != DTR_OK || act_as(&output->request.cred, &acting, &output->result) != DTR_OK)
        return;
    (void)dtr_newfile_commit(output->file, &output->result);
    act_as_self(&acting);
}

/* The last one: nobody waits for it. */
static void run_drop(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    struct acting acting;
    bool acts = act_as(&output->request.cred, &acting, NULL) == DTR_OK;
    dtr_newfile_drop(output->file);
    if (acts)
        act_as_self(&acting);
    free_output(output);
}

/* --- the way there and back ----------------------------------------------------------------------- */

/* Control. */
static void on_done(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    output->done(output->context, &output->result);
}

static void tell_done(struct dtr_msg *msg)
{
    struct output *output = dtr_container(msg, struct output, msg);
    output->done(output->context, &output->result);
}

/* Data thread, after the worker. */
static void release(struct dtr_msg *msg)
{
    struct output *output = dtr_container(msg, struct output, msg);
    if (output->leased)
        dtr_extent_release(&output->extent);
    output->leased = false;
    output->msg.run = tell_done;
    dtr_loop_post(output->request.control, &output->msg);
}

static void on_written(struct dtr_job *job)
{
    struct output *output = dtr_container(job, struct output, job);
    output->msg.run = release;
    dtr_loop_post(output->request.data, &output->msg);
}

/* Control: the bytes are leased. */
static void on_leased(struct dtr_msg *msg)
{
    struct output *output = dtr_container(msg, struct output, msg);
    output->job.run = run_write;
    output->job.done = on_written;
    if (!output->leased || dtr_pool_submit(output->request.pool, &output->job, &output->result) != DTR_OK)
        on_written(&output->job);
}

/* Data thread. */
static void lease(struct dtr_msg *msg)
{
    struct output *output = dtr_container(msg, struct output, msg);
    output->leased = output->length == 0 || dtr_copy_lease(output->copy, output->offset, output->length,
                                                           &output->extent, &output->result) == DTR_OK;
    output->msg.run = on_leased;
    dtr_loop_post(output->request.control, &output->msg);
}

int output_open(const struct output_request *request,
                void (*done)(void *context, const struct dtr_error *err), void *context,
                struct output **ret_output, struct dtr_error *err)
{
    struct output *output = calloc(1, sizeof(*output));
    int rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a file");
    if (!output)
        return rc;
    *output = (struct output){.request = *request, .done = done, .context = context, .extent.fd = -1};
    output->path = strdup(request->path);
    output->below = request->below ? strdup(request->below) : NULL;
    output->job = (struct dtr_job){.loop = request->control, .run = run_open, .done = on_done};
    if (output->path && (output->below || !request->below))
        rc = dtr_pool_submit(request->pool, &output->job, err);
    if (rc != DTR_OK) {
        free_output(output);
        return rc;
    }
    *ret_output = output;
    return DTR_OK;
}

void output_write(struct output *output, const struct dtr_copy *copy, uint64_t offset, uint64_t length,
                  const char *digest)
{
    (void)dtr_copy_text(output->digest, sizeof(output->digest), digest);
    output->copy = copy;
    output->offset = offset;
    output->length = length;
    output->msg.run = lease;
    dtr_loop_post(output->request.data, &output->msg);
}

/* `done` comes later, also when no worker takes it. */
static void give(struct output *output, void (*run)(struct dtr_job *job))
{
    output->job.run = run;
    output->job.done = on_done;
    output->msg.run = tell_done;
    if (dtr_pool_submit(output->request.pool, &output->job, &output->result) != DTR_OK)
        dtr_loop_post(output->request.control, &output->msg);
}

void output_block(struct output *output, uint64_t total, uint64_t at, const uint8_t *bytes, size_t length)
{
    output->length = total;
    output->offset = at;
    output->extent = (struct dtr_extent){.fd = -1, .data = bytes, .length = length};
    give(output, run_block);
}

void output_name(struct output *output)
{
    give(output, run_name);
}

void output_cancel(struct output *output)
{
    atomic_store(&output->cancelled, true);
}

void output_drop(struct output *output)
{
    if (!output)
        return;
    output->job = (struct dtr_job){.run = run_drop};
    if (dtr_pool_submit(output->request.pool, &output->job, NULL) != DTR_OK)
        run_drop(&output->job);
}
