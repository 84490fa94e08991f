/* Addresses, guard, listeners and streams, by example on loopback. */
#include "core/net/guard.h"
#include "core/net/listen.h"
#include "core/net/stream_group.h"

#include "core/loop/loop.h"
#include "core/obs/log.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void addresses_read_and_write(void **state)
{
    (void)state;
    static const char *const good[] = {"10.0.0.1:8002", "[::1]:4000", "[fd00::1]:1"};
    static const char *const bad[] = {"10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "::1:80", "host:80", ":80",
                                      ""};
    struct dtr_addr addr;
    struct dtr_error err;
    char text[DTR_ADDR_TEXT];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(dtr_addr_parse(good[i], &addr, &err), DTR_OK);
        dtr_addr_text(&addr, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(dtr_addr_parse(bad[i], &addr, &err), DTR_EINVALID);
}

static bool allows(const char *ip, bool trusted)
{
    struct dtr_addr addr;
    assert_int_equal(dtr_addr_ip(ip, 80, &addr, NULL), DTR_OK);
    return dtr_guard_allows(&addr.any, trusted);
}

static void guard_refuses_what_points_inwards(void **state)
{
    (void)state;
    static const char *const refused[] = {"127.0.0.1",
                                          "127.9.9.9",
                                          "::1",
                                          "169.254.169.254",
                                          "fe80::1",
                                          "224.0.0.1",
                                          "0.0.0.0",
                                          "::",
                                          "ff02::1",
                                          "::ffff:127.0.0.1",
                                          "255.255.255.255",
                                          "::ffff:169.254.169.254",
                                          "::ffff:224.0.0.1",
                                          "::ffff:0.0.0.0",
                                          "febf::1"};
    struct dtr_error err;
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(allows(refused[i], false));
        assert_true(allows(refused[i], true));
    }
    assert_true(allows("203.0.113.5", false));
    assert_true(allows("::ffff:203.0.113.5", false));
    assert_true(allows("2001:db8::5", false));
    assert_int_equal(dtr_guard_allow("127.0.0.0/30", &err), DTR_OK);
    assert_true(allows("127.0.0.3", false));
    assert_true(allows("::ffff:127.0.0.3", false));
    assert_false(allows("127.0.0.4", false));
    assert_false(allows("::ffff:127.0.0.4", false));
    assert_int_equal(dtr_guard_allow("fe80::/10", &err), DTR_OK);
    assert_true(allows("fe80::1", false));
    assert_int_equal(dtr_guard_allow("::1", &err), DTR_OK);
    assert_true(allows("::1", false));
    assert_false(allows("::", false));
    assert_int_equal(dtr_guard_allow("10.0.0.0/33", &err), DTR_EINVALID);
    assert_int_equal(dtr_guard_allow("example/8", &err), DTR_EINVALID);
    static const char *const bad[] = {"10.0.0.0/8", "example/8"}, *const good[] = {"127.0.0.0/30",
                                                                                   "10.0.0.0/8"};
    assert_int_equal(dtr_guard_allow_only(bad, 2, &err), DTR_EINVALID);
    assert_true(allows("fe80::1", false));
    assert_int_equal(dtr_guard_allow_only(good, 2, &err), DTR_OK);
    assert_false(allows("fe80::1", false));
    assert_true(allows("127.0.0.3", false));
    assert_int_equal(dtr_guard_allow_only(NULL, 0, &err), DTR_OK);
    assert_false(allows("127.0.0.3", false));
    dtr_guard_stop();
}

/* --- addresses that come later ------------------------------------------------------------------------- */

static void give_loopback(int fd, const char *ip)
{
    struct ifreq request = {.ifr_name = "lo"};
    struct dtr_addr addr;
    (void)dtr_addr_ip(ip, 0, &addr, NULL);
    memcpy(&request.ifr_addr, &addr.v4, sizeof(addr.v4));
    if (ioctl(fd, SIOCSIFADDR, &request) != 0)
        _exit(2);
}

