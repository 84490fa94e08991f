/* Conformance of a storage module with darter/storage.h:
 *
 *     storage_conformance [--volatile] [--seed N] [--rounds N] [-v] MODULE.so [option=value ...]
 *
 * --volatile is for stores that forget everything when they stop. The command line: conformance.h.
 *
 * Not for speed: that is the benchmark's. */
#include "storage_conformance.h"

#include <pthread.h>
#include <unistd.h>

enum { PIECE = 64 << 10 };

/* --- what is stored ---------------------------------------------------------------------------------- */

struct dtr_task_facts facts_of(unsigned number, char id[DTR_TASK_ID_LENGTH + 1])
{
    uint64_t state = number;
    for (int i = 0; i < DTR_TASK_ID_LENGTH; i += 16)
        (void)snprintf(id + i, 17, "%016llx", (unsigned long long)next_random(&state));
    return (struct dtr_task_facts){.task_id = id,
                                   .url = "http://origin.example/blob",
                                   .digest = "",
                                   .headers = "Content-Type: text/plain\n",
                                   .tag = "tag",
                                   .application = "app",
                                   .content_length = DTR_LENGTH_UNKNOWN,
                                   .piece_length = PIECE,
                                   .created_at = 1700000000,
                                   .used_at = 1700000000};
}

struct dtr_piece piece_of(uint32_t number, uint64_t length)
{
    return (struct dtr_piece){.number = number,
                              .crc32 = number * 2654435761u,
                              .has_crc32 = true,
                              .offset = number * length,
                              .length = length,
                              .traffic = DTR_TRAFFIC_REMOTE_PEER,
                              .cost_ns = 1000 + number,
                              .created_at = 1700000001};
}

void fill(unsigned task, uint64_t offset, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint64_t x = (offset + i) * 0x9E3779B97F4A7C15u + task * 0xD1B54A32D192ED03u;
        bytes[i] = (uint8_t)(x >> 56 ^ x >> 24);
    }
}

static bool holds(unsigned task, uint64_t offset, const uint8_t *bytes, size_t length)
{
    uint8_t *expected = malloc(length);
    bool same = false;
    if (expected) {
        fill(task, offset, expected, length);
        same = memcmp(bytes, expected, length) == 0;
    }
    free(expected);
    return same;
}

/* Writes and marks one piece of test task `task`. */
static int put_piece(struct bench *bench, struct dtr_stored *stored, unsigned task, uint32_t number,
                     struct dtr_error *err)
{
    static uint8_t bytes[PIECE];
    struct dtr_piece piece = piece_of(number, PIECE);
    int status;
    fill(task, piece.offset, bytes, sizeof(bytes));
    status = bench->ops->write(stored, piece.offset, bytes, sizeof(bytes), err);
    return status == DTR_OK ? bench->ops->mark(stored, &piece, err) : status;
}

/* Whether a lease over a range holds the task's bytes; releases it. */
static bool extent_holds(struct dtr_extent *extent, unsigned task, uint64_t offset, size_t length)
{
    uint8_t *bytes = malloc(length);
    bool good = bytes != NULL && extent->length == length;
    if (good && extent->fd >= 0)
        good = pread(extent->fd, bytes, length, (off_t)extent->offset) == (ssize_t)length;
    else if (good)
        memcpy(bytes, extent->data + extent->offset, length);
    good = good && holds(task, offset, bytes, length);
    free(bytes);
    dtr_extent_release(extent);
    return good;
}

/* --- what scan() reported ---------------------------------------------------------------------------- */

struct seen {
    uint32_t tasks;
    char id[DTR_TASK_ID_LENGTH + 1]; /* of the last task */
    struct dtr_task_facts numbers;   /* of the last task; its strings are gone */
    char text[512];                  /* its strings, joined by '|' */
    struct dtr_piece pieces[64];
    uint32_t count;
    bool checked;
};

