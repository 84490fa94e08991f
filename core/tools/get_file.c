/* See get_file.h. */
#include "core/tools/get_file.h"

#include "core/base/digest.h"
#include "core/base/newfile.h"
#include "core/base/ranges.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

struct dtr_get_file {
    struct dtr_newfile *file;
    char *path;
    struct dtr_expected *expected; /* NULL: no digest */
    bool started;
    uint64_t length;
    struct dtr_ranges have;
    uint64_t digested; /* bytes from the start that `expected` has seen */
};

int dtr_get_file_open(const char *path, bool overwrite, const char *digest, struct dtr_get_file **ret_file,
                      struct dtr_error *err)
{
    struct dtr_get_file *file = calloc(1, sizeof(*file));
    int rc = DTR_OK;
    if (file)
        file->path = strdup(path);
    if (!file || !file->path)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a file");
    if (rc == DTR_OK && digest[0])
        rc = dtr_expected_new(digest, &file->expected, err);
    if (rc == DTR_OK)
        rc = dtr_newfile_open(path, overwrite, &file->file, err);
    if (rc != DTR_OK) {
        dtr_get_file_close(file);
        return rc;
    }
    *ret_file = file;
    return DTR_OK;
}

int dtr_get_file_start(struct dtr_get_file *file, uint64_t length, struct dtr_error *err)
{
    if (file->started && file->length != length)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the daemon names two lengths: %llu and %llu bytes",
                             (unsigned long long)file->length, (unsigned long long)length);
    if (file->started)
        return DTR_OK;
    file->started = true;
    file->length = length;
    return dtr_newfile_reserve(file->file, length, err);
}

/* --- the digest, in the order of the bytes -------------------------------------------------------- */

static int digest_stored(struct dtr_get_file *file, uint64_t until, struct dtr_error *err)
{
    uint8_t *block = malloc(BLOCK);
    int rc = block ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a digest");
    while (rc == DTR_OK && file->digested < until) {
        size_t part = until - file->digested < BLOCK ? (size_t)(until - file->digested) : BLOCK;
        ssize_t got = pread(dtr_newfile_fd(file->file), block, part, (off_t)file->digested);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            rc = dtr_newfile_error(err, "read back", file->path, got < 0 ? errno : EIO);
            continue;
        }
        dtr_expected_add(file->expected, block, (size_t)got);
        file->digested += (uint64_t)got;
    }
    free(block);
    return rc;
}

/* The new bytes as they are, when they are next; what came before its turn is read back when that comes. */
static int digest(struct dtr_get_file *file, uint64_t offset, const uint8_t *bytes, size_t length,
                  struct dtr_error *err)
{
    if (!file->expected)
        return DTR_OK;
    if (offset == file->digested) {
        dtr_expected_add(file->expected, bytes, length);
        file->digested += length;
    }
    uint64_t until = dtr_ranges_run(&file->have, file->digested);
    return until > file->digested ? digest_stored(file, until, err) : DTR_OK;
}

/* --- pieces --------------------------------------------------------------------------------------- */

static int check(const struct dtr_get_file *file, uint64_t offset, const uint8_t *bytes, size_t length,
                 const char *crc32, struct dtr_error *err)
{
    uint32_t said;
    if (!file->started || offset > file->length || length > file->length - offset)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "the daemon sent bytes %llu to %llu of an object of %llu",
                             (unsigned long long)offset, (unsigned long long)(offset + length),
                             (unsigned long long)file->length);
    if (dtr_crc32_parse(crc32, strlen(crc32), &said) && said != dtr_crc32(0, bytes, length))
        return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                             "the bytes from %llu on are damaged: their checksum does not hold",
                             (unsigned long long)offset);
    return DTR_OK;
}

int dtr_get_file_piece(struct dtr_get_file *file, uint64_t offset, const uint8_t *bytes, size_t length,
                       const char *crc32, struct dtr_error *err)
{
    int rc = check(file, offset, bytes, length, crc32, err);
    if (rc == DTR_OK && dtr_ranges_has(&file->have, offset, offset + length))
        return DTR_OK; /* again */
    if (rc == DTR_OK)
        rc = dtr_newfile_write(file->file, offset, bytes, length, err);
    if (rc == DTR_OK && !dtr_ranges_add(&file->have, offset, offset + length))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a file");
    return rc == DTR_OK ? digest(file, offset, bytes, length, err) : rc;
}

int dtr_get_file_finish(struct dtr_get_file *file, struct dtr_error *err)
{
    if (!file->started || !dtr_ranges_has(&file->have, 0, file->length))
        return dtr_error_set(
            err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "the daemon said it was done after %llu of %llu bytes",
            (unsigned long long)dtr_ranges_total(&file->have), (unsigned long long)file->length);
    int rc = file->expected ? dtr_expected_end(file->expected, err) : DTR_OK;
    return rc == DTR_OK ? dtr_newfile_commit(file->file, err) : rc;
}

void dtr_get_file_close(struct dtr_get_file *file)
{
    if (!file)
        return;
    dtr_newfile_drop(file->file);
    dtr_expected_free(file->expected);
    dtr_ranges_free(&file->have);
    free(file->path);
    free(file);
}