/* In a network of its own: 0 when all was as it should be, 77 when there can be no such network. */
static int move_house(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return 77;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool right = dtr_guard_start(NULL) == DTR_OK && allows("10.77.0.1", false);
    give_loopback(fd, "10.77.0.1");
    right = right && !allows("10.77.0.1", false) && allows("10.77.0.2", false);
    give_loopback(fd, "10.77.0.2"); /* in the first one's place */
    right = right && allows("10.77.0.1", false) && !allows("10.77.0.2", false);
    right = right && allows("10.77.0.2", true);
    dtr_guard_stop();
    (void)close(fd);
    return right ? 0 : 1;
}

static void guard_knows_addresses_that_came_later(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(move_house());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* A pair of ends on one loop: a client that connects and what the listener accepted. */
struct end {
    struct dtr_stream *stream;
    uint64_t received;
    uint32_t sum;
    bool ended, closed;
    int drained;
    struct dtr_error result;
};

struct pair {
    struct dtr_loop *loop;
    struct dtr_listener *listener;
    struct end client, server;
    int released;
};

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    struct end *end = context;
    end->received += length;
    for (size_t i = 0; i < length; i++)
        end->sum = end->sum * 31 + bytes[i];
}

static void on_end(void *context)
{
    ((struct end *)context)->ended = true;
}

static void on_drained(void *context)
{
    ((struct end *)context)->drained++;
}

static void on_closed(void *context, const struct dtr_error *err)
{
    struct end *end = context;
    assert_false(end->closed);
    end->closed = true;
    end->stream = NULL;
    end->result = *err;
}

static const struct dtr_stream_events end_events = {on_data, on_end, on_drained, on_closed};

static void on_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct pair *pair = context;
    struct dtr_error err;
    (void)peer;
    assert_int_equal(dtr_stream_new(pair->loop, fd, &end_events, &pair->server, &pair->server.stream, &err),
                     DTR_OK);
}

static bool accepted(const struct pair *pair)
{
    return pair->server.stream != NULL;
}

static void run_until(struct pair *pair, bool (*until)(const struct pair *));

static void on_late(void *context)
{
    (void)context;
    fprintf(stderr, "the awaited event did not come within 10 s\n");
    abort();
}

static void connect_pair(struct pair *pair)
{
    struct dtr_addr addr;
    struct dtr_error err;
    *pair = (struct pair){0};
    assert_int_equal(dtr_loop_new("test", &pair->loop, &err), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(dtr_listen(pair->loop, &addr, on_accept, pair, &pair->listener, &err), DTR_OK);
    dtr_listener_addr(pair->listener, &addr);
    assert_int_equal(dtr_stream_connect(pair->loop, &addr.any, 2000, &end_events, &pair->client,
                                        &pair->client.stream, &err),
                     DTR_OK);
}

static void open_pair(struct pair *pair)
{
    connect_pair(pair);
    run_until(pair, accepted);
}

static void run_until(struct pair *pair, bool (*until)(const struct pair *))
{
    struct dtr_timer *late = NULL;
    struct dtr_error err;
    assert_int_equal(dtr_timer_open(pair->loop, on_late, NULL, &late, &err), DTR_OK);
    dtr_timer_set(late, 10000);
    while (!until(pair))
        dtr_loop_turn(pair->loop, true);
    dtr_timer_close(late);
}

static bool both_closed(const struct pair *pair)
{
    return pair->client.closed && (pair->server.closed || !pair->server.stream);
}

static void close_pair(struct pair *pair)
{
    if (pair->client.stream)
        dtr_stream_close(pair->client.stream, false);
    if (pair->server.stream)
        dtr_stream_close(pair->server.stream, false);
    run_until(pair, both_closed);
    dtr_listener_close(pair->listener);
    dtr_loop_free(pair->loop);
}

/* "::" takes both families, and who comes by IPv4 is known by that address. */
static void the_wildcard_of_ipv6_takes_both_families(void **state)
{
    (void)state;
    static const char *const from[] = {"127.0.0.1", "::1"}, *const seen[] = {"127.0.0.1:", "[::1]:"};
    for (size_t i = 0; i < 2; i++) {
        struct pair pair = {0};
        struct dtr_addr addr;
        assert_int_equal(dtr_loop_new("test", &pair.loop, NULL), DTR_OK);
        assert_int_equal(dtr_addr_ip("::", 0, &addr, NULL), DTR_OK);
        assert_int_equal(dtr_listen(pair.loop, &addr, on_accept, &pair, &pair.listener, NULL), DTR_OK);
        dtr_listener_addr(pair.listener, &addr);
        assert_int_equal(dtr_addr_ip(from[i], dtr_addr_port(&addr), &addr, NULL), DTR_OK);
        assert_int_equal(dtr_stream_connect(pair.loop, &addr.any, 2000, &end_events, &pair.client,
                                            &pair.client.stream, NULL),
                         DTR_OK);
        run_until(&pair, accepted);
        assert_memory_equal(dtr_stream_peer(pair.server.stream), seen[i], strlen(seen[i]));
        close_pair(&pair);
    }
}

static bool server_has_a_megabyte(const struct pair *pair)
{
    return pair->server.received >= 1000000;
}

static void bytes_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct pair pair;
    uint32_t sum = 0;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        uint8_t block[1000];
        for (int j = 0; j < 1000; j++) {
            block[j] = (uint8_t)(i * 7 + j);
            sum = sum * 31 + block[j];
        }
        dtr_stream_write(pair.client.stream, block, sizeof(block));
    }
    assert_int_equal(dtr_stream_queued(pair.client.stream), 1000000);
    run_until(&pair, server_has_a_megabyte);
    assert_int_equal(pair.server.received, 1000000);
    assert_int_equal(pair.server.sum, sum);
    close_pair(&pair);
}

