/* What `darter ctl explain` prints. */
#include "core/tools/ctl_print.h"

#include <darter/error.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* One pull of 30 bytes with one parent and one event. */
static struct {
    Darter__V1__Event event, *events[1];
    Darter__V1__Giver giver, *givers[1];
    Darter__V1__Pull pull, *pulls[1];
    Darter__V1__ExplainResponse story;
} given;

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static void give(void)
{
    darter__v1__event__init(&given.event);
    given.event.at_ms = 12;
    given.event.kind = text("origin");
    given.event.text = text("goes to the origin: \033[1mno peer");
    given.events[0] = &given.event;
    darter__v1__giver__init(&given.giver);
    given.giver.address = text("10.0.0.2:4000");
    given.giver.state = text("stalled");
    given.giver.why_left = text("sends nothing");
    given.giver.left = given.giver.measured = true;
    given.giver.joined_ms = 3;
    given.giver.left_ms = 50;
    given.giver.asked = 4;
    given.giver.pieces = 3;
    given.giver.failed = 1;
    given.giver.fresh = 10;
    given.giver.rate = 2.5e6;
    given.givers[0] = &given.giver;
    darter__v1__pull__init(&given.pull);
    given.pull.id = text("cafe");
    given.pull.outcome = text("failed");
    given.pull.error = text("HTTP 404");
    given.pull.asker = text("the proxy for 10.0.0.9");
    given.pull.began_wall_ms = 1700000000005;
    given.pull.took_ms = 1234;
    given.pull.from_origin = 20;
    given.pull.from_peers = 10;
    given.pull.origin_requests = 1;
    given.pull.dropped = 2;
    given.pull.n_events = given.pull.n_givers = 1;
    given.pull.events = given.events;
    given.pull.givers = given.givers;
    given.pulls[0] = &given.pull;
    darter__v1__explain_response__init(&given.story);
    given.story.task_id = text("abcd");
    given.story.known = true;
    given.story.pulls = given.pulls;
    given.story.n_pulls = 1;
}

static char *print(bool json)
{
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);
    assert_non_null(out);
    assert_int_equal(ctl_print_explain(&given.story, json, out), DTR_OK);
    (void)fclose(out);
    return printed;
}

static void expect(const char *printed, const char *part)
{
    if (!strstr(printed, part))
        fail_msg("no \"%s\" in\n%s", part, printed);
}

static void people_read_it(void **state)
{
    (void)state;
    give();
    char *printed = print(false);
    expect(printed, "task:   abcd\nsize:   not known\n");
    expect(printed, "pull cafe: 2023-11-14 22:13:20.005 UTC, failed after 1234 ms\n  error:     HTTP 404\n");
    expect(printed, "asked by:  the proxy for 10.0.0.9\n");
    expect(printed, "10 of peers, 20 of the origin (1 request), 0 were stored before: 30\n");
    expect(printed,
           "parent     10.0.0.2:4000: 3 of 4 pieces, 10 B, 1 failed, 2.5 MB/s as measured; joined +3 ms, "
           "left +50 ms (stalled): sends nothing\n");
    expect(printed, "  22:13:20.017     +12 ms  origin    goes to the origin: ?[1mno peer\n");
    expect(printed, "and 2 more that the journal had no room for\n");
    free(printed);
}

static void scripts_read_it(void **state)
{
    (void)state;
    give();
    char *printed = print(true);
    json_t *root = json_loads(printed, 0, NULL);
    const json_t *pull = json_array_get(json_object_get(root, "pulls"), 0);
    const json_t *parent = json_array_get(json_object_get(pull, "parents"), 0);
    const json_t *event = json_array_get(json_object_get(pull, "events"), 0);
    assert_string_equal(json_string_value(json_object_get(pull, "began")), "2023-11-14T22:13:20.005Z");
    assert_int_equal(json_integer_value(json_object_get(pull, "fromPeers")), 10);
    assert_true(json_is_null(json_object_get(pull, "contentLength")));
    assert_string_equal(json_string_value(json_object_get(parent, "whyLeft")), "sends nothing");
    assert_string_equal(json_string_value(json_object_get(parent, "left")), "2023-11-14T22:13:20.055Z");
    assert_int_equal(json_integer_value(json_object_get(event, "atMs")), 12);
    assert_string_equal(json_string_value(json_object_get(event, "at")), "2023-11-14T22:13:20.017Z");
    json_decref(root);
    free(printed);
}

static void without_journal_it_says_why(void **state)
{
    (void)state;
    give();
    given.story.n_pulls = 0;
    given.story.earlier = given.story.whole = true;
    char *printed = print(false);
    expect(printed, "it was pulled before this daemon started, of which there is no journal\n");
    free(printed);
    given.story.earlier = false;
    printed = print(false);
    expect(printed, "the journal keeps the newest pulls only\n");
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(people_read_it), cmocka_unit_test(scripts_read_it),
                                       cmocka_unit_test(without_journal_it_says_why)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