static void see(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                uint32_t count, bool checked)
{
    struct seen *seen = context;
    seen->tasks++;
    (void)snprintf(seen->id, sizeof(seen->id), "%s", facts->task_id);
    seen->numbers = *facts;
    (void)snprintf(seen->text, sizeof(seen->text), "%s|%s|%s|%s|%s", facts->url, facts->digest,
                   facts->headers, facts->tag, facts->application);
    seen->count = count;
    for (uint32_t i = 0; i < count && i < 64; i++)
        seen->pieces[i] = pieces[i];
    seen->checked = checked;
}

static int scan(struct bench *bench, struct seen *seen, struct dtr_error *err)
{
    struct dtr_scan_sink sink = {.task = see, .context = seen};
    *seen = (struct seen){0};
    return bench->ops->scan(bench->started.instance, &sink, err);
}

/* Stops the store, starts it again on the same settings, and scans. */
static int restart(struct bench *bench, struct seen *seen, struct dtr_error *err)
{
    int status;
    bench_stop(bench);
    status = bench_start(bench, err);
    return status == DTR_OK ? scan(bench, seen, err) : status;
}

/* --- cases ------------------------------------------------------------------------------------------- */

static void case_empty(struct bench *bench)
{
    struct dtr_error err = {0};
    struct seen seen;
    uint64_t total = 0, used = 1;
    char id[DTR_TASK_ID_LENGTH + 1];

    CHECK_OK(bench, scan(bench, &seen, &err), err);
    CHECK(bench, seen.tasks == 0, "an empty store reports %u tasks", seen.tasks);
    CHECK_OK(bench, bench->ops->usage(bench->started.instance, &total, &used, &err), err);
    CHECK(bench, used <= total, "used %llu of %llu bytes", (unsigned long long)used,
          (unsigned long long)total);
    (void)facts_of(1, id);
    CHECK(bench, bench->ops->evict(bench->started.instance, id, &err) == DTR_ENOT_FOUND,
          "evicting an unknown task is not DTR_ENOT_FOUND");
}

static void case_bytes(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    struct dtr_extent extent;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(1, id);
    static uint8_t bytes[3 * PIECE];

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    for (uint32_t number = 3; number-- > 0;)
        CHECK_OK(bench, put_piece(bench, stored, 1, number, &err), err);
    CHECK_OK(bench, bench->ops->read(stored, 0, bytes, sizeof(bytes), &err), err);
    CHECK(bench, holds(1, 0, bytes, sizeof(bytes)), "read() gives other bytes than were written");
    CHECK_OK(bench, bench->ops->lease(stored, PIECE - 7, PIECE + 9, &extent, &err), err);
    CHECK(bench, extent_holds(&extent, 1, PIECE - 7, PIECE + 9), "a lease across pieces has other bytes");
    CHECK(bench, bench->ops->read(stored, 3 * PIECE - 1, bytes, 2, &err) != DTR_OK,
          "reading past what was written succeeds");
    bench->ops->close(stored);

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    CHECK_OK(bench, bench->ops->read(stored, 5, bytes, PIECE, &err), err);
    CHECK(bench, holds(1, 5, bytes, PIECE), "the bytes are gone after close and open");
    bench->ops->close(stored);
}

static void case_refusals(struct bench *bench)
{
    static const char *const bad[] = {"", "short",
                                      "../../../../../../../../../../../../../../../../../../etc/passwd",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct dtr_error err = {0};
    struct dtr_stored *stored, *other;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(1, id);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        facts.task_id = bad[i];
        CHECK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err) == DTR_EINVALID,
              "task id \"%s\" is not refused", bad[i]);
        CHECK(bench, bench->ops->evict(bench->started.instance, bad[i], &err) < 0,
              "evicting \"%s\" is not refused", bad[i]);
    }
    facts.task_id = id;
    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    CHECK(bench, bench->ops->open(bench->started.instance, &facts, &other, &err) == DTR_EEXISTS,
          "a second handle on an open task is not DTR_EEXISTS");
    bench->ops->close(stored);
}