static bool server_has_ten(const struct pair *pair)
{
    return pair->server.received >= 10;
}

static void nothing_is_read_beyond_the_credit(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, 10);
    dtr_stream_write(pair.client.stream, "0123456789abcdef", 16);
    run_until(&pair, server_has_ten);
    for (int i = 0; i < 10; i++)
        dtr_loop_turn(pair.loop, false);
    assert_int_equal(pair.server.received, 10);
    close_pair(&pair);
}

static void count_release(void *context)
{
    (*(int *)context)++;
}

static bool server_ended(const struct pair *pair)
{
    return pair->server.ended;
}

static bool client_has_four(const struct pair *pair)
{
    return pair->client.received == 4;
}

static void extents_are_sent_and_released(void **state)
{
    (void)state;
    struct pair pair;
    char path[] = "/tmp/darter-net-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)unlink(path);
    assert_int_equal(write(fd, "..file..", 8), 8);
    open_pair(&pair);
    dtr_stream_read(pair.server.stream, UINT64_MAX);
    struct dtr_extent file = {
        .fd = fd, .offset = 2, .length = 4, .release = count_release, .release_context = &pair.released};
    struct dtr_extent memory = {.fd = -1,
                                .data = (const uint8_t *)"_tail",
                                .length = 5,
                                .release = count_release,
                                .release_context = &pair.released};
    dtr_stream_write(pair.client.stream, "head_", 5);
    dtr_stream_send(pair.client.stream, &file);
    dtr_stream_send(pair.client.stream, &memory);
    dtr_stream_end(pair.client.stream);
    run_until(&pair, server_ended);
    uint32_t sum = 0;
    for (const char *c = "head_file_tail"; *c; c++)
        sum = sum * 31 + (uint8_t)*c;
    assert_int_equal(pair.server.received, 14);
    assert_int_equal(pair.server.sum, sum);
    assert_int_equal(pair.released, 2);
    assert_int_equal(pair.client.drained, 1);
    /* The half-closed side still receives. */
    dtr_stream_read(pair.client.stream, UINT64_MAX);
    dtr_stream_write(pair.server.stream, "back", 4);
    dtr_stream_close(pair.server.stream, true);
    run_until(&pair, client_has_four);
    close_pair(&pair);
    close(fd);
}

static bool client_closed(const struct pair *pair)
{
    return pair->client.closed;
}

