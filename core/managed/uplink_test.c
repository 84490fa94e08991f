/* Who of several managers is asked, and when: managers are stubs on loopback that come and go. */
#include "core/managed/uplink.h"

#include "core/loop/turn_until.h"
#include "core/managed/stub.h"
#include "core/net/tls.h"
#include "core/net/tls_rig.h"

#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LONG_MS = 600000 };

static struct dtr_loop *loop;
static struct stub_manager a, b;
static struct dtr_uplink *uplink;
static const char *texts[3];
static struct dtr_conf_strings addrs = {.items = texts};
static struct {
    int good, bad; /* turns */
    bool open, answered;
    enum dtr_rpc_code code;
    char why[256];
} owner;

#define UNTIL(condition) TURN_UNTIL(loop, condition)

static void on_turn(void *context, const struct dtr_error *err)
{
    assert_ptr_equal(context, &owner);
    owner.open = true;
    owner.good += !err;
    owner.bad += err != NULL;
    (void)snprintf(owner.why, sizeof(owner.why), "%s", err ? err->text : "");
}

static void on_answer(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    (void)context;
    (void)response;
    owner.answered = true;
    owner.code = status->code;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(dtr_loop_new("control", &loop, NULL), DTR_OK);
    stub_manager_open(&a, loop, NULL);
    stub_manager_open(&b, loop, NULL);
    memset(&owner, 0, sizeof(owner));
    addrs.count = 0;
    uplink = NULL;
    return 0;
}

static struct dtr_tls *uplink_tls; /* NULL: none is configured */

static void open_to(const char *first, const char *second)
{
    const struct dtr_uplink_options options = {.loop = loop,
                                               .addrs = &addrs,
                                               .tls = uplink_tls,
                                               .interval_ms = LONG_MS,
                                               .meanwhile = "the test waits",
                                               .turn = on_turn,
                                               .context = &owner};
    texts[addrs.count++] = first;
    if (second)
        texts[addrs.count++] = second;
    assert_int_equal(dtr_uplink_open(&options, &uplink, NULL), DTR_OK);
}

static int end(void **state)
{
    bool closed = false;
    (void)state;
    dtr_uplink_close(uplink, set_flag, &closed);
    UNTIL(closed);
    stub_manager_close(&a);
    stub_manager_close(&b);
    dtr_loop_free(loop);
    return 0;
}

static void end_turn(enum dtr_uplink_end how)
{
    assert_true(owner.open);
    owner.open = false;
    dtr_uplink_end_turn(uplink, how);
}

static void ask(void)
{
    const Manager__V2__GetSchedulerRequest request = MANAGER__V2__GET_SCHEDULER_REQUEST__INIT;
    owner.answered = false;
    assert_int_equal(
        dtr_uplink_ask(uplink, &dtr_rpc_manager_get_scheduler, &request.base, on_answer, NULL, NULL), DTR_OK);
}

static void the_first_that_answers_is_asked(void **state)
{
    (void)state;
    open_to(a.text, b.text);
    UNTIL(owner.good == 1);
    assert_string_equal(dtr_uplink_name(uplink), a.text);
    ask();
    UNTIL(owner.answered);
    assert_int_equal(owner.code, DTR_RPC_NOT_FOUND);
    assert_int_equal(a.got, 1);
}

static void a_dead_one_is_passed_over(void **state)
{
    struct dtr_addr at = a.addr;
    char dead[DTR_ADDR_TEXT + 8];
    (void)state;
    (void)snprintf(dead, sizeof(dead), "http://%s", a.text);
    stub_manager_close(&a);
    open_to(dead, b.text);
    UNTIL(owner.good == 1);
    ask();
    UNTIL(owner.answered);
    assert_int_equal(b.got, 1);
    stub_manager_open(&a, loop, &at);
    end_turn(DTR_UPLINK_GOOD);
    dtr_uplink_soon(uplink, 0);
    UNTIL(owner.good == 2);
    assert_string_equal(dtr_uplink_name(uplink), b.text); /* who answers is stayed with */
}

static void one_that_does_not_serve_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(dtr_rpc_health_set(a.health, "", false, NULL), DTR_OK);
    open_to(a.text, b.text);
    UNTIL(owner.good == 1);
    assert_string_equal(dtr_uplink_name(uplink), b.text);
}

static void when_nobody_answers_the_owner_hears_why(void **state)
{
    struct dtr_addr at = a.addr;
    (void)state;
    stub_manager_close(&a);
    open_to(a.text, "127.0.0.1:1");
    UNTIL(owner.bad == 1);
    assert_non_null(strstr(owner.why, "127.0.0.1:1: "));
    end_turn(DTR_UPLINK_BAD);
    stub_manager_open(&a, loop, &at);
    dtr_uplink_soon(uplink, 0);
    UNTIL(owner.good == 1);
}

/* It comes by itself, long before the interval. */
static void after_a_bad_turn_the_next_is_near(void **state)
{
    (void)state;
    open_to(a.text, NULL);
    UNTIL(owner.good == 1);
    end_turn(DTR_UPLINK_BAD);
    UNTIL(owner.good == 2);
}

