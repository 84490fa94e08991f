/* The index of one task as a file, opened and written; the format is described in index.h. */
#include "index_format.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int index_fail(struct dtr_error *err, const char *what)
{
    int number = errno;
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    int code = full ? DTR_ENO_SPACE : number == ENOMEM ? DTR_ENOMEM : DTR_EIO;
    return dtr_error_set(err, code, DTR_RETRY_SAME, "%s: %s", what, strerror(number));
}

int index_write(int fd, uint64_t offset, const void *bytes, size_t length, struct dtr_error *err)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        ssize_t done = pwrite(fd, at, length, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO;
        if (done <= 0)
            return index_fail(err, "write");
        at += done;
        offset += (uint64_t)done;
        length -= (size_t)done;
    }
    return DTR_OK;
}

int index_boot(uint64_t *ret_boot, struct dtr_error *err)
{
    char id[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, id, sizeof(id));
    int status = length <= 0 ? index_fail(err, "/proc/sys/kernel/random/boot_id") : DTR_OK;
    if (fd >= 0)
        close(fd);
    if (status != DTR_OK)
        return status;
    *ret_boot =
        (uint64_t)libdeflate_crc32(0, id, (size_t)length) << 32 | libdeflate_adler32(1, id, (size_t)length);
    return DTR_OK;
}

uint32_t unit_crc(const struct unit *unit)
{
    return libdeflate_crc32(0, &unit->kind, INDEX_UNIT - sizeof(unit->crc));
}

size_t padded(size_t size)
{
    return (size + INDEX_UNIT - 1) / INDEX_UNIT * INDEX_UNIT;
}

int index_damaged(struct dtr_error *err, const char *what, size_t at)
{
    return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "damaged index: %s at byte %zu", what, at);
}

/* --- opening ---------------------------------------------------------------------------------------- */

/* The whole file in memory (free()), with its size. */
static int slurp(int fd, uint8_t **ret_bytes, size_t *ret_size, struct dtr_error *err)
{
    struct stat st;
    uint8_t *bytes;
    size_t size, have = 0;

    if (fstat(fd, &st) != 0)
        return index_fail(err, "index");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > INDEX_MOST)
        return index_damaged(err, "not a plain file of sane size", 0);
    size = (size_t)st.st_size;
    bytes = malloc(size + 1);
    if (!bytes)
        return index_fail(err, "index");
    while (have < size) {
        ssize_t got = pread(fd, bytes + have, size - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(bytes);
            return got == 0 ? index_damaged(err, "shrinking", have) : index_fail(err, "index");
        }
        have += (size_t)got;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return DTR_OK;
}

int index_open(int dir, const char *path, uint64_t boot, struct index *index, struct index_content *content,
               struct dtr_error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int status;

    *index = (struct index){.fd = openat(dir, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    if (index->fd < 0 && errno == ENOENT)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "%s: not there", path);
    if (index->fd < 0)
        return index_fail(err, path);
    if (flock(index->fd, LOCK_EX | LOCK_NB) != 0)
        status = dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "%s: the task is open already", path);
    else
        status = slurp(index->fd, &bytes, &size, err);
    if (status == DTR_OK)
        status = index_parse(bytes, size, boot, index, content, err);
    if (status == DTR_OK && index->end < size && ftruncate(index->fd, (off_t)index->end) != 0) {
        status = index_fail(err, path);
        if (content)
            free(content->pieces);
    }
    free(bytes);
    if (status != DTR_OK)
        index_close(index);
    return status;
}

/* --- writing ----------------------------------------------------------------------------------------- */

/* Adds to the log; a failure leaves it as it was. */
static int append(struct index *index, const void *bytes, size_t size, struct dtr_error *err)
{
    int status = index_write(index->fd, index->end, bytes, size, err);
    if (status == DTR_OK)
        index->end += size;
    else
        (void)!ftruncate(index->fd, (off_t)index->end); /* when even that fails, the next start sees damage */
    return status;
}

static int write_numbers(struct index *index, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    struct unit unit = {.kind = UNIT_NUMBERS};
    uint64_t sequence = index->sequence + 1;
    int status;

    unit.numbers.sequence = sequence;
    unit.numbers.content_length = facts->content_length;
    unit.numbers.piece_length = facts->piece_length;
    unit.numbers.created_at = facts->created_at;
    unit.numbers.finished_at = facts->finished_at;
    unit.numbers.used_at = facts->used_at;
    unit.crc = unit_crc(&unit);
    status = index_write(index->fd, (1 + sequence % 2) * INDEX_UNIT, &unit, sizeof(unit), err);
    if (status == DTR_OK)
        index->sequence = sequence;
    return status;
}

