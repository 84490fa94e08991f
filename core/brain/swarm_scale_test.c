/* A flash crowd of 100,000 hosts in one process: everybody is answered, and what a peer costs is printed.
 * No assertion on time. */
#include "core/base/clock.h"
#include "core/brain/swarm.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#ifdef DTR_SANITIZED
#define HOSTS 10000
#else
#define HOSTS 100000
#endif
#define TASK   "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd"
#define PIECES 256

struct crowd {
    struct dtr_swarm *swarm;
    uint64_t now_ms;
    uint32_t parents, to_source, closed, triggers, deepest;
};

static size_t memory(void)
{
#ifdef DTR_SANITIZED
    return 0;
#else
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

static void drain(struct crowd *crowd)
{
    struct dtr_swarm_action action;
    while (dtr_swarm_next(crowd->swarm, &action)) {
        crowd->parents += action.kind == DTR_SWARM_ANSWER_PARENTS;
        crowd->to_source += action.kind == DTR_SWARM_ANSWER_SOURCE;
        crowd->closed += action.kind == DTR_SWARM_CLOSE;
        crowd->triggers += action.kind == DTR_SWARM_TRIGGER_SEED;
        if (action.kind == DTR_SWARM_ANSWER_PARENTS && action.peer->depth > crowd->deepest)
            crowd->deepest = action.peer->depth;
        if (action.kind == DTR_SWARM_PROBE_SEED)
            dtr_swarm_seed_probed(crowd->swarm, crowd->now_ms, action.host->facts.id, true);
    }
}

static void host_name(int host, char name[64])
{
    (void)snprintf(name, 64, "10.%d.%d.%d-node-%06d.example%s", host >> 16, host >> 8 & 255, host & 255, host,
                   host ? "" : "-seed");
}

static void announce(struct crowd *crowd, int host)
{
    char name[64];
    host_name(host, name);
    const struct dtr_swarm_announce facts = {.id = name,
                                             .hostname = name + 9,
                                             .ip = "10.111.222.33",
                                             .idc = "data-centre-1",
                                             .location = "europe|de|berlin|rack-17",
                                             .interval_ms = 300000,
                                             .type = host == 0,
                                             .port = 4000,
                                             .max_tx = 10000000000};
    assert_int_equal(dtr_swarm_host_announced(crowd->swarm, crowd->now_ms, &facts, NULL), DTR_OK);
    drain(crowd);
}

static void say(struct crowd *crowd, int host, enum dtr_swarm_message_kind kind, uint32_t number)
{
    static const struct dtr_swarm_register registered = {.url = "https://registry.example/v2/x/blobs/y",
                                                         .content_length = 1ull << 30,
                                                         .piece_length = 4 << 20,
                                                         .piece_count = PIECES,
                                                         .concurrent_pieces = 8};
    static const struct dtr_swarm_register as_seed = {.url = "https://registry.example/v2/x/blobs/y",
                                                      .content_length = 1ull << 30,
                                                      .piece_length = 4 << 20,
                                                      .piece_count = PIECES,
                                                      .need_back_to_source = true};
    char name[64], peer[128];
    host_name(host, name);
    (void)snprintf(peer, sizeof(peer), "%s-6e25dcb4-7dd3-42b2-88d5-%012d", name, host);
    struct dtr_swarm_message message = {.kind = kind,
                                        .host_id = name,
                                        .task_id = TASK,
                                        .peer_id = peer,
                                        .stream = (char *)crowd + host + 1,
                                        .registered = host ? &registered : &as_seed};
    message.piece.number = number;
    message.piece.length = 4 << 20;
    message.piece.cost_ms = 30;
    dtr_swarm_message(crowd->swarm, crowd->now_ms, &message);
}

static void all_say(struct crowd *crowd, enum dtr_swarm_message_kind kind, uint32_t number)
{
    for (int host = 1; host < HOSTS; host++) {
        say(crowd, host, kind, number);
        drain(crowd);
    }
}

static void report(const char *what, uint64_t from_ns, uint32_t events)
{
    double s = (double)(dtr_now_ns() - from_ns) / 1e9;
    print_message("  %-28s %8.3f s, %9.0f per s\n", what, s, events / s);
}

static void a_flash_crowd(void **state)
{
    (void)state;
    struct dtr_swarm_config config = dtr_swarm_defaults();
    struct crowd crowd = {.now_ms = 1};
    assert_int_equal(dtr_swarm_new(&config, 1, crowd.now_ms, &crowd.swarm, NULL), DTR_OK);
    size_t start = memory();
    uint64_t at = dtr_now_ns();
    for (int host = 0; host < HOSTS; host++)
        announce(&crowd, host);
    report("announce", at, HOSTS);
    size_t hosts = memory();

    at = dtr_now_ns();
    all_say(&crowd, DTR_SWARM_REGISTER, 0);
    report("register, all wait", at, HOSTS);
    assert_int_equal(crowd.triggers, 1);
    assert_int_equal(dtr_swarm_count(crowd.swarm).waiting, HOSTS - 1);

    at = dtr_now_ns();
    say(&crowd, 0, DTR_SWARM_REGISTER, 0);
    drain(&crowd);
    say(&crowd, 0, DTR_SWARM_SOURCE_STARTED, 0);
    drain(&crowd);
    report("answer all at once", at, HOSTS);
    assert_int_equal(crowd.to_source, 1);
    assert_int_equal(crowd.parents, HOSTS - 1);

    at = dtr_now_ns();
    all_say(&crowd, DTR_SWARM_STARTED, 0);
    report("started", at, HOSTS);
    at = dtr_now_ns();
    all_say(&crowd, DTR_SWARM_PIECE_FINISHED, PIECES - 1);
    report("a piece each", at, HOSTS);
    size_t running = memory();

    at = dtr_now_ns();
    all_say(&crowd, DTR_SWARM_FINISHED, 0);
    report("finished", at, HOSTS);
    assert_int_equal(crowd.closed, HOSTS - 1);
    assert_int_equal(dtr_swarm_count(crowd.swarm).peers, HOSTS);
    assert_int_equal(dtr_swarm_count(crowd.swarm).edges, 0);
    size_t finished = memory();

    at = dtr_now_ns();
    crowd.now_ms += 11000;
    dtr_swarm_time(crowd.swarm, crowd.now_ms);
    drain(&crowd);
    report("collection", at, HOSTS);
    print_message("  %d hosts: %zu bytes each; a running peer %zu bytes, a finished one %zu; depth %u\n",
                  HOSTS, (hosts - start) / HOSTS, (running - hosts) / HOSTS, (finished - hosts) / HOSTS,
                  crowd.deepest);
    assert_true((running - hosts) / HOSTS <= 2048);
    dtr_swarm_free(crowd.swarm);
}

/* What the issue of one scheduler on one core is about: a stream each that registers, is answered with
 * parents, starts and finishes. */
static void streams_one_after_the_other(void **state)
{
    (void)state;
    struct dtr_swarm_config config = dtr_swarm_defaults();
    struct crowd crowd = {.now_ms = 1};
    assert_int_equal(dtr_swarm_new(&config, 1, crowd.now_ms, &crowd.swarm, NULL), DTR_OK);
    for (int host = 0; host < HOSTS; host++)
        announce(&crowd, host);
    say(&crowd, 0, DTR_SWARM_REGISTER, 0);
    drain(&crowd);
    say(&crowd, 0, DTR_SWARM_SOURCE_STARTED, 0);
    drain(&crowd);
    uint64_t at = dtr_now_ns();
    for (int host = 1; host < HOSTS; host++) {
        const enum dtr_swarm_message_kind kinds[] = {DTR_SWARM_REGISTER, DTR_SWARM_STARTED,
                                                     DTR_SWARM_FINISHED};
        for (int i = 0; i < 3; i++) {
            say(&crowd, host, kinds[i], 0);
            drain(&crowd);
        }
    }
    report("whole streams", at, HOSTS);
    assert_int_equal(crowd.parents, HOSTS - 1);
    assert_int_equal(crowd.closed, HOSTS - 1);
    dtr_swarm_free(crowd.swarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flash_crowd),
        cmocka_unit_test(streams_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
