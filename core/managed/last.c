/* The last answer on disk; see last.h.
 *
 * A file is one line, "darter manager 1 CRC LENGTH\n" in decimal, and then the bytes. */
#include "core/managed/last.h"

#include "core/base/digest.h"
#include "core/base/newfile.h"
#include "core/base/str.h"
#include "core/loop/errand.h"
#include "core/obs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_size_t writes; /* dtr_last_writes() */

enum { HEAD_MOST = 64, PATH_MOST = 512 };

/* --- reading ------------------------------------------------------------------------------------------- */

static int join(const char *folder, const char *name, char path[PATH_MOST], struct dtr_error *err)
{
    int length = snprintf(path, PATH_MOST, "%s/%s", folder, name);
    if (length > 0 && length < PATH_MOST)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "server.cacheDir is too long a path");
}

static int read_file(const char *path, struct dtr_str *ret_text, struct dtr_error *err)
{
    char block[4096];
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "%.200s is not there", path);
    ret_text->limit = DTR_LAST_MOST + HEAD_MOST;
    while (fd >= 0 && dtr_str_ok(ret_text) && (got = read(fd, block, sizeof(block))) > 0)
        dtr_str_add(ret_text, block, (size_t)got);
    int number = errno;
    if (fd >= 0)
        (void)close(fd);
    if (got < 0)
        return dtr_newfile_error(err, "cannot read", path, number);
    return dtr_str_ok(ret_text) ? DTR_OK
                                : dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER,
                                                "%.200s is larger than an answer that is kept", path);
}

/* The bytes behind the head, if they are whole. */
static bool is_whole(const struct dtr_str *text, size_t *ret_head)
{
    uint32_t crc = 0;
    size_t length = 0;
    int head = 0;
    if (text->length == 0 ||
        sscanf(text->text, "darter manager 1 %" SCNu32 " %zu%n", &crc, &length, &head) != 2 || head == 0)
        return false;
    *ret_head = (size_t)head + 1;
    return (size_t)head < text->length && text->text[head] == '\n' && text->length - *ret_head == length &&
           dtr_crc32(0, text->text + *ret_head, length) == crc;
}

int dtr_last_read(const char *folder, const char *name, uint8_t **ret_bytes, size_t *ret_length,
                  struct dtr_error *err)
{
    char path[PATH_MOST];
    struct dtr_str text = {0};
    size_t head = 0;
    int rc = join(folder, name, path, err);
    if (rc == DTR_OK)
        rc = read_file(path, &text, err);
    if (rc == DTR_OK && !is_whole(&text, &head))
        rc = dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                           "%.200s is damaged, or no manager's answer; remove it", path);
    if (rc == DTR_OK) {
        dtr_str_skip(&text, head);
        *ret_length = text.length;
        *ret_bytes = (uint8_t *)dtr_str_take(&text);
        if (!*ret_bytes)
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a manager's answer");
    }
    dtr_str_free(&text);
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------- */

struct dtr_last {
    struct dtr_loop *loop;
    char path[PATH_MOST];
    struct dtr_str kept; /* what the file should hold, head included */
    bool behind;         /* it may not hold that yet */
    struct writing *writing;
    char said[256];
};

/* The errand's own while it is under way. */
struct writing {
    struct dtr_errand errand;
    struct dtr_last *last; /* for the loop */
    char path[PATH_MOST];
    struct dtr_str text;
    struct dtr_error err; /* code 0: it is done */
};

static void writing_free(struct writing *writing)
{
    dtr_str_free(&writing->text);
    free(writing);
}

static void drop(struct dtr_errand *errand)
{
    writing_free(dtr_container(errand, struct writing, errand));
}

/* Those above the file; what fails here shows when the file is made. */
static void make_folders(const char *path)
{
    char folder[PATH_MOST];
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        (void)mkdir(folder, 0755);
    }
}

/* On the errand's thread. On disk before it has its name: after a power loss there is the old one or the new
 * one. */
