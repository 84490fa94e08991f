/* What storage_memory promises beyond the contract of its kind, which the conformance program checks: its
 * capacity, and what counts against it. */
#include <darter/storage.h>
#include <darter/testhost.h>

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { CAPACITY = 1 << 20, HALF = CAPACITY / 2 };

struct fixture {
    struct dtr_testmodule started;
    const struct dtr_storage_ops *ops;
    struct dtr_error err;
};

static int set_up(void **state)
{
    static const char *const settings[] = {"capacity=1MiB"};
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "storage");
    return dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, 1, &f->started, &f->err);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dtr_testhost_stop(&f->started);
    free(f);
    return 0;
}

/* Task `number`'s facts; the id is static. */
static struct dtr_task_facts facts_of(int number, uint64_t length)
{
    static char id[DTR_TASK_ID_LENGTH + 1];
    (void)snprintf(id, sizeof(id), "%064d", number);
    return (struct dtr_task_facts){.task_id = id, .url = "", .content_length = length};
}

static int open_task(struct fixture *f, int number, uint64_t length, struct dtr_stored **ret)
{
    struct dtr_task_facts facts = facts_of(number, length);
    return f->ops->open(f->started.instance, &facts, ret, &f->err);
}

static void evict(struct fixture *f, int number)
{
    struct dtr_task_facts facts = facts_of(number, 0);
    assert_int_equal(f->ops->evict(f->started.instance, facts.task_id, &f->err), DTR_OK);
}

static uint64_t used(struct fixture *f)
{
    uint64_t total = 0, bytes = 0;
    assert_int_equal(f->ops->usage(f->started.instance, &total, &bytes, &f->err), DTR_OK);
    assert_int_equal(total, CAPACITY);
    return bytes;
}

static void test_a_known_length_is_reserved(void **state)
{
    struct fixture *f = *state;
    struct dtr_stored *first, *second;
    assert_int_equal(open_task(f, 1, HALF + 1, &first), DTR_OK);
    assert_int_equal(used(f), HALF + 1);
    assert_int_equal(open_task(f, 2, HALF, &second), DTR_ENO_SPACE);
    assert_non_null(strstr(f->err.text, "capacity"));
    assert_int_equal(open_task(f, 2, CAPACITY + 1, &second), DTR_ENO_SPACE);
    assert_int_equal(open_task(f, 2, HALF - 1, &second), DTR_OK);
    f->ops->close(second);
    f->ops->close(first);
    evict(f, 1);
    evict(f, 2);
    assert_int_equal(used(f), 0);
}

static void test_an_unknown_length_counts_as_it_is_written(void **state)
{
    struct fixture *f = *state;
    struct dtr_stored *task;
    char *bytes = calloc(1, CAPACITY);
    struct dtr_task_facts facts;
    assert_int_equal(open_task(f, 1, DTR_LENGTH_UNKNOWN, &task), DTR_OK);
    assert_int_equal(used(f), 0);
    assert_int_equal(f->ops->write(task, 10, bytes, HALF, &f->err), DTR_OK);
    assert_int_equal(used(f), HALF + 10);
    assert_int_equal(f->ops->write(task, HALF, bytes, HALF + 1, &f->err), DTR_ENO_SPACE);
    assert_int_equal(f->ops->write(task, UINT64_MAX, bytes, 2, &f->err), DTR_ENO_SPACE);
    assert_int_equal(used(f), HALF + 10);
    facts = facts_of(1, CAPACITY + 1);
    assert_int_equal(f->ops->update(task, &facts, &f->err), DTR_ENO_SPACE);
    facts = facts_of(1, CAPACITY);
    assert_int_equal(f->ops->update(task, &facts, &f->err), DTR_OK);
    assert_int_equal(used(f), CAPACITY);
    f->ops->close(task);
    free(bytes);
}

static void test_leased_bytes_count_until_their_release(void **state)
{
    struct fixture *f = *state;
    struct dtr_stored *task, *other;
    struct dtr_extent extent;
    assert_int_equal(open_task(f, 1, CAPACITY, &task), DTR_OK);
    assert_int_equal(f->ops->write(task, CAPACITY - 3, "end", 3, &f->err), DTR_OK);
    assert_int_equal(f->ops->lease(task, CAPACITY - 3, 3, &extent, &f->err), DTR_OK);
    assert_int_equal(f->ops->lease(task, CAPACITY - 3, 4, &extent, &f->err), DTR_EINVALID);
    f->ops->close(task);
    evict(f, 1);
    assert_memory_equal(extent.data + extent.offset, "end", 3);
    assert_int_equal(open_task(f, 2, 1, &other), DTR_ENO_SPACE);
    dtr_extent_release(&extent);
    assert_int_equal(open_task(f, 2, 1, &other), DTR_OK);
    f->ops->close(other);
}

static void test_a_lease_outlives_the_store(void **state)
{
    struct fixture *f = *state;
    struct dtr_stored *task;
    struct dtr_extent extent;
    assert_int_equal(open_task(f, 1, 3, &task), DTR_OK);
    assert_int_equal(f->ops->write(task, 0, "abc", 3, &f->err), DTR_OK);
    assert_int_equal(f->ops->lease(task, 0, 3, &extent, &f->err), DTR_OK);
    f->ops->close(task);
    assert_int_equal(tear_down(state), 0);
    assert_memory_equal(extent.data, "abc", 3);
    dtr_extent_release(&extent);
    assert_int_equal(set_up(state), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_known_length_is_reserved),
        TEST(test_an_unknown_length_counts_as_it_is_written),
        TEST(test_leased_bytes_count_until_their_release),
        TEST(test_a_lease_outlives_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
