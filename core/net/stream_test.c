/* Streams by example on loopback: bytes, credit, extents, deadlines, groups, and how they end. */
#include "core/net/stream_group.h"
#include "core/net/stream_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void bytes_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t sum = 0;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        uint8_t block[1000];
        for (int j = 0; j < 1000; j++)
            block[j] = (uint8_t)(i * 7 + j);
        sum = sum_on(sum, block, sizeof(block));
        dtr_stream_write(pair.client.stream, block, sizeof(block));
    }
    assert_int_equal(dtr_stream_queued(pair.client.stream), 1000000);
    TURN_UNTIL(pair.loop, pair.server.received >= 1000000);
    assert_int_equal(pair.server.received, 1000000);
    assert_int_equal(pair.server.sum, sum);
    close_pair(&pair);
}

static void nothing_is_read_beyond_the_credit(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, 10);
    dtr_stream_write(pair.client.stream, "0123456789abcdef", 16);
    TURN_UNTIL(pair.loop, pair.server.received >= 10);
    for (int i = 0; i < 10; i++)
        dtr_loop_turn(pair.loop, false);
    assert_int_equal(pair.server.received, 10);
    close_pair(&pair);
}

static void count_release(void *context)
{
    (*(int *)context)++;
}

static void extents_are_sent_and_released(void **state)
{
    (void)state;
    struct pair pair;
    int released = 0;
    char path[] = "/tmp/darter-net-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)unlink(path);
    assert_int_equal(write(fd, "..file..", 8), 8);
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    struct dtr_extent file = {
        .fd = fd, .offset = 2, .length = 4, .release = count_release, .release_context = &released};
    struct dtr_extent memory = {.fd = -1,
                                .data = (const uint8_t *)"_tail",
                                .length = 5,
                                .release = count_release,
                                .release_context = &released};
    dtr_stream_write(pair.client.stream, "head_", 5);
    dtr_stream_send(pair.client.stream, &file);
    dtr_stream_send(pair.client.stream, &memory);
    dtr_stream_end(pair.client.stream);
    TURN_UNTIL(pair.loop, pair.server.ended);
    assert_int_equal(pair.server.received, 14);
    assert_int_equal(pair.server.sum, sum_on(0, "head_file_tail", 14));
    assert_int_equal(released, 2);
    assert_int_equal(pair.client.drained, 1);
    /* The half-closed side still receives. */
    dtr_stream_read(pair.client.stream, UINT64_MAX);
    dtr_stream_write(pair.server.stream, "back", 4);
    dtr_stream_close(pair.server.stream, true);
    TURN_UNTIL(pair.loop, pair.client.received == 4);
    close_pair(&pair);
    close(fd);
}

static void a_short_file_fails_the_stream(void **state)
{
    (void)state;
    struct pair pair;
    int released = 0;
    char path[] = "/tmp/darter-net-XXXXXX";
    int fd = mkstemp(path);
    (void)unlink(path);
    open_pair(&pair);
    struct dtr_extent file = {
        .fd = fd, .offset = 0, .length = 4, .release = count_release, .release_context = &released};
    dtr_stream_send(pair.client.stream, &file);
    TURN_UNTIL(pair.loop, pair.client.closed);
    assert_int_equal(pair.client.result.code, DTR_EIO);
    assert_int_equal(released, 1);
    close_pair(&pair);
    close(fd);
}

static void a_full_queue_closes_the_stream(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_limit(pair.client.stream, 10);
    dtr_stream_write(pair.client.stream, "12345678", 8);
    dtr_stream_write(pair.client.stream, "901", 3);
    TURN_UNTIL(pair.loop, pair.client.closed);
    assert_int_equal(pair.client.result.code, DTR_ELIMIT);
    close_pair(&pair);
}

/* --- deadlines and the end ------------------------------------------------------------------------------ */