static void run(struct dtr_errand *errand)
{
    struct writing *writing = dtr_container(errand, struct writing, errand);
    struct dtr_newfile *file = NULL;
    struct dtr_error *err = &writing->err;
    make_folders(writing->path);
    int rc = dtr_newfile_open(writing->path, true, &file, err);
    if (rc == DTR_OK)
        rc = dtr_newfile_write(file, 0, writing->text.text, writing->text.length, err);
    if (rc == DTR_OK && fdatasync(dtr_newfile_fd(file)) != 0)
        rc = dtr_newfile_error(err, "cannot write", writing->path, errno);
    if (rc == DTR_OK)
        rc = dtr_newfile_commit(file, err);
    dtr_newfile_drop(file);
    err->code = rc;
    atomic_fetch_sub(&writes, 1);
}

static void write_soon(struct dtr_last *last);

static void say(struct dtr_last *last, const struct dtr_error *err)
{
    const char *text = err->code == DTR_OK ? "" : err->text;
    if (*text && strcmp(last->said, text) != 0)
        dtr_log(DTR_LOG_WARN, NULL, "the manager's last answer is not kept for a restart: %s", text);
    (void)dtr_copy_text(last->said, sizeof(last->said), text);
}

static void done(struct dtr_errand *errand)
{
    struct writing *writing = dtr_container(errand, struct writing, errand);
    struct dtr_last *last = writing->last;
    last->writing = NULL;
    say(last, &writing->err);
    writing_free(writing);
    if (last->behind)
        write_soon(last);
}

static int begin(struct dtr_last *last, struct dtr_error *err)
{
    struct writing *writing = calloc(1, sizeof(*writing));
    if (!writing)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    writing->errand = (struct dtr_errand){.run = run, .done = done, .drop = drop};
    writing->last = last;
    memcpy(writing->path, last->path, sizeof(writing->path));
    dtr_str_add(&writing->text, last->kept.text, last->kept.length);
    atomic_fetch_add(&writes, 1);
    int rc = dtr_str_ok(&writing->text) ? dtr_errand_start(&writing->errand, last->loop, err)
                                        : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    if (rc == DTR_OK) {
        last->writing = writing;
    } else {
        atomic_fetch_sub(&writes, 1);
        writing_free(writing);
    }
    return rc;
}

static void write_soon(struct dtr_last *last)
{
    struct dtr_error err = {0};
    last->behind = false;
    if (begin(last, &err) != DTR_OK)
        say(last, &err);
}

int dtr_last_open(struct dtr_loop *loop, const char *folder, const char *name, struct dtr_last **ret_last,
                  struct dtr_error *err)
{
    struct dtr_last *last = calloc(1, sizeof(*last));
    if (!last)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager's last answer");
    last->loop = loop;
    int rc = join(folder, name, last->path, err);
    if (rc == DTR_OK)
        *ret_last = last;
    else
        free(last);
    return rc;
}

void dtr_last_keep(struct dtr_last *last, const void *bytes, size_t length)
{
    struct dtr_str text = {.limit = DTR_LAST_MOST + HEAD_MOST};
    dtr_str_printf(&text, "darter manager 1 %" PRIu32 " %zu\n", dtr_crc32(0, bytes, length), length);
    dtr_str_add(&text, bytes, length);
    bool same = text.length == last->kept.length && last->kept.length > 0 &&
                memcmp(text.text, last->kept.text, text.length) == 0;
    /* One that could not be written is tried again. */
    if (!dtr_str_ok(&text) || (same && !last->said[0])) {
        dtr_str_free(&text);
        return;
    }
    dtr_str_free(&last->kept);
    last->kept = text;
    last->behind = true;
    if (!last->writing)
        write_soon(last);
}

void dtr_last_close(struct dtr_last *last)
{
    if (!last)
        return;
    if (last->writing)
        dtr_errand_abandon(&last->writing->errand);
    dtr_str_free(&last->kept);
    free(last);
}

size_t dtr_last_writes(void)
{
    return atomic_load(&writes);
}
