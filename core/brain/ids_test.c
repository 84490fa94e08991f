/* Ids of hosts and peers, and the choice among several schedulers. */
#include "core/brain/ids.h"
#include "core/brain/ring.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UUID "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"

static void ids_have_their_form(void **state)
{
    char id[DTR_HOST_ID_SIZE];
    struct dtr_error err;

    (void)state;
    assert_int_equal(dtr_host_id(id, "10.0.0.1", "node-1", false, &err), DTR_OK);
    assert_string_equal(id, "10.0.0.1-node-1");
    assert_int_equal(dtr_host_id(id, "10.0.0.1", "node-1", true, &err), DTR_OK);
    assert_string_equal(id, "10.0.0.1-node-1-seed");
    assert_int_equal(dtr_peer_id(id, "10.0.0.1", "node-1", UUID, false, &err), DTR_OK);
    assert_string_equal(id, "10.0.0.1-node-1-" UUID);
    assert_int_equal(dtr_peer_id(id, "fd00::1", "node-1", UUID, true, &err), DTR_OK);
    assert_string_equal(id, "fd00::1-node-1-" UUID "-seed");
}

static void impossible_names_are_refused(void **state)
{
    char id[DTR_HOST_ID_SIZE], hostname[400];
    struct dtr_error err;

    (void)state;
    memset(hostname, 'h', sizeof(hostname) - 1);
    hostname[sizeof(hostname) - 1] = 0;
    assert_int_equal(dtr_host_id(id, "10.0.0.1", hostname, false, &err), DTR_ELIMIT);
    assert_int_equal(dtr_host_id(id, "", "node-1", false, &err), DTR_EINVALID);
    assert_int_equal(dtr_host_id(id, "10.0.0.1", "", false, &err), DTR_EINVALID);
    hostname[253] = 0;
    assert_int_equal(
        dtr_peer_id(id, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", hostname, UUID, true, &err), DTR_OK);
}

static struct sockaddr_storage ipv4(const char *text, uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *in = (void *)&address;

    assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
    in->sin_port = htons(port);
    return address;
}

static struct sockaddr_storage ipv6(const char *text, uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_INET6};
    struct sockaddr_in6 *in6 = (void *)&address;

    assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
    in6->sin6_port = htons(port);
    return address;
}

/* The values of the wire page, 3.7. */
static void ring_keys_match(void **state)
{
    struct sockaddr_storage one = ipv4("10.0.0.1", 8002), two = ipv4("10.0.0.2", 8002),
                            three = ipv4("10.0.0.3", 8002);

    (void)state;
    assert_true(dtr_ring_address_key(&one) == 0x9948a09af7ec8deeULL);
    assert_true(dtr_ring_address_key(&two) == 0x3c5a35daa4177512ULL);
    assert_true(dtr_ring_address_key(&three) == 0x3fb2e2c7ee4f0057ULL);
    assert_true(dtr_ring_task_key("5844f27a257287e9") == 0xefec496e8810c73aULL);
    assert_true(dtr_ring_task_key("5844f") == 0xefec496e8810c73aULL);
    assert_true(dtr_ring_task_key("5844") != 0xefec496e8810c73aULL);
}

static void ring_picks_the_next_point(void **state)
{
    struct sockaddr_storage addresses[] = {ipv4("10.0.0.1", 8002), ipv4("10.0.0.2", 8002),
                                           ipv4("10.0.0.3", 8002)};
    struct dtr_ring ring = {0};
    struct dtr_error err;

    (void)state;
    assert_int_equal(dtr_ring_build(&ring, addresses, 3, &err), DTR_OK);
    /* The key lies above all points and wraps to the lowest, 10.0.0.2; then .3, then .1. */
    assert_int_equal(dtr_ring_pick(&ring, "5844f27a", 0), 1);
    assert_int_equal(dtr_ring_pick(&ring, "5844f27a", 1), 2);
    assert_int_equal(dtr_ring_pick(&ring, "5844f27a", 2), 0);
    assert_int_equal(dtr_ring_pick(&ring, "5844f27a", 3), 1);
    dtr_ring_free(&ring);
}

static void ring_order_does_not_matter(void **state)
{
    struct sockaddr_storage forward[] = {ipv4("10.0.0.1", 8002), ipv6("fd00::1", 8002), ipv4("10.0.0.3", 80)};
    struct sockaddr_storage backward[] = {forward[2], forward[1], forward[0]};
    struct dtr_ring a = {0}, b = {0};
    struct dtr_error err;
    char task[] = "00000";

    (void)state;
    assert_int_equal(dtr_ring_build(&a, forward, 3, &err), DTR_OK);
    assert_int_equal(dtr_ring_build(&b, backward, 3, &err), DTR_OK);
    for (unsigned i = 0; i < 256; i++) {
        task[3] = "0123456789abcdef"[i >> 4];
        task[4] = "0123456789abcdef"[i & 15];
        assert_int_equal(dtr_ring_pick(&a, task, 0), 2 - dtr_ring_pick(&b, task, 0));
    }
    dtr_ring_free(&a);
    dtr_ring_free(&b);
    forward[1].ss_family = AF_UNIX;
    assert_int_equal(dtr_ring_build(&a, forward, 3, &err), DTR_EINVALID);
    assert_null(a.points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_their_form),
        cmocka_unit_test(impossible_names_are_refused),
        cmocka_unit_test(ring_keys_match),
        cmocka_unit_test(ring_picks_the_next_point),
        cmocka_unit_test(ring_order_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
