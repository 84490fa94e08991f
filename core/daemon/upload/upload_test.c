/* The port for pieces: how many connections it takes. */
#include "core/daemon/upload/serve_rig.h"

#include "core/loop/turn_until.h"

#include <setjmp.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static _Atomic int served;

static void on_data(void *context, const uint8_t *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
}

static void on_end(void *context)
{
    dtr_stream_close(context, false);
}

static void on_closed(void *context, const struct dtr_error *err)
{
    (void)context;
    (void)err;
    served--;
}

static void serve(void *instance, struct dtr_stream *stream, struct dtr_service *service)
{
    static const struct dtr_stream_events events = {.data = on_data, .end = on_end, .closed = on_closed};
    (void)instance;
    (void)service;
    dtr_stream_adopt(stream, &events, stream);
    dtr_stream_read(stream, UINT64_MAX);
    served++;
}

static const struct dtr_transport_ops ops = {.size = sizeof(ops), .serve = serve};
static const struct dtr_feature feature = {.ops = &ops};

/* What is waited for happens on the data thread and in the kernel, neither of which wakes the loop. */
#define SPIN_UNTIL(condition) TURN_UNTIL_BY(rig.control, false, condition)

static int dial(void)
{
    struct dtr_addr addr;
    assert_int_equal(dtr_addr_ip("127.0.0.1", rig.daemon.ports.pieces, &addr, NULL), DTR_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &addr.any, addr.length), 0);
    return fd;
}

static bool is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void there_are_only_so_many(void **state)
{
    (void)state;
    serve_rig_begin(&rig);
    rig.daemon.transport.feature = &feature;
    rig.daemon.upload->connections = 2;
    int first = dial(), second = dial();
    SPIN_UNTIL(served == 2);
    int third = dial();
    SPIN_UNTIL(is_closed(third));
    assert_int_equal(served, 2);
    assert_false(is_closed(first) || is_closed(second));
    (void)close(first);
    SPIN_UNTIL(served == 1);
    int fourth = dial();
    SPIN_UNTIL(served == 2);
    (void)close(second);
    (void)close(third);
    (void)close(fourth);
    serve_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SERVE_TEST(there_are_only_so_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