static void a_short_file_fails_the_stream(void **state)
{
    (void)state;
    struct pair pair;
    char path[] = "/tmp/darter-net-XXXXXX";
    int fd = mkstemp(path);
    (void)unlink(path);
    open_pair(&pair);
    struct dtr_extent file = {
        .fd = fd, .offset = 0, .length = 4, .release = count_release, .release_context = &pair.released};
    dtr_stream_send(pair.client.stream, &file);
    run_until(&pair, client_closed);
    assert_int_equal(pair.client.result.code, DTR_EIO);
    assert_int_equal(pair.released, 1);
    close_pair(&pair);
    close(fd);
}

static void an_idle_stream_times_out(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_deadline(pair.client.stream, 30, 0);
    run_until(&pair, client_closed);
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
    run_until(&pair, client_closed);
    assert_int_equal(pair.client.result.code, DTR_ETIMEOUT);
    assert_non_null(strstr(pair.client.result.text, "nothing moved"));
    close_pair(&pair);
}

static void a_full_queue_closes_the_stream(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    dtr_stream_limit(pair.client.stream, 10);
    dtr_stream_write(pair.client.stream, "12345678", 8);
    dtr_stream_write(pair.client.stream, "901", 3);
    run_until(&pair, client_closed);
    assert_int_equal(pair.client.result.code, DTR_ELIMIT);
    close_pair(&pair);
}

static void count_empty(void *context)
{
    (*(int *)context)++;
}

static bool server_closed(const struct pair *pair)
{
    return pair->server.closed;
}

static void a_group_waits_for_its_streams_and_then_closes_them(void **state)
{
    (void)state;
    struct pair pair;
    struct dtr_stream_group group;
    int empty = 0;
    open_pair(&pair);
    dtr_stream_group_init(&group, pair.loop);
    dtr_stream_group_add(&group, pair.client.stream);
    dtr_stream_group_add(&group, pair.server.stream);
    dtr_stream_close(pair.client.stream, false);
    dtr_stream_group_end(&group, 30, count_empty, &empty);
    run_until(&pair, client_closed); /* by itself */
    assert_false(pair.server.closed);
    assert_int_equal(empty, 0);
    run_until(&pair, server_closed); /* at the limit */
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

static bool log_says(const char *path, const char *words)
{
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[length] = '\0';
    if (file)
        (void)fclose(file);
    return strstr(text, words) != NULL;
}

/* The client sees nothing but waiting, so the operator must be told. */
static void accepting_without_descriptors_pauses_and_says_so(void **state)
{
    (void)state;
    struct pair pair;
    struct rlimit limit, small;
    char path[] = "/tmp/dtr_net_test.XXXXXX", address[DTR_ADDR_TEXT];
    struct dtr_addr addr;
    int fd = mkstemp(path), lowest;
    const struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = path};
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    connect_pair(&pair);
    dtr_listener_addr(pair.listener, &addr);
    dtr_addr_text(&addr, address);
    lowest = dup(0);
    assert_true(lowest >= 0 && close(lowest) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    for (int i = 0; i < 3; i++)
        dtr_loop_turn(pair.loop, true);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(dtr_log_flush(5000));
    assert_true(log_says(path, "raise the limit of open files"));
    assert_true(log_says(path, address));
    run_until(&pair, accepted);
    dtr_log_stop();
    (void)unlink(path);
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
        dtr_stream_connect(pair.loop, &addr.any, 2000, &end_events, &pair.client, &pair.client.stream, &err),
        DTR_OK);
    assert_false(pair.client.closed); /* later, never inside the call */
    run_until(&pair, client_closed);
    assert_int_equal(pair.client.result.code, DTR_EUNAVAILABLE);
    dtr_loop_free(pair.loop);
}

