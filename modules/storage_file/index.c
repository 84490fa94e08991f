/* Reading and writing the index of one task; the format is described in index.h. */
#include "index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNIT_HEAD = 1, UNIT_NUMBERS, UNIT_TEXT, UNIT_PIECE, UNIT_WITHDRAW };
enum { FIRST_RECORD = 3 * INDEX_UNIT, VERSION = 1, TEXT_COUNT = 6 };

static const char MAGIC[8] = "DTRINDEX";

struct unit {
    uint32_t crc; /* of the 60 bytes that follow */
    uint32_t kind;
    union {
        struct {
            char magic[8];
            uint32_t version;
        } head;
        struct {
            uint64_t sequence, content_length, piece_length;
            int64_t created_at, finished_at, used_at;
        } numbers;
        struct {
            uint64_t size; /* bytes of the strings, without padding */
            uint32_t crc;
        } text;
        struct {
            uint64_t offset, length, cost_ns, boot;
            int64_t created_at;
            uint32_t number, crc32;
            uint8_t has_crc32, traffic;
        } piece;
        struct {
            uint32_t first, count;
        } withdraw;
    };
};
static_assert(sizeof(struct unit) == INDEX_UNIT, "the format on disk");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format on disk");

/* What parsing gathers; a piece needs its place in the log and its boot until the end. */
struct found {
    struct dtr_piece piece;
    size_t at;
    bool same_boot;
};

struct parse {
    const uint8_t *bytes;
    size_t size, at;
    uint64_t boot;
    const char *text;
    size_t text_size;
    struct found *found;
    uint32_t count, capacity;
};

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

static uint32_t unit_crc(const struct unit *unit)
{
    return libdeflate_crc32(0, &unit->kind, INDEX_UNIT - sizeof(unit->crc));
}

static size_t padded(size_t size)
{
    return (size + INDEX_UNIT - 1) / INDEX_UNIT * INDEX_UNIT;
}

static int damaged(struct dtr_error *err, const char *what, size_t at)
{
    return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "damaged index: %s at byte %zu", what, at);
}

/* --- reading ----------------------------------------------------------------------------------------- */

static bool unit_at(const uint8_t *bytes, size_t at, uint32_t kind, struct unit *unit)
{
    memcpy(unit, bytes + at, sizeof(*unit));
    return unit->kind == kind && unit->crc == unit_crc(unit);
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static int add_piece(struct parse *parse, const struct unit *unit, struct dtr_error *err)
{
    if (unit->piece.length > UINT64_MAX - unit->piece.offset)
        return damaged(err, "piece out of range", parse->at);
    if (parse->count == parse->capacity) {
        uint32_t capacity = parse->capacity ? parse->capacity * 2 : 64;
        struct found *list = realloc(parse->found, capacity * sizeof(*list));
        if (!list)
            return index_fail(err, "index");
        parse->found = list;
        parse->capacity = capacity;
    }
    parse->found[parse->count] = (struct found){
        .piece = {.number = unit->piece.number,
                  .crc32 = unit->piece.crc32,
                  .offset = unit->piece.offset,
                  .length = unit->piece.length,
                  .has_crc32 = unit->piece.has_crc32 != 0,
                  .traffic = unit->piece.traffic,
                  .cost_ns = unit->piece.cost_ns,
                  .created_at = unit->piece.created_at},
        .at = parse->at,
        .same_boot = unit->piece.boot == parse->boot,
    };
    parse->count++;
    return DTR_OK;
}

static void drop_pieces(struct parse *parse, uint32_t first, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < parse->count; i++) {
        uint32_t number = parse->found[i].piece.number;
        if (number < first || number - first >= count)
            parse->found[kept++] = parse->found[i];
    }
    parse->count = kept;
}

/* Takes the strings of a text record. *ret_half: the file ends inside them. */
static int take_text(struct parse *parse, const struct unit *unit, bool *ret_half, struct dtr_error *err)
{
    size_t left = parse->size - parse->at - INDEX_UNIT;
    const char *text = (const char *)parse->bytes + parse->at + INDEX_UNIT;
    size_t size = unit->text.size;
    uint32_t strings = 0;

    if (unit->text.size > INDEX_TEXT_MOST)
        return damaged(err, "text too long", parse->at);
    *ret_half = padded(size) > left;
    if (*ret_half)
        return DTR_OK;
    for (size_t i = 0; i < size; i++)
        strings += text[i] == 0;
    if (size == 0 || text[size - 1] != 0 || strings != TEXT_COUNT ||
        libdeflate_crc32(0, text, size) != unit->text.crc ||
        !all_zero((const uint8_t *)text + size, padded(size) - size))
        return damaged(err, "text", parse->at);
    parse->text = text;
    parse->text_size = size;
    parse->at += padded(size);
    return DTR_OK;
}