static void one_that_breaks_off_is_looked_for_anew(void **state)
{
    (void)state;
    open_to(a.text, b.text);
    UNTIL(owner.good == 1);
    end_turn(DTR_UPLINK_GOOD);
    struct dtr_addr at = a.addr;
    stub_manager_close(&a);
    dtr_uplink_soon(uplink, 0);
    UNTIL(owner.open);
    if (strcmp(dtr_uplink_name(uplink), b.text) != 0) { /* the turn was sooner than the news */
        ask();
        UNTIL(owner.answered);
        assert_int_equal(owner.code, DTR_RPC_UNAVAILABLE);
        end_turn(DTR_UPLINK_LEAVE);
        UNTIL(owner.open);
    }
    assert_string_equal(dtr_uplink_name(uplink), b.text);
    stub_manager_open(&a, loop, &at);
}

static void one_that_is_left_makes_room_for_the_next(void **state)
{
    (void)state;
    open_to(a.text, b.text);
    UNTIL(owner.good == 1);
    dtr_uplink_soon(uplink, 0); /* during the turn: at once after it */
    end_turn(DTR_UPLINK_LEAVE);
    UNTIL(owner.good == 2);
    assert_string_equal(dtr_uplink_name(uplink), b.text);
}

static void another_interval_counts_at_once(void **state)
{
    (void)state;
    open_to(a.text, NULL);
    UNTIL(owner.good == 1);
    end_turn(DTR_UPLINK_GOOD);
    dtr_uplink_interval(uplink, 20);
    UNTIL(owner.good == 2);
    end_turn(DTR_UPLINK_GOOD);
    UNTIL(owner.good == 3);
}

static void a_name_is_looked_up(void **state)
{
    char named[64];
    (void)state;
    (void)snprintf(named, sizeof(named), "http://localhost:%u/", dtr_addr_port(&a.addr));
    open_to(named, NULL);
    UNTIL(owner.good == 1);
    assert_non_null(strstr(dtr_uplink_name(uplink), "localhost:"));
    assert_non_null(strstr(dtr_uplink_name(uplink), a.text));
}

static struct tls_rig rig;

static struct dtr_tls *tls_of(enum dtr_tls_side side)
{
    const struct dtr_tls_options options = {.side = side,
                                            .http2 = true,
                                            .files = {[DTR_TLS_CA_CERT] = tls_rig_path(&rig, "ca.pem"),
                                                      [DTR_TLS_CERT] = tls_rig_path(&rig, "good.pem"),
                                                      [DTR_TLS_KEY] = tls_rig_path(&rig, "good.key")}};
    struct dtr_tls *tls = NULL;
    assert_int_equal(dtr_tls_new(&options, &tls, NULL), DTR_OK);
    return tls;
}

/* The first manager asks its callers for a certificate; with ours, by its name, it is reached, whether the
 * address says https or not. Without it is not. */
static void certificates_are_shown_and_asked_for(void **state)
{
    const struct tls_rig_wish wish = {.names = "DNS:localhost"};
    char named[64], secure[80];
    (void)state;
    tls_rig_open(&rig);
    tls_rig_issue(&rig, "good", &wish);
    struct dtr_tls *server_tls = tls_of(DTR_TLS_SERVER);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &a.addr, NULL), DTR_OK);
    dtr_rpc_server_secure(a.server, server_tls);
    assert_int_equal(dtr_rpc_server_listen(a.server, &a.addr, a.table, &a.addr, NULL), DTR_OK);
    (void)snprintf(named, sizeof(named), "localhost:%u", dtr_addr_port(&a.addr));
    (void)snprintf(secure, sizeof(secure), "https://%s", named);
    for (int tries = 0; tries < 4; tries++) {
        bool shown = tries < 2, closed = false;
        uplink_tls = shown ? tls_of(DTR_TLS_CLIENT) : NULL;
        addrs.count = 0;
        memset(&owner, 0, sizeof(owner));
        open_to(tries % 2 ? secure : named, NULL);
        UNTIL(owner.open);
        assert_int_equal(owner.good, shown);
        assert_true(shown || owner.why[0]);
        dtr_uplink_close(uplink, set_flag, &closed);
        UNTIL(closed);
        dtr_tls_drop(uplink_tls);
    }
    uplink_tls = NULL;
    open_to(b.text, NULL); /* for end() */
    stub_manager_close(&a);
    dtr_tls_drop(server_tls);
    tls_rig_close(&rig);
}

/* end() closes it while a call waits for its answer, and while it looks. */
static void it_may_end_in_a_call(void **state)
{
    (void)state;
    a.mute = true;
    open_to(a.text, NULL);
    UNTIL(owner.good == 1);
    ask();
    UNTIL(a.got == 1);
    assert_int_equal(end(NULL), 0);
    assert_true(owner.answered);
    assert_int_equal(owner.code, DTR_RPC_CANCELLED);
    assert_int_equal(begin(NULL), 0);
    open_to("localhost:1", NULL);
    dtr_loop_turn(loop, true);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_first_that_answers_is_asked),
        TEST(a_dead_one_is_passed_over),
        TEST(one_that_does_not_serve_is_passed_over),
        TEST(when_nobody_answers_the_owner_hears_why),
        TEST(after_a_bad_turn_the_next_is_near),
        TEST(one_that_breaks_off_is_looked_for_anew),
        TEST(one_that_is_left_makes_room_for_the_next),
        TEST(another_interval_counts_at_once),
        TEST(a_name_is_looked_up),
        TEST(certificates_are_shown_and_asked_for),
        TEST(it_may_end_in_a_call),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
