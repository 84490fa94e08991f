/* Reads and exchanges against a small server on loopback: ranges, failures, pauses, bodies. */
#include "rig.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <time.h>

static void a_plain_read_gives_length_and_version(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.total, 10);
    assert_string_equal(seen.version, "\"v1\"");
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");
    assert_null(strstr(server.last_request, "Range:"));
    assert_non_null(strstr(server.last_request, "User-Agent: darter/"));
}

static void a_range_is_asked_for_and_understood(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/ranged", url);
    request.offset = 3;
    request.length = 3;
    request.if_range = "\"v1\"";
    run(&request, true);
    assert_int_equal(seen.status, 206);
    assert_int_equal(seen.offset, 3);
    assert_int_equal(seen.total, 10);
    assert_non_null(strstr(server.last_request, "Range: bytes=3-5\r\n"));
    assert_non_null(strstr(server.last_request, "If-Range: \"v1\"\r\n"));

    request = request_for("/plain", url);
    request.offset = 3;
    run(&request, true);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.offset, 0); /* the range was ignored: the caller sees where the body starts */
    assert_non_null(strstr(server.last_request, "Range: bytes=3-\r\n"));

    request = request_for("/badrange", url);
    request.length = 3;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EPROTOCOL);
}

static void failures_have_their_codes(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/short", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_ECLOSED);
    assert_string_equal(dtr_str_text(&seen.body), "only this");

    request = request_for("/stall", url);
    request.stall_ms = 50;
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_ETIMEOUT);

    request = request_for("/missing", url);
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_OK);
    assert_int_equal(seen.status, 404);
    assert_string_equal(dtr_str_text(&seen.body), "not there");

    request = request_for("/plain", url);
    begin(&request, true);
    seen.refuse_body = true;
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ENO_SPACE);

    request = request_for("", url);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:1/");
    run(&request, true);
    assert_int_equal(seen.result.code, DTR_EUNAVAILABLE);
}

static void a_pause_holds_and_a_cancel_ends(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/plain", url);
    begin(&request, true);
    seen.pause_once = true;
    turn_until(&seen.paused);
    assert_false(seen.done);
    ops->resume(seen.call);
    assert_int_equal(seen.body.length, 0); /* never from inside the call */
    turn_until(&seen.done);
    assert_string_equal(dtr_str_text(&seen.body), "0123456789");

    request = request_for("/stall", url);
    begin(&request, true);
    ops->cancel(seen.call);
    assert_false(seen.done);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ECANCELLED);
}

/* The bytes that waited are refused: the call ends, and no later ones come. */
static void what_waited_may_be_refused(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/stall", url);
    request.stall_ms = 0;
    begin(&request, true);
    seen.pause_once = true;
    turn_until(&seen.paused);
    seen.refuse_body = true;
    ops->resume(seen.call);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ENO_SPACE);
    assert_int_equal(seen.refused, 1);
}

/* --- a resolver that does not answer ----------------------------------------------------------------------
 */

static struct {
    sem_t asked, answer;
    _Atomic bool waited_in_vain;
} resolver;

/* In the place of the C library's, also for libcurl. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;
    if (strcmp(name, "silent.test") == 0) {
        (void)sem_post(&resolver.asked);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 5;
        resolver.waited_in_vain = sem_timedwait(&resolver.answer, &until) != 0;
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

/* The system's resolver cannot be stopped: a call that ends must not wait for it. */
static void a_silent_resolver_holds_nobody_up(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("", url);
    (void)snprintf(url, sizeof(url), "http://silent.test/");
    (void)sem_init(&resolver.asked, 0, 0);
    (void)sem_init(&resolver.answer, 0, 0);
    begin(&request, true);
    while (sem_trywait(&resolver.asked) != 0)
        dtr_loop_turn(server.loop, false);
    ops->cancel(seen.call);
    turn_until(&seen.done);
    assert_int_equal(seen.result.code, DTR_ECANCELLED);
    (void)sem_post(&resolver.answer);
    assert_false(resolver.waited_in_vain);
}

/* --- pass-through --------------------------------------------------------------------------------------- */

static void exchanges_pass_things_through(void **state)
{
    (void)state;
    char url[128];
    struct dtr_origin_request request = request_for("/moved", url);
    run(&request, false);
    assert_int_equal(seen.status, 302); /* the client follows it, not we */

    request = request_for("/plain", url);
    request.method = "HEAD";
    run(&request, false);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body.length, 0);

    request = request_for("/pieces", url);
    run(&request, false);
    assert_string_equal(dtr_str_text(&seen.body), "hello");

    request = request_for("/push", url);
    request.method = "PUT";
    request.has_body = true;
    request.body_length = 9;
    begin(&request, false);
    seen.upload = "some body";
    turn_until(&seen.done);
    assert_int_equal(seen.status, 201);
    assert_non_null(strstr(server.last_request, "PUT /push"));
    assert_non_null(strstr(server.last_request, "\r\n\r\nsome body"));
    assert_null(strstr(server.last_request, "Expect"));

    request = request_for("/push", url);
    request.method = "POST";
    run(&request, false);
    assert_int_equal(seen.status, 201);
    assert_non_null(strstr(server.last_request, "POST /push"));
    assert_non_null(strstr(server.last_request, "Content-Length: 0\r\n"));

    request = request_for("/push", url);
    request.method = "PATCH";
    request.has_body = true;
    request.body_length = DTR_LENGTH_UNKNOWN;
    begin(&request, false);
    seen.upload = "chunk";
    turn_until(&seen.done);
    assert_non_null(strstr(server.last_request, "5\r\nchunk\r\n0\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_read_gives_length_and_version),
        cmocka_unit_test(a_range_is_asked_for_and_understood),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(a_pause_holds_and_a_cancel_ends),
        cmocka_unit_test(what_waited_may_be_refused),
        cmocka_unit_test(a_silent_resolver_holds_nobody_up),
        cmocka_unit_test(exchanges_pass_things_through),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