static void case_evict(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    struct dtr_extent before, after;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(2, id);
    uint8_t byte;

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    CHECK_OK(bench, put_piece(bench, stored, 2, 0, &err), err);
    CHECK_OK(bench, bench->ops->lease(stored, 0, PIECE, &before, &err), err);
    CHECK_OK(bench, bench->ops->lease(stored, 9, PIECE - 9, &after, &err), err);
    bench->ops->close(stored);
    CHECK(bench, extent_holds(&before, 2, 0, PIECE), "a lease does not outlive its handle");
    CHECK_OK(bench, bench->ops->evict(bench->started.instance, id, &err), err);
    CHECK(bench, extent_holds(&after, 2, 9, PIECE - 9), "a lease does not outlive eviction");
    CHECK(bench, bench->ops->evict(bench->started.instance, id, &err) == DTR_ENOT_FOUND,
          "evicting twice is not DTR_ENOT_FOUND");

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    CHECK(bench, bench->ops->read(stored, 0, &byte, 1, &err) != DTR_OK, "evicted bytes can be read");
    bench->ops->close(stored);
}

struct reader {
    struct bench *bench;
    struct dtr_stored *stored;
    uint64_t seed;
    bool good;
};

static void *lease_often(void *context)
{
    struct reader *reader = context;
    reader->good = true;
    for (int i = 0; i < 200 && reader->good; i++) {
        uint64_t offset = next_random(&reader->seed) % PIECE;
        size_t length = 1 + (size_t)(next_random(&reader->seed) % (PIECE - offset));
        struct dtr_extent extent;
        reader->good = reader->bench->ops->lease(reader->stored, offset, length, &extent, NULL) == DTR_OK &&
                       extent_holds(&extent, 3, offset, length);
    }
    return NULL;
}

static void case_threads(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(3, id);
    struct reader readers[3];
    pthread_t threads[3];
    int status = DTR_OK;

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    CHECK_OK(bench, put_piece(bench, stored, 3, 0, &err), err);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct reader){.bench = bench, .stored = stored, .seed = bench->seed + (uint64_t)i};
        CHECK(bench, pthread_create(&threads[i], NULL, lease_often, &readers[i]) == 0, "no thread");
    }
    for (uint32_t number = 1; number < 50 && status == DTR_OK; number++)
        status = put_piece(bench, stored, 3, number, &err);
    for (int i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    bench->ops->close(stored);
    CHECK_OK(bench, status, err);
    for (int i = 0; i < 3; i++)
        CHECK(bench, readers[i].good, "a lease from another thread failed while the task was written");
}

static void case_facts(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    struct seen seen;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(4, id);

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    facts.content_length = 5 * PIECE;
    facts.digest = "sha256:0000";
    facts.headers = "ETag: \"v1\"\nContent-Type: application/octet-stream\n";
    for (int64_t i = 1; i <= 9; i++) {
        facts.used_at = 1700000000 + i;
        CHECK_OK(bench, bench->ops->update(stored, &facts, &err), err);
    }
    facts.finished_at = 1700000099;
    CHECK_OK(bench, bench->ops->update(stored, &facts, &err), err);
    bench->ops->close(stored);

    facts.headers = "Ignored: when the task is there already\n";
    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    bench->ops->close(stored);
    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK(bench, seen.tasks == 1 && strcmp(seen.id, id) == 0, "%u tasks after a restart", seen.tasks);
    CHECK(bench,
          strcmp(seen.text, "http://origin.example/blob|sha256:0000|"
                            "ETag: \"v1\"\nContent-Type: application/octet-stream\n|tag|app") == 0,
          "strings after a restart: %s", seen.text);
    CHECK(bench,
          seen.numbers.content_length == 5 * PIECE && seen.numbers.piece_length == PIECE &&
              seen.numbers.created_at == 1700000000 && seen.numbers.finished_at == 1700000099 &&
              seen.numbers.used_at == 1700000009,
          "lengths or times differ after a restart");
}

