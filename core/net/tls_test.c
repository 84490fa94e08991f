/* TLS on streams, by example on loopback: what goes through, and how it ends. */
#include "core/net/tls_pair.h"

#include "core/base/digest.h"
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* --- what goes through ---------------------------------------------------------------------------------- */

enum { BIG = 12 << 20, WINDOW = 100000 };

static void count_release(void *context)
{
    (*(int *)context)++;
}

/* A file, memory and written bytes, with a reader who takes a little at a time. */
static void big_things_arrive_whole_within_the_credit(void **state)
{
    (void)state;
    struct pair pair;
    int released = 0, fd = memfd_create("big", MFD_CLOEXEC);
    uint8_t *bytes = malloc(BIG);
    uint32_t sum = 0;
    assert_non_null(bytes);
    dtr_random(bytes, BIG);
    assert_int_equal(write(fd, bytes, BIG), BIG);
    for (int twice = 0; twice < 2; twice++)
        sum = sum_on(sum, bytes, BIG);
    sum = sum_on(sum, "tail", 4);
    open_tls_pair(&pair);
    pair.server.grants = true;
    dtr_stream_read(pair.server.stream, WINDOW);
    const struct dtr_extent file = {
        .fd = fd, .length = BIG, .release = count_release, .release_context = &released};
    const struct dtr_extent memory = {
        .fd = -1, .data = bytes, .length = BIG, .release = count_release, .release_context = &released};
    dtr_stream_send(pair.client.stream, &file);
    dtr_stream_send(pair.client.stream, &memory);
    dtr_stream_write(pair.client.stream, "tail", 4);
    dtr_stream_end(pair.client.stream);
    TURN_UNTIL(pair.loop, pair.server.ended);
    assert_int_equal(pair.server.received, 2 * (uint64_t)BIG + 4);
    assert_int_equal(pair.server.sum, sum);
    assert_int_equal(released, 2);
    assert_int_equal(dtr_stream_sent(pair.client.stream), 2 * (uint64_t)BIG + 4);
    assert_int_equal(dtr_stream_received(pair.server.stream), 2 * (uint64_t)BIG + 4);
    close_pair(&pair);
    free(bytes);
    (void)close(fd);
}

/* The rest of a record is in OpenSSL's hands, where the socket's readiness does not tell of it. */
static void what_the_credit_left_behind_comes_with_the_next(void **state)
{
    (void)state;
    struct pair pair;
    open_tls_pair(&pair);
    dtr_stream_read(pair.server.stream, 10);
    dtr_stream_write(pair.client.stream, "0123456789abcdef", 16);
    TURN_UNTIL(pair.loop, pair.server.received >= 10);
    for (int i = 0; i < 10; i++)
        dtr_loop_turn(pair.loop, false);
    assert_int_equal(pair.server.received, 10);
    dtr_stream_read(pair.server.stream, 3);
    dtr_stream_read(pair.server.stream, 3);
    TURN_UNTIL(pair.loop, pair.server.received >= 16);
    close_pair(&pair);
}

static void the_half_closed_side_still_receives(void **state)
{
    (void)state;
    struct pair pair;
    open_tls_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    dtr_stream_read(pair.client.stream, UINT64_MAX);
    dtr_stream_write(pair.client.stream, "ask", 3);
    dtr_stream_end(pair.client.stream);
    TURN_UNTIL(pair.loop, pair.server.ended);
    assert_int_equal(pair.server.received, 3);
    dtr_stream_write(pair.server.stream, "back", 4);
    TURN_UNTIL(pair.loop, pair.client.received == 4);
    assert_false(pair.client.ended);
    dtr_stream_close(pair.server.stream, true);
    TURN_UNTIL(pair.loop, pair.client.ended);
    assert_false(pair.client.closed);
    close_pair(&pair);
}

/* --- how it ends ---------------------------------------------------------------------------------------- */

static void an_end_without_close_notify_is_no_end(void **state)
{
    (void)state;
    struct pair pair;
    open_tls_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    assert_int_equal(shutdown(pair.client.fd, SHUT_WR), 0);
    TURN_UNTIL(pair.loop, pair.server.closed);
    assert_false(pair.server.ended);
    expect_end(&pair.server, DTR_ECLOSED, "cut off");
    close_pair(&pair);
}

/* A client that is being served must not take the bytes for complete. */
static void a_stream_that_is_given_up_looks_cut_off(void **state)
{
    (void)state;
    struct pair pair;
    open_tls_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    dtr_stream_close(pair.client.stream, false);
    TURN_UNTIL(pair.loop, pair.server.closed);
    assert_false(pair.server.ended);
    expect_end(&pair.server, DTR_ECLOSED, "cut off");
    close_pair(&pair);
}

static void a_stream_closed_after_its_bytes_ends_in_order(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t *bytes = calloc(1, BIG); /* more than the kernel holds while nobody reads */
    const struct dtr_extent extent = {.fd = -1, .data = bytes, .length = BIG};
    open_tls_pair(&pair);
    dtr_stream_write(pair.client.stream, "0123456789", 10);
    dtr_stream_send(pair.client.stream, &extent);
    dtr_stream_close(pair.client.stream, true);
    for (int i = 0; i < 100; i++)
        dtr_loop_turn(pair.loop, false);
    pair.server.grants = true;
    dtr_stream_read(pair.server.stream, WINDOW);
    TURN_UNTIL(pair.loop, pair.server.ended);
    assert_int_equal(pair.server.received, 10 + (uint64_t)BIG);
    assert_false(pair.server.closed);
    close_pair(&pair);
    free(bytes);
}

static void bytes_that_were_changed_on_the_way_break_it_off(void **state)
{
    (void)state;
    struct pair pair;
    open_tls_pair(&pair);
    settle(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    assert_int_equal(send(pair.client.fd,
                          "\x17\x03\x03\x00\x20"
                          "01234567890123456789012345678901",
                          37, 0),
                     37);
    TURN_UNTIL(pair.loop, pair.server.closed);
    assert_int_equal(pair.server.received, 0);
    expect_end(&pair.server, DTR_EPROTOCOL, "TLS fails");
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(big_things_arrive_whole_within_the_credit),
        cmocka_unit_test(what_the_credit_left_behind_comes_with_the_next),
        cmocka_unit_test(the_half_closed_side_still_receives),
        cmocka_unit_test(an_end_without_close_notify_is_no_end),
        cmocka_unit_test(a_stream_that_is_given_up_looks_cut_off),
        cmocka_unit_test(a_stream_closed_after_its_bytes_ends_in_order),
        cmocka_unit_test(bytes_that_were_changed_on_the_way_break_it_off),
    };
    return cmocka_run_group_tests(tests, tls_set_up, tls_tear_down);
}