static int parse_log(struct parse *parse, struct dtr_error *err)
{
    int status = DTR_OK;
    for (parse->at = FIRST_RECORD; parse->size - parse->at >= INDEX_UNIT; parse->at += INDEX_UNIT) {
        struct unit unit;
        bool half = false;
        memcpy(&unit, parse->bytes + parse->at, sizeof(unit));
        if (unit.kind == 0 && all_zero(parse->bytes + parse->at, parse->size - parse->at))
            return DTR_OK;
        if (unit.crc != unit_crc(&unit))
            return damaged(err, "record", parse->at);
        if (unit.kind == UNIT_PIECE)
            status = add_piece(parse, &unit, err);
        else if (unit.kind == UNIT_WITHDRAW)
            drop_pieces(parse, unit.withdraw.first, unit.withdraw.count);
        else if (unit.kind == UNIT_TEXT)
            status = take_text(parse, &unit, &half, err);
        else
            status = damaged(err, "unknown record", parse->at);
        if (status != DTR_OK || half)
            return status;
    }
    return DTR_OK;
}

static int by_number(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->piece.number != b->piece.number)
        return a->piece.number < b->piece.number ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static int give_pieces(struct parse *parse, struct index_content *content, struct dtr_error *err)
{
    content->checked = true;
    content->count = 0;
    content->pieces = NULL;
    if (parse->count == 0)
        return DTR_OK;
    content->pieces = calloc(parse->count, sizeof(*content->pieces));
    if (!content->pieces)
        return index_fail(err, "index");
    qsort(parse->found, parse->count, sizeof(*parse->found), by_number);
    for (uint32_t i = 0; i < parse->count; i++) {
        const struct found *found = &parse->found[i];
        if (i + 1 < parse->count && found[1].piece.number == found->piece.number)
            continue;
        content->pieces[content->count++] = found->piece;
        content->checked = content->checked && found->same_boot;
    }
    return DTR_OK;
}

static void give_facts(const struct index *index, const struct unit *numbers, struct dtr_task_facts *facts)
{
    const char *text[TEXT_COUNT];
    const char *at = index->text;
    for (int i = 0; i < TEXT_COUNT; i++, at += strlen(at) + 1)
        text[i] = at;
    *facts = (struct dtr_task_facts){
        .task_id = text[0],
        .url = text[1],
        .digest = text[2],
        .headers = text[3],
        .tag = text[4],
        .application = text[5],
        .content_length = numbers->numbers.content_length,
        .piece_length = numbers->numbers.piece_length,
        .created_at = numbers->numbers.created_at,
        .finished_at = numbers->numbers.finished_at,
        .used_at = numbers->numbers.used_at,
    };
}

/* The numbers in force: of two valid units the later one. */
static bool pick_numbers(const uint8_t *bytes, struct unit *numbers)
{
    struct unit other;
    bool first = unit_at(bytes, INDEX_UNIT, UNIT_NUMBERS, numbers);
    bool second = unit_at(bytes, 2 * INDEX_UNIT, UNIT_NUMBERS, &other);
    if (second && (!first || other.numbers.sequence > numbers->numbers.sequence))
        *numbers = other;
    return first || second;
}

int index_parse(const uint8_t *bytes, size_t size, uint64_t boot, struct index *index,
                struct index_content *content, struct dtr_error *err)
{
    struct parse parse = {.bytes = bytes, .size = size, .boot = boot};
    struct unit head, numbers;
    int status;

    if (size < FIRST_RECORD || !unit_at(bytes, 0, UNIT_HEAD, &head))
        return damaged(err, "head", 0);
    if (memcmp(head.head.magic, MAGIC, sizeof(MAGIC)) != 0 || head.head.version != VERSION)
        return damaged(err, "version", 0);
    if (!pick_numbers(bytes, &numbers))
        return damaged(err, "numbers", INDEX_UNIT);
    status = parse_log(&parse, err);
    if (status == DTR_OK && !parse.text)
        status = damaged(err, "no text", FIRST_RECORD);
    if (status == DTR_OK && content)
        status = give_pieces(&parse, content, err);
    free(parse.found);
    if (status != DTR_OK)
        return status;

    index->text = malloc(parse.text_size);
    if (!index->text) {
        if (content)
            free(content->pieces);
        return index_fail(err, "index");
    }
    memcpy(index->text, parse.text, parse.text_size);
    index->text_size = parse.text_size;
    index->sequence = numbers.numbers.sequence;
    index->end = parse.at;
    if (content)
        give_facts(index, &numbers, &content->facts);
    return DTR_OK;
}

/* The whole file in memory (free()), with its size. */
static int slurp(int fd, uint8_t **ret_bytes, size_t *ret_size, struct dtr_error *err)
{
    struct stat st;
    uint8_t *bytes;
    size_t size, have = 0;

    if (fstat(fd, &st) != 0)
        return index_fail(err, "index");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > INDEX_MOST)
        return damaged(err, "not a plain file of sane size", 0);
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
            return got == 0 ? damaged(err, "shrinking", have) : index_fail(err, "index");
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
    memcpy(units[0].head.magic, MAGIC, sizeof(MAGIC));
    units[0].head.version = VERSION;
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