static bool same_piece(const struct dtr_piece *a, const struct dtr_piece *b)
{
    return a->number == b->number && a->offset == b->offset && a->length == b->length &&
           a->crc32 == b->crc32 && a->has_crc32 == b->has_crc32 && a->traffic == b->traffic &&
           a->cost_ns == b->cost_ns && a->created_at == b->created_at;
}

static void case_pieces(struct bench *bench)
{
    static const uint32_t left[] = {1, 3, 7, 9};
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    struct seen seen;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(5, id);
    static uint8_t bytes[PIECE];

    facts.content_length = 20 * PIECE;
    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_OK(bench, put_piece(bench, stored, 5, (i * 7 + 3) % 10, &err), err);
    CHECK_OK(bench, bench->ops->write(stored, 12 * PIECE, bytes, sizeof(bytes), &err), err);
    CHECK_OK(bench, bench->ops->unmark(stored, 2, 5, &err), err);
    CHECK_OK(bench, bench->ops->unmark(stored, 0, 1, &err), err);
    CHECK_OK(bench, bench->ops->unmark(stored, 8, 1, &err), err);
    CHECK_OK(bench, bench->ops->unmark(stored, 15, UINT32_MAX, &err), err);
    CHECK_OK(bench, put_piece(bench, stored, 5, 3, &err), err);
    CHECK_OK(bench, put_piece(bench, stored, 5, 9, &err), err);
    bench->ops->close(stored);

    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK(bench, seen.tasks == 1 && seen.count == 4, "%u pieces after a restart, not 4", seen.count);
    CHECK(bench, seen.checked, "pieces are not `checked` after a restart in the same boot");
    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    for (uint32_t i = 0; i < 4; i++) {
        struct dtr_piece expected = piece_of(left[i], PIECE);
        CHECK(bench, same_piece(&seen.pieces[i], &expected), "piece %u differs after a restart", left[i]);
        CHECK_OK(bench, bench->ops->read(stored, expected.offset, bytes, sizeof(bytes), &err), err);
        CHECK(bench, holds(5, expected.offset, bytes, sizeof(bytes)), "bytes of piece %u differ", left[i]);
    }
    CHECK_OK(bench, put_piece(bench, stored, 5, 0, &err), err);
    bench->ops->close(stored);
    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK(bench, seen.count == 5, "a piece marked after a restart is not there after the next");
    CHECK_OK(bench, bench->ops->evict(bench->started.instance, id, &err), err);
    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK(bench, seen.tasks == 0, "an evicted task is back after a restart");
}

static void case_many(struct bench *bench)
{
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    struct seen seen;

    for (unsigned i = 0; i < 1000; i++) {
        char id[DTR_TASK_ID_LENGTH + 1];
        struct dtr_task_facts facts = facts_of(100 + i, id);
        CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
        CHECK_OK(bench, bench->ops->write(stored, 0, "x", 1, &err), err);
        CHECK_OK(bench, bench->ops->mark(stored, &(struct dtr_piece){.length = 1}, &err), err);
        bench->ops->close(stored);
    }
    CHECK_OK(bench, restart(bench, &seen, &err), err);
    CHECK(bench, seen.tasks == 1000, "%u of 1000 tasks after a restart", seen.tasks);
}

static const struct conformance_case cases[] = {
    {"an empty store", case_empty, false},
    {"bytes come back as written", case_bytes, false},
    {"bad ids and second handles are refused", case_refusals, false},
    {"leases outlive close and evict", case_evict, false},
    {"leases from other threads while writing", case_threads, false},
    {"facts survive a restart", case_facts, true},
    {"pieces survive a restart", case_pieces, true},
    {"a thousand tasks survive a restart", case_many, true},
    {"marked pieces survive kill -9", case_crash, true},
};

int main(int argc, char **argv)
{
    static const struct conformance what = {.program = "storage_conformance",
                                            .kind = "storage",
                                            .least = DTR_STORAGE_OPS_FIRST,
                                            .cases = cases,
                                            .count = sizeof(cases) / sizeof(cases[0])};
    return conformance_main(&what, argc, argv);
}