/* A daemon that hangs, with as many callers waiting as may. */
static void a_socket_file_whose_owner_hangs_is_left_alone(void **state)
{
    (void)state;
    char path[64];
    int callers[8], count = 0;
    struct dtr_addr addr;
    struct dtr_error err;
    struct dtr_loop *loop = NULL;
    struct dtr_listener *listener = NULL;
    (void)snprintf(path, sizeof(path), "/tmp/dtr_net_test.%d", (int)getpid());
    assert_int_equal(dtr_addr_unix(path, &addr, &err), DTR_OK);
    int hung = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hung, &addr.any, addr.length), 0);
    assert_int_equal(listen(hung, 0), 0);
    do
        callers[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    while (connect(callers[count++], &addr.any, addr.length) == 0 && count < 8);
    assert_int_equal(dtr_loop_new("listen", &loop, &err), DTR_OK);
    assert_int_equal(dtr_listen(loop, &addr, on_accept, NULL, &listener, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, "another process listens"));
    assert_int_equal(access(path, F_OK), 0);
    while (count > 0)
        (void)close(callers[--count]);
    (void)close(hung);
    (void)unlink(path);
    dtr_loop_free(loop);
}

/* Who is gone before it was looked at is not taken for somebody on this machine. */
static void a_caller_that_left_has_no_rights(void **state)
{
    (void)state;
    struct pair pair = {0};
    struct dtr_cred cred;
    struct dtr_stream *stream = NULL;
    const struct linger now = {.l_onoff = 1};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), caller = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(port, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(port, 1), 0);
    assert_int_equal(getsockname(port, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(caller, (struct sockaddr *)&at, size), 0);
    int fd = accept4(port, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_equal(setsockopt(caller, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    (void)close(caller); /* a reset, which loopback delivers at once */
    assert_int_equal(getpeername(fd, (struct sockaddr *)&at, &size), -1);
    assert_int_equal(dtr_loop_new("left", &pair.loop, NULL), DTR_OK);
    assert_int_equal(dtr_stream_new(pair.loop, fd, &end_events, &pair.client, &stream, NULL), DTR_OK);
    assert_int_equal(dtr_stream_addr(stream)->any.sa_family, AF_INET);
    assert_false(dtr_stream_cred(stream, &cred));
    dtr_stream_close(stream, false);
    run_until(&pair, client_closed);
    (void)close(port);
    dtr_loop_free(pair.loop);
}

static void a_stale_socket_file_is_replaced(void **state)
{
    (void)state;
    struct dtr_loop *loop = NULL;
    struct dtr_listener *first = NULL, *second = NULL;
    struct dtr_addr addr;
    struct dtr_error err;
    char folder[] = "/tmp/darter-net-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s.sock", folder);
    assert_int_equal(dtr_addr_unix(path, &addr, &err), DTR_OK);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, &addr.any, addr.length), 0);
    close(stale);
    assert_int_equal(dtr_loop_new("test", &loop, &err), DTR_OK);
    assert_int_equal(dtr_listen(loop, &addr, on_accept, NULL, &first, &err), DTR_OK);
    assert_int_equal(dtr_listen(loop, &addr, on_accept, NULL, &second, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, path));
    dtr_listener_close(first);
    assert_int_equal(access(path, F_OK), -1);
    dtr_loop_free(loop);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_read_and_write),
        cmocka_unit_test(guard_refuses_what_points_inwards),
        cmocka_unit_test(guard_knows_addresses_that_came_later),
        cmocka_unit_test(the_wildcard_of_ipv6_takes_both_families),
        cmocka_unit_test(bytes_arrive_whole_and_in_order),
        cmocka_unit_test(nothing_is_read_beyond_the_credit),
        cmocka_unit_test(extents_are_sent_and_released),
        cmocka_unit_test(a_short_file_fails_the_stream),
        cmocka_unit_test(an_idle_stream_times_out),
        cmocka_unit_test(a_deadline_named_while_connecting_holds_afterwards),
        cmocka_unit_test(a_full_queue_closes_the_stream),
        cmocka_unit_test(a_group_waits_for_its_streams_and_then_closes_them),
        cmocka_unit_test(accepting_without_descriptors_pauses_and_says_so),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(a_stale_socket_file_is_replaced),
        cmocka_unit_test(a_socket_file_whose_owner_hangs_is_left_alone),
        cmocka_unit_test(a_caller_that_left_has_no_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
