/* The index format: what is written is read, and damage of any kind never yields a piece that is not
 * there. */
#include "index.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOOT = 7, OTHER_BOOT = 8, PIECES = 6 };

struct fixture {
    char dir[64];
    int fd; /* of dir */
};

static const struct dtr_task_facts facts = {.task_id = "id",
                                            .url = "http://origin.example/x",
                                            .headers = "ETag: 1\n",
                                            .content_length = DTR_LENGTH_UNKNOWN,
                                            .created_at = 11,
                                            .used_at = 12};

static struct dtr_piece piece(uint32_t number)
{
    return (struct dtr_piece){.number = number,
                              .crc32 = number + 100,
                              .has_crc32 = true,
                              .offset = number * 1000,
                              .length = 1000,
                              .cost_ns = 5,
                              .created_at = 13};
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/index-test-XXXXXX");
    *state = f;
    if (!mkdtemp(f->dir))
        return -1;
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    return f->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlinkat(f->fd, "i", 0);
    close(f->fd);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void make(struct fixture *f, struct index *index)
{
    struct dtr_error err = {0};
    (void)unlinkat(f->fd, "i", 0);
    if (index_create(f->fd, "i", &facts, index, &err) != DTR_OK)
        fail_msg("%s", err.text);
}

static void mark(struct index *index, uint32_t number, uint64_t boot)
{
    struct dtr_piece p = piece(number);
    assert_int_equal(index_mark(index, &p, boot, NULL), DTR_OK);
}

/* The file's bytes; free(). */
static uint8_t *load(struct fixture *f, size_t *ret_size)
{
    int fd = openat(f->fd, "i", O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *bytes = malloc((size_t)size + 1);
    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    close(fd);
    *ret_size = (size_t)size;
    return bytes;
}

static void store(struct fixture *f, const uint8_t *bytes, size_t size)
{
    int fd = openat(f->fd, "i", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* A bit set of the pieces an index in memory reports, -1 when it is damaged; checks that each is whole. */
static int reported(const uint8_t *bytes, size_t size, bool *ret_checked)
{
    uint8_t *copy = malloc(size + 1); /* so that a read past the end is seen */
    struct index index = {.fd = -1};
    struct index_content content;
    int set = 0, status;

    memcpy(copy, bytes, size);
    copy = realloc(copy, size ? size : 1);
    status = index_parse(copy, size, BOOT, &index, &content, NULL);
    free(copy);
    if (status != DTR_OK) {
        assert_int_equal(status, DTR_ECORRUPT);
        return -1;
    }
    for (uint32_t i = 0; i < content.count; i++) {
        struct dtr_piece expected = piece(content.pieces[i].number);
        assert_int_equal(content.pieces[i].offset, expected.offset);
        assert_int_equal(content.pieces[i].length, expected.length);
        assert_int_equal(content.pieces[i].crc32, expected.crc32);
        set |= 1 << expected.number;
    }
    if (ret_checked)
        *ret_checked = content.checked;
    assert_string_equal(content.facts.url, facts.url);
    free(content.pieces);
    index_close(&index);
    return set;
}

/* An index with everything in it: pieces 0 to 5, longer text, 1 to 3 withdrawn, 2 again. `sets` gets what
 * is there after each record, by its end in bytes. */
struct step {
    uint64_t end;
    int set;
};

static size_t write_story(struct fixture *f, struct step steps[PIECES + 5])
{
    struct dtr_task_facts longer = facts;
    struct index index;
    size_t n = 0;
    char headers[200];

    make(f, &index);
    steps[n++] = (struct step){index.end, 0};
    for (uint32_t i = 0; i < PIECES; i++) {
        mark(&index, i, BOOT);
        steps[n++] = (struct step){index.end, (2 << i) - 1};
    }
    memset(headers, 'h', sizeof(headers));
    headers[sizeof(headers) - 1] = 0;
    longer.headers = headers;
    longer.finished_at = 99;
    assert_int_equal(index_facts(&index, &longer, NULL), DTR_OK);
    steps[n++] = (struct step){index.end, 0x3F};
    assert_int_equal(index_withdraw(&index, 1, 3, NULL), DTR_OK);
    steps[n++] = (struct step){index.end, 0x31};
    mark(&index, 2, BOOT);
    steps[n++] = (struct step){index.end, 0x35};
    index_close(&index);
    return n;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct step steps[PIECES + 5];
    struct index index, second;
    struct index_content content;
    (void)write_story(f, steps);

    assert_int_equal(index_open(f->fd, "i", BOOT, &index, &content, NULL), DTR_OK);
    assert_int_equal(content.count, 4);
    assert_true(content.checked);
    assert_string_equal(content.facts.task_id, "id");
    assert_string_equal(content.facts.digest, "");
    assert_int_equal(strlen(content.facts.headers), 199);
    assert_int_equal(content.facts.finished_at, 99);
    assert_int_equal(content.facts.content_length, DTR_LENGTH_UNKNOWN);
    assert_int_equal(index_open(f->fd, "i", BOOT, &second, NULL, NULL), DTR_EEXISTS);
    free(content.pieces);
    index_close(&index);
    assert_int_equal(index_open(f->fd, "absent", BOOT, &index, NULL, NULL), DTR_ENOT_FOUND);
}

/* Nothing grows when only numbers change. */
static void test_numbers_in_place(void **state)
{
    struct fixture *f = *state;
    struct dtr_task_facts later = facts;
    struct index_content content;
    struct index index;
    uint64_t end;

    make(f, &index);
    end = index.end;
    for (later.used_at = 100; later.used_at < 150; later.used_at++)
        assert_int_equal(index_facts(&index, &later, NULL), DTR_OK);
    assert_int_equal(index.end, end);
    index_close(&index);
    assert_int_equal(index_open(f->fd, "i", BOOT, &index, &content, NULL), DTR_OK);
    assert_int_equal(content.facts.used_at, 149);
    index_close(&index);
}

/* A process killed while it appended leaves any prefix: what the whole records say is there, and writing
 * goes on behind them. */
static void test_every_cut(void **state)
{
    struct fixture *f = *state;
    struct step steps[PIECES + 5];
    size_t count = write_story(f, steps), size;
    uint8_t *bytes = load(f, &size);

    for (size_t cut = 0; cut <= size; cut++) {
        struct index index;
        struct index_content content;
        int expected = -1, set = reported(bytes, cut, NULL);
        for (size_t i = 0; i < count && steps[i].end <= cut; i++)
            expected = steps[i].set;
        assert_int_equal(set, expected);
        if (expected < 0)
            continue;
        store(f, bytes, cut);
        assert_int_equal(index_open(f->fd, "i", BOOT, &index, NULL, NULL), DTR_OK);
        mark(&index, 20, BOOT);
        index_close(&index);
        assert_int_equal(index_open(f->fd, "i", BOOT, &index, &content, NULL), DTR_OK);
        assert_int_equal(content.count, __builtin_popcount((unsigned)expected) + 1);
        free(content.pieces);
        index_close(&index);
    }
    free(bytes);
}

/* Any changed byte: damaged, or the pieces are exactly the right ones. */
static void test_every_flip(void **state)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xFF};
    struct fixture *f = *state;
    struct step steps[PIECES + 5];
    size_t count = write_story(f, steps), size;
    uint8_t *bytes = load(f, &size);

    for (size_t at = 0; at < size; at++) {
        for (size_t m = 0; m < sizeof(masks); m++) {
            int set;
            bytes[at] ^= masks[m];
            set = reported(bytes, size, NULL);
            assert_true(set == -1 || set == steps[count - 1].set);
            /* One of the two units with numbers may be lost, and nothing else. */
            assert_true(set == -1 || (at >= INDEX_UNIT && at < 3 * INDEX_UNIT));
            bytes[at] ^= masks[m];
        }
    }
    free(bytes);
}

static void test_zero_tail(void **state)
{
    struct fixture *f = *state;
    struct step steps[PIECES + 5];
    struct index index;
    size_t count = write_story(f, steps), size;
    uint8_t *bytes = load(f, &size);

    bytes = realloc(bytes, size + 1000);
    memset(bytes + size, 0, 1000);
    assert_int_equal(reported(bytes, size + 1000, NULL), steps[count - 1].set);
    store(f, bytes, size + 1000);
    assert_int_equal(index_open(f->fd, "i", BOOT, &index, NULL, NULL), DTR_OK);
    assert_int_equal(index.end, size);
    index_close(&index);
    bytes[size + 900] = 1;
    assert_int_equal(reported(bytes, size + 1000, NULL), -1);
    free(bytes);
}

static void test_other_boot(void **state)
{
    struct fixture *f = *state;
    struct index index;
    uint8_t *bytes;
    size_t size;
    bool checked = true;

    make(f, &index);
    mark(&index, 0, OTHER_BOOT);
    mark(&index, 1, OTHER_BOOT);
    bytes = load(f, &size);
    assert_int_equal(reported(bytes, size, &checked), 3);
    assert_false(checked);
    free(bytes);

    mark(&index, 1, BOOT);
    bytes = load(f, &size);
    assert_int_equal(reported(bytes, size, &checked), 3);
    assert_false(checked);
    free(bytes);

    mark(&index, 0, BOOT);
    bytes = load(f, &size);
    assert_int_equal(reported(bytes, size, &checked), 3);
    assert_true(checked);
    free(bytes);
    index_close(&index);
}

static void test_boot_is_stable(void **state)
{
    uint64_t first = 0, second = 0;
    (void)state;
    assert_int_equal(index_boot(&first, NULL), DTR_OK);
    assert_int_equal(index_boot(&second, NULL), DTR_OK);
    assert_true(first == second && first != 0);
}

static void test_text_limit(void **state)
{
    struct fixture *f = *state;
    struct dtr_task_facts longer = facts;
    struct index index;
    char *headers = malloc(INDEX_TEXT_MOST + 1);

    memset(headers, 'h', INDEX_TEXT_MOST);
    headers[INDEX_TEXT_MOST] = 0;
    longer.headers = headers;
    make(f, &index);
    assert_int_equal(index_facts(&index, &longer, NULL), DTR_ELIMIT);
    mark(&index, 0, BOOT);
    index_close(&index);
    free(headers);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_round_trip), TEST(test_numbers_in_place),
                                       TEST(test_every_cut),  TEST(test_every_flip),
                                       TEST(test_zero_tail),  TEST(test_other_boot),
                                       TEST(test_text_limit), cmocka_unit_test(test_boot_is_stable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
