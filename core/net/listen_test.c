/* Listeners by example: who comes from where, no descriptors, and sockets in files. */
#include "core/net/listen.h"
#include "core/net/stream_pair.h"

#include "core/obs/log.h"
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

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
        assert_int_equal(dtr_listen(pair.loop, &addr, pair_accept, &pair, &pair.listener, NULL), DTR_OK);
        dtr_listener_addr(pair.listener, &addr);
        assert_int_equal(dtr_addr_ip(from[i], dtr_addr_port(&addr), &addr, NULL), DTR_OK);
        assert_int_equal(dtr_stream_connect(pair.loop, &addr.any, 20000, &end_events, &pair.client,
                                            &pair.client.stream, NULL),
                         DTR_OK);
        TURN_UNTIL(pair.loop, pair.server.stream);
        assert_memory_equal(dtr_stream_peer(pair.server.stream), seen[i], strlen(seen[i]));
        close_pair(&pair);
    }
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
    (void)close(caller); /* a reset */
    struct pollfd reset = {.fd = fd};
    while (!(reset.revents & POLLHUP))
        assert_int_equal(poll(&reset, 1, TURN_MOST_MS), 1);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&at, &size), -1);
    assert_int_equal(dtr_loop_new("left", &pair.loop, NULL), DTR_OK);
    assert_int_equal(dtr_stream_new(pair.loop, fd, &end_events, &pair.client, &stream, NULL), DTR_OK);
    assert_int_equal(dtr_stream_addr(stream)->any.sa_family, AF_INET);
    assert_false(dtr_stream_cred(stream, &cred));
    dtr_stream_close(stream, false);
    TURN_UNTIL(pair.loop, pair.client.closed);
    (void)close(port);
    dtr_loop_free(pair.loop);
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
    TURN_UNTIL(pair.loop, pair.server.stream);
    dtr_log_stop();
    (void)unlink(path);
    close_pair(&pair);
}

/* --- sockets in files ----------------------------------------------------------------------------------- */

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
    assert_int_equal(dtr_listen(loop, &addr, pair_accept, NULL, &first, &err), DTR_OK);
    assert_int_equal(dtr_listen(loop, &addr, pair_accept, NULL, &second, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, path));
    dtr_listener_close(first);
    assert_int_equal(access(path, F_OK), -1);
    dtr_loop_free(loop);
    (void)rmdir(folder);
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
    assert_int_equal(dtr_listen(loop, &addr, pair_accept, NULL, &listener, &err), DTR_EEXISTS);
    assert_non_null(strstr(err.text, "another process listens"));
    assert_int_equal(access(path, F_OK), 0);
    while (count > 0)
        (void)close(callers[--count]);
    (void)close(hung);
    (void)unlink(path);
    dtr_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wildcard_of_ipv6_takes_both_families),
        cmocka_unit_test(accepting_without_descriptors_pauses_and_says_so),
        cmocka_unit_test(a_stale_socket_file_is_replaced),
        cmocka_unit_test(a_socket_file_whose_owner_hangs_is_left_alone),
        cmocka_unit_test(a_caller_that_left_has_no_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