static void an_idle_stream_times_out(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_deadline(pair.client.stream, 30, 0);
    TURN_UNTIL(pair.loop, pair.client.closed);
    assert_int_equal(pair.client.result.code, DTR_ETIMEOUT);
    close_pair(&pair);
}

/* As transports do: they say at once how long the other side may be silent. */
static void a_deadline_named_while_connecting_holds_afterwards(void **state)
{
    (void)state;
    struct pair pair;
    connect_pair(&pair);
    dtr_stream_deadline(pair.client.stream, 30, 0);
    TURN_UNTIL(pair.loop, pair.client.closed);
    assert_int_equal(pair.client.result.code, DTR_ETIMEOUT);
    assert_non_null(strstr(pair.client.result.text, "nothing moved"));
    close_pair(&pair);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct pair pair;
    struct dtr_addr addr;
    struct dtr_error err;
    open_pair(&pair);
    close_pair(&pair);
    pair = (struct pair){0};
    assert_int_equal(dtr_loop_new("test", &pair.loop, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 1, &addr, &err), DTR_OK);
    assert_int_equal(
        dtr_stream_connect(pair.loop, &addr.any, 20000, &end_events, &pair.client, &pair.client.stream, &err),
        DTR_OK);
    assert_false(pair.client.closed); /* later, never inside the call */
    TURN_UNTIL(pair.loop, pair.client.closed);
    assert_int_equal(pair.client.result.code, DTR_EUNAVAILABLE);
    dtr_loop_free(pair.loop);
}

static void count_empty(void *context)
{
    (*(int *)context)++;
}

static void open_group(struct pair *pair, struct dtr_stream_group *group)
{
    open_pair(pair);
    dtr_stream_group_init(group, pair->loop);
    dtr_stream_group_add(group, pair->client.stream);
    dtr_stream_group_add(group, pair->server.stream);
}

static void a_group_waits_for_its_streams(void **state)
{
    (void)state;
    struct pair pair;
    struct dtr_stream_group group;
    int empty = 0;
    open_group(&pair, &group);
    dtr_stream_close(pair.client.stream, false);
    dtr_stream_group_end(&group, 600000, count_empty, &empty);
    TURN_UNTIL(pair.loop, pair.client.closed);
    for (int i = 0; i < 3; i++)
        dtr_loop_turn(pair.loop, false);
    assert_false(pair.server.closed);
    assert_int_equal(empty, 0);
    dtr_stream_close(pair.server.stream, false);
    TURN_UNTIL(pair.loop, empty > 0);
    assert_true(pair.server.closed);
    close_pair(&pair);
}

static void a_group_closes_its_streams_at_the_limit(void **state)
{
    (void)state;
    struct pair pair;
    struct dtr_stream_group group;
    int empty = 0;
    open_group(&pair, &group);
    dtr_stream_group_end(&group, 30, count_empty, &empty);
    TURN_UNTIL(pair.loop, pair.client.closed && pair.server.closed);
    assert_int_equal(pair.server.result.code, DTR_OK);
    for (int i = 0; i < 3; i++)
        dtr_loop_turn(pair.loop, false);
    assert_int_equal(empty, 1);
    dtr_stream_group_end(&group, 30, count_empty, &empty); /* nobody is in it */
    assert_int_equal(empty, 1);
    dtr_loop_turn(pair.loop, false);
    assert_int_equal(empty, 2);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_whole_and_in_order),
        cmocka_unit_test(nothing_is_read_beyond_the_credit),
        cmocka_unit_test(extents_are_sent_and_released),
        cmocka_unit_test(a_short_file_fails_the_stream),
        cmocka_unit_test(an_idle_stream_times_out),
        cmocka_unit_test(a_deadline_named_while_connecting_holds_afterwards),
        cmocka_unit_test(a_full_queue_closes_the_stream),
        cmocka_unit_test(a_group_waits_for_its_streams),
        cmocka_unit_test(a_group_closes_its_streams_at_the_limit),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
