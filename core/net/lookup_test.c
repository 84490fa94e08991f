/* Look-ups, by example: found, too late, too many. The resolver has names that it does not answer. */
#include "core/net/lookup.h"

#include "core/net/resolver_rig.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LONG_MS = 60000, SHORT_MS = 20, MANY = DTR_LOOKUP_THREADS + DTR_LOOKUP_ROOM };

static struct dtr_loop *loop;

struct answer {
    bool done;
    size_t count;
    char first[DTR_ADDR_TEXT];
    struct dtr_error err;
};

static void on_done(void *context, const struct dtr_addr *list, size_t count, const struct dtr_error *err)
{
    struct answer *answer = context;
    answer->done = true;
    answer->count = count;
    answer->err = *err;
    if (count > 0)
        dtr_addr_text(&list[0], answer->first);
}

static struct dtr_lookup *begin(const char *name, uint64_t limit_ms, struct answer *answer)
{
    struct dtr_lookup *lookup = NULL;
    struct dtr_error err;
    if (dtr_lookup_start(loop, name, limit_ms, on_done, answer, &lookup, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return lookup;
}

static void turn_until_done(const struct answer *answer)
{
    while (!answer->done)
        dtr_loop_turn(loop, true);
}

static void ask(const char *name, uint64_t limit_ms, struct answer *answer)
{
    *answer = (struct answer){0};
    (void)begin(name, limit_ms, answer);
    turn_until_done(answer);
}

static void names_and_addresses_are_found(void **state)
{
    struct answer answer;
    (void)state;
    ask("localhost:443", LONG_MS, &answer);
    assert_int_equal(answer.err.code, DTR_OK);
    assert_true(strcmp(answer.first, "127.0.0.1:443") == 0 || strcmp(answer.first, "[::1]:443") == 0);
    ask("10.0.0.1:443", LONG_MS, &answer);
    assert_string_equal(answer.first, "10.0.0.1:443");
    ask("a..b:443", LONG_MS, &answer);
    assert_int_equal(answer.err.code, DTR_ENOT_FOUND);
    assert_int_equal(answer.count, 0);
    ask("a", LONG_MS, &answer);
    assert_int_equal(answer.err.code, DTR_EINVALID);
}

/* What the resolver says afterwards is heard by nobody. It is asked before the loop can see that the time is
 * over: what still stands in line then is never asked. */
static void a_silent_name_ends_by_its_deadline(void **state)
{
    struct answer answer = {0};
    (void)state;
    resolver_rig_hush();
    (void)begin("a.silent.test:443", SHORT_MS, &answer);
    resolver_rig_await(1);
    turn_until_done(&answer);
    assert_int_equal(answer.err.code, DTR_ETIMEOUT);
    assert_non_null(strstr(answer.err.text, "a.silent.test:443"));
    resolver_rig_speak();
    resolver_rig_await(0);
    ask("localhost:443", LONG_MS, &answer);
    assert_int_equal(answer.err.code, DTR_OK);
}

static void the_line_has_an_end(void **state)
{
    struct answer answer;
    struct dtr_lookup *all[MANY], *more = NULL;
    struct dtr_error err;
    (void)state;
    resolver_rig_hush();
    for (int i = 0; i < DTR_LOOKUP_THREADS; i++)
        all[i] = begin("b.silent.test:443", LONG_MS, &answer);
    resolver_rig_await(DTR_LOOKUP_THREADS);
    for (int i = DTR_LOOKUP_THREADS; i < MANY; i++)
        all[i] = begin("localhost:443", LONG_MS, &answer);
    assert_int_equal(dtr_lookup_start(loop, "c.test:443", LONG_MS, on_done, &answer, &more, &err),
                     DTR_ELIMIT);
    assert_string_equal(err.text, "c.test:443 is not looked up: 64 wait in line already");
    dtr_lookup_cancel(all[MANY - 1]);
    ask("localhost:443", SHORT_MS, &answer); /* there is room for it, and no thread */
    assert_int_equal(answer.err.code, DTR_ETIMEOUT);
    for (int i = 0; i < MANY - 1; i++)
        dtr_lookup_cancel(all[i]);
    resolver_rig_speak();
    resolver_rig_await(0); /* else the next test's silence may still hold some */
    ask("localhost:443", LONG_MS, &answer);
    assert_int_equal(answer.err.code, DTR_OK);
}

static int set_up(void **state)
{
    struct dtr_error err;
    (void)state;
    return dtr_loop_new("test", &loop, &err);
}

static int tear_down(void **state)
{
    (void)state;
    resolver_rig_await(0);
    dtr_loop_free(loop);
    return 0;
}

/* --- for threads that block ----------------------------------------------------------------------------- */

static void *wait_for_silence(void *context)
{
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    struct dtr_error err;
    size_t count = 0;
    *(int *)context = dtr_lookup_wait("b.silent.test:443", LONG_MS, list, &count, &err);
    return NULL;
}

/* On one processor the caller often runs before the thread that answered it has gone. */
static void who_was_answered_takes_no_room(void)
{
    enum { TIMES = 2000 };
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    struct dtr_error err;
    size_t count = 0;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(dtr_lookup_wait("10.0.0.1:443", LONG_MS, list, &count, &err), DTR_OK);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void waiting_ends_with_the_answer_or_the_limit(void **state)
{
    struct dtr_addr list[DTR_LOOKUP_ADDRS];
    struct dtr_error err;
    size_t count = 0;
    (void)state;
    assert_int_equal(dtr_lookup_wait("10.0.0.1:443", LONG_MS, list, &count, &err), DTR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(dtr_addr_port(&list[0]), 443);
    assert_int_equal(dtr_lookup_wait("a..b:443", LONG_MS, list, &count, &err), DTR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "a..b has no address"));
    resolver_rig_hush();
    for (int i = 0; i < DTR_LOOKUP_ROOM - 1; i++)
        assert_int_equal(dtr_lookup_wait("a.silent.test:443", i == 0 ? SHORT_MS : 0, list, &count, &err),
                         DTR_ETIMEOUT);
    who_was_answered_takes_no_room(); /* there is room for one */
    pthread_t thread;
    int status = DTR_OK;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_silence, &status), 0);
    resolver_rig_await(DTR_LOOKUP_ROOM);
    assert_int_equal(dtr_lookup_wait("a.silent.test:443", LONG_MS, list, &count, &err), DTR_ELIMIT);
    resolver_rig_speak();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, DTR_ENOT_FOUND);
    assert_int_equal(dtr_lookup_wait("localhost:443", LONG_MS, list, &count, &err), DTR_OK);
    resolver_rig_await(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses_are_found),
        cmocka_unit_test(a_silent_name_ends_by_its_deadline),
        cmocka_unit_test(the_line_has_an_end),
        cmocka_unit_test(waiting_ends_with_the_answer_or_the_limit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