/* Appends the strings unless they are the ones in force. */
static int write_text(struct index *index, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    const char *text[TEXT_COUNT] = {facts->task_id, facts->url, facts->digest,
                                    facts->headers, facts->tag, facts->application};
    struct unit unit = {.kind = UNIT_TEXT};
    size_t size = 0;
    char *record, *at;
    int status;

    for (int i = 0; i < TEXT_COUNT; i++)
        size += strlen(text[i] ? text[i] : "") + 1;
    if (size > INDEX_TEXT_MOST)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "facts of the task: %zu bytes, at most %zu",
                             size, INDEX_TEXT_MOST);
    record = calloc(1, INDEX_UNIT + padded(size));
    if (!record)
        return index_fail(err, "index");
    at = record + INDEX_UNIT;
    for (int i = 0; i < TEXT_COUNT; i++)
        at = stpcpy(at, text[i] ? text[i] : "") + 1;
    if (size == index->text_size && memcmp(record + INDEX_UNIT, index->text, size) == 0) {
        free(record);
        return DTR_OK;
    }
    unit.text.size = size;
    unit.text.crc = libdeflate_crc32(0, record + INDEX_UNIT, size);
    unit.crc = unit_crc(&unit);
    memcpy(record, &unit, sizeof(unit));
    status = append(index, record, INDEX_UNIT + padded(size), err);
    if (status == DTR_OK) {
        memmove(record, record + INDEX_UNIT, size);
        free(index->text);
        index->text = record;
        index->text_size = size;
    } else {
        free(record);
    }
    return status;
}

int index_facts(struct index *index, const struct dtr_task_facts *facts, struct dtr_error *err)
{
    int status = write_text(index, facts, err);
    return status == DTR_OK ? write_numbers(index, facts, err) : status;
}

int index_create(int dir, const char *path, const struct dtr_task_facts *facts, struct index *index,
                 struct dtr_error *err)
{
    struct unit units[FIRST_RECORD / INDEX_UNIT] = {{.kind = UNIT_HEAD}};
    int status;

    *index = (struct index){.end = FIRST_RECORD};
    index->fd = openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (index->fd < 0)
        return index_fail(err, path);
    memcpy(units[0].head.magic, INDEX_MAGIC, sizeof(units[0].head.magic));
    units[0].head.version = INDEX_VERSION;
    units[0].crc = unit_crc(&units[0]);
    if (flock(index->fd, LOCK_EX | LOCK_NB) != 0)
        status = index_fail(err, path);
    else
        status = index_write(index->fd, 0, units, sizeof(units), err);
    if (status == DTR_OK)
        status = index_facts(index, facts, err);
    if (status != DTR_OK) {
        index_close(index);
        (void)unlinkat(dir, path, 0);
    }
    return status;
}

void index_close(struct index *index)
{
    if (index->fd >= 0)
        close(index->fd);
    free(index->text);
    *index = (struct index){.fd = -1};
}

int index_mark(struct index *index, const struct dtr_piece *piece, uint64_t boot, struct dtr_error *err)
{
    struct unit unit = {.kind = UNIT_PIECE};
    unit.piece.offset = piece->offset;
    unit.piece.length = piece->length;
    unit.piece.cost_ns = piece->cost_ns;
    unit.piece.boot = boot;
    unit.piece.created_at = piece->created_at;
    unit.piece.number = piece->number;
    unit.piece.crc32 = piece->crc32;
    unit.piece.has_crc32 = piece->has_crc32;
    unit.piece.traffic = piece->traffic;
    unit.crc = unit_crc(&unit);
    return append(index, &unit, sizeof(unit), err);
}

int index_withdraw(struct index *index, uint32_t first, uint32_t count, struct dtr_error *err)
{
    struct unit unit = {.kind = UNIT_WITHDRAW};
    unit.withdraw.first = first;
    unit.withdraw.count = count;
    unit.crc = unit_crc(&unit);
    return append(index, &unit, sizeof(unit), err);
}
