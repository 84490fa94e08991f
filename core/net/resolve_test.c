/* What the resolver's front takes and gives; names are those that every machine knows. */
#include "core/net/resolve.h"

#include "core/base/clock.h"
#include "core/net/reach.h"
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { ROOM = 8 };

static void addresses_are_themselves(void **state)
{
    static const char *const texts[] = {"10.0.0.1:8002", "[::1]:8002"};
    struct dtr_addr list[ROOM];
    char text[DTR_ADDR_TEXT];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(dtr_resolve(texts[i], list, ROOM, &count, &err), DTR_OK);
        assert_int_equal(count, 1);
        dtr_addr_text(&list[0], text);
        assert_string_equal(text, texts[i]);
    }
}

static void names_have_addresses_with_the_port(void **state)
{
    struct dtr_addr list[ROOM];
    char text[DTR_ADDR_TEXT];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_resolve("localhost:8002", list, ROOM, &count, &err), DTR_OK);
    assert_int_equal(count, 1); /* also where it is ::1 too */
    dtr_addr_text(&list[0], text);
    assert_string_equal(text, "127.0.0.1:8002");
    assert_int_equal(dtr_resolve("localhost:8002", list, 0, &count, &err), DTR_ELIMIT);
}

static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "", ":8002", "scheduler", "scheduler:", "scheduler:0", "scheduler:65536", "scheduler:http"};
    struct dtr_addr list[ROOM];
    size_t count = 0;
    struct dtr_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(dtr_resolve(texts[i], list, ROOM, &count, &err), DTR_EINVALID);
        assert_non_null(strstr(err.text, "NAME:PORT"));
    }
    assert_int_equal(dtr_resolve("a..b:8002", list, ROOM, &count, &err), DTR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "a..b has no address: "));
}

/* --- which family -----------------------------------------------------------------------------------------
 */

/* The process stands still for so long after each connect(), as if others had the processor. */
static unsigned standstill_ms;

__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t);
    *(void **)&real = dlsym(RTLD_NEXT, "connect");
    int rc = real(fd, addr, length), number = errno;
    if (standstill_ms > 0)
        (void)usleep(standstill_ms * 1000);
    errno = number;
    return rc;
}

enum state { LISTENS, REFUSES, SILENT };
enum { FILLERS = 4 };

/* An address of loopback in this state; what is to be closed goes into `fds`. */
static struct dtr_addr place(const char *ip, enum state wanted, int fds[1 + FILLERS])
{
    struct dtr_addr addr;
    assert_int_equal(dtr_addr_ip(ip, 0, &addr, NULL), DTR_OK);
    for (int i = 0; i <= FILLERS; i++)
        fds[i] = -1;
    fds[0] = socket(addr.any.sa_family, SOCK_STREAM, 0);
    assert_int_equal(bind(fds[0], &addr.any, addr.length), 0);
    assert_int_equal(getsockname(fds[0], &addr.any, &addr.length), 0);
    if (wanted != REFUSES)
        assert_int_equal(listen(fds[0], wanted == LISTENS ? 8 : 0), 0);
    for (int i = 1; wanted == SILENT && i <= FILLERS; i++) { /* until it answers no more */
        fds[i] = socket(addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], &addr.any, addr.length);
    }
    return addr;
}

static int chosen(enum state v4_state, enum state v6_state, uint64_t *ret_ms)
{
    int fds[2][1 + FILLERS];
    struct dtr_addr v4 = place("127.0.0.1", v4_state, fds[0]), v6 = place("::1", v6_state, fds[1]);
    struct addrinfo second = {.ai_family = AF_INET6, .ai_addr = &v6.any, .ai_addrlen = v6.length};
    struct addrinfo first = {
        .ai_family = AF_INET, .ai_addr = &v4.any, .ai_addrlen = v4.length, .ai_next = &second};
    uint64_t begun = dtr_now_ms();
    int family = dtr_reach_family(&first);
    *ret_ms = dtr_now_ms() - begun;
    for (int i = 0; i < 2 * (1 + FILLERS); i++) {
        int fd = fds[i / (1 + FILLERS)][i % (1 + FILLERS)];
        if (fd >= 0)
            (void)close(fd);
    }
    return family;
}

/* The time it takes is bounded for the best of some tries, since each may be held up by others' work. */
enum { TRIES = 5 };

static void the_family_that_answers_is_chosen(void **state)
{
    static const struct {
        enum state v4, v6;
        int family;
        uint64_t least_ms, most_ms;
    } cases[] = {
        {LISTENS, LISTENS, AF_INET, 0, 200},   {REFUSES, LISTENS, AF_INET6, 0, 200},
        {SILENT, LISTENS, AF_INET6, 250, 900}, {LISTENS, REFUSES, AF_INET, 0, 200},
        {REFUSES, REFUSES, AF_INET, 0, 200},   {SILENT, REFUSES, AF_INET, 1000, 5000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ms = UINT64_MAX;
        for (int try = 0; try < TRIES && ms > cases[i].most_ms; try++) {
            assert_int_equal(chosen(cases[i].v4, cases[i].v6, &ms), cases[i].family);
            assert_true(ms >= cases[i].least_ms);
        }
        assert_true(ms <= cases[i].most_ms);
    }
}

/* The time is over when the process goes on, but the answer has long been there. */
static void an_answer_during_a_standstill_counts(void **state)
{
    uint64_t ms;
    (void)state;
    standstill_ms = 1100;
    assert_int_equal(chosen(REFUSES, LISTENS, &ms), AF_INET6);
    assert_true(ms >= 1000);
    standstill_ms = 0;
}

static void one_family_is_not_asked(void **state)
{
    (void)state;
    int fds[1 + FILLERS];
    struct dtr_addr v6 = place("::1", SILENT, fds);
    const struct addrinfo only = {.ai_family = AF_INET6, .ai_addr = &v6.any, .ai_addrlen = v6.length};
    uint64_t ms = UINT64_MAX;
    for (int try = 0; try < TRIES && ms > 200; try++) {
        uint64_t begun = dtr_now_ms();
        assert_int_equal(dtr_reach_family(&only), AF_INET6);
        ms = dtr_now_ms() - begun;
    }
    assert_true(ms <= 200);
    for (int i = 0; i <= FILLERS; i++)
        (void)close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_themselves),
        cmocka_unit_test(names_have_addresses_with_the_port),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(the_family_that_answers_is_chosen),
        cmocka_unit_test(an_answer_during_a_standstill_counts),
        cmocka_unit_test(one_family_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
